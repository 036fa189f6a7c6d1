"""What the network is told: words, times and neighbours, against slow and plain ways to the same."""

from __future__ import annotations

import itertools
import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction import act_features
from meetsense.interaction.act_features import (
    FIRST,
    LAST,
    NEAR,
    OPENED,
    Spoken,
    Vocabulary,
    spoken,
    vocabulary,
)
from meetsense.interaction.act_rules import Sentence, Spelling
from meetsense.values import Span

WORDS = ("we", "could", "paint", "well", "so")
SPELLING = Spelling({"wanna": "want to"}, frozenset({"um", "uh"}), re.compile("(?:well|so) "))


def said(line: str) -> Spoken:
    """What is said in a line of plain text."""
    return spoken(line, SPELLING)


def all_known() -> Vocabulary:
    """A vocabulary of a few words and all their runs of up to three."""
    base = vocabulary(WORDS, np.zeros(1, np.int64)).base
    codes = range(1, base)
    keys = [number(run, base) for length in (1, 2, 3) for run in itertools.product(codes, repeat=length)]
    return vocabulary(WORDS, np.array(sorted(keys)))


def number(run: tuple[int, ...], base: int) -> int:
    """The key of a run of numbers."""
    key = 0
    for digit in run:
        key = key * base + digit
    return key


def slow_runs(sentence: Spoken, known: Vocabulary) -> list[int]:
    """Keys of the runs of a sentence of up to three words, by loops."""
    inner = known.numbered([sentence])[0]
    edged = [FIRST, *inner, LAST]
    keys = [number((word,), known.base) for word in inner]
    for length in (2, 3):
        keys += [number(tuple(edged[i : i + length]), known.base) for i in range(len(edged) - length + 1)]
        tail = edged[sentence.opened + 1 : sentence.opened + length]
        if len(tail) == length - 1:
            keys.append(number((OPENED, *tail), known.base))
    return sorted(keys)


lines = st.lists(st.sampled_from([*WORDS, "um", "pai-", "twelve", "9"]), max_size=7).map(" ".join)


@given(st.lists(lines, min_size=1, max_size=5))
def test_runs_of_words(texts: list[str]) -> None:
    known = all_known()
    sentences = [said(text) for text in texts]
    rows, runs = act_features.known_runs(sentences, known)
    assert (np.diff(rows) >= 0).all()
    for row, sentence in enumerate(sentences):
        assert sorted(known.runs[runs[rows == row]].tolist()) == slow_runs(sentence, known)


def test_what_carries_nothing_is_counted_and_left_out() -> None:
    found = said("um well I-I w- we we could we could uh paint")
    assert found.words == ("well", "i", "we", "could", "paint")
    assert (found.opened, found.filled, found.broken, found.again) == (1, 2, 1, 3)
    assert said("I wanna pai-").cut
    assert said("um uh").words == ("um", "uh")
    assert said("").words == ()


@given(st.lists(st.integers(0, 2), max_size=12))
def test_neighbours(speakers: list[int]) -> None:
    count = len(speakers)
    near = act_features.neighbours(np.array(speakers, dtype=np.int64))
    for at, row in enumerate(near.tolist()):
        for slot, step in enumerate(NEAR):
            assert row[slot] == (at + step if 0 <= at + step < count else count)
        before, after = range(at - 1, -1, -1), range(at + 1, count)
        others = [next((i for i in way if speakers[i] != speakers[at]), count) for way in (before, after)]
        own = [next((i for i in way if speakers[i] == speakers[at]), count) for way in (before, after)]
        assert row[len(NEAR) :] == [*others, *own]


@st.composite
def talks(draw: st.DrawFn) -> list[Sentence]:
    """Sentences sorted by start, on a grid of whole milliseconds."""
    starts = sorted(draw(st.lists(st.integers(0, 9000), min_size=1, max_size=8)))
    return [
        Sentence(
            draw(st.sampled_from("ABC")),
            Span(start / 1000, (start + draw(st.integers(0, 3000))) / 1000),
            draw(lines) + draw(st.sampled_from(["", ".", "?", "!", "...", " - "])),
        )
        for start in starts
    ]


def told(talk: list[Sentence], *, punctuated: bool = True) -> act_features.Features:
    """The features of a talk."""
    return act_features.features(talk, [said(s.text) for s in talk], all_known(), punctuated=punctuated)


@settings(deadline=None)
@given(talks(), st.integers(0, 10_000_000))
def test_neither_the_clock_nor_names_matter(talk: list[Sentence], shift: int) -> None:
    moved = [Sentence(f"x{s.speaker}", s.span.shift(shift / 1000), s.text) for s in talk]
    one, other = told(talk), told(moved)
    assert np.array_equal(one.dense, other.dense)
    assert np.array_equal(one.neighbours, other.neighbours)
    assert np.isfinite(one.dense).all()


@settings(deadline=None)
@given(talks())
def test_without_marks_only_the_columns_of_marks_change(talk: list[Sentence]) -> None:
    marked, bare = told(talk).dense, told(talk, punctuated=False).dense
    marks = act_features.MARK_COLUMNS
    assert np.array_equal(marked[:, :-marks], bare[:, :-marks])
    assert not bare[:, -marks:].any()
    assert marked[:, -1].all()


@settings(deadline=None)
@given(talks())
def test_ends_of_others(talk: list[Sentence]) -> None:
    numbers = [ord(s.speaker) for s in talk]
    ends = [round(s.span.end * 1000) for s in talk]
    found = act_features._ends_of_others(numbers, ends)
    for at, latest in enumerate(found.tolist()):
        before = [end for end, who in zip(ends[:at], numbers, strict=False) if who != numbers[at]]
        assert latest == max(before, default=-act_features.NEVER)
