"""The network of acts in torch: what ``act_model.Network`` computes, with dropout and second tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from meetsense.interaction.act_features import NEAR, SLOTS, Features, Floats, Ints
from meetsense.interaction.act_model import LABELS

BLOCKS = len(NEAR) + SLOTS
"""A neighbour by place has two blocks of weights: the same person's, somebody else's."""
HALO = 6
"""Sentences at both ends of a piece that only serve as neighbours."""
PIECE = 384
"""Sentences of a piece."""
SHORTEST = 8
"""Shorter pieces are left out."""
WARM_UP = 100
"""Steps in which the rate rises."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is trained. A few values were compared on two or three of the ten folds."""

    seed: int = 0
    width: int = 64
    second: int = 128
    third: int = 64
    epochs: int = 8
    rate: float = 2e-3
    words_dropped: float = 0.3
    """Part of the runs of words that isn't shown."""
    dropped: float = 0.5
    """Part of the units that isn't shown; half of it in the first layer."""
    balance: float = 0.5
    """Power of the inverse frequency that a label's errors are weighted with."""
    second_tasks: float = 5.0
    """Weight of predicting every tag of MRDA."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A meeting to learn from: as it is with marks and without, with labels and tags."""

    told: Mapping[bool, Features]
    labels: Ints
    """[sentence]: index in LABELS; -1 for none."""
    tags: Floats
    """[sentence, tag]: 1 where it has the tag."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive sentences as tensors."""

    rows: Tensor
    runs: Tensor
    dense: Tensor
    neighbours: Tensor
    same: Tensor


class Net(nn.Module):
    """Sums of runs of words, two layers that see the neighbours, a label and tags for each sentence."""

    def __init__(self, runs: int, columns: int, tags: int, chosen: Settings) -> None:
        super().__init__()
        width, second, third = chosen.width, chosen.second, chosen.third
        self.chosen = chosen
        self.runs = nn.Embedding(runs, width)
        nn.init.normal_(self.runs.weight, 0, 0.1)
        self.dense_first = nn.Linear(columns, width)
        self.second = nn.Linear(width, second)
        self.dense_second = nn.Linear(columns, second)
        self.around_second = nn.Linear(BLOCKS * width, second, bias=False)
        self.third = nn.Linear(second, third)
        self.around_third = nn.Linear(BLOCKS * second, third, bias=False)
        self.labels = nn.Linear(width + second + third, len(LABELS))
        self.tags = nn.Linear(width + second + third, tags)
        self.direct = nn.Embedding(runs, len(LABELS))
        nn.init.zeros_(self.direct.weight)

    def forward(self, told: Piece) -> tuple[Tensor, Tensor]:
        """Log-odds of labels and of tags, [sentence, …]."""
        rows, runs = told.rows, told.runs
        if self.training:
            kept = torch.rand(len(rows)) > self.chosen.words_dropped
            rows, runs = rows[kept], runs[kept]
        often = torch.bincount(rows, minlength=len(told.dense))
        starts = often.cumsum(0) - often
        root = often.clamp(min=1).float().sqrt()[:, None]

        def total(table: nn.Embedding) -> Tensor:
            return functional.embedding_bag(runs, table.weight, starts, mode="sum") / root

        dense = functional.dropout(told.dense, 0.1, self.training)
        first = self._dropped(functional.relu(total(self.runs) + self.dense_first(dense)), 0.5)
        near = self.around_second(_around(first, told))
        second = self._dropped(functional.relu(self.second(first) + self.dense_second(dense) + near))
        near = self.around_third(_around(second, told))
        third = self._dropped(functional.relu(self.third(second) + near))
        layers = torch.cat([first, second, third], 1)
        return self.labels(layers) + total(self.direct), self.tags(layers)

    def _dropped(self, layer: Tensor, part: float = 1.0) -> Tensor:
        return functional.dropout(layer, self.chosen.dropped * part, self.training)

    def exported(self) -> dict[str, Floats]:
        """The arrays of ``act_model.Network``, in single precision."""
        bag = torch.cat([self.runs.weight, self.direct.weight], 1)
        arrays = {
            "bag": bag,
            "dense_to_first": self.dense_first.weight.T,
            "first_bias": self.dense_first.bias,
            "first_to_second": self.second.weight.T,
            "dense_to_second": self.dense_second.weight.T,
            "around_to_second": self.around_second.weight.T,
            "second_bias": self.second.bias + self.dense_second.bias,
            "second_to_third": self.third.weight.T,
            "around_to_third": self.around_third.weight.T,
            "third_bias": self.third.bias,
            "to_labels": self.labels.weight.T,
            "labels_bias": self.labels.bias,
        }
        return {name: np.ascontiguousarray(array.detach().numpy()) for name, array in arrays.items()}


def _around(layer: Tensor, told: Piece) -> Tensor:
    padded = torch.cat([layer, layer.new_zeros(1, layer.shape[1])])
    seen = padded[told.neighbours]
    same = told.same[:, :, None].to(layer.dtype)
    near = seen[:, : len(NEAR)]
    return torch.cat([near * same, near * (1 - same), seen[:, len(NEAR) :]], 1).flatten(1)


def piece(told: Features, start: int, end: int) -> Piece:
    """The sentences from start to end; neighbours outside aren't there."""
    low, high = np.searchsorted(told.rows, [start, end])
    count = end - start
    near = told.neighbours[start:end] - start
    near = np.where((near < 0) | (near >= count), count, near)
    arrays = (
        told.rows[low:high] - start,
        told.runs[low:high],
        told.dense[start:end],
        near,
        told.same[start:end],
    )
    return Piece(*map(torch.from_numpy, arrays))


def train(lessons: Sequence[Lesson], runs: int, chosen: Settings) -> Net:
    """A network that has learnt from meetings, in pieces, each with marks or without by chance."""
    torch.manual_seed(chosen.seed)
    chance = np.random.default_rng(chosen.seed)
    first = lessons[0]
    net = Net(runs, first.told[True].dense.shape[1], first.tags.shape[1], chosen)
    steps = chosen.epochs * sum(len(lesson.labels) / PIECE + 1 for lesson in lessons)
    weights = _weights(lessons, chosen.balance)
    tables = [net.runs.weight, net.direct.weight]
    others = [value for name, value in net.named_parameters() if name not in ("runs.weight", "direct.weight")]
    groups = [{"params": tables, "weight_decay": 0.0}, {"params": others, "weight_decay": 1e-5}]
    optimiser = torch.optim.AdamW(groups, lr=chosen.rate, fused=True)
    step = 0
    for _ in range(chosen.epochs):
        net.train()
        for number, start, end in _plan(lessons, chance):
            if end - start < SHORTEST:
                continue
            lesson, marked = lessons[number], bool(chance.random() < 0.5)
            low, high = max(0, start - HALO), min(len(lesson.labels), end + HALO)
            labels = torch.from_numpy(lesson.labels[low:high])
            inner = torch.arange(low, high)
            inner = (inner >= start) & (inner < end)
            if not (counts := inner & (labels >= 0)).any():
                continue
            fall = 0.02 + 0.98 * 0.5 * (1 + cos(pi * min(step / steps, 1)))
            for group in optimiser.param_groups:
                group["lr"] = chosen.rate * min(1, step / WARM_UP) * fall
            found, tags = net(piece(lesson.told[marked], low, high))
            true = torch.from_numpy(lesson.tags[low:high])[inner]
            loss = functional.cross_entropy(found[counts], labels[counts], weight=weights)
            loss = loss + chosen.second_tasks * functional.binary_cross_entropy_with_logits(tags[inner], true)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
    return net.eval()


def _plan(lessons: Sequence[Lesson], chance: np.random.Generator) -> list[tuple[int, int, int]]:
    """Lesson, start and end of all pieces in any order; where they begin is drawn."""
    pieces = []
    for number, lesson in enumerate(lessons):
        for start in range(-int(chance.integers(0, PIECE)), len(lesson.labels), PIECE):
            pieces.append((number, max(start, 0), min(start + PIECE, len(lesson.labels))))
    chance.shuffle(pieces)
    return [(int(number), int(start), int(end)) for number, start, end in pieces]


def _weights(lessons: Sequence[Lesson], balance: float) -> Tensor:
    labels = np.concatenate([lesson.labels for lesson in lessons])
    counts = np.bincount(labels[labels >= 0], minlength=len(LABELS))
    weights = (counts.sum() / len(LABELS) / np.maximum(counts, 1)) ** balance
    return torch.tensor(weights / (weights * counts / counts.sum()).sum(), dtype=torch.float32)
