"""The WAV goes when something that decodes to the same samples is certain to be there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

from meetsense.capture import disk, flac
from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder
from meetsense.capture.forget import forget
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import Segment
from tests.capture.ramp import RATE, assembled, begun, check_whole, ramp, written
from tests.capture.test_assemble import unseal
from tests.capture.test_forget import seal


def names(folder: Folder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def test_the_same_samples_in_less_room(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    writer = SegmentWriter(folder, RATE, 10.0)
    noise = np.random.default_rng(1).normal(0, 300, 50_000).astype(np.int16)
    noise[1000:1010] = [-32768, 32767] * 5
    writer.write(noise)
    writer.close()
    (before,) = folder.read().segments
    size = (folder.path / before.file).stat().st_size
    small = compress(folder, before)
    path = folder.path / "000000.flac"
    assert small == Segment(0, "000000.flac", 50_000, disk.sha256_of(path))
    assert folder.read().segments == (small,)
    assert names(folder) == ["000000.flac", "ledger.jsonl", "recording.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size < 0.8 * size
    assert np.array_equal(soundfile.read(path, dtype="int16")[0], noise)
    assert np.array_equal(assembled(folder, tmp_path / "whole.wav"), noise)


def test_again_it_is_what_it_is(tmp_path: Path) -> None:
    folder = written(tmp_path, 40_000)
    segments = folder.read().segments
    once = [compress(folder, segment) for segment in segments]
    assert [compress(folder, segment) for segment in segments] == once
    assert compress(folder, Segment(7, "000007.wav", 1, "0" * 64)) is None
    forget(folder, 1.0)
    assert compress(folder, segments[-1]) is None


def test_encrypted(tmp_path: Path) -> None:
    """Nothing of it can be read in the folder, and all of it by who has the key."""
    folder = written(tmp_path, 40_000)
    for segment in folder.read().segments:
        compress(folder, segment, seal)
    assert [segment.file for segment in folder.read().segments] == [f"00000{i}.flac.age" for i in range(3)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}
    assert not any(b"fLaC" in path.read_bytes() for path in folder.path.iterdir())
    assert recover(Folder(folder.path)) == folder.read()
    assert np.array_equal(assembled(folder, tmp_path / "whole.wav", unseal), ramp(0, 40_000))


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), CaptureError("no such key")])
def test_a_key_that_fails_costs_nothing(tmp_path: Path, error: Exception) -> None:
    def fail(plain: Path, target: Path) -> None:
        target.write_bytes(plain.read_bytes()[:10])
        raise error

    folder = written(tmp_path, 10_000)
    (segment,) = folder.read().segments
    with pytest.raises(CaptureError):
        compress(folder, segment, fail)
    assert names(folder) == ["000000.wav", "ledger.jsonl", "recording.json"]
    assert check_whole(folder).segments == (segment,)


def test_a_flac_that_decodes_to_something_else_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = flac.decoded

    def wrong(source: Path) -> object:
        for block in original(source):
            block[-1] += 1
            yield block

    folder = written(tmp_path, 10_000)
    (segment,) = folder.read().segments
    monkeypatch.setattr(flac, "decoded", wrong)
    with pytest.raises(CaptureError, match="its FLAC decodes to other samples"):
        compress(folder, segment)
    monkeypatch.undo()
    assert check_whole(folder).segments == (segment,)


@pytest.mark.parametrize("damage", [lambda data: data[:-1000], lambda data: b"R" + bytes(43) + data[44:]])
def test_a_damaged_wav_is_not_made_a_flac_that_looks_whole(tmp_path: Path, damage: object) -> None:
    folder = written(tmp_path, 10_000)
    (segment,) = folder.read().segments
    path = folder.path / "000000.wav"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(CaptureError, match="its header is not that of"):
        compress(folder, segment)
    assert "000000.wav" in names(folder)
    assert recover(folder).duration == 10_000 / RATE


@pytest.mark.parametrize("end", ["wav", "flac"])
@pytest.mark.parametrize("where", [0.02, 0.3, 0.6, 0.97])
def test_bytes_that_rot_are_noticed(tmp_path: Path, end: str, where: float) -> None:
    """And what is left of the sound can be used; its length stays, in sound or in gaps."""
    folder = written(tmp_path, 40_000, seconds=5.0)
    if end == "flac":
        compress(folder, folder.read().segments[0])
    path = folder.path / f"000000.{end}"
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(CaptureError, match="isn't what was recorded"):
        assembled(folder, tmp_path / "whole.wav")
    found = recover(Folder(folder.path))
    assert found.duration == 2.5
    assert len(assembled(folder, tmp_path / "whole.wav")) == 40_000
    assert recover(Folder(folder.path)) == found


def test_what_is_forgotten_and_still_there_is_not_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refused to shorten the WAV."""
    folder = written(tmp_path, 40_000, seconds=5.0)
    (segment,) = folder.read().segments

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        with pytest.raises(CaptureError):
            forget(folder, 1.0)
        with pytest.raises(CaptureError):
            compress(folder, segment)
    assert "000000.flac" not in names(folder)
    small = compress(folder, segment)
    assert small is not None
    assert small.samples == len(soundfile.read(folder.path / small.file)[0]) == 24_000
    assert check_whole(folder).samples == 24_000
