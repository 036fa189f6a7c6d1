"""The language of a recording: which code, and what several windows of its speech say.

The first 30 seconds of a meeting are greetings, or silence; so windows are spread over all speech, and their
probabilities averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from meetsense.errors import EngineError
from meetsense.values import Audio, Span

WINDOWS = 5
"""Each costs one run of the encoder."""
TO_WHISPER = {"jv": "jw", "nb": "no", "fil": "tl", "cmn": "zh"}
"""BCP 47 codes that Whisper calls otherwise, or doesn't tell apart."""
FROM_WHISPER = {"jw": "jv"}


@dataclass(frozen=True, slots=True)
class Heard:
    """The language that a recording's speech is most likely in."""

    language: str
    """BCP 47 code."""
    probability: float
    """0..1, the model's own, mean over the windows."""
    windows: int
    """It rests on so many stretches of speech."""


def whisper_code(language: str, known: Sequence[str], model: str) -> str:
    """Whisper's code for a BCP 47 tag; the region doesn't matter.

    Raises EngineError, in one line, for a language that the model doesn't know.

    >>> whisper_code("pt-BR", ["en", "pt"], "small")
    'pt'
    """
    primary = language.strip().lower().replace("_", "-").partition("-")[0]
    code = TO_WHISPER.get(primary, primary)
    if code in known:
        return code
    if list(known) == ["en"]:
        raise EngineError(
            f"{model} knows English only, not {language!r}; choose a multilingual Whisper model"
        )
    raise EngineError(f"{model} does not know the language {language!r}; it knows {', '.join(sorted(known))}")


def samples_of_speech(
    audio: Audio, speech: Sequence[Span], seconds: float, most: int = WINDOWS
) -> list[NDArray[np.float32]]:
    """Up to ``most`` windows of at most ``seconds``, spread evenly over the speech, silence left out.

    Each is float32 of shape (n,), n > 0; as many as the speech fills.
    """
    total = sum(span.duration for span in speech)
    count = min(most, ceil(total / seconds))
    windows = []
    for position in range(count):
        middle, half = total * (position + 0.5) / count, min(seconds, total / count) / 2
        parts = [audio.cut(span).samples for span in _within(speech, middle - half, middle + half)]
        window = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        if len(window):
            windows.append(window)
    return windows


def _within(speech: Sequence[Span], start: float, end: float) -> list[Span]:
    """The parts of spans between two times that run in speech alone, as if silence took no time."""
    found, before = [], 0.0
    for span in speech:
        a, b = max(start, before), min(end, before + span.duration)
        if a < b:
            found.append(Span(span.start + a - before, span.start + b - before))
        before += span.duration
    return found


def hear(
    windows: Sequence[NDArray[np.float32]],
    probabilities: Callable[[NDArray[np.float32]], Mapping[str, float]],
) -> Heard | None:
    """The language with the highest mean probability, windows weighted by their length; None without windows.

    ``probabilities``: Whisper's code to probability, for one window.
    """
    sums: dict[str, float] = {}
    for window in windows:
        for code, probability in probabilities(window).items():
            sums[code] = sums.get(code, 0.0) + len(window) * probability
    if not sums:
        return None
    best = max(sums, key=sums.__getitem__)
    mean = sums[best] / sum(map(len, windows))
    return Heard(FROM_WHISPER.get(best, best), min(1.0, mean), len(windows))
