"""``meetsense models``: list, pull, import, verify, as a user and a program meet them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from meetsense.speech.shelf import Kind, Model
from tests.cli.conftest import Call
from tests.speech.shelf_hub import FakeHub, model_of, pyannote_files, serving, whisper_files, write

SMALL = model_of("small", whisper_files())
COMMUNITY = model_of(
    "community",
    pyannote_files(),
    kind=Kind.PYANNOTE,
    gated=True,
    aliases=("c1",),
    licence="CC-BY-4.0",
    attribution="Community by somebody, CC-BY-4.0",
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that the environment names, and a manifest of its two models."""

    def manifest() -> tuple[Model, ...]:
        return SMALL, COMMUNITY

    monkeypatch.setattr("meetsense.speech.shelf.read_manifest", manifest)
    monkeypatch.setattr("meetsense.speech.shelf.check.read_manifest", manifest)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        server.files[SMALL.source] = whisper_files()
        server.files[COMMUNITY.source] = pyannote_files()
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEETSENSE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def rows(call: Call, *words: object, code: int = 0) -> list[dict[str, Any]]:
    document: list[dict[str, Any]] = json.loads(call("models", *words, "--json", code=code).stdout)
    return document


def test_the_bundled_manifest_is_listed(call: Call, state: Path) -> None:
    lines = call("models", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "SIZE", "LANGUAGES", "LICENCE", "FOR"]
    names = [line.split()[0] for line in lines[1:]]
    assert {"tiny", "small", "large-v3-turbo", "speaker-diarization-community-1"} <= set(names)
    assert not state.exists(), "looking changes nothing"
    listed = rows(call, "list")
    assert [row["name"] for row in listed] == names
    assert {row["state"] for row in listed} == {"-"}
    small = next(row for row in listed if row["name"] == "small")
    assert small["source"] == "Systran/faster-whisper-small"
    assert {len(file["sha256"]) for file in small["files"]} == {64}
    assert small["size"] == sum(file["size"] for file in small["files"])


def test_pull_verify_and_list(call: Call, hub: FakeHub, state: Path) -> None:
    result = call("models", "pull", "small")
    assert result.stdout == f"small: 309 kB, verified, in {state / 'models' / 'whisper' / 'small'}\n"
    assert result.stderr == "", "no bar without a terminal"
    assert call("models", "verify").stdout == "small: ok, 4 files\n"
    assert [(row["name"], row["state"]) for row in rows(call, "list")] == [
        ("small", "installed"),
        ("community", "-"),
    ]


def test_a_gated_model_by_an_alias_with_a_token(
    call: Call, refused: Call, hub: FakeHub, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    line = str(refused("models", "pull", "c1"))
    assert "accept the conditions" in line
    assert "HF_TOKEN" in line
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    assert "the token was refused" in str(refused("models", "pull", "c1"))
    monkeypatch.setenv("HF_TOKEN", "hf_old\nX-Header: 1")
    line = str(refused("models", "pull", "c1"))
    assert "the token is no token" in line
    assert "hf_old" not in line
    file = tmp_path / "token"
    file.write_text("hf_secret\n")
    result = call("models", "pull", "c1", "--token-file", file)
    assert "community: 153 kB, verified" in result.stdout
    assert COMMUNITY.attribution is not None
    assert COMMUNITY.attribution in result.stderr
    assert "hf_secret" not in "".join(
        path.read_text(errors="ignore") for path in state.rglob("*") if path.is_file()
    )


def test_a_free_model_gets_no_token(
    call: Call, hub: FakeHub, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    call("models", "pull", "small")
    assert {seen.token for seen in hub.seen} == {None}


@pytest.mark.parametrize("text", ["", "two words", "\udcff"])
def test_a_file_without_a_token(refused: Call, hub: FakeHub, state: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_bytes(text.encode(errors="surrogateescape"))
    line = str(refused("models", "pull", "c1", "--token-file", tmp_path / "token"))
    assert "the token is no token" in line
    assert "cannot be read" in str(refused("models", "pull", "c1", "--token-file", tmp_path / "none"))
    assert hub.seen == []


def test_one_that_fails_does_not_keep_the_others_from_it(
    call: Call, refused: Call, hub: FakeHub, state: Path
) -> None:
    hub.token = "hf_secret"
    hub.files[COMMUNITY.source] = {}
    result = call("models", "pull", "c1", "small", code=1)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "community: community is gated" in result.stderr
    assert "small: " in result.stderr, "both failures are said"
    hub.token = None
    result = call("models", "pull", "c1", "small", code=1)
    assert result.stdout.startswith("small: 309 kB, verified")
    assert "community: " in result.stderr
    assert "(404)" in result.stderr
    call("models", "verify", "small")


def test_an_unknown_name_fetches_nothing(refused: Call, hub: FakeHub, state: Path) -> None:
    assert "there are small, community" in str(refused("models", "pull", "small", "smal"))
    assert hub.seen == []


@pytest.mark.parametrize("words", [["models", "pull"], ["models", "import"], ["models", "fetch"]])
def test_wrong_usage_is_2(call: Call, words: list[str]) -> None:
    assert call(*words, code=2).stdout == ""


def test_verify_names_every_bad_file(call: Call, hub: FakeHub, state: Path) -> None:
    call("models", "pull", "small", "c1")
    small, community = state / "models" / "whisper" / "small", state / "models" / "pyannote" / "community"
    (small / "config.json").write_bytes(bytes(701))
    (small / "tokenizer.json").unlink()
    result = call("models", "verify", code=1)
    assert result.stdout == "small: BAD\ncommunity: ok, 5 files\n"
    assert result.stderr.count("\n") == 1
    assert f"{small / 'config.json'} has SHA-256 " in result.stderr
    assert f"{small / 'tokenizer.json'} is missing" in result.stderr
    call("models", "verify", "community")
    call("models", "verify", "c1")
    call("models", "verify", community)
    call("models", "verify", "small", code=1)
    call("models", "verify", small, code=1)
    first, second = rows(call, "verify", code=1)
    assert [fault["file"] for fault in first["faults"]] == ["config.json", "tokenizer.json"]
    assert (first["ok"], second["ok"], second["name"]) == (False, True, "community")
    assert [row["state"] for row in rows(call, "list")] == ["damaged", "installed"]
    call("models", "pull", "small")
    call("models", "verify")


def test_verify_of_nothing(call: Call, refused: Call, hub: FakeHub, state: Path, tmp_path: Path) -> None:
    assert call("models", "verify").stderr == "no model is installed\n"
    assert "meetsense models pull small" in str(refused("models", "verify", "small"))
    assert "no model 'nix'" in str(refused("models", "verify", "nix"))
    result = call("models", "verify", write(tmp_path / "copy", whisper_files()), code=1)
    assert f"meetsense models import {tmp_path / 'copy'}" in result.stderr
    assert result.stdout == "copy: BAD\n"


def test_import_of_a_good_and_a_tampered_folder(
    call: Call, refused: Call, hub: FakeHub, state: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "there", pyannote_files())
    result = call("models", "import", folder)
    where = state / "models" / "pyannote" / "community"
    assert (result.stdout, result.stderr) == (f"community: 153 kB, verified, in {where}\n", "")
    (folder / "plda" / "plda.npz").write_bytes(bytes(1300))
    assert f"{folder / 'plda' / 'plda.npz'}: has SHA-256" in str(refused("models", "import", folder))
    call("models", "verify")
    assert hub.seen == []


def test_import_of_what_the_manifest_lacks(
    call: Call, refused: Call, hub: FakeHub, state: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "ours", whisper_files(60, weights=200_000))
    assert "--trust" in str(refused("models", "import", folder))
    result = call("models", "import", folder, "--trust", "--name", "ours-1")
    assert "ours-1: 209 kB, trusted by you, not verified by the manifest" in result.stdout
    assert call("models", "verify", "ours-1").stdout == "ours-1: ok, 4 files, trusted by you\n"
    listed = rows(call, "list")[-1]
    assert (listed["name"], listed["state"], listed["purpose"]) == (
        "ours-1",
        "installed",
        "imported with --trust",
    )
    assert "ours-1" in call("models", "list").stdout


def test_a_folder_put_there_by_hand_is_listed_as_not_verified(call: Call, hub: FakeHub, state: Path) -> None:
    write(state / "models" / "whisper" / "small", whisper_files())
    write(state / "models" / "whisper" / "by-hand", whisper_files(60))
    assert [(row["name"], row["state"]) for row in rows(call, "list")] == [
        ("small", "not verified"),
        ("community", "-"),
        ("by-hand", "not verified"),
    ]
    call("models", "import", state / "models" / "whisper" / "small")
    assert rows(call, "list")[0]["state"] == "installed"


def test_an_older_version_is_told(call: Call, hub: FakeHub, state: Path, tmp_path: Path) -> None:
    from meetsense.speech.shelf import Installed, write_record

    older = whisper_files(80)
    folder = write(state / "models" / "whisper" / "small", older)
    files = model_of("small", older).files
    write_record(Installed(folder, "small", Kind.WHISPER, SMALL.source, "0" * 40, files))
    assert rows(call, "list")[0]["state"] == "other version"
    result = call("models", "verify", "small")
    assert result.stdout == "small: ok, 4 files, by its own record, not by this manifest\n"
    assert rows(call, "verify")[0]["vouched_for"] == "by its own record, not by this manifest"


def test_the_configuration_may_follow_or_precede(call: Call, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'state = "{tmp_path / "there"}"\n')
    for words in (["--config", config, "list", "--json"], ["list", "--json", "--config", config]):
        first = json.loads(call("models", *words).stdout)[0]
        assert first["folder"] == str(tmp_path / "there" / "models" / "whisper" / "tiny")


@pytest.mark.parametrize("command", ["list", "pull", "import", "verify"])
def test_every_command_takes_the_configuration(call: Call, command: str) -> None:
    assert "--config PATH" in call("models", command, "--help").stdout


def on_a_terminal(code: str, stream: str, columns: int = 100) -> str:
    """What a program shows when one of its streams is a terminal."""
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (40, columns))
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: writer}
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, **streams)
    os.close(writer)
    shown = b""
    with suppress(OSError):  # Linux: the other end was closed
        while block := os.read(reader, 65536):
            shown += block
    os.close(reader)
    assert process.wait() == 0
    return shown.decode()


def test_a_bar_is_shown_on_a_terminal() -> None:
    shown = on_a_terminal(
        "from meetsense.cli.models import byte_bar\n"
        "with byte_bar('small') as show:\n"
        "    show('model.bin', 5_000_000, 10_000_000)\n",
        "stderr",
    )
    assert "small: model.bin" in shown
    assert "5.0/10.0 MB" in shown


def test_the_table_fits_a_terminal(state: Path) -> None:
    shown = on_a_terminal(
        "from meetsense.cli import main; main(['models', 'list'], standalone_mode=False)", "stdout", 120
    )
    assert max(map(len, shown.splitlines())) <= 120
    assert "speaker-diarization-community-1" in shown
