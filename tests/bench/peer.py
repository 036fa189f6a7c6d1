"""Resemblyzer with agglomerative clustering, run by an interpreter of its own: it needs torch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meetsense.values import Span, Turn, quantise
from tests.bench.data import CACHE, Missing, Recording

PYTHON = CACHE / "peer-venv" / "bin" / "python"
SCRIPT = Path(__file__).with_name("resemblyzer_ahc.py")


@dataclass(frozen=True, slots=True)
class Trial:
    """What the peer says about every recording with one setting."""

    setting: str
    count_given: bool
    turns: dict[str, tuple[Turn, ...]]
    """By the recording's file."""

    def hypothesis(self, recording: Recording) -> tuple[Turn, ...]:
        """Its turns of one recording."""
        return self.turns[str(recording.path)]


@dataclass(frozen=True, slots=True)
class Found:
    """All trials and what they cost."""

    trials: tuple[Trial, ...]
    seconds: float
    """Voiceprints of all recordings and one clustering each; imports and VAD excluded."""
    versions: dict[str, object]


def run(recordings: Sequence[Recording], speech: Sequence[tuple[Span, ...]]) -> Found:
    """Diarize recordings whose speech is known with every setting of the peer. Raises Missing."""
    if not PYTHON.exists():
        raise Missing("peer not installed: make bench-peers (brings torch into .bench/peer-venv)")
    asked = [
        {"path": str(r.path), "voices": r.voices, "speech": [[span.start, span.end] for span in spans]}
        for r, spans in zip(recordings, speech, strict=True)
    ]
    command = [PYTHON, SCRIPT]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"peer failed, make bench-peers mends it: {done.stderr.strip().splitlines()[-1:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    trials = tuple(
        Trial(
            trial["setting"],
            trial["count_given"],
            {path: tuple(map(_turn, turns)) for path, turns in trial["turns"].items()},
        )
        for trial in answer["trials"]
    )
    return Found(trials, answer["seconds"], answer["versions"])


def _turn(fields: tuple[float, float, int]) -> Turn:
    start, end, label = fields
    return Turn(Span(quantise(start), quantise(end)), f"P{label}")
