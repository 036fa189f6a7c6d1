"""The network of the embedded diarizer, as it is trained.

A trunk turns log-mel frames into 25 features a second, from which it is told how many people speak. Their
mean and spread over stretches where one person speaks tell voices apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MELS = 64
TRUNK = 192
VOICE = 128


class Block(nn.Module):
    """A residual pair of convolutions in time, the first one dilated."""

    def __init__(self, width: int, dilation: int, kernel: int = 3) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 1)
        self.norm2 = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.wide(x)))
        return F.relu(x + self.norm2(self.mix(y)))


class Trunk(nn.Module):
    """(batch, frames, 64) log-mel to (batch, 192, frames / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=(2, 2), padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=(2, 2), padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=(1, 2), padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
        )
        self.enter = nn.Conv1d(32 * MELS // 8, TRUNK, 1)
        self.norm = nn.BatchNorm1d(TRUNK)
        self.blocks = nn.Sequential(*(Block(TRUNK, d) for d in (1, 1, 2, 2, 3, 3)))

    def forward(self, mel: Tensor) -> Tensor:
        x = self.stem((mel.unsqueeze(1) / 4).contiguous(memory_format=torch.channels_last))
        x = x.permute(0, 1, 3, 2).flatten(1, 2)
        return self.blocks(F.relu(self.norm(self.enter(x))))


class Voice(nn.Module):
    """Mean and spread of trunk features, (n, 384), to a voiceprint of length 1, (n, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * TRUNK)
        self.out = nn.Linear(2 * TRUNK, VOICE)

    def forward(self, pooled: Tensor) -> Tensor:
        return F.normalize(self.out(self.norm(pooled)), dim=-1)


class Diarizer(nn.Module):
    """All of it, with the classifier and the counter that only training uses."""

    def __init__(self, voices: int) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.voice = Voice()
        self.classes = nn.Parameter(torch.randn(voices, VOICE))
        self.count = nn.Conv1d(TRUNK, 3, 1)


def pool(features: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and spread: (batch, 192, rows) and (batch, people, rows) to (batch, people, 384)."""
    total = weights.sum(-1, keepdim=True).clamp(min=1e-3)
    mean = weights @ features.transpose(1, 2) / total
    square = weights @ features.square().transpose(1, 2) / total
    return torch.cat((mean, (square - mean.square()).clamp(min=1e-5).sqrt()), dim=-1)
