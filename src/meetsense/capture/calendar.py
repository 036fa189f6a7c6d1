"""Events of a room, read from a calendar file (iCalendar, RFC 5545): the one that is on, or the next.

Whatever is wrong with the file, no event comes of it. It is parsed in a process of its own: what outsiders
write into a calendar can't hold the recorder up, and its parser's 40 MB are given back. An event counts when
the room is its location, and it has a time of day, lasts at most a day, is not cancelled and does not come
more often than daily.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from meetsense.errors import CaptureError

Component = Any
"""A part of a calendar as the library gives it: the types it declares differ from release to release."""
AHEAD = timedelta(hours=24)
"""How far off the next event may be."""
LONGEST = timedelta(hours=24)
"""Of an event that is a meeting."""
AGENDA = timedelta(hours=1)
"""How long an expanded agenda serves before the file is expanded again."""
MOST_BYTES = 20_000_000
SECONDS = 15.0
"""Most time that a calendar may take to be expanded."""
REFUSED = 3
"""Exit status of the reader that says on stderr, in one line, what is wrong with the calendar."""
OFTEN = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
"""Frequencies that no meeting has. To expand them from a start years ago takes minutes."""
THINGS = frozenset({"ROOM", "RESOURCE", "GROUP"})
"""Attendees (CUTYPE) that are not a person."""
SECRET = frozenset({"PRIVATE", "CONFIDENTIAL"})
"""Classes (CLASS) of events whose title is not taken over."""


@dataclass(frozen=True, slots=True)
class Event:
    """A meeting in a calendar: one occurrence where it recurs."""

    uid: str
    """Of the event; all occurrences share it."""
    start: datetime
    """UTC."""
    end: datetime
    """UTC."""
    title: str
    """Empty where the event has none, or is private."""
    people: tuple[str, ...] = ()
    """Names of the people who are invited and did not decline. Whether they are present nobody knows."""


def meetings(ics: bytes, room: str, at: datetime, zone: ZoneInfo | None = None) -> Event | None:
    """The room's event that is on ``at``, else the next within a day, else None.

    Of several that are on, the one that began last. ``zone``: what times without a timezone are in; None: the
    machine's. Raises CaptureError when the calendar can't be read.
    """
    hour = datetime.fromtimestamp(at.timestamp() // AGENDA.total_seconds() * AGENDA.total_seconds(), UTC)
    events = _agenda(ics, _folded(room), hour, zone.key if zone else None)
    if isinstance(events, str):
        raise CaptureError(events)
    if on := [event for event in events if event.start <= at < event.end]:
        return on[-1]
    return next((event for event in events if at < event.start <= at + AHEAD), None)


@lru_cache(maxsize=1)
def _agenda(ics: bytes, room: str, hour: datetime, zone: str | None) -> tuple[Event, ...] | str:
    """What :func:`expand` gives, or its complaint about these bytes, from a process of its own.

    Raises CaptureError for what may pass, such as a machine that is too busy: that is not kept, and the next
    look tries again.
    """
    words = [sys.executable, "-P", "-m", __name__, room, hour.isoformat(), zone or ""]
    try:
        done = subprocess.run(words, input=ics, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise CaptureError(
            f"the calendar took longer than {SECONDS:.0f} s to read; export only this room's, of this year"
        ) from None
    except OSError as error:
        raise CaptureError(f"the calendar's reader can't be started ({error.strerror})") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        if done.returncode == REFUSED:
            return said
        raise CaptureError(f"the calendar's reader failed ({said})")
    return tuple(_of_json(one) for one in json.loads(done.stdout))


def _of_json(one: list[Any]) -> Event:
    uid, start, end, title, people = one
    return Event(uid, datetime.fromisoformat(start), datetime.fromisoformat(end), title, tuple(people))


def main(room: str, hour: str, zone: str) -> int:
    """The reader: a calendar on stdin, a room's events as JSON on stdout."""
    try:
        known = ZoneInfo(zone) if zone else None
        events = expand(sys.stdin.buffer.read(), room, datetime.fromisoformat(hour), known)
    except CaptureError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    rows = [[one.uid, one.start.isoformat(), one.end.isoformat(), one.title, one.people] for one in events]
    sys.stdout.write(json.dumps(rows))
    return 0


def expand(ics: bytes, room: str, hour: datetime, zone: ZoneInfo | None) -> tuple[Event, ...]:
    """A room's events that matter within an hour, by their start. Raises CaptureError."""
    if len(ics) > MOST_BYTES:
        raise CaptureError(
            f"the calendar is larger than {MOST_BYTES // 1_000_000} MB; export only this room's"
        )
    try:
        found = {
            event
            for event in _events(ics, _folded(room), hour, zone or _machine_zone())
            if event.start < event.end
        }
    except ImportError:
        raise CaptureError(
            "to read a calendar takes the extra calendar: pip install 'meetsense[calendar]'"
        ) from None
    except CaptureError:
        raise
    except Exception as error:
        # What parsers of foreign text raise is not a closed list, and none of it may start a recording.
        # They quote the text, in which there are names and titles.
        raise CaptureError(f"the calendar is not iCalendar, or damaged ({type(error).__name__})") from error
    return tuple(sorted(found, key=lambda event: (event.start, event.end, event.uid)))


def _events(ics: bytes, room: str, hour: datetime, zone: tzinfo) -> Iterator[Event]:
    import recurring_ical_events
    from icalendar import Calendar

    calendar: Component = Calendar.from_ical(ics)
    if calendar.name != "VCALENDAR":
        raise CaptureError("the calendar is not iCalendar: it has no VCALENDAR")
    # A day more on both sides: times without a timezone are compared as if they were UTC.
    margin = timedelta(days=1)
    first, last = hour - LONGEST - margin, hour + AGENDA + AHEAD + margin
    parts = calendar.walk("VEVENT")
    for part in parts:
        _need_order(part)
    here = {_text(part, "UID") for part in parts if _is_in(_text(part, "LOCATION"), room)}
    calendar.subcomponents = [
        part
        for part in calendar.subcomponents
        if part.name != "VEVENT" or (_text(part, "UID") in here and _may_be_between(part, first, last))
    ]
    for part in recurring_ical_events.of(calendar).between(first, last):
        if (event := _event(part, room, zone)) is not None:
            yield event


def _need_order(part: Component) -> None:
    """Raise ValueError for an event that ends before it starts: the library would exchange the two."""
    start, end, length = part.get("DTSTART"), part.get("DTEND"), part.get("DURATION")
    if (start and end and end.dt < start.dt) or (length and length.dt < timedelta(0)):
        raise ValueError("an event ends before it starts")


def _may_be_between(part: Component, first: datetime, last: datetime) -> bool:
    """Whether an event is worth expanding. One that is alone in its series is looked at by its date."""
    if any(name in part for name in ("RRULE", "RDATE", "RECURRENCE-ID")):
        return not _is_too_frequent(part)
    start = part["DTSTART"].dt
    date = start.date() if isinstance(start, datetime) else start
    return bool(first.date() - LONGEST <= date <= last.date())


def _is_too_frequent(part: Component) -> bool:
    rules = part.get("RRULE", [])
    rules = rules if isinstance(rules, list) else [rules]
    return any(str(name).upper() in OFTEN for rule in rules for name in rule.get("FREQ", []))


def _event(part: Component, room: str, zone: tzinfo) -> Event | None:
    """An occurrence as an event, when it is a meeting in this room."""
    start, end = getattr(part, "start", None), getattr(part, "end", None)
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return None
    start, end = _utc(start, zone), _utc_end(start, end, zone)
    if end - start > LONGEST or _text(part, "STATUS").upper() == "CANCELLED":
        return None
    if not _is_in(_text(part, "LOCATION"), room):
        return None
    secret = _text(part, "CLASS").upper() in SECRET
    title = "" if secret else " ".join(_text(part, "SUMMARY").split())
    return Event(_text(part, "UID"), start, end, title, tuple(dict.fromkeys(_people(part))))


def _utc(moment: datetime, zone: tzinfo) -> datetime:
    """UTC. What a clock skips counts by the offset before, what it repeats by the first (RFC 5545, 3.3.5)."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _utc_end(start: datetime, end: datetime, zone: tzinfo) -> datetime:
    """UTC. An event that starts in what a clock skips has its length from there."""
    begun, over = _utc(start, zone), _utc(end, zone)
    return over if over > begun else begun + (end.replace(tzinfo=None) - start.replace(tzinfo=None))


def _text(part: Component, name: str) -> str:
    value: Any = part.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value)


def _is_in(location: str, room: str) -> bool:
    """Whether a location is the room, or lists it among others."""
    whole = _folded(location)
    return bool(room) and room in (whole, *(part.strip() for part in re.split(r"[;,]", whole)))


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _people(part: Component) -> Iterator[str]:
    invited: Any = part.get("ATTENDEE", [])
    for one in invited if isinstance(invited, list) else [invited]:
        given = {key.upper(): str(value) for key, value in getattr(one, "params", {}).items()}
        name = " ".join(given.get("CN", "").split())
        person = given.get("CUTYPE", "INDIVIDUAL").upper() not in THINGS
        if name and person and given.get("PARTSTAT", "").upper() != "DECLINED":
            yield name


def _machine_zone() -> tzinfo:
    """The machine's timezone, with its daylight saving; UTC where it has none that is known."""
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        if name:
            return ZoneInfo(name)
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError, KeyError):
        return UTC


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
