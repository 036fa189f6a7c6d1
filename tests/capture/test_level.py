"""The level that people see, and how long it has been silent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.capture.level import SILENCE_DBFS, Level, Meter


def tone(amplitude: float, count: int = 1_600) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.rint(amplitude * np.sin(2 * np.pi * np.arange(count) / 16)).astype(np.int16)


@pytest.mark.parametrize(("amplitude", "peak"), [(32_767, 0.0), (3_276.8, -20.0), (327.68, -40.0)])
def test_a_sine_has_its_level(amplitude: float, peak: float) -> None:
    level = Meter(-60.0).take(tone(amplitude))
    assert level.peak == pytest.approx(peak, abs=0.02)
    assert level.rms == pytest.approx(peak - 3.01, abs=0.02)


def test_the_loudest_negative_sample_is_full_scale() -> None:
    assert Meter(-60.0).take(np.array([-32_768], np.int16)) == Level(0.0, 0.0, 0.0, 0.0)


def test_quiet_is_counted_until_somebody_speaks() -> None:
    meter = Meter(-50.0)
    quiet = [meter.take(tone(20)).quiet for _ in range(30)]
    assert quiet[-1] == pytest.approx(3.0)
    assert meter.take(tone(2_000)).quiet == 0.0
    assert meter.take(tone(20)).quiet == pytest.approx(0.1)


@given(st.lists(st.lists(st.sampled_from([0, 0, 0, 1, -32_768]), max_size=40), min_size=1, max_size=20))
def test_zeros_are_counted_to_the_sample(blocks: list[list[int]]) -> None:
    meter = Meter(-60.0)
    for block in blocks:
        meter.take(np.array(block, np.int16))
    joined = [value for block in blocks for value in block]
    run = next((i for i, value in enumerate(reversed(joined)) if value), len(joined))
    assert meter.zeros == run


def test_forgetting_begins_anew() -> None:
    meter = Meter(-60.0)
    meter.take(np.zeros(1_600, np.int16))
    meter.forget()
    assert meter.take(np.zeros(0, np.int16)) == Level(SILENCE_DBFS, SILENCE_DBFS, 0.0, 0.0)
