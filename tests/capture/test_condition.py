"""Whatever a device gives becomes mono at 16 kHz, and nothing is changed that needn't be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.capture.condition import Conditioner, slip, to_mono
from meetsense.values import SAMPLE_RATE
from tests.capture.ramp import ramp


@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=6))
def test_at_the_right_rate_every_sample_is_kept(lengths: list[int]) -> None:
    conditioner = Conditioner(SAMPLE_RATE, 1)
    given_, out = ramp(0, sum(lengths)), []
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        out.append(conditioner.take(given_[end - length : end, np.newaxis]))
    out.append(conditioner.flush())
    assert np.array_equal(np.concatenate(out), given_)


def test_one_channel_or_the_mean_of_all() -> None:
    both = np.stack([ramp(0, 9), np.full(9, -32_768, np.int16)], axis=1)
    assert np.array_equal(to_mono(both, 1), ramp(0, 9))
    assert np.array_equal(to_mono(both, 2), both[:, 1])
    loudest = np.full((5, 3), -32_768, np.int16)
    assert np.array_equal(to_mono(loudest, "mix"), loudest[:, 0])


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there(channel: int) -> None:
    with pytest.raises(ValueError, match="no channel"):
        Conditioner(SAMPLE_RATE, 2, channel)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("frames", [1, 441, 4_800])
def test_a_tone_keeps_its_pitch_its_level_and_its_length(rate: int, frames: int) -> None:
    seconds = 0.5 if frames == 1 else 2.0
    count = round(seconds * rate)
    time = np.arange(count) / rate
    tone = np.rint(12_000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)[:, np.newaxis]
    conditioner = Conditioner(rate, 1)
    parts = [conditioner.take(tone[start : start + frames]) for start in range(0, count, frames)]
    out = np.concatenate([*parts, conditioner.flush()])
    assert abs(len(out) - seconds * SAMPLE_RATE) <= 1
    wanted = 12_000 * np.sin(2 * np.pi * 440 * np.arange(len(out)) / SAMPLE_RATE)
    inner = slice(800, -800)
    assert np.abs(out[inner] - wanted[inner]).max() < 12


def test_zeros_stay_zeros_through_the_resampler() -> None:
    conditioner = Conditioner(48_000, 2)
    out = np.concatenate([conditioner.take(np.zeros((48_000, 2), np.int16)), conditioner.flush()])
    assert len(out) == SAMPLE_RATE
    assert not out.any()


def test_a_full_scale_square_doesnt_wrap_around() -> None:
    square = np.where(np.arange(48_000) // 240 % 2, 32_767, -32_768).astype(np.int16)[:, np.newaxis]
    conditioner = Conditioner(48_000, 1)
    out = np.concatenate([conditioner.take(square), conditioner.flush()]).astype(np.int32)
    middle = out.reshape(-1, 80)
    assert (np.abs(np.sign(middle[:, 10:70]).sum(axis=1)) == 60).all()


@given(st.lists(st.integers(-32_768, 32_767), min_size=2, max_size=200), st.integers(-3, 3))
def test_a_slip_changes_the_length_and_no_sample(values: list[int], count: int) -> None:
    samples = np.array(values, np.int16)
    out = slip(samples, count)
    assert len(out) == max(len(samples) + count, min(len(samples), 1))
    assert out[0] == samples[0]
    longer, shorter = (out, samples) if count > 0 else (samples, out)
    at = 0
    for value in shorter:  # what is shorter is what is longer with samples left out
        while longer[at] != value:
            at += 1
        at += 1


def test_a_slip_is_where_it_is_least_heard() -> None:
    samples = np.array([0, 900, 1_800, 1_801, 900, 0, -900], np.int16)
    assert list(slip(samples, -1)) == [0, 900, 1_800, 900, 0, -900]
    assert list(slip(samples, 1)) == [0, 900, 1_800, 1_800, 1_801, 900, 0, -900]
