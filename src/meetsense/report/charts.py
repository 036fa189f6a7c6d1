"""Figures side by side, family by family: tables of one measure with a bar and a whisker a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from meetsense.report.doubts import Doubt, doubts
from meetsense.report.families import BETWEEN, FAMILIES, OTHER, THEN, Family, family, place
from meetsense.report.figures import Figure, figure, quantity
from meetsense.report.people import Person
from meetsense.report.terms import Term, term
from meetsense.values import Grade, Measure, SubjectKind

MOST_BARS = 60
"""A longer table has no bars: it is there to look something up."""


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
    """One measure for everybody who has a figure."""

    name: str
    term: Term
    between: str
    """What stands between the two people of a pair."""
    rows: tuple[Row, ...]
    """In the people's order, never the figures'; withheld ones have no row."""
    scale: str
    """From what to what the bars run; empty without bars."""
    doubts: tuple[Doubt, ...]
    """Why rows are tentative: a line a reason, not one a row."""


@dataclass(frozen=True, slots=True)
class Section:
    """The figures of one family. What is withheld is only among the doubts."""

    family: Family
    meeting: tuple[Figure, ...]
    persons: tuple[Table, ...]
    pairs: tuple[Table, ...]
    measures: tuple[Measure, ...]
    """All of them, the withheld ones too."""


def sections(measures: Iterable[Measure], everybody: Sequence[Person]) -> tuple[Section, ...]:
    """The families that the meeting has measures of, in the order of the wording's table."""
    by_family: dict[str, list[Measure]] = {}
    for measure in measures:
        by_family.setdefault(family(measure.name).key, []).append(measure)
    return tuple(
        Section(
            item,
            meeting_figures(found),
            tables(found, everybody, SubjectKind.SPEAKER),
            tables(found, everybody, SubjectKind.PAIR),
            tuple(found),
        )
        for item in (*FAMILIES, OTHER)
        if (found := by_family.get(item.key))
    )


def meeting_figures(measures: Iterable[Measure]) -> tuple[Figure, ...]:
    """Figures of the meeting as a whole that are not withheld, in the order of the wording's table."""
    found = [m for m in measures if m.subject.kind is SubjectKind.MEETING and m.value is not None]
    return tuple(figure(measure) for measure in sorted(found, key=lambda measure: place(measure.name)))


def tables(measures: Iterable[Measure], everybody: Sequence[Person], kind: SubjectKind) -> tuple[Table, ...]:
    """Tables of one kind of subject. Rows are in the people's order, never the figures'."""
    order = {person.label: i for i, person in enumerate(everybody)}

    def rank(measure: Measure) -> tuple[int, int, str, int, int]:
        subject = measure.subject
        return (
            *place(measure.name),
            order.get(subject.speaker or "", 0),
            order.get(subject.other or "", 0),
        )

    found = [m for m in measures if m.subject.kind is kind and m.value is not None]
    by_name = groupby(sorted(found, key=rank), key=lambda measure: measure.name)
    return tuple(_table(name, list(group), everybody) for name, group in by_name)


def _table(name: str, measures: list[Measure], everybody: Sequence[Person]) -> Table:
    by_label = {person.label: person for person in everybody}
    low, high = _scale(measures) if len(measures) <= MOST_BARS else (0.0, 0.0)
    unit = measures[0].unit
    rows = tuple(
        Row(
            tuple(by_label[label] for label in (m.subject.speaker, m.subject.other) if label is not None),
            figure(m),
            _bar(m, low, high),
        )
        for m in measures
    )
    first = quantity(low, unit, bound=True) if low else "0"
    scale = f"{first} to {quantity(high, unit, bound=True)}" if high > low else ""
    why = doubts(measures, everybody, Grade.TENTATIVE)
    return Table(name, term(name), BETWEEN.get(name, THEN), rows, scale, why)


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
