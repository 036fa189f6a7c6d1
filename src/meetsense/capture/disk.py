"""Writing so that a power cut finds what was said to be written."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors that end when somebody frees some space."""
TOO_LARGE = frozenset({errno.EFBIG})
"""Errors that a new file mends."""
CHUNK_BYTES = 1 << 20


@contextmanager
def opened(path: Path, flags: int, mode: int = 0o600, *, follow: bool = False) -> Iterator[int]:
    """A descriptor, closed afterwards; through a symbolic link only with ``follow``. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW), mode)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write everything at an offset, in as many calls as the kernel wants. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        if written == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view, offset = view[written:], offset + written


def sync_directory(path: Path) -> None:
    """Make what was created, renamed and unlinked in a directory durable. Raises OSError."""
    with opened(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, 0700 and durable. Raises OSError; FileExistsError for the last."""
    if not path.parent.exists():
        make_directory(path.parent)
    path.mkdir(mode=0o700)
    try:
        sync_directory(path.parent)
    except OSError:
        path.rmdir()
        raise


def replace(path: Path, data: bytes) -> None:
    """Write a whole file, durably; on any crash there is the old one or the new one. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    with opened(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
    new.replace(path)
    sync_directory(path.parent)


def erase(path: Path) -> None:
    """Give a file's blocks back, durably, then its name. Without a file it does nothing. Raises OSError.

    Truncation comes first: a name may live on in a journal, and a file that is open somewhere keeps its
    blocks when it is only unlinked. The caller syncs the directory.
    """
    try:
        with opened(path, os.O_WRONLY) as descriptor:
            os.ftruncate(descriptor, 0)
            os.fsync(descriptor)
        path.unlink()
    except FileNotFoundError:
        return


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable that a library wrote. Raises OSError."""
    with opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def complaint(name: str, error: OSError) -> str:
    """One line on what a disk said about a file, and what to do."""
    if error.errno in NO_ROOM:
        return f"{name}: there is no room on the disk; free some space"
    if error.errno == errno.EIO:
        return f"{name}: the disk fails ({error.strerror}); replace it"
    return f"{name}: can't be written ({error.strerror}); check the state directory and its disk"
