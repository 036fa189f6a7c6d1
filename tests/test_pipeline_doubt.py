"""What the pipeline expects its engines to get wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from meetsense import interaction
from meetsense.interaction.doubt import NONE, Doubt
from meetsense.interchange.transcript import Transcript
from meetsense.pipeline import VOICE_DOUBTS, WORD_ERRORS, Request, Toolbox, from_audio, from_transcript
from meetsense.speech import Progress, silent_progress
from meetsense.values import (
    SAMPLE_RATE,
    Audio,
    Diarization,
    Meeting,
    Span,
    SpeakerRange,
    Transcription,
    Turn,
    Utterance,
    Word,
)

AUDIO = Audio(np.zeros(10 * SAMPLE_RATE, np.float32))
MEETING = Meeting("m", "m", datetime(2026, 11, 24, tzinfo=UTC), 10.0)
TURNS = (Turn(Span(0.0, 4.0), "S1"), Turn(Span(4.0, 9.0), "S2"))


class Ears:
    name = "ears@1"

    def speech(self, audio: Audio, /) -> tuple[Span, ...]:
        return (Span(0.0, 9.0),)


class Voices:
    sees_overlap = True

    def __init__(self, name: str) -> None:
        self.name = name

    def diarize(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        speakers: SpeakerRange,
        /,
        *,
        progress: Progress = silent_progress,
    ) -> Diarization:
        return Diarization(TURNS, TURNS, sees_overlap=True)


class Words:
    def __init__(self, name: str, sure: float | None = None) -> None:
        self.name, self._sure = name, sure

    def transcribe(self, *_: Any, **__: Any) -> Transcription:
        return Transcription((Word(Span(1.0, 2.0), "Hello.", 1.0),), "en", self._sure)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Doubt]:
    """The doubts that the science is told of, as they come."""
    told: list[Doubt] = []
    measure = interaction.measure

    def listening(*turns: Any, doubt: Doubt, **options: Any) -> Any:
        told.append(doubt)
        return measure(*turns, doubt=doubt, **options)

    monkeypatch.setattr(interaction, "measure", listening)
    return told


@pytest.mark.parametrize(
    ("name", "engine"),
    [("embedded@12ab", "embedded"), ("pyannote-community-1@34cd+fast", "pyannote"), ("other@1", "embedded")],
)
def test_each_diarizer_is_doubted_as_it_deserves(asked: list[Doubt], name: str, engine: str) -> None:
    from_audio(AUDIO, MEETING, Toolbox(Ears(), Voices(name)), Request())
    (doubt,) = asked
    expected = VOICE_DOUBTS[engine]
    assert (doubt.confused, doubt.jitter_ms) == (expected.confused, expected.jitter_ms)
    assert (doubt.missed_short, doubt.missed_overlap) == (expected.missed_short, expected.missed_overlap)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("whisper/small.en@12ab", "small"),
        ("whisper/large-v3-turbo@12ab", "large-v3-turbo"),
        ("whisper/faster-whisper-medium@12ab", "medium"),
        ("whisper/somebody's@12ab", "tiny"),
    ],
)
def test_each_recogniser_is_doubted_by_its_size(asked: list[Doubt], name: str, size: str) -> None:
    from_audio(AUDIO, MEETING, Toolbox(Ears(), Voices("embedded@1"), Words(name)), Request())
    assert asked[0].word_error == WORD_ERRORS[size]
    assert asked[0].language == 1.0


def test_a_language_that_was_guessed_is_doubted(asked: list[Doubt]) -> None:
    from_audio(
        AUDIO, MEETING, Toolbox(Ears(), Voices("embedded@1"), Words("whisper/small@1", 0.6)), Request()
    )
    assert asked[0].language == 0.6


def test_a_transcript_is_taken_at_its_word(asked: list[Doubt]) -> None:
    said = tuple(Utterance(i, turn.speaker, turn.span, "Hello.") for i, turn in enumerate(TURNS))
    from_transcript(Transcript(TURNS, said), MEETING, Request())
    assert asked == [NONE]
