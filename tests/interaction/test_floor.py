"""The floor, worked out by hand: every definition has its example, and one just outside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from meetsense.interaction.backchannels import backchannels, keeps_floor, listening
from meetsense.interaction.floor import Floor, Stretches, floor, merge, overlapped, segments
from meetsense.values import Act, ActLabel, Span, Turn, Utterance, Word
from tests.interaction.meetings import LABELS, drawn_turns, listed, stretches, turns

A, B, C = 0, 1, 2


def read(*lines: str, aside: tuple[int, ...] = ()) -> Floor:
    """The floor of turns, with the stretches of these positions set aside."""
    pieces = stretches(*lines)
    return floor(pieces, np.isin(np.arange(len(pieces)), aside))


def attempts(found: Floor) -> list[tuple[int, int, bool]]:
    """Holder, interrupter and success of every interruption."""
    tried = found.interruptions
    return list(
        zip(tried.holder.tolist(), tried.interrupter.tolist(), tried.successful.tolist(), strict=True)
    )


def test_own_silence_of_200_ms_ends_a_stretch() -> None:
    assert listed(stretches("A 0-1", "A 1.199-2")) == [(A, 0, 2000)]
    assert listed(stretches("A 0-1", "A 1.2-2")) == [(A, 0, 1000), (A, 1200, 2000)]


def test_another_voice_does_not_end_a_stretch() -> None:
    assert listed(stretches("A 0-1", "B 1-1.1", "A 1.1-2")) == [(A, 0, 2000), (B, 1000, 1100)]


def test_segments_are_sorted_and_empty_ones_left_out() -> None:
    pieces = segments(turns("B 3-4", "A 1-1", "A 0-2", "B 0-3"), LABELS)
    assert listed(pieces) == [(B, 0, 3000), (A, 0, 2000), (B, 3000, 4000)]
    with pytest.raises(KeyError):
        segments(turns("Z 0-1"), LABELS)


def test_offsets_of_a_gap_an_overlap_and_no_gap_at_all() -> None:
    found = read("A 0-2", "B 2.3-4", "A 3.9-6", "C 6-7")
    assert found.transitions.offset.tolist() == [300, -100, 0]
    assert found.transitions.giver.tolist() == [A, B, A]
    assert found.transitions.taker.tolist() == [B, A, C]
    assert found.transitions.at.tolist() == [2300, 3900, 6000]


def test_silence_between_own_stretches_is_a_pause_and_no_offset() -> None:
    found = read("A 0-2", "A 4-5", "B 5.1-6")
    assert listed(found.turns) == [(A, 0, 5000), (B, 5100, 6000)]
    assert found.transitions.offset.tolist() == [100]


def test_speech_wholly_inside_somebody_elses_takes_no_turn() -> None:
    found = read("A 0-5", "B 2-3", "C 5.2-6")
    assert found.transitions.giver.tolist() == [A]
    assert found.transitions.offset.tolist() == [200]


def test_of_two_who_say_the_same_span_the_first_given_has_the_floor() -> None:
    assert listed(read("B 0-1", "A 0-1").turns) == [(B, 0, 1000)]


def test_a_word_in_the_pause_of_another_is_a_turn_unless_it_is_set_aside() -> None:
    lines = "A 0-2", "B 2.3-2.6", "A 3-5"
    assert read(*lines).transitions.offset.tolist() == [300, 400]
    assert len(read(*lines, aside=(1,)).transitions) == 0
    assert listed(read(*lines, aside=(1,)).turns) == [(A, 0, 5000)]


def test_a_common_silence_of_a_second_is_a_lapse() -> None:
    assert read("A 0-2", "B 2.999-4", "A 5-6").lapses.tolist() == [[4000, 5000]]
    assert read("A 0-10", "B 1-2", "A 10.5-11").lapses.tolist() == []


def test_interruption_starts_200_ms_before_the_holders_end() -> None:
    assert attempts(read("A 0-5", "B 4.8-7")) == [(A, B, True)]
    assert attempts(read("A 0-5", "B 4.801-7")) == []


def test_successful_interrupter_goes_on_for_a_second() -> None:
    assert attempts(read("A 0-5", "B 4.5-6")) == [(A, B, True)]
    assert attempts(read("A 0-5", "B 4.5-5.999")) == []


def test_failed_interrupter_stops_first() -> None:
    assert attempts(read("A 0-5", "B 2-4.9")) == [(A, B, False)]
    assert attempts(read("A 0-5", "B 4.9-5")) == []


def test_failed_attempt_is_on_whoever_holds_the_floor_then() -> None:
    assert attempts(read("A 0-5", "B 4-9", "C 6-7")) == [(A, B, True), (B, C, False)]


def test_what_is_set_aside_interrupts_nobody() -> None:
    assert attempts(read("A 0-5", "B 2-2.5", aside=(1,))) == []


def test_overlap_counts_how_many_speak() -> None:
    speech = merge(segments(turns("A 0-4", "B 2-5", "C 3-6", "A 1-2"), LABELS), 1)
    assert np.diff(overlapped(speech, 1)).sum() == 6000
    assert np.diff(overlapped(speech, 2)).sum() == 3000
    assert overlapped(speech, 3).tolist() == [[3000, 4000]]
    # A third who joins makes no second overlap of it.
    assert len(overlapped(speech, 2)) == 1


def test_turns_that_touch_do_not_overlap() -> None:
    assert overlapped(merge(segments(turns("A 0-1", "B 1-2"), LABELS), 1), 2).tolist() == []


def test_nothing_has_no_floor() -> None:
    nobody = read()
    assert (
        len(nobody.turns) == len(nobody.transitions) == len(nobody.interruptions) == len(nobody.lapses) == 0
    )
    assert overlapped(nobody.stretches, 1).tolist() == []


def labelled(
    *lines: str, acts: dict[int, str], texts: dict[int, str] | None = None
) -> tuple[list[bool], list[bool]]:
    """Which stretches are listeners', and which of them backchannels: every turn is an utterance."""
    given = turns(*lines)
    said = [Utterance(i, t.speaker, t.span, (texts or {}).get(i, "word")) for i, t in enumerate(given)]
    labels = [Act(i, ActLabel(acts.get(i, "information")), 1.0) for i in range(len(given))]
    pieces = merge(segments(given, LABELS))
    return (
        listening(pieces, LABELS, said, labels).tolist(),
        backchannels(pieces, LABELS, said, labels).tolist(),
    )


def test_a_backchannel_is_short_or_of_three_words() -> None:
    lines = "A 0-9", "B 2-3", "C 4-5.5", "B 6-7.5"
    texts = {2: "oh I see", 3: "oh yes I see"}
    counted = [False, True, True, False]
    assert labelled(*lines, acts=dict.fromkeys((1, 2, 3), "backchannel"), texts=texts) == (counted, counted)


def test_other_words_make_no_backchannel() -> None:
    assert labelled("A 0-9", "B 2-3", acts={1: "agreement"})[0] == [False, False]


def test_a_hum_before_a_third_persons_turn_takes_no_floor_but_is_no_backchannel() -> None:
    lines = "A 0-4", "B 4.2-4.6", "C 5-8"
    assert labelled(*lines, acts={1: "backchannel"}) == ([False, True, False], [False, False, False])
    back_to_a = "A 0-4", "B 4.2-4.6", "A 5-8"
    assert labelled(*back_to_a, acts={1: "backchannel"})[1] == [False, True, False]


def test_the_last_hum_leaves_the_floor_where_it_was() -> None:
    assert labelled("A 0-4", "B 4.2-4.6", acts={1: "backchannel"})[1] == [False, True]


def test_a_hum_to_nobody_and_one_to_oneself_are_turns() -> None:
    assert (
        labelled("B 0-0.5", "A 1-4", "A 4.5-5", acts={0: "backchannel", 2: "backchannel"})[0] == [False] * 3
    )


def test_without_acts_what_is_short_and_leaves_the_floor_is_set_aside() -> None:
    pieces = stretches("A 0-4", "B 4.2-5.2", "A 6-8", "C 8.1-8.9", "B 9-12")
    assert listening(pieces, LABELS, (), ()).tolist() == [False, True, False, False, False]
    longer = stretches("A 0-4", "B 4.2-5.201", "A 6-8")
    assert listening(longer, LABELS, (), ()).tolist() == [False, False, False]


def test_words_belong_to_the_nearest_stretch_of_their_speaker() -> None:
    pieces = stretches("A 0-2", "B 0.5-1", "A 3-9", "B 4-4.5", "B 8-8.4")
    words = [Word(Span(t, t + 0.2), "yes", 1.0) for t in (0.2, 4.1, 6.0, 7.7)]
    said = [Utterance(i, "B", word.span, "yes", (word,)) for i, word in enumerate(words)]
    kinds = ["backchannel", "backchannel", "information", "information"]
    found = listening(pieces, LABELS, said, [Act(i, ActLabel(kind), 1.0) for i, kind in enumerate(kinds)])
    # The word at 6.1 s is nobody's: no stretch of its speaker is within half a second.
    assert found.tolist() == [False, True, False, True, False]


def test_a_speaker_without_turns_and_an_unknown_one_are_passed_over() -> None:
    pieces = stretches("A 0-2", "A 3-4")
    said = [Utterance(0, "C", Span(0, 1), "yeah"), Utterance(1, "Z", Span(0, 1), "yeah")]
    kinds = [Act(i, ActLabel.BACKCHANNEL, 1.0) for i in range(2)]
    assert listening(pieces, LABELS, said, kinds).tolist() == [False, False]


@given(drawn_turns())
def test_merging_twice_changes_nothing(given_turns: tuple[Turn, ...]) -> None:
    for silence in (1, 200):
        once = merge(segments(given_turns, LABELS), silence)
        assert listed(merge(once, silence)) == listed(once)


@given(drawn_turns())
def test_the_floor_passes_between_people(given_turns: tuple[Turn, ...]) -> None:
    pieces = merge(segments(given_turns, LABELS))
    found = floor(pieces, listening(pieces, LABELS, (), ()))
    passed = found.transitions
    assert (passed.giver != passed.taker).all()
    assert (passed.taker[:-1] == passed.giver[1:]).all()
    assert len(passed) == max(0, len(found.turns) - 1)
    assert (found.interruptions.holder != found.interruptions.interrupter).all()
    assert (np.diff(found.turns.start) >= 0).all()
    assert (found.lapses[:, 1] - found.lapses[:, 0] >= 1000).all()


@given(drawn_turns())
def test_setting_more_aside_never_makes_turns(given_turns: tuple[Turn, ...]) -> None:
    pieces = merge(segments(given_turns, LABELS))
    none = np.zeros(len(pieces), dtype=np.bool_)
    short = keeps_floor(pieces, pieces.end - pieces.start <= 1000)
    assert len(floor(pieces, short).turns) <= len(floor(pieces, none).turns)
    assert isinstance(pieces, Stretches)
