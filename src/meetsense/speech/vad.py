"""The voice activity detector ``silero``: Silero VAD v6, as faster-whisper carries it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.errors import EngineError
from meetsense.values import SAMPLE_RATE, Audio, Span, quantise, union, until

Floats = NDArray[np.float32]

HOP = 512
"""Samples that get one probability: 32 ms."""
CONTEXT = 64
"""Samples before them that the network hears as well."""
WINDOW_HOPS = 8192
"""Probabilities computed at once: 262 s. The network's state goes on from one window to the next."""
ON, OFF = 0.3, 0.2
"""Speech starts above the first probability and ends below the second. Silero's own 0.5
leaves out much of the faint speech of a far microphone."""
SILENCE_SECONDS = 0.1
"""A shorter silence ends no speech."""
SPEECH_SECONDS = 0.1
"""Anything shorter is no speech."""
PAD_SECONDS = 0.3
"""Added at both ends: the network is late, leaves early, and misses faint words beside loud ones."""


def stretches(probabilities: Floats) -> list[tuple[int, int]]:
    """First and end position of every run that starts at >= ON and lasts until < OFF.

    >>> stretches(np.array([0.0, 0.25, 0.4, 0.25, 0.1, 0.25, 0.9], np.float32))
    [(2, 4), (6, 7)]
    """
    if not len(probabilities):
        return []
    said = np.where(probabilities >= ON, 1, np.where(probabilities < OFF, 0, -1))
    said[0] = max(said[0], 0)
    told = np.maximum.accumulate(np.where(said >= 0, np.arange(len(said)), 0))
    edges = np.diff(np.concatenate(([0], said[told], [0])))
    return list(zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True))


class SileroVad:
    """Silero VAD, in windows of at most five minutes. Raises EngineError when it can't be loaded."""

    def __init__(self) -> None:
        try:
            from faster_whisper.vad import get_vad_model

            self._session: Any = get_vad_model().session
        except (ImportError, RuntimeError, OSError) as error:
            raise EngineError(f"Silero VAD cannot be loaded ({error}); reinstall faster-whisper") from error

    @property
    def name(self) -> str:
        """``silero@6``."""
        return "silero@6"

    def probabilities(self, audio: Audio) -> Floats:
        """Probability of speech in each 32 ms, the last one filled with silence: shape (ceil(n / 512),)."""
        samples = audio.samples
        state = {"h": np.zeros((1, 1, 128), np.float32), "c": np.zeros((1, 1, 128), np.float32)}
        before = np.zeros(CONTEXT, np.float32)
        found = []
        for start in range(0, len(samples), WINDOW_HOPS * HOP):
            block = np.array(samples[start : start + WINDOW_HOPS * HOP])
            block = np.pad(block, (0, -len(block) % HOP)).reshape(-1, HOP)
            context = np.concatenate((before[None], block[:-1, -CONTEXT:]))
            try:
                heard, state["h"], state["c"] = self._session.run(
                    None, {"input": np.concatenate((context, block), axis=1), **state}
                )
            except RuntimeError as error:
                raise EngineError(f"Silero VAD failed ({error})") from error
            before = block[-1, -CONTEXT:]
            found.append(heard.reshape(-1))
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def speech(self, audio: Audio, /) -> tuple[Span, ...]:
        """Stretches in which somebody speaks, sorted, not overlapping. Raises EngineError."""
        step = HOP / SAMPLE_RATE
        runs = [Span(a * step, b * step) for a, b in stretches(self.probabilities(audio))]
        said = [run for run in union(runs, gap=SILENCE_SECONDS) if run.duration >= SPEECH_SECONDS]
        padded = union(Span(max(0.0, s.start - PAD_SECONDS), s.end + PAD_SECONDS) for s in said)
        end = audio.duration
        return tuple(Span(quantise(s.start), until(s.end, end)) for s in padded if quantise(s.start) < end)
