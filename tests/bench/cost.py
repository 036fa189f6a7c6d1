"""What diarization costs on two cores, VAD included: time and memory on one hour, and how both grow to three.

Each run is a process of its own. The hour is run before and after the three hours, so that a machine that
slows down shows; its median counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench import data
from tests.bench.data import ROOT, Missing
from tests.bench.table import Row

HOUR, LONG = 60, 180
"""Minutes."""
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    seconds: float
    """Wall time of VAD and diarizer; decoding and loading the engines are not in it."""
    vad_seconds: float
    processor_seconds: float
    audio_seconds: float
    peak_bytes: int
    """Largest resident memory of the whole process, the mapped sound included."""
    voices: int

    @property
    def note(self) -> str:
        """What else is worth knowing about the run."""
        sound = self.audio_seconds * 64_000 / MEGABYTE
        return (
            f"{self.seconds:.0f} s, of which VAD {self.vad_seconds:.0f} s; "
            f"processor {self.processor_seconds:.0f} s; peak {self.peak_bytes / MEGABYTE:.0f} MB, "
            f"of which the mapped sound {sound:.0f} MB; {self.voices} voices found"
        )


def measure(path: Path) -> Cost:
    """Diarize a recording in a process of its own. Raises CalledProcessError."""
    command = [sys.executable, "-m", "tests.bench.diarize", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def rows() -> Iterator[Row]:
    """Rows of the cost of diarization."""
    try:
        hour, long = data.simulated(1, HOUR)[0].path, data.simulated(1, LONG)[0].path
    except Missing as missing:
        yield Row("diarization with VAD", "simulated, 60 min and 180 min", None, note=str(missing))
        return
    first, three, again = measure(hour), measure(long), measure(hour)
    seconds = median((first.seconds, again.seconds))
    on = "simulated, 60 min, 4 voices, 2 cores"
    speed = seconds / first.audio_seconds
    details: dict[str, object] = {"first": first.note, "again": again.note, "long": three.note}
    yield Row("diarization with VAD: time", on, speed, 0.03, "× real time", 4, first.note, details)
    yield Row("diarization with VAD: peak memory", on, first.peak_bytes / MEGABYTE, 600, "MB", 0)
    growth = three.seconds / seconds
    yield Row("diarization with VAD: 3 h over 1 h", "simulated", growth, 3.5, "× the time", 2, three.note)
