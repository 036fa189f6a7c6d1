"""Rows of recordings: a mirror of their folders, and what is owed to each.

Every function works inside a transaction that the caller holds. Each that copies from a folder may be called
again with the same values.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from meetsense.errors import StoreError
from meetsense.store import voices
from meetsense.values import (
    Agreement,
    Basis,
    BasisKind,
    Gap,
    GapKind,
    Recording,
    RecordingState,
    Segment,
)

DELETED = ""
"""In place of the name of somebody who was present and is deleted: nobody's name, so that nobody agrees."""
TAKEN = (RecordingState.PROCESSING, RecordingState.DONE)
"""States in which a result may be saved: done, too, so that saving may be repeated."""


def begin(conn: sqlite3.Connection, recording: Recording) -> bool:
    """Add a recording, without its segments and gaps: whether it was not there yet."""
    basis, state = recording.basis, recording.state
    added = conn.execute(
        """insert or ignore into recordings
             (id, title, room, started_at, basis, text_sha256, rate, state, attempts, reason)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            recording.id,
            recording.title,
            recording.room,
            _text(recording.started_at),
            basis.kind.value,
            basis.text_sha256,
            recording.rate,
            state.value,
            recording.attempts,
            recording.reason,
        ),
    ).rowcount
    if added:
        people = [voices.row_of(conn, "people", name) if name else None for name in basis.people]
        conn.executemany(
            "insert into presence (recording, position, person) values (?, ?, ?)",
            ((recording.id, position, person) for position, person in enumerate(people)),
        )
    return bool(added)


def put_segment(conn: sqlite3.Connection, recording: str, segment: Segment) -> None:
    """Add a segment, or replace the one of its index."""
    conn.execute(
        "insert or replace into segments (recording, number, file, samples, sha256) values (?, ?, ?, ?, ?)",
        (recording, segment.index, segment.file, segment.samples, segment.sha256),
    )


def put_gap(conn: sqlite3.Connection, recording: str, gap: Gap) -> None:
    """Add a gap, unless the very same one is there."""
    same = conn.execute(
        "select 1 from gaps where recording = ? and kind = ? and position = ? and samples = ?",
        (recording, gap.kind.value, gap.position, gap.samples),
    ).fetchone()
    if same is None:
        last = conn.execute("select max(number) from gaps where recording = ?", (recording,)).fetchone()[0]
        _add_gap(conn, recording, 0 if last is None else last + 1, gap)


def _add_gap(conn: sqlite3.Connection, recording: str, number: int, gap: Gap) -> None:
    conn.execute(
        "insert into gaps (recording, number, kind, position, samples) values (?, ?, ?, ?, ?)",
        (recording, number, gap.kind.value, gap.position, gap.samples),
    )


def end(conn: sqlite3.Connection, recording: str, ended_at: datetime) -> None:
    """Queue a recording that was being made; what has gone further stays where it is."""
    conn.execute(
        """update recordings set ended_at = ?, state = 'queued' where id = ? and state = 'recording'""",
        (_text(ended_at), recording),
    )


def put(conn: sqlite3.Connection, recording: Recording) -> None:
    """Make the rows of a recording those of its folder.

    Its state and reason count when it is new here or was being made; who was present is not written twice,
    so that a name deleted here does not come back from the folder.
    """
    if not begin(conn, recording):
        conn.execute(
            "update recordings set state = ?, reason = ? where id = ? and state = 'recording'",
            (recording.state.value, recording.reason, recording.id),
        )
    if recording.state is not RecordingState.RECORDING:
        ended_at = recording.started_at + timedelta(seconds=recording.duration)
        conn.execute(
            "update recordings set ended_at = coalesce(ended_at, ?) where id = ?",
            (_text(ended_at), recording.id),
        )
    conn.execute("delete from segments where recording = ?", (recording.id,))
    conn.execute("delete from gaps where recording = ?", (recording.id,))
    for segment in recording.segments:
        put_segment(conn, recording.id, segment)
    for number, gap in enumerate(recording.gaps):
        _add_gap(conn, recording.id, number, gap)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def read(
    conn: sqlite3.Connection, *, state: RecordingState | None = None, id: str | None = None
) -> tuple[Recording, ...]:
    """Recordings in the order in which they began, of a state or of an id where one is given."""
    rows = conn.execute(
        """select id, title, room, started_at, basis, text_sha256, rate, state, attempts, reason
           from recordings where (?1 is null or state = ?1) and (?2 is null or id = ?2)
           order by started_at, id""",
        (state and state.value, id),
    ).fetchall()
    ids = [row[0] for row in rows]
    present, segments, gaps = _present(conn, ids), _segments(conn, ids), _gaps(conn, ids)
    return tuple(
        Recording(
            id,
            title,
            room,
            datetime.fromisoformat(started_at),
            Basis(BasisKind(basis), tuple(present[id]), text_sha256),
            rate,
            RecordingState(state),
            tuple(segments[id]),
            tuple(gaps[id]),
            attempts,
            reason,
        )
        for id, title, room, started_at, basis, text_sha256, rate, state, attempts, reason in rows
    )


def _present(conn: sqlite3.Connection, ids: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for id in ids:
        rows = conn.execute(
            """select p.name from presence w left join people p on p.id = w.person
               where w.recording = ? order by w.position""",
            (id,),
        )
        found[id] = [DELETED if name is None else name for (name,) in rows]
    return found


def _segments(conn: sqlite3.Connection, ids: Iterable[str]) -> dict[str, list[Segment]]:
    found: dict[str, list[Segment]] = defaultdict(list)
    for id in ids:
        rows = conn.execute(
            "select number, file, samples, sha256 from segments where recording = ? order by number", (id,)
        )
        found[id] = [Segment(*row) for row in rows]
    return found


def _gaps(conn: sqlite3.Connection, ids: Iterable[str]) -> dict[str, list[Gap]]:
    found: dict[str, list[Gap]] = defaultdict(list)
    for id in ids:
        rows = conn.execute(
            "select kind, position, samples from gaps where recording = ? order by position, number", (id,)
        )
        found[id] = [Gap(GapKind(kind), position, samples) for kind, position, samples in rows]
    return found


def state_of(conn: sqlite3.Connection, recording: str) -> RecordingState:
    """What is owed to a recording. Raises StoreError when there is none of this id."""
    found = conn.execute("select state from recordings where id = ?", (recording,)).fetchone()
    if found is None:
        raise StoreError(f"no recording {recording!r} in the database")
    return RecordingState(found[0])


def claim(conn: sqlite3.Connection) -> str | None:
    """Take the oldest queued recording to be processed: its id; None when there is none."""
    taken = conn.execute(
        """update recordings set state = 'processing', attempts = attempts + 1
           where id = (select id from recordings where state = 'queued' order by started_at, id limit 1)
           returning id"""
    ).fetchall()
    return taken[0][0] if taken else None


def release(
    conn: sqlite3.Connection, recording: str, reason: str, *, limit: int, counted: bool
) -> RecordingState:
    """Give a recording back that was being processed: its state then. Another one is left alone."""
    if state_of(conn, recording) is RecordingState.PROCESSING:
        if counted:
            conn.execute(
                """update recordings set reason = ?, state = iif(attempts >= ?, 'failed', 'queued')
                   where id = ?""",
                (reason, limit, recording),
            )
        else:
            conn.execute(
                "update recordings set state = 'queued', attempts = max(0, attempts - 1) where id = ?",
                (recording,),
            )
    return state_of(conn, recording)


def fail(conn: sqlite3.Connection, recording: str, reason: str) -> None:
    """Give up a recording that is queued or processed."""
    state_of(conn, recording)
    conn.execute(
        """update recordings set state = 'failed', reason = ?
           where id = ? and state in ('queued', 'processing')""",
        (reason, recording),
    )


def requeue(conn: sqlite3.Connection, recording: str) -> None:
    """Queue a recording that failed, as if it had never been tried. Raises StoreError for another one."""
    state = state_of(conn, recording)
    if state is not RecordingState.FAILED:
        raise StoreError(f"recording {recording} is {state}: only one that failed can be tried again")
    conn.execute(
        "update recordings set state = 'queued', attempts = 0, reason = null where id = ?", (recording,)
    )


def need_taken(conn: sqlite3.Connection, recording: str) -> None:
    """Raise StoreError when no result may be saved of a recording: it was forgotten, or given up."""
    state = state_of(conn, recording)
    if state not in TAKEN:
        raise StoreError(f"recording {recording} is {state} and not being processed: nothing was saved")


def done(conn: sqlite3.Connection, recording: str, meeting: str) -> bool:
    """Mark a recording whose meeting was written as done: whether a name was taken back.

    An earlier meeting of the recording goes. Who refused, meanwhile, to be named is not.
    """
    conn.execute(
        "delete from meetings where id != ? and id = (select meeting from recordings where id = ?)",
        (meeting, recording),
    )
    conn.execute(
        "update recordings set state = 'done', reason = null, meeting = ? where id = ?", (meeting, recording)
    )
    return _unname(conn, meeting)


def _unname(conn: sqlite3.Connection, meeting: str) -> bool:
    """Take the names of those who last refused to be named from a meeting's voices: whether any was there."""
    named = conn.execute(
        "select distinct person from speakers where meeting = ? and person is not null", (meeting,)
    ).fetchall()
    refused = [person for (person,) in named if voices.stated(conn, person, Agreement.NAMED) is False]
    for person in refused:
        conn.execute(
            """delete from recognitions where person = ?
               and speaker in (select id from speakers where meeting = ?)""",
            (person, meeting),
        )
        conn.execute("update speakers set person = null where meeting = ? and person = ?", (meeting, person))
    return bool(refused)


def agreed(conn: sqlite3.Connection, people: Sequence[str], purpose: Agreement) -> dict[str, bool]:
    """What each of these people last stated about a purpose; who never did is left out."""
    found = {}
    for name in dict.fromkeys(people):
        row = conn.execute("select id from people where name = ?", (name,)).fetchone()
        last = None if row is None else voices.stated(conn, row[0], purpose)
        if last is not None:
            found[name] = last
    return found
