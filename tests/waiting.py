"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 20.0
"""Seconds: the machine may be busy with other work."""


def soon(true: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether something becomes true before the patience ends."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
