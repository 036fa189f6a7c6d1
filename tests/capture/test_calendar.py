"""Calendars: what recurs, what was moved, both changes of the clock, and whatever else a file may hold."""

from __future__ import annotations

import builtins
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import recurring_ical_events
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meetsense.capture import calendar
from meetsense.capture.calendar import Event, expand, meetings
from meetsense.errors import CaptureError

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)


IN_ITS_PROCESS = calendar._agenda


def here(data: bytes, room: str, hour: datetime, zone: str | None) -> tuple[Event, ...] | str:
    try:
        return expand(data, room, hour, ZoneInfo(zone) if zone else None)
    except CaptureError as error:
        return str(error)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calendars are expanded in this process: a thousand others take long."""
    monkeypatch.setattr(calendar, "_agenda", here)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Calendars are expanded in a process of their own after all: the calls that started one."""
    found: list[object] = []
    real = subprocess.run

    def run(words: list[str], **more: Any) -> Any:
        found.append(words)
        return real(words, **more)

    IN_ITS_PROCESS.cache_clear()
    monkeypatch.setattr(calendar, "_agenda", IN_ITS_PROCESS)
    monkeypatch.setattr(subprocess, "run", run)
    return found


def event(*lines: str, uid: str = "one@example.org", room: str = "Library", title: str = "Desk hours") -> str:
    head = ("BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20261101T000000Z", f"SUMMARY:{title}", f"LOCATION:{room}")
    return "\r\n".join((*head, *lines, "END:VEVENT"))


def ics(*events: str) -> bytes:
    whole = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN", *events, "END:VCALENDAR")
    return ("\r\n".join(whole) + "\r\n").encode()


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    """A moment on the wall of a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def on(data: bytes, moment: datetime, room: str = "Library", zone: ZoneInfo | None = BERLIN) -> Event | None:
    """The event that is on, and not merely next."""
    found = meetings(data, room, moment, zone)
    return found if found and found.start <= moment < found.end else None


ONCE = ics(event("DTSTART:20261124T090000Z", "DTEND:20261124T100000Z"))
WEEKLY = ics(
    event(
        "DTSTART;TZID=Europe/Berlin:20260302T023000",
        "DTEND;TZID=Europe/Berlin:20260302T033000",
        "RRULE:FREQ=DAILY",
    )
)


def test_on_and_next() -> None:
    event = Event("one@example.org", NINE, NINE + timedelta(hours=1), "Desk hours")
    second = timedelta(seconds=1)
    assert meetings(ONCE, "Library", NINE - timedelta(hours=24) - second, BERLIN) is None
    for moment in (NINE - timedelta(hours=24), NINE - second, NINE, event.end - second):
        assert meetings(ONCE, "Library", moment, BERLIN) == event
    assert meetings(ONCE, "Library", event.end, BERLIN) is None


@pytest.mark.parametrize(
    ("location", "room", "is_there"),
    [
        ("Library", "library", True),
        ("  LIBRARY ", "Library", True),
        (r"Library\, second floor", "Library, second floor", True),
        (r"Library\, second floor", "Library", True),
        ("Hall; Library", "Library", True),
        ("Library 2", "Library", False),
        ("The Library", "Library", False),
        ("", "Library", False),
        ("Straße", "STRASSE", True),
    ],
)
def test_only_this_room(location: str, room: str, is_there: bool) -> None:
    data = ics(event("DTSTART:20261124T090000Z", "DTEND:20261124T100000Z", room=location))
    assert (on(data, NINE, room) is not None) == is_there


def test_an_event_without_a_location_is_nowhere() -> None:
    data = ONCE.replace(b"LOCATION:Library\r\n", b"")
    assert on(data, NINE) is None
    assert on(data, NINE, "") is None


@pytest.mark.parametrize(
    "lines",
    [
        ("DTSTART;VALUE=DATE:20261124", "DTEND;VALUE=DATE:20261125"),
        ("DTSTART;VALUE=DATE:20261124",),
        ("DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=DAILY"),
        ("DTSTART:20261124T090000Z",),
        ("DTSTART:20261124T090000Z", "DTEND:20261124T090000Z"),
        ("DTSTART:20261124T090000Z", "DTEND:20261125T090001Z"),
        ("DTSTART:20261124T090000Z", "DURATION:P3D"),
        ("DTSTART:20261124T090000Z", "DTEND:20261124T100000Z", "STATUS:CANCELLED"),
        ("DTSTART:20261124T080000Z", "DTEND:20261124T081000Z", "RRULE:FREQ=HOURLY"),
        ("DTSTART:19700101T000000Z", "DURATION:PT1M", "RRULE:FREQ=SECONDLY"),
    ],
)
def test_what_is_not_a_meeting(lines: tuple[str, ...]) -> None:
    data = ics(event(*lines))
    for minutes in (0, 5, 59, -600, 600):
        assert meetings(data, "Library", NINE + timedelta(minutes=minutes), BERLIN) is None


def test_a_length_instead_of_an_end() -> None:
    found = on(ics(event("DTSTART:20261124T083000Z", "DURATION:PT45M")), NINE)
    assert found is not None
    assert found.end == NINE + timedelta(minutes=15)


def test_a_series_with_its_exceptions() -> None:
    series = (
        event(
            "DTSTART;TZID=Europe/Berlin:20261102T100000",
            "DTEND;TZID=Europe/Berlin:20261102T110000",
            "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20261209T090000Z",
            "EXDATE;TZID=Europe/Berlin:20261111T100000",
            "RDATE;TZID=Europe/Berlin:20261112T150000",
        ),
        event(
            "RECURRENCE-ID;TZID=Europe/Berlin:20261116T100000",
            "DTSTART;TZID=Europe/Berlin:20261117T140000",
            "DTEND;TZID=Europe/Berlin:20261117T150000",
            title="Desk hours, a day later",
        ),
        event(
            "RECURRENCE-ID;TZID=Europe/Berlin:20261118T100000",
            "DTSTART;TZID=Europe/Berlin:20261118T100000",
            "DTEND;TZID=Europe/Berlin:20261118T110000",
            room="Hall",
        ),
        event(
            "RECURRENCE-ID;TZID=Europe/Berlin:20261125T100000",
            "DTSTART;TZID=Europe/Berlin:20261125T100000",
            "DTEND;TZID=Europe/Berlin:20261125T110000",
            "STATUS:CANCELLED",
        ),
    )
    data = ics(*series)
    days = [
        day
        for day in range(1, 31)
        for hour in ("10:30",)
        if on(data, at(f"2026-11-{day:02} {hour}")) is not None
    ]
    assert days == [2, 4, 9, 23, 30]
    moved = on(data, at("2026-11-17 14:30"))
    assert moved is not None
    assert (moved.title, moved.start) == ("Desk hours, a day later", at("2026-11-17 14:00"))
    assert on(data, at("2026-11-12 15:30")) is not None
    assert on(data, at("2026-11-18 10:30"), "Hall") is not None
    assert on(data, at("2026-12-09 10:00")) is not None
    assert on(data, at("2026-12-14 10:30")) is None


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
@pytest.mark.parametrize("form", [";TZID={}:{}", ":{1}"])
def test_the_hour_on_the_wall_stays_over_both_changes_of_the_clock(zone: ZoneInfo, form: str) -> None:
    start, end = (form.format(zone.key, f"20260105T{hour}0000") for hour in ("10", "11"))
    data = ics(event(f"DTSTART{start}", f"DTEND{end}", "RRULE:FREQ=DAILY"))
    hours = set()
    changes = [62, 63, 64, 82, 83, 84, 292, 293, 294, 299, 300, 301]
    for day in (*range(0, 360, 30), *changes):
        date = (datetime(2026, 1, 5) + timedelta(days=day)).date()
        begins = at(f"{date} 10:00", zone)
        hours.add(begins.hour)
        assert on(data, begins - timedelta(seconds=1), zone=zone) is None
        found = on(data, begins, zone=zone)
        assert found is not None
        assert (found.start, found.end) == (begins, at(f"{date} 11:00", zone))
    assert len(hours) == 2


def test_a_time_that_the_clock_skips_and_one_that_it_repeats() -> None:
    daily = event(
        "DTSTART;TZID=Europe/Berlin:20260301T023000",
        "DURATION:PT30M",
        "RRULE:FREQ=DAILY",
        uid="night@example.org",
    )
    skipped = on(ics(daily), datetime(2026, 3, 29, 1, 45, tzinfo=UTC))
    assert skipped is not None
    assert skipped.start == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    repeated = on(ics(daily), datetime(2026, 10, 25, 0, 45, tzinfo=UTC))
    assert repeated is not None
    assert repeated.start == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert repeated.end == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)  # when the wall says 3 o'clock


OWN_ZONE = "\r\n".join(
    (
        "BEGIN:VTIMEZONE",
        "TZID:Library time",
        "BEGIN:STANDARD",
        "DTSTART:19701025T030000",
        "TZOFFSETFROM:+0200",
        "TZOFFSETTO:+0100",
        "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
        "END:STANDARD",
        "BEGIN:DAYLIGHT",
        "DTSTART:19700329T020000",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200",
        "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
        "END:DAYLIGHT",
        "END:VTIMEZONE",
    )
)


@pytest.mark.parametrize("name", ["Library time", "W. Europe Standard Time"])
def test_timezones_by_other_names(name: str) -> None:
    daily = event(f"DTSTART;TZID={name}:20260105T100000", "DURATION:PT1H", "RRULE:FREQ=DAILY")
    data = ics(*((OWN_ZONE,) if name == "Library time" else ()), daily)
    for date in ("2026-03-28", "2026-03-30", "2026-10-24", "2026-10-26", "2026-07-01"):
        found = on(data, at(f"{date} 10:00"), zone=NEW_YORK)
        assert found is not None
        assert found.start == at(f"{date} 10:00")


def test_times_without_a_zone_are_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ics(event("DTSTART:20261124T100000", "DTEND:20261124T110000"))
    monkeypatch.setenv("TZ", "America/New_York")
    assert on(data, at("2026-11-24 10:00", NEW_YORK), zone=None) is not None
    monkeypatch.setenv("TZ", "nowhere")
    assert on(data, datetime(2026, 11, 24, 10, tzinfo=UTC), zone=None) is not None


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(0, 60 * 24 * 400),
    minutes=st.integers(1, 600),
    every=st.sampled_from(["DAILY", "WEEKLY"]),
    later=st.integers(0, 60 * 24 * 200),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
@example(first=0, minutes=600, every="DAILY", later=60 * 24 * 87 + 120, zone="Europe/Berlin")
def test_as_counted_by_hand(first: int, minutes: int, every: str, later: int, zone: str) -> None:
    """Every occurrence is at the wall's time of the first, and nothing else is on."""
    there = ZoneInfo(zone)
    wall = datetime(2026, 1, 1) + timedelta(minutes=first)
    step = timedelta(days=1 if every == "DAILY" else 7)
    text = f"{wall:%Y%m%dT%H%M%S}"
    data = ics(event(f"DTSTART;TZID={zone}:{text}", f"DURATION:PT{minutes}M", f"RRULE:FREQ={every}"))
    moment = wall.replace(tzinfo=there).astimezone(UTC) + timedelta(minutes=later)
    local = moment.astimezone(there).replace(tzinfo=None)
    near = [
        wall + step * number
        for number in range(max(0, (local - wall) // step - 2), (local - wall) // step + 2)
    ]
    starts = [one.replace(tzinfo=there).astimezone(UTC) for one in near]
    expected = [start for start in starts if start <= moment < start + timedelta(minutes=minutes)]
    found = on(data, moment, zone=BERLIN)
    slack = timedelta(hours=1)
    shifts = any(there.utcoffset(one) != there.utcoffset(one + timedelta(minutes=minutes)) for one in near)
    if shifts:  # whether a length is of the clock's or of elapsed time
        assert found is None or found.start - slack <= moment
    else:
        assert (found and found.start) == (expected[-1] if expected else None)


def test_of_two_at_once_the_later_one() -> None:
    data = ics(
        event("DTSTART:20261124T083000Z", "DTEND:20261124T100000Z", uid="first"),
        event("DTSTART:20261124T090000Z", "DTEND:20261124T093000Z", uid="second"),
    )
    uids = []
    for minutes in (-15, 0, 29, 30, 45):
        found = on(data, NINE + timedelta(minutes=minutes))
        uids.append(found and found.uid)
    assert uids == ["first", "second", "second", "first", "first"]


def test_who_is_invited() -> None:
    data = ics(
        event(
            "DTSTART:20261124T090000Z",
            "DTEND:20261124T100000Z",
            "ORGANIZER;CN=Office:mailto:office@example.org",
            'ATTENDEE;CN="Ada  Example";PARTSTAT=ACCEPTED:mailto:ada@example.org',
            "ATTENDEE;CN=Bo;PARTSTAT=DECLINED:mailto:bo@example.org",
            "ATTENDEE;CN=Library;CUTYPE=ROOM;PARTSTAT=ACCEPTED:mailto:library@example.org",
            "ATTENDEE;CN=Cem;PARTSTAT=NEEDS-ACTION:mailto:cem@example.org",
            "ATTENDEE:mailto:nameless@example.org",
            "ATTENDEE;CN=Cem:mailto:cem@example.org",
        )
    )
    found = on(data, NINE)
    assert found is not None
    assert found.people == ("Ada Example", "Cem")


def test_what_is_private_stays_so() -> None:
    private = event("DTSTART:20261124T090000Z", "DTEND:20261124T100000Z", "CLASS:PRIVATE", title="Secret")
    found = on(ics(private), NINE)
    assert found is not None
    assert found.title == ""


def test_a_title_on_one_line() -> None:
    data = ics(event("DTSTART:20261124T090000Z", "DTEND:20261124T100000Z", title=r"Desk\n hours\, again"))
    found = on(data, NINE)
    assert found is not None
    assert found.title == "Desk hours, again"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"nothing",
        b"\xff\xfe\x00",
        b"BEGIN:VCALENDAR\r\n",
        b"BEGIN:VEVENT\r\nEND:VEVENT\r\n",
        ONCE[:-30],
        ONCE.replace(b"DTSTART:20261124T090000Z", b"DTSTART:soon"),
        ONCE.replace(b"DTSTART:20261124T090000Z\r\n", b""),
        ONCE.replace(b"DTEND:20261124T100000Z", b"DTEND:20261124T080000Z\r\nRRULE:FREQ=DAILY"),
        ONCE.replace(b"DTEND", b"RRULE:FREQ=OFTEN\r\nDTEND"),
        ONCE.replace(b"DTEND", b"RRULE:INTERVAL=2\r\nDTEND"),
        b"x" * 20_000_001,
    ],
    ids=range(13),
)
def test_a_broken_calendar_starts_nothing_and_says_so(data: bytes) -> None:
    with pytest.raises(CaptureError) as raised:
        meetings(data, "Library", NINE, BERLIN)
    assert str(raised.value).startswith("the calendar is ")
    assert "\n" not in str(raised.value)


LINES = ONCE.splitlines(keepends=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    order=st.lists(st.sampled_from(range(len(LINES))), max_size=14),
    noise=st.binary(max_size=20),
    place=st.integers(0, 14),
)
def test_no_file_does_more_than_that(order: list[int], noise: bytes, place: int) -> None:
    data = b"".join([LINES[i] for i in order[:place]] + [noise] + [LINES[i] for i in order[place:]])
    try:
        found = meetings(data, "Library", NINE, BERLIN)
    except CaptureError:
        return
    assert found is None or found.start < found.end


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "recurring_ical_events":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CaptureError, match=r"^to read a calendar takes the extra calendar: pip install"):
        meetings(ONCE, "Library", NINE, BERLIN)


def test_a_calendar_is_expanded_once_an_hour(children: list[object]) -> None:
    expected = Event("one@example.org", NINE, NINE + timedelta(hours=1), "Desk hours", ("Zoë",))
    data = ONCE.replace(b"DTEND", "ATTENDEE;CN=Zoë:mailto:z@example.org\r\nDTEND".encode())
    for second in range(0, 3600, 5):
        assert meetings(data, "Library", NINE + timedelta(seconds=second), BERLIN) == expected
    assert len(children) == 1
    assert meetings(data, "Library", expected.end, BERLIN) is None
    assert meetings(data, "Hall", expected.end, BERLIN) is None
    assert len(children) == 3


@pytest.mark.parametrize(
    "line",
    ["RDATE:Merger with Ada", "END:VEVENT\r\nMerger with Ada\r\nBEGIN:VEVENT"],
)
def test_a_complaint_quotes_nothing_of_the_calendar(line: str) -> None:
    data = ONCE.replace(b"DTEND", f"{line}\r\nDTEND".encode())
    with pytest.raises(CaptureError, match="damaged") as caught:
        meetings(data, "Library", NINE, BERLIN)
    assert "Ada" not in str(caught.value)


def test_a_broken_calendar_is_read_once_an_hour(children: list[object]) -> None:
    for data in (b"nothing", ONCE[:-30]):
        for _ in range(20):
            with pytest.raises(CaptureError, match=r"^the calendar is not iCalendar, or damaged \("):
                meetings(data, "Library", NINE, None)
    assert len(children) == 2
    assert meetings(ONCE, "Library", NINE, None) is not None


def test_a_calendar_that_takes_too_long(children: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as slow:
        slow.setattr(calendar, "SECONDS", 0.01)
        with pytest.raises(CaptureError, match=r"^the calendar took longer than 0 s to read"):
            meetings(ONCE, "Library", NINE, BERLIN)
    assert meetings(ONCE, "Library", NINE, BERLIN), "the next look tries again"


def test_a_reader_that_fails_or_cannot_start(children: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    real = sys.executable
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CaptureError, match=r"^the calendar's reader failed"):
        meetings(ONCE, "Library", NINE, BERLIN)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CaptureError, match=r"^the calendar's reader can't be started \(No such file"):
        meetings(ONCE, "Library", NINE, BERLIN)
    monkeypatch.setattr(sys, "executable", real)
    assert meetings(ONCE, "Library", NINE, BERLIN), "the next look tries again"


def test_the_recorder_never_loads_the_parser() -> None:
    code = (
        "import sys; from datetime import *; from meetsense.capture.calendar import meetings\n"
        "found = meetings(sys.stdin.buffer.read(), 'Library', datetime(2026, 11, 24, 9, tzinfo=UTC))\n"
        "print(found.title, 'icalendar' in sys.modules, 'recurring_ical_events' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=ONCE, capture_output=True, check=True)
    assert done.stdout == b"Desk hours False False\n"


def test_years_of_events_are_not_expanded() -> None:
    years = [
        event(f"DTSTART:20{year:02}{month:02}{day:02}T090000Z", "DURATION:PT1H", uid=f"{year}-{month}-{day}")
        for year in range(10, 30)
        for month in range(1, 13)
        for day in (1, 24)
    ]
    counted, real = [], recurring_ical_events.of

    def of(parsed: Any, *rest: Any) -> Any:
        counted.append(len(parsed.subcomponents))
        return real(parsed, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurring_ical_events, "of", of)
        found = on(ics(*years), NINE)
    assert found is not None
    assert found.uid == "26-11-24"
    assert counted == [1]
