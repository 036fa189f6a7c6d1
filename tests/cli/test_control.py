"""The recorder's commands where there is no recorder: what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meetsense.cli import control
from meetsense.daemon.ending import Why

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


def test_who_watches_goes_on_watching_when_the_recorder_is_gone() -> None:
    assert control._seen(None).startswith("not known: no recorder runs here")
