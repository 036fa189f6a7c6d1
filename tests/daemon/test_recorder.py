"""The daemon as a process: started, commanded, killed, and begun again, with a sound server's microphone."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meetsense.errors import ControlError
from meetsense.store import Store
from meetsense.values import GapKind, RecordingState
from tests.capture import sound_server
from tests.capture.sound_server import Server
from tests.daemon.room import Room, listeners, manager, missing, noise, play, plug, processes_of, room, server
from tests.waiting import soon

__all__ = ["room", "server"]
pytestmark = sound_server.needed

BLOCK = 0.1
"""Seconds."""


def test_a_meeting_is_recorded_from_start_to_stop(room: Room, server: Server, tmp_path: Path) -> None:
    room.start()
    assert room.status()["state"] == "idle"
    assert listeners(server) == 0
    with play(server, noise(tmp_path / "noise.wav", 20)) as player:
        recording = room.record(title="Opening hours")
        room.heard(3)
        told = room.status()
        assert told["state"] == "recording"
        assert told["title"] == "Opening hours"
        assert -30 < told["level"]["rms"] < -10
        assert listeners(server) == 1
        told = room.ask("stop")
        player.terminate()
    assert told["state"] == "idle"
    assert told["last"]["recording"] == recording
    assert listeners(server) == 0
    assert soon(room.queued)
    (row,) = room.rows()
    assert row == room.folder().read()
    assert (row.id, row.title, row.basis.people) == (recording, "Opening hours", ("Ada", "Bo"))
    assert row.duration >= 3
    assert not [gap for gap in row.gaps if gap.missing]
    assert {segment.file for segment in row.segments} == {f"{n:06d}.flac" for n in range(len(row.segments))}
    assert room.kill(signal.SIGTERM) == 0


def test_nothing_is_heard_or_kept_of_who_has_not_agreed(room: Room, server: Server) -> None:
    room.start()
    room.agree("Cem")
    room.agree("Cem", agreed=False)
    for people in (["Ada", "Cem"], ["Ada", "Unknown"], []):
        with pytest.raises(ControlError) as refused:
            room.ask("start", **{"with": people})
        assert "\n" not in str(refused.value)
        assert room.status()["state"] == "idle"
    assert listeners(server) == 0
    assert room.folders == []
    out, err = room.tell("start", "--with", "Cem", code=1)
    assert out == ""
    assert re.fullmatch(r"meetsense: .*Cem.*meetsense consent grant Cem recording.*\n", err), err


def whole_calls(trace: str) -> Iterator[str]:
    """System calls in the order in which they ended; strace tells those of several threads in two parts."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        thread = line.split(maxsplit=1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
        elif "resumed>" in line:
            yield begun.pop(thread, "").rstrip() + line.partition("resumed>")[2]
        else:
            yield line


def test_the_basis_is_on_the_disk_before_any_sound(room: Room, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "trace=openat,rename,renameat,renameat2,fsync,fdatasync,pwrite64,write"
    room.start("strace", "-f", "-qq", "-y", "-e", calls, "-e", "signal=none", "-o", str(trace))
    with pytest.raises(ControlError):
        room.record("Unknown")
    assert "/recordings/" not in trace.read_text()
    room.record()
    room.heard(1)
    room.ask("stop")
    room.close()
    lines = [line for line in whole_calls(trace.read_text()) if "/recordings/" in line]
    sound = next(number for number, line in enumerate(lines) if ".wav" in line)
    before = "\n".join(lines[:sound])
    assert re.search(r"fsync\(\d+<[^>]*recording\.json\.new>\)\s+= 0", before)
    renamed = before.index("recording.json.new", before.index("rename"))
    folder = room.folders[0].path
    assert re.search(rf"fsync\(\d+<[^>]*{folder.name}>\)\s+= 0", before[renamed:])
    assert json.loads((folder / "recording.json").read_text())["basis"]["people"] == ["Ada", "Bo"]


def test_a_killed_recorder_goes_on_with_the_same_recording(room: Room) -> None:
    room.start()
    recording = room.record()
    room.heard(2.5)
    room.kill()
    held = room.folder().read()
    assert room.socket.exists()
    assert "ended without a word" in room.tell("status", code=1)[1]
    room.start()
    assert soon(lambda: room.status()["state"] == "recording")
    assert room.status()["recording"] == recording
    began = room.status()["synced_seconds"]
    assert began >= max(2.5, held.samples / held.rate)
    room.heard(began + 1)
    room.ask("stop")
    assert soon(room.queued)
    whole = room.folder().read()
    assert 0 < missing(whole, GapKind.RESTART) < 15
    assert [gap.kind for gap in whole.gaps if gap.missing] == [GapKind.RESTART]
    assert room.rows() == (whole,)


def test_a_second_recorder_ends_with_one_line(room: Room) -> None:
    daemon = room.start()
    _, err = room.tell("run", "capture", code=1)
    assert re.fullmatch(
        rf"meetsense: another recorder is running \(process {daemon.pid}, .*capture.lock\)\n", err
    )
    _, err = room.tell("record", "--with", "Ada", code=1)
    assert "another recorder is running" in err
    assert room.answers()


def test_sigterm_closes_the_last_segment(room: Room) -> None:
    room.start()
    room.record()
    room.heard(2)
    told = room.status()
    assert room.kill(signal.SIGTERM) == 0
    assert room.why() == "shutdown"
    assert room.folder().read().samples / 16_000 >= told["audio_seconds"]
    assert all(segment.sha256 for segment in room.folder().read().segments)
    assert not room.socket.exists()
    assert room.queued()


def test_withdrawn_consent_stops_and_forgets(room: Room, server: Server) -> None:
    room.start()
    room.record()
    room.heard(2.5)
    _, err = room.tell("consent", "withdraw", "Bo", "recording")
    assert "does not agree" in err
    room.wait_for_end("consent")
    assert room.folder().files() == {}
    held = room.folder().read()
    assert held.samples == 0
    assert missing(held, GapKind.FORGOTTEN) >= 2.5
    assert soon(lambda: room.rows()[0].state is RecordingState.FAILED)
    assert "withdrew their consent" in str(room.rows()[0].reason)
    assert listeners(server) == 0
    with pytest.raises(ControlError):
        room.record()
    assert "failed: " in room.tell("status")[0]


def test_consent_that_was_withdrawn_while_nobody_recorded_forgets_too(room: Room) -> None:
    room.start()
    room.record()
    room.heard(1)
    room.kill()
    room.agree("Ada", agreed=False)
    room.start()
    room.wait_for_end("consent")
    assert room.folder().files() == {}
    assert room.status()["state"] == "idle"


def test_a_basis_that_is_lost_ends_a_recording_and_keeps_it(room: Room) -> None:
    room.start()
    room.record()
    room.heard(1.5)
    with Store(room.state / "meetsense.db") as store:
        store.forget_person("Bo")
    room.wait_for_end("basis")
    assert room.folder().read().duration >= 1.5
    assert soon(lambda: room.rows()[0].state is RecordingState.FAILED)
    assert "can't be found any more" in str(room.rows()[0].reason)


def test_the_last_minutes_are_forgotten(room: Room) -> None:
    room.start()
    room.record()
    room.heard(4)
    told = room.ask("forget", seconds=2)
    assert 1.9 <= told["forgotten_seconds"] <= 2.1
    room.heard(told["synced_seconds"] + 1)
    before = room.folder().read()
    room.ask("stop")
    assert missing(room.folder().read(), GapKind.FORGOTTEN) >= 1.9
    assert before.samples < 16_000 * 4
    assert soon(room.queued)
    assert room.rows() == (room.folder().read(),)


def test_an_indicator_that_dies_ends_the_recording(room: Room) -> None:
    room.configure(indicator="sh -c 'exec cat > /dev/null'")
    daemon = room.start()
    room.record()
    room.heard(1)
    (lamp,) = [p for p in processes_of(daemon.pid) if Path(f"/proc/{p}/comm").read_text() == "cat\n"]
    began = time.monotonic()
    os.kill(lamp, signal.SIGKILL)
    room.wait_for_end("indicator")
    assert time.monotonic() - began < 5 + 5  # the bound of the promise, and a machine that is busy
    assert soon(room.queued)


def test_an_indicator_that_cannot_be_lit_lets_nothing_begin(room: Room, server: Server) -> None:
    lamp = room.state / "lamp"
    lamp.write_text("#!/bin/sh\nexec cat\n")
    lamp.chmod(0o700)
    room.configure(indicator=str(lamp))
    room.start()
    lamp.unlink()
    with pytest.raises(ControlError, match="the indicator's command can't be started"):
        room.record()
    assert room.folders == []
    assert listeners(server) == 0


def test_a_pulled_microphone_is_waited_for(room: Room, server: Server) -> None:
    daemon = room.start()
    recording = room.record()
    room.heard(1)
    server.unplug("room")
    assert daemon.wait(20) == 75
    shown = json.loads((room.socket.parent / "status.json").read_text())
    assert shown["state"] in ("lost", "moved", "stuck")
    room.start()
    assert room.status()["state"] == "waiting"
    plug(server, "attic")
    time.sleep(3)
    assert room.status()["state"] == "waiting", "it listens to another microphone"
    plug(server, "room")
    assert soon(lambda: room.status()["state"] == "recording")
    held = room.status()
    assert held["recording"] == recording
    assert held["missing_seconds"]["restart"] > 3
    room.heard(held["synced_seconds"] + 1)
    room.ask("stop")
    assert soon(room.queued)


def test_a_sound_server_that_hangs_ends_the_process(room: Room, server: Server) -> None:
    daemon = room.start()
    room.record()
    room.heard(2)
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert room.answers()  # the recorder is stuck, its socket isn't
        assert daemon.wait(20) == 75
    finally:
        server.process.send_signal(signal.SIGCONT)
    room.start()
    assert soon(lambda: room.status()["state"] == "recording")
    held = room.status()["synced_seconds"]
    room.heard(held + 1)


def test_what_is_to_be_encrypted_is_not_kept_otherwise(room: Room, tmp_path: Path) -> None:
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    room.configure(encrypt_to=str(identity.to_public()))
    room.start()
    room.record()
    room.heard(3)
    room.ask("stop")
    assert soon(room.queued)
    (row,) = room.rows()
    names = {path.name for path in room.folder().path.iterdir()}
    assert names == {"recording.json", "ledger.jsonl", *(segment.file for segment in row.segments)}
    assert all(segment.file.endswith(".flac.age") for segment in row.segments)
    for segment in row.segments:
        sealed = (room.folder().path / segment.file).read_bytes()
        assert pyrage.decrypt(sealed, [identity]).startswith(b"fLaC")


def test_the_log_holds_neither_titles_nor_names(room: Room) -> None:
    people = ("Zenobia Quill", "Xaver Oddname")
    room.agree(*people)
    room.start()
    with pytest.raises(ControlError):
        room.record("Zenobia Quill", "Vesper Stranger", title="Secret merger")
    room.record(*people, title="Secret merger")
    room.heard(1)
    for command in ("pause", "resume"):
        room.ask(command)
    room.ask("forget", seconds=1)
    room.kill()
    room.start()
    room.ask("stop")
    with pytest.raises(ControlError):
        room.ask("stop")
    room.kill(signal.SIGTERM)
    text = room.log.read_text() + (room.socket.parent / "status.json").read_text()
    assert "recording" in text
    for word in ("Zenobia", "Quill", "Xaver", "Oddname", "Vesper", "Stranger", "Secret", "merger"):
        assert word not in text


def test_systemd_is_told_and_its_watchdog_fed_by_sound(room: Room) -> None:
    with manager() as (address, ear):
        room.environment |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "4000000"}
        room.start()
        lines = [ear.recv(200).decode()]
        while "READY=1" not in lines:
            lines.append(ear.recv(200).decode())
        room.record()
        while lines.count("WATCHDOG=1") < 4 or "STATUS=recording" not in lines:
            lines.append(ear.recv(200).decode())
        room.kill(signal.SIGTERM)
        while "STOPPING=1" not in lines:
            lines.append(ear.recv(200).decode())


def test_commands_that_do_not_fit_get_one_line(room: Room) -> None:
    out, err = room.tell("status", code=1)
    assert (out, err.count("\n")) == ("", 1)
    assert "no recorder runs here; start it with: meetsense run capture" in err
    room.start()
    for command in ("stop", "pause", "resume"):
        with pytest.raises(ControlError, match="nothing is being recorded"):
            room.ask(command)
    room.record()
    with pytest.raises(ControlError, match="a recording is under way; end it first with: meetsense stop"):
        room.record()
    room.ask("pause")
    room.ask("pause")
    room.ask("resume")
    room.ask("resume")
