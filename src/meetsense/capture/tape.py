"""What becomes of each block of sound, in order, in one thread: it is written, or counted as missing.

At any time ``position + missing`` is what the source has given since the start, with what it is known to have
lost, in samples of the recording. A gap's length is what is due less what is there, so no rounding adds up.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.capture import ledger
from meetsense.capture.backlog import Item
from meetsense.capture.condition import Channel, Conditioner, slip
from meetsense.capture.folder import Folder
from meetsense.capture.level import Level, Meter
from meetsense.capture.pace import Loss, Pace
from meetsense.capture.segments import SegmentWriter
from meetsense.capture.source import Source
from meetsense.errors import CaptureError
from meetsense.values import SAMPLE_RATE, Gap, GapKind

CHECK_SECONDS = 1.0
"""How often the room on the disk is looked at, and a disk that failed is tried again."""
MUTED_AGAIN_SECONDS = 60.0
"""How often a silence that goes on is written to the ledger."""
OVERFLOW_SHOWN_SECONDS = 10.0
SLIP_BLOCKS = 50
"""A drift is made up for over so many blocks,"""
SLIP_PART = 10
"""by no more than this part of a block."""
UNREAD = frozenset({GapKind.OVERFLOW, GapKind.SUSPEND, GapKind.RESTART})
"""Gaps of frames that were not read. Of an overflow in the backlog they were: then more is forgotten."""
FREE_AGAIN = 1.1
"""How many times the low water has to be free before recording goes on."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much."""

    segment_seconds: float = 60.0
    sync_seconds: float = 1.0
    floor_dbfs: float = -60.0
    """A level below it counts as quiet."""
    low_water: int = 200 << 20
    """Bytes free on the disk, below which nothing is recorded."""
    backlog_seconds: float = 20.0
    """Sound held in memory while the disk stalls."""
    no_samples_seconds: float = 2.0
    muted_seconds: float = 9.5
    """Of exact zeros."""


class Tape:
    """Takes what was read, in order."""

    def __init__(
        self,
        source: Source,
        folder: Folder,
        writer: SegmentWriter,
        channel: Channel,
        limits: Limits,
        told: Callable[[Gap], None],
    ) -> None:
        """`told` gets every gap that is in the ledger. Raises ValueError for a channel that is missing."""
        self._rate = source.rate
        self._folder = folder
        self._writer = writer
        self._limits = limits
        self._told = told
        self._conditioner = Conditioner(source.rate, source.channels, channel)
        self._pace = Pace(source.rate)
        self._meter = Meter(limits.floor_dbfs)
        self._gaps = list(folder.read().gaps)
        self._missing = 0
        self.missing = dict.fromkeys(GapKind, 0)
        """Samples by kind of gap; of silence, too, though it misses nothing."""
        self._tally()
        self._begun = writer.position + self._missing
        self._frames = 0
        """Of the source, since the start."""
        self._beyond = 0.0
        """Samples due beyond the frames: lost, slept, slipped."""
        self._at = 0.0
        self._checked = float("-inf")
        self._retry = float("-inf")
        self._full = False
        self._muted: int | None = None
        """Position up to which a silence stands in the ledger."""
        self._overflow = float("-inf")
        self._hole: GapKind | None = None
        self.level = Level()
        self.position = self.synced = self.wall = 0
        """Samples, for other threads: of audio, of it on the disk, and of time since the recording began."""
        self._publish()

    @property
    def _position(self) -> int:
        return self._writer.position

    @property
    def alarm(self) -> str | None:
        """What people should know, in one line."""
        if self._hole is GapKind.DISK and self._full:
            return "disk: there is no room; recording goes on when there is"
        if self._hole is GapKind.DISK:
            return "disk: it fails; recording goes on when it works"
        if self._muted is not None:
            return "muted: the microphone gives exact silence"
        if self._at - self._overflow < OVERFLOW_SHOWN_SECONDS:
            return "overflow: sound was lost; the machine is too slow"
        return None

    # What the writer's thread does.

    def take(self, item: Item) -> None:
        """One block, or frames that were left out."""
        self._at = item.at
        if item.slept:
            self._sleep(item.slept)
        if item.overflowed:
            self._flush()
        if self._hole is GapKind.DISK and item.samples is not None:
            self._try_disk()
        kept = item.samples is not None and self._hole is not GapKind.DISK
        if kept and self._hole:
            self._close_hole()
        elif item.samples is None and self._hole is not item.why and self._hole is not GapKind.DISK:
            self._open_hole(item.why)
        before = self._position
        self._frames += item.frames
        loss = self._pace.take(item.frames, item.at, before, overflowed=item.overflowed)
        if item.overflowed:
            self._overflow = item.at
        if item.samples is not None:
            self._hear(item.samples, kept=kept)
        if loss:
            self._lose(loss)
        if item.at - self._checked >= CHECK_SECONDS:
            self._check_disk()
        self._publish()

    def forget(self, seconds: float) -> Gap:
        """Remove the last seconds of wall time. Raises CaptureError; then some of it may be there still."""
        hole = self._settle()
        back = round(seconds * SAMPLE_RATE)
        return self._forget(ledger.position_before(self._position, self._gaps, back), hole)

    def forget_frames(self, frames: int) -> None:
        """Remove the last frames that were read. Raises what :meth:`forget` raises."""
        if frames > 0:
            hole = self._settle()
            back = math.ceil(frames * SAMPLE_RATE / self._rate)
            read = [gap for gap in self._gaps if gap.kind not in UNREAD]
            self._forget(ledger.position_before(self._position, read, back), hole)

    def _forget(self, start: int, hole: GapKind | None) -> Gap:
        """Remove the sound from a position on; the hole that was open is open again."""
        try:
            gap = self._writer.forget(start)
        finally:  # refused or not, the ledger knows what was cut and moved
            self._hole = hole
            self._gaps = list(self._folder.ledger().gaps_in_order())
            self._tally()
            self._meter.forget()
            self._publish()
        if gap.samples:
            self._told(gap)
        return gap

    def finish(self) -> None:
        """Nothing more comes: everything goes to the disk. Raises CaptureError."""
        self._settle()
        self._writer.close()
        self._folder.flush()
        self._publish()

    def _publish(self) -> None:
        self.position, self.synced = self._position, self._writer.synced
        self.wall = max(round(self._due()), self.position + self._missing)

    def _settle(self) -> GapKind | None:
        """End what is being measured and held back; returns the hole that was open."""
        if loss := self._pace.finish(self._at):
            self._lose(loss)
        hole = self._hole
        if hole:
            self._close_hole()
        else:
            self._flush()
        if self._hole is GapKind.DISK:  # the flush found the disk failing
            self._close_hole()
        self._end_mute(self._position)
        return hole

    # Sound.

    def _hear(self, samples: NDArray[np.int16], *, kept: bool) -> None:
        mono = self._conditioner.take(samples)
        if kept:
            self._keep(self._slipped(mono))
        else:  # the disk takes nothing, but people see whether the microphone works
            self.level = self._meter.take(mono)

    def _slipped(self, mono: NDArray[np.int16]) -> NDArray[np.int16]:
        """With some samples repeated or left out where the device's clock has drifted."""
        drift = self._pace.drift * SAMPLE_RATE / self._rate
        if not drift or len(mono) < 2 * SLIP_PART:
            return mono
        count = min(max(1, round(abs(drift) / SLIP_BLOCKS)), len(mono) // SLIP_PART)
        count = count if drift > 0 else -count
        self._pace.slipped(count * self._rate / SAMPLE_RATE)
        self._beyond += count
        return slip(mono, count)

    def _keep(self, mono: NDArray[np.int16]) -> None:
        """Write; what the disk refuses is missing."""
        if not len(mono):
            return
        before = self._position
        try:
            self._writer.write(mono)
        except CaptureError:
            mono = mono[: self._position - before]
            self._fail()
        self.level = self._meter.take(mono)
        self._watch_mute(mono, before)

    def _flush(self) -> None:
        """Write what the resampler holds back: what comes next doesn't follow on it."""
        tail = self._conditioner.flush()
        if self._hole is None:
            self._keep(tail)

    # Time without sound.

    def _due(self) -> float:
        return self._begun + self._frames * SAMPLE_RATE / self._rate + self._beyond

    def _open_hole(self, why: GapKind) -> None:
        if self._hole:
            self._close_hole()
        self._flush()
        if self._hole is None:  # the flush may have found the disk failing
            self._end_mute(self._position)
            self._meter.forget()
            self._hole = why
            self.level = Level()
            with suppress(CaptureError):  # it is kept, and written before what comes next
                self._writer.sync()

    def _close_hole(self) -> None:
        """Nothing was kept for some time: that is a gap."""
        why, self._hole = self._hole, None
        self._conditioner.flush()
        missing = round(self._due()) - self._position - self._missing
        if why and missing > 0:
            self._record(why, missing)

    def _lose(self, loss: Loss) -> None:
        """The device lost frames: a gap of so many samples; within a hole they are the hole's."""
        samples = round(loss.frames * SAMPLE_RATE / self._rate)
        self._beyond += samples
        self._overflow = self._at
        if self._hole is None:
            self._record(GapKind.OVERFLOW, samples, min(loss.position, self._position))

    def _sleep(self, seconds: float) -> None:
        """The machine slept: the sound before it doesn't go on behind it."""
        if self._hole:
            self._close_hole()
        self._flush()
        if self._hole:
            self._close_hole()
        samples = round(seconds * SAMPLE_RATE)
        self._beyond += samples
        self._record(GapKind.SUSPEND, samples)

    def _record(self, kind: GapKind, samples: int, position: int | None = None) -> None:
        gap = Gap(kind, self._position if position is None else position, samples)
        self._gaps.append(gap)
        self._missing += gap.missing
        self.missing[kind] += samples
        with suppress(CaptureError):  # the gap counts nevertheless, and is written with the next
            self._writer.gap(kind, samples, gap.position)
        self._told(gap)

    def _tally(self) -> None:
        for kind in GapKind:
            self.missing[kind] = sum(gap.samples for gap in self._gaps if gap.kind is kind)
        self._missing = sum(gap.missing for gap in self._gaps)

    # Silence.

    def _watch_mute(self, mono: NDArray[np.int16], before: int) -> None:
        zeros = self._meter.zeros
        if self._muted is not None and zeros < len(mono):
            self._end_mute(before + int(np.flatnonzero(mono)[0]) if mono.any() else self._position)
        elif self._muted is None and zeros >= self._limits.muted_seconds * SAMPLE_RATE:
            self._mute(max(0, self._position - zeros))
        elif self._muted is not None and self._position - self._muted >= MUTED_AGAIN_SECONDS * SAMPLE_RATE:
            self._mute(self._muted)

    def _mute(self, start: int) -> None:
        self._record(GapKind.MUTED, self._position - start, start)
        self._muted = self._position

    def _end_mute(self, end: int) -> None:
        start, self._muted = self._muted, None
        if start is not None and end > start:
            self._record(GapKind.MUTED, end - start, start)

    # The disk.

    def _fail(self) -> None:
        """The disk refused: what it didn't take is missing from here on."""
        self._conditioner.flush()
        self._end_mute(self._position)
        self._meter.forget()
        self._hole = GapKind.DISK
        self._full = False
        self._retry = self._at + CHECK_SECONDS

    def _try_disk(self) -> None:
        if self._at >= self._retry:
            self._retry = self._at + CHECK_SECONDS
            if self._free() >= self._limits.low_water * FREE_AGAIN:
                self._close_hole()

    def _check_disk(self) -> None:
        self._checked = self._at
        if self._hole is None and self._free() < self._limits.low_water:
            self._open_hole(GapKind.DISK)
            self._full = True
            self._retry = self._at + CHECK_SECONDS
            with suppress(CaptureError):  # what it took is kept, and written before what comes next
                self._writer.close()
        with suppress(CaptureError):
            self._folder.flush()

    def _free(self) -> int:
        """Bytes that a user may still write."""
        try:
            found = os.statvfs(self._folder.path)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize
