"""The errors of a diarizer, in the terms of ``interaction.doubt.Doubt``, measured against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.doubt import SHORT_MS
from meetsense.interaction.floor import Stretches, merge, segments
from meetsense.values import Turn
from tests.bench.der import annotation

STEP_MS = 10
SAME = 0.5
"""A stretch is found when another shares so much of both together; a short one when so much is heard."""
ROBUST = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""


@dataclass(frozen=True, slots=True)
class Errors:
    """What a diarizer got wrong."""

    confused: float
    """Seconds given to a wrong person."""
    speech: float
    """Seconds of speech."""
    borders: tuple[float, ...]
    """How late each begin and end of the stretches over a second that were found is, ms."""
    short: int
    """Stretches under a second."""
    lost: int
    """Short ones of which their speaker has less than half."""
    together: float
    """Seconds in which at least two people speak and somebody is heard."""
    alone: float
    """Of these, in which one is heard."""

    @classmethod
    def pooled(cls, parts: Sequence[Errors]) -> Errors:
        """The errors of several recordings."""
        return cls(
            sum(part.confused for part in parts),
            sum(part.speech for part in parts),
            tuple(border for part in parts for border in part.borders),
            sum(part.short for part in parts),
            sum(part.lost for part in parts),
            sum(part.together for part in parts),
            sum(part.alone for part in parts),
        )

    @property
    def note(self) -> str:
        """The errors as shares."""
        away = np.array(self.borders)
        jitter = ROBUST * float(np.median(np.abs(away - np.median(away)))) if len(away) else 0.0
        return (
            f"confused {self.confused / self.speech:.2f}, borders {jitter:.0f} ms, "
            f"short lost {self.lost / max(1, self.short):.2f}, "
            f"one of two {self.alone / max(1e-9, self.together):.2f}"
        )


def mapped(truth: Iterable[Turn], found: Iterable[Turn], duration: float) -> tuple[Turn, ...]:
    """Turns found, under the names of the people that they fit best; other voices keep their own."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    whole = Timeline([Segment(0.0, duration)])
    names = DiarizationErrorRate().optimal_mapping(annotation(truth), annotation(found), uem=whole)
    return tuple(replace(turn, speaker=names.get(turn.speaker, f"? {turn.speaker}")) for turn in found)


def errors(truth: Sequence[Turn], heard: Sequence[Turn], duration: float) -> Errors:
    """The errors of turns that bear the true names as far as they can."""
    labels = sorted({turn.speaker for turn in (*truth, *heard)})
    true, made = (merge(segments(tuple(turns), labels)) for turns in (truth, heard))
    steps = int(duration * 1000 / STEP_MS) + 1
    said, given = (_speaking(each, len(labels), steps) for each in (true, made))
    several = (said.sum(axis=0) >= 2) & given.any(axis=0)
    right = np.minimum(said.sum(axis=0), given.sum(axis=0)) - (said & given).sum(axis=0)
    short = lost = 0
    borders: list[float] = []
    for speaker, start, end in zip(true.speaker, true.start, true.end, strict=True):
        if end - start < SHORT_MS:
            own = given[speaker, start // STEP_MS : max(start // STEP_MS + 1, end // STEP_MS)]
            short, lost = short + 1, lost + int(not len(own) or own.mean() < SAME)
        else:
            borders += _borders(made.of(speaker), int(start), int(end))
    step = STEP_MS / 1000
    return Errors(
        confused=float(right.sum()) * step,
        speech=float(said.sum()) * step,
        borders=tuple(borders),
        short=short,
        lost=lost,
        together=float(several.sum()) * step,
        alone=float((given.sum(axis=0)[several] == 1).sum()) * step,
    )


def _speaking(stretches: Stretches, people: int, steps: int) -> NDArray[np.bool_]:
    """Who speaks in each step: shape (people, steps)."""
    speaks = np.zeros((people, steps), dtype=np.bool_)
    for speaker, start, end in zip(stretches.speaker, stretches.start, stretches.end, strict=True):
        speaks[speaker, start // STEP_MS : end // STEP_MS] = True
    return speaks


def _borders(own: Stretches, start: int, end: int) -> list[float]:
    """How late a stretch begins and ends where it was found; nothing where it wasn't."""
    if not len(own):
        return []
    shared = np.minimum(own.end, end) - np.maximum(own.start, start)
    union = np.maximum(own.end, end) - np.minimum(own.start, start)
    best = int((shared / union).argmax())
    if shared[best] < SAME * union[best]:
        return []
    return [float(own.start[best] - start), float(own.end[best] - end)]
