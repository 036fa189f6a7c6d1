"""How people's and the team's figures move over meetings: sums of parts, and trends with partial pooling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from meetsense.interaction import uncertainty as sure
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.patterns import discovery
from meetsense.interaction.patterns.change import (
    A_PHASE,
    LEAST_MEETINGS,
    Bounds,
    Frame,
    Trend,
    doubted,
    fitted_lines,
    level_error,
    pooled,
    slope_error,
    unpooled,
)
from meetsense.interaction.patterns.fit import Line
from meetsense.interaction.patterns.pooling import pool
from meetsense.interaction.patterns.records import NOT_GIVEN, Context, Record
from meetsense.interaction.patterns.tracked import (
    OF_MEETINGS,
    OF_PEOPLE,
    Point,
    Tracked,
    of_people,
    of_team,
)
from meetsense.values import SubjectKind

TEAM = ""
"""Key of the team's series."""
LEAST_POOLED = 3
"""Fewer people are not drawn towards each other."""
DIFFERENCES = 2.0
"""Median of the prior of how much people differ in level, and in slope over the whole period, on the link's
scale: wide, since a narrow one makes intervals too short where people do differ."""

WITHHELD = (
    f"under {LEAST_MEETINGS} meetings, with all of them on one date, or with fewer events over all of them "
    f"than the measure asks for ({sure.FEW_EVENTS}, or 5 proposals, topics or decisions): withheld"
)
TENTATIVE = (
    f"under {2 * A_PHASE} meetings ({A_PHASE} in each half) provisional, hence tentative; so too where most "
    "of the meetings' figures are in doubt"
)
SPLIT = (
    "contexts (the person's role, who chairs, room, title) are each looked at alone, and those with too few "
    "meetings say so"
)
NOT_A_CAUSE = "causes, or anybody's growth: who comes, what is on the agenda and the room change too"

DEFINITIONS = (
    Definition(
        "total",
        SubjectKind.SPEAKER,
        "that of the measure",
        "Σ part / Σ whole over the meetings in which the person was, or over all of them for the team; a "
        "person's adoption_rate is (Σ part + ½) / (Σ whole + 1), as in one meeting; the interval is a ratio "
        "estimator's with meetings as clusters (Student's t, meetings − 1 degrees of "
        "freedom), at least as wide as that of the events alone, and reaches to where the meetings' own "
        "intervals have their middle: errors that an engine makes in every meeting don't average out",
        "parts and wholes of the meetings' measures; a person is whoever has the same name in several "
        "meetings, never whoever has the same label",
        f"under {LEAST_MEETINGS} meetings or few events tentative; medians and indices don't add up, and "
        "are withheld",
        "Cochran 1977; Wilson 1927; Breslow & Day 1987",
        "comparing people: each was in meetings of their own",
    ),
    Definition(
        "team_trend",
        SubjectKind.MEETING,
        "that of the measure",
        "change of the fitted figure from the first meeting to the last; a line over time by "
        "quasi-likelihood on the scale of logits (shares), of logarithms (rates), or as it is (medians, "
        "indices). The variance of a meeting's figure is its own sampling variance, doubts of words and "
        "voices included, plus φ μ(1 − μ), φ μ² or φ for what differs between meetings; errors are widened "
        "where meetings resemble the one before",
        "the meetings' measures and intervals; rates of people are added over everybody",
        f"{WITHHELD}; {TENTATIVE}; it is called a trend when its false discovery rate over everything that "
        f"is tested together is below {discovery.RATE:g}; {SPLIT}",
        "McCullagh & Nelder 1989; Williams 1982; Smyth 2004; Benjamini & Hochberg 1995; the minimum counts "
        "from the ICSI series",
        NOT_A_CAUSE,
    ),
    Definition(
        "trend",
        SubjectKind.SPEAKER,
        "that of the measure",
        "change of the fitted figure from the person's first meeting to the last, as for the team; a share "
        "of what everybody did enters as log(own / mean of the others who spoke), so that more people are "
        "no trend. Levels and slopes are pooled: N(θ, s²) around θ ~ N(c, σ²), averaged over σ with a "
        "half-Cauchy prior; c is the team's slope, and 0 where what some gain others lose. It is called a "
        "trend when the t test of the figure without pooling, which stands beside it, is a discovery as for "
        "the team, and the pooled interval is apart from 0",
        "the measures of speakers with parts, wholes and intervals; formal roles",
        f"{WITHHELD}; {TENTATIVE}, or the person's role changed; under {LEAST_POOLED} people nothing is "
        f"pooled; {SPLIT}; people of one meeting are not independent, which the pooling takes them to be",
        "Rubin 1981; Gelman 2006; Gelman et al. 2013, ch. 5; Aitchison 1986 (log-ratios)",
        f"{NOT_A_CAUSE}; comparing or ranking people",
    ),
)


def trends(records: Sequence[Record], by: Context | None = None) -> tuple[Trend, ...]:
    """What moves over the meetings, and what can't be told: in each context the team first, then people.

    The order of the records doesn't matter; their dates do. Split by role there are people only. Raises
    ValueError when a meeting is there twice.
    """
    if len({item.meeting.id for item in records}) < len(records):
        raise ValueError("a meeting is there twice")
    ordered = sorted(records, key=lambda item: (item.meeting.started_at, item.meeting.id))
    found: list[Trend] = []
    for context, part in _split(ordered, by):
        first, last = part[0].meeting.started_at, part[-1].meeting.started_at
        found += _within(part, Frame(first, last, by, context))
    tested = [i for i, trend in enumerate(found) if trend.p is not None]
    rates = discovery.adjusted(np.array([found[i].p for i in tested], dtype=np.float64))
    for i, rate in zip(tested, rates.tolist(), strict=True):
        found[i] = replace(found[i], q=rate)
    return tuple(found)


def _split(records: Sequence[Record], by: Context | None) -> Iterator[tuple[str | None, Sequence[Record]]]:
    """Contexts in the order of their names, what is not given last, with the meetings that have them."""
    if by is None:
        yield from [(None, records)] if records else []
        return
    having: dict[str, dict[str, Record]] = {}
    for item in records:
        for attendance in item.people if by is Context.ROLE else (None,):
            having.setdefault(item.context(by, attendance), {})[item.meeting.id] = item
    for context in sorted(having, key=lambda name: (name == NOT_GIVEN, name)):
        yield context, tuple(having[context].values())


def _within(records: Sequence[Record], frame: Frame) -> Iterator[Trend]:
    """The trends of one context."""
    people: list[Trend] = []
    team: list[Trend] = []
    for tracked in OF_PEOPLE:
        centre: tuple[float, float] | None = 0.0, 0.0
        if not tracked.kind.of_all:
            points = of_team(tracked, records)
            line = fitted_lines(tracked, {TEAM: points}, frame)[TEAM]
            centre = (line.slope, slope_error(line)) if line else None
            team += [unpooled(tracked, None, points, line, frame)] if points and tracked.team else []
        people += _people(tracked, _own(tracked, records, frame), centre, frame)
    if frame.by is not Context.ROLE:
        for tracked in OF_MEETINGS:
            if points := of_team(tracked, records):
                line = fitted_lines(tracked, {TEAM: points}, frame)[TEAM]
                yield unpooled(tracked, None, points, line, frame)
        yield from team
    yield from sorted(people, key=lambda trend: trend.person or "")


def _own(tracked: Tracked, records: Sequence[Record], frame: Frame) -> dict[str, Sequence[Point]]:
    """Each person's points, those in the context's role alone where that is what is looked at."""
    found = sorted(of_people(tracked, records).items())
    if frame.by is not Context.ROLE:
        return dict(found)
    in_role = ((who, [p for p in points if (p.role or NOT_GIVEN) == frame.context]) for who, points in found)
    return {who: points for who, points in in_role if points}


def _people(
    tracked: Tracked, own: Mapping[str, Sequence[Point]], centre: tuple[float, float] | None, frame: Frame
) -> Iterator[Trend]:
    """The trends of people; ``centre``: the slope that theirs are drawn to, and its error, where known."""
    alone = fitted_lines(tracked, own, frame)
    known = {who: line for who, line in alone.items() if line}
    drawn = _drawn(known, centre) if len(known) >= LEAST_POOLED and centre else {}
    for who, points in own.items():
        trend = unpooled(tracked, who, points, alone[who], frame)
        if who in drawn:
            line, slopes = drawn[who]
            trend = pooled(trend, tracked, points, line, slopes, frame)
        if frame.by is not Context.ROLE and len({point.role for point in points}) > 1:
            trend = doubted(trend, "their role changed between the meetings: split by role")
        yield trend


def _drawn(known: Mapping[str, Line], centre: tuple[float, float]) -> dict[str, tuple[Line, Bounds]]:
    """Lines with pooled level and slope, and the slope's bounds."""
    lines = list(known.values())
    slopes = pool([line.slope for line in lines], [slope_error(line) for line in lines], DIFFERENCES, centre)
    levels = pool([line.level for line in lines], [level_error(line) for line in lines], DIFFERENCES)
    return {
        who: (replace(known[who], slope=slope, level=level), (low, high))
        for who, slope, level, low, high in zip(
            known,
            slopes.value.tolist(),
            levels.value.tolist(),
            slopes.low.tolist(),
            slopes.high.tolist(),
            strict=True,
        )
    }
