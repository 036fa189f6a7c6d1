"""Straight lines on a scale where effects add up, through figures that vary more than their own noise.

Quasi-likelihood (McCullagh & Nelder 1989): the mean is a line on the scale of the link, the variance of a
figure its meeting's own sampling variance plus what differs from meeting to meeting, by the *dispersion* φ:

- shares: logit; own + φ μ(1 − μ). On the ICSI series φ is alike for talkative and quiet people, whose
  deviations are not: neither on the scale of shares nor on that of logits.
- rates: logarithm; Poisson + φ μ², a negative binomial's.
- levels (ms, an index): as they are; own + φ.

φ is common to the series that are fitted together, with a share of each one's own: (ν φ_all + d φ_own) /
(ν + d) with d degrees of freedom, after Smyth 2004. Meetings resemble the one before: errors are widened by
√((1 + r) / (1 − r)), r the autocorrelation of what the lines leave, at lag 1 over all series, above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDS = 12
"""Alternations of lines and dispersions."""
STEPS = 40
"""Scoring steps of a line, and halvings of the bracket of a dispersion."""
PRECISE = 1e-3
"""Relative change of the dispersions, and width of their brackets, that is none."""
LONGEST_STEP = 2.0
"""Of a coefficient, on the link's scale: keeps a line from running away."""
CLOSE = 1e-9
LEAST_VARIANCE = 1e-9
SLOPE_SPREAD = 5.0
"""Standard deviation of a prior on the slopes of shares and rates over the whole period: it matters only
where all events lie at one end, and no finite slope fits best."""
BORROWED = 4.0
"""ν: degrees of freedom that the common dispersion counts for in each series."""
LARGEST = 1e12
"""Dispersion at which the search for a bracket ends."""
MOST_ALIKE = 0.8
"""No autocorrelation above this is believed of a few meetings."""


class Link(StrEnum):
    """The scale on which effects add up."""

    LOGIT = "logit"
    LOG = "log"
    IDENTITY = "identity"

    def inverse(self, eta: Floats) -> Floats:
        """From the link's scale to the figure's."""
        if self is Link.LOGIT:
            return np.asarray(1 / (1 + np.exp(-np.clip(eta, -30, 30))))
        return np.asarray(np.exp(np.clip(eta, -30, 30))) if self is Link.LOG else eta

    def derivative(self, mean: Floats) -> Floats:
        """Of the figure with respect to the link's scale."""
        if self is Link.LOGIT:
            return np.asarray(np.maximum(mean * (1 - mean), 1e-12))
        return np.asarray(np.maximum(mean, 1e-12)) if self is Link.LOG else np.ones_like(mean)

    def between(self, mean: Floats) -> Floats:
        """Variance from meeting to meeting, over the dispersion."""
        return np.asarray(self.derivative(mean) ** (2 if self is Link.LOG else 1))


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One person's figures, or the team's, in the order of time; every array has shape (meetings,)."""

    time: Floats
    """In periods: the whole that is looked at has length 1."""
    value: Floats
    """Share, rate or level."""
    noise: Floats
    """Sampling variance that doesn't hang on the mean: of seconds, and of levels."""
    scale: Floats
    """Sampling variance of events over the mean's (Poisson's for a rate, Bernoulli's for a share): 1 / whole,
    times how much wider than sampling alone the meeting's own interval is."""
    offset: Floats
    """What the figure would be were nothing special, on the link's scale."""

    def own(self, mean: Floats, link: Link) -> Floats:
        """Variance of the figures around their mean were all meetings alike."""
        found = self.noise + self.scale * link.derivative(mean)
        least = LEAST_VARIANCE * (1 + mean**2 if link is Link.IDENTITY else 1)
        return np.asarray(np.maximum(found, least))

    def variance(self, mean: Floats, dispersion: float, link: Link) -> Floats:
        """Variance of the figures around their mean."""
        return self.own(mean, link) + dispersion * link.between(mean)


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line, on the link's scale; level and slope are uncorrelated."""

    centre: float
    """Time of the level."""
    level: float
    level_error: float
    """Standard error."""
    slope: float
    """A period."""
    slope_error: float
    freedom: float
    """Degrees of freedom of the errors."""

    def at(self, time: float) -> float:
        """Its value, on the link's scale."""
        return self.level + self.slope * (time - self.centre)


def lines(series: Sequence[Series], link: Link) -> tuple[Line, ...]:
    """A line through each series, of at least three meetings at two times or more."""
    if not series:
        return ()
    found = [_start(item, link) for item in series]
    dispersions = [0.0] * len(series)
    for _ in range(ROUNDS):
        before = dispersions
        means = [link.inverse(_eta(item, ab)) for item, ab in zip(series, found, strict=True)]
        dispersions = _dispersions(series, means, link)
        found = [_scored(*each, link) for each in zip(series, found, dispersions, strict=True)]
        if np.allclose(before, dispersions, rtol=PRECISE, atol=1e-12):
            break
    wider = _widening(series, found, dispersions, link)
    whole = sum(map(_freedom, series))
    return tuple(
        _line(*each, link, wider, min(_freedom(each[0]) + BORROWED, whole))
        for each in zip(series, found, dispersions, strict=True)
    )


def _freedom(series: Series) -> int:
    return len(series.value) - 2


def _eta(series: Series, line: Floats) -> Floats:
    return np.asarray(series.offset + line[0] + line[1] * (series.time - series.time.mean()))


def _start(series: Series, link: Link) -> Floats:
    """A flat line through the mean."""
    mean = float(series.value.mean())
    if link is Link.LOGIT:
        mean = min(max(mean, 1e-3), 1 - 1e-3)
        return np.array([np.log(mean / (1 - mean)) - series.offset.mean(), 0.0])
    if link is Link.LOG:
        return np.array([np.log(max(mean, 1e-6)) - series.offset.mean(), 0.0])
    return np.array([mean, 0.0])


def _scored(series: Series, line: Floats, dispersion: float, link: Link) -> Floats:
    """Fisher scoring from a line to the best one."""
    for _ in range(STEPS):
        information, score = _information(series, line, dispersion, link)
        step = np.linalg.solve(information, score)
        if link is not Link.IDENTITY:
            step = np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        line = line + step
        if np.abs(step).max() <= CLOSE * (1 + np.abs(line).max()):
            break
    return line


def _information(series: Series, line: Floats, dispersion: float, link: Link) -> tuple[Floats, Floats]:
    """Information matrix (2, 2) and score (2,) of level at the mean time and slope."""
    mean = link.inverse(_eta(series, line))
    design = np.stack((np.ones_like(series.time), series.time - series.time.mean()), axis=1)
    steep = link.derivative(mean)
    weights = steep / series.variance(mean, dispersion, link)
    information = (design * (weights * steep)[:, None]).T @ design
    score = design.T @ (weights * (series.value - mean))
    if link is not Link.IDENTITY:
        information[1, 1] += SLOPE_SPREAD**-2
        score[1] -= SLOPE_SPREAD**-2 * line[1]
    return information, score


def _dispersions(series: Sequence[Series], means: Sequence[Floats], link: Link) -> list[float]:
    """One for each series, drawn towards the common one."""
    left = [_Left.of(item, mean, link) for item, mean in zip(series, means, strict=True)]
    common = _dispersion(left)
    return [
        (BORROWED * common + each.freedom * _dispersion([each])) / (BORROWED + each.freedom) for each in left
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """What a line leaves, and what it may; every array has shape (meetings,)."""

    squares: Floats
    own: Floats
    between: Floats
    freedom: int

    @classmethod
    def of(cls, series: Series, mean: Floats, link: Link) -> _Left:
        squares = (series.value - mean) ** 2
        return cls(squares, series.own(mean, link), link.between(mean), _freedom(series))


def _dispersion(left: Sequence[_Left]) -> float:
    """What makes Pearson's statistic equal its degrees of freedom (Williams 1982), or 0."""
    freedom = sum(each.freedom for each in left)
    squares, own, between = (
        np.concatenate([getattr(each, name) for each in left]) for name in ("squares", "own", "between")
    )

    def too_small(dispersion: float) -> bool:
        return float((squares / (own + dispersion * between)).sum()) > freedom

    if not too_small(0.0):
        return 0.0
    low, high = 0.0, 0.05
    while too_small(high) and high < LARGEST:
        low, high = high, 4 * high
    for _ in range(STEPS):
        if high - low <= PRECISE / 2 * high:
            break
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return (low + high) / 2


def _widening(
    series: Sequence[Series], found: Sequence[Floats], dispersions: Sequence[float], link: Link
) -> float:
    """What makes errors right when meetings resemble the one before.

    Lines leave residuals whose autocorrelation is about −2/n where there is none, which is made good.
    """
    together = meetings = whole = 0.0
    for item, line, dispersion in zip(series, found, dispersions, strict=True):
        mean = link.inverse(_eta(item, line))
        left = (item.value - mean) / np.sqrt(item.variance(mean, dispersion, link))
        size = float((left**2).sum())
        if size > 0:
            together += float((left[1:] * left[:-1]).sum()) / size * len(left)
            meetings, whole = meetings + len(left), whole + 1
    alike = min(max((together + 2 * whole) / meetings, 0.0), MOST_ALIKE) if meetings else 0.0
    return float(np.sqrt((1 + alike) / (1 - alike)))


def _line(series: Series, line: Floats, dispersion: float, link: Link, wider: float, freedom: float) -> Line:
    information, _ = _information(series, line, dispersion, link)
    spread = np.linalg.inv(information) * wider**2
    shift = -float(spread[0, 1] / spread[1, 1])
    return Line(
        centre=float(series.time.mean()) + shift,
        level=float(line[0] + line[1] * shift),
        level_error=float(np.sqrt(max(spread[0, 0] - spread[0, 1] ** 2 / spread[1, 1], 0.0))),
        slope=float(line[1]),
        slope_error=float(np.sqrt(spread[1, 1])),
        freedom=freedom,
    )
