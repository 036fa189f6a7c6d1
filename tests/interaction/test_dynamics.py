"""Concentration of talk, windows and the gate, worked out by hand and against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction import measure
from meetsense.interaction.dynamics import burstiness, dominated, lead, windows
from meetsense.interaction.floor import merge, segments
from meetsense.interaction.measures.dynamics import CHANCE_LEAD, top_talker
from meetsense.interaction.measures.talk import Talk, Told, listen
from meetsense.interaction.participation import concentration, effective, gradient
from meetsense.values import Grade, Measure, Span, Turn
from tests.interaction.meetings import by_key, turns

talks = st.lists(st.integers(0, 10_000), min_size=2, max_size=6).filter(any)


def measured(*given: Turn, labels: tuple[str, ...] = ()) -> dict[tuple[str, str | None, str | None], Measure]:
    end = max(turn.span.end for turn in given)
    return by_key(measure(given, duration=end, labels=labels, sees_overlap=True, people=None))


def talk_of(*given: Turn, labels: tuple[str, ...]) -> Talk:
    return listen(segments(given, labels), labels, max(turn.span.end for turn in given), Told())


def rounds(count: int, *lengths: float) -> tuple[Turn, ...]:
    """People who speak one after another, each always as long."""
    made, time = [], 0.0
    for i in range(count * len(lengths)):
        length = lengths[i % len(lengths)]
        made.append(Turn(Span(round(time, 3), round(time + length, 3)), "ABCDE"[i % len(lengths)]))
        time += length + 0.5
    return tuple(made)


@given(talks)
def test_concentration_and_effective_speakers(talk: list[int]) -> None:
    shares = [t / sum(talk) for t in talk]
    squares, n = math.fsum(p * p for p in shares), len(talk)
    assert effective(np.array(talk, dtype=float)) == pytest.approx(1 / squares)
    assert concentration(np.array(talk, dtype=float)) == pytest.approx(
        (squares - 1 / n) / (1 - 1 / n), abs=1e-9
    )


@given(st.floats(0.05, 1.0), st.integers(2, 8), st.randoms(use_true_random=False))
def test_the_gradient_of_geometric_talk_is_its_own(a: float, people: int, random: object) -> None:
    talk = [1e6 * a**r for r in range(people)]
    random.shuffle(talk)  # type: ignore[attr-defined]
    assert gradient(np.array(talk)) == pytest.approx(a, abs=1e-3)


def test_windows_against_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    starts = np.sort(rng.integers(0, 600_000, 80))
    given_turns = tuple(
        Turn(Span(s / 1000, (s + int(rng.integers(1, 15_000))) / 1000), "ABC"[int(rng.integers(3))])
        for s in starts.tolist()
    )
    speech = merge(segments(given_turns, "ABC"), 1)
    found = windows(speech, 3)
    first, last = int(speech.start.min()), int(speech.end.max())
    assert len(found) == (last - first - 150_000) // 30_000 + 1
    for k, row in enumerate(found.tolist()):
        a, b = first + 30_000 * k, first + 30_000 * k + 150_000
        for person in range(3):
            own = speech.of(person)
            assert row[person] == sum(
                max(0, min(b, e) - max(a, s))
                for s, e in zip(own.start.tolist(), own.end.tolist(), strict=True)
            )


def test_a_window_is_dominated_by_more_than_six_tenths() -> None:
    assert dominated(np.array([[60, 40, 0], [61, 39, 0], [0, 39, 61], [0, 0, 0]])).tolist() == [-1, 0, 2, -1]


def test_a_meeting_shorter_than_a_window_has_none() -> None:
    assert windows(merge(segments(turns("A 0-100", "B 100-149.999"), "AB"), 1), 2).shape == (0, 2)
    assert windows(merge(segments(turns("A 0-100", "B 100-150"), "AB"), 1), 2).tolist() == [[100_000, 50_000]]
    assert ("dominated_windows", None, None) not in measured(*turns("A 0-100", "B 100-140"))


def test_windows_without_speech_make_nothing_firm() -> None:
    """An hour's silence between three short talks: three windows that don't overlap, not fifty."""
    talk = [
        Turn(Span(3600.0 * part + 2 * i, 3600.0 * part + 2 * i + 2), "AB"[i % 2])
        for part in range(3)
        for i in range(40)
    ]
    found = measured(*talk)["dominated_windows", None, None]
    assert found.n == 12
    assert (found.grade, found.reason) == (
        Grade.TENTATIVE,
        "only 3 windows that don't overlap; 10 make it firm",
    )


def test_dominance_that_alternates() -> None:
    talk = turns("A 0-300", "B 300-320", "B 330-480", "C 480-490", "A 490-600")
    found = measured(*talk, labels=("A", "B", "C", "D"))
    values = {person: found["windows_dominated", person, None].value or 0.0 for person in "ABCD"}
    dominated_share = found["dominated_windows", None, None].value or 0.0
    assert values["A"] > values["B"] > values["C"] == values["D"] == 0
    assert dominated_share == pytest.approx(values["A"] + values["B"])
    assert found["alternating_windows", None, None].value == pytest.approx(values["B"])
    assert found["dominated_windows", None, None].n == 16
    assert (
        found["dominated_windows", None, None].reason == "only 4 windows that don't overlap; 10 make it firm"
    )


def test_a_clear_lead_is_firm_and_a_small_one_is_not() -> None:
    clear, close = measured(*rounds(60, 9, 3, 3)), measured(*rounds(60, 5.1, 5, 5))
    margin = clear["dominance_margin", None, None]
    assert margin.value == pytest.approx(0.4)
    assert margin.grade is Grade.FIRM
    assert margin.low is not None
    assert margin.low > 0
    uneven = list(rounds(40, 5, 5, 5))
    uneven.append(Turn(Span(uneven[-1].span.end + 1, uneven[-1].span.end + 21), "A"))
    small = measured(*uneven)["dominance_margin", None, None]
    assert (small.grade, small.reason, small.low) == (*CHANCE_LEAD, 0)
    assert close["dominance_margin", None, None].value == pytest.approx(0.1 / 15.1)


def test_nobody_is_named_without_a_clear_lead_and_the_right_count() -> None:
    clear = talk_of(*rounds(60, 3, 9, 3), labels=("A", "B", "C"))
    assert top_talker(clear, 3) == "B"
    assert top_talker(clear, None) is None
    assert top_talker(clear, 4) is None
    assert top_talker(talk_of(*rounds(60, 5, 5), labels=("A", "B")), 2) is None
    assert top_talker(talk_of(*rounds(2, 9, 3), labels=("A", "B")), 2) is None  # 24 s
    assert top_talker(talk_of(*rounds(60, 9), labels=("A",)), 1) is None


@settings(deadline=None)
@given(talks, st.integers(0, 1000))
def test_a_lead_is_the_same_whoever_has_it(talk: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.random((50, len(talk))) + 0.1
    order = rng.permutation(len(talk))
    values = np.array(talk, dtype=float)
    one, other = lead(values, drawn), lead(values[order], drawn[:, order])
    for a, b in ((one.margin, other.margin), (one.low, other.low), (one.high, other.high)):
        assert a == pytest.approx(b, abs=1e-12)
    ordered = sorted(talk)
    assert one.margin == pytest.approx((ordered[-1] - ordered[-2]) / sum(talk))
    assert one.low <= one.margin <= one.high
    assert one.clear <= (ordered[-1] > ordered[-2])


def test_somebody_silent_changes_concentration_but_not_the_lead() -> None:
    given_turns = rounds(60, 9, 3, 3)
    without, with_one = measured(*given_turns), measured(*given_turns, labels=("Z",))
    for name in ("dominance_margin", "effective_speakers", "dominated_windows"):
        assert without[name, None, None] == with_one[name, None, None]
    assert without["concentration", None, None].value == pytest.approx(0.16)
    assert with_one["concentration", None, None].value == pytest.approx((0.44 - 0.25) / 0.75)
    assert ("participation_gradient", None, None) not in without
    assert ("participation_gradient", None, None) in with_one


def test_burstiness() -> None:
    assert burstiness(np.arange(0, 100, 10)) == (-1.0, 0.0)
    rng = np.random.default_rng(2)
    value, error = burstiness(np.cumsum(rng.integers(1, 1000, 4000)))
    assert value == pytest.approx((3**-0.5 - 1) / (3**-0.5 + 1), abs=3 * error)
    values = [
        burstiness(np.cumsum(np.rint(rng.exponential(5000, 400)).astype(np.int64)))[0] for _ in range(300)
    ]
    _, error = burstiness(np.cumsum(np.rint(rng.exponential(5000, 400)).astype(np.int64)))
    assert np.mean(values) == pytest.approx(0, abs=0.02)
    assert error == pytest.approx(np.std(values), rel=0.4)
