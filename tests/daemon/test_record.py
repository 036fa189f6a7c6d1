"""``meetsense record`` in a terminal, and on a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from meetsense.cli.record import meter, picture
from tests.capture import sound_server
from tests.capture.sound_server import Server
from tests.daemon.room import Room, listeners, room, server
from tests.waiting import PATIENCE, soon

__all__ = ["room", "server"]
pytestmark = sound_server.needed


class Terminal:
    """A terminal that a command runs in, and what was seen on it."""

    def __init__(self, room: Room, *words: str) -> None:
        self._room = room
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
        self.process = room.run(
            *words, stdin=side, stdout=side, stderr=side, start_new_session=True, preexec_fn=_take_terminal
        )
        os.close(side)
        self.seen = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):
            while got := os.read(self._main, 4096):
                self.seen += got.decode(errors="replace")

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._main, keys)

    def hang_up(self) -> None:
        """Close the window."""
        with suppress(OSError):
            os.close(self._main)

    def end(self) -> int:
        """Wait for the command; its exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(1)
        return status


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def terminal(room: Room, *words: str) -> Iterator[Terminal]:
    """A terminal that is gone in the end."""
    made = Terminal(room, *words)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait()
        made.hang_up()


def test_ctrl_c_finishes_and_queues(room: Room, server: Server) -> None:
    with terminal(room, "record", "--with", "Ada", "--with", "Bo", "--title", "Desk hours") as screen:
        assert soon(lambda: re.search(r"● recording.*0:00:0[2-9]", screen.seen)), screen.seen
        assert re.search(r"-\d+ dB", screen.seen)
        assert "Ctrl-C ends it" in screen.seen
        assert room.status()["state"] == "recording"
        screen.press(b"\x03")
        assert screen.end() == 0
        assert re.search(
            r"recorded \S+, 0:00:\d\d; analyse it with: meetsense run process --once", screen.seen
        )
    assert room.why() == "stopped"
    assert room.queued()
    (row,) = room.rows()
    assert (row.title, row.basis.people) == ("Desk hours", ("Ada", "Bo"))
    assert all(segment.file.endswith(".flac") for segment in row.segments)
    assert listeners(server) == 0


def test_a_window_that_is_closed_finishes_and_queues(room: Room) -> None:
    with terminal(room, "record", "--with", "Ada") as screen:
        assert soon(lambda: "● recording" in screen.seen), screen.seen
        screen.process.send_signal(signal.SIGHUP)
        screen.hang_up()
        screen.process.wait(PATIENCE)
    assert room.why() in ("stopped", "indicator")
    assert room.queued()


def test_the_gate_is_the_same(room: Room, server: Server) -> None:
    out, err = room.tell("record", "--with", "Ada", "--with", "Dora", code=1)
    assert out == ""
    assert err.count("\n") == 1
    assert "Dora" in err
    assert room.folders == []
    assert listeners(server) == 0


@pytest.mark.parametrize("title", ["", " ", "two\nlines", "\x1b[2J", "x" * 201, "\udcff"])
def test_a_title_is_a_line(room: Room, title: str) -> None:
    _, err = room.tell("record", "--with", "Ada", "--title", title, code=1)
    assert err == "meetsense: title must be a line of 1 to 200 characters\n"
    assert room.folders == []


def test_a_microphone_that_is_not_there_is_told_in_one_line(room: Room) -> None:
    with room.run(
        "record", "--with", "Ada", "--device", "no such microphone", stderr=subprocess.PIPE
    ) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"no microphone is called 'no such microphone'; there are: " in err
    assert room.folders == []


def test_a_pulled_microphone_ends_it_with_what_was_heard(room: Room, server: Server) -> None:
    with terminal(room, "record", "--with", "Ada") as screen:
        assert soon(lambda: "● recording" in screen.seen), screen.seen
        room.heard(1)
        server.unplug("room")
        assert screen.end() == 1
    assert room.why() == "lost"
    assert room.queued()
    assert room.folder().read().duration >= 1


def test_the_picture_has_a_meter_a_time_and_alarms() -> None:
    level = {"rms": -20.0, "peak": -6.0}
    shown = {"state": "recording", "seconds": 3725.0, "level": level, "alarms": ["muted: \x1b[2Jsilence"]}
    text = picture(shown).plain
    assert "● recording  1:02:05" in text
    assert " -20 dB" in text
    assert "muted: " in text
    assert "\x1b" not in text
    assert picture({"state": "starting", "at": ""}).plain.startswith("starting")


@pytest.mark.parametrize(("rms", "filled"), [(-120.0, 0), (-60.0, 0), (-30.0, 15), (0.0, 30), (6.0, 30)])
def test_the_meter_is_as_long_as_it_is_loud(rms: float, filled: int) -> None:
    assert meter(rms, rms).plain.count("█") == filled


def test_the_meter_warns_of_clipping() -> None:
    assert "too loud" in meter(-3.0, 0.0).plain
    assert "too loud" not in meter(-20.0, -6.0).plain
