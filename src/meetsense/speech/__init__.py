"""From sound to who said what: the protocols every engine keeps, and how an engine is opened.

An engine is made once and used for many recordings. Each keeps the contract that ``tests/speech`` checks:
output sorted, inside the recording, quantised to 1 ms; silence gives an empty result; the same sound gives
the same result; what fails raises EngineError.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from meetsense.values import Audio, Diarization, Span, SpeakerRange, Transcription

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# onnxruntime reads it when it is imported; without it, it reports to its maker and writes into ~/.cache.

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0..1."""


def default_threads() -> int:
    """Threads that help an engine: more than four don't."""
    return min(4, os.cpu_count() or 1)


def silent_progress(_: float) -> None:
    """Progress that nobody watches."""


class Vad(Protocol):
    """Finds speech."""

    @property
    def name(self) -> str:
        """``name@revision``, stored with every result."""

    def speech(self, audio: Audio, /) -> tuple[Span, ...]:
        """Stretches in which somebody speaks, sorted, not overlapping. Raises EngineError."""


class Diarizer(Protocol):
    """Says who spoke when."""

    @property
    def name(self) -> str:
        """``name@revision``, stored with every result."""

    @property
    def sees_overlap(self) -> bool:
        """Whether turns of different people may overlap in what it returns."""

    def diarize(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        speakers: SpeakerRange,
        /,
        *,
        progress: Progress = silent_progress,
    ) -> Diarization:
        """Turns of the speech by at most ``speakers.high`` people, labelled S1, S2, … as they first speak.

        Fewer than ``speakers.low`` only when there is too little speech to tell. Raises EngineError.
        """


@runtime_checkable
class VoiceSpace(Protocol):
    """A diarizer that can tell whether two voiceprints are one person's."""

    @property
    def space(self) -> str:
        """``name@revision`` of the network that makes the vectors."""

    def log_odds(self, one: Sequence[float], other: Sequence[float], /) -> float:
        """Natural logarithm of how much likelier one person made both vectors than two people did."""


class Transcriber(Protocol):
    """Says what was said."""

    @property
    def name(self) -> str:
        """``name@revision``, stored with every result."""

    def transcribe(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        /,
        *,
        language: str | None = None,
        names: Sequence[str] = (),
        agenda: Sequence[str] = (),
        progress: Progress = silent_progress,
    ) -> Transcription:
        """Words with times; ``language`` None asks the engine to detect it.

        ``names`` of people and items of the ``agenda`` may be said: an engine may use them to spell.
        Raises EngineError.
        """
