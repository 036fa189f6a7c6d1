"""Doubt: errors of engines, as they are supposed, drawn and carried into intervals."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction import label_acts, measure
from meetsense.interaction.doubt import (
    NONE,
    Doubt,
    Events,
    Shift,
    believed,
    loss,
    perturbed,
    pieces,
    read_again,
    readings,
    true_events,
    widened,
)
from meetsense.interaction.floor import Stretches, merge, segments
from meetsense.interaction.measures import DEFINITIONS
from meetsense.values import Act, ActLabel, Grade, Measure, Span, Subject, Turn, Utterance, Word
from tests.interaction.coverage import NAMES, coverage, engine, exactly
from tests.interaction.meetings import LABELS, by_key, drawn_talk, drawn_turns, listed, turns
from tests.interaction.simulated import simulate

ROUGH = Doubt(confused=0.2, jitter_ms=200.0, missed_short=0.5, missed_overlap=0.6, word_error=0.2)
slow = settings(deadline=None, max_examples=20)


def measured(
    given_turns: tuple[Turn, ...],
    talk: tuple[Utterance, ...] = (),
    doubt: Doubt = NONE,
    labels: tuple[str, ...] = LABELS,
) -> tuple[Measure, ...]:
    return measure(
        given_turns,
        duration=25.0,
        labels=labels,
        utterances=talk,
        acts=label_acts(talk, "en"),
        language="en",
        sees_overlap=True,
        people=None,
        doubt=doubt,
    )


@st.composite
def doubts(draw: st.DrawFn) -> Doubt:
    share = st.sampled_from([0.0, 0.1, 0.5, 1.0])
    jitter = draw(st.sampled_from([0.0, 50.0, 2000.0]))
    return Doubt(draw(share), jitter, draw(share), draw(share), draw(share), draw(share))


@pytest.mark.parametrize(
    "wrong", [{"confused": -0.1}, {"word_error": 1.1}, {"jitter_ms": -1.0}, {"jitter_ms": math.inf}]
)
def test_what_is_no_share_is_no_doubt(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares are"):
        Doubt(**wrong)


@slow
@given(drawn_turns(), drawn_talk(), doubts())
def test_doubt_changes_intervals_and_nothing_else(
    given_turns: tuple[Turn, ...], talk: tuple[Utterance, ...], doubt: Doubt
) -> None:
    sure, doubted = measured(given_turns, talk), measured(given_turns, talk, doubt)
    for one, other in zip(sure, doubted, strict=True):
        assert (one.name, one.subject, one.value, one.n) == (other.name, other.subject, other.value, other.n)
        assert (one.part, one.whole) == (other.part, other.whole)
        assert (one.low is None) == (other.low is None)
        if one.low is not None and one.high is not None and other.low is not None and other.high is not None:
            assert one.value is not None
            assert other.low <= one.value <= other.high
            # Acts are doubted without engines too, and what is surely wrong is no longer uncertain.
            if not DEFINITIONS[one.name].needs_acts and not DEFINITIONS[one.name].acts:
                assert other.low <= one.low
                assert other.high >= one.high
            if one.unit == "share":
                assert other.low >= 0
                assert other.high <= 1
        assert other.grade in (one.grade, Grade.TENTATIVE)
        assert (other.grade is Grade.FIRM) == (other.reason is None)


def test_a_lead_that_the_engine_may_have_made_is_tentative() -> None:
    meeting = simulate(300, 1)
    sure, doubted = (
        next(m for m in measured(meeting.turns, doubt=doubt, labels=()) if m.name == "dominance_margin")
        for doubt in (NONE, ROUGH)
    )
    assert sure.grade is Grade.FIRM
    assert sure.low is not None
    assert sure.low > 0
    assert (doubted.low, doubted.grade) == (0, Grade.TENTATIVE)
    assert doubted.reason == (
        "the lead may be the speaker engine's error: nobody can be said to have talked most"
    )


def bursts(count: int) -> tuple[Turn, ...]:
    """A and B in turn, eight times in a row, then nobody for longer and longer."""
    made, time = [], 0.0
    for i in range(count):
        for k in range(8):
            made.append(Turn(Span(round(time, 3), round(time + 1.1, 3)), "AB"[k % 2]))
            time += 1.2
        time += 5 + 3 * (i % 4)
    return tuple(made)


def test_doubt_stays_within_what_a_figure_can_be() -> None:
    meeting = simulate(300, 0)
    found = by_key(measured(meeting.turns, doubt=ROUGH, labels=()))
    assert found["gap_median", None, None].low == 0
    regular = replace(ROUGH, jitter_ms=2000.0)
    sure, doubted = (
        by_key(measured(bursts(30), doubt=doubt))["burstiness", None, None] for doubt in (NONE, regular)
    )
    assert sure.low is not None
    assert doubted.low is not None
    assert doubted.low < 0 < sure.low


@slow
@given(drawn_turns(), drawn_talk(), st.permutations(["X", "Y", "Z"]))
def test_renaming_people_renames_their_doubts(
    given_turns: tuple[Turn, ...], talk: tuple[Utterance, ...], names: list[str]
) -> None:
    name = dict(zip(LABELS, names, strict=True))
    renamed = tuple(replace(turn, speaker=name[turn.speaker]) for turn in given_turns)
    renamed_talk = tuple(replace(said, speaker=name[said.speaker]) for said in talk)
    before = by_key(measured(given_turns, talk, ROUGH))
    after = by_key(measured(renamed, renamed_talk, ROUGH, ("X", "Y", "Z")))
    for (kind, speaker, other), item in before.items():
        found = after[kind, name.get(speaker or ""), name.get(other or "")]
        assert found.low == pytest.approx(item.low)
        assert found.high == pytest.approx(item.high)


@slow
@given(drawn_turns(), st.integers(1, 10_000_000))
def test_when_the_talk_begins_does_not_matter_to_doubt(given_turns: tuple[Turn, ...], shift: int) -> None:
    later = tuple(replace(turn, span=turn.span.shift(shift / 1000)) for turn in given_turns)
    before, after = by_key(measured(given_turns, (), ROUGH)), by_key(measured(later, (), ROUGH))
    for key in before.keys() - {("silence_share", None, None)}:
        assert after[key].low == pytest.approx(before[key].low, abs=1e-6)
        assert after[key].high == pytest.approx(before[key].high, abs=1e-6)


@given(drawn_turns())
def test_pieces_make_the_stretches_of_the_floor(given_turns: tuple[Turn, ...]) -> None:
    found = segments(given_turns, LABELS)
    if not len(found):
        return
    known = pieces(merge(found, 1))
    own = known.speech
    made = zip(own.speaker[known.first], own.start[known.first], own.end[known.last], strict=True)
    assert {(int(a), int(b), int(c)) for a, b, c in made} == set(listed(merge(found)))
    assert (np.diff(own.start[known.first]) >= 0).all()
    assert np.array_equal(known.stretch[known.first], np.arange(len(known)))


@given(drawn_turns())
def test_without_doubt_the_same_is_read_again(given_turns: tuple[Turn, ...]) -> None:
    speech = merge(segments(given_turns, LABELS), 1)
    if not len(speech):
        return
    (again,) = perturbed(pieces(speech), NONE, np.random.default_rng(1))
    assert listed(merge(again.speech, 1)) == listed(speech)


def long_talk() -> Stretches:
    """Speech of four people, 600 utterances."""
    meeting = simulate(600, 5)
    return merge(segments(meeting.turns, sorted({turn.speaker for turn in meeting.turns})), 1)


def drawn(doubt: Doubt, times: int = 60) -> list[tuple[Stretches, ...]]:
    rng, known = np.random.default_rng(3), pieces(long_talk())
    return [tuple(found.speech for found in perturbed(known, doubt, rng)) for _ in range(times)]


def seconds(speech: Stretches) -> float:
    return float((speech.end - speech.start).sum()) / 1000


def test_speech_that_goes_to_a_wrong_person_stays_speech() -> None:
    known = pieces(long_talk())
    moved = []
    rng = np.random.default_rng(3)
    for _ in range(200):
        (found,) = perturbed(known, Doubt(confused=0.1), rng)
        assert seconds(found.speech) == pytest.approx(seconds(known.speech))
        length = found.speech.end - found.speech.start
        moved.append(float(length[found.speech.speaker != known.speech.speaker].sum() / length.sum()))
    assert np.mean(moved) == pytest.approx(0.1, abs=0.01)
    # Voices are mistaken throughout a meeting: the share varies by far more than stretches one by one would.
    assert np.std(moved) > 0.03


def test_how_unevenly_voices_are_mistaken() -> None:
    """What the variance of counts supposes is what is drawn."""
    known = pieces(long_talk())
    rng, doubt = np.random.default_rng(4), Doubt(confused=0.05)
    people = len(known.spoke)
    taken = []
    for _ in range(1500):
        (found,) = perturbed(known, doubt, rng)
        moved = (known.speech.speaker == 0) & (found.speech.speaker == 1)
        taken.append(moved.sum() / (known.speech.speaker == 0).sum())
    expected = 0.05 / (people - 1)
    by_chance = expected * (1 - expected) / (known.speech.speaker == 0).sum()
    uneven = Events(np.array([0]), np.array([0]), np.array([1.0]), people, 0.05).uneven
    assert np.mean(taken) == pytest.approx(expected, rel=0.1)
    assert (np.var(taken) - by_chance) / expected**2 == pytest.approx(uneven, rel=0.3)


def test_borders_move_by_the_jitter() -> None:
    before = pieces(long_talk())
    ends = before.speech.end[before.last]
    rng = np.random.default_rng(3)
    (found,) = perturbed(before, Doubt(jitter_ms=100.0), rng)
    moved = [
        int(found.speech.end[found.stretch == i].max() - ends[i])
        for i in range(len(before))
        if (found.stretch == i).any()
    ]
    assert np.std(moved) == pytest.approx(100.0, rel=0.15)


def test_what_is_lost_is_short_or_overlapped() -> None:
    speech = long_talk()
    short = int((pieces(speech).short).sum())
    for whole, less, later in drawn(Doubt(missed_short=0.5, missed_overlap=0.5), 20):
        assert len(whole) == len(speech)
        assert 0.3 * short < len(speech) - len(less) < 0.7 * short
        assert seconds(less) < seconds(whole)
        assert seconds(later) < seconds(whole)


def test_listeners_stay_listeners_when_they_are_read_again() -> None:
    meeting = exactly(simulate(300, 2))
    sure, again = (meeting.measures(doubt, 4) for doubt in (NONE, Doubt(jitter_ms=0.01)))
    for key, item in sure.items():
        assert again[key].low == pytest.approx(item.low), key
        assert again[key].high == pytest.approx(item.high), key


@pytest.mark.parametrize(("degrees", "expected"), [(4, 2.776), (7, 2.365), (11, 2.201)])
def test_few_readings_make_wider_intervals(degrees: int, expected: float) -> None:
    changes = np.array([-1.0, 1.0] * ((degrees + 1) // 2) + [0.0] * ((degrees + 1) % 2))
    deviation = changes.std(ddof=1) * math.sqrt(1 + 1 / len(changes))
    assert read_again(changes, np.array([])).spread / deviation == pytest.approx(expected, abs=0.01)


def test_long_meetings_are_read_again_fewer_times() -> None:
    short, long, longest = (readings(stretches) for stretches in (10, 10_000, 1_000_000))
    assert short > long >= longest >= (2, 1)


def test_losses_by_hand() -> None:
    assert loss([2.5], [1.0]) == 0.0
    assert loss([10.0, 6.0, 9.0], [1.0, 2.0, 3.0]) == -11.0
    # Of 20 half were lost, so 10 were seen; of these half are lost again: the truth is expected at 20.
    assert read_again(np.zeros(2), np.array([loss([10.0, 5.0], [1.0, 2.0])] * 2)) == Shift(above=10.0)


def test_doubts_add_like_independent_errors() -> None:
    assert Shift.of(1.0, 3.0) + Shift.of(-2.0, 4.0) == Shift(1.0, 2.0, 5.0)
    assert widened(0.0, 3.0, 8.0, Shift(spread=4.0)) == (-2.0, 3.0 + math.hypot(5.0, 4.0))
    assert widened(3.0, 3.0, 3.0, Shift(below=1.0)) == (2.0, 3.0)


def events(rows: list[tuple[int, int, float]], people: int = 2, confused: float = 0.0) -> Events:
    speaker, label, right = zip(*rows, strict=True)
    return Events(np.array(speaker), np.array(label), np.array(right), people, confused)


def test_true_events_by_hand() -> None:
    # Three acts of label 1, one of label 0, one of label 2; half of the others' acts are of label 0.
    found = events([(0, 1, 0.9), (0, 1, 0.8), (1, 1, 1.0), (0, 0, 0.6), (1, 2, 1.0)])
    mean, variance = true_events(found, np.array([1]), None)
    among = [0.9, 0.8, 1.0, 0.4 * 3 / 4, 0.0]
    assert mean == pytest.approx(sum(among))
    assert variance == pytest.approx(sum(p * (1 - p) for p in among))
    own, _ = true_events(found, np.array([1]), 0)
    assert own == pytest.approx(0.9 + 0.8 + 0.3)
    both, _ = true_events(found, np.array([0, 1]), None)
    # What is neither of both is label 2; what is wrong of 0 is mostly 1, which is counted all the same.
    assert both == pytest.approx(3 * 0.0 + (0.9 + 0.1 * 0.5) + (0.8 + 0.2 * 0.5) + 1.0 + (0.6 + 0.4 * 3 / 4))


def test_voices_that_are_mistaken_make_counts_doubtful() -> None:
    rows = [(i % 2, 1, 1.0) for i in range(100)]
    sure, doubted = events(rows), events(rows, confused=0.2)
    assert true_events(sure, np.array([1]), 0) == (50.0, 0.0)
    mean, variance = true_events(doubted, np.array([1]), 0)
    assert mean == pytest.approx(50.0)
    assert math.sqrt(variance) > 0.2 * 50


def test_acts_are_as_likely_as_their_words() -> None:
    words = np.array([0.5, 0.99, math.nan])
    found = believed(np.array([0.8, 0.8, 1.0]), words, Doubt(word_error=0.1, language=0.5))
    assert found.tolist() == pytest.approx([0.2, 0.36, 0.45])


def test_acts_that_are_certain_leave_sampling_alone() -> None:
    talk = tuple(Utterance(i, "A", Span(float(i), i + 0.5), "Why?") for i in range(20))
    given_turns = tuple(Turn(said.span, said.speaker) for said in talk)
    options = {"duration": 25.0, "labels": (), "utterances": talk, "sees_overlap": True, "people": None}
    certain, likely = (
        by_key(measure(given_turns, acts=tuple(Act(i, ActLabel.QUESTION, p) for i in range(20)), **options))  # type: ignore[arg-type]
        for p in (1.0, 0.7)
    )
    sure, unsure = (found["questions", "A", None] for found in (certain, likely))
    assert (sure.low, sure.high) == pytest.approx((12.2, 30.9), abs=0.1)
    assert unsure.low is not None
    assert unsure.low < 20 * 0.7 < 20 < (unsure.high or 0.0)


def told(probability: float) -> tuple[Utterance, ...]:
    word = Word(Span(0.0, 0.2), "Why?", probability)
    return tuple(Utterance(i, "A", Span(float(i), i + 0.5), "Why?", (word,)) for i in range(20))


def test_doubtful_words_make_what_rests_on_them_tentative() -> None:
    given_turns = tuple(Turn(said.span, said.speaker) for said in told(1.0))
    good = by_key(measured(given_turns, told(0.9)))["questions", "A", None]
    poor = by_key(measured(given_turns, told(0.5)))["questions", "A", None]
    assert (good.grade, poor.grade) == (Grade.FIRM, Grade.TENTATIVE)
    assert poor.reason == "the words are doubtful: 50% of them are expected to be right"
    assert poor.low is not None
    assert good.low is not None
    assert poor.low < good.low
    expected = by_key(measured(given_turns, told(0.9), Doubt(word_error=0.4)))["questions", "A", None]
    assert expected.reason == "the words are doubtful: 60% of them are expected to be right"


def test_an_uncertain_language_makes_what_rests_on_words_tentative() -> None:
    given_turns = tuple(Turn(said.span, said.speaker) for said in told(1.0))
    found = by_key(measured(given_turns, told(0.9), Doubt(language=0.55)))
    assert found["questions", "A", None].reason == "the language of the words is uncertain (55%)"
    assert found["talk_time", "A", None].reason != found["questions", "A", None].reason


def test_what_hangs_on_a_few_stretches_is_unsteady() -> None:
    found = by_key(measured(turns("A 0-0.5", "B 1-1.4"), (), Doubt(missed_short=1.0)))
    assert found["floor_transfer_offset", None, None].grade is Grade.TENTATIVE
    assert found["talk_time", "A", None].value == 0.5


@pytest.mark.parametrize("kind", [Subject(), Subject.of("S1")])
def test_meetings_heard_wrongly_have_other_figures(kind: Subject) -> None:
    meeting = simulate(200, 1)
    truth = exactly(meeting).measures(NONE, 4)
    heard = engine(meeting, ROUGH, 1, 4).measures(NONE, 4)
    assert {key for key, item in truth.items() if key[1] == kind and item.value != heard[key].value}


@pytest.mark.parametrize("doubt", [NONE, ROUGH], ids=["none", "rough"])
def test_intervals_cover_the_truth(doubt: Doubt) -> None:
    """The long version is a row of the bench."""
    found = coverage(20, 300, doubt)
    assert found.keys() == NAMES
    everything = [covered for covered, _ in found.values()]
    assert np.mean(everything) > 0.93
    # A measure that truly covers 90 % of the time falls below this once in a thousand.
    least = NormalDist(0.9, math.sqrt(0.9 * 0.1 / 20)).inv_cdf(0.001)
    assert min(everything) > least, found
    if doubt.of_voices:
        assert np.mean([without for _, without in found.values()]) < 0.85
