"""The capture loop: one thread reads, one writes, one watches, and one asks which microphone it is.

The reader does nothing but read, so that a disk that stalls costs memory and not sound. Recovery from a
device or sound server that hangs is the end of the process: a thread that hangs in a driver can't be stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from meetsense.capture.backlog import Backlog, Item, Order
from meetsense.capture.clock import Clock, SystemClock
from meetsense.capture.condition import Channel
from meetsense.capture.folder import Folder
from meetsense.capture.level import Level
from meetsense.capture.segments import SegmentWriter
from meetsense.capture.source import Block, Source, Stuck
from meetsense.capture.tape import Limits, Tape
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind, Segment

__all__ = ["Capture", "End", "Limits", "State"]

TICK_SECONDS = 0.4
FIRST_BLOCK_SECONDS = 5.0
"""A device may take so long before it gives the first sound."""
LISTENING_SECONDS = 0.5
"""How often the sound server is asked where this process listens."""
DOUBTS = 6
"""So often in a row it may give no answer."""
GIVE_UP_SECONDS = 1.5
"""How long a capture that is stuck waits for its last segment to reach the disk."""
PATIENCE_SECONDS = 0.5
"""How long the reader waits for room in the backlog; the device's buffer holds more."""
SLEPT_SECONDS = 0.05
"""Clocks that differ by less are the time between two calls."""
ORDER_SECONDS = 60.0


class End(StrEnum):
    """Why capture ended."""

    STOPPED = "stopped"
    LOST = "lost"
    """The device is gone."""
    STUCK = "stuck"
    """No samples come; a thread may hang in the driver: end the process."""
    MOVED = "moved"
    """The sound server moved the stream to another source: nobody agreed to be heard by that one."""
    FAILED = "failed"
    """A bug, or a disk that failed at the end; `error` has it."""


@dataclass(frozen=True, slots=True)
class State:
    """What capture is doing."""

    recording: str
    """Its id."""
    seconds: float
    """Wall time since it began: audio and what is missing."""
    samples: int
    """Samples of audio."""
    synced: int
    """Samples known to be on the disk."""
    level: Level
    missing: Mapping[GapKind, int]
    """Samples by kind of gap."""
    paused: bool
    blocks: int
    """Blocks read; grows as long as the microphone gives sound."""
    alarm: str | None
    """What people should know, in one line that begins with a word for programs."""
    end: End | None


def _nothing(_: object) -> None:
    pass


class Capture:
    """Records a source into a folder until it is stopped. From start() on the source is its own to close."""

    def __init__(
        self,
        source: Source,
        folder: Folder,
        *,
        channel: Channel = "mix",
        clock: Clock | None = None,
        limits: Limits | None = None,
        listening: Callable[[], str | None] | None = None,
        closed: Callable[[Segment], None] = _nothing,
        gap: Callable[[Gap], None] = _nothing,
    ) -> None:
        """`listening` tells the source that the sound server gives us; None where there is no sound server.

        `closed` and `gap` are called in the writer's thread; they return soon and raise nothing. Raises
        ValueError for a channel that the source lacks, CaptureError for a folder that can't be read.
        """
        self._source = source
        self._folder = folder
        self._rate = folder.manifest().recording.rate
        self._clock = clock or SystemClock()
        limits = limits or Limits()
        self._limits = limits
        self._listening = listening
        writer = SegmentWriter(folder, self._rate, limits.segment_seconds, limits.sync_seconds, closed)
        self._tape = Tape(source, folder, writer, channel, limits, gap)
        self._backlog = Backlog(round(limits.backlog_seconds * source.rate))
        self._paused = False
        self._blocks = 0
        self._frames = 0
        self._known = 0
        """Frames read before the source was last known to be the right one."""
        self._asleep = max(self._slept_so_far() for _ in range(3))
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._end: End | None = None
        self._deciding = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.error: BaseException | None = None
        """What ended capture, where it ended by itself."""

    def start(self) -> None:
        """Begin. Raises CaptureError where the sound server doesn't say which source it gives."""
        jobs: dict[str, Callable[[], None]] = {"read": self._read, "write": self._write, "watch": self._watch}
        if self._listening:
            if (name := self._listening()) is None:
                with suppress(CaptureError):
                    self._source.close()
                raise CaptureError("the sound server doesn't tell which microphone it gives; install pactl")
            jobs["listen"] = partial(self._listen, name)
        for name, job in jobs.items():
            thread = threading.Thread(target=job, name=f"capture-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def pause(self) -> None:
        """Keep nothing from here on: not even in memory, beyond the block that is being read."""
        self._paused = True

    def resume(self) -> None:
        """Keep what is read from here on."""
        self._paused = False

    def forget(self, seconds: float) -> Gap:
        """Remove the last seconds of wall time from the disk; returns when it is done.

        Raises CaptureError when it can't be done, or when capture has ended.
        """
        order = Order(lambda: self._tape.forget(seconds), Future())
        self._backlog.order(order)
        try:
            return order.result.result(ORDER_SECONDS)
        except TimeoutError:
            raise CaptureError("the disk is too slow to forget now; it is done when it can be") from None

    def stop(self) -> End:
        """Read no more, write everything, close the last segment. Returns why capture ended.

        STUCK: everything read is on the disk, but a thread hangs in the driver; end the process.
        """
        self._decide(End.STOPPED)
        reader = self._threads[0]
        reader.join(self._limits.no_samples_seconds)
        hangs = reader.is_alive()
        if hangs:
            self._backlog.order(None)
        self._done.wait()
        return End.STUCK if hangs else self._end or End.STOPPED

    def wait(self, timeout: float | None = None) -> End | None:
        """Why capture ended, once everything is on the disk; None when it hasn't within the seconds."""
        return self._end if self._done.wait(timeout) else None

    def snapshot(self) -> State:
        """What capture is doing. From any thread."""
        tape = self._tape
        return State(
            recording=self._folder.id,
            seconds=tape.wall / self._rate,
            samples=tape.position,
            synced=tape.synced,
            level=Level() if self._paused else tape.level,
            missing=dict(tape.missing),
            paused=self._paused,
            blocks=self._blocks,
            alarm=self._alarm(),
            end=self._end,
        )

    def _alarm(self) -> str | None:
        if self._end not in (None, End.STOPPED):
            return f"{self._end}: {self.error}" if self.error else str(self._end)
        if self._tape.alarm:
            return self._tape.alarm
        if self._backlog.waiting or self._backlog.dropping:
            return "backlog: the disk is too slow"
        return None

    def _decide(self, end: End, error: BaseException | None = None) -> None:
        """Capture ends, for the first reason that comes."""
        with self._deciding:
            if self._end is None:
                self._end, self.error = end, error
        self._stopping.set()

    def _fail(self, error: BaseException) -> None:
        """What was asked to stop could not be brought to its end, or a bug ends it."""
        with self._deciding:
            if self._end in (None, End.STOPPED):
                self._end, self.error = End.FAILED, error
        self._stopping.set()

    # The reader.

    def _read(self) -> None:
        try:
            while not self._stopping.is_set():
                paused = self._paused
                block = self._source.read()
                self._take(block, kept=not (paused or self._paused))
        except CaptureError as error:
            self._decide(End.LOST, error)
        except BaseException as error:  # kept for its owner, with its traceback
            self._fail(error)
        finally:
            self._backlog.order(None)
        with suppress(CaptureError):
            self._source.close()

    def _take(self, block: Block, *, kept: bool) -> None:
        frames = len(block.samples)
        asleep = max(self._asleep, self._slept_so_far())  # what came between its two clocks makes it less
        slept, self._asleep = asleep - self._asleep, asleep
        item = Item(
            frames,
            block.at,
            block.samples if kept else None,
            GapKind.OVERFLOW if kept else GapKind.PAUSE,
            block.overflowed,
            slept if slept > SLEPT_SECONDS else 0.0,
        )
        self._frames += frames
        self._blocks += 1
        self._backlog.put(item, lambda: self._clock.monotonic() - block.at < PATIENCE_SECONDS)

    def _slept_so_far(self) -> float:
        return self._clock.boottime() - self._clock.monotonic()

    # The writer.

    def _write(self) -> None:
        try:
            self._work()
        except BaseException as error:  # kept for its owner, with its traceback
            self._fail(error)
            with suppress(CaptureError):
                self._tape.finish()
        finally:
            self._backlog.close(CaptureError("nothing is being recorded any more"))
            self._done.set()

    def _work(self) -> None:
        while (entry := self._backlog.get()) is not None:
            if isinstance(entry, Item):
                self._tape.take(entry)
                continue
            try:
                entry.result.set_result(entry.job())
            except BaseException as error:
                entry.result.set_exception(error)
                if not isinstance(error, CaptureError):
                    raise
        if self._end is End.MOVED:
            self._tape.forget_frames(self._frames - self._known)
        self._tape.finish()

    # Who watches.

    def _watch(self) -> None:
        """Samples have to come. Time is counted in ticks: a machine that slept is no stuck device."""
        seen, age = 0, 0.0
        while not self._stopping.wait(TICK_SECONDS):
            limit = self._limits.no_samples_seconds if seen else FIRST_BLOCK_SECONDS
            if self._blocks != seen or self._backlog.waiting:
                seen, age = self._blocks, 0.0
            else:
                age += TICK_SECONDS
            if age + 1.01 * TICK_SECONDS > limit:  # the next tick is too late
                self._give_up(
                    Stuck(f"{self._source.name} gives no samples; check its cable, or the sound server")
                )
        self._threads[0].join(self._limits.no_samples_seconds)
        self._backlog.order(None)  # where the reader hangs; else it is one end more

    def _give_up(self, error: Stuck) -> None:
        self._decide(End.STUCK, error)
        self._backlog.order(None)
        self._done.wait(GIVE_UP_SECONDS)
        self._done.set()

    def _listen(self, name: str) -> None:
        try:
            self._follow(name)
        except BaseException as error:  # kept for its owner, with its traceback
            self._fail(error)

    def _follow(self, name: str) -> None:
        """See that the sound comes from where it came from at the start."""
        doubts = 0
        assert self._listening is not None
        while not self._stopping.wait(LISTENING_SECONDS):
            known = self._frames
            try:
                now = self._listening()
            except CaptureError:
                now = None
            if now == name:
                self._known, doubts = known, 0
            elif now is not None:
                error = (
                    f"the sound server moved the stream from {name} to {now}; begin again with the right one"
                )
                self._decide(End.MOVED, CaptureError(error))
            elif (doubts := doubts + 1) >= DOUBTS:
                self._decide(End.MOVED, CaptureError(f"the sound server no longer says that it gives {name}"))
