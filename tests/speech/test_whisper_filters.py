"""Whisper's filters on what faster-whisper really returns: speech stays, silence stays empty, loops go.

Genuine segments come from the demo's model on the bundled meeting, and from directories that say a planted
text whatever they hear (:mod:`tests.whisper_directory`). The speech a filter is given is a lie where a test
says so: it calls silence speech.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from meetsense.speech import Progress
from meetsense.speech.directory import BUNDLED
from meetsense.speech.whisper import Mode, WhisperTranscriber
from meetsense.speech.whisper.engine import NO_PROMPT, Listening
from meetsense.speech.whisper.filters import (
    alike,
    invented,
    parrots,
    plain,
    repeats,
    without_loops,
    words_of,
)
from meetsense.speech.whisper.machine import Machine
from meetsense.values import SAMPLE_RATE, Audio, Span, Word
from tests.whisper_directory import Script, build

Saying = Callable[..., WhisperTranscriber]
SECONDS = 12.0
MACHINE = Machine(cores=2, memory=8 << 30)
JFK = Path(__file__).parents[3] / "shared" / "data" / "speech" / "jfk.flac"


def _sound(samples: NDArray[Any]) -> Audio:
    return Audio(samples.astype(np.float32))


def room_tone() -> Audio:
    """Noise as a quiet room has it: loud below 300 Hz, with the slow swell of an air conditioner."""
    draw = np.random.default_rng(3)
    spectrum = np.fft.rfft(draw.standard_normal(int(SECONDS * SAMPLE_RATE)))
    spectrum /= np.sqrt(1 + (np.fft.rfftfreq(int(SECONDS * SAMPLE_RATE), 1 / SAMPLE_RATE) / 100) ** 2)
    tone = np.fft.irfft(spectrum)
    swell = 1 + 0.3 * np.sin(2 * np.pi * 0.2 * np.arange(len(tone)) / SAMPLE_RATE)
    return _sound(0.01 * tone / tone.std() * swell)


def hum() -> Audio:
    """Mains hum and its harmonics."""
    time = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    tones = [0.02 / n * np.sin(2 * np.pi * 50 * n * time) for n in (1, 2, 3, 5)]
    return _sound(np.sum(tones, axis=0))


def hiss() -> Audio:
    return _sound(0.003 * np.random.default_rng(5).standard_normal(int(SECONDS * SAMPLE_RATE)))


SILENCES = {
    "digital zeros": _sound(np.zeros(int(SECONDS * SAMPLE_RATE))),
    "hiss": hiss(),
    "hum": hum(),
    "room tone": room_tone(),
}
LIE = (Span(0.0, SECONDS),)


@cache
def meeting(seconds: float = 30.0) -> Audio:
    samples, _ = soundfile.read(BUNDLED / "demo-meeting" / "meeting.flac", dtype="float32")
    return Audio(samples[: round(seconds * SAMPLE_RATE)])


@cache
def speech(seconds: float = 30.0) -> tuple[Span, ...]:
    from meetsense.speech.vad import SileroVad

    return SileroVad().speech(meeting(seconds))


@cache
def demo(mode: Mode) -> WhisperTranscriber:
    return WhisperTranscriber(BUNDLED / "demo-whisper", threads=1, mode=mode, machine=MACHINE)


@pytest.fixture(scope="session")
def saying(tmp_path_factory: pytest.TempPathFactory) -> Saying:
    """Engines that say a text whatever they hear."""

    @cache
    def open_engine(text: str, mode: Mode = Mode.BATCHED, no_speech: float = 0.0) -> WhisperTranscriber:
        folder = build(tmp_path_factory.mktemp("model") / "said", "narrow", Script(text, no_speech=no_speech))
        return WhisperTranscriber(folder, threads=1, mode=mode, machine=MACHINE)

    return open_engine


@pytest.mark.parametrize("mode", [Mode.SEQUENTIAL, Mode.BATCHED])
@pytest.mark.parametrize("silence", SILENCES)
def test_silence_that_is_called_speech_has_no_words(mode: Mode, silence: str) -> None:
    assert demo(mode).transcribe(SILENCES[silence], LIE).words == ()


@pytest.mark.parametrize("mode", [Mode.SEQUENTIAL, Mode.BATCHED])
def test_no_filter_drops_real_speech(mode: Mode) -> None:
    engine = demo(mode)
    raw = engine._decode(meeting(), _listening(mode), lambda _: None)
    kept = [segment for segment in raw if not invented(segment, speech())]
    assert len(raw) > 3
    assert kept == raw
    heard = engine.transcribe(meeting(), speech())
    assert len(heard.words) >= 0.95 * sum(len(segment.words) for segment in raw)


def _listening(mode: Mode) -> Listening:
    return Listening("en", mode, 8 if mode is Mode.BATCHED else 1)


def test_real_speech_passes_every_filter_whatever_its_words(saying: Saying) -> None:
    """A human voice, to a model that has words for it: none is taken for an invention."""
    if not JFK.exists():
        pytest.skip("shared/data/speech/jfk.flac is not here")
    from meetsense.speech.vad import SileroVad

    samples, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    samples = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        import soxr

        samples = soxr.resample(samples, rate, SAMPLE_RATE)
    audio = Audio(np.ascontiguousarray(samples, np.float32))
    found = SileroVad().speech(audio)
    text = "We should decide about the budget today. I agree with that."
    engine = saying(text)
    assert [word.text for word in engine.transcribe(audio, found).words] == text.split()


@pytest.mark.parametrize("mode", [Mode.SEQUENTIAL, Mode.BATCHED])
def test_a_loop_is_not_written_down(saying: Saying, mode: Mode) -> None:
    engine = saying(" Thank you." * 12, mode)
    raw = engine._decode(meeting(), _listening(mode), lambda _: None)
    assert any(plain(segment.text).count("thank") >= 5 for segment in raw)
    said = sum(plain(segment.text).count("thank") for segment in raw)
    texts = plain(" ".join(w.text for w in engine.transcribe(meeting(), speech(), language="en").words))
    assert not repeats(texts)
    assert 0 < texts.count("thank") < said  # what was said once is said once


def test_a_loop_over_segments_stays_once() -> None:
    said = [*(["Thank", "you."] * 7), "We", "agree."]
    words = [Word(Span(float(i), i + 0.5), text, 0.9) for i, text in enumerate(said)]
    assert [word.text for word in without_loops(words)] == ["Thank", "you.", "We", "agree."]
    few = words[:8] + words[-2:]
    assert without_loops(few) == few


@pytest.mark.parametrize("text", ["Subtitles by the community.", "Thanks for watching!", "Thank you."])
def test_stock_phrases_go_in_doubt_and_stay_when_said(saying: Saying, text: str) -> None:
    sure = saying(text)
    (segment, *_) = sure._decode(meeting(), _listening(Mode.BATCHED), lambda _: None)
    assert plain(segment.text) == plain(text)
    assert not invented(segment, [Span(0.0, 30.0)])
    assert invented(segment, [Span(29.9, 30.0)])
    segment.no_speech_prob = 0.4
    assert invented(segment, [Span(0.0, 30.0)])


def test_a_stock_phrase_in_an_unsure_window_is_not_written_down(saying: Saying) -> None:
    engine = saying("Thank you.", no_speech=1.5)
    raw = engine._decode(meeting(), _listening(Mode.BATCHED), lambda _: None)
    assert raw
    assert raw[0].no_speech_prob > 0.3
    assert engine.transcribe(meeting(), speech(), language="en").words == ()
    other = saying("We should decide today.", no_speech=1.5)
    assert other.transcribe(meeting(), speech(), language="en").words


def test_words_faster_than_anybody_speaks_are_an_invention(saying: Saying) -> None:
    engine = saying("I agree with that.")
    (segment, *_) = engine._decode(meeting(), _listening(Mode.BATCHED), lambda _: None)
    for word, start in zip(segment.words, (8.0, 8.05, 8.1, 8.15), strict=True):
        word.start, word.end = start, start + 0.05  # 0.2 s in all: hurried, yet said
    assert not invented(segment)
    for word in segment.words:
        word.start = word.end = 8.0
    assert invented(segment)
    segment.words = segment.words[:3]
    assert not invented(segment)


def test_stock_words_that_the_model_itself_doubts_are_an_invention(saying: Saying) -> None:
    (segment, *_) = saying("Thank you.")._decode(meeting(), _listening(Mode.BATCHED), lambda _: None)
    assert not invented(segment)
    for word in segment.words:
        word.probability = 0.3
    assert invented(segment)


def test_a_word_of_four_seconds_is_cut_short(saying: Saying) -> None:
    engine = saying("I agree with that.")
    (segment, *_) = engine._decode(meeting(), _listening(Mode.BATCHED), lambda _: None)
    segment.words[1].start, segment.words[1].end = 4.0, 8.0
    for later, word in enumerate(segment.words[2:]):
        word.start = word.end = 8.0 + later
    words = words_of([segment], Span(0.0, 30.0), [Span(0.0, 30.0)])
    assert words[1].span == Span(4.0, 5.5)


def test_the_prompt_read_out_is_listened_to_again(monkeypatch: pytest.MonkeyPatch, saying: Saying) -> None:
    """The leak is planted: a model that, with a prompt, reads it out; without one, hears something else."""
    leak = saying("Ana Kovač, Bruno Okafor, Chiara Lindqvist.")
    engine = saying("We should decide today.")
    honest = engine._decode

    def leaking(audio: Audio, listening: Listening, progress: Progress) -> list[Any]:
        decode = leak._decode if listening.prompt.text else honest
        return decode(audio, plainly(listening), progress)

    monkeypatch.setattr(engine, "_decode", leaking)
    names = ["Ana Kovač", "Bruno Okafor", "Chiara Lindqvist"]
    heard = engine.transcribe(meeting(), speech(), language="en", names=names)
    assert {word.text for word in heard.words} == {"We", "should", "decide", "today."}
    monkeypatch.setattr(engine, "_decode", lambda audio, how, tell: leak._decode(audio, plainly(how), tell))
    heard = engine.transcribe(meeting(), speech(), language="en", names=names)  # without it too: it was said
    assert {"Kovač,", "Okafor,"} <= {word.text for word in heard.words}


def plainly(listening: Listening) -> Listening:
    """Without the prompt: a planted text hangs on its position."""
    return replace(listening, prompt=NO_PROMPT)


def test_names_that_were_said_keep_the_spelling_of_the_prompt(
    monkeypatch: pytest.MonkeyPatch, saying: Saying
) -> None:
    """Heard again without the prompt, they are there, spelt otherwise: the first hearing stays."""
    told, alone = saying("Ana Kovač, Bruno Okafor."), saying("Anna Kovach, Bruno Okaphor.")

    def hearing(audio: Audio, listening: Listening, progress: Progress) -> list[Any]:
        decode = told._decode if listening.prompt.text else honest
        return decode(audio, plainly(listening), progress)[:1]  # not what is planted in the rest, too

    honest = alone._decode
    monkeypatch.setattr(alone, "_decode", hearing)
    names = ["Ana Kovač", "Bruno Okafor"]
    heard = alone.transcribe(meeting(15.0), speech(15.0), language="en", names=names)
    assert {word.text for word in heard.words} == {"Ana", "Kovač,", "Bruno", "Okafor."}


def test_a_small_model_of_ones_own_is_told_nothing() -> None:
    """The demo's was never taught to be told words, and would miss some."""
    engine = demo(Mode.BATCHED)
    heard = engine.transcribe(meeting(), speech(), language="en")
    names = ["Ana Kovač", "Bruno Okafor"]
    assert engine.transcribe(meeting(), speech(), language="en", names=names, agenda=["Heating"]) == heard


def test_what_shares_words_with_the_prompt_is_no_parrot(saying: Saying) -> None:
    engine = saying("We should decide about the budget today.")
    (segment, *_) = engine._decode(meeting(), _listening(Mode.BATCHED), lambda _: None)
    assert not parrots(segment, plain("the budget of Ana Kovač"))
    assert parrots(segment, plain("decide about the budget"))
    assert alike([segment], [segment])
    assert not alike([segment], [])
