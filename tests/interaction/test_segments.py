"""Topic segments: where they begin, who introduced them, whether others took them up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction.measures.talk import Said
from meetsense.interaction.segments import cohesion, depths, segments_of
from tests.interaction.exchanges import Line, drawn_talk, exchange, later, moves, renamed

slow = settings(deadline=None)

DESK = ["desk", "counter", "window", "visitor", "queue", "bench"]
LETTER = ["letter", "envelope", "stamp", "postman", "address", "paper"]
AGENDA = ("C", "directive", "Let's move on to the next item.")
GARDEN = ["garden", "tree", "flower", "hedge", "lawn", "bird"]


def talk_about(words: list[str], count: int, who: str = "AB") -> list[Line]:
    """Lines of several people, each with three of the words."""
    rng = np.random.default_rng(len(words[0]))
    lines = []
    for i in range(count):
        first, second, third = rng.permutation(words)[:3]
        lines.append((who[i % len(who)], "information", f"A {first} near a {second} with a {third} there."))
    return lines


def test_a_topic_begins_where_the_words_change() -> None:
    lines = talk_about(DESK, 60) + talk_about(LETTER, 60, "CB") + talk_about(GARDEN, 60)
    found = segments_of(moves(*lines))
    assert [segment.start for segment in found] == pytest.approx([0, 180_000, 360_000], abs=9000)
    assert [segment.end for segment in found[:-1]] == [segment.start for segment in found[1:]]
    assert all(segment.introduced and segment.taken_up for segment in found)
    assert found[0].introduced is not None
    assert (found[0].introduced.id, found[0].introduced.speaker) == (0, 0)
    assert found[0].others == {1}


def test_one_topic_is_one_segment() -> None:
    same = [("A", "information", "The desk is near the window of the hall.")] * 5
    assert len(segments_of(moves(*same))) == 1
    assert segments_of(()) == ()
    assert segments_of(moves(("A", "backchannel", "Mhm."))) == ()


def test_the_agenda_begins_a_topic_wherever_it_is() -> None:
    lines = [*talk_about(DESK, 10), AGENDA, *talk_about(DESK, 30)]
    first, second = segments_of(moves(*lines))
    assert (second.start, second.by_agenda, first.by_agenda) == (30_000, True, False)
    assert second.introduced is not None
    assert second.introduced.speaker == 2
    assert second.or_else is not None
    assert second.or_else.speaker == 0


def test_moves_of_the_agenda_close_together_are_one() -> None:
    lines = [*talk_about(DESK, 10), AGENDA, AGENDA, AGENDA, *talk_about(DESK, 10)]
    assert len(segments_of(moves(*lines))) == 2


def test_hums_and_few_words_introduce_nothing() -> None:
    lines = [
        ("A", "floor", "So."),
        ("B", "information", "The desk."),
        ("C", "other", "Thank you very much indeed."),
    ]
    long = ("A", "information", "The desk is closed on Mondays.")
    (segment,) = segments_of(moves(*lines, long))
    assert segment.introduced is not None
    assert segment.introduced.id == 3
    assert segments_of(moves(*lines))[0].introduced is None


@pytest.mark.parametrize(
    ("others", "step", "taken_up"),
    [([], 90.0, False), (["B"], 3.0, False), (["B"], 90.0, True), (["B", "C"], 3.0, True)],
)
def test_taken_up_is_a_minute_or_two_others(others: list[str], step: float, taken_up: bool) -> None:
    line = "information", "The desk is near the window of the hall."
    (segment,) = segments_of(moves(("A", *line), *((who, *line) for who in others), step=step))
    assert segment.taken_up is taken_up


def test_the_end_takes_up_nothing() -> None:
    lines = [*talk_about(DESK, 40), AGENDA]
    first, last = segments_of(moves(*lines))
    assert (first.last, last.last, last.taken_up) == (False, True, False)


def test_cohesion_is_the_cosine_of_blocks() -> None:
    lines = [
        ("A", "information", text) for text in ("desk window", "desk door", "letter stamp", "letter door")
    ]
    # desk window desk door | letter stamp letter door: only the door is shared
    alike = cohesion(moves(*lines))
    assert alike[0] == 0
    assert alike[2] == pytest.approx(1 / 6)


@slow
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=12))
def test_valleys_are_where_a_curve_rises_on_both_sides(values: list[float]) -> None:
    depth = depths(np.array(values))
    for i, value in enumerate(depth):
        if value > 0:
            assert values[i] < max(values[:i])
            assert value <= max(values[:i]) + max(values[i:]) - 2 * values[i]


@slow
@given(drawn_talk(40), st.permutations([0, 1, 2]), st.integers(0, 10**7))
def test_segments_cover_the_talk_whoever_speaks_and_when(
    talk: tuple[Said, ...], places: list[int], ms: int
) -> None:
    found = segments_of(exchange(talk).moves)
    assert all(one.end == other.start for one, other in pairwise(found))
    same = segments_of(exchange(later(renamed(talk, tuple(places)), ms)).moves)
    assert [s.start + ms for s in found] == [s.start for s in same]
    for one, other in zip(found, same, strict=True):
        assert (one.introduced is None) == (other.introduced is None)
        if one.introduced and other.introduced:
            assert places[one.introduced.speaker] == other.introduced.speaker
        assert {places[i] for i in one.others} == other.others
        assert one.taken_up == other.taken_up
