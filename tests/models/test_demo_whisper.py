"""The demo's Whisper: complete, small, loaded by faster-whisper as it is, never taught the meeting."""

from __future__ import annotations

import importlib.util
import json
import re
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
import soundfile

from meetsense.interchange import rttm
from meetsense.speech.directory import BUNDLED, missing_whisper_files
from meetsense.speech.whisper import WhisperTranscriber
from meetsense.values import SAMPLE_RATE, Audio, Span, Transcription

FOLDER = BUNDLED / "demo-whisper"
MEETING = BUNDLED / "demo-meeting"
BEGINNING = 30.0
"""Seconds of the meeting that are recognised here; `make bench` takes all of it."""
SHIPPED = ["config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json"]


@cache
def engine() -> WhisperTranscriber:
    return WhisperTranscriber(FOLDER, threads=2)


@cache
def grammar() -> ModuleType:
    path = FOLDER / "training" / "grammar.py"
    spec = importlib.util.spec_from_file_location("demo_whisper_grammar", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def beginning() -> tuple[Audio, tuple[Span, ...]]:
    samples, _ = soundfile.read(MEETING / "meeting.flac", dtype="float32")
    cues = rttm.read((MEETING / "meeting.rttm").read_text()).cues
    audio = Audio(samples[: round(BEGINNING * SAMPLE_RATE)])
    heard = (cue.span & Span(0.0, audio.duration) for cue in cues)
    return audio, tuple(span for span in heard if span)


@cache
def heard() -> Transcription:
    audio, speech = beginning()
    return engine().transcribe(audio, speech)


def plain(text: str) -> str:
    return re.sub(r"[^a-z']", "", text.lower())


def test_the_directory_is_complete_and_at_most_8_mb() -> None:
    assert missing_whisper_files(FOLDER) == []
    assert all((FOLDER / name).stat().st_size for name in SHIPPED)
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 8_000_000


def test_it_has_the_parts_that_word_times_need() -> None:
    assert json.loads((FOLDER / "config.json").read_text())["alignment_heads"]


def test_its_timestamps_are_its_last_tokens_without_a_gap() -> None:
    tokens = json.loads((FOLDER / "vocabulary.json").read_text())
    first = tokens.index("<|notimestamps|>") + 1
    assert tokens[first:] == [f"<|{step * 0.02:.2f}|>" for step in range(1501)]


def test_it_hears_most_of_the_meeting_s_beginning() -> None:
    truth = [row for row in json.loads((MEETING / "words.json").read_text()) if row["end"] <= BEGINNING]
    said = [plain(row["word"]) for row in truth]
    matcher = SequenceMatcher(None, said, [plain(word.text) for word in heard().words], autojunk=False)
    assert sum(block.size for block in matcher.get_matching_blocks()) >= 0.7 * len(said)


def test_the_words_it_hears_are_where_they_were_said() -> None:
    truth = [row for row in json.loads((MEETING / "words.json").read_text()) if row["end"] <= BEGINNING]
    words = heard().words
    matcher = SequenceMatcher(
        None, [plain(row["word"]) for row in truth], [plain(word.text) for word in words], autojunk=False
    )
    late = [
        abs(words[block.b + step].span.start - truth[block.a + step]["start"])
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]
    assert np.median(late) < 0.2
    assert np.quantile(late, 0.9) < 0.6


def test_words_are_in_order_and_inside_the_recording() -> None:
    words = heard().words
    assert words
    assert all(a.span.start <= b.span.start for a, b in pairwise(words))
    assert all(0 <= word.span.start <= word.span.end <= BEGINNING for word in words)
    assert all(0 <= word.probability <= 1 and word.text for word in words)


def test_it_hears_the_same_twice() -> None:
    audio, speech = beginning()
    assert engine().transcribe(audio, speech) == heard()


@pytest.mark.parametrize("seconds", [0.5, 12.0])
def test_it_hears_no_words_in_a_quiet_room(seconds: float) -> None:
    samples = np.random.default_rng(5).standard_normal(round(seconds * SAMPLE_RATE)) * 0.002
    audio = Audio(samples.astype(np.float32))
    assert engine().transcribe(audio, (Span(0.0, seconds),)).words == ()


def test_no_sentence_of_the_meeting_is_in_its_training_set() -> None:
    held_out = grammar().meeting_sentences()
    assert len(held_out) > 50
    taught = {grammar().words(text) for text in grammar().training_sentences()}
    assert len(taught) > 10_000
    assert not taught & held_out


def test_the_grammar_says_nothing_that_it_holds_out() -> None:
    module = grammar()
    free = module.Grammar(7, ())
    drawn = {module.words(free.sentence()) for _ in range(50)}
    bound = module.Grammar(7, drawn)
    assert not {module.words(bound.sentence()) for _ in range(500)} & drawn


def test_the_grammar_has_over_300_words_and_all_of_the_meeting_s() -> None:
    module = grammar()
    known = {word.lower() for word in module.vocabulary()}
    assert len(known) >= 300
    rows = json.loads((MEETING / "words.json").read_text())
    assert {word for row in rows for word in module.words(row["word"])} <= known


def test_the_card_says_who_may_use_it() -> None:
    card = (FOLDER / "README.md").read_text()
    assert "LICENSE" in card
    assert "only the demo and the tests" in card
