"""The recorder as a process, the slower tests: what quick ones of tests/daemon show in parts, shown whole."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.errors import ControlError
from meetsense.store import Store
from meetsense.values import GapKind
from tests.capture import sound_server
from tests.capture.sound_server import Server
from tests.daemon.room import Room, missing, plug, room, server
from tests.daemon.test_record import terminal
from tests.waiting import PATIENCE, soon

__all__ = ["room", "server"]
pytestmark = sound_server.needed


def test_wall_time_is_what_is_there_and_what_is_missing(room: Room) -> None:
    room.start()
    began = time.monotonic()
    room.record()
    for kill in (False, True, False, True):
        room.heard(room.status().get("synced_seconds", 0) + 1)
        if kill:
            room.kill()
            room.start()
        else:
            room.ask("pause")
            time.sleep(0.5)
            room.ask("resume")
    assert soon(lambda: room.status()["state"] == "recording")
    told = room.status()
    wall = time.monotonic() - began
    assert wall - 2 < told["seconds"] < wall + 0.5
    assert set(told["missing_seconds"]) >= {"restart", "pause"}


def test_an_old_interrupted_recording_is_finished_without_a_hand(room: Room) -> None:
    room.configure(resume_minutes=0)
    room.start()
    room.record()
    room.heard(1)
    room.kill()
    room.start()
    room.wait_for_end("crash")
    assert soon(room.queued)
    assert room.status()["state"] == "idle"
    assert room.folder().read().duration >= 1


def test_what_a_crash_left_waits_for_a_database_that_works(room: Room) -> None:
    room.configure(resume_minutes=0)
    room.start()
    room.record()
    room.heard(1)
    room.kill()
    database = room.state / "meetsense.db"
    kept = {path: path.read_bytes() for path in room.state.glob("meetsense.db*")}
    database.write_bytes(b"no database" * 1000)
    room.start()
    assert soon(lambda: any("recovery" in alarm for alarm in room.status()["alarms"]))
    assert room.why() is None
    for path, content in kept.items():
        path.write_bytes(content)
    assert soon(room.why, 90)
    assert room.why() == "crash"


def test_another_microphone_in_its_place_is_not_listened_to(room: Room, server: Server) -> None:
    plug(server, "attic")
    daemon = room.start()
    room.record()
    room.heard(1)
    server.unplug("room")
    assert daemon.wait(20) == 75
    room.start()
    time.sleep(1)
    assert room.status()["state"] == "waiting"
    room.ask("stop")
    assert room.why() == "stopped"
    assert room.status()["state"] == "idle"


def test_a_sound_server_that_hangs_at_the_start_is_told_and_ends_the_process(
    room: Room, server: Server
) -> None:
    daemon = room.start()
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(ControlError, match="hangs"):
            room.record()
        assert daemon.wait(20) == 75
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert room.folders == []


def test_a_recorder_that_was_stopped_for_seconds_has_or_counts_them(room: Room) -> None:
    daemon = room.start()
    began = time.monotonic()
    room.record()
    room.heard(1)
    daemon.send_signal(signal.SIGSTOP)
    time.sleep(4)
    daemon.send_signal(signal.SIGCONT)
    assert soon(lambda: room.status()["seconds"] > time.monotonic() - began - 2)
    assert room.status()["state"] == "recording"


def test_a_database_that_is_busy_holds_no_sound_up(room: Room) -> None:
    room.start()
    room.record()
    with Store(room.state / "meetsense.db") as store:
        store._db.conn.execute("begin immediate")
        room.heard(3)
        room.ask("stop")
        store._db.conn.rollback()
    assert soon(room.queued, 60)
    assert room.rows() == (room.folder().read(),)


def test_descriptors_and_threads_do_not_grow(room: Room) -> None:
    daemon = room.start()

    def used() -> tuple[int, int]:
        process = Path(f"/proc/{daemon.pid}")
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))

    counts = []
    for _ in range(4):
        room.record()
        room.heard(0.5)
        room.ask("stop")
        assert soon(lambda: listeners_gone(room))
        counts.append(used())
    assert counts[-1] <= counts[1], counts


def listeners_gone(room: Room) -> bool:
    """Whether everything that belongs to the last recording has ended."""
    return room.status()["state"] == "idle" and room.queued()


def test_a_terminal_that_shows_nothing_any_more_ends_it(room: Room) -> None:
    with terminal(room, "record", "--with", "Ada") as screen:
        assert soon(lambda: "● recording" in screen.seen), screen.seen
        screen.press(b"\x13")  # Ctrl-S: what is written waits
        assert soon(lambda: room.folders and room.why() == "indicator")
        screen.press(b"\x11")
        assert screen.end() == 1


def test_the_daemons_commands_work_on_it(room: Room) -> None:
    with terminal(room, "record", "--with", "Ada") as screen:
        assert soon(lambda: "● recording" in screen.seen), screen.seen
        room.heard(2)
        assert "paused" in room.tell("pause")[1]
        assert soon(lambda: "paused" in screen.seen)
        room.tell("resume")
        assert "forgotten: 0:00:0" in room.tell("forget", "--last", "2s")[1]
        room.tell("stop")
        assert screen.end() == 0
    assert room.why() == "stopped"


def test_a_sound_server_that_hangs_is_told_in_one_line(room: Room, server: Server) -> None:
    server.process.send_signal(signal.SIGSTOP)
    try:
        _, err = room.tell("record", "--with", "Ada", code=1)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert "hangs" in err
    assert err.count("\n") == 1
    assert room.folders == []


def test_a_sound_server_that_hangs_while_it_records_ends_it(room: Room, server: Server) -> None:
    with terminal(room, "record", "--with", "Ada") as screen:
        assert soon(lambda: "● recording" in screen.seen), screen.seen
        room.heard(1)
        server.process.send_signal(signal.SIGSTOP)
        try:
            assert screen.end() == 1
        finally:
            server.process.send_signal(signal.SIGCONT)
    assert "gives no samples" in screen.seen
    assert room.why() == "lost"
    assert room.queued()


def test_the_command_line_says_what_the_recorder_does(room: Room) -> None:
    room.start()
    _, err = room.tell("start", "--with", "Ada", "--title", "Desk \x1b[31m hours", code=1)
    assert err == "meetsense: title must be a line of 1 to 200 characters\n"
    _, err = room.tell("start", "--with", "Ada", "--with", "Bo", "--title", "Desk hours")
    assert err == f"recording {room.status()['recording']}\n"
    room.heard(1)
    out, _ = room.tell("status")
    assert re.match(r"recording  0:00:0\d  ", out)
    assert "Desk hours  (consent, 2 present)" in out
    told = json.loads(room.tell("status", "--json")[0])
    assert told["state"] == "recording"
    assert "paused at 0:00:0" in room.tell("pause")[1]
    assert "recording" in room.tell("resume")[1]
    assert "forgotten: 0:00:0" in room.tell("forget", "--last", "1s")[1]
    assert "ended" in room.tell("stop")[1]
    assert soon(room.queued)
    out, _ = room.tell("status")
    told = r"idle\n  last: \S+  0:00:\d\d  ended: it was stopped\n1 recording to be analysed\n"
    assert re.fullmatch(told, out), out


def test_after_the_meeting_it_is_forgotten_too(room: Room) -> None:
    room.start()
    room.record()
    room.heard(3)
    room.ask("stop")
    assert soon(room.queued)
    whole = room.folder().read().samples
    _, err = room.tell("forget", "--last", "1h")
    assert "forgotten: 0:00:0" in err
    assert room.folder().read().samples == 0
    assert whole > 0
    assert room.rows() == (room.folder().read(),)
    with pytest.raises(ControlError, match="nothing was recorded in the last 0"):
        room.ask("forget", seconds=0.1)


def test_a_pause_outlives_a_kill(room: Room) -> None:
    room.start()
    room.record()
    room.heard(1)
    room.ask("pause")
    assert soon(lambda: room.status()["state"] == "paused")
    time.sleep(0.3)
    held = room.status()["audio_seconds"]
    room.kill()
    room.start()
    assert soon(lambda: room.status()["state"] == "paused")
    time.sleep(0.5)
    assert room.status()["audio_seconds"] == held
    room.ask("resume")
    room.heard(held + 0.5)
    room.ask("stop")
    assert missing(room.folder().read(), GapKind.PAUSE) > 0.3


def test_a_database_that_is_broken_holds_no_sound_up(room: Room) -> None:
    room.start()
    room.record()
    room.heard(1)
    database = room.state / "meetsense.db"
    kept = database.read_bytes()
    for path in room.state.glob("meetsense.db*"):
        path.unlink()
    database.write_bytes(b"no database" * 1000)
    room.heard(5)
    assert soon(lambda: any("database" in alarm for alarm in room.status()["alarms"]))
    room.ask("stop")
    assert room.why() == "stopped"
    database.write_bytes(kept)
    assert soon(room.queued, 60)
    assert room.rows() == (room.folder().read(),)


def test_a_status_file_that_cannot_be_written_ends_the_recording(room: Room) -> None:
    where = room.state / "shown"
    where.mkdir()
    room.configure(status_file=str(where / "status.json"))
    room.start()
    room.record()
    room.heard(1)
    assert json.loads((where / "status.json").read_text())["state"] == "recording"
    where.rename(room.state / "elsewhere")
    room.wait_for_end("indicator")


requests = st.one_of(
    st.binary(max_size=60),
    st.fixed_dictionaries(
        {"command": st.sampled_from(["start", "forget", "status", "pausee", ""]) | st.integers()},
        optional={
            "with": st.lists(st.text(max_size=5) | st.none(), max_size=3) | st.text(max_size=3),
            "title": st.text(max_size=5) | st.integers(),
            "seconds": st.sampled_from([-1, 0, float("nan"), float("inf"), True, "5m", None, 1e300]),
            "else": st.none(),
        },
    ).map(lambda request: json.dumps(request).encode()),
)


def test_nothing_on_the_socket_hurts_a_recording(room: Room) -> None:
    room.start()
    recording = room.record()
    sock = str(room.socket)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=requests, polite=st.booleans())
    def abuse(data: bytes, polite: bool) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, suppress(OSError):
            client.settimeout(5)
            client.connect(sock)
            client.sendall(data + b"\n" * polite)
            if polite:
                assert json.loads(client.recv(100_000))

    abuse()
    told = room.status()
    assert (told["state"], told["recording"]) == ("recording", recording)
    room.heard(told["synced_seconds"] + 1)
    room.ask("stop")
    held = room.folder().read()
    assert not [gap for gap in held.gaps if gap.missing]


def test_it_finishes_what_a_crash_left(room: Room) -> None:
    with room.run("record", "--with", "Ada", stderr=subprocess.DEVNULL) as first:
        assert soon(room.answers)
        room.heard(1)
        first.kill()
    assert room.why() is None
    with room.run("record", "--with", "Ada", stderr=subprocess.DEVNULL) as second:
        assert soon(lambda: len(room.folders) == 2)
        assert soon(lambda: room.folders[0].ledger().end)
        second.send_signal(signal.SIGINT)
        assert second.wait(PATIENCE) == 0
    assert room.queued()
    assert len(room.rows()) == 2
