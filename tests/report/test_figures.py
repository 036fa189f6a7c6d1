"""Figures in words, people's names and order, the timeline's geometry."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.report.figures import clock, figure, interval, length, quantity
from meetsense.report.ledger import decisions
from meetsense.report.people import LONGEST_NAME, people
from meetsense.report.terms import MEASURES, term
from meetsense.report.timeline import WIDTH, close_view, overview
from meetsense.report.wording import ACTS, GRADES, ROLES, STATUSES
from meetsense.values import (
    ActLabel,
    Analysis,
    DecisionStatus,
    Engines,
    Grade,
    LedgerRole,
    Measure,
    Meeting,
    Span,
    Speaker,
    Subject,
    Turn,
    Utterance,
)
from tests.report import samples
from tests.strategies import analyses, measures

MANY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
EMPTY = Analysis(Meeting("0" * 12, "x", datetime(2026, 1, 1, tzinfo=UTC), 60.0), Engines())


def test_every_word_has_its_meaning() -> None:
    assert ACTS.keys() == set(ActLabel)
    assert ROLES.keys() == set(LedgerRole)
    assert STATUSES.keys() == set(DecisionStatus)
    assert GRADES.keys() == set(Grade)
    for name in {m.name for talk in (samples.meeting(8), samples.silence()) for m in talk.measures}:
        assert MEASURES[name].meaning.endswith(".")


def test_a_share_drawn_towards_one_half_has_no_fraction_that_contradicts_it() -> None:
    plain = Measure("adoption_rate", Subject.of("S1"), 3 / 9, "share", 9, part=3.0, whole=9.0)
    assert figure(plain).fraction == "3 of 9"
    assert figure(replace(plain, value=3.5 / 10)).fraction is None


def test_an_unknown_measure_has_a_title() -> None:
    assert term("quite_new").title == "Quite new"
    assert term("\x00").title == "Unnamed measure"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4149, "share", "41 %"),
        (0.0431, "share", "4.3 %"),
        (0.0, "share", "0 %"),
        (1.0, "share", "100 %"),
        (0.999, "share", "99.9 %"),
        (59.7, "s", "1 min 0 s"),
        (4.25, "s", "4.2 s"),
        (3661.0, "s", "1 h 1 min"),
        (-170.0, "ms", "−0.17 s"),
        (-0.4, "ms", "0.00 s"),
        (12.0, "count", "12"),
        (0.0, "per minute", "0/min"),
        (12.34, "per minute", "12.3/min"),
        (0.98765, "index", "0.99"),
        (2.5, "apples\x1b", "2.5 apples"),
        (2.94081, "people", "2.94 people"),
        (12345.6, "people", "12346 people"),
        (1.03252, "ratio", "1.03"),
        (-2.0721, "z", "−2.07"),
        (float("inf"), "s", "inf s"),
    ],
)
def test_quantities(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_intervals() -> None:
    assert interval(0.05, 0.081, "share", near=0.06) == "5.0 to 8.1 %"
    assert interval(0.0, 0.278, "share", near=0.0) == "0 to 27.8 %"
    assert interval(4.795, 18.4, "count", near=10.0) == "4.8 to 18.4"
    assert interval(-200.0, 300.0, "ms", near=0.0) == "−0.20 to 0.30 s"
    assert interval(100.0, 200.0, "s", near=150.0) == "1 min 40 s to 3 min 20 s"
    assert interval(None, None, "s", near=1.0) is None
    assert interval(1.0, None, "index", near=1.0) == "from 1.00"


@given(measures(["S1", "S2"]))
def test_no_number_without_its_doubt(item: Measure) -> None:
    shown = figure(item)
    if item.grade is Grade.WITHHELD:
        assert shown.value is None
        assert shown.interval is None
        assert shown.reason
        assert shown.sentence == f"{shown.title}: withheld, {shown.reason}"
    else:
        assert shown.value
        assert shown.grade in shown.sentence
        assert f"n = {item.n} " in shown.sentence
        assert (shown.interval is None) == (item.low is None and item.high is None)


@given(st.floats(0, 1e6))
def test_times_never_round_up(seconds: float) -> None:
    parts = [int(part) for part in clock(seconds).split(":")]
    whole = 0
    for part in parts:
        whole = 60 * whole + part
    assert whole == int(seconds)
    assert re.fullmatch(r"(\d+ (h|min|s) ?)+", length(seconds))


@MANY
@given(analyses())
def test_everybody_once_under_a_name_of_their_own(analysis: Analysis) -> None:
    everybody = people(analysis)
    labels = [person.label for person in everybody]
    assert len(set(labels)) == len(labels)
    assert {speaker.label for speaker in analysis.speakers} <= set(labels)
    assert {turn.speaker for turn in analysis.turns} <= set(labels)
    assert len({person.name for person in everybody}) == len(everybody)
    assert all(person.name for person in everybody)


def test_order_is_of_first_appearance_whatever_the_shares() -> None:
    talk = replace(
        EMPTY,
        speakers=(Speaker("A"), Speaker("B"), Speaker("C")),
        turns=(Turn(Span(30, 31), "A"), Turn(Span(2, 3), "C"), Turn(Span(4, 29), "A")),
    )
    assert [(person.label, person.heard) for person in people(talk)] == [
        ("C", True),
        ("A", True),
        ("B", False),
    ]


def test_people_of_one_name_are_told_apart() -> None:
    speakers = (Speaker("S1", "Kim"), Speaker("S2", "Kim"), Speaker("Kim (S1)"), Speaker("S4", "L" * 300))
    names = [person.name for person in people(replace(EMPTY, speakers=speakers))]
    assert names[:3] == ["Kim (S1)", "Kim (S2)", "Kim (S1) (2)"]
    assert len(names[3]) == LONGEST_NAME


def test_an_idea_that_came_back_names_who_had_it_first() -> None:
    talk = samples.meeting()
    first, _, back = decisions(talk, people(talk))
    assert first.returns_as == (3,)
    assert back.earlier is not None
    assert back.origin == (
        "comes back from 1: S3 had it first, and nobody took it up; here it is Jonas who proposed it"
    )
    assert LedgerRole.OBJECTED in back.missing
    assert LedgerRole.AGREED not in back.missing


@MANY
@given(analyses())
def test_timeline_stays_in_its_frame(analysis: Analysis) -> None:
    everybody = people(analysis)
    for band in (overview(analysis, everybody), *close_view(analysis, everybody)):
        for path in (*(lane.path for lane in band.lanes), band.together):
            for left, width in re.findall(r"M(\d+) 0h(\d+)v1H\1z", path):
                assert int(left) + int(width) <= WIDTH + 1
            assert re.fullmatch(r"(M\d+ 0h\d+v1H\d+z)*", path)
        assert all(0 <= dot <= 100 for lane in band.lanes for dot in lane.dots)
        assert all(flag.left >= 0 and flag.left + flag.width <= 105 for flag in band.flags)
        places = [(flag.row, flag.left) for flag in band.flags]
        assert len(set(places)) == len(places)


@MANY
@given(analyses())
def test_every_turn_and_decision_is_on_the_timeline(analysis: Analysis) -> None:
    everybody = people(analysis)
    band = overview(analysis, everybody)
    assert sorted(flag.decision for flag in band.flags) == [chain.id for chain in analysis.decisions]
    assert [lane.person for lane in band.lanes] == list(everybody)
    spoke = {turn.speaker for turn in analysis.turns if turn.span.duration > 0}
    assert {lane.person.label for lane in band.lanes if lane.path} == spoke


def test_overlap_is_drawn_where_two_people_speak() -> None:
    turns = (Turn(Span(0, 10), "A"), Turn(Span(5, 12), "B"), Turn(Span(6, 7), "C"), Turn(Span(8, 9), "A"))
    talk = replace(EMPTY, turns=turns)
    assert overview(talk, people(talk)).together == "M833 0h834v1H833z"


def test_evidence_that_is_missing_is_said_so() -> None:
    talk = replace(samples.meeting(), utterances=(Utterance(0, "S1", Span(0, 1), "only this"),))
    found = decisions(talk, people(talk))
    assert all(step.evidence is None and step.quote == "" for decision in found for step in decision.steps)
