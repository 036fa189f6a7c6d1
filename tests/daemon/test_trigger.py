"""The room's calendar begins recordings, once each, and through the same gate."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from meetsense.capture.clock import FrameClock
from meetsense.daemon import occasion
from meetsense.daemon.ending import Why
from meetsense.daemon.recorder import Recorder
from meetsense.daemon.trigger import AGAIN_SECONDS, LOOK_SECONDS, OVER_SECONDS, REST, Calendar, Trigger
from meetsense.errors import CaptureError
from meetsense.store import Store
from meetsense.values import Agreement, BasisKind
from tests.daemon.scene import Begin, Scene, World, begin, ended, gone, leaves, left, lost, why, world

__all__ = ["begin", "left", "world"]
pytest.importorskip("icalendar")
pytest.importorskip("recurring_ical_events")

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
POLICY = "We record in this room."


class Wall(FrameClock):
    """What the calendar's clock shows; a test sets it."""

    def __init__(self) -> None:
        super().__init__(10, NINE)
        self.now = NINE

    def wall(self) -> datetime:
        return self.now


def calendar(path: Path, *events: tuple[str, int, int, str]) -> Calendar:
    """A file of events in Room 1: uid, minutes after nine of start and end, who is invited."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//test//EN"]
    for uid, start, end, person in events:
        times = [(NINE + timedelta(minutes=minute)).strftime("%Y%m%dT%H%M%SZ") for minute in (start, end)]
        lines += ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTART:{times[0]}", f"DTEND:{times[1]}", "LOCATION:Room 1"]
        lines += [f"SUMMARY:Talk {uid}", f'ATTENDEE;CN="{person}":mailto:nobody@example.org', "END:VEVENT"]
    path.write_text("\r\n".join([*lines, "END:VCALENDAR", ""]))
    return Calendar(path, "Room 1", None)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def recorder(begin: Begin) -> Recorder:
    """Of a room with a policy, in which somebody always speaks."""
    return begin(Scene(loud=float("inf")), policy=POLICY, longest_hours=24)


def test_an_event_is_recorded_from_its_start(tmp_path: Path, recorder: Recorder, wall: Wall) -> None:
    trigger = Trigger(
        calendar(tmp_path / "room.ics", ("a", 1, 30, "Ada")), recorder, tmp_path / "memory", wall
    )
    trigger.look()
    assert recorder.recording is None
    wall.now = NINE + timedelta(minutes=1)
    trigger.look()
    assert recorder.event is not None
    told = recorder.status()
    assert (told["title"], told["basis"]) == ("Talk a", BasisKind.POLICY.value)
    trigger.look()
    assert recorder.recording == told["recording"]


def test_who_stops_it_is_not_recorded_again_by_the_same_event(
    tmp_path: Path, recorder: Recorder, wall: Wall
) -> None:
    events = calendar(tmp_path / "room.ics", ("a", 0, 30, "Ada"))
    trigger = Trigger(events, recorder, tmp_path / "memory", wall)
    trigger.look()
    recorder.stop()
    trigger.look()
    assert recorder.recording is None
    Trigger(events, recorder, tmp_path / "memory", wall).look()
    assert recorder.recording is None
    assert len(json.loads((tmp_path / "memory").read_text())) == 1


@pytest.mark.parametrize("memory", [b"", b"{", b"{}", b"\xff", b"[1, null]"])
def test_a_damaged_memory_is_none(tmp_path: Path, recorder: Recorder, wall: Wall, memory: bytes) -> None:
    (tmp_path / "memory").write_bytes(memory)
    Trigger(calendar(tmp_path / "room.ics", ("a", 0, 30, "Ada")), recorder, tmp_path / "memory", wall).look()
    assert recorder.recording is not None


def test_it_ends_after_the_event_when_nobody_speaks_or_the_next_one_begins(
    tmp_path: Path, begin: Begin, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = begin(Scene(loud=float("inf")), policy=POLICY, longest_hours=24)
    events = calendar(tmp_path / "room.ics", ("a", 0, 30, "Ada"), ("b", 40, 60, "Ada"))
    trigger = Trigger(events, recorder, tmp_path / "memory", wall)
    trigger.look()
    first = recorder.recording
    wall.now = NINE + timedelta(minutes=31)
    trigger.look()
    assert recorder.recording == first, "they still speak"
    wall.now = NINE + timedelta(minutes=41)
    trigger.look()
    assert why(recorder) is Why.EVENT
    assert recorder.recording not in (None, first)
    wall.now = NINE + timedelta(minutes=61)
    monkeypatch.setattr(Recorder, "quiet", 61.0)
    trigger.look()
    assert recorder.recording is None


def test_what_people_began_is_not_ended_by_a_calendar(tmp_path: Path, recorder: Recorder, wall: Wall) -> None:
    trigger = Trigger(
        calendar(tmp_path / "room.ics", ("a", 0, 30, "Ada")), recorder, tmp_path / "memory", wall
    )
    recorder.start(["Ada"])
    trigger.look()
    wall.now = NINE + timedelta(minutes=90)
    trigger.look()
    assert recorder.recording is not None
    assert recorder.event is None


def test_an_event_with_somebody_who_refused_is_not_recorded_until_they_agree(
    tmp_path: Path, recorder: Recorder, wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    store_path = recorder._settings.database
    with Store(store_path) as store:
        store.state("Cem", Agreement.RECORDING, True, "a test")
        store.state("Cem", Agreement.RECORDING, False, "a test")
    trigger = Trigger(
        calendar(tmp_path / "room.ics", ("a", 0, 30, "Cem")), recorder, tmp_path / "memory", wall
    )
    trigger.look()
    assert recorder.recording is None
    assert recorder.note == "calendar: the event that is on is not recorded; meetsense start says why"
    assert recorder.note in recorder.status()["alarms"]
    assert "Cem" not in caplog.text
    with Store(store_path) as store:
        store.state("Cem", Agreement.RECORDING, True, "a test")
    trigger.look()
    assert recorder.recording is None, "it asks once a minute"
    wall.advance(round(AGAIN_SECONDS * 10))
    trigger.look()
    assert recorder.recording is not None
    assert recorder.note is None


@pytest.mark.parametrize("content", [None, b"", b"no calendar", b"BEGIN:VCALENDAR\r\n"])
def test_a_calendar_that_cannot_be_read_begins_nothing(
    tmp_path: Path, recorder: Recorder, wall: Wall, content: bytes | None
) -> None:
    file = tmp_path / "room.ics"
    if content is not None:
        file.write_bytes(content)
    Trigger(Calendar(file, "Room 1", None), recorder, tmp_path / "memory", wall).look()
    assert recorder.recording is None
    assert recorder.status()["alarms"][0].startswith("calendar: ")


def test_what_was_wrong_with_the_calendar_is_told_no_longer_than_it_is(
    tmp_path: Path, recorder: Recorder, wall: Wall
) -> None:
    file = tmp_path / "room.ics"
    trigger = Trigger(Calendar(file, "Room 1", None), recorder, tmp_path / "memory", wall)
    trigger.look()
    assert recorder.note is not None
    calendar(file, ("a", 300, 330, "Ada"))
    trigger.look()
    assert recorder.note is None


def test_a_calendar_that_is_slow_to_read_is_read_less_often(
    tmp_path: Path, recorder: Recorder, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = Trigger(calendar(tmp_path / "room.ics"), recorder, tmp_path / "memory", wall)

    def slow(*_: object) -> None:
        wall.advance(150)  # 15 s
        raise CaptureError("it took too long")

    trigger.look()
    assert trigger.pause == LOOK_SECONDS
    with monkeypatch.context() as patch:
        patch.setattr("meetsense.capture.calendar.meetings", slow)
        trigger.look()
    assert trigger.pause == 15 * REST
    trigger.look()
    assert trigger.pause == LOOK_SECONDS
    assert recorder.note is None


@pytest.fixture
def interrupted(tmp_path: Path, begin: Begin, wall: Wall, left: list[int]) -> Begin:
    """What begins the recorder anew, after an event from nine to half past began it and it was lost."""
    lose = lost()
    first = begin(Scene(loud=100, events={5: lose}), policy=POLICY, longest_hours=24)
    Trigger(calendar(tmp_path / "room.ics", ("a", 0, 30, "Ada")), first, tmp_path / "memory", wall).look()
    assert first.event is not None
    lose.free.set()
    assert leaves(first, left)
    gone(first)
    return partial(begin, Scene(loud=float("inf")), policy=POLICY, longest_hours=24)


def test_a_recording_that_goes_on_after_a_crash_still_ends_with_its_event(
    tmp_path: Path, interrupted: Begin, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = interrupted()
    recorder.take_up()
    trigger = Trigger(Calendar(tmp_path / "room.ics", "Room 1", None), recorder, tmp_path / "memory", wall)
    monkeypatch.setattr(Recorder, "quiet", 61.0)
    wall.now = NINE + timedelta(minutes=29)
    trigger.look()
    assert recorder.state == "recording"
    wall.now = NINE + timedelta(minutes=31)
    trigger.look()
    assert recorder.recording is None
    assert why(recorder) is Why.EVENT
    assert recorder.last is not None
    assert not (recorder.last.folder.path / occasion.NAME).exists()


def test_a_recording_that_waits_for_its_microphone_ends_with_its_event_too(
    tmp_path: Path, interrupted: Begin, wall: Wall, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise CaptureError("no microphone")

    recorder = interrupted()
    monkeypatch.setattr("meetsense.daemon.recorder.open_ear", missing)
    recorder.take_up()
    trigger = Trigger(Calendar(tmp_path / "room.ics", "Room 1", None), recorder, tmp_path / "memory", wall)
    wall.now = NINE + timedelta(minutes=31)
    trigger.look()
    assert recorder.state == "waiting", "the microphone may come back"
    world.slept += OVER_SECONDS
    trigger.look()
    assert recorder.recording is None
    assert why(recorder) is Why.EVENT


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"key": "a"}',
        b'{"key": "a", "end": 5}',
        b'{"key": "a", "end": "2026-11-24"}',
    ],
)
def test_a_damaged_event_in_a_folder_is_none(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / occasion.NAME).write_bytes(kept)
    assert occasion.kept(tmp_path) is None


def test_an_event_that_the_disk_does_not_keep_is_recorded_all_the_same(
    tmp_path: Path, recorder: Recorder, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(occasion, "disk", SimpleNamespace(replace=full))
    Trigger(calendar(tmp_path / "room.ics", ("a", 0, 30, "Ada")), recorder, tmp_path / "memory", wall).look()
    assert recorder.event is not None


def test_silence_ends_it_as_it_does_others(tmp_path: Path, begin: Begin, wall: Wall) -> None:
    recorder = begin(Scene(loud=60), policy=POLICY, stop_after_minutes=1)
    Trigger(calendar(tmp_path / "room.ics", ("a", 0, 600, "Ada")), recorder, tmp_path / "memory", wall).look()
    ended(recorder)
    assert why(recorder) is Why.SILENCE
