"""How talk is spread over time: windows that one person fills, and how far ahead whoever talked most is.

- **windows** of 2.5 minutes, one every 30 s from the first speech on, whole ones only. A window is
  *dominated* when one person has more than .6 of its talk, overlap counted for everybody who speaks.
- **dominance margin**: p(1) − p(2), the largest share of talk less the second largest. It has no standard
  formula. Its interval is that of the lead of whoever talked most in the meeting over whoever else did in
  the replicate. Below 0 somebody else is ahead: only a lead whose interval excludes 0 is one (the
  *top-talker gate*).

- **burstiness** of the starts of turns.

Sources: the talk-time sharing of ConvoKit (Chang et al. 2020) for windows, there for two groups of people,
here for any number of people; Goh & Barabási 2008 (burstiness).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.floor import Ints, Stretches
from meetsense.interaction.participation import shares
from meetsense.interaction.uncertainty import percentiles, seconds_in_bins

WINDOW_MS = 150_000
STEP_MS = 30_000
DOMINATED = 0.6
"""A larger share of a window's talk dominates it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lead:
    """How far whoever talked most is ahead, in shares of talk."""

    margin: float
    low: float
    """2.5 % point of the bootstrap; below 0 when somebody else may be ahead."""
    high: float
    top: int
    """Position of whoever talked most, or the first of several."""

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0: the gate."""
        return self.low > 0


def lead(talk: Floats, drawn: Floats) -> Lead:
    """The lead in talk, shape (people,), two at least, with replicates, shape (replicates, people)."""
    top = int(talk.argmax())
    own, again = shares(talk), shares(drawn)
    rest = np.arange(len(talk)) != top
    margin = float(own[top] - own[rest].max())
    ahead = again[:, top] - again[:, rest].max(axis=1)
    if talk[top] == talk[rest].max():
        # Nobody is ahead, and which of them is taken must not matter.
        largest = np.partition(again, -2, axis=1)[:, -2:]
        ahead, margin = np.concatenate((largest[:, 0] - largest[:, 1], largest[:, 1] - largest[:, 0])), 0.0
    low, high = percentiles(ahead)
    return Lead(margin, min(margin, float(low)), max(margin, float(high)), top)


def windows(speech: Stretches, people: int) -> Ints:
    """Time that each person spoke in each window, ms: shape (windows, people).

    ``speech`` is each person's plain union, at least one piece.
    """
    first, last = int(speech.start.min()), int(speech.end.max())
    edges = np.arange(first, last + 1, STEP_MS, dtype=np.float64)
    run = WINDOW_MS // STEP_MS
    if len(edges) <= run:
        return np.zeros((0, people), dtype=np.int64)
    order = np.argsort(speech.speaker, kind="stable")
    pieces = np.stack((speech.start, speech.end), axis=1)[order]
    bounds = np.searchsorted(speech.speaker[order], np.arange(people + 1))
    spoken = np.zeros((len(edges), people), dtype=np.int64)
    for person in np.flatnonzero(np.diff(bounds)):
        steps = seconds_in_bins(pieces[bounds[person] : bounds[person + 1]], edges)
        spoken[1:, person] = np.rint(np.cumsum(steps) * 1000)
    return spoken[run:] - spoken[:-run]


def dominated(spoken: Ints) -> Ints:
    """Who dominates each window, shape (windows,); -1 for nobody."""
    above = spoken.max(axis=1, initial=0) > DOMINATED * spoken.sum(axis=1)
    return np.where(above, spoken.argmax(axis=1), -1)


def burstiness(starts: Ints) -> tuple[float, float]:
    """Burstiness B = (σ − μ) / (σ + μ) of the times between starts, and its standard error.

    −1 is regular, 0 as in a Poisson process, 1 all at once (Goh & Barabási 2008). The error is that of the
    coefficient of variation σ / μ (delta method). Needs three different starts in ascending order.

    >>> burstiness(np.array([0, 10, 20, 30]))
    (-1.0, 0.0)
    """
    times = np.diff(starts).astype(np.float64)
    mean = float(times.mean())
    away = times - mean
    spread = math.sqrt(float((away**2).mean()))
    if spread == 0:
        return -1.0, 0.0
    ratio = spread / mean
    skewed, peaked = float((away**3).mean()) / spread**3, float((away**4).mean()) / spread**4
    variance = ratio**2 * ((peaked - 1) / 4 - skewed * ratio + ratio**2) / len(times)
    return (ratio - 1) / (ratio + 1), 2 * math.sqrt(max(0.0, variance)) / (ratio + 1) ** 2
