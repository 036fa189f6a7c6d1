"""Where sound comes from, as the capture loop sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from meetsense.capture.clock import FrameClock
from meetsense.errors import CaptureError

Result = TypeVar("Result")


class Stuck(CaptureError):
    """The sound server or the device doesn't answer. A thread hangs in it; only ending the process helps."""


@dataclass(frozen=True, slots=True)
class Block:
    """Frames that came out of one read."""

    samples: NDArray[np.int16]
    """Shape (n, channels)."""
    overflowed: bool
    """Frames before these were lost."""
    at: float
    """The monotonic clock in seconds, when the read returned."""


class Source(Protocol):
    """A microphone, or what stands for one."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def rate(self) -> int:
        """Frames a second."""

    @property
    def channels(self) -> int:
        """Samples a frame."""

    def read(self) -> Block:
        """Wait for the next frames, some tenths of a second. Raises CaptureError when the device is lost."""

    def close(self) -> None:
        """Give the device back."""


class Paced:
    """A source whose frames advance a clock: it is read as fast as it gives, and time follows."""

    def __init__(self, source: Source, clock: FrameClock) -> None:
        self._source = source
        self._clock = clock
        self.name, self.rate, self.channels = source.name, source.rate, source.channels

    def read(self) -> Block:
        """The source's next frames, at the time they end. Raises what the source raises."""
        block = self._source.read()
        self._clock.advance(len(block.samples))
        return Block(block.samples, block.overflowed, self._clock.monotonic())

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def within(seconds: float, job: Callable[[], Result], what: str) -> Result:
    """What a job that may hang for ever returns; it runs in a thread of its own.

    Raises what the job raises, and Stuck when it takes longer: the thread is then left behind.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(job())
        except BaseException as error:  # noqa: BLE001, RUF100 - raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise Stuck(f"{what} hangs; start the recorder again, and the sound server if it stays so")
    return results[0]
