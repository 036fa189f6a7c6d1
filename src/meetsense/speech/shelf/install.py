"""Putting a model on the shelf: whole, with its record, or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meetsense.errors import EngineError
from meetsense.speech.shelf.manifest import Kind
from meetsense.speech.shelf.record import DRAFT, RECORD, Installed, read_record, write_record

STAGING = ".staging"
"""Folder of the shelf in which models are made ready: on the same filesystem, so that a rename installs."""
ROOM_LEFT = 64 << 20
"""Bytes that a download leaves free on the disk."""
AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""From linux/fcntl.h and linux/fs.h."""


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

    Brings back a model that an interrupted :func:`put` had set aside. Raises EngineError when another process
    works on the same, or the folder can't be made.
    """
    which = hashlib.sha256(revision.encode()).hexdigest()[:12]
    folder = models / STAGING / f"{kind}-{name}-{which}"
    try:
        models.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the state directory
        folder.mkdir(parents=True, exist_ok=True)
        lock = (models / STAGING / f"{kind}-{name}.lock").open("w")
    except OSError as error:
        raise says(error, folder) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EngineError(f"{name} is being installed by another process; wait for it") from None
        try:
            folder.mkdir(exist_ok=True)
            _bring_back(_aside(models, kind, name), place_of(models, kind, name))
        except OSError as error:
            raise says(error, folder) from None
        yield folder


def _aside(models: Path, kind: Kind, name: str) -> Path:
    """Where the installed model of a name lies while another takes its place."""
    return models / STAGING / f"{kind}-{name}.old"


def _bring_back(aside: Path, target: Path) -> None:
    """Undo, or clear up after, a move that the end of its process broke off. Raises OSError."""
    if os.path.lexists(target):
        _remove(aside)
    elif os.path.lexists(aside):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.rename(target)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places, in one step; False where the system or the filesystem can't."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0)


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
    """Raise EngineError when a folder where a model goes holds what meetsense did not put there.

    The folder that is being imported may be that one.
    """
    if not os.path.lexists(target):
        return
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        return
    if (target / RECORD).is_file():
        if others := () if target.is_symlink() else _others(target):
            raise EngineError(
                f"{target}: would be replaced, and {others[0]} in it was not installed by meetsense; "
                "move it away"
            )
        return
    raise EngineError(
        f"{target}: is there, and was not installed by meetsense; "
        f"run meetsense models import {target}, or move it away"
    )


def _others(folder: Path) -> tuple[str, ...]:
    """Files in an installed model's folder that its record doesn't list; none where it can't be read."""
    try:
        listed = {file.path for file in read_record(folder).files}
    except EngineError:
        return ()
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return tuple(sorted(path for path in found if path not in {*listed, RECORD, DRAFT}))


def put(record: Installed, target: Path) -> None:
    """Move a staged folder, with a record written last, to where it is installed.

    What was there is replaced only when the new model is on the disk, in one step where the system has it;
    otherwise it comes back when the move fails, or at the next :func:`staging` when the process ends in
    between. Raises EngineError.
    """
    staged = record.folder
    aside = _aside(target.parents[1], record.kind, record.name)
    try:
        for path in staged.rglob("*"):
            _sync(path)
        write_record(record)
        _sync(staged)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(aside)
        if os.path.lexists(target) and _exchange(staged, target):
            aside = staged
        else:
            _move(staged, target, aside)
        _sync(target.parent)
    except OSError as error:
        raise says(error, target) from None
    _remove(aside)


def _move(staged: Path, target: Path, aside: Path) -> None:
    """Move a folder to where another may be, which is set aside, and comes back when that fails."""
    if os.path.lexists(target):
        target.rename(aside)
    try:
        staged.rename(target)
    except OSError:
        if os.path.lexists(aside):
            aside.rename(target)
        raise
