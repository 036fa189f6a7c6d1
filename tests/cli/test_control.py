"""The recorder's commands where there is no recorder: what they say."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from meetsense.cli import control
from meetsense.daemon.commands import LONGEST_FORGOTTEN
from meetsense.daemon.ending import Why
from tests.cli.conftest import Call

Refused = Callable[..., str]


def test_every_end_is_told_in_words() -> None:
    assert control.WHY.keys() == {why.value for why in Why}


def test_settings_that_one_may_not_read_are_no_silence(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no recorder runs here" in refused("status")
    hidden = tmp_path / "config.toml"
    hidden.touch()
    monkeypatch.setattr("meetsense.config.SYSTEM_CONFIG", hidden)
    monkeypatch.setattr("meetsense.config.os.access", lambda *_: False)
    assert "is not for you to read; ask as the services' user" in refused("status")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("99h", "is more than 24h, the most that can be named"),
        ("24h1s", "is more than 24h, the most that can be named"),
        ("0s", "is no time at all; name one such as 90s or 5m"),
        ("0h0m0s", "is no time at all; name one such as 90s or 5m"),
        ("", "is not a duration such as 5m, 90s or 1h30m"),
        ("soon", "is not a duration such as 5m, 90s or 1h30m"),
    ],
)
def test_what_cannot_be_forgotten(call: Call, said: str, why: str) -> None:
    told = call("forget", "--last", said, code=2)
    assert told.stderr.splitlines()[-1] == f"Error: Invalid value for '--last': {said!r} {why}"


def test_the_most_that_the_recorder_forgets_can_be_named(refused: Refused) -> None:
    assert control.MOST_HOURS * 3600 == LONGEST_FORGOTTEN
    assert "no recorder runs here" in refused("forget", "--last", f"{control.MOST_HOURS}h")


def test_what_a_killed_recorder_left_is_told_and_not_believed(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket, ended = tmp_path / "run" / "control.sock", subprocess.Popen(["true"])
    ended.wait()
    monkeypatch.setenv("MEETSENSE_CAPTURE__SOCKET", str(socket))
    socket.parent.mkdir(mode=0o700)
    assert "ended without a word" not in refused("status")
    shown = {"state": "recording", "at": "2026-11-24T09:00:00.000+00:00", "process": ended.pid}
    status = socket.with_name("status.json")
    status.write_text(json.dumps(shown))
    told = refused("status")
    assert "no recorder runs here; start it with: " in told
    assert re.search(
        r"; the last one ended without a word at 2026-11-2\d \d\d:\d\d:00, while recording$", told
    )
    assert "while recording" in control._seen(None)
    status.write_text(json.dumps({**shown, "state": "idle"}))
    assert "ended without a word" not in refused("status")


def test_who_watches_goes_on_watching_when_the_recorder_is_gone() -> None:
    assert control._seen(None).startswith("not known: no recorder runs here")
