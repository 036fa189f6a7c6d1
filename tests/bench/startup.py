"""How long a user waits for ``meetsense --help``."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.table import Row

RUNS = 10


def seconds() -> float:
    """Wall time of one ``meetsense --help``."""
    command = [str(Path(sys.executable).with_name("meetsense")), "--help"]
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def rows() -> Iterator[Row]:
    """The row of the start-up time."""
    times = [seconds() for _ in range(RUNS)]
    note = f"median of {RUNS}, {min(times):.3f} to {max(times):.3f} s"
    yield Row("meetsense --help", "-", median(times), 0.3, "s", note=note, details={"seconds": times})
