"""Train the embedded diarizer on simulated meetings.

usage: train.py MEETINGS_DIR OUT.pt --minutes M [--seed S] [--start IN.pt]

Each step takes a few stretches of each of some meetings. Losses: whose voice somebody has who speaks alone
(additive angular margin, Deng et al. 2019), and how many speak at once (cross-entropy).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from network import Diarizer, pool
from torch import Tensor
from torch.nn import functional as F

Batch = tuple[Tensor, Tensor, Tensor]

STRETCHES = 4
ROWS = 150
"""Rows of 40 ms in a stretch: 6 s."""
PEOPLE = 6
CROPS = 4
"""Voiceprints of each person in a stretch, of different parts of it."""
MARGIN, SCALE = 0.2, 24.0
"""The margin comes in late: from the start it keeps voiceprints in a few dimensions."""
LEAST_SOLO = 20
"""Rows alone that make a voiceprint: 0.8 s."""


class Meetings(torch.utils.data.IterableDataset):
    """Endless batches of stretches: mel, active, voices; people padded to 6 with voice -1."""

    def __init__(self, folder: Path, batch: int, seed: int) -> None:
        self.folder, self.batch, self.seed = folder, batch, seed

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        held: dict[Path, dict[str, np.ndarray]] = {}
        while True:
            files = sorted(self.folder.glob("*.npz"))
            for _ in range(200):
                yield self.draw(rng, files, held)

    def draw(
        self, rng: np.random.Generator, files: list[Path], held: dict[Path, dict[str, np.ndarray]]
    ) -> Batch:
        """One batch."""
        mel = np.zeros((self.batch, STRETCHES, ROWS * 4, 64), np.float32)
        active = np.zeros((self.batch, STRETCHES, ROWS, PEOPLE), np.float32)
        voices = np.full((self.batch, PEOPLE), -1)
        for i in range(self.batch):
            file = files[int(rng.integers(len(files)))]
            if file not in held:
                held[file] = dict(np.load(file))
            told = held[file]
            people = told["active"].shape[1]
            voices[i, :people] = told["voices"]
            for j in range(STRETCHES):
                row = int(rng.integers(len(told["active"]) - ROWS))
                mel[i, j] = told["mel"][row * 4 : (row + ROWS) * 4]
                active[i, j, :, :people] = told["active"][row : row + ROWS]
        mel += rng.normal(0, 0.3, (self.batch, 1, 1, 1)) + rng.normal(0, 0.3, (self.batch, 1, 1, 64))
        for i in range(self.batch):
            if rng.random() < 0.3:
                low = int(rng.integers(56))
                mel[i, :, :, low : low + int(rng.integers(2, 9))] = 0
        return torch.from_numpy(np.maximum(mel, -12)), torch.from_numpy(active), torch.from_numpy(voices)


def cropped(solo: Tensor) -> Tensor:
    """Weights kept in a random run of 0.8 to 6 s of each stretch: voiceprints of short speech."""
    length = torch.randint(LEAST_SOLO, ROWS + 1, (len(solo), 1, 1))
    start = (torch.rand(len(solo), 1, 1) * (ROWS - length)).long()
    row = torch.arange(ROWS)
    return solo * ((row >= start) & (row < start + length))


def margin_loss(cosine: Tensor, known: Tensor, margin: float) -> Tensor:
    """Cross-entropy of the right class, its angle made wider by a margin: (n, classes) and (n,)."""
    angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
    right = F.one_hot(known, cosine.shape[1]).bool()
    return F.cross_entropy(SCALE * torch.where(right, torch.cos(angle + margin), cosine), known)


def losses(
    net: Diarizer, mel: Tensor, active: Tensor, voices: Tensor, margin: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of voice and count, and the share of rows whose count is right."""
    features = net.trunk(mel.flatten(0, 1))
    active = active.flatten(0, 1).transpose(1, 2)
    speaking = active.sum(1)
    solo = active * (speaking == 1).unsqueeze(1)

    known = voices.repeat_interleave(STRETCHES, 0)
    short = torch.cat([cropped(solo) for _ in range(CROPS)])
    enough = short.sum(-1) >= LEAST_SOLO
    prints = net.voice(pool(features.repeat(CROPS, 1, 1), short)[enough])
    of_voice = margin_loss(
        prints @ F.normalize(net.classes, dim=-1).T, known.repeat(CROPS, 1)[enough], margin
    )

    heard = net.count(features)
    of_count = F.cross_entropy(heard, speaking.clamp(max=2).long())

    return of_voice, of_count, (heard.argmax(1) == speaking.clamp(max=2)).float().mean()


def main() -> None:
    """Train for so many minutes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("meetings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--start", type=Path)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    net = Diarizer(options.classes)
    net.trunk.stem.to(memory_format=torch.channels_last)
    if options.start:
        net.load_state_dict(torch.load(options.start), strict=False)
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=0.02)
    meetings = Meetings(options.meetings, options.batch, options.seed)
    data = torch.utils.data.DataLoader(meetings, batch_size=None, num_workers=1, prefetch_factor=4)
    begin, sums = time.time(), np.zeros(4)
    saved = begin
    for step, (mel, active, voices) in enumerate(data, 1):
        done = (time.time() - begin) / (60 * options.minutes)
        if done >= 1:
            break
        margin = MARGIN if options.start else MARGIN * min(1.0, max(0.0, (done - 0.3) / 0.4))
        rate = options.rate * min(1, step / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        of_voice, of_count, right = losses(net, mel, active, voices, margin)
        loss = 0.5 * of_voice + of_count
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 3.0)
        optimizer.step()
        sums += [of_voice.item(), of_count.item(), right.item(), 1]
        if step in (5, 20) or step % 100 == 0:
            shown = " ".join(f"{x:.3f}" for x in sums[:3] / sums[3])
            print(f"{time.time() - begin:.0f} s, step {step}: voice count right {shown}", flush=True)
            sums[:] = 0
        if time.time() - saved > 180:
            torch.save(net.state_dict(), options.out)
            saved = time.time()
    torch.save(net.state_dict(), options.out)


if __name__ == "__main__":
    main()
