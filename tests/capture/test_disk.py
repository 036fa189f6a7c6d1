"""A disk that is full: what is finished stays, recording says so, and goes on when there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from meetsense.capture import disk
from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder
from meetsense.capture.forget import forget
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import GapKind, Segment
from tests.capture.lossy import lossy_disk
from tests.capture.ramp import RATE, assembled, begun, check_whole, feed, ramp, recording, written
from tests.small_disk import small_disk

ROOM = 1 << 20
"""Bytes of the disk: 32 s of sound."""


@pytest.fixture(params=["tmpfs", "lossy"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    if request.param == "lossy":
        with lossy_disk(tmp_path) as commands:
            root = commands.fresh()
            commands.room(ROOM)
            yield root
        return
    mount = tmp_path / "small"
    mount.mkdir()
    with small_disk(mount, str(ROOM)):
        yield mount


def test_a_full_disk_and_room_again(small: Path) -> None:
    folder, closed = begun(small / "recordings"), list[Segment]()
    ballast = small / "ballast"
    ballast.write_bytes(bytes(ROOM // 2))
    writer = SegmentWriter(folder, RATE, 2.0, 0.5, closed.append)
    with pytest.raises(CaptureError, match="there is no room on the disk; free some space"):
        feed(writer, 60 * RATE)
    full_at, finished = writer.position, {segment: bytes_of(folder, segment) for segment in closed}
    assert len(finished) >= 4
    for _ in range(20):
        with pytest.raises(CaptureError):
            writer.write(ramp(writer.position, 1600))
    assert writer.position == full_at
    fill(small, "more")
    with suppress(CaptureError):  # the last page of the ledger may have room for it
        writer.gap(GapKind.DISK, 3 * RATE)
    assert {segment: bytes_of(folder, segment) for segment in finished} == finished
    assert all(disk.sha256_of(folder.path / segment.file) == segment.sha256 for segment in finished)
    ballast.unlink()
    (small / "more").unlink()
    feed(writer, full_at + 5 * RATE)
    writer.close()
    found = check_whole(folder)
    assert found.samples == full_at + 5 * RATE
    assert [(gap.kind, gap.samples) for gap in found.gaps] == [(GapKind.DISK, 3 * RATE)]


def bytes_of(folder: Folder, segment: Segment) -> bytes:
    return (folder.path / segment.file).read_bytes()


def test_no_room_to_begin(small: Path) -> None:
    fill(small)
    with pytest.raises(CaptureError, match="no room on the disk"):
        begun(small / "recordings")
    assert not list(small.glob("recordings/*/*"))
    (small / "ballast").unlink()
    assert begun(small / "recordings").read() == recording()


def fill(root: Path, name: str = "ballast") -> None:
    with (root / name).open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(256)):
            pass


def test_no_room_to_compress(small: Path) -> None:
    folder = written(small / "recordings", 8 * RATE, seconds=2.0)
    fill(small)
    for segment in folder.read().segments:
        with pytest.raises(CaptureError):
            compress(folder, segment)
    assert not list(folder.path.glob("*.part"))
    assert check_whole(folder).samples == 8 * RATE
    (small / "ballast").unlink()
    for segment in folder.read().segments:
        compress(folder, segment)
    assert check_whole(folder).samples == 8 * RATE


def test_forgetting_needs_no_room(small: Path) -> None:
    folder = written(small / "recordings", 8 * RATE, seconds=2.0)
    fill(small)
    assert forget(folder, 3.5).samples == 7 * RATE // 2
    assert check_whole(Folder(folder.path)).samples == 9 * RATE // 2


def test_no_room_to_assemble(small: Path) -> None:
    folder = written(small / "recordings", 20 * RATE, seconds=2.0)
    with pytest.raises(CaptureError, match="no room on the disk"):
        assembled(folder, small / "whole.wav")
    assert not (small / "whole.wav").exists()


def test_a_disk_that_may_not_be_written_to(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with pytest.raises(CaptureError, match="can't be written"):
        begun(root)
    if os.getuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(CaptureError, match="Permission denied"):
            begun(tmp_path / "closed")


def test_a_kernel_that_takes_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([3, 0])
    monkeypatch.setattr(os, "pwrite", lambda *_: next(calls))
    with pytest.raises(OSError, match="Input/output error"):
        disk.write_all(0, b"sound", 0)


def test_a_folder_whose_name_is_not_durable_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(CaptureError, match="the disk fails"):
            begun(tmp_path)
    assert list(tmp_path.iterdir()) == []
