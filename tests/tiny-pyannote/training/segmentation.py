"""Teach the segmentation network who speaks when in ten seconds, up to a renaming of the people.

usage: segmentation.py MEETINGS_DIR OUT.pt --minutes M [--seed S] [--start IN.pt]

The loss is the cross-entropy of the set of people who speak, as in Plaquet & Bredin 2023 ("Powerset
multi-class cross entropy loss for neural speaker diarization"), for the naming of the people that suits the
output best. The first filters stay as they are made, on the mel scale: what they give is computed once a
meeting.

A second loss, which fades out, asks the first LSTM whose voice it hears where one person speaks: without it
the network takes long to find out that voices are what tells people apart.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from networks import CHUNK, segmentation
from pyannote.audio.models.segmentation import PyanNet
from torch import Tensor
from torch.nn import functional as F

RATE, ROW = 16_000, 160
VOICES = 900
"""At least as many as the meetings have."""
VOICE_SHARE = 0.3
"""Weight of the second loss at the beginning."""
COLUMN = 60
"""Samples in a column of what the first filters give: 3 strides of 20."""
COLUMNS = 2662
"""Columns of ten seconds."""
PEOPLE = 3
SETS = torch.tensor([0, 1, 2, 4, 3, 5, 6])
"""The people of each class, as bits: nobody, each one, each pair."""
CLASS = torch.zeros(8, dtype=torch.long).scatter(0, SETS, torch.arange(7))


def centres(net: torch.nn.Module, samples: int) -> np.ndarray:
    """Sample in the middle of each frame of the output."""
    return np.array([net.receptive_field_center(i) for i in range(net.num_frames(samples))])


def target(active: np.ndarray) -> np.ndarray:
    """(frames, people) to (frames, 3): those who speak most; of three at once who speaks least goes."""
    order = np.argsort(-active.sum(axis=0), kind="stable")[:PEOPLE]
    kept = np.zeros((len(active), PEOPLE), bool)
    kept[:, : len(order)] = active[:, order]
    kept[kept.all(axis=1), PEOPLE - 1] = False
    return kept


def filtered(net: PyanNet, sound: np.ndarray) -> Tensor:
    """The first filters' output of a whole meeting, (80, n) in half precision: a column every 60 samples.

    Its level doesn't matter: the next step normalises each filter over the chunk.
    """
    sinc = net.sincnet
    level = sound.astype(np.float32)
    level /= level.std()
    with torch.no_grad():
        return sinc.pool1d[0](sinc.conv1d[0](torch.from_numpy(level)[None, None]).abs())[0].half()


def layers(lstm: torch.nn.LSTM) -> list[torch.nn.LSTM]:
    """The layers of an LSTM, as modules with the very same weights."""
    made = []
    for layer in range(lstm.num_layers):
        width = lstm.input_size if layer == 0 else 2 * lstm.hidden_size
        one = torch.nn.LSTM(width, lstm.hidden_size, batch_first=True, bidirectional=True)
        for name in [name for name, _ in one.named_parameters()]:
            setattr(one, name, getattr(lstm, name.replace("_l0", f"_l{layer}")))
        made.append(one)
    return made


def heard(net: PyanNet, columns: Tensor) -> tuple[Tensor, Tensor]:
    """The network's output for (batch, 80, n) of :func:`filtered`, and that of its first LSTM."""
    sinc = net.sincnet
    x = F.leaky_relu(sinc.norm1d[0](columns))
    for i in (1, 2):
        x = F.leaky_relu(sinc.norm1d[i](sinc.pool1d[i](sinc.conv1d[i](x))))
    first, second = layers(net.lstm)
    middle, _ = first(x.transpose(1, 2))
    x, _ = second(middle)
    for linear in net.linear:
        x = F.leaky_relu(linear(x))
    return net.activation(net.classifier(x)), middle


def alone(active: np.ndarray, voices: np.ndarray) -> np.ndarray:
    """The voice of each frame in which one person speaks, elsewhere -1: (frames,)."""
    return np.where(active.sum(axis=1) == 1, voices[active.argmax(axis=1)], -1)


def batches(
    folder: Path, size: int, net: PyanNet, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless batches: :func:`filtered` sound (size, 80, columns), :func:`target`, :func:`alone` of each."""
    held: dict[Path, tuple[Tensor, np.ndarray, np.ndarray]] = {}
    files = sorted(folder.glob("*.npz"))
    samples = int(CHUNK * RATE)
    middles = centres(net, samples)
    while True:
        sound, who, voice = [], [], []
        for _ in range(size):
            file = files[int(rng.integers(len(files)))]
            if file not in held:
                told = np.load(file)
                held[file] = filtered(net, told["sound"]), told["active"], told["voices"]
            columns, active, voices = held[file]
            first = int(rng.integers(columns.shape[1] - COLUMNS))
            sound.append(columns[:, first : first + COLUMNS].float())
            seen = active[(first * COLUMN + middles) // ROW]
            who.append(target(seen))
            voice.append(alone(seen, voices))
        yield torch.stack(sound), torch.from_numpy(np.stack(who)), torch.from_numpy(np.stack(voice)).long()


def loss_of(log_chances: Tensor, who: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss of the best naming, and share of right frames: (batch, frames, 7) and (batch, frames, 3)."""
    every = []
    for order in permutations(range(PEOPLE)):
        bits = (who[:, :, list(order)].long() * torch.tensor([1, 2, 4])).sum(-1)
        every.append(CLASS[bits])
    classes = torch.stack(every)
    wrong = -log_chances.expand(len(every), -1, -1, -1).gather(-1, classes.unsqueeze(-1)).squeeze(-1)
    best = wrong.mean(-1).argmin(0)
    batch = torch.arange(len(best))
    right = (log_chances.argmax(-1) == classes[best, batch]).float().mean()
    return wrong[best, batch].mean(), right


def main() -> None:
    """Train for so many minutes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("meetings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--start", type=Path)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    net = segmentation().train()
    if options.start:
        net.load_state_dict(torch.load(options.start))
    net.sincnet.wav_norm1d.requires_grad_(False)
    net.sincnet.conv1d[0].requires_grad_(False)
    taught = [parameter for parameter in net.parameters() if parameter.requires_grad]
    whose = torch.nn.Linear(2 * net.lstm.hidden_size, VOICES)
    taught += whose.parameters()
    optimizer = torch.optim.AdamW(taught, lr=options.rate, weight_decay=0.01)
    data = batches(options.meetings, options.batch, net, np.random.default_rng(options.seed))
    begin, sums = time.time(), np.zeros(4)
    for step, (sound, who, voices) in enumerate(data, 1):
        done = (time.time() - begin) / (60 * options.minutes)
        if done >= 1:
            break
        falling = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, step / 50) * falling
        log_chances, middle = heard(net, sound)
        loss, right = loss_of(log_chances, who)
        of_voice = F.cross_entropy(whose(middle[:, ::3]).transpose(1, 2), voices[:, ::3], ignore_index=-1)
        optimizer.zero_grad()
        (loss + VOICE_SHARE * max(0.0, 1 - done) * of_voice).backward()
        torch.nn.utils.clip_grad_norm_(taught, 1.0)
        optimizer.step()
        sums += [loss.item(), right.item(), of_voice.item(), 1]
        if step in (5, 20) or step % 50 == 0:
            shown = " ".join(f"{x:.3f}" for x in sums[:3] / sums[3])
            print(f"{time.time() - begin:.0f} s, step {step}: loss, right, voice {shown}", flush=True)
            sums[:] = 0
        if step % 200 == 0:
            torch.save(net.state_dict(), options.out)
    torch.save(net.state_dict(), options.out)


if __name__ == "__main__":
    main()
