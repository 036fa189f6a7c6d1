"""The child that is measured: pyannote in one mode on made-up sound, its cost as JSON on stdout.

With ``--scripted`` the networks are replaced by what they would say of six people who take turns: hours then
cost what everything but the networks costs, whose own work is the same for every chunk.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.speech.pyannote import PyannoteDiarizer
from meetsense.values import SAMPLE_RATE, Audio, Span, SpeakerRange
from tests.bench.diarize import peak_bytes
from tests.pyannote_directory import sound

VOICES = 6
CLOCK = 20_000.0
"""Seconds in the value 1 of scripted sound, which rises with time: a chunk says when it was."""
RATE = 100
"""Steps of the script in a second."""


def clock(seconds: int, folder: Path) -> Audio:
    """Sound that says what time it is, as a memory map: as hours come from the decoder."""
    path = folder / "clock.f32"
    made = np.memmap(path, np.float32, "w+", shape=(seconds * SAMPLE_RATE,))
    for start in range(0, seconds, 60):
        part = np.arange(start * SAMPLE_RATE, min(seconds, start + 60) * SAMPLE_RATE)
        made[part[0] : part[-1] + 1] = part / SAMPLE_RATE / CLOCK
    made.flush()
    return Audio(np.memmap(path, np.float32, "r"))


def script(seconds: int) -> NDArray[np.bool_]:
    """Who speaks: turns of 1 to 15 s, every eighth begun before the one before it ends; (steps, voices)."""
    draw = np.random.default_rng(4)
    spoken = np.zeros(((seconds + 20) * RATE, VOICES), np.bool_)
    at = 0
    while at < seconds * RATE:
        length = int(draw.uniform(1, 15) * RATE)
        spoken[at : at + length, draw.choice(VOICES, p=[0.35, 0.25, 0.2, 0.1, 0.07, 0.03])] = True
        at += length + int((draw.uniform(-1.5, 0) if draw.random() < 1 / 8 else draw.uniform(0, 1.5)) * RATE)
    spoken[seconds * RATE :] = False
    return spoken


class Scripted:
    """What the two networks would say of the script, at the shapes of the real ones."""

    def __init__(self, seconds: int) -> None:
        self._spoken = script(seconds)
        draw = np.random.default_rng(5)
        own = draw.random((VOICES + 1, 2560)) < 0.1
        self._voices = (4 * own * np.abs(draw.standard_normal(own.shape))).astype(np.float32)
        self._noise = 0.7 * np.abs(draw.standard_normal((2560, 125 + 97))).astype(np.float32)

    def _steps(self, chunk: Any, frames: int) -> tuple[int, NDArray[np.bool_]]:
        start = round(float(chunk[0]) * CLOCK * RATE)
        return start, self._spoken[start + np.arange(frames) * 10 * RATE // frames]

    def activity(self, chunks: Any) -> NDArray[np.float32]:
        """Up to three people of each chunk, as they first speak."""
        made = np.zeros((len(chunks), 589, 3), np.float32)
        for chunk, active in zip(chunks[:, 0], made, strict=True):
            _, spoken = self._steps(chunk, 589)
            people = np.flatnonzero(spoken.any(axis=0))
            people = people[np.argsort(spoken[:, people].argmax(axis=0))][:3]
            active[:, : len(people)] = spoken[:, people]
        return made

    def frames(self, chunk: Any) -> Any:
        """Frames that sound like whoever speaks, and a little otherwise in every chunk."""
        import torch

        start, spoken = self._steps(chunk[0, 0], 125)
        who = np.where(spoken.any(axis=1), spoken.argmax(axis=1), VOICES)
        shift = start * 7 % 97
        made = self._voices[who].T + self._noise[:, shift : shift + 125]
        return torch.from_numpy(made.reshape(1, 256, 10, 125))


def main() -> None:
    """Diarize with one thread: several that wait for each other would count as work. Loading isn't timed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("mode")
    parser.add_argument("seconds", type=int)
    parser.add_argument("--scripted", action="store_true")
    parser.add_argument("--batch", type=int, help="chunks at once, for stock; default: as configured")
    arguments = parser.parse_args()
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory(dir=arguments.cache.parent) as draft:
        audio = clock(seconds, Path(draft)) if arguments.scripted else Audio(sound(seconds))
        began = time.process_time()
        engine: Any = PyannoteDiarizer(
            arguments.folder, mode=arguments.mode, threads=1, cache=arguments.cache
        )
        if arguments.batch:
            engine._pipeline.segmentation_batch_size = arguments.batch
            engine._pipeline.embedding_batch_size = arguments.batch
        if arguments.scripted:
            engine._steps._networks = Scripted(seconds)
        wall, processor = time.perf_counter(), time.process_time()
        found = engine.diarize(audio, (Span(0.0, float(seconds)),), SpeakerRange())
        cost = {
            "engine": engine.name,
            "note": engine.note,
            "load_seconds": processor - began,
            "seconds": time.perf_counter() - wall,
            "processor_seconds": time.process_time() - processor,
            "audio_seconds": audio.duration,
            "peak_bytes": peak_bytes(),
            "voices": len(found.speakers),
            "turns": len(found.turns),
        }
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
