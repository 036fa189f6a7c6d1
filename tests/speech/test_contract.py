"""The contract that every engine keeps, present and future: add a factory to the table and it is held to it.

Sound comes from the bundled meeting, so that every engine meets real speech, silence and noise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from meetsense.audio import load_audio
from meetsense.errors import EngineError
from meetsense.speech import Diarizer, Transcriber, Vad
from meetsense.speech.directory import BUNDLED
from meetsense.values import SAMPLE_RATE, Audio, Diarization, Span, SpeakerRange, Turn, quantise
from tests.pyannote_directory import installed

TINY_PYANNOTE = Path(__file__).parents[1] / "tiny-pyannote"
"""Small networks in community-1's layout, taught on simulated meetings."""


def silero() -> Vad:
    from meetsense.speech.vad import SileroVad

    return SileroVad()


def embedded() -> Diarizer:
    from meetsense.speech.embedded import EmbeddedDiarizer

    return EmbeddedDiarizer(BUNDLED / "embedded-diarizer")


def pyannote() -> Diarizer:
    if not installed():
        pytest.skip("the extra pyannote is not installed")
    if not (TINY_PYANNOTE / "installed.json").is_file():
        pytest.skip("tests/tiny-pyannote holds no weights")
    from meetsense.speech.pyannote import PyannoteDiarizer

    return PyannoteDiarizer(TINY_PYANNOTE)


def whisper() -> Transcriber:
    from meetsense.speech.whisper import WhisperTranscriber

    return WhisperTranscriber(BUNDLED / "demo-whisper", threads=2)


VADS: dict[str, Callable[[], Vad]] = {"silero": silero}
DIARIZERS: dict[str, Callable[[], Diarizer]] = {"embedded": embedded, "pyannote": pyannote}
TRANSCRIBERS: dict[str, Callable[[], Transcriber]] = {"whisper": whisper}
ENGINES: dict[str, Callable[[], Vad | Diarizer | Transcriber]] = {**VADS, **DIARIZERS, **TRANSCRIBERS}
open_vad = cache(lambda name: VADS[name]())
open_diarizer = cache(lambda name: DIARIZERS[name]())
open_transcriber = cache(lambda name: TRANSCRIBERS[name]())


@cache
def meeting() -> Audio:
    return load_audio(BUNDLED / "demo-meeting" / "meeting.flac")


@cache
def speech() -> tuple[Span, ...]:
    return silero().speech(meeting())


def noise(seconds: float, level: float) -> Audio:
    samples = np.random.default_rng(5).standard_normal(int(seconds * SAMPLE_RATE))
    return Audio((level * samples).astype(np.float32))


EMPTY = Audio(np.zeros(0, np.float32))
SILENCE = Audio(np.zeros(10 * SAMPLE_RATE, np.float32))
CLICK = Audio(np.full(40, 0.9, np.float32))
SOUNDS = {"empty": EMPTY, "silence": SILENCE, "click": CLICK, "hiss": noise(10, 0.003)}


@pytest.fixture(params=VADS)
def vad(request: pytest.FixtureRequest) -> Vad:
    vad: Vad = open_vad(request.param)
    return vad


@pytest.fixture(params=DIARIZERS)
def diarizer(request: pytest.FixtureRequest) -> Diarizer:
    diarizer: Diarizer = open_diarizer(request.param)
    return diarizer


@pytest.fixture(params=TRANSCRIBERS)
def transcriber(request: pytest.FixtureRequest) -> Transcriber:
    transcriber: Transcriber = open_transcriber(request.param)
    return transcriber


def check_spans(spans: list[Span], audio: Audio) -> None:
    """Sorted, inside the recording, on the millisecond."""
    assert spans == sorted(spans)
    for span in spans:
        assert 0 <= span.start <= span.end <= audio.duration + 1e-9
        assert (span.start, span.end) == (quantise(span.start), quantise(span.end))


def check_diarization(found: Diarization, audio: Audio, engine: Diarizer) -> None:
    check_spans([turn.span for turn in found.turns], audio)
    check_spans([turn.span for turn in found.exclusive], audio)
    assert found.sees_overlap == engine.sees_overlap
    assert all(a.span.end <= b.span.start for a, b in pairwise(found.exclusive))
    assert all(turn.span.duration > 0 for turn in (*found.turns, *found.exclusive))
    assert list(found.speakers) == [f"S{i + 1}" for i in range(len(found.speakers))]
    assert {turn.speaker for turn in found.exclusive} <= set(found.speakers)
    assert set(found.voiceprints) <= set(found.speakers)
    if not engine.sees_overlap:
        assert all(a.span.end <= b.span.start for a, b in pairwise(found.turns))
    for speaker in found.speakers:
        own = [turn.span for turn in found.turns if turn.speaker == speaker]
        assert all(a.end <= b.start for a, b in pairwise(own))


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_names_its_revision(name: str) -> None:
    engine = ENGINES[name]()
    kind, at, revision = engine.name.partition("@")
    assert (bool(kind), at, bool(revision)) == (True, "@", True)
    assert ENGINES[name]().name == engine.name


@pytest.mark.parametrize("sound", SOUNDS)
def test_vad_hears_nothing_in_silence(vad: Vad, sound: str) -> None:
    assert vad.speech(SOUNDS[sound]) == ()


def test_vad_finds_speech(vad: Vad) -> None:
    found = vad.speech(meeting())
    check_spans(list(found), meeting())
    assert all(a.end < b.start for a, b in pairwise(found))
    assert sum(span.duration for span in found) > 0.5 * meeting().duration
    assert vad.speech(meeting()) == found


@pytest.mark.parametrize("sound", SOUNDS)
def test_diarizer_finds_nobody_where_nobody_speaks(diarizer: Diarizer, sound: str) -> None:
    assert diarizer.diarize(SOUNDS[sound], silero().speech(SOUNDS[sound]), SpeakerRange()).turns == ()


@pytest.mark.parametrize(
    "speakers", [SpeakerRange(), SpeakerRange(1, 1), SpeakerRange(2, 3), SpeakerRange(4, 4)]
)
def test_diarizer_keeps_to_the_count(diarizer: Diarizer, speakers: SpeakerRange) -> None:
    found = diarizer.diarize(meeting(), speech(), speakers)
    check_diarization(found, meeting(), diarizer)
    count = len(found.speakers)
    assert speakers.low <= count <= (speakers.high or 20)
    covered = sum(turn.span.duration for turn in found.exclusive)
    assert covered > 0.7 * sum(span.duration for span in speech())


def test_diarizer_is_deterministic(diarizer: Diarizer) -> None:
    first = diarizer.diarize(meeting(), speech(), SpeakerRange())
    assert diarizer.diarize(meeting(), speech(), SpeakerRange()) == first


def test_diarizer_tells_how_far_it_is(diarizer: Diarizer) -> None:
    told: list[float] = []
    diarizer.diarize(meeting(), speech(), SpeakerRange(), progress=told.append)
    assert told == sorted(told)
    assert told
    assert 0 < told[0] <= told[-1] <= 1


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.0, 2.5])
def test_diarizer_takes_short_speech(diarizer: Diarizer, seconds: float) -> None:
    start = speech()[0].start
    audio = Audio(np.array(meeting().samples[: int((start + seconds) * SAMPLE_RATE)]))
    found = diarizer.diarize(audio, (Span(start, audio.duration),), SpeakerRange(4, 4))
    check_diarization(found, audio, diarizer)
    assert 1 <= len(found.speakers) <= 4


@pytest.mark.parametrize("sound", SOUNDS)
def test_transcriber_invents_nothing_in_silence(transcriber: Transcriber, sound: str) -> None:
    speech = silero().speech(SOUNDS[sound])
    assert transcriber.transcribe(SOUNDS[sound], speech, language="en").words == ()


def test_transcriber_times_its_words(transcriber: Transcriber) -> None:
    shares: list[float] = []
    found = transcriber.transcribe(meeting(), speech(), language="en", progress=shares.append)
    check_spans([word.span for word in found.words], meeting())
    assert len(found.words) > meeting().duration
    assert found.language == "en"
    assert shares == sorted(shares)
    assert 0 < shares[-1] <= 1
    for word in found.words:
        assert word.text == word.text.strip() != ""
        assert 0 <= word.probability <= 1
        assert min(span.distance(word.span) for span in speech()) <= 0.5


def test_transcriber_is_deterministic(transcriber: Transcriber) -> None:
    audio = Audio(np.array(meeting().samples[: 20 * SAMPLE_RATE]))
    spans = tuple(span for span in speech() if span.end <= audio.duration)
    assert transcriber.transcribe(audio, spans) == transcriber.transcribe(audio, spans)


def test_engines_do_not_change_the_sound(vad: Vad, diarizer: Diarizer) -> None:
    samples = np.array(meeting().samples[: 20 * SAMPLE_RATE])
    before = samples.copy()
    diarizer.diarize(Audio(samples), vad.speech(Audio(samples)), SpeakerRange())
    assert np.array_equal(before, samples)


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    from meetsense.speech.embedded import EmbeddedDiarizer
    from meetsense.speech.whisper import WhisperTranscriber

    for engine in (EmbeddedDiarizer, WhisperTranscriber):
        with pytest.raises(EngineError) as raised:
            engine(tmp_path / "none")
        assert "\n" not in str(raised.value)


def test_turn_order_is_part_of_the_contract() -> None:
    broken = Diarization((Turn(Span(0.0, 1.0), "S2"),), sees_overlap=True)
    with pytest.raises(AssertionError):
        check_diarization(broken, SILENCE, embedded())
