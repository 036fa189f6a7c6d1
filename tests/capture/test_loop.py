"""The threads of the capture loop, with a microphone that does what a test says."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest

from meetsense.capture import loop
from meetsense.capture.clock import Clock
from meetsense.capture.folder import Folder
from meetsense.capture.loop import Capture, End, Limits, State
from meetsense.capture.source import Block, Stuck, within
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind, Segment
from tests.capture.ramp import begun, ramp, sound
from tests.capture.scripted import BLOCK, RATE, Device, FakeClock, Script
from tests.waiting import PATIENCE, soon

LIMITS = Limits(low_water=0, no_samples_seconds=PATIENCE)
IMPATIENT = Limits(low_water=0, no_samples_seconds=0.6)
"""Where the device hangs."""


def after(real: Callable[[int], None], first: Callable[[], object]) -> Callable[[int], None]:
    """A call before which something happens."""

    def call(descriptor: int) -> None:
        first()
        real(descriptor)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return begun(tmp_path)


class Heard:
    """A script whose clock goes with its blocks."""

    def __init__(
        self, clock: FakeClock, blocks: Iterator[Block | threading.Event], *, lost: bool = False
    ) -> None:
        self.clock = clock
        self.script = Script(blocks, lost=lost)
        self.name, self.rate, self.channels = "a script", RATE, 1

    def read(self) -> Block:
        block = self.script.read()
        self.clock.now = block.at
        return block

    def close(self) -> None:
        self.script.close()


def capture(
    folder: Folder, steps: Iterator[Block | threading.Event], *, lost: bool = False, **more: object
) -> Capture:
    clock = FakeClock()
    options = {"clock": clock, "limits": LIMITS} | more
    made = Capture(Heard(clock, steps, lost=lost), folder, **options)  # type: ignore[arg-type]
    made.start()
    return made


def test_what_is_read_until_the_stop_is_on_the_disk(folder: Folder) -> None:
    closed: list[Segment] = []
    device = Device()
    hold = threading.Event()
    recorder = capture(folder, chain(device.blocks(150.0), [hold], device.blocks(0.1)), closed=closed.append)
    assert soon(lambda: recorder.snapshot().blocks == 1500)

    def let_go() -> None:
        assert soon(lambda: recorder.snapshot().end is not None)
        hold.set()

    threading.Thread(target=let_go).start()
    assert recorder.stop() is End.STOPPED
    assert np.array_equal(sound(folder), ramp(0, len(sound(folder))))
    assert len(sound(folder)) in (1500 * BLOCK, 1501 * BLOCK)
    assert folder.read().segments == tuple(closed)
    assert folder.read().gaps == ()
    state = recorder.snapshot()
    assert state.synced == state.samples == len(sound(folder))
    assert state.seconds == state.samples / RATE
    assert recorder.stop() is End.STOPPED  # again


def test_a_device_that_is_lost(folder: Folder) -> None:
    recorder = capture(folder, Device().blocks(3.0), lost=True)
    assert recorder.wait(PATIENCE) is End.LOST
    assert np.array_equal(sound(folder), ramp(0, 3 * RATE))
    assert str(recorder.error) == "the device was lost"
    assert recorder.snapshot().alarm == "lost: the device was lost"
    assert recorder.stop() is End.LOST


def test_a_device_that_is_stuck(folder: Folder) -> None:
    recorder = capture(folder, Device().blocks(3.0), limits=IMPATIENT)
    assert soon(lambda: recorder.snapshot().blocks == 30)
    began = time.monotonic()
    assert recorder.wait(PATIENCE) is End.STUCK
    assert time.monotonic() - began < PATIENCE / 2
    assert np.array_equal(sound(folder), ramp(0, 3 * RATE))
    assert isinstance(recorder.error, Stuck)
    assert recorder.stop() is End.STUCK


def test_a_device_that_never_begins(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_BLOCK_SECONDS", 0.5)
    recorder = capture(folder, iter(()))
    assert recorder.wait(PATIENCE) is End.STUCK


def test_a_stop_while_the_device_hangs(folder: Folder) -> None:
    device = Device()
    recorder = capture(folder, device.blocks(1.0), limits=Limits(low_water=0, no_samples_seconds=1.5))
    assert soon(lambda: recorder.snapshot().blocks == 10)
    assert recorder.stop() is End.STUCK
    assert np.array_equal(sound(folder), ramp(0, RATE))


def test_a_bug_keeps_its_traceback_and_what_was_heard(folder: Folder) -> None:
    def broken() -> Iterator[Block]:
        yield from Device().blocks(2.0)
        raise ZeroDivisionError

    recorder = capture(folder, broken())
    assert recorder.wait(PATIENCE) is End.FAILED
    assert isinstance(recorder.error, ZeroDivisionError)
    assert recorder.error.__traceback__ is not None
    assert np.array_equal(sound(folder), ramp(0, 2 * RATE))


def test_a_bug_in_what_is_told(folder: Folder) -> None:
    def tell(segment: Segment) -> None:
        raise ZeroDivisionError

    recorder = capture(folder, Device().blocks(70.0), closed=tell)
    assert recorder.wait(PATIENCE) is End.FAILED
    assert isinstance(recorder.error, ZeroDivisionError)
    with pytest.raises(CaptureError, match="nothing is being recorded"):
        recorder.forget(1.0)


def test_a_disk_that_fails_at_the_end(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    device, hold = Device(), threading.Event()
    recorder = capture(folder, chain(device.blocks(0.5), [hold], device.blocks(0.1)))
    assert soon(lambda: recorder.snapshot().samples == RATE // 2)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fdatasync", full)
    hold.set()
    assert recorder.stop() is End.FAILED
    assert isinstance(recorder.error, CaptureError)
    assert recorder.snapshot().end is End.FAILED


def test_a_pause_keeps_nothing_and_counts_it(folder: Folder) -> None:
    device = Device()
    first, second = threading.Event(), threading.Event()
    gaps: list[Gap] = []
    steps: Iterator[Block | threading.Event]
    steps = chain(device.blocks(1.0), [first], device.blocks(2.0), [second], device.blocks(1.0))
    recorder = capture(folder, steps, lost=True, gap=gaps.append)
    assert soon(lambda: recorder.snapshot().blocks == 10)
    recorder.pause()
    first.set()
    assert soon(lambda: recorder.snapshot().blocks == 30)
    state = recorder.snapshot()
    assert state.paused
    assert state.level.rms == -120.0
    recorder.resume()  # while a block is being read, which is left out
    second.set()
    assert recorder.wait(PATIENCE) is End.LOST
    assert folder.read().gaps == tuple(gaps) == (Gap(GapKind.PAUSE, RATE, 2 * RATE + BLOCK),)
    assert np.array_equal(
        sound(folder), np.concatenate([ramp(0, RATE), ramp(3 * RATE + BLOCK, RATE - BLOCK)])
    )


def test_forgetting_takes_what_waits_in_the_backlog_too(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device()
    hold, slow = threading.Event(), threading.Event()
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", after(real, lambda: slow.wait(PATIENCE)))
    recorder = capture(folder, chain(device.blocks(10.0), [hold], device.blocks(1.0)), lost=True)
    assert soon(lambda: recorder.snapshot().blocks == 100)
    threading.Timer(0.2, slow.set).start()
    gap = recorder.forget(4.0)
    assert gap == Gap(GapKind.FORGOTTEN, 6 * RATE, 4 * RATE)
    hold.set()
    assert recorder.wait(PATIENCE) is End.LOST
    assert np.array_equal(sound(folder), np.concatenate([ramp(0, 6 * RATE), ramp(10 * RATE, RATE)]))


def test_a_disk_that_stalls_longer_than_the_backlog(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room is counted to the sample, and what was said before and after is all there."""
    device, slow = Device(), threading.Event()
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", after(real, lambda: slow.wait(PATIENCE)))
    limits = Limits(low_water=0, no_samples_seconds=PATIENCE, backlog_seconds=5.0)
    hold = threading.Event()

    class Restless(FakeClock):
        def monotonic(self) -> float:
            self.now += 0.1
            return self.now

    clock = Restless()
    script = Script(chain(device.blocks(30.0), [hold], device.blocks(2.0)), lost=True)
    recorder = Capture(script, folder, clock=clock, limits=limits)
    recorder.start()
    assert soon(lambda: recorder.snapshot().blocks == 300)
    assert recorder.snapshot().alarm == "backlog: the disk is too slow"
    slow.set()
    assert soon(lambda: recorder.snapshot().seconds == 30.0)
    hold.set()
    assert recorder.wait(PATIENCE) is End.LOST
    [gap] = folder.read().gaps
    assert gap.kind is GapKind.OVERFLOW
    assert gap.position >= 5 * RATE
    samples = sound(folder)
    assert len(samples) + gap.samples == 32 * RATE
    assert np.array_equal(samples[: gap.position], ramp(0, gap.position))
    rest = samples[gap.position :]
    assert np.array_equal(rest, ramp(32 * RATE - len(rest), len(rest)))
    assert len(rest) >= 2 * RATE


def test_time_that_follows_the_frames_waits_for_the_disk(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faster than real time nothing is left out for want of room: the clock stands still meanwhile."""
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", after(real, lambda: time.sleep(0.02)))
    limits = Limits(low_water=0, no_samples_seconds=PATIENCE, backlog_seconds=1.0)
    recorder = capture(folder, Device().blocks(60.0), lost=True, limits=limits)
    assert recorder.wait(PATIENCE) is End.LOST
    assert folder.read().gaps == ()
    assert np.array_equal(sound(folder), ramp(0, 60 * RATE))


def test_the_machine_sleeps(folder: Folder) -> None:
    clock, device = FakeClock(), Device()

    def steps() -> Iterator[Block]:
        yield from device.blocks(2.0)
        clock.slept += 3600.0
        yield from device.blocks(2.0)
        clock.slept -= 7200.0  # nonsense from a clock is no time
        yield from device.blocks(2.0)

    recorder = Capture(Heard(clock, steps(), lost=True), folder, clock=clock, limits=LIMITS)
    recorder.start()
    assert recorder.wait(PATIENCE) is End.LOST
    assert folder.read().gaps == (Gap(GapKind.SUSPEND, 2 * RATE, 3600 * RATE),)


def test_a_reader_that_waits_for_a_processor_between_two_clocks_did_not_sleep(folder: Folder) -> None:
    class Late(FakeClock):
        """Now and then a while passes before the second clock is read."""

        reads = 0

        def monotonic(self) -> float:
            self.reads += 1
            return self.now + (0.2 if self.reads % 7 == 0 else 0.0)

    clock = Late()
    recorder = Capture(Heard(clock, Device().blocks(5.0), lost=True), folder, clock=clock, limits=LIMITS)
    recorder.start()
    assert recorder.wait(PATIENCE) is End.LOST
    assert folder.read().gaps == ()
    assert np.array_equal(sound(folder), ramp(0, 5 * RATE))


def test_a_wall_clock_that_steps_changes_nothing(folder: Folder) -> None:
    class Stepping(FakeClock):
        def wall(self) -> object:  # type: ignore[override]
            raise AssertionError("lengths are of the monotonic clock")

    clock: Clock = Stepping()  # type: ignore[assignment]
    recorder = Capture(Script(Device().blocks(2.0), lost=True), folder, clock=clock, limits=LIMITS)
    recorder.start()
    assert recorder.wait(PATIENCE) is End.LOST
    assert len(sound(folder)) == 2 * RATE


class Place:
    """Where the sound server says that we listen, one answer a time; the last one stays."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers = list(answers)

    def __call__(self) -> str | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def live(device: Device, over: threading.Event) -> Iterator[Block]:
    """Blocks every 5 ms until it is over."""
    while not over.wait(0.005):
        yield device.block()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LISTENING_SECONDS", 0.1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "answers", [("room", "room", "room", "attic"), ("room", "room", None), ("room", Stuck("hangs"))]
)
def test_another_microphone_is_not_recorded(
    folder: Folder, answers: tuple[str | Exception | None, ...]
) -> None:
    device, over = Device(), threading.Event()
    recorder = capture(folder, live(device, over), listening=Place(*answers))
    assert recorder.wait(PATIENCE) is End.MOVED
    [gap] = [gap for gap in folder.read().gaps if gap.kind is GapKind.FORGOTTEN]
    assert gap.position + gap.samples == device.frames
    assert gap.samples > 0
    assert np.array_equal(sound(folder), ramp(0, gap.position))


@pytest.mark.usefixtures("quick")
def test_a_server_that_is_slow_to_answer_once(folder: Folder) -> None:
    device, over = Device(), threading.Event()
    recorder = capture(folder, live(device, over), listening=Place("room", None, Stuck("slow"), "room"))
    assert recorder.wait(1.2) is None
    assert recorder.stop() is End.STOPPED
    over.set()
    assert folder.read().gaps == ()


@pytest.mark.usefixtures("quick")
def test_another_microphone_that_gives_nothing(folder: Folder) -> None:
    """The reader hangs in it, and what was heard is on the disk nevertheless."""
    place = Place("room", "room", "attic")
    recorder = capture(folder, Device().blocks(3.0), listening=place, limits=IMPATIENT)
    assert recorder.wait(PATIENCE) is End.MOVED
    assert recorder.snapshot().synced == recorder.snapshot().samples == len(sound(folder))
    assert recorder.stop() is End.STUCK


@pytest.mark.usefixtures("quick")
def test_a_bug_in_whoever_watches_the_microphone(folder: Folder) -> None:
    device, over = Device(), threading.Event()
    recorder = capture(folder, live(device, over), listening=Place("room", ZeroDivisionError()))
    assert recorder.wait(PATIENCE) is End.FAILED
    assert isinstance(recorder.error, ZeroDivisionError)
    over.set()
    assert np.array_equal(sound(folder), ramp(0, len(sound(folder))))


def test_a_server_that_doesnt_say_which_microphone_it_gives(folder: Folder) -> None:
    source = Script([])
    with pytest.raises(CaptureError, match="pactl"):
        Capture(source, folder, listening=Place(None)).start()
    assert source.closed.is_set()


def test_a_channel_that_is_not_there(folder: Folder) -> None:
    with pytest.raises(ValueError, match="no channel 2"):
        Capture(Script([]), folder, channel=2)


def test_what_the_state_says_while_it_records(folder: Folder) -> None:
    device, over = Device(), threading.Event()
    recorder = capture(folder, live(device, over))
    seen: list[State] = []
    while len(seen) < 300:
        seen.append(recorder.snapshot())
        time.sleep(0.001)
    recorder.stop()
    over.set()
    for earlier, later in pairwise(seen):
        assert earlier.seconds <= later.seconds
        assert earlier.samples <= later.samples
        assert earlier.synced <= later.synced <= later.samples
    assert seen[-1].recording == folder.id
    assert seen[-1].end is None
    assert seen[-1].alarm is None


def test_a_job_that_hangs() -> None:
    with pytest.raises(Stuck, match="opening it hangs"):
        within(0.05, threading.Event().wait, "opening it")
    assert within(PATIENCE, lambda: 7, "seven") == 7
    with pytest.raises(KeyError):
        within(PATIENCE, lambda: os.environ["MEETSENSE_NOTHING"], "a key")
