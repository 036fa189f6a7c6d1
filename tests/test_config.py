"""Configuration: file, environment, and every mistake in one message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meetsense.config import MEMORY_MB, default_memory_mb, read_settings
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


def test_what_one_meeting_may_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = read_settings(write(tmp_path, ""))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    assert 0 < defaults.memory_mb <= min(6000, total)
    assert defaults.time_factor > 1
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 250_000}.__getitem__)
    assert read_settings(write(tmp_path, "")).memory_mb == 768
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2_500_000_000}.__getitem__)
    assert default_memory_mb() <= MEMORY_MB
    given = read_settings(write(tmp_path, "memory_mb = 9000\ntime_factor = 1.5\n"))
    assert (given.memory_mb, given.time_factor) == (9000, 1.5)
    with pytest.raises(ConfigError, match=r"memory_mb.*time_factor"):
        read_settings(write(tmp_path, "memory_mb = 0\ntime_factor = 0\n"))


def test_the_diarizer_and_the_roster_as_a_count(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, 'speakers = "roster"\npyannote_mode = "fast"\n'))
    assert (settings.speakers, settings.diarizer, settings.pyannote_mode) == ("roster", "auto", "fast")
    with pytest.raises(ConfigError, match="diarizer"):
        read_settings(write(tmp_path, 'diarizer = "best"\n'))


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
