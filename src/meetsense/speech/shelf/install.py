"""Putting a model on the shelf: whole, with its record, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meetsense.errors import EngineError
from meetsense.speech.shelf.manifest import Kind
from meetsense.speech.shelf.record import RECORD, Installed, write_record

STAGING = ".staging"
"""Folder of the shelf in which models are made ready: on the same filesystem, so that a rename installs."""
ROOM_LEFT = 64 << 20
"""Bytes that a download leaves free on the disk."""


def place_of(models: Path, kind: Kind, name: str) -> Path:
    """Where a model is installed."""
    return models / kind / name


def says(error: OSError, path: Path) -> EngineError:
    """A fault of the disk in words that say what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EngineError(f"{path}: the disk is full; make room and run the command again")
    return EngineError(f"{error.filename or path}: {error.strerror}")


def need_room(folder: Path, size: int) -> None:
    """Raise EngineError when a filesystem has no room for ``size`` more bytes."""
    free = shutil.disk_usage(folder).free
    if free < size + ROOM_LEFT:
        raise EngineError(
            f"{folder}: {human(size)} are needed and {human(max(0, free - ROOM_LEFT))} are free; "
            "make room, or set state in the configuration to another disk"
        )


def human(size: float) -> str:
    """Bytes for people.

    >>> human(444), human(26_646_242), human(3_087_284_237)
    ('444 B', '27 MB', '3.1 GB')
    """
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


@contextmanager
def staging(models: Path, kind: Kind, name: str, revision: str) -> Iterator[Path]:
    """A folder to make a model ready in, kept when the work breaks off, for this process alone.

    Raises EngineError when another process works on the same, or the folder can't be made.
    """
    folder = models / STAGING / f"{kind}-{name}-{revision[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f"{folder.name}.lock").open("w")
    except OSError as error:
        raise says(error, folder) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EngineError(f"{name} is being installed by another process; wait for it") from None
        folder.mkdir(exist_ok=True)
        yield folder


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path)


def refuse_to_replace(target: Path, source: Path | None = None) -> None:
    """Raise EngineError when a folder stands where a model goes, and nobody knows what it holds.

    The folder that is being imported may be that one.
    """
    if not os.path.lexists(target) or (target / RECORD).is_file():
        return
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        return
    raise EngineError(
        f"{target}: is there, and was not installed by meetsense; "
        f"run meetsense models import {target}, or move it away"
    )


def put(record: Installed, target: Path) -> None:
    """Move a staged folder, with a record written last, to where it is installed.

    What was there is replaced only when the new model is on the disk; it comes back when the move fails.
    Raises EngineError.
    """
    staged = record.folder
    aside = staged.with_name(f"{staged.name}.old")
    try:
        for path in staged.rglob("*"):
            _sync(path)
        write_record(record)
        _sync(staged)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(aside)
        if os.path.lexists(target):
            target.rename(aside)
        try:
            staged.rename(target)
        except OSError:
            if os.path.lexists(aside):
                aside.rename(target)
            raise
        _sync(target.parent)
    except OSError as error:
        raise says(error, target) from None
    _remove(aside)
