"""The store on real SQLite files: round trips, search, replacement, migrations, files that are not ours."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.errors import StoreError
from meetsense.store import Store
from meetsense.values import (
    Agreement,
    Analysis,
    Engines,
    Meeting,
    Participant,
    Roster,
    Span,
    Speaker,
    Turn,
    Utterance,
    Voiceprint,
)
from tests.strategies import analyses, texts

SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
MEETING = Analysis(
    Meeting("0123456789ab", "Planning", datetime(2026, 11, 23, 9, tzinfo=UTC), 60.0),
    Engines(),
    (Speaker("S1", "Ada", "chair"), Speaker("S2")),
    (Turn(Span(0.0, 2.0), "S1"), Turn(Span(2.0, 3.0), "S2")),
    (
        Utterance(0, "S1", Span(0.0, 2.0), "Shall we open the library on Sunday?"),
        Utterance(1, "S2", Span(2.0, 3.0), "Yes, café too."),
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "meetsense.db") as opened:
        yield opened


def rows(store: Store, sql: str) -> list[tuple[object, ...]]:
    return sqlite3.connect(store.path).execute(sql).fetchall()


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=SHARED,
)
@given(analysis=analyses(voices=True))
def test_a_meeting_comes_back_as_it_went_in(store: Store, analysis: Analysis) -> None:
    for person in {voice.heard.person for voice in analysis.recognised}:
        store.state(person, Agreement.VOICEPRINT, True, "asked")
        store.enrol(person, [Voiceprint(person, "x@1", (1.0,), 30.0)], "a.wav")
    store.save(analysis)
    assert store.load(analysis.meeting.id) == analysis


def test_saving_again_replaces_everything(store: Store) -> None:
    store.save(MEETING)
    shorter = replace(MEETING, utterances=MEETING.utterances[:1], turns=())
    store.save(shorter)
    assert store.load("0123") == shorter
    assert [found.number for found in store.search("library")] == [0]
    assert store.search("café") == ()
    assert rows(store, "select count(*) from turns") == [(0,)]


def test_a_failed_save_changes_nothing(store: Store) -> None:
    store.save(MEETING)
    stranger = replace(MEETING, turns=(Turn(Span(0, 1), "nobody"),))
    with pytest.raises(KeyError):
        store.save(stranger)
    assert store.load("0123456789ab") == MEETING


def test_search_finds_all_words_without_accents(store: Store) -> None:
    store.save(MEETING)
    (found,) = store.search("LIBRARY sunday")
    assert (found.meeting, found.speaker, found.start) == ("0123456789ab", "Ada", 0.0)
    assert [f.number for f in store.search("cafe")] == [1]
    assert store.search("library monday") == ()


@settings(deadline=None, max_examples=80, suppress_health_check=SHARED)
@given(words=st.text(max_size=30) | texts)
def test_any_text_is_a_valid_search(store: Store, words: str) -> None:
    store.search(words)


def test_ids_may_be_shortened_but_not_ambiguous(store: Store) -> None:
    store.save(MEETING)
    store.save(replace(MEETING, meeting=replace(MEETING.meeting, id="0123ffffffff")))
    assert store.load("01234") == MEETING
    with pytest.raises(StoreError, match="2 meetings begin with '0123'"):
        store.load("0123")
    with pytest.raises(StoreError, match="no meeting 'zz'"):
        store.load("zz")


def test_people_roles_and_agreements_stand(store: Store) -> None:
    agreed = frozenset({Agreement.RECORDING, Agreement.NAMED})
    roster = Roster((Participant("Ada", "chair", "S1", None, agreed), Participant("Bo", "member")))
    store.save(MEETING, roster)
    store.save(MEETING, roster)
    assert rows(store, "select name from people order by name") == [("Ada",), ("Bo",)]
    assert rows(store, "select purpose from agreements where agreed order by 1") == [
        ("named",),
        ("recording",),
    ]
    assert len(rows(store, "select * from agreements")) == len(Agreement)
    withdrawn = Roster((replace(roster.participants[0], agreed=frozenset({Agreement.RECORDING})),))
    store.save(MEETING, withdrawn)
    assert rows(store, "select agreed from agreements where purpose = 'named' order by id") == [(1,), (0,)]


def test_tables_have_keys_and_views_read(store: Store) -> None:
    store.save(MEETING)
    assert rows(store, "pragma foreign_key_check") == []
    assert rows(store, "select speaker, name, text from transcript")[0][:2] == ("S1", "Ada")
    assert rows(store, "select speaker, turns, seconds from talk") == [("S1", 1, 2.0), ("S2", 1, 1.0)]
    for view in ("decision_ledger", "figures"):
        assert rows(store, f"select * from {view}") == []


def test_the_file_is_private_and_durable(store: Store) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700
    assert rows(store, "pragma journal_mode") == [("wal",)]
    assert store._db.conn.execute("pragma synchronous").fetchone() == (2,)
    assert store._db.conn.execute("pragma foreign_keys").fetchone() == (1,)


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, only notes " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(text)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as conn:
        conn.execute("create table plants (name text)")
    before = other.read_bytes()
    with pytest.raises(StoreError, match="not a meetsense database"):
        Store(other)
    assert sqlite3.connect(other).execute("select name from sqlite_master").fetchall() == [("plants",)]
    assert len(other.read_bytes()) == len(before)
    with pytest.raises(StoreError, match="is a directory"):
        Store(tmp_path)
    with pytest.raises(StoreError, match="no database there yet"):
        Store(tmp_path / "none.db", create=False)


def test_a_newer_database_is_refused(store: Store) -> None:
    with sqlite3.connect(store.path) as conn:
        conn.execute("update _sqlite_migrations set name = 'm999_future' where name = 'm001_meetings'")
    with pytest.raises(StoreError, match="newer meetsense"):
        Store(store.path)


def test_a_busy_database_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetsense.store.BUSY_SECONDS", 0.05)
    with Store(store.path) as second:
        other = sqlite3.connect(store.path)
        other.execute("begin immediate")
        with pytest.raises(StoreError, match="another program is writing"):
            second.save(MEETING)
        other.rollback()
        second.save(MEETING)


def test_processes_may_create_it_at_once(tmp_path: Path) -> None:
    code = "import sys, pathlib, meetsense.store as s; s.Store(pathlib.Path(sys.argv[1])).close()"
    command = [sys.executable, "-c", code, str(tmp_path / "x.db")]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [(child.communicate()[1], child.returncode) for child in children] == [(b"", 0)] * 4
