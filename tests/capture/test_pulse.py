"""A real sound server, in real time: what is played is recorded, and what can't be trusted ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from meetsense.capture import wav
from meetsense.capture.folder import Folder
from tests.capture import sound_server
from tests.capture.alsa import ROOT
from tests.capture.ramp import RATE, begun, sound
from tests.capture.sound_server import ATTIC, ROOM, Server

pytestmark = sound_server.needed
OURS = str(ROOT / "src") + ":" + str(ROOT)


@dataclass
class Recorder:
    """A recorder that runs beside the test."""

    process: subprocess.Popen[str]

    def end(self) -> dict[str, Any]:
        """Close its standard input, which ends it; what it says then."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.ended()

    def ended(self) -> dict[str, Any]:
        """Wait until it has ended by itself; what it says then."""
        self.process.wait(20)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = self.process.stdout.read()
        assert said, self.process.stderr.read()
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
        return told


@contextmanager
def recorder(server: Server, folder: Folder, *options: str) -> Iterator[Recorder]:
    command = [sys.executable, "-m", "tests.capture.recorder", str(folder.path), "pulse", "--pulse", *options]
    env = server.env | {"PYTHONPATH": OURS}
    process = subprocess.Popen(
        command,
        env=env,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n", process.stderr.read() if process.stderr else ""
        yield Recorder(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def noise(seconds: float) -> NDArray[np.int16]:
    return np.random.default_rng(7).integers(-8_000, 8_000, round(seconds * RATE)).astype(np.int16)


def play(server: Server, samples: NDArray[np.int16], path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    subprocess.run(["paplay", "--device=room", str(path)], env=server.env, check=True, timeout=20)


def place_of(part: NDArray[np.int16], whole: NDArray[np.int16]) -> int | None:
    """Where a part lies in a whole, exactly."""
    starts = np.flatnonzero(whole[: len(whole) - len(part) + 1] == part[0])
    return next(
        (int(start) for start in starts if np.array_equal(whole[start : start + len(part)], part)), None
    )


def wait_for_sound(folder: Folder, seconds: float) -> None:
    """Until so much is in the first file: a machine that is busy takes its time."""
    path, end = folder.path / "000000.wav", time.monotonic() + 20.0
    while not path.exists() or wav.samples_in(path.stat().st_size) < seconds * RATE:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "recordings").mkdir()
    return begun(tmp_path / "recordings")


def test_what_is_played_in_the_room_is_recorded(folder: Folder, tmp_path: Path) -> None:
    played = noise(3.0)
    with sound_server.running() as server, recorder(server, folder) as recording:
        play(server, played, tmp_path / "played.wav")
        time.sleep(0.5)
        told = recording.end()
    assert told["end"] == "stopped"
    assert told["source"] == "room.monitor"
    assert place_of(played[RATE // 2 : RATE], sound(folder)) is not None
    assert place_of(played[-RATE:-800], sound(folder)) is not None
    assert told["missing"] == {}
    assert abs(told["seconds"] - told["elapsed"]) < 1.0  # opening, and what the device still holds at the end


def test_a_microphone_that_is_unplugged_is_not_replaced_by_another(folder: Folder) -> None:
    with sound_server.running(ROOM, ATTIC) as server, recorder(server, folder) as recording:
        wait_for_sound(folder, 3.0)
        server.unplug("room")
        told = recording.ended()
    assert told["end"] == "moved"
    assert "room.monitor to attic.monitor" in told["error"]
    assert told["missing"]["forgotten"] > 0
    assert told["samples"] == len(sound(folder))


def test_the_only_microphone_is_unplugged(folder: Folder) -> None:
    with sound_server.running() as server, recorder(server, folder) as recording:
        wait_for_sound(folder, 1.0)
        server.unplug("room")
        told = recording.ended()
    assert told["end"] in ("lost", "stuck", "moved")
    assert len(sound(folder)) > 0.5 * RATE


def test_a_server_that_hangs_ends_the_process(folder: Folder) -> None:
    with sound_server.running() as server, recorder(server, folder) as recording:
        wait_for_sound(folder, 1.0)
        os.kill(server.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        told = recording.ended()
        waited = time.monotonic() - began
    assert told["end"] == "stuck"
    assert recording.process.returncode == 75
    assert waited < 10.0
    assert len(sound(folder)) > 0.5 * RATE
    assert told["synced"] == told["samples"] == len(sound(folder))


def test_a_server_that_hangs_while_we_begin(folder: Folder) -> None:
    with sound_server.running() as server:
        os.kill(server.process.pid, signal.SIGSTOP)
        env = server.env | {"PYTHONPATH": OURS}
        command = [sys.executable, "-m", "tests.capture.recorder", str(folder.path), "pulse", "--pulse"]
        done = subprocess.run(
            command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=30, input=""
        )
    assert done.returncode == 75
    assert json.loads(done.stdout)["error"].startswith("opening the microphone hangs")


def test_a_server_that_dies(folder: Folder) -> None:
    with sound_server.running() as server, recorder(server, folder) as recording:
        wait_for_sound(folder, 1.0)
        server.process.kill()
        told = recording.ended()
    assert told["end"] in ("lost", "stuck")
    assert len(sound(folder)) > 0.5 * RATE


def test_the_machine_is_busy_and_the_disk_stalls_for_five_seconds(folder: Folder, tmp_path: Path) -> None:
    """Every core works, and an fdatasync takes 5 s: nothing is lost, or the ledger says how much."""
    played = noise(9.0)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        with sound_server.running() as server, recorder(server, folder, "--stall", "5") as recording:
            play(server, played, tmp_path / "played.wav")
            time.sleep(1.0)
            told = recording.end()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert told["end"] == "stopped"
    if told["missing"]:
        assert set(told["missing"]) == {"overflow"}
        assert abs(told["seconds"] - told["elapsed"]) < 1.0
    else:
        assert place_of(played[RATE : 8 * RATE], sound(folder)) is not None


def test_the_recorder_is_stopped_for_a_while(folder: Folder) -> None:
    """What the device couldn't hold meanwhile is in the ledger, and nobody takes it for stuck."""
    with sound_server.running() as server, recorder(server, folder) as recording:
        time.sleep(2.5)
        os.kill(recording.process.pid, signal.SIGSTOP)
        time.sleep(3.5)
        os.kill(recording.process.pid, signal.SIGCONT)
        time.sleep(3.0)
        told = recording.end()
    assert told["end"] == "stopped"
    assert abs(told["seconds"] - told["elapsed"]) < 1.0
