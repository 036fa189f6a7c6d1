"""One recorder, one processor a state directory: locks that the kernel holds, and drops with the process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meetsense.errors import ControlError


@contextmanager
def hold(path: Path, name: str) -> Iterator[None]:
    """Hold ``flock`` on a file. A file that a dead process left is no obstacle, whatever stands in it.

    The file stays when the lock goes: to remove it would let two processes hold two locks of one name. Raises
    ControlError at once when another process has it, or the file can't be made; ``name`` says what that is.
    """
    handle = _open(path)
    try:
        _lock(handle, path, name)
        with suppress(OSError):  # a full disk: the lock itself needs no room
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ControlError(f"{path}: cannot be locked ({error.strerror})") from None


def _lock(handle: int, path: Path, name: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        who = f"process {holder}, " if holder.isdigit() else ""
        raise ControlError(f"another {name} is running ({who}{path})") from None
    except OSError as error:
        raise ControlError(f"{path}: cannot be locked ({error.strerror})") from None
