"""How well the demo's Whisper hears: the bundled meeting, and long recordings in voices it never heard.

    python evaluate.py [MODEL] [--minutes 10]

runs meetsense's own transcriber and prints word error rates and the error of the word times. An unseen
recording is one voice that reads sentences of the grammar that are not in the training set, in a room with
echo (0.3 s, a quarter of the direct energy) and noise 30 dB below the speech.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from espeak import RATE, Espeak, Voice
from grammar import SEED, Grammar, training_sentences, words
from numpy.typing import NDArray
from scipy.signal import fftconvolve

HERE = Path(__file__).resolve().parent
MODELS = HERE.parents[1]
sys.path[:0] = [str(MODELS / "demo-meeting" / "training"), str(MODELS.parent / "src")]

from generate import echo  # noqa: E402

from meetsense.speech.vad import SileroVad  # noqa: E402
from meetsense.speech.whisper import WhisperTranscriber  # noqa: E402
from meetsense.values import Audio, Span, Transcription  # noqa: E402

MEETING = MODELS / "demo-meeting"
UNSEEN_VOICES = ("gmw/en-GB-x-rp+f5", "gmw/en-US+m8", "gmw/en+steph")
"""As in data.py, whose training voices have none of these variants. The first is the one that counts."""
PAUSES = (0.2, 1.2)
"""Seconds between sentences."""
NOISE = 10 ** (-30 / 20)
COLLAR = 5.0
"""Seconds between a word said and a word heard for one; MeetEval's usual value."""
NEVER = 1 << 30


@dataclass(frozen=True, slots=True)
class Said:
    """A word of the truth."""

    text: str
    start: float
    end: float
    overlapped: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A word that was recognised."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Score:
    """Errors among so many words."""

    words: int
    substituted: int
    deleted: int
    inserted: int
    start_errors: tuple[float, ...]
    """Seconds, of the words that are right."""

    @property
    def rate(self) -> float:
        """Word error rate."""
        return (self.substituted + self.deleted + self.inserted) / self.words

    def __str__(self) -> str:
        late = np.quantile(self.start_errors, [0.5, 0.9]) if self.start_errors else (np.nan, np.nan)
        return (
            f"WER {self.rate:.3f} of {self.words} words ({self.substituted} wrong, {self.deleted} missed, "
            f"{self.inserted} invented); starts off by {late[0]:.2f} s (median), {late[1]:.2f} s (p90)"
        )


def align(
    truth: Sequence[Said], heard: Sequence[Heard], overlaps: Sequence[Span] = ()
) -> list[tuple[int | None, int | None]]:
    """Pairs of positions on a cheapest path; None where a word is missed or invented.

    Words pair only if at most COLLAR seconds lie between them, as in the time-constrained word error rate of
    T. von Neumann et al., "MeetEval", 2023. Outside overlap every error costs 1. Within it none does: a word
    that is overlapped may be missed, one heard there may be invented. A word heard outside overlap is never
    excused by a wrong one said within.
    """
    missed = np.array([not word.overlapped for word in truth], int)
    invented = np.array([not _within(word.span.middle, overlaps) for word in heard], int)

    def swap(i: int, j: int) -> int:
        span = Span(truth[i].start, truth[i].end)
        if span.distance(heard[j].span) > COLLAR:
            return NEVER
        return 0 if truth[i].text == heard[j].text else int(max(missed[i], invented[j]))

    cost = np.zeros((len(truth) + 1, len(heard) + 1), np.int64)
    cost[1:, 0], cost[0, 1:] = np.cumsum(missed), np.cumsum(invented)
    for i in range(1, len(truth) + 1):
        for j in range(1, len(heard) + 1):
            skip = min(cost[i - 1, j] + missed[i - 1], cost[i, j - 1] + invented[j - 1])
            cost[i, j] = min(cost[i - 1, j - 1] + swap(i - 1, j - 1), skip)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(truth), len(heard)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + swap(i - 1, j - 1):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and cost[i, j] == cost[i - 1, j] + missed[i - 1]:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def score(truth: Sequence[Said], heard: Sequence[Heard], overlaps: Sequence[Span] = ()) -> Score:
    """Errors outside overlap, over the words that were said there.

    >>> said = [Said("a", 0, 1), Said("b", 1, 2, overlapped=True), Said("c", 2, 3)]
    >>> score(said, [Heard("a", Span(0, 1)), Heard("d", Span(2, 3))], [Span(1, 2)]).rate
    0.5
    """
    counts = {"substituted": 0, "deleted": 0, "inserted": 0}
    late = []
    for i, j in align(truth, heard, overlaps):
        said = None if i is None else truth[i]
        word = None if j is None else heard[j]
        if said and word and said.text == word.text:
            if not said.overlapped:
                late.append(abs(word.span.start - said.start))
        elif said and not said.overlapped:
            counts["substituted" if word else "deleted"] += 1
        elif word and not _within(word.span.middle, overlaps):
            counts["inserted"] += 1
    total = sum(not word.overlapped for word in truth)
    return Score(total, **counts, start_errors=tuple(late))


def _within(second: float, spans: Sequence[Span]) -> bool:
    return any(span.start <= second < span.end for span in spans)


def heard_in(found: Transcription) -> list[Heard]:
    """The words of a transcription, as they are compared."""
    return [Heard(text, word.span) for word in found.words for text in words(word.text)]


def overlaps_of(rttm: str) -> list[Span]:
    """Where two or more people speak at once."""
    fields = [line.split() for line in rttm.splitlines()]
    spans = sorted(Span(float(f[3]), round(float(f[3]) + float(f[4]), 3)) for f in fields)
    found = [a & b for i, a in enumerate(spans) for b in spans[i + 1 :] if b.start < a.end]
    return [span for span in found if span]


def meeting() -> tuple[NDArray[np.float32], list[Said], list[Span]]:
    """The bundled meeting: its sound, its words, and where people speak at once."""
    samples, _ = soundfile.read(MEETING / "meeting.flac", dtype="float32")
    overlaps = overlaps_of((MEETING / "meeting.rttm").read_text())
    truth = []
    for row in json.loads((MEETING / "words.json").read_text()):
        span = Span(row["start"], row["end"])
        both = any(span.overlap(other) > 0 for other in overlaps)
        truth += [Said(text, row["start"], row["end"], both) for text in words(row["word"])]
    return samples, truth, overlaps


def recording(voice: str, minutes: float, seed: int) -> tuple[NDArray[np.float32], list[Said]]:
    """A long recording of unseen sentences in one voice, and its words."""
    draw, numbers, grammar, espeak = random.Random(seed), np.random.default_rng(seed), Grammar(seed), Espeak()
    seen = {words(text) for text in training_sentences()}
    pitch, pieces, truth, at = draw.randint(40, 60), [], [], 0.0
    while at < minutes * 60:
        text = grammar.sentence(salad=0.0, broken=0.05, listener=0.05)
        if words(text) in seen and len(words(text)) > 2:
            continue
        pause = np.zeros(round(draw.uniform(*PAUSES) * RATE), np.float32)
        speech = espeak.say(text, Voice(voice, draw.randint(150, 175), pitch))
        at += len(pause) / RATE
        for word, start, end in zip(text.split(), speech.starts, speech.ends, strict=True):
            truth += [Said(token, at + start, at + end) for token in words(word)]
        at += len(speech.samples) / RATE
        pieces += [pause, speech.samples * (0.08 / float(np.sqrt(np.mean(speech.samples**2))))]
    dry = np.concatenate([*pieces, np.zeros(RATE, np.float32)])
    wet = fftconvolve(dry, echo(0.3, 0.25, numbers))[: len(dry)]
    noisy = wet + numbers.standard_normal(len(dry)) * 0.08 * NOISE
    return noisy.astype(np.float32), truth


def transcribe(engine: WhisperTranscriber, samples: NDArray[np.float32]) -> Transcription:
    """Run meetsense's transcriber on the speech that its VAD finds."""
    audio = Audio(samples)
    return engine.transcribe(audio, SileroVad().speech(audio))


def report(
    engine: WhisperTranscriber,
    label: str,
    samples: NDArray[np.float32],
    truth: Sequence[Said],
    overlaps: Sequence[Span] = (),
    show: bool = False,
) -> None:
    """Print one row."""
    begin = time.perf_counter()
    heard = transcribe(engine, samples)
    took = time.perf_counter() - begin
    speed = took / len(samples) * RATE
    print(f"{label}: {score(truth, heard_in(heard), overlaps)}; {speed:.3f} x real time", flush=True)
    if show:
        print("  " + " ".join(word.text for word in heard.words))


def main() -> None:
    """Print every row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=HERE.parent)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--voices", type=int, default=len(UNSEEN_VOICES))
    parser.add_argument("--show", action="store_true", help="print what was heard of the meeting")
    arguments = parser.parse_args()
    engine = WhisperTranscriber(arguments.model, threads=1)
    samples, truth, overlaps = meeting()
    report(engine, "bundled meeting, words outside overlap", samples, truth, overlaps, arguments.show)
    for position, voice in enumerate(UNSEEN_VOICES[: arguments.voices]):
        samples, truth = recording(voice, arguments.minutes, SEED + 100 + position)
        report(engine, f"{arguments.minutes:g} min unseen, {voice}", samples, truth)


if __name__ == "__main__":
    main()
