"""The analysis document: its keys, and that nothing is lost on the way there and back."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.errors import TranscriptError
from meetsense.interchange import document, dumps, loads
from meetsense.values import (
    Act,
    ActLabel,
    Analysis,
    DecisionChain,
    DecisionStatus,
    Engines,
    Grade,
    LedgerEntry,
    LedgerRole,
    Measure,
    Meeting,
    Recognised,
    Span,
    Speaker,
    Subject,
    Turn,
    Utterance,
    Voiceprint,
    Word,
)

SMALL = Analysis(
    meeting=Meeting("m1", "Stand-up", datetime(2026, 11, 23, 10, tzinfo=timezone(timedelta(hours=1))), 480.0),
    engines=Engines(diarizer="vtt", acts="rules-en@1"),
    speakers=(Speaker("S1"),),
    turns=(Turn(Span(0.51, 3.2), "S1"),),
    utterances=(
        Utterance(0, "S1", Span(0.51, 3.2), "Let's go.", (Word(Span(0.51, 1.0), "Let's", 0.9),)),
        Utterance(1, "S1", Span(3.2, 3.4), ""),
    ),
    acts=(Act(0, ActLabel.PROPOSAL, 0.91),),
    decisions=(
        DecisionChain(
            0,
            DecisionStatus.ADOPTED,
            Span(0.51, 3.2),
            "go",
            0.8,
            (LedgerEntry(LedgerRole.PROPOSED, "S1", 0),),
        ),
    ),
    measures=(
        Measure(
            "talk_share", Subject.of("S1"), 1.0, "share", 1, 1.0, 1.0, Grade.TENTATIVE, "1 stretch", 2.7, 2.7
        ),
        Measure("overlap_share", Subject(), None, "share", 0, grade=Grade.WITHHELD, reason="blind"),
    ),
    notes=("no model",),
)


def test_keys_and_values_are_the_documented_ones() -> None:
    made = json.loads(dumps(SMALL))
    assert made["schema"] == "meetsense.analysis/1"
    assert made["meeting"] == {
        "id": "m1", "title": "Stand-up", "started_at": "2026-11-23T09:00:00Z",
        "duration": 480.0, "language": None,
    }  # fmt: skip
    assert made["engines"] == {"vad": None, "diarizer": "vtt", "transcriber": None, "acts": "rules-en@1"}
    assert made["speakers"] == [{"label": "S1", "name": None, "role": None, "recognised": None}]
    assert made["turns"] == [{"speaker": "S1", "start": 0.51, "end": 3.2}]
    assert made["utterances"][0] == {
        "id": 0, "speaker": "S1", "start": 0.51, "end": 3.2, "text": "Let's go.",
        "act": "proposal", "confidence": 0.91,
    }  # fmt: skip
    assert (made["utterances"][1]["act"], made["utterances"][1]["confidence"]) == (None, None)
    assert made["decisions"][0]["ledger"] == [{"role": "proposed", "speaker": "S1", "utterance": 0}]
    assert made["decisions"][0]["wording"] is None
    assert made["measures"][0]["subject"] == {"kind": "speaker", "speaker": "S1"}
    assert made["measures"][1]["subject"] == {"kind": "meeting"}
    assert (made["measures"][1]["value"], made["measures"][1]["grade"]) == (None, "withheld")


def test_a_decision_has_the_words_in_which_it_was_made() -> None:
    worded = dataclasses.replace(SMALL, decisions=(dataclasses.replace(SMALL.decisions[0], wording=0),))
    made = json.loads(dumps(worded))["decisions"][0]
    assert made["wording"] == {"utterance": 0, "text": "Let's go."}
    assert made["topic"] == SMALL.decisions[0].topic


def test_text_is_readable_and_figures_are_finite() -> None:
    named = dataclasses.replace(SMALL, speakers=(Speaker("S1", "Zoë", "Präses"),))
    assert '"Zoë"' in dumps(named)
    bad = dataclasses.replace(SMALL, measures=(Measure("x", Subject(), float("nan"), "s", 1),))
    with pytest.raises(ValueError, match="JSON compliant"):
        dumps(bad)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema": "other/1"}', '{"schema": "meetsense.analysis/1"}', "[" * 100_000]
    + [json.dumps({**document(SMALL), key: [3]}) for key in ("meeting", "turns", "decisions", "measures")],
)
def test_what_is_no_document_is_one_line(text: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        loads(text)
    assert str(caught.value).startswith("not an analysis document: ")
    assert "\n" not in str(caught.value)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
maybe = st.none() | text
finite = st.floats(-1e6, 1e6)
probability = st.floats(0, 1)
spans = st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)).map(
    lambda ms: Span(ms[0] / 1000, (ms[0] + ms[1]) / 1000)
)
subjects = st.just(Subject()) | text.map(Subject.of) | st.builds(Subject.pair, text, text)
ledgers = st.lists(
    st.builds(LedgerEntry, st.sampled_from(LedgerRole), text, st.integers(0, 9)), max_size=3
).map(tuple)


@st.composite
def measures(draw: st.DrawFn) -> Measure:
    grade = draw(st.sampled_from(Grade))
    withheld = grade is Grade.WITHHELD
    figures = [draw(st.none() | finite) for _ in range(4)]
    return Measure(
        draw(text), draw(subjects), None if withheld else draw(finite), draw(text), draw(st.integers(0, 99)),
        figures[0], figures[1], grade, "why" if withheld else draw(maybe), figures[2], figures[3],
    )  # fmt: skip


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    said = [
        Utterance(i, who, span, what)
        for i, (who, span, what) in enumerate(draw(st.lists(st.tuples(text, spans, text), max_size=4)))
    ]
    labels = [draw(st.none() | st.sampled_from(ActLabel)) for _ in said]
    zone = draw(st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]))
    started = draw(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1))).replace(tzinfo=zone)
    return Analysis(
        meeting=Meeting(draw(text), draw(text), started, abs(draw(finite)), draw(maybe)),
        engines=draw(st.builds(Engines, maybe, maybe, maybe, maybe)),
        speakers=tuple(draw(st.lists(st.builds(Speaker, text, maybe, maybe), max_size=3))),
        turns=tuple(draw(st.lists(st.builds(Turn, spans, text), max_size=3))),
        utterances=tuple(said),
        acts=tuple(Act(i, label, draw(probability)) for i, label in enumerate(labels) if label is not None),
        decisions=tuple(
            DecisionChain(
                i, draw(st.sampled_from(DecisionStatus)), draw(spans), draw(text), draw(probability),
                draw(ledgers), draw(st.none() | st.integers(0, 9)), draw(st.none() | st.integers(0, 9)),
            )
            for i in range(draw(st.integers(0, 2)))
        ),
        measures=tuple(draw(st.lists(measures(), max_size=3))),
        notes=tuple(draw(st.lists(text, max_size=2))),
    )  # fmt: skip


@given(analyses())
def test_loads_inverts_dumps(analysis: Analysis) -> None:
    made = dumps(analysis)
    assert loads(made) == analysis
    assert dumps(loads(made)) == made


@given(st.lists(st.tuples(text, maybe, probability | st.none()), max_size=4, unique_by=lambda s: s[0]))
def test_how_sure_a_voice_was_known_comes_back_and_its_print_does_not(
    known: list[tuple[str, str | None, float | None]],
) -> None:
    voices = tuple(
        Recognised(label, sure, Voiceprint(name or "x", "space@1", (0.125, 7.75), 31.5))
        for label, name, sure in known
        if sure is not None
    )
    speakers = tuple(Speaker(label, name) for label, name, _ in known)
    made = dumps(dataclasses.replace(SMALL, speakers=speakers, recognised=voices))
    assert "7.75" not in made
    assert dumps(loads(made)) == made
    assert [(v.label, v.probability) for v in loads(made).recognised] == [
        (v.label, v.probability) for v in voices
    ]
    shown = [speaker["recognised"] for speaker in json.loads(made)["speakers"]]
    assert shown == [None if sure is None else {"probability": sure} for _, _, sure in known]
