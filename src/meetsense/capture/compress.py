"""Closed segments to FLAC, and encrypted where a key is given. The WAV goes when the other is certain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from meetsense.capture import disk, flac
from meetsense.capture.folder import Folder
from meetsense.capture.forget import SEALED, closed, keep_only, settle
from meetsense.errors import CaptureError
from meetsense.values import Segment

Seal = Callable[[Path, Path], None]
"""Encrypts a file into another one."""


def compress(folder: Folder, segment: Segment, seal: Seal | None = None) -> Segment | None:
    """Compress a closed segment, and encrypt it when there is a ``seal``.

    The WAV is erased after what takes its place was decoded to the same samples, is durable under its name
    and stands in the ledger. A segment that is compressed already is returned as it is; None means that it
    was forgotten meanwhile. Raises CaptureError when the disk refuses; the WAV is there then.
    """
    with folder.work:
        known = folder.ledger().segments.get(segment.index)
        if known is not None and not known.sha256:  # what was cut is in the file still: the disk refused
            settle(folder)
            known = folder.ledger().segments.get(segment.index)
        if known is None:
            return None
        try:
            if not known.file.endswith(".wav"):
                keep_only(folder, known)
                return known
            return _compressed(folder, known, seal)
        except OSError as error:
            raise CaptureError(disk.complaint(f"{folder.id}/{known.file}", error)) from None


def _compressed(folder: Folder, segment: Segment, seal: Seal | None) -> Segment:
    path = folder.path / segment.file
    plain, closed_up = path.with_suffix(".flac"), path.with_suffix(f".flac{SEALED}")
    target = plain if seal is None else closed_up
    part, sealed = (file.with_name(f"{file.name}.part") for file in (plain, closed_up))
    try:
        flac.encode(path, part, folder.manifest().recording.rate)
        if seal is not None:
            seal(part, sealed)
            sealed.chmod(0o600)
            disk.sync_file(sealed)
            disk.erase(part)
        (part if seal is None else sealed).replace(target)
        disk.sync_directory(folder.path)
    except BaseException:
        disk.erase(part)
        disk.erase(sealed)
        raise
    small = Segment(segment.index, target.name, segment.samples, disk.sha256_of(target))
    closed(folder, small)
    return small
