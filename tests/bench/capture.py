"""What recording costs at 16 kHz mono, beside ``arecord`` on the same microphone at the same time.

The microphone is a PulseAudio null sink in which noise is played. Both write WAV to a disk. Ours is the whole
daemon, and all that it starts is counted: what it writes is durable every second, mirrored in the database
and compressed each minute; the clock, the consent, the indicator and which microphone it gets are watched.
Starting up is not counted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from meetsense.errors import MeetsenseError
from tests.bench.table import Row
from tests.capture import sound_server
from tests.capture.alsa import ROOT
from tests.capture.ramp import RATE
from tests.daemon.room import Room

SECONDS = 60.0
WARM_SECONDS = 5.0
ON = "16 kHz mono, null sink"
TICK = 1 / os.sysconf("SC_CLK_TCK")


def processor(pid: int) -> float:
    """Seconds of processor that a process took, with its threads and its children, ended ones too."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    own = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) * TICK
    children = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    return own + ended + sum(map(processor, children))


def peak(pid: int) -> float:
    """Largest resident memory in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")) / 1e6


def noise(path: Path) -> Path:
    """A file of sound, longer than what is measured."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        samples = np.random.default_rng(3).normal(0, 1500, round((SECONDS + 30) * RATE))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


FOREIGN = ("torch", "onnxruntime", "ctranslate2", "scipy", "sklearn", "pandas")
"""Libraries that a recorder has no use for."""


def foreign(pid: int) -> list[str]:
    """Those of them that a process has loaded."""
    mapped = Path(f"/proc/{pid}/maps").read_text()
    return [name for name in FOREIGN if f"/{name}/" in mapped]


@dataclass(frozen=True, slots=True)
class Cost:
    """What recorders took in the same minute, by name."""

    processor_seconds: dict[str, float]
    peak_megabytes: dict[str, float]
    loaded: list[str]
    """Libraries that ours has no use for, and loaded."""


def measured(folder: Path, server: sound_server.Server) -> Cost:
    """Let both record what is played. Raises MeetsenseError when arecord can't."""
    room = Room(folder, server.env | {"PYTHONPATH": str(ROOT / "src")}, segment_seconds=60, low_water_mb=100)
    with ExitStack() as stack:
        stack.callback(room.close)
        pids = {"meetsense": room.start().pid}
        room.record()
        player = ["paplay", "--device=room", str(noise(folder / "noise.wav"))]
        theirs = [
            "arecord",
            "-q",
            "-D",
            "pulse",
            "-f",
            "S16_LE",
            "-r",
            str(RATE),
            "-c",
            "1",
            str(folder / "a.wav"),
        ]
        for name, command in {"player": player, "arecord": theirs}.items():
            process = subprocess.Popen(command, env=server.env)
            stack.callback(process.wait)
            stack.callback(process.kill)
            pids[name] = process.pid
        del pids["player"]
        time.sleep(WARM_SECONDS)
        before = {name: processor(pid) for name, pid in pids.items()}
        time.sleep(SECONDS)
        spent = {name: processor(pid) - before[name] for name, pid in pids.items()}
        if (folder / "a.wav").stat().st_size < SECONDS * RATE * 2:
            raise MeetsenseError("arecord recorded nothing; is libasound2-plugins installed?")
        return Cost(spent, {name: peak(pid) for name, pid in pids.items()}, foreign(pids["meetsense"]))


def rows() -> Iterator[Row]:
    """The rows of what recording costs."""
    what = "recording: processor, times that of arecord"
    missing = [name for name in ("pulseaudio", "pactl", "paplay", "arecord") if not shutil.which(name)]
    if missing:
        yield Row(what, ON, None, 5, note=f"not installed: {', '.join(missing)}")
        return
    with tempfile.TemporaryDirectory() as folder, sound_server.running() as server:
        cost = measured(Path(folder), server)
    spent, memory = cost.processor_seconds, cost.peak_megabytes
    share = {name: 100 * seconds / SECONDS for name, seconds in spent.items()}
    note = f"{share['meetsense']:.2f} % of a core against {share['arecord']:.2f} %, the same {SECONDS:.0f} s"
    details = asdict(cost)
    yield Row(what, ON, spent["meetsense"] / spent["arecord"], 5, "times", 2, note, details)
    yield Row("recording: processor", ON, share["meetsense"], 3, "% of a core", 2)
    names = ", ".join(cost.loaded) or f"none of {', '.join(FOREIGN)}"
    yield Row("recording: libraries loaded for nothing", ON, len(cost.loaded), 0, digits=0, note=names)
    yield Row(
        "recording: peak memory", ON, memory["meetsense"], 80, "MB", 1, f"arecord {memory['arecord']:.1f} MB"
    )
