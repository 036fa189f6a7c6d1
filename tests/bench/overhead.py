"""What ``meetsense analyze`` adds to its engines on an hour: VAD, diarizer and Whisper called bare.

Both sides load the same models with the same threads and decode with the same options, imports excluded.
The bare side starts from samples; ``analyze`` also decodes, attributes, measures, stores and reports.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from statistics import median

from meetsense.audio import load_audio
from meetsense.cli import main
from meetsense.speech import default_threads
from meetsense.speech.directory import BUNDLED
from meetsense.values import SAMPLE_RATE, Audio, Span, SpeakerRange
from tests.bench import data
from tests.bench.data import Missing
from tests.bench.engines import DEMO_WHISPER
from tests.bench.table import Row

MINUTES = 60
PAIRS = 2


def bare(audio: Audio) -> None:
    """The three engines and nothing else."""
    from faster_whisper import WhisperModel

    from meetsense.speech.embedded import EmbeddedDiarizer
    from meetsense.speech.vad import SileroVad

    threads = default_threads()
    vad, diarizer = SileroVad(), EmbeddedDiarizer(BUNDLED / "embedded-diarizer", threads=threads)
    whisper = WhisperModel(str(DEMO_WHISPER), device="cpu", compute_type="int8", cpu_threads=threads)
    diarizer.diarize(audio, vad.speech(audio), SpeakerRange())
    segments, _ = whisper.transcribe(
        audio.samples,
        language="en",
        beam_size=5,
        vad_filter=True,
        word_timestamps=True,
        condition_on_previous_text=False,
        hallucination_silence_threshold=2.0,
    )
    list(segments)


def composed(path: Path) -> None:
    """``meetsense analyze`` with all its outputs."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as void:
        outputs = Path(folder)
        (outputs / "config.toml").touch()
        command = ["analyze", str(path), "--whisper", str(DEMO_WHISPER), "--config", outputs / "config.toml"]
        command += ["--db", outputs / "db", "--html", outputs / "report.html", "--json", outputs / "out.json"]
        with redirect_stdout(void), redirect_stderr(void):
            main([str(word) for word in command], standalone_mode=False)


def timed(job: Callable[[], None]) -> float:
    """Wall time of a job in seconds."""
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def rows() -> Iterator[Row]:
    """The row of the overhead."""
    what = "analyze over VAD + diarizer + Whisper called bare"
    on = f"{MINUTES} min of the bundled meeting, repeated"
    try:
        path = data.long_talk(MINUTES)
    except Missing as missing:
        yield Row(what, on, None, 10, "%", note=str(missing))
        return
    audio = load_audio(path)
    _import_everything(audio)
    sides: dict[str, Callable[[], None]] = {"bare": lambda: bare(audio), "analyze": lambda: composed(path)}
    times: dict[str, list[float]] = {side: [] for side in sides}
    for pair in range(PAIRS):
        for side in sorted(sides, reverse=pair % 2 == 1):
            times[side].append(timed(sides[side]))
    ours, engines = median(times["analyze"]), median(times["bare"])
    note = f"{ours:.0f} s against {engines:.0f} s, medians of {PAIRS}, in turns"
    yield Row(what, on, 100 * (ours / engines - 1), 10, "%", 1, note, {"seconds": times})


def _import_everything(audio: Audio) -> None:
    """Run both sides on half a minute: what they import is then in memory."""
    import soundfile

    short = audio.cut(Span(0.0, min(30.0, audio.duration)))
    bare(short)
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        soundfile.write(file, short.samples, SAMPLE_RATE, format="WAV")
        file.flush()
        composed(Path(file.name))
