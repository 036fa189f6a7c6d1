"""How sure a figure is: 95 % intervals and grades.

- seconds and shares of seconds: moving-block bootstrap, blocks of 30 s, circular, 1000 replicates
  with a fixed seed (Künsch 1989; Politis & Romano 1992): talk comes in runs, so seconds are no
  independent events. Seconds can be added, so a replicate is one matrix product.
- shares of events: Wilson 1927. Counts and rates of events: Byar's approximation of the exact
  Poisson interval (Breslow & Day 1987). Medians: order statistics (Conover 1999). Maxima: the
  bootstrap's own distribution of a maximum, in closed form.

Every interval contains its value. Sampling noise only: errors of the engines are added by :mod:`doubt`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.values import Grade

BLOCK_SECONDS = 30.0
"""Length of a bootstrap block."""
BINS_A_BLOCK = 6
"""Blocks may start every 30 / 6 = 5 s."""
REPLICATES = 1000
SEED = 2021
"""The same meeting always gets the same interval."""
AT_ONCE = 50
"""Replicates made together: a long meeting's would not fit into the cache, nor into little memory."""
MAX_BINS = 6000
"""Beyond 8 h the bins widen instead of growing in number."""
Z95 = 1.959963984540054
"""97.5 % point of the normal distribution."""
FEW_EVENTS = 10
"""A rate, a share or a median of fewer events is tentative."""
SHORT_SECONDS = 120.0
"""Speech from which on a share of talk is firm: two minutes (split-half reliability .80)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, in the unit of its value."""

    low: float
    high: float


def covering(low: float, value: float, high: float, least: float = 0.0, most: float = math.inf) -> Interval:
    """An interval widened to contain its value, within what the figure can be."""
    return Interval(max(least, min(low, value)), min(most, max(high, value)))


def wilson(part: int, whole: int) -> Interval:
    """Interval of a share of independent events.

    >>> [round(x, 3) for x in (wilson(0, 10).high, wilson(5, 10).low, wilson(5, 10).high)]
    [0.278, 0.237, 0.763]
    """
    if whole <= 0:
        return Interval(0.0, 1.0)
    share, spread = part / whole, Z95**2 / whole
    centre = share + spread / 2
    half = Z95 * math.sqrt(share * (1 - share) / whole + spread / (4 * whole))
    return covering((centre - half) / (1 + spread), share, (centre + half) / (1 + spread), most=1.0)


def poisson(count: int, whole: float = 1.0) -> Interval:
    """Interval of a count of independent events, over a whole (minutes, say): a rate.

    >>> [round(x, 1) for x in (poisson(10).low, poisson(10).high, poisson(0).high)]
    [4.8, 18.4, 3.7]
    """
    low = 0.0
    if count:
        low = count * (1 - 1 / (9 * count) - Z95 / (3 * math.sqrt(count))) ** 3
    above = count + 1
    high = above * (1 - 1 / (9 * above) + Z95 / (3 * math.sqrt(above))) ** 3
    return covering(low / whole, count / whole, high / whole)


def median(values: NDArray[np.int64] | Floats) -> tuple[float, Interval]:
    """Median of at least one value, and its interval between two order statistics."""
    ordered = np.sort(values)
    n = len(ordered)
    reach = Z95 * math.sqrt(n) / 2
    below = max(0, math.floor(n / 2 - reach) - 1)
    above = min(n - 1, math.ceil(n / 2 + reach))
    middle = float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return middle, Interval(float(ordered[below]), float(ordered[above]))


def maximum(values: NDArray[np.int64] | Floats) -> tuple[float, Interval]:
    """Maximum of at least one value; low is the 2.5 % point of the maximum of n drawn again.

    P(maximum of n draws <= k-th smallest) = (k/n)^n. There is no upper bound but the value itself.
    """
    ordered = np.sort(values)
    n = len(ordered)
    lowest = math.ceil(n * 0.025 ** (1 / n))
    return float(ordered[-1]), Interval(float(ordered[lowest - 1]), float(ordered[-1]))


def bin_edges(start_ms: int, end_ms: int, most: int = MAX_BINS) -> Floats:
    """Edges of equal bins of about 5 s over the talk, in ms: shape (bins + 1,).

    They are fixed to the first speech, not to the recording's start: shifting time changes nothing.
    """
    bins = round((end_ms - start_ms) / 1000 / (BLOCK_SECONDS / BINS_A_BLOCK))
    return np.linspace(start_ms, end_ms, max(1, min(bins, most, MAX_BINS)) + 1)


def seconds_in_bins(pieces: NDArray[np.int64], edges: Floats) -> Floats:
    """Seconds that pieces, shape (n, 2) in ms, fill of each bin: shape (bins,)."""
    return np.diff(_filled(pieces[:, 0], edges) - _filled(pieces[:, 1], edges)) / 1000


def _filled(times: NDArray[np.int64], edges: Floats) -> Floats:
    """Sum over the times of max(0, edge - time), for each edge."""
    ordered = np.sort(times)
    before = np.searchsorted(ordered, edges)
    sums = np.concatenate(([0], np.cumsum(ordered)))
    return np.asarray(before * edges - sums[before], dtype=np.float64)


def replicates(bins: Floats, count: int = REPLICATES, seed: int = SEED) -> Floats:
    """Bootstrap sums of columns that add up: shape (bins, columns) to (count, columns).

    Each replicate draws as many bins as there are, in runs of a block, wrapping round the end; so
    its expectation is the sum itself.
    """
    n = len(bins)
    run = min(BINS_A_BLOCK, n)
    around = np.concatenate(
        (np.zeros((1, bins.shape[1])), np.cumsum(np.concatenate((bins, bins[:run])), axis=0))
    )
    blocks = around[run : run + n] - around[:n]
    draws = math.ceil(n / run)
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n, (count, draws))
    sums = np.concatenate(
        [_times_drawn(starts[i : i + AT_ONCE], n) @ blocks for i in range(0, count, AT_ONCE)]
    )
    return np.asarray(sums * (n / (draws * run)), dtype=np.float64)


def _times_drawn(starts: NDArray[np.int64], n: int) -> Floats:
    """How often each of n blocks is in each row of drawn ones: shape (rows, n)."""
    rows = len(starts)
    places = starts + n * np.arange(rows)[:, None]
    return np.bincount(places.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def percentiles(values: Floats) -> Floats:
    """2.5 and 97.5 % points of each column of replicates: shape (2, columns)."""
    return np.asarray(np.percentile(values, [2.5, 97.5], axis=0), dtype=np.float64)


def grade(events: int, noun: str = "events", needed: int = FEW_EVENTS) -> tuple[Grade, str | None]:
    """Firm from so many events on, else tentative with the reason.

    >>> grade(3, "turns")
    (<Grade.TENTATIVE: 'tentative'>, 'only 3 turns; 10 make it firm')
    >>> grade(1, "turns")
    (<Grade.TENTATIVE: 'tentative'>, 'only 1 turn; 10 make it firm')
    """
    if events >= needed:
        return Grade.FIRM, None
    counted = noun.removesuffix("s") if events == 1 else noun
    return Grade.TENTATIVE, f"only {events} {counted}; {needed} make it firm"
