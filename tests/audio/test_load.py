"""Decoding, with real files made by real encoders: good, cut, hostile."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.audio import Limits, load_audio
from meetsense.errors import AudioError
from meetsense.values import SAMPLE_RATE

SECONDS = 4.0
ENCODED = ("wav", "flac", "mp3", "ogg", "opus", "m4a", "mp4")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def tone(seconds: float = SECONDS, rate: int = 48_000, channels: int = 2) -> np.ndarray:
    """A 440 Hz tone of shape (n, channels)."""
    time = np.arange(int(seconds * rate)) / rate
    return np.repeat(0.5 * np.sin(2 * np.pi * 440 * time)[:, None], channels, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    soundfile.write(folder / "tone.wav", tone(), 48_000)
    for suffix in ENCODED[1:]:
        if shutil.which("ffmpeg"):
            command = ["ffmpeg", "-v", "error", "-y", "-i", str(folder / "tone.wav")]
            subprocess.run([*command, str(folder / f"tone.{suffix}")], check=True)
    return folder


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ENCODED)
def test_decodes_to_16_khz_mono(recordings: Path, suffix: str) -> None:
    audio = load_audio(recordings / f"tone.{suffix}")
    assert audio.duration == pytest.approx(SECONDS, abs=0.1)
    assert audio.samples.dtype == np.float32
    middle = audio.samples[SAMPLE_RATE : 2 * SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == 440
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ENCODED)
def test_truncated_file_is_refused_in_one_line(recordings: Path, tmp_path: Path, suffix: str) -> None:
    whole = (recordings / f"tone.{suffix}").read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match=r"^cut\.\w+: (truncated|not an audio file)[^\n]*$"):
        load_audio(cut)


def test_partial_takes_what_is_there(recordings: Path, tmp_path: Path) -> None:
    whole = (recordings / "tone.wav").read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[: len(whole) // 2])
    assert load_audio(cut, partial=True).duration == pytest.approx(SECONDS / 2, abs=0.1)


def test_streamed_header_is_not_believed(recordings: Path, tmp_path: Path) -> None:
    whole = bytearray((recordings / "tone.wav").read_bytes())
    at = whole.index(b"data") + 4
    whole[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "streamed.wav").write_bytes(whole)
    assert load_audio(tmp_path / "streamed.wav").duration == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_any_rate_and_channel_count(tmp_path: Path, rate: int, channels: int) -> None:
    soundfile.write(tmp_path / "x.wav", tone(1.0, rate, channels), rate)
    assert load_audio(tmp_path / "x.wav").duration == pytest.approx(1.0, abs=0.01)


def make_bad(folder: Path, name: str) -> Path:
    """A file, or a thing that is none, that can't be analysed."""
    path = folder / f"{name}.wav"
    if name == "empty":
        path.touch()
    elif name == "directory":
        path.mkdir()
    elif name == "text":
        path.write_text("These are the minutes of a meeting.\n" * 50)
    elif name == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(50_000))
    elif name == "pipe":
        os.mkfifo(path)
    elif name == "silent header":
        soundfile.write(path, np.zeros((0, 1), np.float32), 16_000)
    elif name == "playlist":
        path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    elif name == "slow rate":
        soundfile.write(path, np.zeros((10, 1), np.float32), 10)
    return path


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "no such file"),
        ("empty", "is empty"),
        ("directory", "is a directory"),
        ("text", "not an audio file"),
        ("noise", "not an audio file"),
        ("pipe", "not a regular file"),
        ("silent header", "holds no sound"),
        ("playlist", "not an audio file"),
        ("slow rate", "a sample rate of 10 Hz"),
    ],
)
def test_bad_input_gets_one_line(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(AudioError, match=why) as raised:
        load_audio(make_bad(tmp_path, name))
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_unreadable_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", tone(), 48_000)
    (tmp_path / "x.wav").chmod(0)
    with pytest.raises(AudioError, match="not readable"):
        load_audio(tmp_path / "x.wav")


def test_decompression_bomb_is_stopped_by_decoded_duration(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "bomb.flac", "w", 8_000, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8_000, np.int16))
    assert (tmp_path / "bomb.flac").stat().st_size < 10_000_000
    with pytest.raises(AudioError, match=r"longer than 0\.5 h"):
        load_audio(tmp_path / "bomb.flac", limits=Limits(duration_seconds=1800))


def test_size_time_and_memory_are_limited(recordings: Path) -> None:
    with pytest.raises(AudioError, match="larger than 0 MB"):
        load_audio(recordings / "tone.wav", limits=Limits(input_bytes=1000))
    with pytest.raises(AudioError, match="could not be decoded in 0 s"):
        load_audio(recordings / "tone.wav", limits=Limits(wall_seconds=0.001))
    with pytest.raises(AudioError, match=r"^tone\.wav: "):
        load_audio(recordings / "tone.wav", limits=Limits(memory_bytes=1 << 18))


def test_nothing_of_the_sound_is_left_in_the_work_directory(recordings: Path, tmp_path: Path) -> None:
    audio = load_audio(recordings / "tone.wav", workdir=tmp_path)
    assert audio.duration == pytest.approx(SECONDS)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_decoder_keeps_its_traceback(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="the decoder broke"):
        load_audio(recordings / "tone.wav")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_never_break_the_parent(recordings: Path, tmp_path: Path, data: st.DataObject) -> None:
    source = recordings / f"tone.{data.draw(st.sampled_from(['wav', 'flac']))}"
    content = bytearray(source.read_bytes()[:60_000])
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, 200))] = data.draw(st.integers(0, 255))
    (tmp_path / "x").write_bytes(content)
    line = ""
    try:
        audio = load_audio(tmp_path / "x", limits=Limits(wall_seconds=20, duration_seconds=600))
        assert np.all(np.abs(audio.samples[:1000]) <= 1.001)
    except AudioError as error:
        line = str(error)
    assert "\n" not in line
