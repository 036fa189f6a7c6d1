"""A disk that fills up while a meeting is recorded, and has room again."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from meetsense.capture import disk
from meetsense.capture.folder import Folder
from meetsense.values import GapKind
from tests.capture import sound_server
from tests.capture.sound_server import Server
from tests.daemon.room import Room, missing, noise, play, server
from tests.small_disk import small_disk
from tests.waiting import soon

__all__ = ["server"]
pytestmark = sound_server.needed

BLOCK = 0.5
"""Seconds: more than a block of sound, and than a look at the status takes."""


@pytest.fixture
def small(server: Server, tmp_path: Path) -> Iterator[Room]:
    """A room whose state directory is a small disk of its own; somebody makes a noise in it."""
    with tempfile.TemporaryDirectory(prefix="ms-") as directory:
        room = Room(Path(directory), server.env)
        with small_disk(room.state, "8M"):
            try:
                room.agree("Ada", "Bo")
                with play(server, noise(tmp_path / "noise.wav", 120)) as player:
                    try:
                        yield room
                    finally:
                        player.terminate()
            finally:
                room.close()


def fill(room: Room) -> Path:
    """Leave no byte free; what takes the room."""
    ballast = room.state / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            while True:
                try:
                    file.write(os.urandom(size))
                except OSError:
                    break
    return ballast


def sound(folder: Folder) -> NDArray[np.int16]:
    """Every sample of the closed segments, each as its hash says it is."""
    parts = []
    for segment in folder.read().segments:
        path = folder.path / segment.file
        assert disk.sha256_of(path) == segment.sha256
        parts.append(soundfile.read(path, dtype="int16")[0])
    return np.concatenate(parts)


def full(room: Room) -> bool:
    """Whether the recorder says that the disk has no room."""
    return any(alarm.startswith("disk: ") for alarm in room.status()["alarms"])


def test_a_full_disk_loses_nothing_that_was_recorded_and_is_waited_for(small: Room) -> None:
    small.start()
    recording = small.record()
    small.heard(3)
    assert not full(small)
    ballast = fill(small)
    assert soon(lambda: full(small)), small.log.read_text()
    began = time.monotonic()
    told = small.status()
    assert (told["state"], told["recording"]) == ("recording", recording)
    time.sleep(2)
    kept = small.status()["audio_seconds"]
    assert kept == told["audio_seconds"] >= 3
    waited = time.monotonic() - began
    ballast.unlink()
    small.heard(kept + 2)
    assert not full(small)
    assert small.status()["recording"] == recording
    small.ask("stop")
    assert soon(small.queued, 60)
    held = small.folder().read()
    assert small.rows() == (held,)
    assert missing(held, GapKind.DISK) > waited - BLOCK
    assert {gap.kind for gap in held.gaps if gap.missing} == {GapKind.DISK}
    samples = sound(small.folder())
    assert len(samples) == held.samples >= (kept + 2) * held.rate
    (gap,) = [gap for gap in held.gaps if gap.missing]
    assert gap.position >= 3 * held.rate
    assert len(np.flatnonzero(samples[gap.position - held.rate : gap.position])) > 0.9 * held.rate


def test_a_recorder_that_is_killed_on_a_full_disk_comes_up_there_and_keeps_what_it_has(small: Room) -> None:
    small.start()
    small.record()
    small.heard(3)
    ballast = fill(small)
    assert soon(lambda: full(small)), small.log.read_text()
    kept = small.status()["audio_seconds"]
    small.kill()
    small.start()
    assert small.status()["state"] in ("idle", "waiting", "recording")
    ballast.unlink()

    def whole() -> bool:
        return small.why() is not None or small.status()["state"] == "recording"

    assert soon(whole, 60), small.log.read_text()
    if small.why() is None:
        small.ask("stop")
    assert soon(small.queued, 60)
    samples = sound(small.folder())
    assert len(samples) == small.folder().read().samples >= kept * 16_000
