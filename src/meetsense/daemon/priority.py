"""Stepping back: a process that takes processor time and the disk only when nobody else wants them."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress

IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "armv7l": 314}
"""Number of the system call on each machine: the C library has no function for it."""
IOPRIO_WHO_PROCESS = 1
IOPRIO_CLASS_IDLE = 3
IOPRIO_CLASS_SHIFT = 13


def step_back(nice: int) -> None:
    """Lower the priority of this process, and with it of all that it starts from now on.

    ``nice``: 0..19, the nice value that it has at least afterwards. Its I/O is idle: done when the disk has
    nothing else to do, where the disk's scheduler knows priorities. What the machine refuses stays as it is.
    """
    with suppress(OSError):
        if nice > os.getpriority(os.PRIO_PROCESS, 0):
            os.setpriority(os.PRIO_PROCESS, 0, nice)
    number = IOPRIO_SET.get(platform.machine())
    if sys.platform == "linux" and number is not None:
        idle = IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT
        ctypes.CDLL(None).syscall(number, IOPRIO_WHO_PROCESS, 0, idle)
