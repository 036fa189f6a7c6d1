"""Hours in seconds: a recorder with a clock that frames advance, and a scene for a microphone."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meetsense.capture.clock import FrameClock
from meetsense.capture.source import Block, Paced
from meetsense.config import Settings
from meetsense.config.sections import CaptureSettings, PolicySettings, RoomSettings
from meetsense.daemon import recorder as recorder_module
from meetsense.daemon.ending import Why
from meetsense.daemon.recorder import Recorder
from meetsense.daemon.room import Ear
from meetsense.errors import CaptureError
from meetsense.store import Store
from meetsense.values import Agreement, Recording
from tests.waiting import soon

RATE = 16_000
BLOCK = RATE


class World(FrameClock):
    """A clock whose wall can be set, and whose machine can sleep."""

    def __init__(self, began: datetime = datetime(2026, 11, 24, 9, tzinfo=UTC)) -> None:
        super().__init__(RATE, began)
        self.step = timedelta(0)
        self.slept = 0.0

    def wall(self) -> datetime:
        return super().wall() + self.step + timedelta(seconds=self.slept)

    def boottime(self) -> float:
        return super().boottime() + self.slept


class Scene:
    """Speech up to a second, then a quiet room; what happens at a second is done in the reader's thread."""

    name, rate, channels = "a scene", RATE, 1

    def __init__(self, loud: float, events: dict[int, Callable[[], Any]] | None = None) -> None:
        self._loud = loud
        self._events = events or {}
        self._seconds = 0
        self._random = np.random.default_rng(1)

    def read(self) -> Block:
        self._seconds += 1
        if event := self._events.get(self._seconds):
            event()
        scale = 3000 if self._seconds <= self._loud else 3
        return Block(self._random.normal(0, scale, (BLOCK, 1)).astype(np.int16), False, 0.0)

    def close(self) -> None:
        pass


class Loss:
    """Pulls the scene out, when it may: whoever starts a recording has seen it begin by then."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def __call__(self) -> None:
        self.free.wait(60)
        raise CaptureError("the scene was pulled out")


def lost() -> Loss:
    """An event of a scene."""
    return Loss()


Begin = Callable[..., Recorder]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def left() -> list[int]:
    """Exit statuses that the recorder would have ended the process with."""
    return []


@pytest.fixture
def begin(world: World, left: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """A recorder whose microphone hears a scene."""
    with tempfile.TemporaryDirectory(prefix="ms-") as name:
        state = Path(name)
        with Store(state / "meetsense.db") as store:
            store.state("Ada", Agreement.RECORDING, True, "a test")
        made: list[Recorder] = []

        def start(
            scene: Scene,
            *,
            restarts: bool = True,
            zone: str | None = None,
            policy: str = "",
            **capture: object,
        ) -> Recorder:
            def open_scene(*_: object) -> Ear:
                return Ear(Paced(scene, world), "a scene")

            monkeypatch.setattr(recorder_module, "open_ear", open_scene)
            keys = {"low_water_mb": 1, "socket": state / "run" / "control.sock", **capture}
            settings = Settings(
                state=state,
                capture=CaptureSettings.model_validate(keys),
                room=RoomSettings(name="Room 1", timezone=zone),
                policy=stated(state / "policy.txt", policy) if policy else PolicySettings(),
            )
            (state / "run").mkdir(exist_ok=True)
            made.append(Recorder(settings, restarts=restarts, clock=world, leave=left.append))
            return made[-1]

        yield start
        for recorder in made:
            recorder.close()


def stated(path: Path, text: str) -> PolicySettings:
    """A policy with this text."""
    path.write_text(text)
    return PolicySettings(text=path, sha256=hashlib.sha256(text.encode()).hexdigest())


def leaves(recorder: Recorder, left: list[int]) -> bool:
    """Look at it until it has ended the process."""

    def look() -> list[int]:
        recorder.tick()
        return left

    return soon(look)


def ended(recorder: Recorder) -> Recording:
    """Look at it until the recording is over; what it holds."""
    deadline = time.monotonic() + 60
    while recorder.recording is not None:
        assert time.monotonic() < deadline, recorder.status()
        recorder.tick()
        time.sleep(0.01)
    assert recorder.last is not None
    return recorder.last.folder.read()


def why(recorder: Recorder) -> Why:
    """Why the last recording ended."""
    assert recorder.last is not None
    return recorder.last.why


def gone(recorder: Recorder) -> None:
    """As if its process were gone: it does nothing more to the recording that is under way."""
    recorder.mirror.drain()
    if recorder._session:
        recorder._session.watch.end()
    recorder._session = None
