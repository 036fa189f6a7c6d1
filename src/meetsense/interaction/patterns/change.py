"""What is said of one figure over meetings: the sum of its parts, its change, and why nothing can be said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import uncertainty as sure
from meetsense.interaction.patterns import discovery
from meetsense.interaction.patterns.fit import Line, Link, Series, lines
from meetsense.interaction.patterns.records import Context
from meetsense.interaction.patterns.tracked import Kind, Point, Tracked, events
from meetsense.interaction.uncertainty import Z95
from meetsense.values import Grade, Measure, Subject

LEAST_MEETINGS = 5
"""Fewer meetings show no trend."""
A_PHASE = 10
"""Meetings in each half from which on a trend is more than provisional: what a change by 10 points of a share
takes to be seen in four of five cases, on the ICSI series."""

Bounds = tuple[float, float]
"""Lower and upper end of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The meetings that are looked at together."""

    first: datetime
    last: datetime
    by: Context | None = None
    """What they are split by."""
    context: str | None = None
    """The part of them."""

    def time(self, at: datetime) -> float:
        """A date as a part of the whole period, −½..½."""
        length = (self.last - self.first).total_seconds() or 1.0
        return (at - self.first).total_seconds() / length - 0.5


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure of a person or of the team over meetings."""

    name: str
    """Of the measure."""
    person: str | None
    """Key of the person; None: the team."""
    context: str | None
    """The context that was looked at by itself, or None: all the meetings."""
    meetings: int
    """Those that have the figure."""
    first: datetime
    last: datetime
    total: Measure
    """Sum of parts over sum of wholes, with the measure's own name."""
    change: Measure
    """From the first to the last meeting, in the measure's unit; a share's is a difference of shares."""
    alone: Measure
    """The same without pooling."""
    start: float | None = None
    """Fitted figure at the first meeting."""
    end: float | None = None
    """Fitted figure at the last meeting."""
    p: float | None = None
    """Of the change without pooling, two-sided."""
    q: float | None = None
    """False discovery rate at which it is a finding, over all that was tested together."""

    @property
    def found(self) -> bool:
        """Whether it may be called a trend."""
        low, high = self.change.low, self.change.high
        apart = low is not None and high is not None and (low > 0 or high < 0)
        return apart and self.q is not None and self.q < discovery.RATE


def fitted_lines(
    tracked: Tracked, own: Mapping[str, Sequence[Point]], frame: Frame
) -> dict[str, Line | None]:
    """The line of each series that may have one, with common dispersion; None for the others."""
    fit = [who for who, points in own.items() if not why_withheld(tracked, points)]
    found = lines([_series(tracked, own[who], frame) for who in fit], tracked.kind.link)
    return {**dict.fromkeys(own), **dict(zip(fit, found, strict=True))}


def _series(tracked: Tracked, points: Sequence[Point], frame: Frame) -> Series:
    of_events = tracked.kind in (Kind.EVENTS, Kind.RATE)
    return Series(
        time=np.array([frame.time(p.at) for p in points]),
        value=np.array([p.value for p in points]),
        noise=np.array([0.0 if of_events else p.variance for p in points]),
        scale=np.array([p.wider / (p.whole or 1.0) if of_events else 0.0 for p in points]),
        offset=np.array([-math.log(p.others) if tracked.kind.of_all else 0.0 for p in points]),
    )


def why_withheld(tracked: Tracked, points: Sequence[Point]) -> str | None:
    """Why nothing can be said of a trend, or None."""
    if len(points) < LEAST_MEETINGS:
        return f"{_counted(len(points), 'meetings')}; a trend needs {LEAST_MEETINGS}"
    if len({point.at for point in points}) < 2:
        return "all the meetings have the same date"
    if tracked.kind.link is not Link.IDENTITY and not any(point.part for point in points):
        return f"no {tracked.noun} in these meetings"
    n = events(tracked, points)
    if n < tracked.least:
        return f"only {_counted(n, tracked.noun)}; a trend needs {tracked.least}"
    return None


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun.removesuffix('s') if n == 1 else noun}"


def unpooled(
    tracked: Tracked,
    person: str | None,
    points: Sequence[Point],
    line: Line | None,
    frame: Frame,
) -> Trend:
    """A trend without pooling."""
    subject, name = Subject() if person is None else Subject.of(person), f"{tracked.name}_trend"
    head = (tracked.name, person, frame.context, len(points), points[0].at, points[-1].at)
    total = _total(tracked, subject, points)
    if line is None:
        why = why_withheld(tracked, points)
        nothing = Measure(name, subject, None, points[0].unit, len(points), grade=Grade.WITHHELD, reason=why)
        return Trend(*head, total, nothing, nothing)
    reach = line.slope_error * _student(line.freedom)
    bounds = (line.slope - reach, line.slope + reach)
    (low, value, high), start, end = _moved(tracked, points, line, bounds, frame)
    grade = _graded(points)
    change = Measure(name, subject, value, points[0].unit, len(points), low, high, *grade)
    return Trend(*head, total, change, change, start, end, _p(line))


def pooled(
    trend: Trend, tracked: Tracked, points: Sequence[Point], line: Line, slopes: Bounds, frame: Frame
) -> Trend:
    """The trend with a line that was drawn towards the others'."""
    (low, value, high), start, end = _moved(tracked, points, line, slopes, frame)
    change = replace(trend.change, value=value, low=low, high=high)
    return replace(trend, change=change, start=start, end=end)


def doubted(trend: Trend, why: str) -> Trend:
    """A trend with one more reason for doubt, if there is one to doubt."""
    if trend.change.grade is Grade.WITHHELD:
        return trend
    reason = "; ".join(filter(None, (trend.change.reason, why)))
    change, alone = (
        replace(item, grade=Grade.TENTATIVE, reason=reason) for item in (trend.change, trend.alone)
    )
    return replace(trend, change=change, alone=alone)


def _p(line: Line) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(line.freedom, -abs(line.slope) / line.slope_error))


def _moved(
    tracked: Tracked, points: Sequence[Point], line: Line, slopes: Bounds, frame: Frame
) -> tuple[tuple[float, float, float], float, float]:
    """Low, value and high of the change, and the fitted figure at the first and the last meeting."""
    others = float(np.median([p.others for p in points])) if tracked.kind.of_all else 1.0
    ends = np.array([frame.time(points[0].at), frame.time(points[-1].at)])

    def fitted(slope: float) -> NDArray[np.float64]:
        bent = replace(line, slope=slope)
        return tracked.kind.link.inverse(np.array([bent.at(t) for t in ends]) - math.log(others))

    low, value, high = (float(np.diff(fitted(slope))[0]) for slope in (slopes[0], line.slope, slopes[1]))
    start, end = fitted(line.slope).tolist()
    return (low, value, high), start, end


def slope_error(line: Line) -> float:
    """The error of a normal distribution whose 95 % interval is as wide as the slope's."""
    return _widened(line.slope_error, line.freedom)


def level_error(line: Line) -> float:
    """The same of the level."""
    return _widened(line.level_error, line.freedom)


def _widened(error: float, freedom: float) -> float:
    return error * _student(freedom) / Z95


def _student(freedom: float) -> float:
    """97.5 % point of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def _graded(points: Sequence[Point]) -> tuple[Grade, str | None]:
    """Firm with enough meetings in each half, and no doubt in most of them."""
    why = []
    if len(points) // 2 < A_PHASE:
        why.append(f"provisional: {len(points)} meetings; {2 * A_PHASE} make it firm")
    doubts = [point.doubt for point in points if point.doubt]
    if 2 * len(doubts) > len(points):
        why.append(f"in most of the meetings: {max(sorted(set(doubts)), key=doubts.count)}")
    return (Grade.TENTATIVE, "; ".join(why)) if why else (Grade.FIRM, None)


def _total(tracked: Tracked, subject: Subject, points: Sequence[Point]) -> Measure:
    """The sum of parts over the sum of wholes, with meetings as clusters."""
    unit, n = points[0].unit, events(tracked, points)
    if tracked.kind is Kind.LEVEL:
        why = "medians and indices of several meetings don't add up"
        return Measure(tracked.name, subject, None, unit, n, grade=Grade.WITHHELD, reason=why)
    parts = np.array([p.part or 0.0 for p in points])
    wholes = np.array([p.whole or 0.0 for p in points])
    part, whole = float(parts.sum()), float(wholes.sum())
    value = part / whole
    reach = _reach(parts - value * wholes, whole, points)
    told = (part + 0.5) / (whole + 1) if tracked.drawn and subject.speaker is not None else value
    shift = sum(p.shift * (p.whole or 0.0) for p in points) / whole
    low, high = value - reach + min(shift, 0.0), value + reach + max(shift, 0.0)
    if tracked.kind in (Kind.EVENTS, Kind.EVENTS_OF_ALL, Kind.RATE):
        count = round(part)
        least = sure.poisson(count, whole) if tracked.kind is Kind.RATE else sure.wilson(count, round(whole))
        low, high = min(low, least.low), max(high, least.high)
    most = math.inf if tracked.kind is Kind.RATE else 1.0
    interval = sure.covering(low, told, high, most=most)
    grade = sure.grade(len(points), "meetings", LEAST_MEETINGS)
    if grade[0] is Grade.FIRM:
        grade = sure.grade(n, tracked.noun, tracked.least)
    return Measure(
        tracked.name, subject, told, unit, n, interval.low, interval.high, *grade, part=part, whole=whole
    )


def _reach(left: NDArray[np.float64], whole: float, points: Sequence[Point]) -> float:
    """Half the width of a ratio estimator's interval; of one meeting, of its own."""
    n = len(left)
    if n == 1:
        return Z95 * math.sqrt(points[0].variance)
    return _student(n - 1) * math.sqrt(n / (n - 1) * float((left**2).sum())) / whole
