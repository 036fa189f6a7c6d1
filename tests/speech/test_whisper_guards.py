"""The guards around Whisper that need no model: windows, stretched words, inventions, missing models."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.errors import EngineError
from meetsense.speech.directory import WHISPER_FILES, find_whisper, find_whispers
from meetsense.speech.whisper import WhisperTranscriber
from meetsense.speech.whisper.filters import (
    SPEECH_MARGIN,
    WORD_SECONDS,
    fit,
    invented,
    windows,
    words_of,
)
from meetsense.values import Span, quantise, union

LONG = 3600.0


@st.composite
def speeches(draw: st.DrawFn) -> tuple[Span, ...]:
    edges = sorted(draw(st.lists(st.integers(0, int(LONG)), max_size=40, unique=True)))
    return union(Span(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=False))


@given(speeches(), st.floats(5.0, 900.0))
def test_windows_hold_all_speech_and_stay_short(speech: tuple[Span, ...], longest: float) -> None:
    cut = windows(speech, LONG, longest)
    assert all(window.duration <= longest + 1e-6 for window in cut)
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(cut))
    for span in speech:
        covered = sum(window.overlap(span) for window in cut)
        assert covered == pytest.approx(span.duration)


@given(st.floats(0, 50), st.floats(0, 20), speeches(), st.booleans())
def test_fitted_words_are_short_and_near_speech(
    start: float, length: float, speech: tuple[Span, ...], first: bool
) -> None:
    fitted = fit(Span(start, start + length), speech, first=first)
    if fitted is None:
        return
    assert fitted.duration <= WORD_SECONDS + 0.0011
    assert min(s.distance(fitted) for s in speech) <= SPEECH_MARGIN + 0.001
    assert (fitted.start, fitted.end) == (quantise(fitted.start), quantise(fitted.end))


def test_a_word_stretched_over_silence_is_cut_where_the_silence_is() -> None:
    speech = (Span(10.0, 20.0),)
    assert fit(Span(2.0, 10.4), speech, first=True) == Span(9.5, 10.4)
    assert fit(Span(12.0, 16.0), speech, first=True) == Span(14.5, 16.0)
    assert fit(Span(12.0, 16.0), speech, first=False) == Span(12.0, 13.5)
    assert fit(Span(30.0, 31.0), speech, first=False) is None


def test_a_word_without_length_is_kept() -> None:
    assert fit(Span(12.0, 12.0), (Span(10.0, 20.0),), first=True) == Span(12.0, 12.0)


def segment(text: str, **given: float) -> SimpleNamespace:
    words = [
        SimpleNamespace(start=float(i), end=i + 0.5, word=f" {word}", probability=0.9)
        for i, word in enumerate(text.split())
    ]
    defaults = {"no_speech_prob": 0.1, "avg_logprob": -0.2, "compression_ratio": 1.2}
    return SimpleNamespace(words=words, **(defaults | given))


def test_inventions_are_dropped_and_speech_is_kept() -> None:
    assert not invented(segment("no no no that is too late"))
    assert invented(segment("thanks for watching", no_speech_prob=0.9, avg_logprob=-1.4))
    assert invented(segment("we agree on that", no_speech_prob=0.9, avg_logprob=-1.4))
    assert not invented(segment("yes", no_speech_prob=0.9, avg_logprob=-0.3))
    assert not invented(segment("yes", no_speech_prob=0.2, avg_logprob=-1.4))
    assert invented(segment("so so so so so"))
    assert invented(segment("a", compression_ratio=3.0))


def test_words_come_in_the_time_of_the_recording() -> None:
    words = words_of([segment("we agree")], Span(100.0, 110.0), (Span(100.0, 103.0),))
    assert [(w.text, w.span) for w in words] == [("we", Span(100.0, 100.5)), ("agree", Span(101.0, 101.5))]


def model(folder: Path, size: int = 10) -> Path:
    folder.mkdir(parents=True)
    for name in (*WHISPER_FILES, "vocabulary.json"):
        (folder / name).write_bytes(b"{" * size)
    return folder


def test_a_missing_model_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no Whisper model is installed; put a Whisper model"):
        find_whispers(tmp_path)
    with pytest.raises(EngineError, match="no Whisper model 'huge'"):
        find_whisper(tmp_path, "huge")
    folder = model(tmp_path / "half")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EngineError, match=r"lacks tokenizer\.json"):
        find_whisper(tmp_path, str(folder))
    with pytest.raises(EngineError, match=r"lacks tokenizer\.json"):
        WhisperTranscriber(folder)


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be loaded as a Whisper model"):
        WhisperTranscriber(model(tmp_path / "damaged"))
