"""Time, given from outside: what is measured in tests needn't wait for it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the recorder asks of time. Seconds, but for the wall clock."""

    def monotonic(self) -> float:
        """Never steps; stands still while the machine sleeps."""

    def boottime(self) -> float:
        """As monotonic, and goes on while the machine sleeps."""

    def wall(self) -> datetime:
        """UTC-aware; may step."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC."""
        return time.monotonic()

    def boottime(self) -> float:
        """CLOCK_BOOTTIME."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> datetime:
        """CLOCK_REALTIME."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class FrameClock:
    """A clock that frames advance: an hour of sound is an hour, however fast it is read.

    >>> clock = FrameClock(rate=16_000)
    >>> clock.advance(1_600)
    >>> clock.monotonic()
    0.1
    """

    def __init__(self, rate: int, began: datetime = datetime(2026, 11, 24, 9, tzinfo=UTC)) -> None:
        self._rate = rate
        self._began = began
        self._frames = 0
        self._lock = threading.Lock()

    def advance(self, frames: int) -> None:
        """Frames were read."""
        with self._lock:
            self._frames += frames

    def monotonic(self) -> float:
        """Seconds of the frames read so far."""
        return self._frames / self._rate

    def boottime(self) -> float:
        """The same: no machine sleeps between frames."""
        return self.monotonic()

    def wall(self) -> datetime:
        """The beginning and the frames since."""
        return self._began + timedelta(seconds=self.monotonic())

    def sleep(self, seconds: float) -> None:
        """Let time pass without waiting for it."""
        self.advance(round(seconds * self._rate))
