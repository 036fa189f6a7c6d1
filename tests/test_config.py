"""Configuration: file, environment, and every mistake in one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetsense.config import read_settings
from meetsense.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_file_and_defaults(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, f'state = "{tmp_path}"\nspeakers = "2-6"\n'))
    assert settings.database == tmp_path / "meetsense.db"
    assert settings.models == tmp_path / "models"
    assert (settings.speakers, settings.language, settings.threads) == ("2-6", None, 0)


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETSENSE_THREADS", "3")
    assert read_settings(write(tmp_path, "threads = 1")).threads == 3


def test_systemd_names_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("MEETSENSE_STATE", raising=False)
    assert read_settings(write(tmp_path, "")).state == tmp_path


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_settings(
            write(tmp_path, 'colour = 1\nthreads = "many"\nspeakers = "6-2"\nlanguage = "English"\n')
        )
    line = str(raised.value)
    for mistake in ("colour: unknown key", "threads: ", "speakers: ", "language: "):
        assert mistake in line


@pytest.mark.parametrize("text", ["x = [", "\udcff"])
def test_not_toml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match="not TOML"):
        read_settings(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")
