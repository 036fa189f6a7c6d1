"""Sound in which every sample says where it belongs, and what must hold of a folder after any fault."""

from __future__ import annotations

import os
import wave
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from numpy.typing import NDArray

from meetsense.capture import wav
from meetsense.capture.assemble import OpenSealed, assemble
from meetsense.capture.flac import until_damage
from meetsense.capture.folder import LEDGER, MANIFEST, Folder
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import Basis, BasisKind, Recording

RATE = 16_000
STARTED = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MEMORY = Path("/dev/shm")
BASIS = Basis(BasisKind.CONSENT, ("Ana", "Boris"))


def ramp(start: int, count: int) -> NDArray[np.int16]:
    """Samples from a position on: each is its position, modulo 65,536."""
    return np.arange(start, start + count).astype(np.uint16).view(np.int16)


def in_memory() -> TemporaryDirectory[str]:
    """A directory whose syncs take no time, where there is one: what a kill leaves is the same there."""
    return TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)


def recording(name: str = "20261124T090000Z-0123abcd") -> Recording:
    return Recording(name, "Budget", "Room 1", STARTED, BASIS, RATE)


def begun(root: Path, name: str = "20261124T090000Z-0123abcd") -> Folder:
    return Folder.create(root, recording(name))


def feed(writer: SegmentWriter, until: int, block: int = 1600, tries: int = 1) -> None:
    """Write the ramp up to a position; what isn't taken is written again, as the recorder does it."""
    while writer.position < until:
        before = writer.position
        try:
            writer.write(ramp(before, min(block, until - before)))
        except CaptureError:
            tries -= 1
            if tries <= 0:
                raise


def written(
    root: Path, samples: int, *, seconds: float = 1.0, block: int = 1600, sync_seconds: float = 0.25
) -> Folder:
    """A folder that holds so many samples of the ramp, closed."""
    folder = begun(root)
    writer = SegmentWriter(folder, RATE, seconds, sync_seconds)
    feed(writer, samples, block)
    writer.close()
    return folder


def sound(folder: Folder) -> NDArray[np.int16]:
    """The audio of its closed segments, without gaps, read by our own reader or as FLAC."""
    parts = [np.zeros(0, np.int16)]
    for segment in folder.read().segments:
        path = folder.path / segment.file
        blocks = wav.blocks(path, RATE) if path.suffix == ".wav" else until_damage(path)
        parts.append(np.concatenate([np.zeros(0, np.int16), *blocks])[: segment.samples])
    return np.concatenate(parts)


def assembled(folder: Folder, target: Path, open_sealed: OpenSealed | None = None) -> NDArray[np.int16]:
    assemble(folder, folder.read(), target, open_sealed)
    return wav.read(target, RATE)


def unreadable(folder: Folder) -> list[str]:
    """Segments that soundfile, the standard library or our own reader can't read to their last sample."""
    found = []
    for segment in folder.read().segments:
        path = folder.path / segment.file
        try:
            lengths = {len(soundfile.read(path, dtype="int16")[0])}
            if path.suffix == ".wav":
                lengths.add(len(wav.read(path, RATE)))
                with wave.open(str(path)) as file:
                    lengths.add(len(file.readframes(1 << 30)) // 2)
        except (soundfile.SoundFileError, wave.Error, ValueError, OSError, EOFError):
            lengths = {-1}
        if lengths != {segment.samples}:
            found.append(segment.file)
    return found


def check_whole(folder: Folder, *, hole: int = 0) -> Recording:
    """Recover; nothing is unreadable, nothing lies about, and a second recovery changes nothing.

    The sound is the ramp, but for so many samples that a torn write may have left as zeros.
    """
    recording = recover(folder)
    assert unreadable(folder) == []
    names = {MANIFEST, LEDGER, *(segment.file for segment in recording.segments)}
    assert {path.name for path in folder.path.iterdir()} == names
    before = {name: (folder.path / name).read_bytes() for name in names}
    assert recover(Folder(folder.path)) == recording
    assert {name: (folder.path / name).read_bytes() for name in names} == before
    heard = sound(folder)
    wrong = heard != ramp(0, recording.samples)
    assert not heard[wrong].any()
    assert np.count_nonzero(wrong) <= hole
    return recording
