"""No test touches the user's own database or configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setattr("meetsense.config.SYSTEM_CONFIG", home / "none.toml")
    for name in [name for name in os.environ if name.startswith("MEETSENSE_")]:
        monkeypatch.delenv(name)
