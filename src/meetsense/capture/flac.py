"""FLAC of segments: written so that it is certain, read as far as it goes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from meetsense.capture import disk, wav


def encode(path: Path, target: Path, rate: int) -> None:
    """Write a FLAC, durably, and see that it decodes to the same. Raises OSError."""
    import soundfile

    with disk.opened(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
        pass  # so that its mode is ours
    try:
        with soundfile.SoundFile(str(target), "w", rate, 1, "PCM_16", format="FLAC") as file:
            for block in wav.blocks(path, rate):
                file.write(block)
        disk.sync_file(target)
        same = all(
            ours is not None and theirs is not None and np.array_equal(ours, theirs)
            for ours, theirs in zip_longest(wav.blocks(path, rate), decoded(target))
        )
    except (soundfile.SoundFileError, AssertionError, ValueError) as error:  # soundfile asserts a full write
        raise OSError(errno.EILSEQ, f"no FLAC can be made of it, {error}") from None
    if not same:
        raise OSError(errno.EILSEQ, "its FLAC decodes to other samples")


def decoded(source: Path | BinaryIO, samples: int = wav.CHUNK_SAMPLES) -> Iterator[NDArray[np.int16]]:
    """The samples of a FLAC, int16 (n,), in blocks of so many; by default as :func:`.wav.blocks` has them.

    Raises OSError where it is damaged. A file that is given open is read through a callback, which a process
    that may not make memory executable can't do; a path is not.
    """
    import soundfile

    try:
        with soundfile.SoundFile(source if not isinstance(source, Path) else str(source)) as file:
            while len(block := file.read(samples, dtype="int16")):
                yield block
    except (soundfile.SoundFileError, MemoryError) as error:
        raise OSError(errno.EILSEQ, f"damaged FLAC, {error}") from None


def until_damage(source: Path) -> Iterator[NDArray[np.int16]]:
    """The samples of a FLAC up to where it is damaged, int16 (n,), in blocks as it has them itself."""
    with suppress(OSError):
        yield from decoded(source, 4096)
