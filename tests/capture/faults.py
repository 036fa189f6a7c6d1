"""Faults at the n-th call to the operating system: a kill, or an error."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

CALLS = ("open", "pwrite", "fsync", "fdatasync", "replace", "unlink", "ftruncate", "mkdir")
Action = Callable[[int, str], None]
"""Told the number of a call, from 1, and its name, before it is made."""


@contextmanager
def watched(before: Action, after: Action | None = None, calls: tuple[str, ...] = CALLS) -> Iterator[None]:
    """Have every call of these told."""
    count = 0
    originals: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in calls}

    def told(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            mine = count
            before(mine, name)
            result = originals[name](*arguments, **options)
            if after is not None:
                after(mine, name)
            return result

        return call

    for name in calls:
        setattr(os, name, told(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def killed_at(step: int, work: Callable[[], object], *, after: bool = False) -> bool:
    """Do some work in a child that is killed before, or after, its n-th call. Whether it was.

    False: it had fewer calls, and did all of its work.
    """

    def kill(count: int, _: str) -> None:
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def nothing(count: int, _: str) -> None: ...

    child = os.fork()
    if child == 0:
        status = 1
        try:
            with watched(nothing if after else kill, kill if after else None):
                work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed"
    return False
