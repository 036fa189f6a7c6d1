"""A room with a recorder in it: real processes, a real sound server, a socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meetsense.capture.folder import Folder
from meetsense.daemon.control import call
from meetsense.errors import ControlError
from meetsense.store import Store
from meetsense.values import Agreement, GapKind, Recording
from tests.capture import sound_server
from tests.capture.sound_server import Server
from tests.waiting import PATIENCE, soon

PEOPLE = ("Ada", "Bo")
PROGRAM = [sys.executable, "-c", "from meetsense.cli import main; main()"]


class Room:
    """Where one recorder runs at a time."""

    def __init__(self, directory: Path, environment: Mapping[str, str], **capture: object) -> None:
        self.state = directory / "state"
        self.socket = directory / "run" / "control.sock"
        self.config = directory / "config.toml"
        self.log = directory / "log"
        self.environment = dict(environment)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.state.mkdir(mode=0o700)
        self.configure(**capture)
        self.agree(*PEOPLE)

    def configure(self, **capture: object) -> None:
        """Write the configuration; keys are those of its section capture."""
        keys = {
            "device": "pulse",
            "segment_seconds": 2,
            "low_water_mb": 1,
            "socket": str(self.socket),
            **capture,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        self.config.write_text(
            f"state = {json.dumps(str(self.state))}\n[capture]\n" + "\n".join(lines) + "\n"
        )

    def agree(self, *people: str, agreed: bool = True) -> None:
        """Let people state whether they agree to be recorded."""
        with Store(self.state / "meetsense.db") as store:
            for person in people:
                store.state(person, Agreement.RECORDING, agreed, "a test")

    def run(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """A command of meetsense's, in the background."""
        at = words.index("--") if "--" in words else len(words)
        command = [*PROGRAM, *words[:at], "--config", str(self.config), *words[at + 1 :]]
        return subprocess.Popen(command, env={**self.environment, **options.pop("env", {})}, **options)

    def tell(self, *words: str, code: int = 0) -> tuple[str, str]:
        """What a command of meetsense's says on stdout and stderr."""
        with self.run(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == code, err.decode()
        return out.decode(), err.decode()

    def start(self, *before: str) -> subprocess.Popen[bytes]:
        """Start the daemon and wait until it answers; ``before``: a program that runs it."""
        with self.log.open("ab") as log:
            command = [*before, *PROGRAM, "run", "capture", "--config", str(self.config)]
            self.daemon = subprocess.Popen(command, env=self.environment, stderr=log, stdout=log)
        assert soon(self.answers), self.log.read_text()
        return self.daemon

    def answers(self) -> bool:
        """Whether a recorder answers, and has taken up what was interrupted."""
        with suppress(ControlError):
            return str(self.status()["state"]) != "starting"
        return False

    def ask(self, command: str, **fields: object) -> dict[str, Any]:
        """Send a command. Raises ControlError."""
        return call(self.socket, {"command": command, **fields}, 60.0)

    def record(self, *people: str, **fields: object) -> str:
        """Start a recording: its id."""
        told = self.ask("start", **{"with": list(people or PEOPLE), **fields})
        return str(told["recording"])

    def status(self) -> dict[str, Any]:
        """The recorder's."""
        return self.ask("status")

    def heard(self, seconds: float) -> None:
        """Wait until the recording holds so much sound, on the disk."""
        assert soon(lambda: self.status().get("synced_seconds", 0) >= seconds), self.log.read_text()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send the daemon a signal; its exit status."""
        assert self.daemon is not None
        self.daemon.send_signal(number)
        return self.daemon.wait(PATIENCE)

    def close(self) -> None:
        """End what runs, under whatever program it does."""
        if self.daemon is None:
            return
        for process in processes_of(self.daemon.pid) if self.daemon.poll() is None else ():
            os.kill(process, signal.SIGKILL)
        self.daemon.kill()
        self.daemon.wait()

    @property
    def folders(self) -> list[Folder]:
        """Of the recordings, oldest first."""
        return [Folder(path) for path in sorted((self.state / "recordings").glob("*"))]

    def folder(self) -> Folder:
        """Of the only recording."""
        (folder,) = self.folders
        return folder

    def rows(self) -> tuple[Recording, ...]:
        """The recordings in the database."""
        with Store(self.state / "meetsense.db") as store:
            return tuple(store.recordings())

    def queued(self) -> bool:
        """Whether every recording waits to be analysed."""
        rows = self.rows()
        return bool(rows) and all(row.state.value == "queued" for row in rows)

    def why(self) -> str | None:
        """Why the only recording ended."""
        end = self.folder().ledger().end
        return end.why if end else None

    def wait_for_end(self, why: str) -> None:
        """Wait until the only recording has ended, for this reason."""
        assert soon(self.why), self.log.read_text()
        assert self.why() == why


def missing(recording: Recording, kind: GapKind) -> float:
    """Seconds without sound of one kind."""
    return sum(gap.missing for gap in recording.gaps if gap.kind is kind) / recording.rate


def noise(path: Path, seconds: float, rate: int = 16_000) -> Path:
    """A WAV of something that is no silence."""
    samples = np.random.default_rng(5).normal(0, 3000, round(seconds * rate)).clip(-30_000, 30_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@contextmanager
def manager() -> Iterator[tuple[str, socket.socket]]:
    """What systemd listens on: its address, and the socket."""
    with (
        tempfile.TemporaryDirectory(prefix="ms-") as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear,
    ):
        address = str(Path(directory) / "notify")
        ear.bind(address)
        ear.settimeout(PATIENCE)
        yield address, ear


@pytest.fixture
def server() -> Iterator[Server]:
    """A sound server of its own, with a room in it."""
    with sound_server.running() as server:
        yield server


@pytest.fixture
def room(server: Server) -> Iterator[Room]:
    """A room whose microphone is the null sink's monitor. Its path is short: that of a socket has to be."""
    with tempfile.TemporaryDirectory(prefix="ms-") as directory:
        room = Room(Path(directory), server.env)
        try:
            yield room
        finally:
            room.close()


def plug(server: Server, name: str = "room") -> None:
    """Plug a microphone in."""
    server.pactl("load-module", *sound_server.ROOM.replace("=room ", f"={name} ").split())


def play(server: Server, sound: Path) -> subprocess.Popen[bytes]:
    """Play a file into the room."""
    return subprocess.Popen(["paplay", "--device=room", str(sound)], env=server.env)


def listeners(server: Server) -> int:
    """How many programs listen to a microphone."""
    return len(server.pactl("list", "short", "source-outputs").splitlines())


def processes_of(parent: int) -> list[int]:
    """Ids of a process's children."""
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found
