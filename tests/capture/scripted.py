"""A microphone and a clock that do what a test says."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from meetsense.capture.backlog import Item
from meetsense.capture.source import Block
from meetsense.errors import CaptureError
from meetsense.values import GapKind
from tests.capture.ramp import ramp

RATE = 16_000
BLOCK = 1_600


class FakeClock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def boottime(self) -> float:
        return self.now + self.slept

    def wall(self) -> datetime:
        return datetime(2026, 11, 24, 9, tzinfo=UTC) + timedelta(seconds=self.boottime())

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Script:
    """Gives blocks, raises errors, waits for events; then it gives nothing for ever, or is lost."""

    name, rate, channels = "a script", RATE, 1

    def __init__(
        self, steps: Iterable[Block | Exception | threading.Event], *, lost: bool = False, rate: int = RATE
    ) -> None:
        self._steps = iter(steps)
        self._lost = lost
        self.rate = rate
        self.closed = threading.Event()

    def read(self) -> Block:
        for step in self._steps:
            if isinstance(step, threading.Event):
                step.wait()
            elif isinstance(step, Exception):
                raise step
            else:
                return step
        if not self._lost:
            threading.Event().wait()
        raise CaptureError("the device was lost")

    def close(self) -> None:
        self.closed.set()


class Device:
    """A device with a clock of its own that gives the ramp, as items for the tape or as blocks.

    Lost frames are those that nobody gets: the ramp goes on behind them.
    """

    def __init__(self, rate: int = RATE, ppm: float = 0.0) -> None:
        self.rate = rate
        self.ppm = ppm
        self.frames = 0
        """That the device has heard."""

    @property
    def at(self) -> float:
        """When the frames so far were there, in seconds of the machine's clock."""
        return 100.0 + self.frames / (self.rate * (1 + self.ppm * 1e-6))

    def skip(self, frames: int) -> None:
        self.frames += frames

    def samples(self, frames: int) -> NDArray[np.int16]:
        heard = ramp(self.frames, frames)[:, np.newaxis]
        self.frames += frames
        return heard

    def item(
        self, frames: int = BLOCK, *, late: float = 0.0, overflowed: bool = False, slept: float = 0.0
    ) -> Item:
        samples = self.samples(frames)
        return Item(frames, self.at + late, samples, overflowed=overflowed, slept=slept)

    def left_out(self, frames: int, why: GapKind) -> Item:
        self.skip(frames)
        return Item(frames, self.at, None, why)

    def items(self, seconds: float, frames: int = BLOCK) -> Iterator[Item]:
        for _ in range(round(seconds * self.rate / frames)):
            yield self.item(frames)

    def block(self, frames: int = BLOCK, *, overflowed: bool = False) -> Block:
        samples = self.samples(frames)
        return Block(samples, overflowed, self.at)

    def blocks(self, seconds: float, frames: int = BLOCK) -> Iterator[Block]:
        for _ in range(round(seconds * self.rate / frames)):
            yield self.block(frames)
