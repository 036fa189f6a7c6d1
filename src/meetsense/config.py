"""The configuration file: TOML to frozen Settings, every mistake in one message.

A key in the environment (``MEETSENSE_THREADS=1``) wins over the file, an option of a command over both.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from meetsense.errors import ConfigError
from meetsense.values import SpeakerRange

FROM_ROSTER = "roster"
"""In place of a number of speakers: nobody but the roster's people spoke."""
MEMORY_MB = 6000
"""Most memory that the analysis of one meeting is given unless more is asked for."""
MEMORY_SHARE = 0.75
"""Of the machine's memory, at most so much by default."""


def _speakers(text: str | None) -> str | None:
    if text is not None and text != FROM_ROSTER:
        SpeakerRange.parse(text)
    return text


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


def default_state() -> Path:
    """The state directory: systemd's, or the user's."""
    import platformdirs

    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else platformdirs.user_state_path("meetsense")


def default_memory_mb() -> int:
    """Three quarters of what this machine or container has, at most MEMORY_MB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int((Path("/sys/fs/cgroup") / file).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(MEMORY_MB, int(total * MEMORY_SHARE / 1e6))


class Settings(BaseSettings):
    """What a box can be told once, for every command."""

    model_config = SettingsConfigDict(env_prefix="MEETSENSE_", extra="forbid", frozen=True)

    state: Path = Field(default_factory=default_state)
    """Directory of the database and of downloaded models."""
    db: Path | None = None
    """Database file; default: ``meetsense.db`` in the state directory."""
    whisper: str | None = None
    """Whisper model: a directory, or a name under ``models/whisper`` in the state directory."""
    language: str | None = Field(default=None, pattern="^[a-z]{2,3}$")
    """Language of the meetings, such as en; default: detected."""
    speakers: Annotated[str | None, BeforeValidator(_as_text), AfterValidator(_speakers)] = None
    """People in a meeting, ``N``, ``LOW-HIGH`` or ``roster``; default: estimated."""
    diarizer: Literal["auto", "embedded", "pyannote"] = "auto"
    """What tells voices apart; auto: pyannote where it can run, else embedded."""
    pyannote_mode: Literal["exact", "fast"] = "exact"
    """How pyannote is run: what the library gives, or nearly that in a fraction of the time."""
    threads: int = Field(default=0, ge=0, le=64)
    """Processor threads for the engines; 0: as many as help."""
    memory_mb: int = Field(default_factory=default_memory_mb, ge=300)
    """Memory in MB that the analysis of one meeting may take; beyond it the meeting is parked."""
    time_factor: float = Field(default=8.0, gt=0, le=1000)
    """Time that the analysis of one meeting may take, as a multiple of the recording's length."""

    @property
    def database(self) -> Path:
        """The database file."""
        return self.db or self.state / "meetsense.db"

    @property
    def models(self) -> Path:
        """Where downloaded models lie."""
        return self.state / "models"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values come as arguments."""
        return env_settings, init_settings


def read_settings(path: Path | None = None) -> Settings:
    """Settings from a TOML file and the environment.

    Without ``path``: ``meetsense/config.toml`` in the user's configuration directory, if there is one. Raises
    ConfigError with every mistake.
    """
    try:
        return Settings(**_read(path))
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_plain(e)}" for e in error.errors())
        raise ConfigError(f"{path or 'configuration'}: {mistakes}") from None


def _plain(mistake: Any) -> str:
    return "unknown key" if mistake["type"] == "extra_forbidden" else str(mistake["msg"])


def _read(path: Path | None) -> dict[str, Any]:
    import platformdirs

    file = path or platformdirs.user_config_path("meetsense") / "config.toml"
    try:
        if path is None and not file.is_file():
            return {}
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
