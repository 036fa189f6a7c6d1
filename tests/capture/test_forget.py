"""What people asked to forget is gone, and the recording lasts as long as it did."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder
from meetsense.capture.forget import forget
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind
from tests.capture.ramp import RATE, assembled, begun, check_whole, feed, in_memory, ramp, sound, written


def seal(plain: Path, target: Path) -> None:
    """Stands for encryption: what comes out can't be read here."""
    target.write_bytes(bytes(byte ^ 0x5A for byte in plain.read_bytes()))


def everything(folder: Folder) -> bytes:
    return b"".join(path.read_bytes() for path in folder.path.iterdir())


def check_gone(folder: Folder, start: int, stop: int) -> None:
    there = everything(folder)
    for position in range(start, stop, 16):
        assert ramp(position, 16).tobytes() not in there


@settings(deadline=None)  # a disk takes its time
@given(
    st.lists(st.tuples(st.integers(1, 9000), st.integers(0, 9000)), min_size=1, max_size=6),
    st.sets(st.integers(0, 8)),
    st.floats(0.0, 4.0),
)
def test_the_last_seconds_of_the_clock(
    parts: list[tuple[int, int]], packed: set[int], seconds: float
) -> None:
    """Across gaps, WAVs and FLACs: what is kept is the beginning, and nothing else is anywhere."""
    with in_memory() as root:
        folder = begun(Path(root))
        writer = SegmentWriter(folder, RATE, 0.5, 0.25)
        when: list[int] = []
        wall = 0
        for length, pause in parts:
            when += range(wall, wall + length)
            feed(writer, writer.position + length)
            wall += length + pause
            if pause:
                writer.gap(GapKind.PAUSE, pause)
        writer.close()
        for segment in folder.read().segments:
            if segment.index in packed:
                compress(folder, segment)
        before = folder.read()
        gap = forget(folder, seconds)
        found = check_whole(folder)
        kept = len([moment for moment in when if moment < wall - round(seconds * RATE)])
        assert (gap.kind, gap.position, gap.samples) == (GapKind.FORGOTTEN, kept, len(when) - kept)
        assert found.samples == kept
        assert found.duration == before.duration
        assert np.array_equal(sound(folder), ramp(0, kept))
        check_gone(folder, kept, len(when))


def test_while_it_is_recorded(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 1.0, 0.25)
    feed(writer, 40_000)
    writer.gap(GapKind.MUTED, 20_000, 20_000)
    assert writer.forget_last(1.0) == Gap(GapKind.FORGOTTEN, 24_000, 16_000)
    assert writer.position == writer.synced == 24_000
    check_gone(folder, 24_000, 40_000)
    feed(writer, 30_000)
    writer.close()
    found = check_whole(folder)
    assert found.gaps == (Gap(GapKind.MUTED, 20_000, 4_000), Gap(GapKind.FORGOTTEN, 24_000, 16_000))
    assert found.duration == (30_000 + 16_000) / RATE
    assert [segment.index for segment in found.segments] == [0, 1, 3]


def test_all_of_it(tmp_path: Path) -> None:
    folder = written(tmp_path, 40_000)
    assert forget(folder, 1e9) == Gap(GapKind.FORGOTTEN, 0, 40_000)
    assert sorted(path.name for path in folder.path.iterdir()) == ["ledger.jsonl", "recording.json"]
    assert (check_whole(folder).segments, folder.read().duration) == ((), 2.5)


def test_nothing(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    assert forget(folder, 5.0) == Gap(GapKind.FORGOTTEN, 0, 0)
    writer = SegmentWriter(folder)
    feed(writer, 16_000)
    writer.gap(GapKind.PAUSE, 160_000)
    assert writer.forget_last(5.0) == Gap(GapKind.FORGOTTEN, 16_000, 0)
    assert writer.forget_last(0.0).samples == 0
    assert folder.read().gaps == (Gap(GapKind.PAUSE, 16_000, 160_000),)


def test_an_encrypted_segment_goes_as_a_whole(tmp_path: Path) -> None:
    folder = written(tmp_path, 64_000)
    for segment in folder.read().segments[1:3]:
        compress(folder, segment, seal)
    assert forget(folder, 1.5) == Gap(GapKind.FORGOTTEN, 32_000, 32_000)
    assert [segment.file for segment in folder.read().segments] == ["000000.wav", "000001.flac.age"]
    assert recover(folder).samples == 32_000
    assert forget(folder, 2.5) == Gap(GapKind.FORGOTTEN, 16_000, 16_000)
    assert check_whole(folder).duration == 4.0


def test_a_file_that_somebody_holds_open_is_empty(tmp_path: Path) -> None:
    folder = written(tmp_path, 32_000)
    descriptor = os.open(folder.path / "000001.wav", os.O_RDONLY)
    forget(folder, 1.0)
    assert os.fstat(descriptor).st_size == 0
    os.close(descriptor)


def test_what_is_being_compressed_is_forgotten_too(tmp_path: Path) -> None:
    """Whichever is first, nothing of it stays."""
    for _ in range(10):
        folder = begun(tmp_path / str(_))
        writer = SegmentWriter(folder, RATE, 0.5, 0.25)
        feed(writer, 40_000)
        writer.close()
        segments = folder.read().segments

        def pack(folder: Folder = folder, segments: tuple = segments) -> None:  # type: ignore[type-arg]
            for segment in reversed(segments):
                compress(folder, segment)

        packing = threading.Thread(target=pack)
        packing.start()
        writer.forget(10_000)
        packing.join()
        assert check_whole(folder).samples == 10_000
        check_gone(folder, 10_000, 40_000)


def test_a_damaged_flac_is_forgotten_as_far_as_it_was_kept(tmp_path: Path) -> None:
    folder = written(tmp_path, 48_000, seconds=3.0)
    (segment,) = folder.read().segments
    compress(folder, segment)
    path = folder.path / "000000.flac"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    forget(folder, 0.5)
    found = check_whole(folder)
    assert found.samples < 40_000
    assert found.duration == 3.0
    assert {gap.kind for gap in found.gaps} == {GapKind.FORGOTTEN, GapKind.DISK}


def test_a_disk_that_refuses_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path, 48_000)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr(os, "ftruncate", fail)
        with pytest.raises(CaptureError, match="the disk fails"):
            forget(folder, 1.5)
    recover(folder)
    assert check_whole(folder).samples == 24_000
    check_gone(folder, 24_000, 48_000)


@pytest.mark.parametrize("call", ["ftruncate", "unlink", "fsync", "pwrite", "fdatasync"])
def test_while_it_is_recorded_a_disk_that_refuses_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 1.0, 0.25)
    feed(writer, 40_000)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr(os, call, fail)
        with pytest.raises(CaptureError):
            writer.forget(24_000)
    writer.forget(min(24_000, writer.position))
    check_gone(folder, 24_000, 40_000)
    feed(writer, writer.position + 5000)
    writer.close()
    found = check_whole(folder)
    assert found.samples + sum(gap.missing for gap in found.gaps) == 40_000 + 5000
    assert {gap.kind for gap in found.gaps} == {GapKind.FORGOTTEN}


def test_behind_a_file_that_the_disk_failed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be neither synced nor cut back; positions count it nevertheless."""
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 60.0, 0.25)
    feed(writer, 18_000)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr(os, "ftruncate", fail)
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(CaptureError):
            feed(writer, 24_000)
    feed(writer, 40_000)
    assert writer.suspects > 0
    assert writer.forget(30_000) == Gap(GapKind.FORGOTTEN, 30_000, 10_000)
    assert check_whole(folder).samples == 30_000
    check_gone(folder, 30_000, 40_000)


def test_the_time_line_stays_true(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 1.0)
    feed(writer, 40_000)
    writer.forget_last(1.0)
    feed(writer, 30_000)
    writer.close()
    heard = assembled(folder, tmp_path / "whole.wav")
    assert len(heard) == 46_000
    assert np.array_equal(heard[:24_000], ramp(0, 24_000))
    assert not heard[24_000:40_000].any()
    assert np.array_equal(heard[40_000:], ramp(24_000, 6_000))
