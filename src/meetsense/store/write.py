"""An analysis into rows, inside a transaction that the caller holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from meetsense.store import ROSTER_BASIS
from meetsense.values import Agreement, Analysis, Measure, Participant, Roster, Speaker

Ids = Mapping[str, int]
"""Speaker label to row."""


def write(conn: sqlite3.Connection, analysis: Analysis, roster: Roster, now: datetime) -> None:
    """Replace a meeting's rows by those of an analysis."""
    meeting = analysis.meeting.id
    conn.execute("delete from meetings where id = ?", (meeting,))
    _meeting(conn, analysis, now)
    for participant in roster.participants:
        _participant(conn, meeting, participant, now)
    speakers = _speakers(conn, meeting, analysis.speakers, roster)
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


def _named(conn: sqlite3.Connection, table: str, name: str) -> int:
    """Row of a person or a role, made if there is none."""
    conn.execute(f"insert or ignore into {table} (name) values (?)", (name,))  # noqa: S608
    return int(conn.execute(f"select id from {table} where name = ?", (name,)).fetchone()[0])  # noqa: S608


def _participant(conn: sqlite3.Connection, meeting: str, participant: Participant, now: datetime) -> None:
    person = _named(conn, "people", participant.name)
    role = _named(conn, "roles", participant.role) if participant.role else None
    conn.execute(
        "insert into participations (meeting, person, role, label, voice) values (?, ?, ?, ?, ?)",
        (meeting, person, role, participant.label, participant.voice),
    )
    if participant.agreed is not None:
        for purpose in Agreement:
            _agreement(conn, person, purpose, purpose in participant.agreed, now)


def _agreement(
    conn: sqlite3.Connection, person: int, purpose: Agreement, agreed: bool, now: datetime
) -> None:
    """Record what a person states, when it differs from what they last stated."""
    last = conn.execute(
        "select agreed from agreements where person = ? and purpose = ? order by id desc limit 1",
        (person, purpose),
    ).fetchone()
    if last is None or bool(last[0]) != agreed:
        conn.execute(
            "insert into agreements (person, purpose, agreed, stated_at, basis) values (?, ?, ?, ?, ?)",
            (person, purpose, int(agreed), now.isoformat(timespec="seconds"), ROSTER_BASIS),
        )


def _speakers(conn: sqlite3.Connection, meeting: str, speakers: Sequence[Speaker], roster: Roster) -> Ids:
    ids = {}
    for position, speaker in enumerate(speakers):
        person = _named(conn, "people", speaker.name) if speaker.name else None
        role = _named(conn, "roles", speaker.role) if speaker.role else None
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
            """insert into decisions (meeting, number, status, start, "end", topic, confidence, returns_from)
               values (?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                analysis.meeting.id,
                d.id,
                d.status,
                d.span.start,
                d.span.end,
                d.topic,
                d.confidence,
                d.returns_from,
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
