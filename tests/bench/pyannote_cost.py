"""What pyannote costs in each mode against the library as it is, and how it grows with the meeting.

The networks have community-1's shapes and random weights, which cost the same as taught ones; stock runs in
batches of 32, as community-1's configuration asks. Every run is a process of its own with one thread, and
processor seconds count, so that what else the machine does shows little. The hours run with scripted
networks: see :mod:`tests.bench.pyannote_child`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.cost import MEGABYTE
from tests.bench.data import CACHE, ROOT
from tests.bench.table import Row
from tests.pyannote_directory import installed

SECONDS = 40
HOUR = 3600
FOLDER, EXPORTED = CACHE / "pyannote-random", CACHE / "pyannote-exported"
RATIOS = {"exact": 0.5, "fast": 0.25}
"""The largest part of stock's processor seconds that a mode may take."""
MEMORY_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    engine: str
    note: str | None
    load_seconds: float
    """Processor seconds of importing, verifying and loading; in none of the rows."""
    seconds: float
    processor_seconds: float
    audio_seconds: float
    peak_bytes: int
    """Largest resident memory of the whole process."""
    voices: int
    turns: int

    @property
    def said(self) -> str:
        """The run in words."""
        speed = self.processor_seconds / self.audio_seconds
        return (
            f"{self.engine}: processor {self.processor_seconds:.1f} s ({speed:.2g} × real time), "
            f"peak {self.peak_bytes / MEGABYTE:.0f} MB" + (f" [{self.note}]" if self.note else "")
        )


def measure(mode: str, seconds: int, *options: str) -> Cost:
    """Diarize in a process of its own. Raises CalledProcessError."""
    command = [sys.executable, "-m", "tests.bench.pyannote_child", str(FOLDER), str(EXPORTED), mode]
    command += [str(seconds), *options]
    one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=one)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def rows() -> Iterator[Row]:
    """Rows of the cost of pyannote."""
    on = f"random weights of community-1's shapes, {SECONDS} s of made-up sound"
    if not installed():
        note = "the extra is not installed: make bench EXTRAS=pyannote"
        yield Row("pyannote: processor time over stock's", on, None, RATIOS["exact"], note=note)
        return
    if not (FOLDER / "installed.json").exists():
        CACHE.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.pyannote_directory", str(FOLDER)]
        subprocess.run(command, check=True, cwd=ROOT)
    shutil.rmtree(EXPORTED, ignore_errors=True)
    first = measure("fast", 10)
    stock, slim = measure("stock", SECONDS), measure("stock", SECONDS, "--batch", "1")
    for mode in RATIOS:
        found = measure(mode, SECONDS)
        note = found.said
        if mode == "fast":
            note += f"; exporting and comparing on first use: {first.load_seconds - found.load_seconds:.0f} s"
        yield from compared(mode, on, found, stock, slim, note)
    yield from hours()


def compared(mode: str, on: str, found: Cost, stock: Cost, slim: Cost, note: str) -> Iterator[Row]:
    """Rows of a mode against stock as configured, and against stock that takes one chunk at a time."""
    time = found.processor_seconds / stock.processor_seconds
    least = found.processor_seconds / slim.processor_seconds
    memory = found.peak_bytes / stock.peak_bytes
    if not found.engine.endswith(f"+{mode}"):
        yield Row(f"pyannote {mode}: processor time over stock's", on, None, RATIOS[mode], note=note)
        return
    what, said = f"pyannote {mode}", f"{note}; {stock.said}"
    yield Row(f"{what}: processor time over stock's", on, time, RATIOS[mode], "×", 2, said)
    yield Row(f"{what}: the same, stock in batches of 1", on, least, None, "×", 2, slim.said)
    yield Row(f"{what}: peak memory over stock's", on, memory, MEMORY_RATIO, "×", 2)


def hours() -> Iterator[Row]:
    """Rows of long meetings, by scripted networks."""
    on = "six scripted people, everything but the networks, VAD and words"
    costs = {hours: measure("exact", hours * HOUR, "--scripted") for hours in (1, 3, 4)}
    notes = {hours: f"{cost.said}; {cost.voices} voices" for hours, cost in costs.items()}
    peak = costs[3].peak_bytes / 1e9
    yield Row("pyannote: peak memory, 3 h", on, peak, 6, "GB", 2, notes[3])
    growth = costs[4].processor_seconds / costs[1].processor_seconds
    yield Row("pyannote: 4 h over 1 h", on, growth, 4.4, "× the time", 2, f"{notes[4]}; {notes[1]}")
