"""Nothing that was taken is lost between a block and the disk, and what is said to be durable is."""

from __future__ import annotations

import errno
import os
import resource
import wave
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.capture import wav
from meetsense.capture.folder import Folder
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind, Segment
from tests.capture.faults import watched
from tests.capture.ramp import RATE, begun, check_whole, feed, in_memory, ramp, sound, unreadable, written


@settings(deadline=None)  # a disk takes its time
@given(
    st.lists(st.integers(0, 5000), max_size=30),
    st.floats(0.01, 1.0),
    st.floats(0.01, 1.0),
)
def test_rotation_loses_no_sample(blocks: list[int], seconds: float, sync_seconds: float) -> None:
    with in_memory() as root:
        folder, closed = begun(Path(root)), list[Segment]()
        writer = SegmentWriter(folder, RATE, seconds, sync_seconds, closed.append)
        for block in blocks:
            writer.write(ramp(writer.position, block))
            assert 0 <= writer.position - writer.synced < max(1, round(sync_seconds * RATE))
        writer.close()
        assert writer.synced == writer.position == sum(blocks)
        assert folder.read().segments == tuple(closed)
        assert all(0 < segment.samples <= max(1, round(seconds * RATE)) for segment in closed)
        assert np.array_equal(sound(folder), ramp(0, sum(blocks)))
        assert unreadable(folder) == []


def test_whole_blocks_fill_a_segment_to_its_length(tmp_path: Path) -> None:
    folder = written(tmp_path, 10 * RATE, seconds=2.0)
    assert [segment.samples for segment in folder.read().segments] == 5 * [2 * RATE]


def test_every_reader_sees_what_was_written_while_it_is_written(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder)
    for position in range(0, 40_000, 800):
        writer.write(ramp(position, 800))
        path = folder.path / "000000.wav"
        assert np.array_equal(wav.read(path, RATE), ramp(0, position + 800))
        with wave.open(str(path)) as file:
            assert file.getnframes() == position + 800
            assert file.getparams()[:3] == (1, 2, RATE)
    writer.close()


def test_a_block_is_written_at_once_and_cut_where_a_sync_is_due(tmp_path: Path) -> None:
    folder, calls = begun(tmp_path), list[tuple[str, int]]()
    writer = SegmentWriter(folder, RATE, 60.0, 0.5)
    writer.write(ramp(0, 100))  # whatever a new file needs is done
    path = folder.path / "000000.wav"
    with watched(lambda _, name: calls.append((name, wav.samples_in(path.stat().st_size)))):
        writer.write(ramp(100, 4800))
        assert calls == [("pwrite", 100), ("pwrite", 4900)]  # sound, then the header
        writer.write(ramp(4900, 20_000))
    assert [samples for name, samples in calls if name == "fdatasync"] == [8000, 16_000, 24_000]
    assert len(calls) == 2 * 5 + 3
    writer.close()
    assert np.array_equal(sound(folder), ramp(0, 24_900))


def test_it_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    folder = written(tmp_path, 30_000)
    writer = SegmentWriter(Folder(folder.path), RATE, 1.0)
    assert writer.position == writer.synced == 30_000
    feed(writer, 50_000)
    writer.close()
    writer.close()
    assert [segment.index for segment in folder.read().segments] == [0, 1, 2, 3]
    assert np.array_equal(sound(folder), ramp(0, 50_000))


@pytest.mark.parametrize(
    "samples", [np.zeros((5, 1), np.int16), np.zeros(5, np.float32), np.zeros(5, np.int32)]
)
def test_other_samples_are_a_bug(tmp_path: Path, samples: np.ndarray[tuple[int, ...], np.dtype]) -> None:
    with pytest.raises(ValueError, match="samples are int16"):
        SegmentWriter(begun(tmp_path)).write(samples)


def test_big_endian_samples_are_written_little_endian(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder)
    writer.write(ramp(0, 1000)[::2])
    writer.close()
    assert np.array_equal(sound(folder), ramp(0, 1000)[::2])


def test_a_gap_stands_behind_durable_sound(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder)
    feed(writer, 4000)
    assert writer.synced == 0
    assert writer.gap(GapKind.PAUSE, 16_000) == Gap(GapKind.PAUSE, 4000, 16_000)
    assert writer.synced == 4000
    feed(writer, 8000)
    assert writer.gap(GapKind.MUTED, 3000, 5000) == Gap(GapKind.MUTED, 5000, 3000)
    writer.close()
    assert folder.read().duration == 1.5
    assert recover(folder) == folder.read()


class Failing:
    """Calls of the operating system that fail as long as it says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...], number: int) -> None:
        self.left = 0
        self.seen = 0
        for name in calls:
            monkeypatch.setattr(os, name, self.call(getattr(os, name), number))

    def call(self, original: Callable[..., object], number: int) -> Callable[..., object]:
        def failing(*arguments: object) -> object:
            if self.left:
                self.left, self.seen = self.left - 1, self.seen + 1
                raise OSError(number, os.strerror(number))
            return original(*arguments)

        return failing


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_disk_that_fails_once_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The file is suspect, cut to what was durable; the rest is in a new one."""
    folder, closed = begun(tmp_path), list[Segment]()
    writer = SegmentWriter(folder, RATE, 60.0, 0.5, closed.append)
    feed(writer, 20_000)
    failing = Failing(monkeypatch, (call,), errno.EIO)
    failing.left = 1
    feed(writer, 60_000)
    writer.close()
    assert (writer.suspects, failing.seen, writer.position) == (1, 1, 60_000)
    assert folder.ledger().believed == {0: closed[0].samples}
    assert [segment.samples for segment in closed] == [closed[0].samples, 60_000 - closed[0].samples]
    assert closed[0].samples <= 20_000
    assert check_whole(folder).samples == 60_000


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_what_is_not_on_the_disk_is_not_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """While the disk fails, ``synced`` stands still; when it is well again, everything taken is written."""
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 60.0, 0.5)
    feed(writer, 20_000)
    durable = writer.synced
    assert durable >= 16_000
    failing = Failing(monkeypatch, ("fdatasync", "fsync"), number)
    failing.left = 10**6
    refused = 0
    for _ in range(50):
        position = writer.position
        try:
            writer.write(ramp(position, 1600))
        except CaptureError:
            refused += 1
        assert writer.synced == durable
        assert position <= writer.position <= durable + 8000 + 1600
    assert refused > 40
    failing.left = 0
    feed(writer, 60_000)
    writer.close()
    assert check_whole(folder).samples == 60_000


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_every_single_failure_is_survived(number: int) -> None:
    """At each call in turn: with another try, no sample is lost and none is twice."""
    with in_memory() as root:
        step, failed = 0, True
        while failed:
            step, failed = step + 1, False

            def fail(count: int, name: str, step: int = step) -> None:
                nonlocal failed
                if count == step:
                    failed = True
                    raise OSError(number, os.strerror(number))

            folder = begun(Path(root), str(step))
            writer = SegmentWriter(folder, RATE, 0.5, 0.2)
            with watched(fail):
                feed(writer, 20_000, tries=3)
                try:
                    writer.close()
                except CaptureError:
                    writer.close()
            assert writer.synced == 20_000
            folder.flush()
            assert check_whole(Folder(folder.path)).samples == 20_000
        assert step > 50


@settings(deadline=None)
@given(st.sets(st.integers(1, 90), max_size=20), st.sampled_from([errno.EIO, errno.ENOSPC]))
def test_failures_in_any_number_are_survived(steps: set[int], number: int) -> None:
    def fail(count: int, name: str) -> None:
        if count in steps:
            raise OSError(number, os.strerror(number))

    with in_memory() as root:
        folder = begun(Path(root))
        writer = SegmentWriter(folder, RATE, 0.5, 0.2)
        with watched(fail):
            feed(writer, 20_000, tries=100)
            while writer.synced < writer.position or writer.is_open:
                with suppress(CaptureError):
                    writer.close()
        folder.flush()
        assert check_whole(Folder(folder.path)).samples == 20_000


def test_a_limit_on_the_size_of_files_begins_new_ones(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
            writer = SegmentWriter(folder, RATE, 60.0, 0.1)
            feed(writer, 50_000, block=800)
            writer.close()
            status = writer.suspects
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert check_whole(folder).samples == 50_000
    assert len(folder.read().segments) >= 5


def test_a_segment_that_is_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder)
    (folder.path / "000000.wav").write_bytes(b"somebody's")
    feed(writer, 4000)
    writer.close()
    assert (folder.path / "000000.wav").read_bytes() == b"somebody's"
    assert [segment.file for segment in folder.read().segments] == ["000001.wav"]
