"""Figures side by side: tables of one measure with a bar and a whisker a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from meetsense.report.figures import Figure, figure, quantity
from meetsense.report.people import Person
from meetsense.report.wording import MEASURES, Term, term
from meetsense.values import Measure, SubjectKind


@dataclass(frozen=True, slots=True)
class Bar:
    """A value and its interval, in percent of the scale."""

    zero: float
    left: float
    width: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a table."""

    who: tuple[Person, ...]
    """Nobody for the meeting, one person, or from whom to whom."""
    figure: Figure
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class Table:
    """One measure for everybody."""

    name: str
    term: Term
    rows: tuple[Row, ...]
    scale: str
    """From what to what the bars run; empty without bars."""
    withheld: str | None
    """The one reason, when everybody's figure is withheld for it."""


def meeting_figures(measures: Iterable[Measure]) -> tuple[Figure, ...]:
    """Figures of the meeting as a whole, in the order of the wording's table."""
    found = [measure for measure in measures if measure.subject.kind is SubjectKind.MEETING]
    return tuple(figure(measure) for measure in sorted(found, key=_position))


def tables(
    measures: Iterable[Measure], everybody: Sequence[Person], kind: SubjectKind, wanted: Callable[[str], bool]
) -> tuple[Table, ...]:
    """Tables of one kind of subject. Rows are in the people's order, never the figures'."""
    place = {person.label: i for i, person in enumerate(everybody)}

    def rank(measure: Measure) -> tuple[int, str, int, int]:
        subject = measure.subject
        return (*_position(measure), place.get(subject.speaker or "", 0), place.get(subject.other or "", 0))

    found = [m for m in measures if m.subject.kind is kind and wanted(m.name)]
    by_name = groupby(sorted(found, key=rank), key=lambda measure: measure.name)
    return tuple(_table(name, list(group), everybody) for name, group in by_name)


def _position(measure: Measure) -> tuple[int, str]:
    known = list(MEASURES)
    return (known.index(measure.name), "") if measure.name in MEASURES else (len(known), measure.name)


def _table(name: str, measures: list[Measure], everybody: Sequence[Person]) -> Table:
    by_label = {person.label: person for person in everybody}
    low, high = _scale(measures)
    unit = next((m.unit for m in measures if m.value is not None), "")
    figures = [figure(measure) for measure in measures]
    reasons = {item.reason if item.value is None else None for item in figures}
    rows = tuple(
        Row(
            tuple(by_label[label] for label in (m.subject.speaker, m.subject.other) if label is not None),
            item,
            _bar(m, low, high),
        )
        for m, item in zip(measures, figures, strict=True)
    )
    first = quantity(low, unit, bound=True) if low else "0"
    scale = f"{first} to {quantity(high, unit, bound=True)}" if high > low else ""
    return Table(name, term(name), rows, scale, reasons.pop() if len(reasons) == 1 else None)


def _scale(measures: Iterable[Measure]) -> tuple[float, float]:
    """Ends of the bars' scale: zero is on it; equal ends when there is nothing to draw."""
    shown = [m for m in measures if m.value is not None]
    ends = [end for m in shown for end in (m.value, m.low, m.high) if end is not None and math.isfinite(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if all(m.unit == "share" for m in shown) and low == 0.0 and high <= 1.0:
        return 0.0, min(1.0, math.ceil(round(high * 10, 6)) / 10)
    return low, high


def _bar(measure: Measure, low: float, high: float) -> Bar | None:
    value = measure.value
    if value is None or not high > low or not math.isfinite(value):
        return None

    def percent(number: float) -> float:
        return round(100 * min(1.0, max(0.0, (number - low) / (high - low))), 2)

    zero, at = percent(0.0), percent(value)
    ends = [percent(end) if end is not None else None for end in (measure.low, measure.high)]
    return Bar(zero, min(zero, at), round(abs(at - zero), 2), ends[0], ends[1])
