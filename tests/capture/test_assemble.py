"""One file in which every second is where it was on the clock."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from meetsense.capture import disk, wav
from meetsense.capture.assemble import assemble
from meetsense.capture.compress import compress
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind, quantise
from tests.capture.ramp import RATE, assembled, begun, feed, in_memory, ramp, written
from tests.capture.test_forget import seal


def unseal(path: Path) -> BinaryIO:
    return io.BytesIO(bytes(byte ^ 0x5A for byte in path.read_bytes()))


@settings(deadline=None)  # a disk takes its time
@given(
    st.lists(
        st.tuples(st.integers(0, 9000), st.sampled_from(GapKind), st.integers(0, 9000)),
        min_size=1,
        max_size=6,
    ),
    st.sets(st.integers(0, 4)),
    st.sets(st.integers(0, 4)),
)
def test_gaps_are_silence(parts: list[tuple[int, GapKind, int]], packed: set[int], sealed: set[int]) -> None:
    """Every sample is as late as all that is missing before it."""
    with in_memory() as root:
        folder = begun(Path(root))
        writer = SegmentWriter(folder, RATE, 0.5)
        expected = []
        for length, kind, samples in parts:
            expected.append(ramp(writer.position, length))
            feed(writer, writer.position + length)
            expected.append(np.zeros(writer.gap(kind, samples).missing, np.int16))
        writer.close()
        for segment in folder.read().segments:
            if segment.index in packed | sealed:
                compress(folder, segment, seal if segment.index in sealed else None)
        heard = assembled(folder, Path(root) / "whole.wav", unseal)
        assert np.array_equal(heard, np.concatenate(expected))
        assert quantise(len(heard) / RATE) == folder.read().duration


def test_silence_takes_no_room(tmp_path: Path) -> None:
    folder = written(tmp_path, 10_000)
    folder.append(Gap(GapKind.PAUSE, 5000, 3600 * RATE))
    assemble(folder, folder.read(), tmp_path / "whole.wav")
    found = (tmp_path / "whole.wav").stat()
    assert found.st_size == wav.HEADER_BYTES + 2 * (10_000 + 3600 * RATE)
    assert found.st_blocks * 512 < 1 << 20
    assert found.st_mode & 0o777 == 0o600


def test_a_recording_of_nothing_but_gaps(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    assert len(assembled(folder, tmp_path / "whole.wav")) == 0
    folder.append(Gap(GapKind.FORGOTTEN, 0, 8000))
    assert not assembled(folder, tmp_path / "whole.wav").any()
    assert len(assembled(folder, tmp_path / "whole.wav")) == 8000


def test_a_file_without_a_name(tmp_path: Path) -> None:
    folder = written(tmp_path, 40_000)
    with (tmp_path / "unnamed").open("w+b") as file:
        (tmp_path / "unnamed").unlink()
        assemble(folder, folder.read(), Path(f"/proc/self/fd/{file.fileno()}"))
        file.seek(wav.HEADER_BYTES)
        assert file.read() == ramp(0, 40_000).tobytes()
        (folder.path / "000001.wav").unlink()
        with pytest.raises(CaptureError, match=r"000001\.wav: can't be read"):
            assemble(folder, folder.read(), Path(f"/proc/self/fd/{file.fileno()}"))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: path.unlink(), r"000001\.wav: can't be read \(No such file or directory\)"),
        (lambda path: path.write_bytes(path.read_bytes()[:-2]), "isn't what was recorded"),
        (lambda path: path.write_bytes(path.read_bytes()[:-2] + b"\0\1"), "isn't what was recorded"),
    ],
)
def test_damage_is_said_and_nothing_is_left(tmp_path: Path, damage: object, complaint: str) -> None:
    folder = written(tmp_path, 40_000)
    damage(folder.path / "000001.wav")  # type: ignore[operator]
    with pytest.raises(CaptureError, match=complaint):
        assemble(folder, folder.read(), tmp_path / "whole.wav")
    assert not (tmp_path / "whole.wav").exists()


def test_fewer_samples_than_were_recorded(tmp_path: Path) -> None:
    folder = written(tmp_path, 40_000)
    told = folder.read()
    longer = replace(told, segments=(replace(told.segments[0], samples=16_001), *told.segments[1:]))
    with pytest.raises(CaptureError, match=r"000000\.wav: holds 1 samples fewer than were recorded"):
        assemble(folder, longer, tmp_path / "whole.wav")


@pytest.mark.parametrize("size", [0, 1, 43, 44, 45, 46, 47, 100])
@pytest.mark.parametrize("end", [".wav", ".flac", ".flac.age"])
def test_a_file_of_any_length_comes_to_an_end(tmp_path: Path, size: int, end: str) -> None:
    """Though it is what was hashed: the row says more than it has."""
    folder = written(tmp_path, 1_000)
    (segment,) = folder.read().segments
    if end != ".wav":
        segment = compress(folder, segment, seal if end == ".flac.age" else None) or segment
    path = folder.path / segment.file
    path.write_bytes(path.read_bytes()[:size])
    told = replace(
        folder.read(),
        segments=(replace(segment, sha256=disk.sha256_of(path)),),
        gaps=(Gap(GapKind.PAUSE, 1, 5), Gap(GapKind.PAUSE, 1, 5), Gap(GapKind.PAUSE, 2_000, 5)),
    )
    with pytest.raises(CaptureError, match=r"holds \d+ samples fewer|can't be read"):
        assemble(folder, told, tmp_path / "whole.wav", unseal)


def test_a_file_that_grows_is_read_as_far_as_it_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, taken = written(tmp_path, 32_000), []

    def longer(file: BinaryIO) -> Iterator[NDArray[np.int16]]:
        for start in range(0, 80_000, 5_000):
            taken.append(start)
            yield ramp(start, 5_000)

    monkeypatch.setattr(wav, "chunks", longer)
    assemble(folder, folder.read(), tmp_path / "whole.wav")
    monkeypatch.undo()
    assert taken == 2 * [0, 5_000, 10_000, 15_000]
    assert np.array_equal(wav.read(tmp_path / "whole.wav", RATE), np.tile(ramp(0, 16_000), 2))


def test_gaps_of_one_place_within_a_block(tmp_path: Path) -> None:
    folder = written(tmp_path, 1_000)
    for gap in (Gap(GapKind.PAUSE, 0, 3), Gap(GapKind.MUTED, 400, 9), Gap(GapKind.PAUSE, 400, 2)):
        folder.append(gap)
    folder.append(Gap(GapKind.SUSPEND, 400, 5))
    heard = assembled(folder, tmp_path / "whole.wav")
    pause, sleep = np.zeros(3, np.int16), np.zeros(7, np.int16)
    assert np.array_equal(heard, np.concatenate([pause, ramp(0, 400), sleep, ramp(400, 600)]))


def test_what_is_encrypted_needs_its_key(tmp_path: Path) -> None:
    folder = written(tmp_path, 10_000)
    compress(folder, folder.read().segments[0], seal)
    with pytest.raises(CaptureError, match="is encrypted; set the identity that opens it"):
        assemble(folder, folder.read(), tmp_path / "whole.wav")

    def refuse(path: Path) -> BinaryIO:
        raise CaptureError("another key")

    for open_sealed, complaint in ((refuse, "another key"), (lambda path: path.open("rb"), "can't be read")):
        with pytest.raises(CaptureError, match=complaint):
            assemble(folder, folder.read(), tmp_path / "whole.wav", open_sealed)
        assert not (tmp_path / "whole.wav").exists()


def test_longer_than_a_wav_can_be(tmp_path: Path) -> None:
    folder = written(tmp_path, 100)
    folder.append(Gap(GapKind.SUSPEND, 100, wav.LONGEST))
    with pytest.raises(CaptureError, match="lasted longer than the 37 h that a WAV can hold"):
        assemble(folder, folder.read(), tmp_path / "whole.wav")


PROGRAM = """
import resource, sys
from pathlib import Path
from meetsense.capture.assemble import assemble
from meetsense.capture.folder import Folder
def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
short, long = (Folder(Path(name)) for name in sys.argv[1:3])
target = Path(sys.argv[3])
assemble(short, short.read(), target)
before = memory()
assemble(long, long.read(), target)
print(memory() - before)
"""


def test_memory_does_not_grow_with_the_length() -> None:
    """Ten minutes as much as one: kB of growth of the peak."""
    with in_memory() as name:
        root = Path(name)
        short = written(root / "short", 60 * RATE, seconds=60.0, block=RATE)
        long = written(root / "long", 600 * RATE, seconds=60.0, block=RATE)
        for segment in long.read().segments[::2]:
            compress(long, segment)
        compress(short, short.read().segments[0])
        command = [sys.executable, "-c", PROGRAM, str(short.path), str(long.path), str(root / "w.wav")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 2000
        assert np.array_equal(wav.read(root / "w.wav", RATE), ramp(0, 600 * RATE))
