"""``meetsense patterns``: what the database's meetings show together that none of them shows alone."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetsense.cli.common import database_options, settings_of

if TYPE_CHECKING:
    from meetsense.interaction.patterns import Following, Record, Trend
    from meetsense.values import Measure

TEAM = "The team"
TOO_EARLY = "Too early to tell"
ONE = "one meeting shows nothing over meetings."
MINUS = "\u2212"
POINTS = " points"
MOST = 12
"""Pairs of acts that are printed."""
HEAD = (
    "Sums over the meetings with 95 % intervals; below them the fitted figure at the first and at the last "
    "meeting."
)


@click.command()
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only meetings from this day on."
)
@click.option(
    "--by",
    type=click.Choice(["role", "chair", "title"]),
    help="Look at each role, chair or title by itself.",
)
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def patterns(
    since: datetime | None, by: str | None, json: bool, db: Path | None, config: Path | None
) -> None:
    """What moves over the meetings, and which act follows which.

    Of the team, and of people whose name a meeting shows; the labels of a recording, such as S1, are nobody
    in the next one. With few meetings it says so, and claims nothing.
    """
    from meetsense.interaction.patterns import Context, followings, trends

    records = _read(db, config, since)
    moving = trends(records, by=Context(by) if by else None)
    following = followings(records)
    if json:
        click.echo(json_text.dumps(_document(records, moving, following), ensure_ascii=False, indent=1))
        return
    for line in _lines(records, moving, following, by):
        click.echo(line)


def _read(db: Path | None, config: Path | None, since: datetime | None) -> list[Record]:
    """The meetings in the order of time; each is let go once what patterns need of it is kept."""
    from meetsense.interaction.patterns import record
    from meetsense.store import Store

    start = since.astimezone(UTC) if since else None
    with Store(db or settings_of(config).database, create=False) as store:
        listed = [m.id for m in reversed(store.meetings()) if start is None or m.started_at >= start]
        quiet = not sys.stderr.isatty()
        with click.progressbar(listed, label="reading meetings", file=sys.stderr, hidden=quiet) as ids:
            return [record(store.load(meeting)) for meeting in ids]


def _document(
    records: Sequence[Record], moving: Iterable[Trend], following: Iterable[Following]
) -> dict[str, object]:
    return {
        "meetings": [item.meeting.id for item in records],
        "trends": [
            {
                "name": trend.name,
                "person": trend.person,
                "context": trend.context,
                "meetings": trend.meetings,
                "first": trend.first.isoformat(),
                "last": trend.last.isoformat(),
                "total": _measure(trend.total),
                "start": trend.start,
                "end": trend.end,
                "change": _measure(trend.change),
                "unpooled": _measure(trend.alone),
                "p": trend.p,
                "q": trend.q,
                "found": trend.found,
            }
            for trend in moving
        ],
        "following": [
            {
                "given": pair.given,
                "target": pair.target,
                "speaker": "other" if pair.other else "same",
                "count": pair.strength.n,
                "expected": pair.expected,
                "z": pair.z,
                "q": pair.q,
                "strength": _measure(pair.strength),
                "found": pair.found,
            }
            for pair in following
        ],
    }


def _measure(item: Measure) -> dict[str, object]:
    return {
        "value": item.value,
        "unit": item.unit,
        "n": item.n,
        "low": item.low,
        "high": item.high,
        "grade": item.grade,
        "reason": item.reason,
        "part": item.part,
        "whole": item.whole,
    }


def _lines(
    records: Sequence[Record], moving: Sequence[Trend], following: Sequence[Following], by: str | None
) -> Iterator[str]:
    from meetsense.report.escape import clean

    if not records:
        yield "No meetings."
        return
    first, last = records[0].meeting.started_at, records[-1].meeting.started_at
    days = " to ".join(dict.fromkeys((_day(first), _day(last))))
    yield f"{len(records)} meeting{'s' * (len(records) > 1)}, {days}"
    if len(records) > 1:
        yield HEAD
    for context, found in groupby(moving, key=lambda trend: trend.context):
        if len(records) > 1:
            yield from _context(context, list(found), by)
    if len(records) == 1:
        yield f"{TOO_EARLY}: {ONE} Its own figures: meetsense show {clean(records[0].meeting.id)}"
    yield from _drawn(moving)
    if not any(trend.person for trend in moving):
        yield ""
        yield "Nobody is named in these meetings. A roster names people: meetsense analyze --roster FILE"
    yield from _following(following)
    yield from _reasons(moving)


def _drawn(moving: Sequence[Trend]) -> Iterator[str]:
    """How figures of people are to be read that are told here."""
    from meetsense.report.wording import OF_PEOPLE

    told = {trend.name for trend in moving if trend.person and trend.meetings > 1}
    notes = [note for name, note in OF_PEOPLE.items() if name in told]
    yield from ["", *notes] if notes else []


def _day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")


def _context(context: str | None, moving: Sequence[Trend], by: str | None) -> Iterator[str]:
    """The team and the people of one context."""
    from meetsense.report.escape import clean

    where = "" if context is None else f" · {by}: {clean(context)}"
    if max(trend.meetings for trend in moving) < 2:
        yield ""
        yield f"{TOO_EARLY}{where}: {ONE}"
        return
    for person, found in groupby(moving, key=lambda trend: trend.person):
        yield ""
        yield f"{TEAM if person is None else clean(person)}{where}"
        for trend in found:
            yield from _trend(trend)


def _trend(trend: Trend) -> Iterator[str]:
    """One figure: the sum over the meetings, and below it how it moves."""
    from meetsense.interaction.patterns import LEAST_EVENTS
    from meetsense.report.figures import events, interval, quantity
    from meetsense.report.terms import term

    words, total = term(trend.name), trend.total
    beside = f"{trend.meetings} meeting{'s' * (trend.meetings > 1)}"
    noun = events(total.n, words.events)
    if total.value is not None and total.n < LEAST_EVENTS.get(trend.name, 0):
        beside = f"too early to tell, n = {total.n} {noun}, {beside}"
    elif total.value is not None:
        reach = interval(total.low, total.high, total.unit, near=total.value)
        told = f"{quantity(total.value, total.unit)} ({reach}), n = {total.n} {noun}, {total.grade}"
        beside = f"{told}, {beside}"
    yield f"  {words.title}: {beside}"
    yield f"    {_change(trend)}"


def _change(trend: Trend) -> str:
    """How a figure moved, in words."""
    from meetsense.report.figures import quantity

    change = trend.change
    if change.value is None or change.low is None or change.high is None:
        return f"trend withheld: {change.reason}"
    claim = ("rises" if change.value > 0 else "falls") if trend.found else "no clear trend"
    ends = f"{quantity(trend.start or 0.0, change.unit)} to {quantity(trend.end or 0.0, change.unit)}"
    value, low, high = (_signed(x, change.unit) for x in (change.value, change.low, change.high))
    reach = f"{low.removesuffix(POINTS)} to {high.removesuffix(POINTS)}"
    return f"{claim}: {ends}, change {value} ({reach}), {change.grade}"


def _signed(value: float, unit: str) -> str:
    """A difference: of shares in percentage points.

    >>> _signed(0.071, "share"), _signed(-1.5, "per minute")
    ('+7.1 points', '−1.50/min')
    """
    from meetsense.report.figures import quantity

    size = f"{100 * abs(value):.1f}{POINTS}" if unit == "share" else quantity(abs(value), unit)
    return f"{MINUS if value < 0 else '+'}{size}"


def _following(following: Sequence[Following]) -> Iterator[str]:
    """Acts that follow acts more or less often than chance, the least likely first."""
    from meetsense.report.figures import interval, quantity

    yield ""
    yield "Which act follows which"
    if not any(pair.strength.n for pair in following):
        yield "  There are no acts: no words, or a language without acts."
        return
    tested = [pair for pair in following if pair.z is not None]
    found = sorted((pair for pair in tested if pair.found), key=lambda pair: -abs(pair.z or 0.0))
    for pair in found[:MOST]:
        who = "somebody else" if pair.other else "the same person"
        q, more = pair.strength, "more" if (pair.z or 0.0) > 0 else "less"
        yield f"  {pair.given} → {pair.target} by {who}: {more} often than chance, {q.n} times"
        reach = interval(q.low, q.high, q.unit, near=q.value or 0.0)
        yield (
            f"    {pair.expected:.1f} expected, z = {_z(pair.z or 0.0)}, "
            f"Yule's Q {quantity(q.value or 0.0, q.unit)} ({reach}), {q.grade}"
        )
    if len(found) > MOST:
        yield f"  {len(found) - MOST} weaker ones: --json"
    if not found:
        yield "  Nothing differs clearly from chance."
    yield f"  {len(tested)} pairs of acts were tested, {len(following) - len(tested)} are too rare."
    if tested and tested[0].strength.reason:
        yield f"  Tentative: {tested[0].strength.reason}."


def _z(value: float) -> str:
    return f"{MINUS if value < 0 else ''}{abs(value):.1f}"


def _reasons(moving: Sequence[Trend]) -> Iterator[str]:
    """Why trends are tentative, each reason once."""
    from meetsense.report.escape import clean
    from meetsense.values import Grade

    reasons = {t.change.reason or "": None for t in moving if t.change.grade is Grade.TENTATIVE}
    if reasons:
        yield ""
        yield "Tentative"
    for reason in reasons:
        yield f"  - {clean(reason)}"
