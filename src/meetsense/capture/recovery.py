"""After a crash: what a folder holds becomes whole again, without a hand.

Every step may be interrupted and is done again by the next call; a folder that is whole stays as it is.
"""

from __future__ import annotations

from pathlib import Path

from meetsense.capture import disk, flac, ledger, wav
from meetsense.capture.folder import Folder, this_boot
from meetsense.capture.forget import SEALED, closed, keep_only, lose, settle, truncate
from meetsense.errors import CaptureError
from meetsense.values import GapKind, Recording, Segment

SILENT_BYTES = 64
"""So many zero bytes in a row, where a power cut may have torn, are what it tore: a microphone has noise.

A hole that is shorter, less than 2 ms, stays in the sound: a quiet room gives as many zeros, too.
"""


def recover(folder: Folder, boot: str | None = None, *, hashes: bool = True) -> Recording:
    """Make a recording whole that nobody writes to, and return it.

    What was cut away goes for good; temporary files go; WAVs get the header that belongs to their size,
    whole samples, and a hash; empty ones go. Audio that the ledger knows and the disk has lost becomes a gap:
    of the kind RESTART at the end, where it was not durable yet, else DISK. Of a compressed segment and its
    WAV one stays. A manifest or ledger that can't be read is restored from the other. In another ``boot``
    (default: this one) than the last writer's, what that had not synced may be torn: it ends before the first
    zeros. Every file is hashed, a second or more for an hour of sound; without ``hashes``, as after an
    orderly end, those that are as long as they were are believed.

    Raises CaptureError when the disk refuses, and when neither manifest nor ledger can be read.
    """
    with folder.work:
        mend(folder, boot, hashes=hashes)
        _close_the_end(folder)
        return folder.read()


def mend(folder: Folder, boot: str | None = None, *, hashes: bool = True) -> None:
    """Make the segments' files and their lines in the ledger agree. Raises CaptureError."""
    boot = boot or this_boot()
    with folder.work:
        try:
            folder.mend()
            settle(folder)
            told = folder.ledger()
            for index in sorted({*folder.files(), *told.segments}):
                if not _is_whole(folder, told.segments.get(index), hashes=hashes):
                    _mend(folder, index, told, boot)
                    told = folder.ledger()
        except OSError as error:
            raise CaptureError(disk.complaint(folder.id, error)) from None


def _is_whole(folder: Folder, segment: Segment | None, *, hashes: bool) -> bool:
    """Whether the segment's file is what was hashed; then it is the only one of its index afterwards."""
    if segment is None or not (path := folder.path / segment.file).exists():
        return False
    if hashes and disk.sha256_of(path) != segment.sha256:
        return False
    if path.suffix == ".wav" and wav.samples_in(path.stat().st_size) != segment.samples:
        return False
    keep_only(folder, segment)
    return True


def _mend(folder: Folder, index: int, told: ledger.Ledger, boot: str | None) -> None:
    """Take what is there of a segment, and say what is not. Raises OSError, CaptureError."""
    known = told.segments.get(index)
    path = _best(folder, index)
    samples = 0 if path is None else _usable(folder, path, told, boot)
    left = None
    if path is not None and path.exists():
        left = Segment(index, path.name, samples, disk.sha256_of(path))
    if known is not None and samples < known.samples:
        return lose(folder, known, left)
    if known is not None:
        why = "its bytes are not those that were hashed"
        folder.add(suspect={"index": index, "samples": samples, "why": why})
    if left is not None:
        closed(folder, left)


def _best(folder: Folder, index: int) -> Path | None:
    """The file of an index that comes from the microphone, or else what was made from it."""
    names = folder.files().get(index, [])
    for end in (".wav", ".flac", SEALED):
        for name in names:
            if name.endswith(end):
                return folder.path / name
    return None


def _usable(folder: Folder, path: Path, told: ledger.Ledger, boot: str | None) -> int:
    """Samples that can be used of a file; a WAV is cut to them, and is gone when there are none.

    The length of an encrypted one is in the ledger alone. Where that lost its line, the file stays, as 0.
    """
    index = int(path.name[:6])
    known = told.segments.get(index)
    most = told.believed.get(index) if known is None else known.samples
    if path.name.endswith(SEALED):
        return most or 0
    if path.name.endswith(".wav"):
        if known is None and index == max(folder.files()) and _was_cut(told.run, boot):
            whole = _untorn(path, told.run.unsynced if told.run else 0)
            most = whole if most is None else min(most, whole)
        return truncate(path, most, folder.manifest().recording.rate)
    there = sum(map(len, flac.until_damage(path)))
    return there if most is None else min(there, most)


def _was_cut(run: ledger.Run | None, boot: str | None) -> bool:
    """Whether the machine went down since that run wrote; where no boot is known, it may have."""
    return run is not None and (run.boot is None or run.boot != boot)


def _untorn(path: Path, unsynced: int) -> int:
    """Samples of a file before the zeros that a power cut put where something was to be written."""
    samples = wav.samples_in(path.stat().st_size)
    start = max(0, samples - unsynced)
    with path.open("rb") as file:
        file.seek(wav.HEADER_BYTES + start * wav.SAMPLE_BYTES)
        tail = file.read()
    at = tail.find(bytes(SILENT_BYTES))
    return samples if at < 0 else start + at // wav.SAMPLE_BYTES


def _close_the_end(folder: Folder) -> None:
    """Count the sound before the last gap that was not durable when the power went. Raises CaptureError."""
    told = folder.ledger()
    ends = (gap.position if gap.missing else gap.position + gap.samples for gap in told.gaps)
    if (lost := max(ends, default=0) - told.samples) > 0:
        folder.add(cut={"kind": GapKind.RESTART.value, "position": told.samples, "samples": lost})
