"""Word error rate of the demo's Whisper, through the whole engine: VAD, windows, guards.

Recordings and score are those of the model's own ``evaluate.py``, of a seed not used before:
substitutions, deletions and insertions over the words said; where people overlap, over those outside.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from meetsense.speech.vad import SileroVad
from meetsense.speech.whisper import WhisperTranscriber
from meetsense.values import Audio, Span
from tests.bench import data
from tests.bench.data import Missing
from tests.bench.engines import DEMO_WHISPER
from tests.bench.table import Row

TRAINING = DEMO_WHISPER / "training"
MINUTES = 10
SEED = 11
TARGET = 0.15


@cache
def whisper() -> WhisperTranscriber:
    """The demo's Whisper."""
    return WhisperTranscriber(DEMO_WHISPER)


def rows() -> Iterator[Row]:
    """Rows of the word error rate."""
    what, scripts = f"WER: {whisper().name}", training()
    on = "bundled meeting, words outside overlap"
    try:
        data.bundled_meeting()
        yield _row(what, on, *scripts.meeting())
    except Missing as missing:
        yield Row(what, on, None, TARGET, note=str(missing))
    for voice in scripts.UNSEEN_VOICES:
        on = f"{MINUTES} min of unseen sentences, unseen voice {voice}"
        try:
            yield _row(what, on, *scripts.recording(voice, MINUTES, SEED))
        except OSError:
            yield Row(what, on, None, TARGET, note="libespeak-ng missing: install espeak-ng")


def _row(what: str, on: str, samples: Any, said: Sequence[Any], overlaps: Sequence[Span] = ()) -> Row:
    audio, scripts = Audio(samples), training()
    found = whisper().transcribe(audio, SileroVad().speech(audio), language="en")
    score = scripts.score(said, scripts.heard_in(found), overlaps)
    return Row(what, on, score.rate, TARGET, note=f"{score.words} words counted")


def training() -> Any:
    """What the model's training measures itself by; a script, not a package."""
    if str(TRAINING) not in sys.path:
        sys.path.append(str(TRAINING))
    scripts = import_module("evaluate")
    assert scripts.SEED != SEED
    return scripts
