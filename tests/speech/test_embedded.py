"""The embedded diarizer's parts: features, windows, trimming, turns; and the model files as shipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.errors import EngineError
from meetsense.speech import embedded
from meetsense.speech.directory import BUNDLED
from meetsense.speech.embedded import EmbeddedDiarizer, Heard
from meetsense.speech.features import HOP, MELS, log_mel
from meetsense.speech.vad import HOP as VAD_HOP
from meetsense.speech.vad import WINDOW_HOPS, SileroVad
from meetsense.values import SAMPLE_RATE, Audio, Span, SpeakerRange

MODEL = BUNDLED / "embedded-diarizer"


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 399, 16_000, 16_001])
def test_a_frame_every_ten_milliseconds(samples: int) -> None:
    assert log_mel(np.zeros(samples, np.float32)).shape == (samples // HOP, MELS)


def test_a_tone_is_loudest_in_its_band() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    low, high = (
        log_mel(np.sin(2 * np.pi * hertz * time).astype(np.float32)).mean(axis=0) for hertz in (300, 3000)
    )
    assert low.argmax() < high.argmax()


def test_features_do_not_depend_on_where_blocks_end() -> None:
    samples = np.random.default_rng(2).standard_normal(70 * SAMPLE_RATE).astype(np.float32)
    whole, part = log_mel(samples), log_mel(samples[30 * SAMPLE_RATE :])
    np.testing.assert_allclose(whole[3010:-10], part[10:-10], atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(0, 99))
def test_windows_are_means_and_spreads(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 3)).astype(np.float16)
    used = rng.random(rows) < 0.6
    parts = list(embedded.windows(features, used, 25, 5))
    found = np.concatenate([stretches for stretches, _ in parts])
    at = np.concatenate([middle for _, middle in parts])
    expected = []
    for first in range(0, max(1, rows - 25 + 1), 5):
        own = features[first : first + 25][used[first : first + 25]].astype(float)
        if len(own) >= 0.25 * 25:
            spread = np.sqrt(np.maximum((own**2).mean(axis=0) - own.mean(axis=0) ** 2, 1e-5))
            expected.append(np.concatenate((own.mean(axis=0), spread)))
    assert len(at) == len(found) == len(expected)
    if expected:
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_windows_go_on_over_the_edge_of_a_minute() -> None:
    rows = 2 * embedded.CHUNK_ROWS + 300
    parts = list(embedded.windows(np.zeros((rows, 1), np.float16), np.ones(rows, np.bool_), 40, 10))
    at = np.concatenate([middle for _, middle in parts])
    assert (np.diff(at) == 10).all()
    assert at[-1] + 20 > rows - 10


def test_the_nearest_stretch_speaks_for_a_row() -> None:
    found = embedded.nearest(np.array([7, 8, 9]), np.array([2, 4, 10]), 12)
    assert found.tolist() == [7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9]


def test_silence_is_believed_where_the_network_hears_it_around_speech() -> None:
    speech = (Span(1.0, 5.0),)
    spoken = embedded.rows_of(speech, 150)
    quiet = np.full(150, 0.6, np.float32)
    quiet[40:110] = 0.0
    loud = np.full(150, 0.0, np.float32)
    loud[60:80] = 0.6
    assert embedded.silent(quiet, speech, spoken)[28]
    assert not embedded.silent(quiet, speech, spoken)[70]
    assert not embedded.silent(loud, speech, spoken).any()


def heard(speech: list[int], several: list[int]) -> Heard:
    """Twelve rows of a recording."""
    count = np.zeros((12, 3), np.float32)
    count[several, 2] = 0.9
    spoken = np.zeros(12, np.bool_)
    spoken[speech] = True
    return Heard(np.zeros((12, 1), np.float16), count, spoken)


def test_the_second_best_speaks_where_several_do() -> None:
    who = np.array([1] * 6 + [0] * 6)
    scores = np.tile([2.0, 3.0, 1.0], (12, 1))
    found = embedded.turns_of(who, scores, heard(list(range(12)), list(range(6))), 0.48)
    assert [(t.speaker, t.span.start, t.span.end) for t in found.turns] == [
        ("S1", 0.0, 0.24),
        ("S2", 0.0, 0.48),
    ]
    assert [(t.speaker, t.span.start, t.span.end) for t in found.exclusive] == [
        ("S1", 0.0, 0.24),
        ("S2", 0.24, 0.48),
    ]


@pytest.mark.parametrize("samples", [1, 160, 639, 640, 641, 12_345])
def test_recordings_of_any_length(samples: int) -> None:
    audio = Audio(np.random.default_rng(3).standard_normal(samples).astype(np.float32) * 0.1)
    found = EmbeddedDiarizer(MODEL).diarize(audio, (Span(0.0, audio.duration),), SpeakerRange())
    assert all(0 <= turn.span.start < turn.span.end <= audio.duration + 1e-9 for turn in found.turns)


def test_the_state_of_the_vad_goes_on_between_windows() -> None:
    rng = np.random.default_rng(4)
    samples = (rng.standard_normal((WINDOW_HOPS + 40) * VAD_HOP) * 0.05).astype(np.float32)
    found = SileroVad().probabilities(Audio(samples))
    reference = _all_at_once(samples)
    np.testing.assert_allclose(found, reference, atol=1e-4)


def _all_at_once(samples: np.ndarray) -> np.ndarray:
    """faster-whisper's own call over the whole sound; it wipes the last 64 samples, so they are kept off."""
    from faster_whisper.vad import get_vad_model

    padded = np.concatenate((samples, np.zeros(VAD_HOP, np.float32)))
    return np.asarray(get_vad_model()(padded)).reshape(-1)[: len(samples) // VAD_HOP]


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "m", ignore=shutil.ignore_patterns("training"))
    for name in embedded.FILES:
        kept = (tmp_path / "m" / name).read_bytes()
        (tmp_path / "m" / name).write_bytes(b"no model")
        with pytest.raises(EngineError, match=f"{name}: cannot be loaded"):
            EmbeddedDiarizer(tmp_path / "m")
        (tmp_path / "m" / name).write_bytes(kept)
