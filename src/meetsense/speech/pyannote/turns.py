"""From pyannote's annotations to meetsense's turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.values import Diarization, Span, Turn, quantise, union, until

Tracks = Iterable[tuple[float, float, str]]
"""Start and end in seconds, and the label."""


def tracks(annotation: Any) -> list[tuple[float, float, str]]:
    """Start, end and label of a pyannote Annotation's tracks."""
    return [
        (segment.start, segment.end, label) for segment, _, label in annotation.itertracks(yield_label=True)
    ]


def spans_of(found: Tracks, duration: float) -> dict[str, tuple[Span, ...]]:
    """Label to its spans: quantised, inside the recording, sorted, those that touch merged.

    >>> spans_of([(-0.01, 1.00049, "a"), (1.0, 2.5, "a"), (3.0, 4.0, "b")], 2.0)
    {'a': (Span(start=0.0, end=2.0),)}
    """
    spans: dict[str, list[Span]] = defaultdict(list)
    for start, end, label in found:
        first, last = quantise(max(0.0, start)), until(end, duration)
        if first < last:
            spans[label].append(Span(first, last))
    return {label: union(own) for label, own in spans.items()}


def labelled(spans: Mapping[str, Iterable[Span]], names: Mapping[str, str]) -> tuple[Turn, ...]:
    """Turns of the spans, sorted, with the labels' new names; labels without one are left out."""
    made = [Turn(span, names[label]) for label, own in spans.items() if label in names for span in own]
    return tuple(sorted(made, key=lambda turn: (turn.span, turn.speaker)))


def one_at_a_time(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Sorted turns without what overlaps an earlier one.

    >>> one_at_a_time([Turn(Span(0, 2), "S1"), Turn(Span(1, 3), "S2"), Turn(Span(1, 2), "S3")])
    (Turn(span=Span(start=0, end=2), speaker='S1'), Turn(span=Span(start=2, end=3), speaker='S2'))
    """
    kept: list[Turn] = []
    for turn in turns:
        start = max(turn.span.start, kept[-1].span.end) if kept else turn.span.start
        if start < turn.span.end:
            kept.append(Turn(Span(start, turn.span.end), turn.speaker))
    return tuple(kept)


def diarization_of(
    both: Tracks, exclusive: Tracks, prints: Mapping[str, NDArray[np.floating[Any]]], duration: float
) -> Diarization:
    """What pyannote found, labelled S1, S2, … as people first speak.

    ``prints`` are its rows of embeddings by label; a row of zeros, or one not finite, is no voiceprint.
    """
    spans = spans_of(both, duration)
    order = sorted(spans, key=lambda label: (spans[label][0], label))
    names = {label: f"S{i}" for i, label in enumerate(order, 1)}
    voiceprints = {
        names[label]: tuple(map(float, row))
        for label, row in prints.items()
        if label in names and np.isfinite(row).all() and np.any(row)
    }
    return Diarization(
        turns=labelled(spans, names),
        exclusive=one_at_a_time(labelled(spans_of(exclusive, duration), names)),
        voiceprints=MappingProxyType({name: voiceprints[name] for name in sorted(voiceprints)}),
        sees_overlap=True,
    )


def one_voice(speech: Iterable[Span], duration: float) -> Diarization:
    """All speech as one person's: where the network hears nobody, somebody spoke for all that is known."""
    spans = spans_of(((span.start, span.end, "S1") for span in speech), duration)
    turns = labelled(spans, {"S1": "S1"})
    return Diarization(turns=turns, exclusive=turns, sees_overlap=True)
