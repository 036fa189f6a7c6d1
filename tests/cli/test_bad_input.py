"""Every bad input gets one line on stderr and exit status 1; the other files of a call go on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from meetsense import batch
from meetsense.audio import Limits
from tests.cli.conftest import Call

Refused = Callable[..., str]
NOBODY = 65534


def voice(seconds: float = 2.0) -> np.ndarray:
    """A hum with a beat, of shape (n,)."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    return (0.3 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32)


def make(folder: Path, name: str) -> Path:
    """A recording that is none."""
    path = folder / name
    match name:
        case "empty.wav":
            path.touch()
        case "cut.wav":
            soundfile.write(path, voice(), 16_000)
            path.write_bytes(path.read_bytes()[:20_000])
        case "cut.flac":
            soundfile.write(path, voice(), 16_000)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "noise.mp3":
            path.write_bytes(np.random.default_rng(1).bytes(30_000))
        case "picture.png":
            path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
        case "minutes.wav":
            path.write_text("Minutes of the meeting: nothing was decided.\n" * 40)
        case "folder.wav" | "folder":
            path.mkdir()
        case "pipe.wav":
            os.mkfifo(path)
        case "header.wav":
            soundfile.write(path, np.zeros(0, np.float32), 16_000)
    return path


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.wav", "no such file"),
        ("empty.wav", "is empty"),
        ("cut.wav", "truncated, it ends after 0.6 s"),
        ("cut.flac", "truncated"),
        ("noise.mp3", "not an audio file"),
        ("picture.png", "not an audio file"),
        ("minutes.wav", "not an audio file"),
        ("folder.wav", "is a directory"),
        ("folder", "is a directory"),
        ("pipe.wav", "not a regular file"),
        ("header.wav", "holds no sound"),
    ],
)
def test_bad_audio(tmp_path: Path, refused: Refused, name: str, why: str) -> None:
    line = refused("analyze", make(tmp_path, name))
    assert line.startswith(f"meetsense: {name}: ")
    assert why in line


def test_a_decompression_bomb(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.flac"
    soundfile.write(bomb, np.zeros(3600 * 8000, np.int16), 8000)
    assert bomb.stat().st_size < 100_000
    limits = batch.Limits(10**9, 1000, decoding=Limits(duration_seconds=600.0))
    monkeypatch.setattr("meetsense.batch.limits_of", lambda _: limits)
    assert "longer than 0.166667 h" in refused("analyze", bomb)


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user who is not root, for whom permissions count."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("suffix", [".wav", ".vtt", ".json", ".rttm"])
def test_an_unreadable_file(refused: Refused, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_CONFIG_HOME", folder)
        path = Path(folder) / f"secret{suffix}"
        path.write_text("WEBVTT")
        path.chmod(0)
        Path(folder).chmod(0o755)
        with unprivileged():
            line = refused("analyze", path, "--no-store")
    assert line.startswith(f"meetsense: secret{suffix}: ")
    assert "not readable" in line or "Permission denied" in line


MALFORMED: dict[str, str | bytes] = {
    "no header.vtt": "00:00.000 --> 00:01.000\nHello\n",
    "times.vtt": "WEBVTT\n\n00:00.000 --> soon\n<v Ada>Hello\n",
    "backwards.vtt": "WEBVTT\n\n00:05.000 --> 00:01.000\n<v Ada>Hello\n",
    "latin.vtt": b"WEBVTT\n\n00:00.000 --> 00:01.000\n<v Ad\xe9>Hello\n",
    "empty.vtt": "",
    "half.json": '[{"start_time": 0, "end_time": 1, "speaker": "A", "wor',
    "object.json": '{"segments": []}',
    "no speaker.json": '[{"start_time": 0, "end_time": 1, "words": "hi"}]',
    "text time.json": '[{"start_time": "soon", "end_time": 1, "speaker": "A", "words": "hi"}]',
    "empty.json": " \n",
    "short.rttm": "SPEAKER a 1 0.0\n",
    "negative.rttm": "SPEAKER a 1 1.0 -2.0 <NA> <NA> A <NA> <NA>\n",
    "prose.rttm": "These are the minutes of a meeting.\n",
    "two.rttm": "SPEAKER a 1 0 1 <NA> <NA> A <NA>\nSPEAKER b 1 0 1 <NA> <NA> A <NA>\n",
    "empty.rttm": "",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_transcript(tmp_path: Path, refused: Refused, name: str) -> None:
    content = MALFORMED[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused("analyze", path, "--no-store").startswith(f"meetsense: {name}: ")


@pytest.mark.parametrize("name", ["missing.vtt", "missing.json", "missing.rttm"])
def test_a_missing_transcript(tmp_path: Path, refused: Refused, name: str) -> None:
    assert refused("analyze", tmp_path / name) == f"meetsense: {name}: no such file"


@pytest.mark.parametrize("suffix", [".vtt", ".json", ".rttm"])
def test_a_directory_named_like_a_transcript(tmp_path: Path, refused: Refused, suffix: str) -> None:
    path = tmp_path / f"folder{suffix}"
    path.mkdir()
    assert "is a directory" in refused("analyze", path)


def test_a_hostile_name_stays_one_line_without_control_characters(tmp_path: Path, refused: Refused) -> None:
    line = refused("analyze", tmp_path / "a\nb\x1b[31m\x07.wav")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("people = 3", "people must be tables"),
        ("[[people]]\nrole = 'chair'", "person 1: needs a name"),
        ("[[people]]\nname = 'Ada'\nage = 3", "person 1: unknown key 'age'"),
        ("[[people]]\nname = 'Ada'\n[[people]]\nname = 'Ada'", "name 'Ada' is given to 2 people"),
        ("[[people]]\nname = 'Ada'\nagreed = ['everything']", "agreed must list some of"),
        ("started_at = 'soon'", "started_at must be a date"),
        ("people = [", "not TOML"),
    ],
)
def test_a_roster_with_mistakes(tmp_path: Path, vtt: Path, refused: Refused, text: str, why: str) -> None:
    roster = tmp_path / "roster.toml"
    roster.write_text(text)
    line = refused("analyze", vtt, "--roster", roster, "--no-store")
    assert line.startswith("meetsense: roster.toml: ")
    assert why in line


def test_all_mistakes_of_a_roster_come_at_once(tmp_path: Path, vtt: Path, refused: Refused) -> None:
    roster = tmp_path / "roster.toml"
    roster.write_text("colour = 1\n[[people]]\nage = 3\n")
    line = refused("analyze", vtt, "--roster", roster)
    assert "unknown key 'colour'" in line
    assert "unknown key 'age'" in line
    assert "needs a name" in line


def test_a_missing_roster(tmp_path: Path, vtt: Path, refused: Refused) -> None:
    assert "none.toml: no such file" in refused("analyze", vtt, "--roster", tmp_path / "none.toml")


def test_the_other_files_go_on(tmp_path: Path, vtt: Path, call: Call) -> None:
    bad = tmp_path / "bad.vtt"
    bad.write_text("nothing of the kind")
    second = tmp_path / "second.rttm"
    second.write_text("SPEAKER m 1 0.0 2.0 <NA> <NA> Ada <NA> <NA>\n")
    missing, reports = tmp_path / "missing.wav", tmp_path / "reports"
    result = call("analyze", bad, vtt, missing, second, "--html", reports, "--json", reports, code=1)
    complaints = [line for line in result.stderr.splitlines() if line.startswith("meetsense: ")]
    assert [line.split(": ")[1] for line in complaints] == ["bad.vtt", "missing.wav"]
    assert len(list(reports.glob("*.html"))) == len(list(reports.glob("*.json"))) == 2
    assert len(call("meetings").stdout.splitlines()) == 2


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_an_output_that_cannot_be_written(tmp_path: Path, vtt: Path, refused: Refused, option: str) -> None:
    """It is said before hours of work, not after."""
    assert "cannot be written" in refused("analyze", vtt, option, tmp_path / "none" / "out")


def test_a_database_that_cannot_be_made(tmp_path: Path, vtt: Path, refused: Refused) -> None:
    (tmp_path / "file").touch()
    assert "cannot be" in refused("analyze", vtt, "--db", tmp_path / "file" / "x.db")


@pytest.mark.parametrize("content", [b"no database at all" * 200, b"SQLite format 3\0junk"])
@pytest.mark.parametrize("command", [["meetings"], ["show", "x"], ["search", "x"], ["export", "x"]])
def test_no_database_at_all(tmp_path: Path, refused: Refused, command: list[str], content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    refused(*command, "--db", path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("command", [["meetings"], ["show", "x"], ["search", "x"], ["export", "x"]])
def test_no_database_yet(tmp_path: Path, refused: Refused, command: list[str]) -> None:
    refused(*command, "--db", tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
