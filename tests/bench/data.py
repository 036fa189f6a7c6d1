"""The recordings that are measured on: shared corpora, simulated meetings, the bundled meeting."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from meetsense.interchange import read_transcript
from meetsense.speech.directory import BUNDLED
from meetsense.values import SAMPLE_RATE, Span, Turn, quantise

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".bench"
"""What the bench makes; not in the repository."""
SEED = 11


class Missing(Exception):
    """Data, or a tool, that isn't here; the message says which."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording and who really spoke when."""

    path: Path
    truth: tuple[Turn, ...]

    @property
    def voices(self) -> int:
        """How many people speak."""
        return len({turn.speaker for turn in self.truth})

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(soundfile.info(self.path).duration)


def data(name: str) -> Path:
    """A folder of the shared data. Raises Missing."""
    folder = Path(os.environ.get("MEETSENSE_BENCH_DATA") or ROOT.parent / "shared" / "data") / name
    if not folder.exists():
        raise Missing(f"data missing: {name} under MEETSENSE_BENCH_DATA (default ../shared/data)")
    return folder


def with_rttm(folder: Path) -> list[Recording]:
    """The FLAC files of a folder with the RTTM file beside each."""
    paths = sorted(folder.glob("*.flac"))
    return [Recording(path, read_transcript(path.with_suffix(".rttm")).turns) for path in paths]


def simulated(meetings: int, minutes: int, voices: int = 4) -> list[Recording]:
    """Meetings made by ``simulate.py`` from voices that no training has seen. Raises Missing."""
    folder = CACHE / f"simulated-{meetings}x{minutes}min-{voices}voices-seed{SEED}"
    if not folder.exists():
        _simulate(folder, meetings, minutes, voices)
    return with_rttm(folder)


def _simulate(folder: Path, meetings: int, minutes: int, voices: int) -> None:
    speech = data("librispeech-dev")
    script = speech.parent.parent / "tools" / "simulate.py"
    if not script.exists():
        raise Missing("data missing: tools/simulate.py beside MEETSENSE_BENCH_DATA")
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as draft:
        made = Path(draft) / "made"
        command = [sys.executable, *map(str, (script, speech, made, meetings, minutes, voices, SEED))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"simulate.py failed: {done.stderr.strip().splitlines()[-1:]}")
        made.rename(folder)


def ami() -> list[Recording]:
    """Ten real minutes of AMI meetings. Raises Missing."""
    return with_rttm(data("ami-excerpts"))


def gap() -> Recording:
    """Group 02 of the GAP corpus, against the times of its transcript. Raises Missing."""
    folder = data("gap")
    with (folder / "group-02.csv").open(newline="") as file:
        turns = [
            Turn(Span(clock(line["Start"]), clock(line["End"])), line["Participant"].rpartition(".")[0])
            for line in csv.DictReader(file)
        ]
    return Recording(folder / "group-02.mp3", tuple(sorted(turns, key=lambda turn: turn.span)))


def clock(text: str) -> float:
    """Seconds of ``minutes:seconds``.

    >>> clock("01:02.5")
    62.5
    """
    minutes, _, seconds = text.partition(":")
    return quantise(int(minutes) * 60 + float(seconds))


def bundled_meeting() -> Path:
    """The folder of the meeting that comes with the program. Raises Missing."""
    folder = BUNDLED / "demo-meeting"
    if not (folder / "meeting.flac").exists():
        raise Missing("missing: models/demo-meeting")
    return folder


def long_talk(minutes: int) -> Path:
    """The bundled meeting, again and again, so many minutes long. Raises Missing."""
    source = bundled_meeting() / "meeting.flac"
    path = CACHE / f"bundled-{minutes}min.flac"
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        samples, rate = soundfile.read(source, dtype="int16")
        assert rate == SAMPLE_RATE
        CACHE.mkdir(exist_ok=True)
        soundfile.write(path, np.resize(samples, minutes * 60 * rate), rate, subtype="PCM_16")
    return path
