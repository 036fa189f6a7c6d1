"""Kinds of overlap and of interruption: between and within people, failed and silent; who waits how long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from meetsense.interaction import measure
from meetsense.interaction.clauses import is_open, open_words, silent_interruptions
from meetsense.interaction.floor import floor, inside, merge, overlap_between, overlapped, segments
from meetsense.values import Act, ActLabel, Grade, Measure, Span, Turn, Utterance, Word
from tests.interaction.meetings import LABELS, by_key, drawn_turns, turns

WORDS = frozenset({"the", "because"})


def measured(*lines: str, **options: object) -> dict[tuple[str, str | None, str | None], Measure]:
    given_turns = turns(*lines)
    duration = max(turn.span.end for turn in given_turns)
    found = measure(given_turns, duration=duration, labels=(), sees_overlap=True, people=None, **options)  # type: ignore[arg-type]
    return by_key(found)


def test_overlap_at_a_change_is_between_and_the_other_within() -> None:
    found = measured("A 0-10", "B 2-3", "B 9-14", "C 13.5-20", "A 15-17")
    between, within = found["overlap_between", None, None], found["overlap_within", None, None]
    assert (between.part, between.whole, between.n) == (1.5, 20, 2)
    assert (within.part, within.n) == (3, 2)
    together = found["overlap_share", None, None].value or 0.0
    assert (between.value or 0) + (within.value or 0) == pytest.approx(together)


@given(drawn_turns())
def test_overlaps_are_part_of_all_overlap(given_turns: tuple[Turn, ...]) -> None:
    speech, stretches = merge(segments(given_turns, LABELS), 1), merge(segments(given_turns, LABELS))
    if not len(stretches):
        return
    found = floor(stretches, np.zeros(len(stretches), dtype=np.bool_))
    passing = set()
    for end, start in zip(found.turns.end[:-1].tolist(), found.turns.start[1:].tolist(), strict=True):
        passing |= set(range(start, end))
    both = {t for a, b in overlapped(speech, 2).tolist() for t in range(a, b)}
    pieces = [t for a, b in overlap_between(speech, found.turns).tolist() for t in range(a, b)]
    assert len(pieces) == len(set(pieces))
    assert set(pieces) == both & passing
    assert int(inside(found).sum()) + len(found.stretches[~inside(found)]) == len(stretches)


def test_failed_interruptions_are_those_made_that_did_not_succeed() -> None:
    found = measured("A 0-10", "B 2-4", "B 9-14", "C 10-11.5")
    made, failed, successful = (
        {who: found[f"interruptions_{kind}", who, None].part for who in "ABC"}
        for kind in ("made", "failed", "successful")
    )
    assert made == {"A": 0, "B": 2, "C": 1}
    assert failed == {"A": 0, "B": 1, "C": 1}
    assert successful == {"A": 0, "B": 1, "C": 0}


def test_patience_is_the_median_wait_before_the_floor() -> None:
    found = measured("A 0-5", "B 5.4-9", "A 8.9-12", "B 12.2-15", "C 18-20")
    assert found["patience", "B", None].value == 300  # 400, 200
    assert found["patience", "A", None].value == -100
    assert found["patience", "C", None].value == 3000
    assert found["patience", "C", None].grade is Grade.TENTATIVE


def test_the_turn_taking_index_counts_stretches_that_take_the_floor() -> None:
    index = measured("A 0-2", "A 3-5", "B 5.5-8", "A 6-7", "A 9-11")["turn_taking_index", None, None]
    assert (index.part, index.whole) == (2, 3)


@pytest.mark.parametrize(
    "text", ["I want the", "we sh-", "Well,", "and then...", "because", "It’s the —", '"I, the"']
)
def test_open_clauses(text: str) -> None:
    assert is_open(text, WORDS)


@pytest.mark.parametrize("text", ["", "   ", "Yes", "See the.", "the?", "Thebes", "!", '"See the."'])
def test_closed_clauses(text: str) -> None:
    assert not is_open(text, WORDS)


def silent(*lines: str, texts: dict[int, str], words: bool = False) -> list[bool]:
    """Which changes are silent interruptions; every turn is an utterance, its words a quarter of a second."""
    given_turns = turns(*lines)
    said = []
    for i, turn in enumerate(given_turns):
        spoken = texts.get(i, "Fine.").split()
        step = turn.span.duration / max(1, len(spoken))
        times = [turn.span.start + step * k for k in range(len(spoken) + 1)]
        timed = tuple(Word(Span(times[k], times[k + 1]), word, 1.0) for k, word in enumerate(spoken))
        said.append(Utterance(i, turn.speaker, turn.span, " ".join(spoken), timed if words else ()))
    pieces = merge(segments(given_turns, LABELS))
    found = floor(pieces, np.zeros(len(pieces), dtype=np.bool_))
    return [bool(each) for each in silent_interruptions(found.turns, LABELS, said, WORDS)]


@pytest.mark.parametrize("words", [False, True])
def test_a_silent_interruption_follows_an_open_clause_without_overlap(words: bool) -> None:
    texts = {0: "we need the", 2: "I know", 3: "because the"}
    lines = "A 0-2", "B 2.3-4", "A 4.2-6", "C 6.5-8", "B 8-9"
    assert silent(*lines, texts=texts, words=words) == [True, False, False, True]


def test_not_after_a_lapse_and_not_with_overlap() -> None:
    assert silent("A 0-2", "B 3-4", texts={0: "we need the"}) == [False]
    assert silent("A 0-2", "B 2.999-4", texts={0: "we need the"}) == [True]
    assert silent("A 0-2", "B 1.9-4", texts={0: "we need the"}) == [False]


def test_words_far_from_the_end_of_the_turn_tell_nothing() -> None:
    said = [Utterance(0, "A", Span(0, 1), "we need the"), Utterance(1, "Z", Span(0, 2), "the")]
    pieces = merge(segments(turns("A 0-2", "B 2.1-4"), LABELS))
    found = floor(pieces, np.zeros(len(pieces), dtype=np.bool_))
    assert silent_interruptions(found.turns, LABELS, said, WORDS).tolist() == [False]
    assert silent_interruptions(found.turns, LABELS, (), WORDS).tolist() == [False]


def test_what_goes_on_after_the_other_is_judged_by_what_came_before() -> None:
    words = [(0.0, "we"), (0.5, "need"), (1.0, "the"), (4.0, "car")]
    timed = tuple(Word(Span(t, t + 0.5), text, 1.0) for t, text in words)
    said = [Utterance(0, "A", Span(0, 4.5), "we need the car", timed)]
    pieces = merge(segments(turns("A 0-1.5", "B 1.7-3.9", "A 4-4.5"), LABELS))
    found = floor(pieces, np.zeros(len(pieces), dtype=np.bool_))
    assert silent_interruptions(found.turns, LABELS, said, WORDS).tolist() == [True, False]


def test_languages_have_the_words_or_not() -> None:
    english = open_words("en-GB")
    assert english is not None
    assert {"the", "because"} <= english
    assert open_words("xx") is None
    assert open_words("../en") is None


def test_silent_interruptions_are_measured_where_there_are_words() -> None:
    lines = "A 0-2", "B 2.3-4"
    said = [Utterance(0, "A", Span(0, 2), "we need the"), Utterance(1, "B", Span(2.3, 4), "Fine.")]
    acts = [Act(i, ActLabel.INFORMATION, 1.0) for i in range(2)]
    item = measured(*lines, utterances=said, acts=acts)["interruptions_silent", "B", None]
    assert (item.part, item.grade) == (1, Grade.TENTATIVE)
    without = measured(*lines)["interruptions_silent", "B", None]
    assert (without.value, without.reason) == (None, "there are no words")
