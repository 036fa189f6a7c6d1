"""Measures say what they rest on: properties of all of them, and grades by example."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction import label_acts, link_decisions, measure
from meetsense.interaction.doubt import NONE, Doubt
from meetsense.interaction.measures import BLIND, DEFINITIONS
from meetsense.interaction.participation import evenness, gini
from meetsense.values import Act, ActLabel, Grade, Measure, Span, Subject, Turn, Utterance
from tests.interaction.meetings import LABELS, acts, by_key, drawn_talk, drawn_turns, said, turns
from tests.interaction.simulated import simulate

NEEDS_OVERLAP = {name for name, item in DEFINITIONS.items() if item.needs_overlap}
NEEDS_ACTS = {name for name, item in DEFINITIONS.items() if item.needs_acts}

ROUGH = Doubt(confused=0.2, jitter_ms=200.0, missed_short=0.5, missed_overlap=0.5, word_error=0.2)
"""What to expect of a poor engine."""

slow = settings(deadline=None, max_examples=40)


def measured(
    given_turns: tuple[Turn, ...],
    talk: tuple[Utterance, ...] = (),
    *,
    labels: tuple[str, ...] = (),
    duration: float = 25.0,
    people: int | None = None,
    sees_overlap: bool = True,
    roles: Mapping[str, str] | None = None,
    doubt: Doubt = NONE,
) -> tuple[Measure, ...]:
    """All measures, of talk with its acts and decisions."""
    given_acts = label_acts(talk, "en")
    return measure(
        given_turns,
        duration=duration,
        labels=labels,
        utterances=talk,
        acts=given_acts,
        decisions=link_decisions(talk, given_acts, language="en"),
        roles=roles,
        language="en",
        doubt=doubt,
        sees_overlap=sees_overlap,
        people=people,
    )


def dialogue(count: int, length: float = 5.0, gap: float = 0.3) -> tuple[Turn, ...]:
    """Two people in turns, the second talking for half as long as the first."""
    made, time = [], 0.0
    for i in range(count):
        span = Span(round(time, 3), round(time + (length if i % 2 == 0 else length / 2), 3))
        made.append(Turn(span, "AB"[i % 2]))
        time = span.end + gap
    return tuple(made)


@slow
@given(
    drawn_turns(),
    drawn_talk(),
    st.booleans(),
    st.none() | st.integers(1, 4),
    st.sampled_from([NONE, ROUGH]),
    st.sampled_from([{}, {"A": "chair"}, {"A": "chair", "B": "note-taker"}]),
)
def test_every_measure_keeps_its_promises(
    given_turns: tuple[Turn, ...],
    talk: tuple[Utterance, ...],
    sees_overlap: bool,
    people: int | None,
    doubt: Doubt,
    roles: dict[str, str],
) -> None:
    options = {"sees_overlap": sees_overlap, "people": people, "doubt": doubt, "roles": roles}
    for item in by_key(measured(given_turns, talk, **options)).values():  # type: ignore[arg-type]
        keeps_its_promises(item)


def keeps_its_promises(item: Measure) -> None:
    """A measure is defined, has a number of events, and an interval round its value, or says why not."""
    definition = DEFINITIONS[item.name]
    assert (item.unit, item.subject.kind) == (definition.unit, definition.subject)
    assert item.n >= 0
    if item.value is None:
        assert item.low is item.high is item.part is item.whole is None
        return
    assert math.isfinite(item.value)
    assert (item.grade is Grade.FIRM) == (item.reason is None)
    if item.low is None or item.high is None:
        assert item.low is item.high
        assert item.grade is Grade.TENTATIVE, f"{item.name} is firm without an interval"
    else:
        assert item.low - 1e-9 <= item.value <= item.high + 1e-9
        assert math.isfinite(item.low)
        assert math.isfinite(item.high)
        if item.unit == "share":
            assert item.low >= 0
            assert item.high <= 1
    if item.whole is not None and item.part is not None:
        shrunk = 1 if item.name == "adoption_rate" else 0
        assert (item.part + shrunk / 2) / (item.whole + shrunk) == pytest.approx(item.value)


def test_every_measure_is_found_in_a_long_meeting() -> None:
    meeting = simulate(600, 4, people=4)
    options = {"labels": ("S1", "S2", "S3", "S4"), "duration": meeting.duration, "roles": {"S1": "chair"}}
    found = measured(meeting.turns, meeting.utterances, doubt=ROUGH, **options)  # type: ignore[arg-type]
    for item in by_key(found).values():
        keeps_its_promises(item)
    assert {item.name for item in found if item.value is not None} == DEFINITIONS.keys()


@slow
@given(drawn_turns(), drawn_talk())
def test_shares_of_people_add_up(given_turns: tuple[Turn, ...], talk: tuple[Utterance, ...]) -> None:
    found = by_key(measured(given_turns, talk, labels=LABELS))
    for name in ("talk_share", "turn_share"):
        shares = [m.value for (key, _, _), m in found.items() if key == name and m.value is not None]
        assert not shares or math.fsum(shares) == pytest.approx(1.0)


@slow
@given(drawn_turns(), drawn_talk(), st.integers(1, 10_000_000))
def test_when_the_talk_begins_does_not_matter(
    given_turns: tuple[Turn, ...], talk: tuple[Utterance, ...], shift: int
) -> None:
    def moved(span: Span) -> Span:
        return span.shift(shift / 1000)

    later = tuple(replace(turn, span=moved(turn.span)) for turn in given_turns)
    later_talk = tuple(replace(u, span=moved(u.span)) for u in talk)
    before, after = by_key(measured(given_turns, talk)), by_key(measured(later, later_talk))
    assert before.keys() == after.keys()
    for key in before.keys() - {("silence_share", None, None)}:
        assert_alike(before[key], after[key])


def assert_alike(one: Measure, other: Measure) -> None:
    """The same but for rounding."""
    for name in ("value", "low", "high", "part", "whole"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6)
    assert (one.n, one.grade, one.reason) == (other.n, other.grade, other.reason)


@slow
@given(drawn_turns(), drawn_talk(), st.permutations(["X", "Y", "Z"]))
def test_renaming_people_renames_the_results(
    given_turns: tuple[Turn, ...], talk: tuple[Utterance, ...], names: list[str]
) -> None:
    name = dict(zip(LABELS, names, strict=True))
    renamed = tuple(replace(turn, speaker=name[turn.speaker]) for turn in given_turns)
    renamed_talk = tuple(replace(u, speaker=name[u.speaker]) for u in talk)
    before = by_key(measured(given_turns, talk, labels=LABELS))
    after = by_key(measured(renamed, renamed_talk, labels=("X", "Y", "Z")))
    assert len(before) == len(after)
    for (kind, speaker, other), item in before.items():
        assert_alike(item, after[kind, name.get(speaker or ""), name.get(other or "")])


@slow
@given(drawn_turns(), st.randoms(use_true_random=False))
def test_the_order_of_turns_in_the_file_does_not_matter(
    given_turns: tuple[Turn, ...], random: object
) -> None:
    spans = {(turn.span, turn.speaker) for turn in given_turns}
    starts = {turn.span.start for turn in given_turns}
    if len(starts) < len(spans):
        return  # who of two who start together comes first is told by the file
    shuffled = list(given_turns)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before, after = (by_key(measured(t, labels=LABELS)) for t in (given_turns, tuple(shuffled)))
    assert before == after


def test_one_minute_worked_out() -> None:
    talk = turns("A 0-20", "B 19-31", "A 31.5-40", "B 42-60")
    found = by_key(measured(talk, duration=100.0))
    assert found["talk_time", "A", None].value == 28.5
    assert found["talk_share", "A", None].value == pytest.approx(28.5 / 58.5)
    assert found["overlap_share", None, None].value == pytest.approx(1 / 57.5)
    assert found["silence_share", None, None].value == pytest.approx(0.425)
    assert found["turns", "B", None].value == 2
    assert found["floor_transfer_offset", None, None].value == 500  # -1000, 500, 2000
    assert found["gap_median", None, None].value == 1250
    assert found["overlapped_transitions", None, None].value == pytest.approx(1 / 3)
    assert found["lapses", None, None].value == 1
    assert found["speaker_switches", None, None].value == 3
    assert found["longest_turn", "A", None].value == 20
    assert found["interruptions_successful", "B", None].value == pytest.approx(1 / (28.5 / 60))
    assert found["interruptions_received", "A", None].value == pytest.approx(1 / (28.5 / 60))
    assert found["interruptions_made", "A", None].value == 0
    assert ("response_latency", "A", "B") not in found


def test_spread_of_talk_worked_out() -> None:
    assert evenness(np.array([1.0, 1.0, 2.0])) == pytest.approx(1.5 * math.log(2) / math.log(3))
    assert gini(np.array([1.0, 1.0, 2.0])) == pytest.approx(0.25)
    found = by_key(measured(turns("A 0-1", "B 1-2", "C 2-4"), labels=(*LABELS, "D")))
    assert found["evenness", None, None].value == pytest.approx(1.5 * math.log(2) / math.log(4))
    assert found["gini", None, None].value == pytest.approx(12 / 32 * 4 / 3)


def test_response_latency_needs_ten_transitions() -> None:
    found = by_key(measured(dialogue(21), duration=100.0))
    assert found["response_latency", "A", "B"].value == 300
    assert found["response_latency", "A", "B"].n == 10
    assert ("response_latency", "A", "B") not in by_key(measured(dialogue(19), duration=100.0))


def test_few_events_are_tentative_and_enough_are_firm() -> None:
    few, many = (by_key(measured(dialogue(n), duration=400.0)) for n in (5, 60))
    for key in ("floor_transfer_offset", None, None), ("talk_share", "A", None), ("turn_share", "A", None):
        assert few[key].grade is Grade.TENTATIVE
        assert few[key].reason
        assert many[key].grade is Grade.FIRM
    assert few["floor_transfer_offset", None, None].reason == "only 4 transitions; 10 make it firm"


def test_an_engine_blind_to_overlap_has_what_needs_it_withheld() -> None:
    found = measured(dialogue(60), duration=400.0, sees_overlap=False)
    for item in found:
        assert (item.reason == BLIND) == (item.name in NEEDS_OVERLAP | {"gap_median", "backchannels"})
        assert (item.grade is Grade.WITHHELD) <= (item.name in NEEDS_OVERLAP | NEEDS_ACTS)
    assert {m.name for m in found if m.reason == BLIND and m.value is None} == NEEDS_OVERLAP
    assert by_key(found)["gap_median", None, None].grade is Grade.TENTATIVE


def test_a_count_of_people_that_contradicts_the_roster_withholds_what_is_about_people() -> None:
    found = by_key(measured(dialogue(60), duration=400.0, people=3))
    for (name, speaker, _), item in found.items():
        about = speaker is not None or DEFINITIONS[name].needs_count
        if name in NEEDS_ACTS and not about:
            continue
        assert (item.grade is Grade.WITHHELD) == about
        if about:
            assert item.reason == "2 speakers were told apart, but the roster has 3 people"
    assert found["overlap_share", None, None].value == 0


def test_the_invited_who_stay_silent_count() -> None:
    found = by_key(measured(dialogue(60), labels=("A", "B", "C"), duration=400.0, people=3))
    assert found["talk_share", "C", None].value == 0
    assert found["talk_share", "C", None].grade is Grade.FIRM
    assert found["turns", "C", None].value == 0
    assert ("interruptions_received", "C", None) not in found


@pytest.mark.parametrize("given_turns", [(), turns("A 3-3")])
def test_silence_is_reported_as_such(given_turns: tuple[Turn, ...]) -> None:
    found = by_key(measured(given_turns, labels=("A",)))
    assert found["silence_share", None, None].value == 1
    assert found["talk_time", "A", None].value == 0
    assert found["talk_share", "A", None].grade is Grade.WITHHELD
    assert by_key(measured((), duration=0.0)) == {}


def test_one_person_alone() -> None:
    found = by_key(measured(turns("A 0-5", "A 4-6", "A 0-5"), duration=6.0))
    assert found["talk_share", "A", None].value == 1
    assert found["talk_time", "A", None].value == 6
    assert not {name for name, _, _ in found} & {"gini", "interruptions_made", "backchannels", "gap_median"}


def test_a_meeting_of_nothing_but_hums_has_turns() -> None:
    talk = said(("A", "Mhm."), ("B", "Yeah."), ("A", "Okay."))
    found = by_key(measured(tuple(Turn(u.span, u.speaker) for u in talk), talk))
    assert found["turn_share", "A", None].value is not None


def test_speech_beyond_the_recordings_end_still_counts() -> None:
    assert by_key(measured(turns("A 0-10"), duration=4.0))["silence_share", None, None].value == 0


def test_questions_are_counted_by_speaker() -> None:
    talk = said(("A", "What is it?"), ("B", "A cat."), ("A", "Whose?"), ("Z", "Mine?"))
    given_turns = tuple(Turn(u.span, u.speaker) for u in talk if u.speaker != "Z")
    found = by_key(
        measure(
            given_turns,
            duration=12.0,
            labels=(),
            utterances=talk,
            sees_overlap=True,
            people=None,
            acts=acts("question", "information", "question", "question"),
        )
    )
    assert found["questions", "A", None].value == 2
    assert found["questions", "B", None].value == 0
    assert found["question_rate", "A", None].value == pytest.approx(2 / (4 / 60))
    assert ("questions", "Z", None) not in found


def test_without_acts_what_needs_words_is_withheld() -> None:
    talk = said(("A", "Was ist das?"), ("B", "Eine Katze."))
    given_turns = tuple(Turn(u.span, u.speaker) for u in talk)
    options = {"duration": 6.0, "labels": (), "sees_overlap": True, "people": None}
    foreign = by_key(measure(given_turns, utterances=talk, **options))  # type: ignore[arg-type]
    assert foreign["questions", "A", None].reason == "acts are not available for this language"
    wordless = by_key(measure(given_turns, **options))  # type: ignore[arg-type]
    assert wordless["questions", "A", None].reason == "there are no words"
    assert foreign["backchannels", "A", None].grade is Grade.TENTATIVE


def test_acts_of_utterances_that_are_not_there_change_nothing() -> None:
    stray = (Act(99, ActLabel.QUESTION, 1.0),)
    talk = said(("A", "Hello."))
    found = measure(
        turns("A 0-2"), duration=2.0, labels=(), utterances=talk, acts=stray, sees_overlap=True, people=None
    )
    assert by_key(found)["questions", "A", None].value == 0


def test_subjects_are_the_people_of_turns_and_roster() -> None:
    found = measured(dialogue(4), labels=("R",))
    assert {m.subject for m in found if m.name == "talk_time"} == {Subject.of(x) for x in "RAB"}


@slow
@given(drawn_turns(), drawn_talk())
def test_somebody_who_stays_silent_changes_only_what_counts_everybody(
    given_turns: tuple[Turn, ...], talk: tuple[Utterance, ...]
) -> None:
    before = by_key(measured(given_turns, talk, labels=LABELS))
    after = by_key(measured(given_turns, talk, labels=(*LABELS, "silent")))
    for key, item in before.items():
        if key[1] is not None or not DEFINITIONS[key[0]].needs_count:
            assert_alike(item, after[key])
    for key in after.keys() - before.keys():
        assert "silent" in key[1:] or DEFINITIONS[key[0]].needs_count, f"{key} appears"


@slow
@given(drawn_turns(), st.integers(60, 600))
def test_parts_of_a_recording_add_up(given_turns: tuple[Turn, ...], pause: int) -> None:
    """Seconds and their wholes; the break between the parts is long enough for nothing to pass over it."""
    later = tuple(replace(turn, span=turn.span.shift(25.0 + pause)) for turn in given_turns)
    one = by_key(measured(given_turns, labels=LABELS))
    both = by_key(measured((*given_turns, *later), labels=LABELS, duration=50.0 + pause))
    for key in one.keys() & both.keys():
        if key[0] in ("talk_share", "overlap_share") and one[key].part is not None:
            assert both[key].part == pytest.approx(2 * (one[key].part or 0.0))
            assert both[key].whole == pytest.approx(2 * (one[key].whole or 0.0))
        if key[0] == "talk_time":
            assert both[key].value == pytest.approx(2 * (one[key].value or 0.0))


def test_turns_are_as_sure_as_the_persons_own_are_many() -> None:
    lines = [f"{'AB'[i % 2]} {3 * i}-{3 * i + 2}" for i in range(24)] + ["C 72-74"]
    found = by_key(measure(turns(*lines), duration=80.0, labels=LABELS, sees_overlap=True, people=3))
    for name in ("turns", "turn_share"):
        assert found[name, "A", None].grade is Grade.FIRM
        assert found[name, "C", None].grade is Grade.TENTATIVE
        assert found[name, "C", None].reason == "only 1 turn; 10 make it firm"
