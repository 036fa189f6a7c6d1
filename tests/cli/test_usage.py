"""Help, versions, wrong usage: what the command line says about itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meetsense import __version__
from meetsense.cli import COMMANDS
from tests.cli.conftest import Call


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(call: Call, flag: str) -> None:
    text = call(flag).stdout
    for name, (_, line) in COMMANDS.items():
        assert name in text
        assert line[:40] in " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(call: Call, name: str, flag: str) -> None:
    result = call(name, flag)
    assert result.stdout.startswith(f"Usage: main {name} ")
    assert result.stderr == ""


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"demo"}))
def test_every_command_takes_the_database_and_the_configuration(call: Call, name: str) -> None:
    text = call(name, "--help").stdout
    assert "--db PATH" in text
    assert "--config PATH" in text


def test_version(call: Call) -> None:
    assert call("--version").stdout == f"meetsense, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyse"],
        ["analyze"],
        ["analyze", "x.wav", "--speakers", "6-2"],
        ["analyze", "x.wav", "--speakers", "0"],
        ["analyze", "x.wav", "--speakers", "many"],
        ["analyze", "x.wav", "--speakers", "roster"],
        ["analyze", "x.wav", "--diarizer", "best"],
        ["analyze", "x.wav", "--pyannote-mode", "stock"],
        ["analyze", "x.wav", "--started-at", "yesterday"],
        ["analyze", "x.wav", "--language", "german"],
        ["analyze", "x.wav", "--loud"],
        ["analyze", "x.wav", "y.wav", "--json", "-"],
        ["analyze", "x.wav", "y.wav", "--title", "Both"],
        ["analyze", "x.wav", "y.wav", "--started-at", "2026-11-23T09:00"],
        ["show"],
        ["search"],
        ["search", "word", "--limit", "0"],
        ["export", "x", "--format", "docx"],
    ],
)
def test_wrong_usage_is_2(call: Call, arguments: list[str]) -> None:
    result = call(*arguments, code=2)
    assert result.stdout == ""
    assert "Error: " in result.stderr or "No such command" in result.stderr


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (
            'colour = 1\nthreads = "many"\nspeakers = "6-2"\n',
            ("colour: unknown key", "threads: ", "speakers: "),
        ),
        ("threads = [", ("not TOML",)),
    ],
)
@pytest.mark.parametrize("command", [["analyze", "x.vtt"], ["meetings"], ["show", "x"], ["search", "x"]])
def test_mistakes_of_the_configuration_come_at_once(
    tmp_path: Path, refused: Call, command: list[str], text: str, mistakes: tuple[str, ...]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    line = str(refused(*command, "--config", config))
    assert all(mistake in line for mistake in mistakes)


def test_a_configuration_that_is_named_must_be_there(tmp_path: Path, refused: Call) -> None:
    assert "cannot be read" in str(refused("meetings", "--config", tmp_path / "none.toml"))


@pytest.mark.parametrize("option", ["--html", "--json"])
@pytest.mark.parametrize("taken", ["talk.vtt", "roster.toml", "all.db"])
def test_an_output_never_replaces_an_input(tmp_path: Path, option: str, taken: str) -> None:
    (tmp_path / "talk.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:02.000\n<v Ada>Good morning.\n")
    (tmp_path / "roster.toml").write_text('[[people]]\nname = "Ada"\n')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    words = ["analyze", "talk.vtt", "--roster", "roster.toml", "--db", "all.db", option, taken]
    command = [sys.executable, "-c", "from meetsense.cli import main; main()", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"name another file with {option}" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_outputs_follow_links_and_keep_pipes(tmp_path: Path) -> None:
    from meetsense.cli.common import write_text

    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "x"
    write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()
