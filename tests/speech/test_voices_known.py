"""Voices known again by the genuine pyannote engine, on the small models in ``tests/tiny-pyannote``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from meetsense.audio import load_audio
from meetsense.speech import VoiceSpace
from meetsense.speech.directory import BUNDLED, has_pyannote
from meetsense.speech.voices import recognise, speech_seconds
from meetsense.values import SAMPLE_RATE, Audio, Diarization, Span, SpeakerRange, Turn, Voiceprint

TINY = Path(__file__).parents[1] / "tiny-pyannote"
MEETING = BUNDLED / "demo-meeting"
pytestmark = [
    pytest.mark.skipif(not has_pyannote(), reason="the extra pyannote is not installed"),
    pytest.mark.skipif(not (TINY / "installed.json").is_file(), reason="needs tests/tiny-pyannote"),
]


@cache
def halves() -> tuple[VoiceSpace, Diarization, Diarization, float]:
    """The engine, and the two halves of the bundled meeting as it hears them, cut at so many seconds."""
    from meetsense.speech.pyannote import PyannoteDiarizer
    from meetsense.speech.vad import SileroVad

    audio = load_audio(MEETING / "meeting.flac")
    cut = len(audio.samples) // 2
    engine, vad = PyannoteDiarizer(TINY, threads=1), SileroVad()
    parts = (Audio(np.array(audio.samples[:cut])), Audio(np.array(audio.samples[cut:])))
    first, second = (engine.diarize(part, vad.speech(part), SpeakerRange()) for part in parts)
    return engine, first, second, cut / SAMPLE_RATE


def truth() -> tuple[Turn, ...]:
    """Who speaks when, of the meeting's own RTTM file."""
    rows = [line.split() for line in (MEETING / "meeting.rttm").read_text().splitlines()]
    return tuple(Turn(Span(float(r[3]), float(r[3]) + float(r[4])), r[7]) for r in rows)


def people_in(found: Diarization, label: str, shift: float) -> NDArray[np.float64]:
    """How much of a voice's time is whose, scaled to length 1: the small models mix some people up."""
    spans = [turn.span.shift(shift) for turn in found.exclusive if turn.speaker == label]
    names = sorted({turn.speaker for turn in truth()})
    shared = [sum(t.span.overlap(s) for t in truth() if t.speaker == name for s in spans) for name in names]
    return np.asarray(np.array(shared) / np.linalg.norm(shared))


def prints(space: VoiceSpace, found: Diarization) -> list[Voiceprint]:
    """Every voice, enrolled under its label."""
    return [
        Voiceprint(label, space.space, vector, speech_seconds(found.exclusive, label))
        for label, vector in found.voiceprints.items()
        if speech_seconds(found.exclusive, label) > 0
    ]


def test_voices_of_another_recording_are_known_as_those_of_the_same_people() -> None:
    space, first, second, cut = halves()
    known = recognise(second, space, prints(space, first))
    assert known
    for voice in known:
        alike = {
            label: float(people_in(second, voice.label, cut) @ people_in(first, label, 0.0))
            for label in first.speakers
        }
        assert voice.heard.person == max(alike, key=lambda label: alike[label])


def test_a_recording_is_known_by_its_own_prints_and_not_in_another_space() -> None:
    space, first, _, _ = halves()
    longest = max(prints(space, first), key=lambda p: p.seconds)
    assert [voice.label for voice in recognise(first, space, [longest])] == [longest.person]
    assert recognise(first, space, [replace(longest, space="other@1")]) == ()
