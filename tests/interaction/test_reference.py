"""The vectorised measures against plain loops over every millisecond and every pair."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings

from meetsense.interaction.floor import Bools, floor, merge, overlapped, segments
from meetsense.interaction.measures import measure
from meetsense.interaction.participation import talk_ms
from meetsense.values import Turn
from tests.interaction.meetings import LABELS, by_key, drawn_turns, listed

END = 25_000


def timeline(given_turns: tuple[Turn, ...]) -> Bools:
    """Who speaks in every millisecond: shape (people, ms)."""
    speaks = np.zeros((len(LABELS), END), dtype=bool)
    for turn in given_turns:
        start, end = round(turn.span.start * 1000), round(turn.span.end * 1000)
        speaks[LABELS.index(turn.speaker), start:end] = True
    return speaks


def runs(flags: Bools) -> list[tuple[int, int]]:
    """Start and end of every run of True."""
    found, start = [], None
    for at, flag in enumerate([*flags.tolist(), False]):
        if flag and start is None:
            start = at
        elif not flag and start is not None:
            found.append((start, at))
            start = None
    return found


def naive_stretches(given_turns: tuple[Turn, ...]) -> set[tuple[int, int, int]]:
    """Speaker, start, end: runs of speech, joined over silences of less than 200 ms."""
    found = set()
    for person, flags in enumerate(timeline(given_turns)):
        joined: list[tuple[int, int]] = []
        for start, end in runs(flags):
            if joined and start - joined[-1][1] < 200:
                joined[-1] = joined[-1][0], end
            else:
                joined.append((start, end))
        found |= {(person, start, end) for start, end in joined}
    return found


def naive_turns(pieces: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Runs of one person's stretches; what lies inside somebody else's is left out."""
    made: list[tuple[int, int, int]] = []
    for i, (person, start, end) in enumerate(pieces):
        inside = any(
            other[1] <= start and end <= other[2] and (other[1:] != (start, end) or j < i)
            for j, other in enumerate(pieces)
            if j != i
        )
        if inside:
            continue
        if made and made[-1][0] == person:
            made[-1] = person, made[-1][1], end
        else:
            made.append((person, start, end))
    return made


@given(drawn_turns())
def test_talk_time_overlap_and_lapses(given_turns: tuple[Turn, ...]) -> None:
    speaks = timeline(given_turns)
    speech = merge(segments(given_turns, LABELS), 1)
    assert talk_ms(speech, len(LABELS)).tolist() == speaks.sum(axis=1).tolist()
    for people in (1, 2, 3):
        together = np.diff(overlapped(speech, people), axis=1).sum()
        assert together == (speaks.sum(axis=0) >= people).sum()
    silent = [run for run in runs(np.asarray(~speaks.any(axis=0))) if run[0] > 0 and run[1] < END]
    first = speaks.any(axis=0).argmax() if speaks.any() else END
    stretches = merge(segments(given_turns, LABELS))
    lapses = floor(stretches, np.zeros(len(stretches), dtype=np.bool_)).lapses
    assert lapses.tolist() == [[a, b] for a, b in silent if a > first and b - a >= 1000]


@given(drawn_turns())
def test_stretches_turns_and_offsets(given_turns: tuple[Turn, ...]) -> None:
    stretches = merge(segments(given_turns, LABELS))
    assert set(listed(stretches)) == naive_stretches(given_turns)
    found = floor(stretches, np.zeros(len(stretches), dtype=np.bool_))
    expected = naive_turns(listed(stretches))
    assert listed(found.turns) == expected
    assert found.transitions.offset.tolist() == [b[1] - a[2] for a, b in pairwise(expected)]


@given(drawn_turns())
def test_interruptions(given_turns: tuple[Turn, ...]) -> None:
    pieces = merge(segments(given_turns, LABELS))
    found = floor(pieces, np.zeros(len(pieces), dtype=np.bool_)).interruptions
    expected = []
    holder: tuple[int, int, int] | None = None
    for person, start, end in listed(pieces):
        if holder is None or end > holder[2]:
            taken = holder and holder[0] != person and holder[2] - start >= 200 and end - holder[2] >= 1000
            if holder and taken:
                expected.append((holder[0], person, True, start))
            holder = person, start, end
        elif holder[2] - start >= 200:
            expected.append((holder[0], person, False, start))
    rows = zip(found.holder, found.interrupter, found.successful, found.at, strict=True)
    assert sorted((int(a), int(b), bool(c), int(d)) for a, b, c, d in rows) == sorted(expected)


@settings(deadline=None, max_examples=40)
@given(drawn_turns())
def test_shares_of_the_whole_measurement(given_turns: tuple[Turn, ...]) -> None:
    speaks = timeline(given_turns)
    found = by_key(measure(given_turns, duration=25.0, labels=LABELS, sees_overlap=True, people=3))
    anyone = speaks.any(axis=0).sum()
    assert np.isclose(found["silence_share", None, None].value or 0.0, 1 - anyone / END)
    if anyone:
        together = (speaks.sum(axis=0) >= 2).sum()
        assert np.isclose(found["overlap_share", None, None].value or 0.0, together / anyone)
        for label, own in zip(LABELS, speaks.sum(axis=1), strict=True):
            assert np.isclose(found["talk_time", label, None].value or 0.0, own / 1000)
            assert np.isclose(found["talk_share", label, None].value or 0.0, own / speaks.sum())
