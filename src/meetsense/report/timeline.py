"""The drawing of who spoke when: one lane a person, times as percentages of a band.

A lane is drawn in a space of ``WIDTH`` by 1 that stretches to the page's width; what must keep its
shape (numbers, dots, ticks) is placed by percentage instead.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from meetsense.report.figures import clock
from meetsense.report.people import Person
from meetsense.values import Analysis, DecisionChain, Span, union

WIDTH = 10_000
"""Units of a lane from its left to its right end."""
BAND_SECONDS = 300.0
"""Length of one band of the close view."""
CLOSE_VIEW_SECONDS = 420.0
"""A longer recording gets a close view."""
FLAG_PERCENT = 5.0
"""Flags of decisions nearer than this are set on rows of their own."""
STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Seconds between two ticks; the first that gives at most ``TICKS`` of them is taken."""
TICKS = 8


LAST_TICK = 86
"""Percent: what begins further right is cut on a telephone."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A time on the axis."""

    percent: float
    text: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A decision on the time axis."""

    decision: int
    """Its id."""
    left: float
    """Percent."""
    width: float
    """Percent."""
    row: int
    """From 0; flags of one row keep their distance."""
    status: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One person's speech in a band."""

    person: Person
    path: str
    """SVG path in a space of WIDTH by 1; empty when they don't speak here."""
    dots: tuple[float, ...]
    """Percent: where this person contributes to a decision."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the recording, drawn from one edge of the page to the other."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    reach: float
    """Percent of the band that the recording reaches: less than 100 in the last one only."""
    ticks: tuple[Tick, ...]
    flags: tuple[Flag, ...]
    rows: int
    """Rows of flags."""
    lanes: tuple[Lane, ...]
    together: str
    """SVG path of the times at which two people or more speak."""

    @property
    def name(self) -> str:
        """From when to when."""
        return f"{clock(self.start)} to {clock(self.end)}"


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What is drawn, as spans in order of time that don't touch."""

    speech: Mapping[str, tuple[Span, ...]]
    """By label."""
    together: tuple[Span, ...]
    """At least two people speak."""
    end: float
    """Where the axis ends, in seconds: the recording's end, or the last thing in it."""


def overview(analysis: Analysis, everybody: Sequence[Person]) -> Band:
    """The whole recording in one band."""
    drawn = _drawn(analysis)
    return _band(analysis, drawn, everybody, Span(0.0, drawn.end))


def close_view(analysis: Analysis, everybody: Sequence[Person]) -> tuple[Band, ...]:
    """Bands of five minutes with those who speak in them; none for a short recording."""
    drawn = _drawn(analysis)
    if drawn.end <= CLOSE_VIEW_SECONDS:
        return ()
    bands = []
    for i in range(math.ceil(drawn.end / BAND_SECONDS)):
        stretch = Span(i * BAND_SECONDS, (i + 1) * BAND_SECONDS)
        here = [person for person in everybody if _cut(drawn.speech.get(person.label, ()), stretch)]
        if here:
            bands.append(_band(analysis, drawn, here, stretch))
    return tuple(bands)


def _drawn(analysis: Analysis) -> _Drawn:
    turns: dict[str, list[Span]] = {}
    for turn in analysis.turns:
        if turn.span.duration > 0:
            turns.setdefault(turn.speaker, []).append(turn.span)
    speech = {label: union(spans) for label, spans in turns.items()}
    times = [turn.span.end for turn in analysis.turns] + [chain.span.end for chain in analysis.decisions]
    return _Drawn(speech, _overlaps(speech.values()), max([analysis.meeting.duration, 1.0, *times]))


def _band(analysis: Analysis, drawn: _Drawn, everybody: Sequence[Person], band: Span) -> Band:
    flags = _flags(analysis.decisions, band)
    dots = _contributions(analysis, band)
    return Band(
        start=band.start,
        end=band.end,
        reach=min(100.0, _percent(drawn.end, band)),
        ticks=_ticks(band),
        flags=flags,
        rows=1 + max((flag.row for flag in flags), default=-1),
        lanes=tuple(
            Lane(
                person,
                _path(_cut(drawn.speech.get(person.label, ()), band), band),
                dots.get(person.label, ()),
            )
            for person in everybody
        ),
        together=_path(_cut(drawn.together, band), band),
    )


def _cut(spans: Sequence[Span], band: Span) -> list[Span]:
    """What of spans, in order of time, lies inside a band."""
    first = bisect_right(spans, band.start, key=lambda span: span.end)
    near = takewhile(lambda span: span.start < band.end, islice(spans, first, None))
    return [inside for span in near if (inside := span & band)]


def _path(spans: Iterable[Span], band: Span) -> str:
    """Rectangles of height 1, as short as SVG allows."""
    scale = WIDTH / band.duration
    pieces = []
    for span in spans:
        left, right = round((span.start - band.start) * scale), round((span.end - band.start) * scale)
        pieces.append(f"M{left} 0h{max(1, right - left)}v1H{left}z")
    return "".join(pieces)


def _percent(time: float, band: Span) -> float:
    return round(100 * (time - band.start) / band.duration, 2)


def _ticks(band: Span) -> tuple[Tick, ...]:
    step = next((step for step in STEPS if band.duration / step <= TICKS), STEPS[-1])
    first = math.ceil(band.start / step)
    times = (i * step for i in range(first, math.floor(band.end / step) + 1))
    ticks = (Tick(_percent(time, band), clock(time)) for time in times)
    return tuple(tick for tick in ticks if tick.percent <= LAST_TICK)


def _flags(decisions: Sequence[DecisionChain], band: Span) -> tuple[Flag, ...]:
    flags: list[Flag] = []
    filled: list[float] = []
    for chain in sorted(decisions, key=lambda chain: chain.span):
        inside = chain.span & band
        if inside is None and not (chain.span.duration == 0 and band.start <= chain.span.start <= band.end):
            continue
        start, end = (inside.start, inside.end) if inside else (chain.span.start, chain.span.start)
        left = min(_percent(start, band), 100 - FLAG_PERCENT)
        row = next((i for i, right in enumerate(filled) if right <= left), len(filled))
        filled[row : row + 1] = [left + FLAG_PERCENT]
        width = max(0.2, _percent(end, band) - _percent(start, band))
        flags.append(Flag(chain.id, left, round(width, 2), row, str(chain.status)))
    return tuple(flags)


def _contributions(analysis: Analysis, band: Span) -> dict[str, tuple[float, ...]]:
    """Where each person contributes to a decision, by label."""
    said = {utterance.id: utterance for utterance in analysis.utterances}
    found: dict[str, dict[float, None]] = {}
    for chain in analysis.decisions:
        for entry in chain.ledger:
            evidence = said.get(entry.utterance)
            if evidence and band.start <= evidence.span.start < band.end:
                middle = min(evidence.span.middle, band.end)
                found.setdefault(entry.speaker, {})[_percent(middle, band)] = None
    return {label: tuple(percents) for label, percents in found.items()}


def _overlaps(speech: Iterable[Sequence[Span]]) -> tuple[Span, ...]:
    """Times at which two people or more speak, from each one's speech."""
    edges = [edge for spans in speech for span in spans for edge in ((span.start, 1), (span.end, -1))]
    found = []
    level, since = 0, 0.0
    for time, step in sorted(edges):
        if level == 2 and step < 0 and time > since:
            found.append(Span(since, time))
        level += step
        if level == 2 and step > 0:
            since = time
    return union(found)
