"""The tiny pyannote directory: complete, small, free of what doesn't belong in it, better than a guess."""

from __future__ import annotations

import os
import pickletools
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from meetsense.audio import load_audio
from meetsense.errors import EngineError
from meetsense.speech.shelf import Kind, verify
from meetsense.values import SAMPLE_RATE, Span, SpeakerRange, Turn, quantise, union
from tests.bench import data, der
from tests.bench.data import Missing, Recording

FOLDER = Path(__file__).resolve().parents[1] / "tiny-pyannote"
NOT_INSTALLED = "pyannote.audio is not installed: pip install 'meetsense[pyannote]'"
WEIGHTS = ("segmentation/pytorch_model.bin", "embedding/pytorch_model.bin")
SHARED = os.environ.get("MEETSENSE_BENCH_DATA")
"""Read here: tests see none of the user's settings."""

VOICES = (("en-us+f2", 60), ("en-us+m3", 35), ("en-gb+f4", 45), ("en-gb-scotland+m7", 50))
"""Voices of espeak-ng and their pitches."""
SENTENCES = (
    "we have to agree on the opening hours for the summer before the end of this week",
    "I counted the visitors last month and there were more in the evening than ever before",
    "nobody asked for that at the counter but many people wrote a letter about the forms",
    "let me show you the figures that came in yesterday from the three other offices",
    "if we begin an hour later on Thursday then the early shift could take the telephone",
    "the new form is still far too long and the second page confuses almost everybody",
    "yes that sounds right to me",
    "could we try it for a month and look at the numbers again",
    "I don't think so because the building is closed on Saturday",
    "then somebody has to call the people who are waiting for an answer since March",
)

Samples = NDArray[np.float32]


@cache
def stock() -> Any:
    """The unmodified library's pipeline of the directory."""
    os.environ.update(PYANNOTE_METRICS_ENABLED="0", HF_HUB_OFFLINE="1")
    audio = pytest.importorskip("pyannote.audio", reason=NOT_INSTALLED)
    verify(FOLDER)
    return audio.Pipeline.from_pretrained(FOLDER)


def stock_turns(recording: Recording) -> list[Turn]:
    """What the unmodified library says about a recording."""
    import torch

    sound = torch.from_numpy(np.array(load_audio(recording.path).samples))[None]
    pipeline = stock()
    found = pipeline({"waveform": sound, "sample_rate": SAMPLE_RATE, "uri": "meeting"})
    return [
        Turn(Span(quantise(segment.start), quantise(segment.end)), speaker)
        for segment, _, speaker in found.speaker_diarization.itertracks(yield_label=True)
    ]


def one_speaker(recording: Recording) -> list[Turn]:
    """The guess that one person says everything, all speech being known."""
    return [Turn(span, "somebody") for span in union(turn.span for turn in recording.truth)]


def read_aloud(text: str, voice: str, pitch: int, path: Path) -> Samples:
    """A sentence by espeak-ng at 16 kHz, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", "160", "-w", str(path), text]
    subprocess.run(command, check=True, capture_output=True)
    samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    return np.asarray(samples / np.sqrt(np.mean(samples**2)) * 0.05, np.float32)


def meeting_read_aloud(folder: Path, seconds: int) -> Recording:
    """Four voices of espeak-ng in one echoing, hissing room, with some overlap."""
    rng = np.random.default_rng(17)
    total = seconds * SAMPLE_RATE
    tracks = np.zeros((len(VOICES), total), np.float32)
    truth: list[Turn] = []
    at, who = SAMPLE_RATE // 2, 0
    while True:
        text = SENTENCES[int(rng.integers(len(SENTENCES)))]
        said = read_aloud(text, *VOICES[who], folder / "sentence.wav")
        if at + len(said) > total:
            break
        tracks[who, at : at + len(said)] += said
        truth.append(
            Turn(Span(quantise(at / SAMPLE_RATE), quantise((at + len(said)) / SAMPLE_RATE)), f"P{who}")
        )
        at += len(said) + int(rng.uniform(-0.4, 0.7) * SAMPLE_RATE)
        who = int(rng.choice([other for other in range(len(VOICES)) if other != who]))
    fade = np.exp(-6.9 * np.arange(SAMPLE_RATE // 3) / (SAMPLE_RATE // 3))
    heard = rng.standard_normal(total) * 0.003
    for track in tracks:
        room = rng.standard_normal(len(fade)) * fade
        room *= 0.3 / np.linalg.norm(room)
        room[0] = 0.8
        heard += oaconvolve(track, room)[:total]
    path = folder / "meeting.wav"
    soundfile.write(path, heard.astype(np.float32), SAMPLE_RATE)
    return Recording(path, tuple(sorted(truth, key=lambda turn: turn.span)))


def rates(recordings: list[Recording], hypothesis: der.Hypothesis) -> tuple[float, float]:
    """Error rates of a hypothesis and of the one-speaker guess."""
    pytest.importorskip("pyannote.metrics", reason="pyannote.metrics is not installed (extra eval)")
    return der.score(recordings, hypothesis).rate, der.score(recordings, one_speaker).rate


def strings(pickle: bytes) -> Iterable[str]:
    """Every string in a pickle."""
    return (argument for _, argument, _ in pickletools.genops(pickle) if isinstance(argument, str))


def pickles(path: Path) -> list[bytes]:
    """The pickles in a file that torch saved."""
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]


def test_its_record_agrees_with_its_files() -> None:
    verified = verify(FOLDER)
    assert verified.name == "tiny-pyannote"
    assert verified.pickles


@pytest.mark.parametrize("name", Kind.PYANNOTE.needs)
def test_a_changed_file_is_named(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(FOLDER, copy)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(EngineError, match=re.escape(name)):
        verify(copy)


def test_it_is_at_most_10_mb() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 10_000_000


def test_no_file_names_a_place_on_the_machine_that_made_it() -> None:
    place = re.compile(rb"/(home|root|opt|work|tmp|usr|var|mnt|Users)/[\w.-]+")
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix == ".bin":
            texts = [text.encode() for pickle in pickles(path) for text in strings(pickle)]
        else:
            texts = [path.read_bytes()] if path.is_file() and path.suffix != ".pyc" else []
        assert not [found for text in texts if (found := place.search(text))], path


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_pickles_hold_tensors_plain_values_and_the_specifications(name: str) -> None:
    imported = set()
    for pickle in pickles(FOLDER / name):
        operations = [(code.name, argument) for code, argument, _ in pickletools.genops(pickle)]
        assert "STACK_GLOBAL" not in {code for code, _ in operations}
        imported |= {argument for code, argument in operations if code == "GLOBAL"}
    tensors = {"torch._utils _rebuild_tensor_v2", "torch HalfStorage", "torch LongStorage"}
    specifications = {
        f"pyannote.audio.core.task {kind}" for kind in ("Specifications", "Problem", "Resolution")
    }
    assert imported <= tensors | specifications | {"collections OrderedDict"}


def test_the_library_as_it_is_loads_it() -> None:
    pipeline = stock()
    segmentation, embedding = pipeline._segmentation.model, pipeline._embedding.model_
    assert type(segmentation).__module__.startswith("pyannote.audio.models.segmentation")
    assert type(embedding).__module__.startswith("pyannote.audio.models.embedding")
    assert segmentation.specifications.num_powerset_classes == 7
    assert pipeline._embedding.dimension == 256


def test_it_halves_the_error_of_a_guess_on_voices_read_aloud(tmp_path: Path) -> None:
    stock()
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    found, guess = rates([meeting_read_aloud(tmp_path, 60)], stock_turns)
    assert found <= guess / 2


def test_it_halves_the_error_of_a_guess_on_voices_it_never_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyannote.audio", reason=NOT_INSTALLED)
    from meetsense.speech.pyannote import PyannoteDiarizer
    from meetsense.speech.vad import SileroVad

    if SHARED:
        monkeypatch.setenv("MEETSENSE_BENCH_DATA", SHARED)
    try:
        recordings = data.simulated(1, 8)
    except Missing as missing:
        pytest.skip(str(missing))
    engine, vad = PyannoteDiarizer(FOLDER), SileroVad()

    def turns(recording: Recording) -> tuple[Turn, ...]:
        audio = load_audio(recording.path)
        return engine.diarize(audio, vad.speech(audio), SpeakerRange()).turns

    found, guess = rates(recordings, turns)
    assert found <= guess / 2
