"""Write the transform and the two-covariance model that VBx clusters with, from voiceprints of meetings.

usage: plda.py SEGMENTATION.pt EMBEDDING.pt OUT_DIR --taught MEETINGS --held MEETINGS [--count N] [--size K]

Voiceprints are made as the pipeline makes them: of ten seconds, where the segmentation hears one person
alone, for at least two seconds. A print belongs to who speaks most in it. Both covariances are the mean of
those of voices that the network was taught and of voices that it never heard: the former vary too little.
Writes ``xvec_transform.npz`` (mean1, lda, mean2) and ``plda.npz`` (mu, tr, psi): see Landini et al. 2022 and
``vbx_setup`` of pyannote.audio.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from networks import CHUNK, embedding, frames, segmentation
from pyannote.audio.models.embedding import WeSpeakerResNet34
from pyannote.audio.models.segmentation import PyanNet
from scipy.linalg import eigh
from segmentation import RATE, ROW, SETS, centres

STEP = 5
"""Seconds between chunks."""
LEAST = 0.2
"""Share of a chunk that a voiceprint needs."""


@dataclass(frozen=True)
class Spread:
    """How voiceprints vary: covariance within voices, and of the voices themselves."""

    within: np.ndarray
    between: np.ndarray


def load(segmentation_weights: Path, embedding_weights: Path) -> tuple[PyanNet, WeSpeakerResNet34]:
    """Both taught networks."""
    nets = segmentation(), embedding()
    for net, path in zip(nets, (segmentation_weights, embedding_weights), strict=True):
        net.load_state_dict(torch.load(path))
        net.eval()
    return nets


def prints_of(nets: tuple[PyanNet, WeSpeakerResNet34], file: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Voiceprints of a meeting, each with its voice."""
    listener, speaker = nets
    told = dict(np.load(file))
    samples = int(CHUNK * RATE)
    middles = centres(listener, samples)
    starts = range(0, len(told["sound"]) - samples + 1, STEP * RATE)
    sound = torch.from_numpy(np.stack([told["sound"][s : s + samples] for s in starts]) / np.float32(32768))
    with torch.inference_mode():
        heard = SETS[listener(sound.unsqueeze(1)).argmax(-1)]
        masks = torch.stack([heard == 1 << person for person in range(3)], 1).float()
        found = speaker.forward_embedding(frames(speaker, speaker.compute_fbank(sound.unsqueeze(1))), masks)
    for start, chunk_masks, prints in zip(starts, masks.numpy(), found.numpy(), strict=True):
        active = told["active"][np.minimum((start + middles) // ROW, len(told["active"]) - 1)]
        for mask, made in zip(chunk_masks, prints, strict=True):
            if mask.mean() >= LEAST:
                yield made.astype(np.float64), int(told["voices"][(mask @ active).argmax()])


def gather(
    nets: tuple[PyanNet, WeSpeakerResNet34], folder: Path, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """All voiceprints of the first meetings of a folder, (n, 256), and their voices, (n,)."""
    pairs = [pair for file in sorted(folder.glob("*.npz"))[:count] for pair in prints_of(nets, file)]
    return np.stack([made for made, _ in pairs]), np.array([voice for _, voice in pairs])


def lengthened(x: np.ndarray) -> np.ndarray:
    """Rows at the length of the square root of their size."""
    return np.asarray(np.sqrt(x.shape[1]) * x / np.linalg.norm(x, axis=1, keepdims=True))


def spread(x: np.ndarray, voices: np.ndarray) -> Spread:
    """The two covariances, each voice of two prints or more counting once for the second."""
    kept = [x[voices == voice] for voice in np.unique(voices) if (voices == voice).sum() > 1]
    scatter = sum((own - own.mean(0)).T @ (own - own.mean(0)) for own in kept)
    within = scatter / sum(len(own) - 1 for own in kept)
    means = np.stack([own.mean(0) for own in kept])
    noise = within * np.mean([1 / len(own) for own in kept])
    values, vectors = np.linalg.eigh(np.cov(means.T) - noise)
    return Spread(within, (vectors * np.maximum(values, 1e-6 * values.max())) @ vectors.T)


def mixed(taught: tuple[np.ndarray, np.ndarray], held: tuple[np.ndarray, np.ndarray]) -> Spread:
    """The covariances of both sets, as the module says."""
    one, other = spread(*taught), spread(*held)
    return Spread((one.within + other.within) / 2, (one.between + other.between) / 2)


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("segmentation", type=Path)
    parser.add_argument("embedding", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--taught", type=Path, required=True)
    parser.add_argument("--held", type=Path, required=True)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--size", type=int, default=48)
    options = parser.parse_args()
    nets = load(options.segmentation, options.embedding)
    sets = [gather(nets, folder, options.count) for folder in (options.taught, options.held)]
    first = np.mean([x.mean(0) for x, _ in sets], axis=0)
    sets = [(lengthened(x - first), voices) for x, voices in sets]
    found = mixed(*sets)
    _, directions = eigh(found.between, found.within)
    lda = directions[:, ::-1][:, : options.size]
    second = np.mean([(x @ lda).mean(0) for x, _ in sets], axis=0)
    sets = [(lengthened(x @ lda - second), voices) for x, voices in sets]
    found = mixed(*sets)
    psi, directions = eigh(found.between, found.within)
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez(options.out / "xvec_transform.npz", mean1=first, lda=lda, mean2=second)
    mu = np.mean([x.mean(0) for x, _ in sets], axis=0)
    np.savez(options.out / "plda.npz", mu=mu, tr=directions.T[::-1], psi=psi[::-1])
    print(sum(len(x) for x, _ in sets), "voiceprints; psi", np.round(psi[::-1][[0, 4, 9, 19, -1]], 2))


if __name__ == "__main__":
    main()
