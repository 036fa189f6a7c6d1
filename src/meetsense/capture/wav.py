"""Our own WAV: mono, 16-bit PCM, a header of 44 bytes, a length that the file's size has the last word on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 44
SAMPLE_BYTES = 2
CHUNK_SAMPLES = 1 << 16
LONGEST = (0xFFFFFFFF - HEADER_BYTES) // SAMPLE_BYTES
"""Samples that a WAV's 32-bit sizes can tell of."""


def header(samples: int, rate: int) -> bytes:
    """The header of a file of so many samples.

    >>> len(header(16000, 16000))
    44
    """
    size = samples * SAMPLE_BYTES
    chunks = b"RIFF", size + HEADER_BYTES - 8, b"WAVE", b"fmt ", 16, 1, 1, rate
    layout = rate * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES, b"data", size
    return struct.pack("<4sI4s4sIHHIIHH4sI", *chunks, *layout)


def samples_in(size: int) -> int:
    """Whole samples in a file of so many bytes.

    >>> samples_in(10), samples_in(44), samples_in(49)
    (0, 0, 2)
    """
    return max(0, size - HEADER_BYTES) // SAMPLE_BYTES


def blocks(path: Path, rate: int) -> Iterator[NDArray[np.int16]]:
    """The samples, int16 (n,), a block at a time.

    Raises ValueError for a file whose header isn't the one that belongs to its size, OSError.
    """
    with path.open("rb") as file:
        samples = samples_in(path.stat().st_size)
        if file.read(HEADER_BYTES) != header(samples, rate):
            raise ValueError(f"{path.name}: its header is not that of {samples} samples")
        yield from chunks(file)


def chunks(file: BinaryIO) -> Iterator[NDArray[np.int16]]:
    """Samples from where a file stands, int16 (n,), a block at a time; half a sample at its end is left."""
    while chunk := file.read(CHUNK_SAMPLES * SAMPLE_BYTES):
        yield np.frombuffer(chunk[: len(chunk) & ~1], "<i2").astype(np.int16, copy=False)


def read(path: Path, rate: int) -> NDArray[np.int16]:
    """All samples, int16 (n,). Raises what :func:`blocks` raises."""
    return np.concatenate([np.zeros(0, np.int16), *blocks(path, rate)])
