"""Killed at any moment: everything that was written is there, and nobody has to do anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder, unfinished
from meetsense.capture.forget import forget
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind, Recording
from tests.capture.faults import killed_at
from tests.capture.kills import survive
from tests.capture.ramp import RATE, begun, check_whole, feed, in_memory, ramp, recording, sound, written

KILLS = 40


@pytest.fixture
def ram() -> Iterator[Path]:
    with in_memory() as name:
        yield Path(name)


def test_kills_while_recording(ram: Path) -> None:
    tally = survive(ram, range(KILLS))
    assert (tally.kills, tally.lost) == (KILLS, 0)
    assert tally.samples > RATE


def steps(work: Callable[[Path], object], prepare: Callable[[Path], Folder], root: Path) -> list[Folder]:
    """The folders that are left when the work on a fresh one is killed before each of its calls."""
    fresh = prepare(root / "fresh").path
    left: list[Folder] = []
    killed = True
    while killed:
        folder = Folder(root / str(len(left)) / fresh.name)
        shutil.copytree(fresh, folder.path)
        killed = killed_at(len(left) + 1, lambda: work(folder.path))  # noqa: B023
        left.append(folder)
    return left


def test_the_beginning(ram: Path) -> None:
    """Either there is no recording, or one with its legal basis."""
    found = []
    for step in range(1, 100):
        root = ram / str(step)
        root.mkdir()
        if not killed_at(step, lambda: begun(root)):  # noqa: B023
            break
        for folder in unfinished(root):
            found.append(check_whole(folder))
            folder.end(folder.read().started_at, "crash")
        assert unfinished(root) == ()
        assert not list(root.glob("*/*.wav"))
    assert step > 10
    assert found
    assert set(found) == {recording()}


def record_a_little(path: Path) -> None:
    """Three segments, a pause, something forgotten, a fourth segment."""
    writer = SegmentWriter(Folder(path), RATE, 0.5, 0.2)
    feed(writer, 20_000)
    writer.gap(GapKind.PAUSE, 1000)
    feed(writer, 21_000)
    writer.forget(14_000)
    feed(writer, 18_000)
    writer.close()


def test_every_step_of_recording(ram: Path) -> None:
    left = steps(record_a_little, begun, ram)
    assert len(left) > 90
    lengths = [check_whole(folder).samples for folder in left]
    assert max(lengths) == 21_000
    assert lengths[-1] == 18_000


def packed(root: Path) -> Folder:
    return written(root, 20_000, seconds=0.5)


def pack(path: Path) -> None:
    folder = Folder(path)
    for segment in folder.read().segments:
        compress(folder, segment)


def test_every_step_of_compression(ram: Path) -> None:
    left = steps(pack, packed, ram)
    assert len(left) > 40
    for folder in left:
        assert check_whole(folder).samples == 20_000
        pack(folder.path)
        assert check_whole(folder).samples == 20_000
        assert {segment.file[6:] for segment in folder.read().segments} == {".flac"}


@pytest.mark.parametrize("compressed", [False, True])
def test_every_step_of_forgetting(ram: Path, compressed: bool) -> None:
    def prepare(root: Path) -> Folder:
        folder = packed(root)
        if compressed:
            pack(folder.path)
        return folder

    left = steps(lambda path: forget(Folder(path), 0.5), prepare, ram)
    assert len(left) > 10
    lengths = []
    for folder in left:
        found = check_whole(folder)
        lengths.append(found.samples)
        assert found.duration == 1.25
        assert found.gaps == ((Gap(GapKind.FORGOTTEN, 12_000, 8_000),) if found.samples == 12_000 else ())
    assert set(lengths) == {12_000, 20_000}
    assert lengths[-1] == 12_000


def damaged(root: Path) -> Folder:
    """What several crashes at once might leave."""
    folder = written(root, 48_000, seconds=0.5)
    path = folder.path
    pack(path)
    (path / "000000.wav").write_bytes((written(root / "other", 8000).path / "000000.wav").read_bytes())
    (path / "000001.flac").write_bytes((path / "000001.flac").read_bytes()[:-20])
    (path / "000002.flac").unlink()
    (path / "000003.flac").write_bytes(b"fLaC" + bytes(2000))
    folder.add(cut={"kind": "forgotten", "position": 36_000, "samples": 12_000})
    (path / "000006.wav").write_bytes(bytes(44))
    (path / "000007.wav").write_bytes(b"")
    late = (written(root / "late", 4000).path / "000000.wav").read_bytes()
    (path / "000008.wav").write_bytes(late + b"\x01")
    (path / "000009.wav").write_bytes(bytes(44) + late[44:])
    (path / "000010.wav").write_bytes(late)
    folder.add(suspect={"index": 10, "samples": 1000, "why": "Input/output error"})
    folder.append(Gap(GapKind.PAUSE, 10**6, 100))
    (path / "000011.flac.part").write_bytes(b"half")
    (path / "recording.json.new").write_bytes(b"{")
    with (path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"gap": {"kind": "pa')
    (path / "recording.json").write_bytes(b"\0" * 300)
    return folder


def contents(folder: Folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.name != "ledger.jsonl"}


def test_every_step_of_recovery(ram: Path) -> None:
    """Interrupted and done again, it comes to the same as at once, in every byte."""
    whole = damaged(ram / "whole")
    expected: Recording = recover(whole)
    files = contents(whole)
    assert recover(whole) == expected
    assert set(files) == {"recording.json", *(segment.file for segment in expected.segments)}
    for folder in steps(lambda path: recover(Folder(path)), damaged, ram):
        assert recover(folder) == expected
        assert contents(folder) == files
        assert recover(folder) == expected
        shutil.rmtree(folder.path.parent)


def test_what_recovery_makes_of_damage(ram: Path) -> None:
    folder = damaged(ram)
    found = recover(folder)
    # 0 whole, 1 cut short, 2 lost, 3 past reading and kept, 4 cut by forgetting, 5 forgotten, 6 and 7 empty
    assert [segment.index for segment in found.segments] == [0, 1, 3, 4, 8, 9, 10]
    assert [segment.samples for segment in found.segments][4:] == [4000, 4000, 1000]
    assert found.segments[2].samples == 0
    cut_short = found.segments[1].samples
    assert 0 <= cut_short < 8000
    kinds = [gap.kind for gap in found.gaps]
    assert kinds.count(GapKind.DISK) == 3
    assert {GapKind.FORGOTTEN, GapKind.PAUSE, GapKind.RESTART} <= set(kinds)
    assert np.array_equal(sound(folder)[: 8000 + cut_short], ramp(0, 8000 + cut_short))


def test_after_an_orderly_end_what_is_as_long_is_believed(ram: Path) -> None:
    folder = written(ram, 40_000)
    whole = folder.read()
    path = folder.path / "000001.wav"
    data = path.read_bytes()
    path.write_bytes(data[:-2] + b"\1\1")
    assert recover(folder, hashes=False) == whole
    path.write_bytes(data[:-2])
    (folder.path / "000003.wav").write_bytes(data)
    found = recover(folder, hashes=False)
    assert [segment.samples for segment in found.segments] == [16_000, 15_999, 8000, 16_000]
    assert recover(folder) == found


def test_recovery_says_what_a_disk_that_is_full_or_fails_needs(
    ram: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = damaged(ram)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr(os, "fsync", fail)
        with pytest.raises(CaptureError, match=r"the disk fails \(Input/output error\); replace it"):
            recover(folder)
    recover(folder)
