"""Word error rate of the demo's Whisper, through the whole engine: VAD, windows, guards.

Substitutions, deletions and insertions over the words that were said, in lower case without punctuation. The
recordings are those that the model's own training scripts know to make, of a seed that training has not used.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it is compared."""

    text: str
    span: Span


def word_error_rate(said: Sequence[Token], heard: Sequence[Token], left_out: Sequence[Span] = ()) -> float:
    """Errors over the words that were said, less those that touch a span that is left out.

    A word that was only heard counts unless its middle lies in such a span.

    >>> a, b, c = (Token(text, Span(i, i + 1)) for i, text in enumerate("abc"))
    >>> word_error_rate([a, b], [a, c]), word_error_rate([a, b], [a], [Span(1, 2)])
    (0.5, 0.0)
    """
    import jiwer

    counted = [not any(token.span & span for span in left_out) for token in said]
    stray = [not any(span.start <= token.span.middle < span.end for span in left_out) for token in heard]
    aligned = jiwer.process_words(" ".join(t.text for t in said), " ".join(t.text for t in heard))
    errors = 0
    for chunk in aligned.alignments[0]:
        if chunk.type == "insert":
            errors += sum(stray[chunk.hyp_start_idx : chunk.hyp_end_idx])
        elif chunk.type != "equal":
            errors += sum(counted[chunk.ref_start_idx : chunk.ref_end_idx])
    return errors / sum(counted)


@cache
def whisper() -> WhisperTranscriber:
    """The demo's Whisper."""
    return WhisperTranscriber(DEMO_WHISPER)


def hear(audio: Audio) -> list[Token]:
    """What the engine hears."""
    found = whisper().transcribe(audio, SileroVad().speech(audio), language="en")
    return [
        Token(text, word.span)
        for word in found.words
        for text in re.findall(r"[a-z0-9']+", word.text.lower())
    ]


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


def _row(what: str, on: str, samples: Any, truth: Sequence[Any], overlaps: Sequence[Span] = ()) -> Row:
    said = [Token(word.text, Span(word.start, max(word.start, word.end))) for word in truth]
    heard = hear(Audio(samples))
    rate = word_error_rate(said, heard, overlaps)
    return Row(what, on, rate, TARGET, note=f"{len(said)} words said, {len(heard)} heard")


def training() -> Any:
    """What the model's training measures itself by; a script, not a package."""
    if str(TRAINING) not in sys.path:
        sys.path.append(str(TRAINING))
    scripts = import_module("evaluate")
    assert scripts.SEED != SEED
    return scripts
