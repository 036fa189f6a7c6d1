"""Recordings and engines in which a voice is a loudness: what needs no network to be known again."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from types import MappingProxyType

import numpy as np
import soundfile

from meetsense.pipeline import Toolbox
from meetsense.speech import Progress, silent_progress
from meetsense.values import SAMPLE_RATE, Audio, Diarization, Span, SpeakerRange, Turn

ADA, BO, CEM = 0.25, 0.5, 0.75
"""Loudness of three invented people."""


def recording(path: Path, *talk: tuple[float, int], noise: float = 0.0) -> Path:
    """A WAV file in which people (by loudness) speak so many seconds, one after another; ``noise``, added to
    everybody's loudness, is what makes a recording sound different."""
    parts = [np.full(seconds * SAMPLE_RATE, level + noise, np.float32) for level, seconds in talk]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE, subtype="FLOAT")
    return path


class WholeVad:
    """All of it is speech."""

    name = "whole@1"

    def speech(self, audio: Audio) -> tuple[Span, ...]:
        return (Span(0.0, audio.duration),) if audio.duration else ()


class Loudness:
    """Tells voices apart by how loud a second of them is. Prints of different recordings differ a little."""

    name = "loudness@1"
    space = "loudness@1"
    sees_overlap = True

    def diarize(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        speakers: SpeakerRange,
        /,
        *,
        progress: Progress = silent_progress,
    ) -> Diarization:
        blocks = audio.samples[: len(audio.samples) // SAMPLE_RATE * SAMPLE_RATE].reshape(-1, SAMPLE_RATE)
        levels = [round(float(block.mean()), 3) for block in blocks]
        labels = {level: f"S{i}" for i, level in enumerate(dict.fromkeys(levels), 1)}
        turns = tuple(Turn(Span(float(i), i + 1.0), labels[level]) for i, level in enumerate(levels))
        prints = {label: (level, 1.0) for level, label in labels.items()}
        return Diarization(turns, turns, MappingProxyType(prints), sees_overlap=True)

    def log_odds(self, one: tuple[float, ...], other: tuple[float, ...]) -> float:
        """40 for the same loudness, 0 at a distance of 0.1, -60 at one of 0.25."""
        return 40 - 400 * abs(one[0] - other[0])


def open_ears(*_: object, **__: object) -> Toolbox:
    return Toolbox(WholeVad(), Loudness(), without_words="Without words.")


def open_ears_beside_a_writer(*_: object, **__: object) -> Toolbox:
    """While the engine loads, somebody else states something in the database, without waiting for it."""
    with sqlite3.connect(os.environ["DATABASE_TO_WRITE"], timeout=0) as db:
        db.execute("insert or ignore into people (name) values ('Late')")
        db.execute(
            """insert into agreements (person, purpose, agreed, stated_at, basis)
               select id, 'named', 1, '2026-01-01T00:00:00+00:00', 'spoken' from people where name = 'Late'"""
        )
    db.close()
    return open_ears()


def crash(*_: object, **__: object) -> Toolbox:
    os._exit(9)
