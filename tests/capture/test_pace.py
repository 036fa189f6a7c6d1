"""What a device lost is counted exactly; neither a slow machine nor a clock that drifts is a loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.capture.pace import Loss, Pace

RATE, BLOCK = 16_000, 1_600
Lateness = Sequence[float]


class Run:
    """A device against a clock; its drift is followed as the tape follows it."""

    def __init__(self, ppm: float = 0.0, rate: int = RATE) -> None:
        self.pace = Pace(rate)
        self.rate = rate
        self.frames = rate // 10
        self.ppm = ppm
        self.heard = self.got = 0
        self.slipped = 0.0
        self.at = 0.0
        self.losses: list[Loss] = []

    @property
    def clock(self) -> float:
        return self.heard / (self.rate * (1 + self.ppm * 1e-6))

    def block(self, *, late: float = 0.0, lost: int = 0, told: bool = False) -> None:
        self.heard += lost + self.frames
        if drift := self.pace.drift:
            self.slipped += (step := (1 if drift > 0 else -1) * self.rate / RATE)
            self.pace.slipped(step)
        self.at = max(self.at, 500.0 + self.clock + late)  # no block overtakes another
        loss = self.pace.take(self.frames, self.at, self.got, overflowed=told)
        self.got += self.frames
        self.losses += [loss] if loss else []

    def blocks(self, count: int, lateness: Lateness = (0.0,)) -> None:
        for i in range(count):
            self.block(late=lateness[i % len(lateness)])

    @property
    def lost(self) -> int:
        return sum(loss.frames for loss in self.losses)

    @property
    def error(self) -> float:
        """Seconds by which frames and losses are short of the clock."""
        return self.clock - (self.got + self.lost + self.slipped) / self.rate


late = st.lists(st.floats(0, 0.6), min_size=1, max_size=7).map(lambda values: [*values, *[0.0] * 8])


@given(late)
def test_a_slow_machine_loses_nothing(lateness: Lateness) -> None:
    run = Run()
    run.blocks(300, lateness)
    assert run.losses == []
    assert run.slipped == 0


@given(late, st.integers(1, 200_000), st.integers(20, 150))
def test_an_overflow_is_counted_to_the_frame(lateness: Lateness, lost: int, when: int) -> None:
    run = Run()
    run.blocks(when, lateness)
    run.blocks(8)  # it has caught up: a device that overflows begins with nothing held
    before = run.got
    run.block(late=0.3, lost=lost, told=True)
    run.blocks(25)
    assert run.losses == [Loss(lost, before)]


@given(st.integers(600, 100_000))
def test_a_loss_that_nobody_told_is_found(lost: int) -> None:
    run = Run()
    run.blocks(60)
    before = run.got
    run.block(lost=lost)
    run.blocks(60)
    assert run.losses == [Loss(lost, before)]


def test_overflows_in_a_row_are_all_counted() -> None:
    run = Run()
    run.blocks(30)
    for _ in range(4):
        run.block(lost=777, told=True)
        run.block()
    run.blocks(25)
    assert run.lost == 4 * 777


def test_an_overflow_after_which_the_reader_has_much_to_catch_up() -> None:
    run = Run()
    run.blocks(30)
    before = run.got
    run.heard += 5 * RATE
    run.at = 500.0 + run.clock
    run.heard -= 5 * RATE - 321  # the server held five seconds, less what it lost
    run.block(told=True)
    run.blocks(80)
    assert run.losses == [Loss(321, before)]


def test_an_overflow_without_a_loss_is_none() -> None:
    run = Run()
    run.blocks(30)
    run.block(told=True)
    run.blocks(100)
    assert run.losses == []


def test_a_stop_soon_after_a_loss() -> None:
    run = Run()
    run.blocks(30)
    run.block(lost=5_000, told=True)
    assert run.pace.finish(0.0) == Loss(5_000, 30 * BLOCK)


def test_a_stop_while_the_machine_is_slow_is_no_loss() -> None:
    run = Run()
    run.blocks(30)
    run.block(late=0.4)
    assert run.pace.finish(run.at) is None


@pytest.mark.parametrize(
    ("ppm", "rate"), [(-200, 16_000), (-31, 48_000), (0, 44_100), (200, 16_000), (500, 48_000)]
)
def test_an_hour_of_drift_is_followed(ppm: float, rate: int) -> None:
    run = Run(ppm, rate)
    worst = 0.0
    noise = np.random.default_rng(5).exponential(0.004, 997).tolist()
    for i in range(36_000):
        run.block(late=noise[i % len(noise)])
        worst = max(worst, abs(run.error))
    assert run.losses == []
    assert worst < 0.02
    assert (run.slipped == 0) == (ppm == 0)


@settings(max_examples=20)
@given(st.sampled_from([-200.0, 200.0]), st.lists(st.integers(800, 40_000), min_size=1, max_size=4))
def test_losses_while_the_clock_drifts(ppm: float, losses: list[int]) -> None:
    run = Run(ppm)
    for lost in losses:
        run.blocks(400)
        run.block(lost=lost, told=True)
    run.blocks(400)
    assert abs(run.lost - sum(losses)) <= 48 * len(losses)
    assert abs(run.error) < 0.02
