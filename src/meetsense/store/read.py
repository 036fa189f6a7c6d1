"""Rows into an analysis."""

from __future__ import annotations

import sqlite3
import struct
from collections import defaultdict
from datetime import datetime

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
    Word,
)


def read(conn: sqlite3.Connection, meeting: str) -> Analysis:
    """The analysis of a meeting that is known to be there."""
    title, started_at, duration, language, *engines = conn.execute(
        """select title, started_at, duration, language, vad, diarizer, transcriber, acts
           from meetings where id = ?""",
        (meeting,),
    ).fetchone()
    return Analysis(
        meeting=Meeting(meeting, title, datetime.fromisoformat(started_at), duration, language),
        engines=Engines(*engines),
        speakers=_speakers(conn, meeting),
        turns=_turns(conn, meeting),
        utterances=_utterances(conn, meeting),
        acts=_acts(conn, meeting),
        decisions=_decisions(conn, meeting),
        measures=_measures(conn, meeting),
        notes=tuple(
            row[0]
            for row in conn.execute("select text from notes where meeting = ? order by position", (meeting,))
        ),
        recognised=_recognised(conn, meeting),
    )


def _speakers(conn: sqlite3.Connection, meeting: str) -> tuple[Speaker, ...]:
    rows = conn.execute(
        """select s.label, p.name, r.name from speakers s
           left join people p on p.id = s.person left join roles r on r.id = s.role
           where s.meeting = ? order by s.position""",
        (meeting,),
    )
    return tuple(Speaker(*row) for row in rows)


def _recognised(conn: sqlite3.Connection, meeting: str) -> tuple[Recognised, ...]:
    rows = conn.execute(
        """select s.label, r.probability, p.name, r.space, r.vector, r.seconds
           from recognitions r join speakers s on s.id = r.speaker join people p on p.id = r.person
           where s.meeting = ? order by r.position""",
        (meeting,),
    )
    return tuple(
        Recognised(label, probability, Voiceprint(name, space, vector_of(blob), seconds))
        for label, probability, name, space, blob, seconds in rows
    )


def vector_of(blob: bytes) -> tuple[float, ...]:
    """A vector from its little-endian doubles."""
    return struct.unpack(f"<{len(blob) // 8}d", blob)


def _turns(conn: sqlite3.Connection, meeting: str) -> tuple[Turn, ...]:
    rows = conn.execute(
        """select t.start, t."end", s.label from turns t join speakers s on s.id = t.speaker
           where t.meeting = ? order by t.id""",
        (meeting,),
    )
    return tuple(Turn(Span(start, end), label) for start, end, label in rows)


def _utterances(conn: sqlite3.Connection, meeting: str) -> tuple[Utterance, ...]:
    words = defaultdict(list)
    for row, start, end, text, probability in conn.execute(
        """select w.utterance, w.start, w."end", w.text, w.probability
           from words w join utterances u on u.id = w.utterance
           where u.meeting = ? order by w.utterance, w.position""",
        (meeting,),
    ):
        words[row].append(Word(Span(start, end), text, probability))
    rows = conn.execute(
        """select u.id, u.number, s.label, u.start, u."end", u.text
           from utterances u join speakers s on s.id = u.speaker
           where u.meeting = ? order by u.number""",
        (meeting,),
    )
    return tuple(
        Utterance(number, label, Span(start, end), text, tuple(words[row]))
        for row, number, label, start, end, text in rows
    )


def _acts(conn: sqlite3.Connection, meeting: str) -> tuple[Act, ...]:
    rows = conn.execute(
        """select u.number, a.label, a.confidence from acts a join utterances u on u.id = a.utterance
           where u.meeting = ? order by u.number""",
        (meeting,),
    )
    return tuple(Act(number, ActLabel(label), confidence) for number, label, confidence in rows)


def _decisions(conn: sqlite3.Connection, meeting: str) -> tuple[DecisionChain, ...]:
    ledgers = defaultdict(list)
    for decision, role, label, number in conn.execute(
        """select l.decision, l.role, s.label, u.number from ledger l
           join speakers s on s.id = l.speaker join utterances u on u.id = l.utterance
           where u.meeting = ? order by l.decision, l.position""",
        (meeting,),
    ):
        ledgers[decision].append(LedgerEntry(LedgerRole(role), label, number))
    rows = conn.execute(
        """select id, number, status, start, "end", topic, confidence, returns_from, wording
           from decisions where meeting = ? order by number""",
        (meeting,),
    )
    return tuple(
        DecisionChain(
            number,
            DecisionStatus(status),
            Span(start, end),
            topic,
            confidence,
            tuple(ledgers[row]),
            returns_from,
            wording,
        )
        for row, number, status, start, end, topic, confidence, returns_from, wording in rows
    )


def _measures(conn: sqlite3.Connection, meeting: str) -> tuple[Measure, ...]:
    rows = conn.execute(
        """select m.name, m.subject, s.label, o.label, m.value, m.unit, m.n, m.low, m.high, m.grade, m.reason,
                  m.part, m.whole
           from measures m left join speakers s on s.id = m.speaker left join speakers o on o.id = m.other
           where m.meeting = ? order by m.id""",
        (meeting,),
    )
    return tuple(
        Measure(
            name, Subject(SubjectKind(kind), label, other), value, unit, n, low, high, Grade(grade), *rest
        )
        for name, kind, label, other, value, unit, n, low, high, grade, *rest in rows
    )
