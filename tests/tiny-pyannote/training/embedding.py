"""Teach the embedding network whose voice somebody has who speaks alone.

usage: embedding.py MEETINGS_DIR OUT.pt --minutes M [--seed S]

Stretches of meetings go through the network once; the frames are pooled for each person over parts in which
nobody else speaks, as the pipeline's masks do. The loss is the additive angular margin (Deng et al. 2019)
over the voices of the meetings.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from networks import embedding, frames
from torch import Tensor
from torch.nn import functional as F

RATE, ROW = 16_000, 160
SECONDS = 6
POOLED = 16
"""Rows of 10 ms in a frame of the network's output: 160 ms."""
LEAST = 5
"""Frames alone that make a voiceprint: 0.8 s."""
CROPS = 2
"""Voiceprints of each person in a stretch, of different parts of it."""
MARGIN, SCALE = 0.2, 24.0
"""The margin comes in late: from the start it keeps voiceprints in a few dimensions."""


def batches(
    folder: Path, size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endless batches: sound (size, 1, samples); of n voiceprints stretch, weights (n, frames) and voice."""
    held: dict[Path, dict[str, np.ndarray]] = {}
    files = sorted(folder.glob("*.npz"))
    rows = SECONDS * 100
    length = math.ceil(rows / POOLED)
    while True:
        sound = np.empty((size, 1, SECONDS * RATE), np.float32)
        of, weights, voices = [], [], []
        for i in range(size):
            file = files[int(rng.integers(len(files)))]
            if file not in held:
                held[file] = dict(np.load(file))
            told = held[file]
            row = int(rng.integers(len(told["active"]) - rows))
            sound[i, 0] = told["sound"][row * ROW : (row + rows) * ROW] / 32768
            active = told["active"][row : row + rows]
            solo = active & (active.sum(axis=1, keepdims=True) == 1)
            solo = solo[np.minimum(np.arange(length) * POOLED + POOLED // 2, rows - 1)]
            for person in np.flatnonzero(solo.sum(axis=0) >= LEAST):
                for _ in range(CROPS):
                    own = np.flatnonzero(solo[:, person])
                    keep = int(rng.integers(LEAST, len(own) + 1))
                    first = int(rng.integers(len(own) - keep + 1))
                    weight = np.zeros(length, np.float32)
                    weight[own[first : first + keep]] = 1
                    of.append(i)
                    weights.append(weight)
                    voices.append(told["voices"][person])
        if of:
            yield (
                torch.from_numpy(sound),
                torch.tensor(of),
                torch.from_numpy(np.stack(weights)),
                torch.tensor(np.array(voices), dtype=torch.long),
            )


def pooled(features: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and spread as the network's own pooling gives them, with a gradient where nothing varies.

    (n, channels, bands, frames) and (n, frames) to (n, 2 * channels * bands).
    """
    features, weights = features.flatten(1, 2), weights.unsqueeze(1)
    total = weights.sum(-1)
    mean = (features * weights).sum(-1) / total
    square = (weights * (features - mean.unsqueeze(-1)).square()).sum(-1)
    spread = (square / (total - weights.square().sum(-1) / total + 1e-8)).clamp(min=1e-6).sqrt()
    return torch.cat((mean, spread), dim=1)


def margin_loss(cosine: Tensor, known: Tensor, margin: float) -> Tensor:
    """Cross-entropy of the right class, its angle made wider by a margin: (n, classes) and (n,)."""
    angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
    right = F.one_hot(known, cosine.shape[1]).bool()
    return F.cross_entropy(SCALE * torch.where(right, torch.cos(angle + margin), cosine), known)


def masked(rng: torch.Generator, fbank: Tensor) -> Tensor:
    """Some bands of some stretches made empty, and all of them coloured."""
    fbank = fbank + 0.3 * torch.randn(len(fbank), 1, fbank.shape[2], generator=rng)
    for i in range(len(fbank)):
        if torch.rand(1, generator=rng) < 0.3:
            low = int(torch.randint(0, 28, (1,), generator=rng))
            fbank[i, :, low : low + 4] = 0
    return fbank


def main() -> None:
    """Train for so many minutes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("meetings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--classes", type=int, default=900)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = torch.Generator().manual_seed(options.seed)
    net = embedding().train().to(memory_format=torch.channels_last)
    classes = torch.nn.Parameter(torch.randn(options.classes, net.dimension))
    taught = [parameter for parameter in (*net.parameters(), classes) if parameter.requires_grad]
    optimizer = torch.optim.AdamW(taught, lr=options.rate, weight_decay=0.02)
    data = batches(options.meetings, options.batch, np.random.default_rng(options.seed))
    begin, sums = time.time(), np.zeros(3)
    for step, (sound, of, weights, voices) in enumerate(data, 1):
        done = (time.time() - begin) / (60 * options.minutes)
        if done >= 1:
            break
        falling = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, step / 100) * falling
        with torch.no_grad():
            fbank = masked(rng, net.compute_fbank(sound))
        stats = pooled(frames(net, fbank)[of], weights)
        prints = F.normalize(net.resnet.seg_1(stats), dim=-1)
        cosine = prints @ F.normalize(classes, dim=-1).T
        loss = margin_loss(cosine, voices, MARGIN * min(1.0, max(0.0, (done - 0.3) / 0.4)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(taught, 3.0)
        optimizer.step()
        sums += [loss.item(), (cosine.argmax(1) == voices).float().mean().item(), 1]
        if step in (5, 20) or step % 50 == 0:
            shown = " ".join(f"{x:.3f}" for x in sums[:2] / sums[2])
            print(f"{time.time() - begin:.0f} s, step {step}: loss, right {shown}", flush=True)
            sums[:] = 0
        if step % 200 == 0:
            torch.save(net.state_dict(), options.out)
    torch.save(net.state_dict(), options.out)


if __name__ == "__main__":
    main()
