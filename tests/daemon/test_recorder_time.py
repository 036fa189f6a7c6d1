"""Hours in seconds: forgotten stops, clocks that are set, machines that sleep, processes that begin again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from meetsense.daemon import interrupted
from meetsense.daemon.ending import Why
from meetsense.values import GapKind
from tests.daemon.room import missing
from tests.daemon.scene import RATE, Begin, Scene, World, begin, ended, gone, leaves, left, lost, why, world
from tests.waiting import soon

__all__ = ["begin", "left", "world"]


def test_a_forgotten_stop_is_made_up_for_when_nobody_speaks(begin: Begin) -> None:
    recorder = begin(Scene(loud=60), stop_after_minutes=5)
    recorder.start(["Ada"])
    held = ended(recorder)
    assert why(recorder) is Why.SILENCE
    assert 360 <= held.duration < 600


def test_a_meeting_that_goes_on_is_not_ended_before_the_hard_maximum(begin: Begin) -> None:
    recorder = begin(Scene(loud=float("inf")), longest_hours=0.1, stop_after_minutes=1)
    recorder.start(["Ada"])
    held = ended(recorder)
    assert why(recorder) is Why.LONGEST
    assert 360 <= held.duration < 3600


@pytest.mark.parametrize("hours", [-1, 1, -24 * 365 * 50])
def test_a_clock_that_is_set_changes_no_length(begin: Begin, world: World, hours: int) -> None:
    def step() -> None:
        world.step = timedelta(hours=hours)

    recorder = begin(Scene(loud=100, events={50: step}), stop_after_minutes=1)
    recorder.start(["Ada"])
    held = ended(recorder)
    assert held.started_at == datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert held.duration == held.samples / RATE
    assert 160 <= held.duration < 3600
    end = recorder.last.folder.ledger().end  # type: ignore[union-attr]
    assert end is not None
    assert abs((end.at - held.started_at).total_seconds() - held.duration) < 0.001


@pytest.mark.parametrize(
    ("began", "offset"),
    [
        (datetime(2026, 10, 25, 0, 59, 30, tzinfo=UTC), 2),  # 02:59:30, and an hour later 02:59:30 again
        (datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC), 1),  # 01:59:30, and then 03:00:00
    ],
)
def test_daylight_saving_changes_no_length_and_is_kept_as_it_was(
    begin: Begin, world: World, began: datetime, offset: int
) -> None:
    world._began = began
    recorder = begin(Scene(loud=60), stop_after_minutes=1, zone="Europe/Berlin")
    recorder.start(["Ada"])
    held = ended(recorder)
    assert recorder.last is not None
    manifest = recorder.last.folder.manifest()
    assert manifest.utc_offset == timedelta(hours=offset)
    assert held.started_at == began
    assert held.title == f"Meeting of {began + timedelta(hours=offset):%Y-%m-%d %H:%M}"
    assert 120 <= held.duration < 3600


def test_a_machine_that_sleeps_for_an_hour_leaves_a_gap(begin: Begin, world: World) -> None:
    def sleep() -> None:
        world.slept = 3600.0

    recorder = begin(Scene(loud=100, events={50: sleep}), stop_after_minutes=1)
    recorder.start(["Ada"])
    held = ended(recorder)
    assert why(recorder) is Why.SILENCE
    assert missing(held, GapKind.SUSPEND) == pytest.approx(3600, abs=0.05)
    assert held.duration == pytest.approx(3600 + held.samples / RATE, abs=0.05)


def test_a_lost_microphone_ends_the_process_where_it_is_begun_again(begin: Begin, left: list[int]) -> None:
    lose = lost()
    recorder = begin(Scene(loud=100, events={30: lose}))
    recorder.start(["Ada"])
    lose.free.set()
    assert leaves(recorder, left)
    assert left[0] == 75
    assert recorder.recording is not None


def test_a_lost_microphone_ends_the_recording_where_it_is_not(begin: Begin, left: list[int]) -> None:
    lose = lost()
    recorder = begin(Scene(loud=100, events={30: lose}), restarts=False)
    recorder.start(["Ada"])
    lose.free.set()
    held = ended(recorder)
    assert why(recorder) is Why.LOST
    assert (left, held.duration) == ([], 29.0)
    assert recorder.note == "the scene was pulled out"


def test_what_was_interrupted_goes_on_while_it_is_young(begin: Begin, world: World, left: list[int]) -> None:
    lose = lost()
    first = begin(Scene(loud=100, events={30: lose}), resume_minutes=10)
    first.start(["Ada"])
    lose.free.set()
    assert leaves(first, left)
    name = first.recording
    gone(first)
    world.slept += 300
    second = begin(Scene(loud=60), resume_minutes=10, stop_after_minutes=1)
    second.take_up()
    assert second.recording == name
    held = ended(second)
    assert missing(held, GapKind.RESTART) == pytest.approx(300, abs=2)
    assert held.samples >= (29 + 60 + 60) * RATE


def test_what_was_interrupted_long_ago_is_finished(begin: Begin, world: World, left: list[int]) -> None:
    lose = lost()
    first = begin(Scene(loud=100, events={30: lose}), resume_minutes=10)
    first.start(["Ada"])
    lose.free.set()
    assert leaves(first, left)
    gone(first)
    world.slept += 601
    second = begin(Scene(loud=100), resume_minutes=10)
    second.take_up()
    assert second.recording is None
    assert soon(lambda: second.last is not None)
    assert why(second) is Why.CRASH


def test_a_clock_that_was_set_back_between_two_boots_counts_nothing_twice(
    begin: Begin, world: World, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lose = lost()
    first = begin(Scene(loud=100, events={30: lose}))
    first.start(["Ada"])
    lose.free.set()
    assert leaves(first, left)
    gone(first)
    world.step = timedelta(hours=-5)
    monkeypatch.setattr(interrupted, "this_boot", lambda: "another")
    second = begin(Scene(loud=60), stop_after_minutes=1)
    second.take_up()
    held = ended(second)
    assert missing(held, GapKind.RESTART) == 0
