"""Recordings in the store: a mirror that may be told anything twice, and a queue that two may ask."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meetsense.errors import StoreError
from meetsense.store import Store
from meetsense.values import (
    Agreement,
    Analysis,
    Basis,
    BasisKind,
    Engines,
    Gap,
    GapKind,
    Meeting,
    Participant,
    Recording,
    RecordingState,
    Roster,
    Segment,
    Span,
    Speaker,
    Turn,
)
from tests.strategies import texts

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
CONSENT = Basis(BasisKind.CONSENT, ("Ada", "Bo"))
SEGMENTS = (Segment(0, "000000.flac", 960_000, "a" * 64), Segment(2, "000002.wav", 16_000, "b" * 64))
GAPS = (Gap(GapKind.PAUSE, 960_000, 32_000), Gap(GapKind.MUTED, 960_000, 160_000))
QUEUED, PROCESSING, DONE, FAILED = (
    RecordingState.QUEUED,
    RecordingState.PROCESSING,
    RecordingState.DONE,
    RecordingState.FAILED,
)


def recording(minutes: int = 0, state: RecordingState = RecordingState.RECORDING) -> Recording:
    started_at = START + timedelta(minutes=minutes)
    return Recording(f"r{minutes}", "Desk hours", "library", started_at, CONSENT, state=state)


def analysed(id: str = "r0", *names: str | None) -> Analysis:
    speakers = tuple(Speaker(f"S{i}", name) for i, name in enumerate(names or ("Ada", None)))
    turns = tuple(Turn(Span(i, i + 1), speaker.label) for i, speaker in enumerate(speakers))
    return Analysis(Meeting(id, "Desk hours", START, 60.0), Engines(), speakers, turns)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "meetsense.db") as opened:
        yield opened


def rows(store: Store, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(store.path) as conn:
        conn.execute("pragma foreign_keys=on")
        found = conn.execute(sql).fetchall()
    conn.close()
    return found


def queued(store: Store, *minutes: int) -> None:
    for minute in minutes or (0,):
        store.put_recording(recording(minute, QUEUED))


def taken(store: Store) -> Recording:
    """A recording that is being processed."""
    queued(store)
    found = store.claim()
    assert found is not None
    return found


NAMES = st.lists(texts.filter(str.strip), unique=True, max_size=4).map(tuple)
COUNTS = st.integers(0, 10**9)
BASES = st.builds(Basis, st.just(BasisKind.CONSENT), NAMES.filter(bool)) | st.builds(
    Basis, st.just(BasisKind.POLICY), NAMES, st.just("c" * 64)
)
RECORDINGS = st.builds(
    Recording,
    st.just("one"),
    texts,
    texts,
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    BASES,
    st.integers(1, 192_000),
    st.sampled_from(RecordingState),
    st.lists(
        st.builds(Segment, st.integers(0, 99), texts, COUNTS, texts), unique_by=lambda s: s.index, max_size=5
    ).map(lambda found: tuple(sorted(found, key=lambda s: s.index))),
    st.lists(
        st.builds(Gap, st.sampled_from(GapKind), st.integers(0, 9**9), st.integers(0, 9**9)), max_size=5
    ).map(lambda found: tuple(sorted(found, key=lambda g: g.position))),
    st.integers(0, 20),
    st.none() | texts,
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(made=RECORDINGS, later=RECORDINGS)
def test_a_recording_comes_back_and_is_replaced(store: Store, made: Recording, later: Recording) -> None:
    rows(store, "delete from recordings")
    for _ in range(2):
        store.put_recording(made)
        assert store.recordings() == (made,) == (store.recording("one"),)
    for _ in range(2):
        store.put_recording(later)
        found = store.recording("one")
        assert (found.segments, found.gaps) == (later.segments, later.gaps)
        assert found.basis == made.basis
        if made.state is not RecordingState.RECORDING:
            assert (found.state, found.reason) == (made.state, made.reason)


def test_the_mirror_of_a_recording_may_be_told_everything_twice(store: Store) -> None:
    made = recording()
    for _ in range(2):
        store.begin(made)
        for segment in SEGMENTS:
            store.segment("r0", segment)
        for gap in GAPS:
            store.gap("r0", gap)
    assert store.recordings() == (replace(made, segments=SEGMENTS, gaps=GAPS),)
    smaller = Segment(2, "000002.flac", 16_000, "c" * 64)
    store.segment("r0", smaller)
    assert store.recording("r0").segments == (SEGMENTS[0], smaller)
    store.end("r0", START + timedelta(minutes=2))
    store.end("r0", START + timedelta(minutes=3))
    assert store.recording("r0").state is QUEUED
    assert rows(store, "select ended_at from recordings") == [("2026-11-24T09:02:00+00:00",)]


def test_to_begin_again_changes_nothing(store: Store) -> None:
    queued(store)
    store.begin(replace(recording(), title="Another", basis=Basis(BasisKind.CONSENT, ("Cem",))))
    assert store.recordings() == (recording(0, QUEUED),)


def test_what_the_folder_has_no_more_goes(store: Store) -> None:
    whole = replace(recording(), segments=SEGMENTS, gaps=GAPS)
    store.put_recording(whole)
    forgotten = replace(whole, segments=SEGMENTS[:1], gaps=(Gap(GapKind.FORGOTTEN, 960_000, 48_000),))
    store.put_recording(forgotten)
    assert store.recording("r0") == forgotten
    assert rows(store, "select count(*) from segments") == [(1,)]


@pytest.mark.parametrize("state", [QUEUED, PROCESSING, DONE, FAILED])
def test_the_mirror_never_takes_a_recording_back(store: Store, state: RecordingState) -> None:
    store.put_recording(replace(recording(0, state), reason="why", attempts=2))
    for other in RecordingState:
        store.put_recording(recording(0, other))
    store.end("r0", START)
    found = store.recording("r0")
    assert (found.state, found.reason, found.attempts) == (state, "why", 2)


def test_a_recording_that_is_nowhere(store: Store) -> None:
    for act in (
        lambda: store.recording("x"),
        lambda: store.segment("x", SEGMENTS[0]),
        lambda: store.gap("x", GAPS[0]),
        lambda: store.end("x", START),
        lambda: store.release("x", "why", limit=3),
        lambda: store.fail("x", "why"),
        lambda: store.requeue("x"),
        lambda: store.save(analysed(), recording="x"),
    ):
        with pytest.raises(StoreError, match=r"^no recording 'x' in the database$"):
            act()
    assert store.meetings() == ()


def test_the_queue_is_in_the_order_of_time(store: Store) -> None:
    queued(store, 2, 0, 1)
    store.put_recording(replace(recording(3, QUEUED), started_at=START + timedelta(microseconds=5)))
    store.begin(recording(-1))
    east = timezone(timedelta(hours=12))
    store.put_recording(replace(recording(4, QUEUED), started_at=START.astimezone(east) - timedelta(hours=1)))
    order = [made.id for made in store.recordings(QUEUED)]
    assert order == ["r4", "r0", "r3", "r1", "r2"]
    claimed = []
    while (found := store.claim()) is not None:
        assert (found.state, found.attempts) == (PROCESSING, 1)
        claimed.append(found.id)
    assert claimed == order
    assert [made.id for made in store.recordings(RecordingState.RECORDING)] == ["r-1"]


def test_it_is_tried_so_often_and_then_parked(store: Store) -> None:
    queued(store)
    for attempt in (1, 2):
        assert store.claim() == replace(
            recording(0, PROCESSING), attempts=attempt, reason="bad" if attempt > 1 else None
        )
        assert store.release("r0", "bad", limit=3) is QUEUED
    assert store.claim() is not None
    assert store.release("r0", "worse", limit=3) is FAILED
    assert store.release("r0", "late", limit=3) is FAILED
    assert store.recording("r0") == replace(recording(0, FAILED), attempts=3, reason="worse")
    assert store.claim() is None
    store.requeue("r0")
    assert store.recording("r0") == recording(0, QUEUED)
    with pytest.raises(StoreError, match=r"recording r0 is queued: only one that failed"):
        store.requeue("r0")


def test_what_was_not_its_fault_does_not_count(store: Store) -> None:
    taken(store)
    assert store.release("r0", "stopped", limit=1, counted=False) is QUEUED
    assert store.recording("r0") == recording(0, QUEUED)
    store.fail("r0", "consent was withdrawn")
    assert store.recording("r0") == replace(recording(0, FAILED), reason="consent was withdrawn")
    store.fail("r0", "again")
    assert store.recording("r0").reason == "consent was withdrawn"


def test_two_never_get_the_same(store: Store) -> None:
    queued(store, *range(40))
    claimed: list[str] = []

    def work() -> None:
        with Store(store.path) as own:
            while (found := own.claim()) is not None:
                claimed.append(found.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"r{minute}" for minute in range(40))


def test_a_writer_waits_for_another_one(store: Store) -> None:
    """A transaction that reads before it writes isn't refused because somebody wrote in between."""
    queued(store)
    errors: list[BaseException] = []

    def mirror() -> None:
        try:
            with Store(store.path) as own:
                for number in range(60):
                    own.segment("r0", Segment(number, f"{number}.wav", 1, "d"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=mirror) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        store.state("Ada", Agreement.RECORDING, True, "asked")
        store.release("r0", "why", limit=3)
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store.recording("r0").segments) == 60


def test_a_result_and_its_recording_are_done_together(store: Store) -> None:
    taken(store)
    store.save(analysed(), recording="r0")
    assert store.recording("r0") == replace(recording(0, DONE), attempts=1)
    assert store.load("r0") == analysed()
    assert rows(store, "select meeting from recordings") == [("r0",)]


def test_to_save_again_replaces(store: Store) -> None:
    taken(store)
    store.save(analysed(), recording="r0")
    store.save(analysed("other", None), recording="r0")
    store.save(analysed("other", "Bo"), recording="r0")
    assert [meeting.id for meeting in store.meetings()] == ["other"]
    assert store.load("other") == analysed("other", "Bo")
    assert rows(store, "select meeting, state from recordings") == [("other", "done")]
    assert rows(store, "select count(*) from turns") == [(1,)]


@pytest.mark.parametrize("state", [RecordingState.RECORDING, QUEUED, FAILED])
def test_no_result_of_what_is_not_being_processed(store: Store, state: RecordingState) -> None:
    store.put_recording(recording(0, state))
    with pytest.raises(
        StoreError, match=f"recording r0 is {state} and not being processed: nothing was saved"
    ):
        store.save(analysed(), recording="r0")
    assert store.meetings() == ()
    assert store.recording("r0").state is state


def test_a_save_that_fails_leaves_it_in_processing(store: Store) -> None:
    taken(store)
    stranger = replace(analysed(), turns=(Turn(Span(0, 1), "nobody"),))
    with pytest.raises(KeyError):
        store.save(stranger, recording="r0")
    assert store.recording("r0").state is PROCESSING
    assert store.meetings() == ()


KILLED = """
import os, sys
from pathlib import Path
from meetsense.store import Store, recordings
from tests.store.test_recordings import analysed
moment = sys.argv[2]
def killed(*_):
    os.kill(os.getpid(), 9)
with Store(Path(sys.argv[1])) as store:
    assert store.claim() is not None or moment == "again"
    if moment == "before":
        recordings.done = killed
    store.save(analysed(), recording="r0")
    killed()
"""


@pytest.mark.parametrize(("moment", "state"), [("before", PROCESSING), ("after", DONE)])
def test_killed_around_the_commit(store: Store, moment: str, state: RecordingState) -> None:
    queued(store)
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.path), moment], cwd=root, check=False)
    assert done.returncode == -9
    assert store.recording("r0").state is state
    assert [meeting.id for meeting in store.meetings()] == (["r0"] if state is DONE else [])
    assert rows(store, "pragma integrity_check") == [("ok",)]
    subprocess.run([sys.executable, "-c", KILLED, str(store.path), "again"], cwd=root, check=False)
    assert store.recording("r0").state is DONE
    assert store.load("r0") == analysed()
    assert rows(store, "select count(*) from meetings") == [(1,)]


def test_who_refuses_to_be_named_meanwhile_is_not(store: Store) -> None:
    taken(store)
    store.state("Ada", Agreement.NAMED, False, "letter")
    roster = Roster((Participant("Ada", label="S0"), Participant("Bo", label="S1")))
    store.save(analysed("r0", "Ada", "Bo"), roster, recording="r0")
    assert [speaker.name for speaker in store.load("r0").speakers] == [None, "Bo"]


def test_what_people_agreed_to(store: Store) -> None:
    store.state("Ada", Agreement.RECORDING, True, "asked")
    store.state("Bo", Agreement.RECORDING, True, "asked")
    store.state("Bo", Agreement.RECORDING, False, "letter")
    store.add_person("Cem")
    store.state("Cem", Agreement.TRANSCRIPTION, True, "asked")
    people = ("Ada", "Bo", "Cem", "Dee", "Ada", "")
    assert store.agreed(people, Agreement.RECORDING) == {"Ada": True, "Bo": False}
    assert store.agreed((), Agreement.RECORDING) == {}


def test_who_is_deleted_is_nobody_any_more(store: Store) -> None:
    store.state("Ada", Agreement.RECORDING, True, "asked")
    queued(store)
    store.fail("r0", "Ada withdrew")
    store.forget_person("Ada")
    assert store.recording("r0").basis.people == ("", "Bo")
    store.put_recording(recording(0, QUEUED))  # the folder still has the name
    assert store.recording("r0").basis.people == ("", "Bo")
    assert store.agreed(("", "Ada"), Agreement.RECORDING) == {}
    files = [path.read_bytes() for path in store.path.parent.iterdir()]
    assert not any(b"Ada" in data for data in files)


def test_people_who_are_added(store: Store) -> None:
    assert store.add_person("Ada", "chair")
    assert not store.add_person("Ada")
    assert store.roles(["Ada", "Bo"]) == {"Ada": "chair"}
    assert not store.add_person("Ada", "member")
    assert store.roles(["Ada"]) == {"Ada": "member"}
    assert store.add_person("Bo")
    assert store.roles(["Ada", "Bo"]) == {"Ada": "member"}
    assert store.statements() == ()
    store.forget_person("Ada")
    assert [person.name for person in store.people()] == ["Bo"]


def test_the_view_for_people(store: Store) -> None:
    store.put_recording(replace(recording(), segments=SEGMENTS, gaps=GAPS))
    (seen,) = rows(store, "select title, room, state, seconds, missing, recording_id from recorded")
    assert seen == ("Desk hours", "library", "recording", 61.0, 2.0, "r0")


def test_nothing_of_a_meeting_goes_with_its_recording(store: Store) -> None:
    taken(store)
    store.save(analysed(), recording="r0")
    rows(store, "delete from meetings")
    assert store.recording("r0").state is DONE
    assert rows(store, "select meeting from recordings") == [(None,)]


def test_a_full_disk_changes_nothing(store: Store) -> None:
    taken(store)
    pages = store._db.conn.execute("pragma page_count").fetchone()[0]
    store._db.conn.execute(f"pragma max_page_count={pages}")
    many = Analysis(
        analysed().meeting,
        Engines(),
        (Speaker("S0"),),
        tuple(Turn(Span(i, i + 1), "S0") for i in range(5000)),
    )
    with pytest.raises(StoreError, match="the disk is full; nothing was changed"):
        store.save(many, recording="r0")
    with pytest.raises(StoreError, match="the disk is full; nothing was changed"):
        store.put_recording(
            replace(recording(), segments=tuple(replace(SEGMENTS[0], index=i) for i in range(5000)))
        )
    assert store.recordings() == (replace(recording(0, PROCESSING), attempts=1),)
    assert store.meetings() == ()
    store._db.conn.execute(f"pragma max_page_count={pages * 100}")
    store.save(many, recording="r0")
    assert store.load("r0") == many


def test_a_database_from_before_there_were_recordings(tmp_path: Path) -> None:
    from sqlite_utils import Database

    from meetsense.store.migrations import migrations

    path = tmp_path / "meetsense.db"
    conn = sqlite3.connect(path)
    migrations.apply(Database(conn), stop_before="m005_recordings")
    conn.execute("insert into people (name) values ('Ada')")
    conn.commit()
    conn.close()
    with Store(path) as store:
        queued(store)
        store.add_person("Ada", "chair")
        assert store.roles(["Ada"]) == {"Ada": "chair"}
        assert store.recordings() == (recording(0, QUEUED),)
        assert [person.name for person in store.people()] == ["Ada", "Bo"]


def test_what_waits_says_so_when_it_is_shown(store: Store) -> None:
    queued(store)
    said: dict[str, Callable[[], object]] = {
        "recording r0 waits to be analysed": lambda: None,
        "recording r0 is being analysed": store.claim,
        r"recording r0 could not be analysed: bad; .* meetsense run process --again r0": lambda: store.fail(
            "r0", "bad"
        ),
    }
    for line, act in said.items():
        act()
        with pytest.raises(StoreError, match=line):
            store.load("r0")
    store.begin(recording(1))
    with pytest.raises(StoreError, match="recording r1 is still being made"):
        store.load("r1")


class Queue(RuleBasedStateMachine):
    """Recorder, processor and people at one queue, in any order."""

    ids = st.sampled_from(["r0", "r1", "r2"])

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "meetsense.db")
        self.states: dict[str, tuple[RecordingState, int]] = {}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(id=ids)
    def begin(self, id: str) -> None:
        self.store.begin(recording(int(id[1:])))
        self.states.setdefault(id, (RecordingState.RECORDING, 0))

    @rule(id=ids, state=st.sampled_from([RecordingState.RECORDING, QUEUED, FAILED]))
    def mirror(self, id: str, state: RecordingState) -> None:
        self.store.put_recording(recording(int(id[1:]), state))
        if self.states.get(id, (RecordingState.RECORDING, 0))[0] is RecordingState.RECORDING:
            self.states[id] = (state, 0)

    @rule()
    def claim(self) -> None:
        found = self.store.claim()
        first = min((id for id, (state, _) in self.states.items() if state is QUEUED), default=None)
        assert (found and found.id) == first
        if first is not None:
            self.states[first] = (PROCESSING, self.states[first][1] + 1)

    @precondition(lambda self: self.states)
    @rule(data=st.data(), counted=st.booleans())
    def release(self, data: st.DataObject, counted: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.states)))
        state, attempts = self.states[id]
        if state is PROCESSING:
            fails = counted and attempts >= 2
            self.states[id] = (FAILED if fails else QUEUED, attempts if counted else attempts - 1)
        assert self.store.release(id, "why", limit=2, counted=counted) is self.states[id][0]

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def save(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.states)))
        state, attempts = self.states[id]
        if state in (PROCESSING, DONE):
            self.store.save(analysed(id), recording=id)
            self.states[id] = (DONE, attempts)
        else:
            with pytest.raises(StoreError):
                self.store.save(analysed(id), recording=id)

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.states)))
        if self.states[id][0] is FAILED:
            self.store.requeue(id)
            self.states[id] = (QUEUED, 0)

    @invariant()
    def the_states_are_those(self) -> None:
        found = {made.id: (made.state, made.attempts) for made in self.store.recordings()}
        assert found == self.states
        done = sorted(id for id, (state, _) in self.states.items() if state is DONE)
        assert sorted(meeting.id for meeting in self.store.meetings()) == done


TestQueue = Queue.TestCase
TestQueue.settings = settings(deadline=None, max_examples=25, stateful_step_count=20)
