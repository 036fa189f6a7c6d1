"""Every sample of the device is in the audio or in the ledger, where it belongs, whatever happens.

The device gives a ramp: a sample's value is its place in time. So audio and gaps laid out in order must give
the ramp back, wherever there is sound.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.capture.backlog import Item
from meetsense.capture.folder import Folder
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.capture.tape import Limits, Tape
from meetsense.errors import CaptureError
from meetsense.values import SAMPLE_RATE, Gap, GapKind
from tests.capture.ramp import begun, ramp, sound
from tests.capture.scripted import BLOCK, RATE, Device, Script

ALWAYS = Limits(segment_seconds=2.0, low_water=0)


@dataclass
class Room:
    """A tape that records a device, without any thread."""

    path: Path
    rate: int = RATE
    ppm: float = 0.0
    limits: Limits = ALWAYS
    sync_seconds: float = 0.25
    told: list[Gap] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = Folder(next(self.path.iterdir())) if any(self.path.iterdir()) else begun(self.path)
        self.device = Device(self.rate, self.ppm)
        writer = SegmentWriter(self.folder, SAMPLE_RATE, self.limits.segment_seconds, self.sync_seconds)
        self.tape = Tape(Script([], rate=self.rate), self.folder, writer, 1, self.limits, self.told.append)

    def take(self, *items: Item) -> None:
        for item in items:
            self.tape.take(item)

    def hear(self, seconds: float) -> None:
        self.take(*self.device.items(seconds))

    def end(self) -> tuple[Gap, ...]:
        """Finish; the ledger's gaps, which must be those that were told."""
        self.tape.finish()
        return self.folder.read().gaps

    @property
    def missing(self) -> int:
        return sum(gap.missing for gap in self.folder.read().gaps)

    def in_place(self) -> bool:
        """Whether each sample lies at its time."""
        samples, out, at = sound(self.folder), [], 0
        for gap in self.folder.read().gaps:
            if gap.missing:
                out += [samples[at : gap.position], np.zeros(gap.missing, np.int16)]
                at = gap.position
        laid = np.concatenate([*out, samples[at:]])
        heard = np.ones(len(laid), bool)
        shift = 0
        for gap in self.folder.read().gaps:
            if gap.missing:
                heard[gap.position + shift : gap.position + shift + gap.missing] = False
                shift += gap.missing
        return bool(np.array_equal(laid[heard], ramp(0, len(laid))[heard]))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_nothing_is_lost_where_segments_meet(room: Room) -> None:
    room.hear(11.0)
    assert room.end() == ()
    assert len(room.folder.read().segments) == 6
    assert np.array_equal(sound(room.folder), ramp(0, 11 * RATE))


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=30))
@settings(max_examples=25, deadline=None)
def test_blocks_of_any_size(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    room = Room(tmp_path_factory.mktemp("room"))
    room.take(*(room.device.item(size) for size in sizes))
    assert room.end() == ()
    assert np.array_equal(sound(room.folder), ramp(0, sum(sizes)))


def test_an_overflow_is_in_the_ledger_to_the_sample(room: Room) -> None:
    room.hear(3.0)
    room.device.skip(12_345)
    room.take(room.device.item(overflowed=True, late=0.2))
    room.hear(3.0)
    assert room.tape.alarm is not None
    assert room.tape.alarm.startswith("overflow: ")
    assert room.end() == (Gap(GapKind.OVERFLOW, 3 * RATE, 12_345),)
    assert room.in_place()


def test_a_loss_that_the_device_keeps_to_itself(room: Room) -> None:
    room.hear(3.0)
    room.device.skip(2_000)
    room.hear(8.0)
    assert room.end() == (Gap(GapKind.OVERFLOW, 3 * RATE, 2_000),)
    assert room.in_place()


def test_a_pause_is_as_long_as_it_was(room: Room) -> None:
    room.hear(2.5)
    for _ in range(7):
        room.take(room.device.left_out(BLOCK, GapKind.PAUSE))
    assert room.tape.synced == room.tape.position == 2.5 * RATE
    room.hear(1.0)
    assert room.end() == (Gap(GapKind.PAUSE, int(2.5 * RATE), 7 * BLOCK),)
    assert room.in_place()


def test_what_the_backlog_had_no_room_for(room: Room) -> None:
    room.hear(1.0)
    room.take(room.device.left_out(54_321, GapKind.OVERFLOW))
    room.hear(1.0)
    assert room.end() == (Gap(GapKind.OVERFLOW, RATE, 54_321),)
    assert room.in_place()


def test_a_pause_after_an_overflow_in_the_backlog(room: Room) -> None:
    room.hear(1.0)
    room.take(room.device.left_out(5_000, GapKind.OVERFLOW), room.device.left_out(7_000, GapKind.PAUSE))
    assert room.end() == (Gap(GapKind.OVERFLOW, RATE, 5_000), Gap(GapKind.PAUSE, RATE, 7_000))


def test_the_machine_sleeps_for_an_hour(room: Room) -> None:
    room.hear(2.0)
    room.take(room.device.item(slept=3600.0))
    room.hear(8.0)
    assert room.end() == (Gap(GapKind.SUSPEND, 2 * RATE, 3600 * RATE),)
    assert room.tape.wall == (2 + 3600 + 8.1) * RATE


def test_a_muted_microphone_is_told_within_ten_seconds(room: Room) -> None:
    room.hear(1.0)
    zeros = np.zeros((BLOCK, 1), np.int16)
    told = []
    for _ in range(800):
        room.device.skip(BLOCK)
        room.take(Item(BLOCK, room.device.at, zeros))
        told.append(bool(room.tape.alarm))
    assert told.index(True) + 1 <= 100
    assert room.tape.alarm is not None
    assert room.tape.alarm.startswith("muted: ")
    assert room.told  # before it ends
    room.hear(1.0)
    assert room.tape.alarm is None
    gaps = room.end()
    assert {gap.kind for gap in gaps} == {GapKind.MUTED}
    assert gaps[0].position == RATE
    assert all(one.position + one.samples == two.position for one, two in pairwise(gaps))
    assert sum(gap.samples for gap in gaps) in (800 * BLOCK, 800 * BLOCK + 1)  # the ramp may begin with 0
    assert room.missing == 0


def test_a_short_silence_is_no_alarm(room: Room) -> None:
    room.hear(1.0)
    for _ in range(90):
        room.device.skip(BLOCK)
        room.take(Item(BLOCK, room.device.at, np.zeros((BLOCK, 1), np.int16)))
    room.hear(1.0)
    assert room.end() == ()


class Disk:
    """How much is free, and whether it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 1 << 40
        self.error: int | None = None
        monkeypatch.setattr(os, "statvfs", self._statvfs)
        for name in ("pwrite", "fdatasync", "fsync"):
            monkeypatch.setattr(os, name, self._or_error(getattr(os, name)))

    def _statvfs(self, path: object) -> os.statvfs_result:
        blocks = self.free // 4096
        return os.statvfs_result((4096, 4096, blocks, blocks, blocks, 9, 9, 9, 0, 255))

    def _or_error(self, original: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: object) -> int:
            if self.error:
                raise OSError(self.error, os.strerror(self.error))
            return original(*arguments)

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with monkeypatch.context() as patched:
        yield Disk(patched)


def test_low_water_stops_and_room_begins_again(tmp_path: Path, disk: Disk) -> None:
    room = Room(tmp_path, limits=Limits(segment_seconds=2.0, low_water=100 << 20))
    room.hear(3.0)
    disk.free = 99 << 20
    room.hear(5.0)
    assert room.tape.alarm is not None
    assert room.tape.alarm.startswith("disk: ")
    assert room.tape.synced == room.tape.position  # what is there is closed
    size = sum(path.stat().st_size for path in room.folder.path.iterdir())
    disk.free = 105 << 20  # above the mark, and not enough to begin again
    room.hear(3.0)
    assert sum(path.stat().st_size for path in room.folder.path.iterdir()) == size
    disk.free = 200 << 20
    room.hear(4.0)
    assert room.tape.alarm is None
    [gap] = room.end()
    assert gap.kind is GapKind.DISK
    assert gap.position + gap.samples + 2 * RATE <= 15 * RATE
    assert room.tape.wall == 15 * RATE
    assert room.in_place()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_fails_for_a_while(room: Room, disk: Disk, error: int) -> None:
    room.hear(2.13)
    disk.error = error
    room.hear(6.0)
    assert room.tape.alarm is not None
    assert room.tape.alarm.startswith("disk: ")
    disk.error = None
    room.hear(4.0)
    assert room.tape.alarm is None
    room.end()
    recording = recover(room.folder)
    assert {gap.kind for gap in recording.gaps} == {GapKind.DISK}
    assert recording.samples + room.missing == room.device.frames
    assert room.missing < 8.5 * RATE
    assert room.in_place()


def test_a_disk_that_fails_is_not_tried_in_a_tight_loop(
    room: Room, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.hear(1.0)
    disk.error = errno.EIO
    room.hear(1.0)
    tried: list[object] = []
    real = os.open

    def noted(*arguments: Any, **options: Any) -> int:
        tried.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(os, "open", noted)
    room.hear(10.0)
    assert len(tried) < 10 * 8


def test_a_disk_that_is_full_at_the_end(room: Room, disk: Disk) -> None:
    room.hear(2.0)
    disk.error = errno.ENOSPC
    room.hear(0.1)
    with pytest.raises(CaptureError, match="no room"):
        room.tape.finish()
    disk.error = None
    assert np.array_equal(sound(room.folder), ramp(0, len(sound(room.folder))))
    assert recover(Folder(room.folder.path)).samples >= 2 * RATE - RATE // 4


def test_forgetting_the_last_seconds(room: Room) -> None:
    room.hear(9.0)
    gap = room.tape.forget(4.0)
    assert gap == Gap(GapKind.FORGOTTEN, 5 * RATE, 4 * RATE)
    room.hear(2.0)
    assert room.end() == (gap,)
    assert room.in_place()
    assert room.tape.wall == 11 * RATE


def test_forgetting_counts_wall_time(room: Room) -> None:
    room.hear(5.0)
    room.take(room.device.left_out(2 * RATE, GapKind.PAUSE))
    room.hear(1.0)
    room.tape.forget(4.0)
    assert room.tape.wall == 8 * RATE
    gaps = room.end()
    assert gaps == (Gap(GapKind.PAUSE, 4 * RATE, 2 * RATE), Gap(GapKind.FORGOTTEN, 4 * RATE, 2 * RATE))


def test_forgetting_that_the_disk_refused_counts_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger says that it is cut: what follows isn't longer, and no more goes when it is repeated."""
    room.hear(9.0)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", fail)
        with pytest.raises(CaptureError):
            room.tape.forget(4.0)
    room.tape.forget(4.0)
    assert room.tape.position == 5 * RATE
    room.take(room.device.left_out(RATE, GapKind.PAUSE))
    room.hear(1.0)
    assert room.tape.wall == 11 * RATE
    assert sum(gap.missing for gap in room.end()) + len(sound(room.folder)) == 11 * RATE
    assert room.in_place()


def test_the_last_frames_are_forgotten_though_others_were_lost_among_them(room: Room) -> None:
    room.hear(5.0)
    room.device.skip(RATE)
    room.take(room.device.item(overflowed=True))
    room.hear(1.9)
    room.take(room.device.left_out(RATE, GapKind.PAUSE))
    room.tape.forget_frames(4 * RATE)  # 1 s of pause, 2 s behind what was lost, 1 s before it
    room.end()
    assert np.array_equal(sound(room.folder), ramp(0, 4 * RATE))
    room.tape.forget_frames(0)
    assert room.tape.position == 4 * RATE


def test_forgetting_in_a_pause_leaves_it_paused(room: Room) -> None:
    room.hear(3.0)
    room.take(room.device.left_out(RATE, GapKind.PAUSE))
    room.tape.forget(100.0)
    assert room.tape.position == 0
    room.take(room.device.left_out(RATE, GapKind.PAUSE))
    room.hear(1.0)
    gaps = room.end()
    assert sum(gap.samples for gap in gaps if gap.kind is GapKind.PAUSE) == 2 * RATE
    assert sum(gap.missing for gap in gaps) == 5 * RATE
    assert np.array_equal(sound(room.folder), ramp(5 * RATE, RATE))


def test_a_recording_goes_on_after_a_restart(tmp_path: Path) -> None:
    first = Room(tmp_path)
    first.hear(2.0)
    first.take(first.device.left_out(RATE, GapKind.PAUSE))
    first.end()
    second = Room(tmp_path)
    assert second.tape.wall == 3 * RATE
    second.hear(1.0)
    assert second.tape.wall == 4 * RATE
    second.tape.forget(1.5)
    assert sum(gap.missing for gap in second.end()) + len(sound(second.folder)) == 4 * RATE


@pytest.mark.parametrize(("rate", "ppm"), [(16_000, -200.0), (44_100, 200.0), (48_000, -200.0)])
def test_audio_and_ledger_are_the_wall_clock(tmp_path: Path, rate: int, ppm: float) -> None:
    room = Room(tmp_path, rate, ppm, Limits(low_water=0), sync_seconds=10.0)
    frames = rate // 10
    began = room.device.at
    for second in range(600):
        for _ in range(10):
            room.take(room.device.item(frames))
        if second % 50 == 40:
            room.device.skip(frames * 3)
            room.take(room.device.item(frames, overflowed=True))
        if second % 90 == 80:
            room.take(room.device.left_out(rate * 2, GapKind.PAUSE))
    room.end()
    wall = room.device.at - began
    recording = room.folder.read()
    assert abs(recording.duration - wall) < 0.050 / 6
    assert abs(recording.samples + room.missing - room.tape.wall) <= 2


@pytest.mark.parametrize("ppm", [-80_000.0, -5_000.0, 5_000.0, 80_000.0])
def test_a_device_whose_rate_is_another_than_it_says(tmp_path: Path, ppm: float) -> None:
    """It sounds wrong, and yet what was said is found where it was said."""
    room = Room(tmp_path, 48_000, ppm, Limits(low_water=0), sync_seconds=10.0)
    began = room.device.at
    for _ in range(3_000):
        room.take(room.device.item(4_800))
    room.end()
    assert abs(room.folder.read().duration - (room.device.at - began)) < 1.0


what = st.one_of(
    st.tuples(st.just("sound"), st.integers(1, 9_000)),
    st.tuples(st.just("lost"), st.integers(1, 30_000)),
    st.tuples(st.just("pause"), st.integers(1, 9_000)),
    st.tuples(st.just("dropped"), st.integers(1, 9_000)),
    st.tuples(st.just("asleep"), st.integers(1_000, 90_000)),
)


@given(st.lists(what, max_size=40))
@settings(max_examples=30, deadline=None)
def test_nothing_goes_uncounted(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]]
) -> None:
    room = Room(tmp_path_factory.mktemp("room"))
    slept = 0
    room.hear(2.5)
    for event, count in events:
        if event == "sound":
            room.take(room.device.item(count))
        elif event == "lost":
            room.device.skip(count)
            room.take(room.device.item(overflowed=True))
            room.hear(1.2)
        elif event == "asleep":
            slept += count
            room.take(room.device.item(slept=count / RATE))
        else:
            kind = GapKind.PAUSE if event == "pause" else GapKind.OVERFLOW
            room.take(room.device.left_out(count, kind))
    gaps = room.end()
    assert len(sound(room.folder)) + sum(gap.missing for gap in gaps) == room.device.frames + slept
    assert sorted(gaps, key=lambda gap: gap.position) == sorted(room.told, key=lambda gap: gap.position)
    if not slept:
        assert room.in_place()
