"""The analysis document: one meeting's analysis as JSON, and back.

Keys are added, never renamed. Words with their own times stay out of it: utterances come back
without them. Sound and voiceprints never enter it: who was known again by voice comes back without what
they sound like.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from meetsense.errors import TranscriptError
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
    SubjectKind,
    Turn,
    Utterance,
    Voiceprint,
)

SCHEMA = "meetsense.analysis/1"
"""Name and version of the document's shape."""


def document(analysis: Analysis) -> dict[str, object]:
    """The analysis as plain lists, dictionaries, text and numbers (seconds), ready for JSON."""
    acts = {act.utterance: act for act in analysis.acts}
    known = {voice.label: voice for voice in analysis.recognised}
    texts = {said.id: said.text for said in analysis.utterances}
    return {
        "schema": SCHEMA,
        "meeting": _meeting(analysis.meeting),
        "engines": {
            "vad": analysis.engines.vad,
            "diarizer": analysis.engines.diarizer,
            "transcriber": analysis.engines.transcriber,
            "acts": analysis.engines.acts,
        },
        "speakers": [_speaker(person, known.get(person.label)) for person in analysis.speakers],
        "turns": [
            {"speaker": turn.speaker, "start": turn.span.start, "end": turn.span.end}
            for turn in analysis.turns
        ],
        "utterances": [_utterance(said, acts.get(said.id)) for said in analysis.utterances],
        "decisions": [_decision(chain, texts) for chain in analysis.decisions],
        "measures": [_measure(measure) for measure in analysis.measures],
        "notes": list(analysis.notes),
    }


def dumps(analysis: Analysis) -> str:
    """The document as JSON text. Raises ValueError for a figure that is not finite."""
    return json.dumps(document(analysis), indent=1, ensure_ascii=False, allow_nan=False)


def loads(text: str) -> Analysis:
    """The analysis that a document describes: the inverse of :func:`dumps`, words and voiceprints aside.

    Raises TranscriptError, in one line, for text that is not an analysis document.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise TranscriptError("not an analysis document: not JSON") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise TranscriptError(f"not an analysis document: the schema is not {SCHEMA}")
    try:
        return _analysis(data)
    except KeyError as error:
        raise TranscriptError(f"not an analysis document: a key is missing: {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise TranscriptError(f"not an analysis document: {reason}") from None


def _meeting(meeting: Meeting) -> dict[str, object]:
    return {
        "id": meeting.id,
        "title": meeting.title,
        "started_at": meeting.started_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "duration": meeting.duration,
        "language": meeting.language,
    }


def _speaker(speaker: Speaker, known: Recognised | None) -> dict[str, object]:
    """A speaker; ``recognised`` says how sure it is when the name comes from an enrolled voice."""
    return {
        "label": speaker.label,
        "name": speaker.name,
        "role": speaker.role,
        "recognised": {"probability": known.probability} if known else None,
    }


def _utterance(said: Utterance, act: Act | None) -> dict[str, object]:
    return {
        "id": said.id,
        "speaker": said.speaker,
        "start": said.span.start,
        "end": said.span.end,
        "text": said.text,
        "act": act.label.value if act else None,
        "confidence": act.confidence if act else None,
    }


def _decision(chain: DecisionChain, said: Mapping[int, str]) -> dict[str, object]:
    """A decision; ``wording`` has the words in which it was amended or confirmed."""
    return {
        "id": chain.id,
        "status": chain.status.value,
        "start": chain.span.start,
        "end": chain.span.end,
        "topic": chain.topic,
        "confidence": chain.confidence,
        "ledger": [
            {"role": entry.role.value, "speaker": entry.speaker, "utterance": entry.utterance}
            for entry in chain.ledger
        ],
        "returns_from": chain.returns_from,
        "wording": _wording(chain, said),
    }


def _wording(chain: DecisionChain, said: Mapping[int, str]) -> dict[str, object] | None:
    if chain.wording is None:
        return None
    return {"utterance": chain.wording, "text": said.get(chain.wording, "")}


def _measure(measure: Measure) -> dict[str, object]:
    return {
        "name": measure.name,
        "subject": _subject(measure.subject),
        "value": measure.value,
        "unit": measure.unit,
        "n": measure.n,
        "low": measure.low,
        "high": measure.high,
        "grade": measure.grade.value,
        "reason": measure.reason,
        "part": measure.part,
        "whole": measure.whole,
    }


def _subject(subject: Subject) -> dict[str, object]:
    """The kind, and the labels that the kind has."""
    shown: dict[str, object] = {"kind": subject.kind.value}
    if subject.speaker is not None:
        shown["speaker"] = subject.speaker
    if subject.other is not None:
        shown["other"] = subject.other
    return shown


def _analysis(data: Mapping[str, Any]) -> Analysis:
    meeting, engines = data["meeting"], data["engines"]
    return Analysis(
        meeting=Meeting(
            id=meeting["id"],
            title=meeting["title"],
            started_at=datetime.fromisoformat(meeting["started_at"]),
            duration=meeting["duration"],
            language=meeting.get("language"),
        ),
        engines=Engines(engines["vad"], engines["diarizer"], engines["transcriber"], engines["acts"]),
        speakers=tuple(Speaker(item["label"], item["name"], item["role"]) for item in data["speakers"]),
        turns=tuple(Turn(_span(item), item["speaker"]) for item in data["turns"]),
        utterances=tuple(
            Utterance(item["id"], item["speaker"], _span(item), item["text"]) for item in data["utterances"]
        ),
        acts=tuple(
            Act(item["id"], ActLabel(item["act"]), item["confidence"])
            for item in data["utterances"]
            if item["act"] is not None
        ),
        decisions=tuple(_read_decision(item) for item in data["decisions"]),
        measures=tuple(_read_measure(item) for item in data["measures"]),
        notes=tuple(data.get("notes", ())),
        recognised=tuple(
            Recognised(item["label"], item["recognised"]["probability"], _unheard(item["name"]))
            for item in data["speakers"]
            if item.get("recognised")
        ),
    )


def _unheard(name: str | None) -> Voiceprint:
    """A print as a document has it: of somebody, without what they sound like."""
    return Voiceprint(name or "", "", (), 0.0)


def _span(item: Mapping[str, Any]) -> Span:
    return Span(item["start"], item["end"])


def _read_decision(item: Mapping[str, Any]) -> DecisionChain:
    return DecisionChain(
        id=item["id"],
        status=DecisionStatus(item["status"]),
        span=_span(item),
        topic=item["topic"],
        confidence=item["confidence"],
        ledger=tuple(
            LedgerEntry(LedgerRole(entry["role"]), entry["speaker"], entry["utterance"])
            for entry in item["ledger"]
        ),
        returns_from=item.get("returns_from"),
        wording=(item.get("wording") or {}).get("utterance"),
    )


def _read_measure(item: Mapping[str, Any]) -> Measure:
    subject = item["subject"]
    return Measure(
        name=item["name"],
        subject=Subject(SubjectKind(subject["kind"]), subject.get("speaker"), subject.get("other")),
        value=item["value"],
        unit=item["unit"],
        n=item["n"],
        low=item["low"],
        high=item["high"],
        grade=Grade(item["grade"]),
        reason=item["reason"],
        part=item.get("part"),
        whole=item.get("whole"),
    )
