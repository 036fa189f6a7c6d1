"""A recording's segments and gaps to one WAV, in which every second is where it was on the clock."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from meetsense.capture import disk, flac, wav
from meetsense.capture.folder import Folder
from meetsense.capture.forget import SEALED
from meetsense.errors import CaptureError
from meetsense.values import Recording, Segment

OpenSealed = Callable[[Path], BinaryIO]
"""Opens an encrypted file for reading what it holds."""


def assemble(
    folder: Folder, recording: Recording, target: Path, open_sealed: OpenSealed | None = None
) -> None:
    """Write the recording into one mono WAV: its audio, with silence for what is missing.

    The file is as long as the recording lasted; silence is a hole in it, which takes no room. Memory doesn't
    grow with the length. ``target`` may be a link, such as one to a file without a name. Raises CaptureError,
    and leaves no file (of a link, what it leads to), when a segment is missing, isn't what was
    hashed or can't be decrypted, and when there is no room.
    """
    samples = recording.samples + sum(gap.missing for gap in recording.gaps)
    if samples > wav.LONGEST:
        hours = wav.LONGEST / recording.rate / 3600
        raise CaptureError(f"{recording.id}: lasted longer than the {hours:.0f} h that a WAV can hold")
    try:
        with disk.opened(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, follow=True) as out:
            for start, block in _placed(folder, recording, open_sealed):
                data = block.astype("<i2", copy=False).tobytes()
                disk.write_all(out, data, wav.HEADER_BYTES + start * wav.SAMPLE_BYTES)
            disk.write_all(out, wav.header(samples, recording.rate), 0)
            os.ftruncate(out, wav.HEADER_BYTES + samples * wav.SAMPLE_BYTES)
    except BaseException as error:
        if not target.is_symlink():  # a link's owner knows what it leads to
            target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CaptureError(disk.complaint(str(target), error)) from None
        raise


def _placed(
    folder: Folder, recording: Recording, open_sealed: OpenSealed | None
) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Blocks of audio with the samples of wall time before them."""
    gaps = sorted(recording.gaps, key=lambda gap: gap.position)
    positions = [gap.position for gap in gaps]
    missing = list(accumulate((gap.missing for gap in gaps), initial=0))
    position = 0
    for segment in sorted(filter(_has_sound, recording.segments), key=lambda segment: segment.index):
        for block in _exactly(folder, segment, open_sealed):
            inside = slice(bisect_right(positions, position), bisect_left(positions, position + len(block)))
            for piece in np.split(block, [at - position for at in positions[inside]]):
                yield position + missing[bisect_right(positions, position)], piece
                position += len(piece)


def _has_sound(segment: Segment) -> bool:
    return segment.samples > 0


def _exactly(folder: Folder, segment: Segment, open_sealed: OpenSealed | None) -> Iterator[NDArray[np.int16]]:
    """The segment's samples, as many as it has. Raises CaptureError when they are not there."""
    path = folder.path / segment.file
    name = f"{folder.id}/{segment.file}"
    owed = segment.samples
    try:
        if disk.sha256_of(path) != segment.sha256:
            raise CaptureError(f"{name}: isn't what was recorded; restore it from a backup")
        for block in _blocks(path, open_sealed):
            yield block[:owed]
            owed -= len(block[:owed])
            if owed == 0:
                break
    except OSError as error:
        raise CaptureError(f"{name}: can't be read ({error.strerror or error})") from None
    if owed:
        raise CaptureError(f"{name}: holds {owed} samples fewer than were recorded")


def _blocks(path: Path, open_sealed: OpenSealed | None) -> Iterator[NDArray[np.int16]]:
    """Samples of a WAV, a FLAC or an encrypted FLAC, int16 (n,), a block at a time."""
    if path.suffix == ".wav":
        with path.open("rb") as file:
            file.seek(wav.HEADER_BYTES)
            yield from wav.chunks(file)
    elif path.suffix != SEALED:
        yield from flac.until_damage(path)  # what recovery found usable of it is read
    elif open_sealed is None:
        raise CaptureError(f"{path.parent.name}/{path.name}: is encrypted; set the identity that opens it")
    else:
        with open_sealed(path) as file:
            yield from flac.decoded(file)
