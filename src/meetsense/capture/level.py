"""How loud it is, and for how long it has been quiet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.values import SAMPLE_RATE

SILENCE_DBFS = -120.0
"""Stands for minus infinity."""


@dataclass(frozen=True, slots=True)
class Level:
    """The last samples in dB against full scale (a full sine has -3 rms), and how long it has been silent."""

    rms: float = SILENCE_DBFS
    peak: float = SILENCE_DBFS
    quiet: float = 0.0
    """Seconds since the level was last at or above the floor."""
    zeros: float = 0.0
    """Seconds of exact zeros up to now: no microphone in a room gives these."""


def dbfs(amplitude: float) -> float:
    """An amplitude of int16 samples in dB below full scale.

    >>> dbfs(32768.0), dbfs(0.0), round(dbfs(3276.8))
    (0.0, -120.0, -20)
    """
    return max(SILENCE_DBFS, 20 * math.log10(amplitude / 32_768)) if amplitude > 0 else SILENCE_DBFS


class Meter:
    """Levels of samples as they come."""

    def __init__(self, floor_dbfs: float, rate: int = SAMPLE_RATE) -> None:
        self._floor = floor_dbfs
        self._rate = rate
        self._quiet = 0
        self.zeros = 0
        """Samples of exact zeros up to now."""

    def take(self, samples: NDArray[np.int16]) -> Level:
        """The level of int16 samples of shape (n,); of no samples: the silence so far."""
        if not len(samples):
            return Level(quiet=self._quiet / self._rate, zeros=self.zeros / self._rate)
        wide = samples.astype(np.float32)
        rms = dbfs(math.sqrt(float(np.dot(wide, wide)) / len(wide)))
        peak = dbfs(max(int(samples.max()), -int(samples.min())))
        self._quiet = self._quiet + len(samples) if rms < self._floor else 0
        self._count_zeros(samples)
        return Level(rms, peak, self._quiet / self._rate, self.zeros / self._rate)

    def _count_zeros(self, samples: NDArray[np.int16]) -> None:
        if samples[-1]:
            self.zeros = 0
        elif not samples.any():
            self.zeros += len(samples)
        else:
            self.zeros = len(samples) - 1 - int(np.flatnonzero(samples)[-1])

    def forget(self) -> None:
        """Sound was left out: silence is counted from here."""
        self._quiet = self.zeros = 0
