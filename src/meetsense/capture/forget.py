"""Forgetting: the last minutes of a recording leave the disk, and the ledger says how long they were."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from meetsense.capture import disk, flac, ledger, wav
from meetsense.capture.folder import Folder
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind, Segment

SEALED = ".age"
TEMPORARY = (".part", ".new")
"""Ends of names of files that nothing refers to yet."""


def forget(folder: Folder, seconds: float) -> Gap:
    """Remove the last seconds of wall time from a recording that nobody writes to.

    While it is being written, :meth:`.segments.SegmentWriter.forget` does it. Returns the gap: what was
    removed, at the position where it was; 0 samples when there was no sound in that time. Nothing of it can
    be read from the folder then. A segment that is encrypted goes as a whole: it can't be shortened here.
    Raises CaptureError when the disk refuses; call it again then.
    """
    recording = folder.read()
    back = round(seconds * recording.rate)
    return cut(folder, ledger.position_before(recording.samples, recording.gaps, back))


def cut(folder: Folder, position: int, stop: int | None = None) -> Gap:
    """Remove the audio from a position on. ``stop``: the end of the audio, where closed segments are not all.

    The ledger says so first: whatever interrupts the rest, :func:`.recovery.recover` finishes it.
    """
    with folder.work:
        told = folder.ledger()
        stop = told.samples if stop is None else max(stop, told.samples)
        position = _whole(told, min(position, stop))
        gap = Gap(GapKind.FORGOTTEN, position, stop - position)
        if gap.samples == 0:
            settle(folder)  # of an earlier time, that was refused
            return gap
        refused: CaptureError | None = None
        try:
            folder.add(cut=ledger.shape_of(gap))
        except CaptureError as error:  # a full disk; what is removed below makes room for the line
            refused = error
        settle(folder)
        if refused is not None:
            folder.flush()
        return gap


def _whole(told: ledger.Ledger, position: int) -> int:
    """The position, or the start of the encrypted segment in which it lies."""
    at = 0
    for segment in told.in_order():
        if segment.file.endswith(SEALED) and at < position < at + segment.samples:
            return at
        at += segment.samples
    return position


def settle(folder: Folder) -> None:
    """Bring the files to what the ledger says was cut: erase, shorten, hash. It may be done again.

    Raises CaptureError.
    """
    try:
        told = folder.ledger()
        for path in sorted(folder.path.iterdir()):
            match = ledger.FILE_NAME.match(path.name)
            if path.name.endswith(TEMPORARY) or (match is not None and int(match[1]) in told.dropped):
                disk.erase(path)
        for segment in told.in_order():
            if not segment.sha256:
                _shorten(folder, segment)
        disk.sync_directory(folder.path)
    except OSError as error:
        raise CaptureError(disk.complaint(folder.id, error)) from None


def _shorten(folder: Folder, segment: Segment) -> None:
    """Keep a segment's first samples, as a WAV, and say so. Raises OSError, CaptureError."""
    rate = folder.manifest().recording.rate
    path = folder.path / f"{segment.index:06d}.wav"
    if segment.file.endswith(SEALED) and (sealed := folder.path / segment.file).exists():
        return closed(folder, replace(segment, sha256=disk.sha256_of(sealed)))
    if not path.exists():
        _unpack(folder.path / segment.file, path, segment.samples, rate)
    samples = truncate(path, segment.samples, rate)
    left = Segment(segment.index, path.name, samples, disk.sha256_of(path)) if samples else None
    if samples < segment.samples:
        lose(folder, segment, left)
    elif left is not None:
        closed(folder, left)


def lose(folder: Folder, segment: Segment, left: Segment | None) -> None:
    """Say what is left of a segment, and that the rest is not; its other files go.

    In one line: whether a file is a remnant or was dropped, no crash may leave open. Raises CaptureError,
    OSError.
    """
    samples = 0 if left is None else left.samples
    gap = Gap(GapKind.DISK, folder.ledger().start_of(segment.index) + samples, segment.samples - samples)
    if left is None:
        return folder.add(cut=ledger.shape_of(gap))
    folder.add(cut=ledger.shape_of(gap), segment=ledger.shape_of(left))
    keep_only(folder, left)


def closed(folder: Folder, segment: Segment) -> None:
    """Say that a file is a segment's, then erase the other files of its index.

    Raises OSError, CaptureError; the others are there then.
    """
    folder.add(segment=ledger.shape_of(segment))
    keep_only(folder, segment)


def keep_only(folder: Folder, segment: Segment) -> None:
    """Erase the files of a segment's index that aren't its own. Raises OSError, CaptureError."""
    others = [name for name in folder.files().get(segment.index, ()) if name != segment.file]
    for name in others:
        disk.erase(folder.path / name)
    if others:
        disk.sync_directory(folder.path)


def truncate(path: Path, samples: int | None, rate: int) -> int:
    """Let a WAV hold at most so many samples, whole ones, under a header that says how many.

    Returns how many; a file without any is erased. Raises OSError.
    """
    with disk.opened(path, os.O_RDWR) as descriptor:
        there = wav.samples_in(os.fstat(descriptor).st_size)
        kept = there if samples is None else min(there, samples)
        header = wav.header(kept, rate)
        size = len(header) + kept * wav.SAMPLE_BYTES
        if os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, size)
        if os.pread(descriptor, len(header), 0) != header:
            disk.write_all(descriptor, header, 0)
        os.fsync(descriptor)
    if kept == 0:
        disk.erase(path)
        disk.sync_directory(path.parent)
    return kept


def _unpack(source: Path, target: Path, samples: int, rate: int) -> None:
    """Write the first samples of a FLAC as a WAV, durably; fewer where it is damaged. Raises OSError."""
    part = target.with_name(f"{target.name}.part")
    written = 0
    with disk.opened(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as out:
        for block in flac.until_damage(source):
            data = block[: samples - written].astype("<i2", copy=False).tobytes()
            disk.write_all(out, data, wav.HEADER_BYTES + written * wav.SAMPLE_BYTES)
            written += len(data) // wav.SAMPLE_BYTES
        disk.write_all(out, wav.header(written, rate), 0)
        os.fsync(out)
    part.replace(target)
    disk.sync_directory(target.parent)
