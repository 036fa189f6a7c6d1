"""Intervals against their definitions, on numbers small enough to work out."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.interaction import uncertainty as sure
from meetsense.values import Grade


def poisson_tail(count: int, mean: float) -> float:
    """P(X >= count) for a Poisson variable."""
    return 1 - math.fsum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count))


@pytest.mark.parametrize("count", [2, 5, 10, 40])
def test_byars_interval_is_close_to_the_exact_one(count: int) -> None:
    found = sure.poisson(count)
    assert poisson_tail(count, found.low) == pytest.approx(0.025, abs=0.006)
    assert 1 - poisson_tail(count + 1, found.high) == pytest.approx(0.025, abs=0.006)


def test_byars_interval_of_one_event_is_too_wide_rather_than_too_narrow() -> None:
    found = sure.poisson(1)
    assert poisson_tail(1, found.low) < 0.025
    assert poisson_tail(2, found.high) > 0.97


@given(st.integers(0, 300), st.floats(0.01, 1000))
def test_rates_scale_with_their_whole(count: int, whole: float) -> None:
    one, other = sure.poisson(count), sure.poisson(count, whole)
    assert other.low * whole == pytest.approx(one.low)
    assert other.high * whole == pytest.approx(one.high)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_solves_its_equation(part: int, whole: int) -> None:
    part = min(part, whole)
    share = Fraction(part, whole)
    found = sure.wilson(part, whole)
    for bound in (found.low, found.high):
        distance = abs(float(share) - bound)
        expected = sure.Z95 * math.sqrt(bound * (1 - bound) / whole)
        assert distance == pytest.approx(expected, abs=1e-6) or bound in (0.0, 1.0)


def test_wilson_of_nothing_is_everything() -> None:
    assert sure.wilson(0, 0) == sure.Interval(0.0, 1.0)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=60))
def test_median_lies_between_two_of_the_values(values: list[int]) -> None:
    value, interval = sure.median(np.array(values))
    assert interval.low <= value <= interval.high
    assert {interval.low, interval.high} <= set(values)


def test_median_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(400):
        _, interval = sure.median(rng.exponential(1.0, 31))
        inside += interval.low <= math.log(2) <= interval.high
    assert inside >= 370


def test_maximum_of_n_drawn_again() -> None:
    value, interval = sure.maximum(np.arange(1, 11))
    assert (value, interval) == (10, sure.Interval(7.0, 10.0))
    # (6/10)^10 is below 2.5 %, (7/10)^10 above.
    assert 0.6**10 < 0.025 < 0.7**10


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.integers(1, 8000))
def test_bins_cover_the_talk(start: int, length: int, most: int) -> None:
    edges = sure.bin_edges(start, start + length, most)
    assert edges[0] == start
    assert edges[-1] == pytest.approx(start + length)
    assert 2 <= len(edges) <= min(most, sure.MAX_BINS) + 1


def test_seconds_fall_into_their_bins() -> None:
    pieces = np.array([[0, 1500], [3000, 3500], [1000, 2000]])
    assert sure.seconds_in_bins(pieces, np.array([0.0, 1000.0, 2000.0, 4000.0])).tolist() == [1.0, 1.5, 0.5]


@given(st.lists(st.floats(0, 5), min_size=1, max_size=40))
def test_replicates_are_sums_of_what_is_there(seconds: list[float]) -> None:
    bins = np.array(seconds)[:, None]
    drawn = sure.replicates(bins, 50)
    assert drawn.shape == (50, 1)
    assert (drawn >= -1e-9).all()
    assert (drawn <= max(seconds) * len(seconds) + 1e-6).all()
    assert sure.replicates(np.ones((len(seconds), 1)), 50) == pytest.approx(len(seconds))


def test_replicates_have_the_sum_as_their_mean() -> None:
    bins = np.array([0.0, 5.0, 1.0, 0.0, 2.0, 3.0, 0.0, 5.0])[:, None]
    assert sure.replicates(bins, 20_000).mean() == pytest.approx(16.0, rel=0.01)


def test_the_same_meeting_gets_the_same_interval() -> None:
    bins = np.random.default_rng(1).random((30, 3))
    assert (sure.replicates(bins) == sure.replicates(bins)).all()


def test_grades() -> None:
    assert sure.grade(10, "turns") == (Grade.FIRM, None)
    assert sure.grade(9, "turns") == (Grade.TENTATIVE, "only 9 turns; 10 make it firm")
