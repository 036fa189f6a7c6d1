"""Rows of people: what they agreed to, their voiceprints, and where they were known again.

Every function works inside a transaction that the caller holds.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from meetsense.errors import StoreError
from meetsense.store.read import vector_of
from meetsense.values import Agreement, Recognised, Voiceprint

Judge = Callable[[Sequence[Recognised], Sequence[Voiceprint]], Sequence[float | None]]
"""From recognitions and the prints that are enrolled now to the probability of each, None for unknown."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a correction changed."""

    name: str | None
    """Name that the voice has now."""
    print_moved: bool
    """Whether the voiceprint of the voice is now one of that person's."""
    reconsidered: int
    """Recognitions in other meetings that rested on a changed print and were judged again."""
    unnamed: tuple[tuple[str, str], ...]
    """Meeting and label of those that are unknown now."""


def row_of(conn: sqlite3.Connection, table: str, name: str) -> int:
    """Row of a person or a role, made if there is none."""
    conn.execute(f"insert or ignore into {table} (name) values (?)", (name,))  # noqa: S608
    return int(conn.execute(f"select id from {table} where name = ?", (name,)).fetchone()[0])  # noqa: S608


def person_row(conn: sqlite3.Connection, name: str) -> int:
    """Row of a person who is there. Raises StoreError."""
    found = conn.execute("select id from people where name = ?", (name,)).fetchone()
    if found is None:
        raise StoreError(f"nobody is called {name!r} here; list them with: meetsense people list")
    return int(found[0])


def stated(conn: sqlite3.Connection, person: int, purpose: Agreement) -> bool | None:
    """What a person last stated about a purpose; None when they never did."""
    last = conn.execute(
        "select agreed from agreements where person = ? and purpose = ? order by id desc limit 1",
        (person, purpose),
    ).fetchone()
    return None if last is None else bool(last[0])


def state(
    conn: sqlite3.Connection, person: int, purpose: Agreement, agreed: bool, basis: str, now: datetime
) -> bool:
    """Record what a person states, when it differs from what they last stated: whether it did.

    Who no longer agrees to a voiceprint loses theirs; who no longer agrees to be named, their name in
    history and the record of having been known again.
    """
    if stated(conn, person, purpose) == agreed:
        return False
    conn.execute(
        "insert into agreements (person, purpose, agreed, stated_at, basis) values (?, ?, ?, ?, ?)",
        (person, purpose, int(agreed), now.isoformat(timespec="seconds"), basis),
    )
    if not agreed and purpose is Agreement.VOICEPRINT:
        forget_prints(conn, person)
    if not agreed and purpose is Agreement.NAMED:
        _forget_recognitions(conn, person)
        conn.execute("update speakers set person = null where person = ?", (person,))
    return True


def forget_prints(conn: sqlite3.Connection, person: int) -> None:
    """Delete a person's voiceprints, and the names that rest on them."""
    conn.execute("delete from voiceprints where person = ?", (person,))
    _forget_recognitions(conn, person)


def _forget_recognitions(conn: sqlite3.Connection, person: int) -> None:
    """Delete where a person was known again, and the names it gave: a roster may give a voice another one."""
    conn.execute(
        """update speakers set person = null
           where id in (select speaker from recognitions where person = ?)""",
        (person,),
    )
    conn.execute("delete from recognitions where person = ?", (person,))


def agreed_to_voiceprint(conn: sqlite3.Connection, person: int) -> bool:
    """Whether the last statement of a person allows a voiceprint."""
    return stated(conn, person, Agreement.VOICEPRINT) is True


def may_be_known(conn: sqlite3.Connection, person: int) -> bool:
    """Whether a person agrees to a voiceprint and does not refuse to be named."""
    return agreed_to_voiceprint(conn, person) and stated(conn, person, Agreement.NAMED) is not False


def is_enrolled(conn: sqlite3.Connection, name: str) -> bool:
    """Whether there is a voiceprint of a person who may be known again."""
    found = conn.execute(
        "select id from people p where name = ? and exists (select 1 from voiceprints where person = p.id)",
        (name,),
    ).fetchone()
    return found is not None and may_be_known(conn, int(found[0]))


def enrolled(conn: sqlite3.Connection, space: str | None = None) -> tuple[Voiceprint, ...]:
    """Every print of everybody who may be known again: one a source, the first first."""
    rows = conn.execute(
        """select v.person, p.name, v.space, v.vector, v.seconds
           from voiceprints v join people p on p.id = v.person
           where ? is null or v.space = ? order by v.id""",
        (space, space),
    ).fetchall()
    return tuple(
        Voiceprint(name, where, vector_of(blob), seconds)
        for person, name, where, blob, seconds in rows
        if may_be_known(conn, person)
    )


def keep_recognition(conn: sqlite3.Connection, speaker: int, position: int, voice: Recognised) -> None:
    """Record whom a speaker was known again as."""
    conn.execute(
        """insert into recognitions (speaker, person, position, probability, space, seconds, vector)
           values (?, ?, ?, ?, ?, ?, ?)""",
        (
            speaker,
            row_of(conn, "people", voice.heard.person),
            position,
            voice.probability,
            voice.heard.space,
            voice.heard.seconds,
            _blob(voice.heard.vector),
        ),
    )


def add_print(
    conn: sqlite3.Connection,
    person: int,
    voiceprint: Voiceprint,
    origin: str,
    source: tuple[str, str] | None,
    now: datetime,
) -> None:
    """Record a print; one from the same meeting and speaker, or of the same origin and space, is replaced."""
    meeting, label = source or (None, None)
    conn.execute(
        """delete from voiceprints
           where (meeting = ? and label = ?) or (person = ? and origin = ? and space = ?)""",
        (meeting, label, person, origin, voiceprint.space),
    )
    conn.execute(
        """insert into voiceprints (person, space, seconds, vector, meeting, label, origin, made_at)
           values (?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            person,
            voiceprint.space,
            voiceprint.seconds,
            _blob(voiceprint.vector),
            meeting,
            label,
            origin,
            now.isoformat(timespec="seconds"),
        ),
    )


def name_voice(conn: sqlite3.Connection, person: int, meeting: str, label: str) -> None:
    """Give the voice of a meeting a person's name, unless they refuse to be named."""
    if stated(conn, person, Agreement.NAMED) is not False:
        conn.execute(
            "update speakers set person = ? where meeting = ? and label = ?", (person, meeting, label)
        )


def correct(
    conn: sqlite3.Connection, meeting: str, label: str, name: str | None, judge: Judge, now: datetime
) -> Correction:
    """A voice of a meeting is ``name``'s, or nobody's that is known. See :meth:`Store.correct`."""
    speaker = conn.execute(
        "select id from speakers where meeting = ? and label = ?", (meeting, label)
    ).fetchone()
    if speaker is None:
        raise StoreError(f"meeting {meeting} has no speaker {label!r}; see: meetsense show {meeting}")
    (row,) = speaker
    person = row_of(conn, "people", name) if name is not None else None
    found, changed = _take_print(conn, row, meeting, label)
    moved = False
    if person is not None and found is not None and is_enrolled(conn, name or ""):
        add_print(conn, person, found, f"{meeting}:{label}", (meeting, label), now)
        changed, moved = changed | {person}, True
    shown = person if person is not None and stated(conn, person, Agreement.NAMED) is not False else None
    conn.execute("update speakers set person = ? where id = ?", (shown, row))
    count, unnamed = _reconsider(conn, changed, judge)
    return Correction(name if shown is not None else None, moved, count, unnamed)


def _take_print(
    conn: sqlite3.Connection, speaker: int, meeting: str, label: str
) -> tuple[Voiceprint | None, set[int]]:
    """Take the print of a voice from whomever has it; the people whose enrolment thereby changed."""
    enrolled_rows = conn.execute(
        "select person, space, vector, seconds from voiceprints where meeting = ? and label = ?",
        (meeting, label),
    ).fetchall()
    heard = conn.execute(
        "select person, space, vector, seconds from recognitions where speaker = ?", (speaker,)
    ).fetchall()
    conn.execute("delete from voiceprints where meeting = ? and label = ?", (meeting, label))
    conn.execute("delete from recognitions where speaker = ?", (speaker,))
    prints = [
        Voiceprint("", space, vector_of(blob), seconds) for _, space, blob, seconds in enrolled_rows + heard
    ]
    return (prints[0] if prints else None), {int(person) for person, *_ in enrolled_rows}


def _reconsider(
    conn: sqlite3.Connection, changed: set[int], judge: Judge
) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Judge again what was recognised through prints that changed."""
    marks = ",".join("?" * len(changed))
    rows = conn.execute(
        f"""select s.id, s.meeting, s.label, r.person, r.probability, p.name, r.space, r.vector, r.seconds
            from recognitions r join speakers s on s.id = r.speaker join people p on p.id = r.person
            where r.person in ({marks}) order by s.id""",  # noqa: S608
        tuple(changed),
    ).fetchall()
    if not rows:
        return 0, ()
    voices = [Recognised(r[2], r[4], Voiceprint(r[5], r[6], vector_of(r[7]), r[8])) for r in rows]
    unnamed = []
    for row, probability in zip(rows, judge(voices, enrolled(conn)), strict=True):
        speaker, meeting, label, person = row[:4]
        if probability is not None:
            conn.execute("update recognitions set probability = ? where speaker = ?", (probability, speaker))
            continue
        conn.execute("delete from recognitions where speaker = ?", (speaker,))
        conn.execute("update speakers set person = null where id = ? and person = ?", (speaker, person))
        unnamed.append((str(meeting), str(label)))
    return len(rows), tuple(unnamed)


def forget_person(conn: sqlite3.Connection, name: str) -> None:
    """Delete a person, and with them agreements, prints, recognitions, and their name in history."""
    person = person_row(conn, name)
    conn.execute(
        "delete from notes where instr(text, 'The roster names the enrolled voice ' || ? || ',') = 1", (name,)
    )
    forget_prints(conn, person)
    conn.execute("update participations set voice = null where voice = ?", (name,))
    conn.execute(
        "update recordings set reason = 'somebody who was present is deleted' where instr(reason, ?)", (name,)
    )
    conn.execute("delete from people where id = ?", (person,))


def _blob(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}d", *vector)
