"""Meetings in SQLite: the only SQL there is.

One meeting is written in one transaction and read back as the same :class:`~meetsense.values.Analysis`.
The file is 0600, in WAL mode with ``synchronous=FULL``: what was saved survives a power cut, and readers
(Datasette among them) are never blocked by a writer.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from meetsense.errors import StoreError
from meetsense.store import library
from meetsense.values import (
    Agreement,
    Analysis,
    Gap,
    Recording,
    RecordingState,
    Roster,
    Segment,
    Voiceprint,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

    from meetsense.store.voices import Correction, Judge

BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""
RETRY_SECONDS = 0.05
"""Pause before a database that is being made or migrated by another process is opened again."""
ROSTER_BASIS = "stated in a roster file"
"""Legal basis recorded with an agreement that came with ``--roster``."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list of meetings."""

    id: str
    title: str
    started_at: datetime
    duration: float
    """Seconds."""
    speakers: int
    decisions: int


@dataclass(frozen=True, slots=True)
class Found:
    """An utterance that a search found."""

    meeting: str
    title: str
    started_at: datetime
    number: int
    """Id of the utterance in its meeting."""
    start: float
    """Seconds from the start of the recording."""
    speaker: str
    """Name where one is known, else the label."""
    text: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A meeting whose analysis was ended before it was done."""

    id: str
    title: str
    reason: str
    """In one line, for people."""
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A person, and what the database holds of their voice."""

    name: str
    prints: int
    """Sources of their voiceprint; 0: not enrolled."""
    seconds: float
    """Speech that the voiceprint rests on."""
    meetings: int
    """Meetings in which a voice has their name."""
    known_again: int
    """How many of them by their voice."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a print of a person came from."""

    origin: str
    """MEETING:SPEAKER or the name of a file."""
    space: str
    seconds: float
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody stated about a purpose."""

    person: str
    purpose: Agreement
    agreed: bool
    stated_at: datetime
    basis: str


class Store:
    """One database. Use it as a context manager.

    Raises StoreError when the file is not a database, not meetsense's, newer than this program, or can't be
    opened.
    """

    def __init__(self, path: Path, *, create: bool = True, patience: float = BUSY_SECONDS) -> None:
        """``patience``: seconds that opening it, and each query, wait for another program."""
        self.path = path
        self._db = _connect(path, create=create, patience=patience)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._db.conn.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that writes. It has the lock from its beginning: what it reads stays true."""
        conn = self._db.conn
        with _translated(self.path):
            conn.execute("begin immediate")
            try:
                yield conn
                conn.execute("commit")
            except BaseException:
                conn.rollback()
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One transaction in which several queries see the same database."""
        with _translated(self.path), self._db.atomic():
            yield self._db.conn

    def save(self, analysis: Analysis, roster: Roster | None = None, *, recording: str | None = None) -> None:
        """Write a meeting in one transaction; an earlier analysis of the same meeting is replaced.

        Somebody who may no longer be known again is not, and whose roster entry ends their consent to a
        voiceprint loses it. ``recording``: that which the meeting was recorded in; it is done in the same
        transaction, its earlier meeting is replaced, and who by now refuses to be named is not. Raises
        StoreError, and changes nothing, when that recording is neither being processed nor done.
        """
        from meetsense.store import recordings
        from meetsense.store.write import write

        with self._writing() as conn:
            if recording is not None:
                recordings.need_taken(conn, recording)
            withdrawn = write(conn, analysis, roster or Roster(), datetime.now(UTC))
            if recording is not None:
                withdrawn |= recordings.done(conn, recording, analysis.meeting.id)
        if withdrawn:
            self._scrub()

    def begin(self, recording: Recording) -> None:
        """Add a recording and who is present, without its segments and gaps; one that is there stays."""
        from meetsense.store import recordings

        with self._writing() as conn:
            recordings.begin(conn, recording)

    def segment(self, recording: str, segment: Segment) -> None:
        """Add a segment, or replace the one of its index. Raises StoreError without such a recording."""
        from meetsense.store import recordings

        with self._writing() as conn:
            recordings.state_of(conn, recording)
            recordings.put_segment(conn, recording, segment)

    def gap(self, recording: str, gap: Gap) -> None:
        """Add a gap, unless the very same is there. Raises StoreError without such a recording."""
        from meetsense.store import recordings

        with self._writing() as conn:
            recordings.state_of(conn, recording)
            recordings.put_gap(conn, recording, gap)

    def end(self, recording: str, ended_at: datetime) -> None:
        """Queue a recording that was being made; one that has gone further stays as it is.

        Raises StoreError without such a recording.
        """
        from meetsense.store import recordings

        with self._writing() as conn:
            recordings.state_of(conn, recording)
            recordings.end(conn, recording, ended_at)

    def put_recording(self, recording: Recording) -> None:
        """Make the rows of a recording those of its folder: segments and gaps that it has no more go.

        Its state and reason count when it is new here or was being made; a recording that has gone further
        keeps its own. Who is present is written once, with the recording.
        """
        from meetsense.store import recordings

        with self._writing() as conn:
            recordings.put(conn, recording)

    def recordings(self, state: RecordingState | None = None) -> tuple[Recording, ...]:
        """All recordings, or those of a state, in the order in which they began."""
        from meetsense.store import recordings

        with self._reading() as conn:
            return recordings.read(conn, state=state)

    def recording(self, recording: str) -> Recording:
        """A recording by its id. Raises StoreError."""
        from meetsense.store import recordings

        with self._reading() as conn:
            recordings.state_of(conn, recording)
            return recordings.read(conn, id=recording)[0]

    def claim(self) -> Recording | None:
        """Take the oldest queued recording, to be processed: another attempt. None when there is none."""
        from meetsense.store import recordings

        with self._writing() as conn:
            taken = recordings.claim(conn)
            return None if taken is None else recordings.read(conn, id=taken)[0]

    def release(self, recording: str, reason: str, *, limit: int, counted: bool = True) -> RecordingState:
        """Give back a recording that was being processed: its state then.

        It is queued again, or failed when it was tried ``limit`` times. Not ``counted``: it is queued as if
        it had never been taken. One that is not being processed is left alone. Raises StoreError without
        such a recording.
        """
        from meetsense.store import recordings

        with self._writing() as conn:
            return recordings.release(conn, recording, reason, limit=limit, counted=counted)

    def fail(self, recording: str, reason: str) -> None:
        """Give up a recording that is queued or being processed; ``reason`` says what to do.

        Raises StoreError without such a recording.
        """
        from meetsense.store import recordings

        with self._writing() as conn:
            recordings.fail(conn, recording, reason)

    def requeue(self, recording: str) -> None:
        """Queue a recording that failed, as if it had never been tried. Raises StoreError for another one."""
        from meetsense.store import recordings

        with self._writing() as conn:
            recordings.requeue(conn, recording)

    def agreed(self, people: Sequence[str], purpose: Agreement) -> Mapping[str, bool]:
        """What each of these people last stated about a purpose; who never did is not in it."""
        from meetsense.store import recordings

        with self._reading() as conn:
            return recordings.agreed(conn, people, purpose)

    def park(self, meeting: str, title: str, reason: str) -> None:
        """Note that the analysis of a meeting was ended, and why; saving the meeting clears it."""
        with self._writing() as conn:
            conn.execute(
                "insert or replace into parked (meeting, title, reason, parked_at) values (?, ?, ?, ?)",
                (meeting, title, reason, datetime.now(UTC).isoformat(timespec="seconds")),
            )

    def parked(self) -> tuple[Parked, ...]:
        """Meetings whose analysis was ended, the latest first."""
        rows = self._db.conn.execute(
            "select meeting, title, reason, parked_at from parked order by parked_at desc, meeting"
        )
        return tuple(Parked(r[0], r[1], r[2], datetime.fromisoformat(r[3])) for r in rows.fetchall())

    def state(self, person: str, purpose: Agreement, agreed: bool, basis: str) -> bool:
        """Record what a person states about a purpose: whether it differs from what they last stated.

        To agree makes the person known. To withdraw ``voiceprint`` deletes their voiceprint and the names
        that rest on it, to withdraw ``named`` their name in every meeting. Raises StoreError.
        """
        from meetsense.store import voices

        with self._writing() as conn:
            row = voices.row_of(conn, "people", person) if agreed else voices.person_row(conn, person)
            changed = voices.state(conn, row, purpose, agreed, basis, datetime.now(UTC))
        if not agreed:
            self._scrub()
        return changed

    def statements(self, person: str | None = None) -> tuple[Statement, ...]:
        """What people stated, or one of them, in the order in which they did. Raises StoreError."""
        from meetsense.store import voices

        if person is not None:
            voices.person_row(self._db.conn, person)
        rows = self._db.conn.execute(
            """select p.name, a.purpose, a.agreed, a.stated_at, a.basis
               from agreements a join people p on p.id = a.person
               where ? is null or p.name = ? order by p.name, a.id""",
            (person, person),
        )
        return tuple(
            Statement(r[0], Agreement(r[1]), bool(r[2]), datetime.fromisoformat(r[3]), r[4])
            for r in rows.fetchall()
        )

    def add_person(self, name: str, role: str | None = None) -> bool:
        """Make a person known, and their usual role where one is given: whether they were not known yet."""
        from meetsense.store import voices

        with self._writing() as conn:
            before = conn.execute("select count(*) from people").fetchone()
            person = voices.row_of(conn, "people", name)
            if role is not None:
                row = voices.row_of(conn, "roles", role)
                conn.execute("update people set role = ? where id = ?", (row, person))
            return bool(conn.execute("select count(*) from people").fetchone() != before)

    def roles(self, people: Sequence[str]) -> Mapping[str, str]:
        """The usual roles of those of these people who have one."""
        found = self._db.conn.execute("select p.name, r.name from people p join roles r on r.id = p.role")
        return {name: role for name, role in found.fetchall() if name in set(people)}

    def people(self) -> tuple[Known, ...]:
        """Everybody who is known, by name."""
        rows = self._db.conn.execute(
            """select name, (select count(*) from voiceprints where person = p.id),
                      (select coalesce(sum(seconds), 0.0) from voiceprints where person = p.id),
                      (select count(distinct meeting) from speakers where person = p.id),
                      (select count(*) from recognitions where person = p.id)
               from people p order by name"""
        )
        return tuple(Known(*row) for row in rows.fetchall())

    def person(self, name: str) -> tuple[Known, tuple[Source, ...], tuple[str, ...]]:
        """A person, the sources of their voiceprint, and MEETING:SPEAKER of every voice that has their name.

        Raises StoreError.
        """
        from meetsense.store import voices

        row = voices.person_row(self._db.conn, name)
        known = next(person for person in self.people() if person.name == name)
        sources = self._db.conn.execute(
            "select origin, space, seconds, made_at from voiceprints where person = ? order by id", (row,)
        ).fetchall()
        heard = self._db.conn.execute(
            """select s.meeting || ':' || s.label from speakers s join meetings m on m.id = s.meeting
               where s.person = ? order by m.started_at, s.meeting, s.position""",
            (row,),
        ).fetchall()
        return (
            known,
            tuple(Source(r[0], r[1], r[2], datetime.fromisoformat(r[3])) for r in sources),
            tuple(r[0] for r in heard),
        )

    def enrolled(self, space: str | None = None) -> tuple[Voiceprint, ...]:
        """Prints of everybody who agrees to a voiceprint and does not refuse to be named: one a source."""
        from meetsense.store import voices

        return voices.enrolled(self._db.conn, space)

    def may_enrol(self, person: str) -> None:
        """Raise StoreError, which says what to do, when a person has not agreed to a voiceprint."""
        from meetsense.store import voices

        found = self._db.conn.execute("select id from people where name = ?", (person,)).fetchone()
        if found is None or not voices.agreed_to_voiceprint(self._db.conn, int(found[0])):
            raise StoreError(
                f"{person!r} has not agreed to a voiceprint; when they do: "
                f"meetsense consent grant {shlex.quote(person)} voiceprint --basis TEXT"
            )

    def enrol(
        self, person: str, prints: Sequence[Voiceprint], origin: str, *, source: tuple[str, str] | None = None
    ) -> None:
        """Add prints to a person's voiceprint; ``source``: the meeting and label that they are of, if any.

        A print of the same source is replaced, whosever it was, and the voice of the source gets the person's
        name unless they refuse to be named. Raises StoreError when the person has not
        agreed to a voiceprint; their last statement counts.
        """
        from meetsense.store import voices

        with self._writing() as conn:
            self.may_enrol(person)
            row = voices.person_row(conn, person)
            for voiceprint in prints:
                voices.add_print(conn, row, voiceprint, origin, source, datetime.now(UTC))
            if source is not None:
                voices.name_voice(conn, row, *source)

    def correct(self, meeting: str, label: str, person: str | None, judge: Judge) -> Correction:
        """A voice of a meeting is this person's, or, with None, nobody's that is known.

        The voice gets the name, unless the person refuses to be named. Its print, where one is kept, is taken
        from whomever had it and added to the person's voiceprint if they are enrolled and agree, else
        dropped. Meetings recognised through a voiceprint that thereby changed are judged again by ``judge``
        from the kept prints: those that are unknown now lose the name. All of it in one transaction. Raises
        StoreError.
        """
        from meetsense.store import voices

        meeting = self.resolve(meeting)
        with self._writing() as conn:
            done = voices.correct(conn, meeting, label, person, judge, datetime.now(UTC))
        self._scrub()
        return done

    def forget_person(self, name: str) -> None:
        """Delete a person: agreements, voiceprint, and their name in every meeting, whose labels stay.

        Nothing of it is left in the file. Raises StoreError.
        """
        from meetsense.store import voices

        with self._writing() as conn:
            voices.forget_person(conn, name)
        self._scrub()

    def _scrub(self) -> None:
        """Rewrite the file without what was deleted, and empty the log that still holds it."""
        try:
            self._db.conn.execute("vacuum")
            busy, *_ = self._db.conn.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.Error as error:
            if (why := _reason(error)) is None:
                raise
            raise StoreError(
                f"{self.path}: done, but the file may still hold what was deleted, until a later deletion or "
                f"correction rewrites it ({why.partition(';')[0]})"
            ) from error
        if busy:
            raise StoreError(
                f"{self.path}: done, but the log beside it still holds what was deleted until the other "
                "program that has the database open closes it"
            )

    def load(self, meeting: str) -> Analysis:
        """A meeting by its id, or by a beginning of the id that only it has. Raises StoreError."""
        from meetsense.store.read import read

        with _translated(self.path):
            return read(self._db.conn, self.resolve(meeting))

    def resolve(self, meeting: str) -> str:
        """The whole id that begins so. Raises StoreError when there is none, or more than one."""
        ids = [
            row[0] for row in self._db.conn.execute("select id from meetings") if row[0].startswith(meeting)
        ]
        if len(ids) == 1 or meeting in ids:
            return meeting if meeting in ids else ids[0]
        if not ids:
            for parked in self.parked():
                if parked.id.startswith(meeting):
                    raise StoreError(f"meeting {parked.id} is parked: {parked.reason}; then analyse it again")
            for recording in self.recordings():
                if recording.id.startswith(meeting) and recording.state in _OWED:
                    owed = _OWED[recording.state].format(id=recording.id, reason=recording.reason)
                    raise StoreError(f"recording {recording.id} {owed}")
            raise StoreError(f"no meeting {meeting!r} in {self.path}; list them with: meetsense meetings")
        raise StoreError(f"{len(ids)} meetings begin with {meeting!r}; give more of the id")

    def meetings(self) -> tuple[Listed, ...]:
        """All meetings, the latest first."""
        rows = self._db.conn.execute(
            """select id, title, started_at, duration,
                      (select count(*) from speakers where meeting = m.id),
                      (select count(*) from decisions where meeting = m.id)
               from meetings m order by started_at desc, id"""
        )
        return tuple(Listed(r[0], r[1], datetime.fromisoformat(r[2]), r[3], r[4], r[5]) for r in rows)

    def search(self, words: str, *, limit: int = 50) -> tuple[Found, ...]:
        """Utterances that hold all the words, best first. Any text is a valid search."""
        query = " ".join('"' + word.replace('"', '""') + '"' for word in words.replace("\0", " ").split())
        if not query:
            return ()
        rows = self._db.conn.execute(
            """select m.id, m.title, m.started_at, u.number, u.start, coalesce(p.name, s.label), u.text
               from utterances_fts f
               join utterances u on u.id = f.rowid
               join meetings m on m.id = u.meeting
               join speakers s on s.id = u.speaker
               left join people p on p.id = s.person
               where utterances_fts match ? order by f.rank, m.started_at desc, u.id limit ?""",
            (query, limit),
        )
        return tuple(
            Found(r[0], r[1], datetime.fromisoformat(r[2]), r[3], r[4], r[5], r[6]) for r in rows.fetchall()
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the file into one line; a bug in our SQL keeps its traceback."""
    try:
        yield
    except sqlite3.Error as error:
        if why := _reason(error):
            raise StoreError(f"{path}: {why}") from error
        raise


_OWED = {
    RecordingState.RECORDING: "is still being made",
    RecordingState.QUEUED: "waits to be analysed",
    RecordingState.PROCESSING: "is being analysed",
    RecordingState.FAILED: (
        "could not be analysed: {reason}; to try again: meetsense run process --again {id}"
    ),
}
"""Why there is no meeting of a recording yet."""
_REASONS = {
    "SQLITE_BUSY": "another program is writing; try again",
    "SQLITE_LOCKED": "another program is writing; try again",
    "SQLITE_FULL": "the disk is full; nothing was changed",
    "SQLITE_IOERR": "the disk failed; nothing was changed",
    "SQLITE_READONLY": "may not be written; check its permissions",
    "SQLITE_CANTOPEN": "cannot be opened; check the path and its permissions",
    "SQLITE_NOTADB": "not a database; name another file with --db",
    "SQLITE_CORRUPT": "the database is damaged; restore it from a backup",
}


def _reason(error: sqlite3.Error) -> str | None:
    name = getattr(error, "sqlite_errorname", "") or ""
    return next((why for code, why in _REASONS.items() if name.startswith(code)), None)


def _connect(path: Path, *, create: bool, patience: float) -> Database:
    _prepare(path, create=create)
    deadline = time.monotonic() + patience
    with _translated(path):
        while True:
            try:
                return _open(path, patience)
            except sqlite3.OperationalError as error:
                # SQLite doesn't wait for a lock that turns from reading into writing, as in a migration.
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)


def _is_busy(error: sqlite3.Error) -> bool:
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _open(path: Path, patience: float) -> Database:
    library.load()
    from sqlite_utils import Database

    from meetsense.store.migrations import migrations

    connection = sqlite3.connect(path, timeout=patience)
    try:
        for pragma in _pragmas():
            connection.execute(pragma)
        db = Database(connection)
        _check(path, db, [migration.name for migration in migrations._migrations])
        _migrate(db)
    except BaseException:
        connection.close()
        raise
    return db


def _pragmas() -> Iterator[str]:
    yield "pragma journal_mode=wal"
    yield "pragma synchronous=full"
    yield "pragma foreign_keys=on"
    yield "pragma secure_delete=on"


def _prepare(path: Path, *, create: bool) -> None:
    """See that the file is there, readable by its owner alone."""
    try:
        if path.is_dir():
            raise StoreError(f"{path}: is a directory; name a database file with --db")
        if path.exists():
            return
        if not create:
            raise StoreError(
                f"{path}: no database there yet; analyse a meeting (meetsense analyze FILE) or make somebody "
                "known (meetsense people add NAME) first"
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened or created ({error.strerror})") from None


def _check(path: Path, db: Database, known: Sequence[str]) -> None:
    """Refuse somebody else's database, and one from a newer program."""
    tables = set(db.table_names())
    if not tables:
        return
    if "_sqlite_migrations" not in tables:
        raise StoreError(f"{path}: not a meetsense database; name another file with --db")
    applied = {
        row[0]
        for row in db.conn.execute("select name from _sqlite_migrations where migration_set = 'meetsense'")
    }
    if newer := sorted(applied - set(known)):
        raise StoreError(f"{path}: written by a newer meetsense ({newer[-1]}); update this program")
    if not applied and len(tables) > 1:
        raise StoreError(f"{path}: not a meetsense database; name another file with --db")


def _migrate(db: Database) -> None:
    from meetsense.store.migrations import migrations

    if not migrations.pending(db):
        return
    try:
        migrations.apply(db)
    except sqlite3.Error:
        if migrations.pending(db):  # not merely another process that was faster
            raise
