"""What meetsense's transcriber adds to faster-whisper's batched call: guards that find nothing to mend.

Both sides use one model of a published shape with random weights (:mod:`tests.whisper_directory`), loaded
once, on the bundled meeting, repeated; it says 80 words a window. Both decode with the same options, language
given. They take turns within one process; medians count, of wall time and of processor time. No prompt of
names is in the figures (a scripted model says less after one), and no second listening, which costs what that
stretch costs.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from meetsense.audio import load_audio
from meetsense.speech.vad import OFF, ON, SileroVad
from meetsense.speech.whisper import Mode, WhisperTranscriber
from meetsense.values import Audio, Span
from tests.bench import data
from tests.bench.data import Missing
from tests.bench.table import Row
from tests.whisper_directory import TAUGHT, Script, build

SIZE = "tiny"
MINUTES = 4
PAIRS = 3
BATCH = 8
THREADS = 1
"""Two would wait for each other, in processor time too, where something else runs."""
SEED = 5


def talk(count: int = 80) -> str:
    """A text of so many words in random order: no loop, and none of the guards takes it for one."""
    words = re.findall(r"\w+", TAUGHT)
    return " " + " ".join(random.Random(SEED).choices(words, k=count)) + "."


def bare(engine: WhisperTranscriber, audio: Audio) -> int:
    """faster-whisper's batched call and nothing else; how many segments."""
    from faster_whisper import BatchedInferencePipeline
    from faster_whisper.vad import VadOptions

    cut = VadOptions(ON, OFF, max_speech_duration_s=30.0, min_silence_duration_ms=160)
    segments, _ = BatchedInferencePipeline(engine._model).transcribe(
        audio.samples,
        language="en",
        beam_size=5,
        temperature=[0.0],
        word_timestamps=True,
        vad_filter=True,
        vad_parameters=cut,
        batch_size=BATCH,
    )
    return len(list(segments))


def timed(job: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of a job."""
    wall, processor = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - wall, time.process_time() - processor


def rows() -> Iterator[Row]:
    """The wrapper over the bare call, and what hearing the language costs."""
    what = "Whisper: transcriber over the bare batched call"
    on = f"{SIZE}'s shape, random weights, {MINUTES} min of the bundled meeting, repeated"
    try:
        audio = load_audio(data.long_talk(MINUTES))
    except Missing as missing:
        yield Row(what, on, None, 1.05, "×", note=str(missing))
        return
    speech = SileroVad().speech(audio)
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder) / SIZE, SIZE, Script(talk()))
        engine = WhisperTranscriber(model, threads=THREADS, mode=Mode.BATCHED, device="cpu")
        yield from _compared(engine, audio, speech, what, on)


def _compared(
    engine: WhisperTranscriber, audio: Audio, speech: tuple[Span, ...], what: str, on: str
) -> Iterator[Row]:
    sides: dict[str, Callable[[], object]] = {
        "bare": lambda: bare(engine, audio),
        "meetsense": lambda: engine.transcribe(audio, speech, language="en"),
    }
    short = audio.cut(Span(0.0, 30.0))
    bare(engine, short)
    took: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for pair in range(PAIRS):
        for side in sorted(sides, reverse=pair % 2 == 1):
            took[side].append(timed(sides[side]))
    for position, kind in enumerate(("wall time", "processor time")):
        ours, theirs = (median(t[position] for t in took[side]) for side in ("meetsense", "bare"))
        note = f"{ours:.1f} s against {theirs:.1f} s, medians of {PAIRS}, in turns"
        yield Row(f"{what}: {kind}", on, ours / theirs, 1.05, "×", 3, note, {"seconds": took})
    _, seconds = timed(lambda: engine.detect_language(audio, speech))
    yield Row("Whisper: hearing the language in 5 windows", on, seconds, None, "s", 2, "processor time")
