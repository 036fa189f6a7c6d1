"""An analysis into rows, inside a transaction that the caller holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from meetsense.store import ROSTER_BASIS, voices
from meetsense.values import Agreement, Analysis, Measure, Participant, Roster, Speaker

Ids = Mapping[str, int]
"""Speaker label to row."""


def write(conn: sqlite3.Connection, analysis: Analysis, roster: Roster, now: datetime) -> bool:
    """Replace a meeting's rows by those of an analysis: whether the roster ended a consent to a voiceprint.

    Somebody whose enrolment ended while the meeting was analysed is not known again in it.
    """
    meeting = analysis.meeting.id
    enrolments = _enrolments(conn, analysis)
    conn.execute("delete from meetings where id = ?", (meeting,))
    conn.execute("delete from parked where meeting = ?", (meeting,))
    _meeting(conn, analysis, now)
    withdrawn = [_participant(conn, meeting, participant, now) for participant in roster.participants]
    heard = [voice for voice in analysis.recognised if voice.heard.vector]  # a document has none
    kept = [voice for voice in heard if voices.is_enrolled(conn, voice.heard.person)]
    gone = {voice.label for voice in heard if voice not in kept}
    named = [
        replace(s, name=None) if s.label in gone and roster.by_label(s.label) is None else s
        for s in analysis.speakers
    ]
    speakers = _speakers(conn, meeting, named)
    conn.executemany(
        "update voiceprints set meeting = ? where id = ?",
        ((meeting, print_) for print_, label in enrolments if label in speakers),
    )
    for position, voice in enumerate(kept):
        voices.keep_recognition(conn, speakers[voice.label], position, voice)
    conn.executemany(
        'insert into turns (meeting, speaker, start, "end") values (?, ?, ?, ?)',
        ((meeting, speakers[t.speaker], t.span.start, t.span.end) for t in analysis.turns),
    )
    utterances = _utterances(conn, analysis, speakers)
    conn.executemany(
        "insert into acts (utterance, label, confidence) values (?, ?, ?)",
        ((utterances[a.utterance], a.label, a.confidence) for a in analysis.acts),
    )
    _decisions(conn, analysis, speakers, utterances)
    _measures(conn, meeting, analysis.measures, speakers)
    conn.executemany(
        "insert into notes (meeting, position, text) values (?, ?, ?)",
        ((meeting, i, note) for i, note in enumerate(analysis.notes)),
    )
    return any(withdrawn)


def _enrolments(conn: sqlite3.Connection, analysis: Analysis) -> list[tuple[int, str]]:
    """Row and label of the prints enrolled from a meeting whose labels mean the same in its new analysis.

    Another diarizer may number the voices otherwise: then nobody can say whose print it was.
    """
    rows = conn.execute(
        """select v.id, v.label from voiceprints v join meetings m on m.id = v.meeting
           where m.id = ? and m.diarizer is ?""",
        (analysis.meeting.id, analysis.engines.diarizer),
    )
    return [(int(print_), str(label)) for print_, label in rows]


def _meeting(conn: sqlite3.Connection, analysis: Analysis, now: datetime) -> None:
    meeting, engines = analysis.meeting, analysis.engines
    conn.execute(
        """insert into meetings
             (id, title, started_at, duration, language, vad, diarizer, transcriber, acts, analysed_at)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            meeting.id,
            meeting.title,
            meeting.started_at.isoformat(),
            meeting.duration,
            meeting.language,
            engines.vad,
            engines.diarizer,
            engines.transcriber,
            engines.acts,
            now.isoformat(timespec="seconds"),
        ),
    )


def _participant(conn: sqlite3.Connection, meeting: str, participant: Participant, now: datetime) -> bool:
    """Record who was invited and what they agree to: whether they agree to a voiceprint no longer."""
    person = voices.row_of(conn, "people", participant.name)
    role = voices.row_of(conn, "roles", participant.role) if participant.role else None
    conn.execute(
        "insert into participations (meeting, person, role, label, voice) values (?, ?, ?, ?, ?)",
        (meeting, person, role, participant.label, participant.voice),
    )
    agreed = participant.agreed
    if agreed is None:
        return False
    changed = {p: voices.state(conn, person, p, p in agreed, ROSTER_BASIS, now) for p in Agreement}
    return changed[Agreement.VOICEPRINT] and Agreement.VOICEPRINT not in agreed


def _speakers(conn: sqlite3.Connection, meeting: str, speakers: Sequence[Speaker]) -> Ids:
    ids = {}
    for position, speaker in enumerate(speakers):
        person = voices.row_of(conn, "people", speaker.name) if speaker.name else None
        role = voices.row_of(conn, "roles", speaker.role) if speaker.role else None
        cursor = conn.execute(
            "insert into speakers (meeting, position, label, person, role) values (?, ?, ?, ?, ?)",
            (meeting, position, speaker.label, person, role),
        )
        ids[speaker.label] = int(cursor.lastrowid or 0)
    return ids


def _utterances(conn: sqlite3.Connection, analysis: Analysis, speakers: Ids) -> Mapping[int, int]:
    ids = {}
    words: list[tuple[int, int, float, float, str, float]] = []
    for u in analysis.utterances:
        cursor = conn.execute(
            'insert into utterances (meeting, number, speaker, start, "end", text) values (?, ?, ?, ?, ?, ?)',
            (analysis.meeting.id, u.id, speakers[u.speaker], u.span.start, u.span.end, u.text),
        )
        ids[u.id] = row = int(cursor.lastrowid or 0)
        words += [(row, i, w.span.start, w.span.end, w.text, w.probability) for i, w in enumerate(u.words)]
    conn.executemany(
        'insert into words (utterance, position, start, "end", text, probability) values (?, ?, ?, ?, ?, ?)',
        words,
    )
    return ids


def _decisions(
    conn: sqlite3.Connection, analysis: Analysis, speakers: Ids, utterances: Mapping[int, int]
) -> None:
    for d in analysis.decisions:
        cursor = conn.execute(
            """insert into decisions
                 (meeting, number, status, start, "end", topic, confidence, returns_from, wording)
               values (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                analysis.meeting.id,
                d.id,
                d.status,
                d.span.start,
                d.span.end,
                d.topic,
                d.confidence,
                d.returns_from,
                d.wording,
            ),
        )
        conn.executemany(
            "insert into ledger (decision, position, role, speaker, utterance) values (?, ?, ?, ?, ?)",
            (
                (cursor.lastrowid, i, entry.role, speakers[entry.speaker], utterances[entry.utterance])
                for i, entry in enumerate(d.ledger)
            ),
        )


def _measures(conn: sqlite3.Connection, meeting: str, measures: Iterable[Measure], speakers: Ids) -> None:
    conn.executemany(
        """insert into measures
             (meeting, name, subject, speaker, other, value, unit, n, low, high, grade, reason, part, whole)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            (
                meeting,
                m.name,
                m.subject.kind,
                None if m.subject.speaker is None else speakers[m.subject.speaker],
                None if m.subject.other is None else speakers[m.subject.other],
                m.value,
                m.unit,
                m.n,
                m.low,
                m.high,
                m.grade,
                m.reason,
                m.part,
                m.whole,
            )
            for m in measures
        ),
    )
