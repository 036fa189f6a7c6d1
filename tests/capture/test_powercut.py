"""The power goes at any moment: at most 1.5 s of sound are lost, and nothing that was said to be durable."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from tests.capture.lossy import Commands, lossy_disk
from tests.capture.powercuts import Tally, lose_commits, lose_sound
from tests.capture.ramp import RATE, begun, check_whole, feed, ramp, written


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with lossy_disk(tmp_path_factory.mktemp("lossy")) as commands:
        yield commands


def names(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


def synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


class TestTheDisk:
    """It takes what an honest disk may take, and no more."""

    def test_a_name_needs_its_directory_synced(self, disk: Commands) -> None:
        root = disk.fresh()
        (root / "a").write_bytes(b"old")
        synced(root / "a")
        assert names(disk.cut()) == []

    def test_bytes_need_their_file_synced(self, disk: Commands) -> None:
        root = disk.fresh()
        (root / "a").write_bytes(b"1" * 600)
        synced(root / "a")
        synced(root)
        with (root / "a").open("r+b") as file:
            file.seek(550)
            file.write(b"2" * 600)
        (root / "a").rename(root / "b")
        after = disk.cut()
        assert names(after) == ["a"]
        assert (after / "a").read_bytes() == b"1" * 600

    def test_what_is_synced_stays(self, disk: Commands) -> None:
        root = disk.fresh()
        (root / "a").write_bytes(b"1" * 600)
        (root / "a").rename(root / "b")
        (root / "c").write_bytes(b"")
        (root / "c").unlink()
        synced(root / "b")
        synced(root)
        after = disk.cut()
        assert names(after) == ["b"]
        assert (after / "b").read_bytes() == b"1" * 600
        with pytest.raises(OSError, match="Input/output error"):
            (root / "b").read_bytes()

    def test_a_failed_sync_loses_what_it_was_for(self, disk: Commands) -> None:
        root = disk.fresh()
        (root / "a").write_bytes(b"1" * 600)
        synced(root)
        disk.fail(1)
        with pytest.raises(OSError, match="Input/output error"):
            synced(root / "a")
        synced(root / "a")
        assert (disk.cut() / "a").read_bytes() == bytes(600)

    def test_torn_writes_differ_by_seed(self, disk: Commands) -> None:
        found = set()
        for seed in range(12):
            root = disk.fresh(seed)
            (root / "a").write_bytes(b"1" * 4096)
            synced(root)
            found.add((disk.cut() / "a").read_bytes())
        assert len(found) > 5

    def test_a_commit_that_sqlite_does_not_sync_is_lost(self, disk: Commands) -> None:
        """As the store does not: with synchronous=NORMAL."""
        root = disk.fresh()
        database = sqlite3.connect(root / "a.db", isolation_level=None)
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=normal")
        database.execute("create table t(x)")
        after = disk.cut()
        database.close()
        with sqlite3.connect(after / "a.db") as found:
            assert found.execute("select count(*) from sqlite_master").fetchone() == (0,)
        found.close()


def test_sound(disk: Commands) -> None:
    tally = Tally()
    lose_sound(disk, range(20), tally)
    assert tally.cuts == 20
    assert tally.samples > RATE
    assert tally.durable_lost == 0
    assert tally.lost > 0


def test_commits(disk: Commands) -> None:
    tally = Tally()
    lose_commits(disk, range(6), tally)
    assert tally.commits > 5
    assert tally.commits_lost == 0


def test_a_recording_is_there_with_its_basis_once_it_began(disk: Commands) -> None:
    root = disk.fresh()
    stated = begun(root / "state" / "recordings").read()
    (found,) = (disk.cut() / "state" / "recordings").iterdir()
    assert Folder(found).read() == stated


def test_compression_loses_nothing_at_any_sync(disk: Commands) -> None:
    for sync in range(1, 40):
        folder = written(disk.fresh(sync), 20_000, seconds=0.5)
        disk.cut_at(sync)
        try:
            for segment in folder.read().segments:
                compress(folder, segment)
        except CaptureError:
            pass
        else:
            break
        assert check_whole(Folder(disk.cut() / folder.id)).samples == 20_000
    assert sync > 12


def assert_gone(folder: Path, start: int) -> None:
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    for position in range(start, 24_000, 16):
        assert ramp(position, 16).tobytes() not in everything


def test_what_was_forgotten_is_not_on_the_disk(disk: Commands) -> None:
    """Not even with the power cut at once: the ramp's pieces of 16 samples are looked for in every file."""
    for sync in (None, *range(1, 40)):
        folder = written(disk.fresh(sync), 20_000, seconds=0.5)
        writer = SegmentWriter(folder, RATE, 0.5)
        feed(writer, 24_000)
        if sync is not None:
            disk.cut_at(sync)
        try:
            writer.forget(10_000)
        except CaptureError:
            returned = False
        else:
            returned = True
        after = disk.cut() / folder.id
        if returned:
            assert_gone(after, 10_000)
        found = check_whole(Folder(after))
        assert found.samples >= 20_000 or found.samples == 10_000
        assert found.samples == 10_000 or not returned
        assert_gone(after, found.samples)
        if returned and sync is not None:
            break
    assert sync is not None
    assert sync > 8


@pytest.mark.parametrize(("boot", "left"), [("the next one", 18_000), (None, 24_000)])
def test_zeros_are_torn_writes_after_a_power_cut_alone(tmp_path: Path, boot: str | None, left: int) -> None:
    """Where the machine went on, they are what the microphone gave."""
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 60.0, 1.0)
    feed(writer, 18_000)
    writer.write(np.zeros(2000, np.int16))
    feed(writer, 24_000)
    assert recover(Folder(folder.path), boot).samples == left
    assert recover(Folder(folder.path), "the one after").samples == left


def test_a_muted_microphone_is_not_a_torn_write(tmp_path: Path) -> None:
    """No more is cut than the last writer had not synced."""
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 60.0, 0.5)
    writer.write(np.zeros(80_000, np.int16))
    assert recover(folder, "the next one").samples == 80_000 - 8000 - 1000


def test_a_sync_that_fails_costs_nothing(disk: Commands) -> None:
    """Though Linux drops what it was for, and says that the next one succeeded."""
    folder = begun(disk.fresh())
    writer = SegmentWriter(folder, RATE, 60.0, 0.5)
    feed(writer, 20_000)
    for _ in range(3):
        disk.fail(1)
        feed(writer, writer.position + 20_000)
    durable = writer.synced
    assert writer.suspects == 3
    found = check_whole(Folder(disk.cut() / folder.id))
    assert found.samples == durable > 70_000


def test_syncs_that_go_on_failing_are_not_success(disk: Commands) -> None:
    folder = begun(disk.fresh())
    writer = SegmentWriter(folder, RATE, 60.0, 0.5)
    feed(writer, 20_000)
    durable = writer.synced
    disk.fail(1000)
    with pytest.raises(CaptureError, match="the disk fails"):
        feed(writer, 60_000)
    assert writer.synced == durable
    disk.fail(0)
    feed(writer, 60_000)
    writer.close()
    folder.flush()
    found = Folder(disk.cut() / folder.id)
    assert check_whole(found).samples == 60_000
    assert len(found.ledger().believed) == writer.suspects >= 2
