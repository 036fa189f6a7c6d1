"""What a crash, a full disk or a driver that hangs leaves is finished, and forgotten when somebody asks."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from meetsense.capture.folder import Folder, this_boot
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.daemon.ending import Why
from meetsense.daemon.interrupted import LOST
from meetsense.daemon.recorder import Recorder
from meetsense.errors import ControlError
from meetsense.store import Store
from meetsense.values import Basis, BasisKind, GapKind, Recording, RecordingState
from tests.capture.ramp import RATE, ramp
from tests.daemon.room import missing
from tests.daemon.scene import Begin, Scene, World, begin, ended, gone, leaves, left, lost, world
from tests.waiting import soon

__all__ = ["begin", "left", "world"]
EARLIER = "20261124T080000Z-0123abcd"
SPOKEN = 5
"""Seconds that were recorded before a crash."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set, it lets the disk take no line of a ledger."""
    full = threading.Event()
    write = Folder._write

    def refuse(folder: Folder, lines: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(folder, lines)

    monkeypatch.setattr(Folder, "_write", refuse)
    yield full
    full.clear()


def crashed(recorder: Recorder, world: World, name: str = EARLIER, ago: float = 0) -> Folder:
    """A recording that a crash ended in the middle of its first segment, so many seconds ago."""
    began = world.wall() - timedelta(seconds=SPOKEN + ago)
    basis = Basis(BasisKind.CONSENT, ("Ada",))
    folder = Folder.create(
        recorder._shelf.root,
        Recording(name, "Desk hours", "Room 1", began, basis, RATE),
        boot=this_boot(),
        boottime=world.boottime() - SPOKEN - ago,
    )
    SegmentWriter(folder, RATE).write(ramp(1, SPOKEN * RATE))
    return folder


def row(recorder: Recorder, name: str) -> Recording | None:
    """What the database has of a recording."""
    with Store(recorder._settings.database) as store:
        return {found.id: found for found in store.recordings()}.get(name)


def test_what_a_crash_left_is_forgotten_before_it_is_recovered(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=10), resume_minutes=0)
    folder = crashed(recorder, world)
    assert recorder.forget(3) == pytest.approx(3, abs=0.01)
    recorder.take_up()
    assert soon(lambda: folder.ledger().end)
    assert folder.read().samples == pytest.approx(2 * RATE, abs=RATE / 100)
    assert missing(folder.read(), GapKind.FORGOTTEN) == pytest.approx(3, abs=0.01)


def stopped(recorder: Recorder, world: World, name: str, ago: float) -> Folder:
    """A recording that was stopped so many seconds ago, and waits to be analysed."""
    folder = crashed(recorder, world, name, ago)
    recover(folder)
    folder.end(world.wall(), Why.STOPPED)
    with Store(recorder._settings.database) as store:
        store.put_recording(folder.read())
    return folder


def test_all_that_was_recorded_in_that_time_is_forgotten(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=10))
    oldest = stopped(recorder, world, "20261124T060000Z-00000000", 60)
    older = stopped(recorder, world, "20261124T070000Z-00000000", 10)
    newest = stopped(recorder, world, EARLIER, 2)
    assert recorder.forget(12) == pytest.approx(2 + SPOKEN, abs=0.05)
    left = [folder.read().samples / RATE for folder in (oldest, older, newest)]
    assert left == pytest.approx([SPOKEN, SPOKEN - 2, 0], abs=0.05)
    with pytest.raises(ControlError, match="nothing was recorded in the last 1 s"):
        recorder.forget(1)


def test_what_is_analysed_of_that_time_is_told_and_the_rest_forgotten(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=10))
    older = stopped(recorder, world, "20261124T070000Z-00000000", 10)
    done = stopped(recorder, world, EARLIER, 2)
    with Store(recorder._settings.database) as store:
        assert store.claim() is not None
        store._db.conn.execute("update recordings set state = 'done' where id = ?", [done.id])
        store._db.conn.commit()
    with pytest.raises(
        ControlError, match=f"{done.id} is analysed already.*; {SPOKEN} s of other sound were"
    ):
        recorder.forget(3600)
    assert (older.read().samples, done.read().samples) == (0, SPOKEN * RATE)


def test_a_folder_has_one_object(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=10))
    folder = crashed(recorder, world)
    (interrupted,) = recorder._shelf.interrupted()
    assert recorder._shelf.folder(folder.id) is interrupted


def test_other_files_among_the_recordings_keep_nothing_from_its_row(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=10), resume_minutes=0)
    root = recorder._shelf.root
    folder = crashed(recorder, world)
    told = crashed(recorder, world, "20261124T070000Z-89abcdef")
    recover(told)
    told.end(world.wall(), Why.STOPPED)
    (root / "0-notes.txt").write_text("mine")
    (root / "lost+found").mkdir()
    damaged = root / "20200101T000000Z-00000000"
    (damaged / "ledger.jsonl").mkdir(parents=True)
    (damaged / "recording.json").write_text("{}")
    recorder.take_up()
    assert soon(lambda: (found := row(recorder, folder.id)) and found.state is RecordingState.QUEUED)
    assert soon(lambda: (found := row(recorder, told.id)) and found.state is RecordingState.QUEUED)
    assert (root / "0-notes.txt").read_text() == "mine"
    assert soon(lambda: recorder._adoption.owed == 2), "the damaged one: its end, and its row"


def test_a_row_whose_folder_is_gone_is_closed(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=10), resume_minutes=0)
    folder, other = crashed(recorder, world), crashed(recorder, world, "20261124T070000Z-89abcdef")
    with Store(recorder._settings.database) as store:
        store.put_recording(recover(folder))
        store.put_recording(recover(other))
    shutil.rmtree(folder.path)
    recorder.take_up()
    assert soon(lambda: (found := row(recorder, folder.id)) and found.state is RecordingState.FAILED)
    found = row(recorder, folder.id)
    assert found is not None
    assert found.reason == LOST
    assert found.duration == pytest.approx(SPOKEN, abs=0.01), "how much was lost can be seen"
    assert soon(lambda: (found := row(recorder, other.id)) and found.state is RecordingState.QUEUED)
    assert recorder._adoption.owed == 0


def test_a_locked_database_holds_up_no_look_for_long(begin: Begin, world: World, left: list[int]) -> None:
    """A tick waits less than whoever else asks the database: 30 s, after which the watchdog bites."""
    lose = lost()
    first = begin(Scene(loud=100, events={30: lose}))
    first.start(["Ada"])
    name = first.recording
    lose.free.set()
    assert leaves(first, left)
    gone(first)
    second = begin(Scene(loud=100))
    with closing(sqlite3.connect(second._settings.database, isolation_level=None)) as other:
        other.execute("pragma locking_mode = exclusive")
        assert soon(lambda: begun_alone(other))
        look = threading.Thread(target=second.take_up)
        look.start()
        assert soon(lambda: not look.is_alive())
        assert (second.state, second.recording) == ("waiting", name)
        other.execute("rollback")
    world.advance(RATE * 10)

    def goes_on() -> bool:
        second.tick()
        return second.state == "recording"

    assert soon(goes_on)


def begun_alone(conn: sqlite3.Connection) -> bool:
    """Whether a connection has the database to itself now."""
    try:
        conn.execute("begin exclusive")
    except sqlite3.OperationalError:
        return False
    return True


def test_stray_files_alone_are_no_alarm(begin: Begin) -> None:
    recorder = begin(Scene(loud=10))
    recorder._shelf.root.mkdir()
    (recorder._shelf.root / "notes.txt").write_text("mine")
    tried = threading.Event()
    mirror_ended = recorder._adoption._mirror_ended

    def mirrored() -> None:
        try:
            mirror_ended()
        finally:
            tried.set()

    recorder._adoption._mirror_ended = mirrored  # type: ignore[method-assign]
    recorder.take_up()
    assert tried.wait(20)
    assert not soon(lambda: recorder._adoption.owed, 0.3)


def test_what_is_finished_late_is_not_taken_for_the_last(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=float("inf")))
    old = crashed(recorder, world)
    recorder.start(["Ada"])
    recorder.stop()
    assert recorder.last is not None
    newest = recorder.last.folder
    recorder._adoption.start([old])
    assert soon(lambda: old.ledger().end)
    assert soon(lambda: row(recorder, old.id))
    assert recorder.last.folder is newest


def test_a_full_disk_counts_the_restart_once(
    begin: Begin, world: World, left: list[int], refusing: threading.Event
) -> None:
    lose = lost()
    first = begin(Scene(loud=100, events={30: lose}), resume_minutes=10)
    first.start(["Ada"])
    lose.free.set()
    assert leaves(first, left)
    gone(first)
    world.slept += 300
    second = begin(Scene(loud=60, events={5: refusing.clear}), resume_minutes=10, stop_after_minutes=1)
    refusing.set()
    second.take_up()
    assert second.recording is not None
    held = ended(second)
    assert missing(held, GapKind.RESTART) == pytest.approx(300, abs=2)


def test_an_end_that_the_disk_refuses_is_told_and_made_up_for(
    begin: Begin, refusing: threading.Event
) -> None:
    recorder = begin(Scene(loud=float("inf")))
    recorder.start(["Ada"])
    name = recorder.recording
    refusing.set()
    recorder.stop()
    told = recorder.status()
    assert told["last"]["recording"] == name
    assert any(alarm.startswith("disk: ") for alarm in told["alarms"])
    refusing.clear()
    recorder.tick()
    assert recorder.status()["alarms"] == []
    assert recorder.last is not None
    end = recorder.last.folder.ledger().end
    assert end is not None
    assert end.why == Why.STOPPED


def test_a_driver_that_hangs_at_the_stop_ends_the_process(begin: Begin, left: list[int]) -> None:
    free = threading.Event()
    reached = threading.Event()

    def hang() -> None:
        reached.set()
        free.wait(60)

    recorder = begin(Scene(loud=100, events={30: hang}))
    recorder.start(["Ada"])
    assert reached.wait(20)
    recorder.stop()
    assert recorder.hangs
    assert soon(lambda: left == [75])
    free.set()
    assert recorder.last is not None
    assert recorder.last.why in (Why.STOPPED, Why.LOST)


def test_what_is_being_stopped_does_not_go_on_after_a_restart(begin: Begin, left: list[int]) -> None:
    lose = lost()
    recorder = begin(Scene(loud=100, events={30: lose}))
    recorder.start(["Ada"])
    session = recorder._session
    assert session is not None
    looked = threading.Thread(target=recorder.tick)
    with recorder._command():  # of somebody who stops it
        lose.free.set()
        assert session.capture.wait(20) is not None
        looked.start()
        assert not soon(lambda: left, 0.3)
        recorder._finish(session, Why.STOPPED)
    looked.join(20)
    assert left == []
    end = session.folder.ledger().end
    assert end is not None
    assert end.why == Why.STOPPED


def test_nothing_begins_while_the_recorder_ends(begin: Begin) -> None:
    recorder = begin(Scene(loud=10))
    recorder.close()
    with pytest.raises(ControlError, match="the recorder is ending"):
        recorder.start(["Ada"])
    assert list(recorder._shelf.names()) == []


def test_a_start_that_fails_for_whatever_reason_leaves_no_folder(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_threads(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    recorder = begin(Scene(loud=10))
    monkeypatch.setattr("meetsense.daemon.recorder.Capture.start", no_threads)
    with pytest.raises(RuntimeError):
        recorder.start(["Ada"])
    assert list(recorder._shelf.names()) == []
    assert recorder.state == "idle"


def test_the_database_gets_no_recording_to_analyse_that_may_not_be(begin: Begin, world: World) -> None:
    recorder = begin(Scene(loud=10))
    folder = crashed(recorder, world)
    recorder._adopted(folder, Why.BASIS)
    recorder.mirror.drain()
    with Store(recorder._settings.database) as store:
        store._db.conn.execute("delete from recordings")
        store._db.conn.commit()
    recorder.forget(2)
    found = row(recorder, folder.id)
    assert found is not None
    assert found.state is RecordingState.FAILED
