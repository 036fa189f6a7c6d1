"""Hours of sound and many recordings in one process: memory stays where it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from meetsense.audio import load_audio
from meetsense.pipeline import Request, Toolbox, from_audio, open_toolbox
from meetsense.speech.directory import BUNDLED
from meetsense.values import SAMPLE_RATE, Audio, Meeting, Span, SpeakerRange

HOURS = 12
RECORDINGS = 40
MEGABYTE = 1 << 20
MEETING = BUNDLED / "demo-meeting" / "meeting.flac"


@cache
def tools() -> Toolbox:
    return open_toolbox(Path("/nonexistent"), whisper=str(BUNDLED / "demo-whisper"))


def memory() -> int:
    """Bytes this process holds for itself: not the mapped sound."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def watched() -> Iterator[list[int]]:
    """Memory, taken ten times a second."""
    seen, done = [memory()], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            seen.append(memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def test_the_longest_recording(tmp_path: Path) -> None:
    samples, rate = soundfile.read(MEETING, dtype="int16")
    with soundfile.SoundFile(tmp_path / "day.flac", "w", rate, 1, "PCM_16") as file:
        for _ in range(int(HOURS * 3600 * rate / len(samples))):
            file.write(samples)
    with watched() as seen:
        audio = load_audio(tmp_path / "day.flac", workdir=tmp_path)
        found = tools().diarizer.diarize(audio, tools().vad.speech(audio), SpeakerRange())
    assert found.turns[-1].span.end > audio.duration - len(samples) / rate
    assert max(seen) - seen[0] < 600 * MEGABYTE


@pytest.mark.parametrize("words", [True, False])
def test_many_recordings(words: bool) -> None:
    engines = tools() if words else Toolbox(tools().vad, tools().diarizer)
    audio = Audio(np.array(load_audio(MEETING).cut(Span(0.0, 30.0)).samples))
    meeting = Meeting("0" * 12, "again", datetime(2026, 11, 23, tzinfo=UTC), len(audio.samples) / SAMPLE_RATE)
    held = []
    for _ in range(RECORDINGS):
        from_audio(audio, meeting, engines, Request(language="en"))
        held.append(memory())
    assert max(held[RECORDINGS // 2 :]) - max(held[: RECORDINGS // 2]) < 30 * MEGABYTE
