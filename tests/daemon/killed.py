"""A processor that is killed at a moment that a test names: ``python -m tests.daemon.killed CONFIG MOMENT``.

Moments: ``never``, ``sql N`` (before the Nth statement that SQLite executes for it), ``assembling`` (the
sound is put together), ``analysing`` (the child has begun), ``analysed`` (the result is there). It prints the
statements of SQL, a line each.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meetsense import batch, pipeline
from meetsense.capture import assemble
from meetsense.config import read_settings
from meetsense.daemon.processor import Pace, run_process
from tests import hostile

PACE = Pace(idle=0.05, again=0.05, trouble=0.05, saving=2.0)


def die() -> None:
    """As by kill -9."""
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def count_statements(last: int | None) -> None:
    """Die before statement ``last`` of all connections, counted from 1."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    done = 0

    def trace(statement: str) -> None:
        nonlocal done
        done += 1
        if done == last:
            die()
        print(" ".join(statement.split()), flush=True)

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(trace)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]


def die_at(moment: str) -> None:
    """Die in the middle of a step."""
    analyse, put_together = batch.analyse_apart, assemble.assemble

    def dying_progress(step: str, share: float) -> None:
        die()

    def analyse_apart(path: Path, toolbox: Any, request: Any, progress: Any, **limits: Any) -> Any:
        found = analyse(
            path, toolbox, request, dying_progress if moment == "analysing" else progress, **limits
        )
        die()
        return found

    def half(folder: Any, recording: Any, target: Path, open_sealed: Any) -> None:
        put_together(folder, recording, target, open_sealed)
        with target.open("r+b") as file:
            file.truncate(1000)
        die()

    if moment == "assembling":
        assemble.assemble = half  # type: ignore[assignment]
    else:
        batch.analyse_apart = analyse_apart  # type: ignore[assignment]


def main() -> None:
    """Be a processor until the moment."""
    config, moment, *rest = sys.argv[1:]
    pipeline.open_toolbox = hostile.open_harmless
    count_statements(int(rest[0]) if moment == "sql" else None)
    if moment not in ("never", "sql"):
        die_at(moment)
    run_process(read_settings(Path(config)), once=True, pace=PACE)


if __name__ == "__main__":
    main()
