"""Choose the clustering's settings on simulated meetings of voices that were held out.

usage: tune.py DIR MEETINGS_DIR [--seconds T]

The genuine pipeline runs on the first T seconds of each meeting; only the voiceprints of a chunk's three
people come from one pass of the network. Prints the diarization error rate (no collar, overlap scored) of
each setting, best last.
"""

from __future__ import annotations

import argparse
import os
from itertools import product
from pathlib import Path
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

import numpy as np
import torch
from networks import frames
from pyannote.audio import Pipeline
from pyannote.core import Annotation, Segment, SlidingWindowFeature, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate
from segmentation import RATE, ROW

File = dict[str, Any]
THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7)
FA = (0.1, 0.2, 0.4)
FB = (1.0, 3.0, 8.0)


def truth(active: np.ndarray) -> Annotation:
    """Who speaks when, of rows of 10 ms."""
    annotation = Annotation()
    for person in range(active.shape[1]):
        edges = np.flatnonzero(np.diff(np.pad(active[:, person].astype(int), 1)))
        for start, end in edges.reshape(-1, 2) * ROW / RATE:
            annotation[Segment(start, end), person] = str(person)
    return annotation


def quick(pipeline: Pipeline) -> Pipeline:
    """The pipeline with voiceprints made in one pass a chunk, keeping all that no setting changes."""
    net = pipeline._embedding.model_
    segment = pipeline.get_segmentations
    heard_of: dict[str, SlidingWindowFeature] = {}
    kept: dict[str, np.ndarray] = {}

    def get_segmentations(file: File, hook: object = None) -> SlidingWindowFeature:
        if file["uri"] not in heard_of:
            heard_of[file["uri"]] = segment(file)
        return heard_of[file["uri"]]

    def get_embeddings(
        file: File, binary_segmentations: SlidingWindowFeature, exclude_overlap: bool, hook: object = None
    ) -> np.ndarray:
        if file["uri"] in kept:
            return kept[file["uri"]].copy()
        least = pipeline._embedding.min_num_samples / (binary_segmentations.sliding_window.duration * RATE)
        made = []
        for chunk, masks in binary_segmentations:
            masks = np.nan_to_num(masks)
            clean = masks * (masks.sum(axis=1, keepdims=True) < 2)
            used = np.where(clean.sum(axis=0) > np.ceil(len(masks) * least), clean, masks).T
            sound, _ = pipeline._audio.crop(file, chunk, mode="pad")
            with torch.inference_mode():
                heard = frames(net, net.compute_fbank(sound[None]))
                made.append(net.forward_embedding(heard, torch.from_numpy(used[None]).float())[0].numpy())
        kept[file["uri"]] = np.stack(made)
        return kept[file["uri"]].copy()

    pipeline.get_segmentations = get_segmentations
    pipeline.get_embeddings = get_embeddings
    return pipeline


def rate(pipeline: Pipeline, files: list[File], settings: tuple[float, float, float]) -> tuple[float, str]:
    """The error rate over all meetings, and its parts and the numbers of voices in words."""
    threshold, fa, fb = settings
    clustering = {"threshold": threshold, "Fa": fa, "Fb": fb}
    pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": clustering})
    metric: Any = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    counts = []
    for file in files:
        found = pipeline(file).speaker_diarization
        metric(file["truth"], found, uem=Timeline([Segment(0, file["seconds"])]))
        counts.append(f"{len(found.labels())}/{len(file['truth'].labels())}")
    speech = metric["total"]
    names = ("missed detection", "false alarm", "confusion")
    parts = " ".join(f"{name} {metric[name] / speech:.3f}" for name in names)
    return abs(metric), f"{parts}; {' '.join(counts)}"


def main() -> None:
    """Try every setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("meetings", type=Path)
    parser.add_argument("--seconds", type=int, default=150)
    options = parser.parse_args()
    pipeline = quick(Pipeline.from_pretrained(options.directory))
    files: list[File] = []
    for path in sorted(options.meetings.glob("*.npz")):
        told = np.load(path)
        sound = torch.from_numpy(told["sound"][: options.seconds * RATE] / np.float32(32768))[None]
        seconds = sound.shape[1] / RATE
        file = {"waveform": sound, "sample_rate": RATE, "uri": path.stem, "seconds": seconds}
        files.append(file | {"truth": truth(told["active"][: options.seconds * RATE // ROW])})
    tried = [(*rate(pipeline, files, settings), settings) for settings in product(THRESHOLDS, FA, FB)]
    for error, note, settings in sorted(tried, reverse=True):
        print(f"{error:.3f} threshold, Fa, Fb {settings}: {note}")


if __name__ == "__main__":
    main()
