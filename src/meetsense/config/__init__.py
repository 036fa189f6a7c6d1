"""The configuration file: TOML to frozen Settings, every mistake in one message.

A key in the environment (``MEETSENSE_THREADS=1``, ``MEETSENSE_CAPTURE__CHANNEL=2``) wins over the file, an
option of a command over both.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from meetsense.config.sections import (
    SOCKET,
    CalendarSettings,
    CaptureSettings,
    MaybePlace,
    Place,
    PolicySettings,
    ProcessSettings,
    Real,
    RoomSettings,
    Text,
    Whole,
    default_state,
    given,
)
from meetsense.errors import ConfigError
from meetsense.values import SpeakerRange

PREFIX = "MEETSENSE_"
"""Of the environment's variables."""
NESTED = "__"
"""Between a section and a key in a variable's name."""
SYSTEM_CONFIG = Path("/etc/meetsense/config.toml")
"""The services' configuration: that of whoever has none of their own and may read it."""
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


def _or_state(value: Any) -> Any:
    return default_state() if given(value) is None else value


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

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    state: Annotated[Place, BeforeValidator(_or_state)] = Field(default_factory=default_state)
    """Directory of the recordings, the database and downloaded models; when empty: systemd's StateDirectory=,
    or the user's state directory."""
    db: MaybePlace = None
    """Database file; when empty: meetsense.db in the state directory."""
    whisper: Text = None
    """Whisper model: a directory, or a name under models/whisper in the state directory; when empty: the
    largest there that memory allows."""
    language: Annotated[Annotated[str, Field(pattern="^[a-z]{2,3}$")] | None, BeforeValidator(given)] = None
    """Language of the meetings, such as en; when empty: detected."""
    speakers: Annotated[Text, BeforeValidator(_as_text), AfterValidator(_speakers)] = None
    """People in a meeting, such as 4 or 2-6, or roster; when empty: estimated."""
    diarizer: Literal["auto", "embedded", "pyannote"] = "auto"
    """What tells voices apart: embedded, pyannote, or auto: pyannote where it can run, else embedded."""
    pyannote_mode: Literal["exact", "fast"] = "exact"
    """How pyannote is run: exact is what the library gives, fast nearly that in a fraction of the time."""
    threads: Annotated[Whole, Field(ge=0, le=64)] = 0
    """Processor threads for the engines; 0: as many as help."""
    memory_mb: Annotated[Whole, Field(ge=300)] = Field(default_factory=default_memory_mb)
    """Memory in MB that the analysis of one meeting may take; beyond it the meeting is parked. Default: three
    quarters of the machine's, at most 6000."""
    time_factor: Annotated[Real, Field(gt=0, le=1000)] = 8.0
    """Time that the analysis of one meeting may take, as a multiple of the recording's length."""

    room: RoomSettings = Field(default_factory=RoomSettings)
    capture: CaptureSettings = Field(default_factory=CaptureSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    calendar: CalendarSettings = Field(default_factory=CalendarSettings)
    process: ProcessSettings = Field(default_factory=ProcessSettings)

    @model_validator(mode="after")
    def _own_socket(self) -> Settings:
        """A state directory of one's own has a recorder of its own, with its own socket."""
        named = "socket" in self.capture.model_fields_set
        if self.state != default_state() and not (named or os.environ.get("RUNTIME_DIRECTORY")):
            own = self.capture.model_copy(update={"socket": self.state / "run" / SOCKET})
            object.__setattr__(self, "capture", own)
        return self

    @property
    def database(self) -> Path:
        """The database file."""
        return self.db or self.state / "meetsense.db"

    @property
    def recordings(self) -> Path:
        """Where the folders of recordings lie."""
        return self.state / "recordings"

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
        return Environment(settings_cls), init_settings


class Environment(PydanticBaseSettingsSource):
    """Variables as the file would say them: texts, in sections."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not asked for: the whole is given at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every variable that names a key."""
        return environment()


def sections() -> Mapping[str, type[BaseModel]]:
    """The sections' classes by name, in the order of the file."""
    fields = Settings.model_fields.items()
    kinds = {name: field.annotation for name, field in fields}
    return {
        name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)
    }


def environment() -> dict[str, Any]:
    """What the environment says, as the file would say it.

    A variable with ``__`` always counts, so that one which names no key is found to be a mistake; any other
    only where it names a key: programs around this one have their own.
    """
    found: dict[str, Any] = {}
    for variable, text in sorted(os.environ.items()):
        if not variable.upper().startswith(PREFIX):
            continue
        section, nested, key = variable[len(PREFIX) :].lower().partition(NESTED)
        if not nested:
            if section in Settings.model_fields and section not in sections():
                found[section] = text
        elif section not in sections():
            found[f"{section}.{key}"] = text
        else:
            found.setdefault(section, {})[key] = text
    return found


def read_settings(path: Path | None = None, *, files: bool = False) -> Settings:
    """Settings from a TOML file and the environment.

    Without ``path``: ``meetsense/config.toml`` in the user's configuration directory, or the services', if
    there is one. ``files``: what the file names must be there, too. Raises ConfigError with every mistake.
    """
    from meetsense.config.mistakes import mistakes_of

    file = path or default_file()
    values = read_toml(file) if file else {}
    try:
        # What begins so is an argument of the library's, and no key.
        settings = Settings(**{key: value for key, value in values.items() if not key.startswith("_")})
    except ValidationError as error:
        mistakes = mistakes_of(values, error, files=files)
    else:
        mistakes = mistakes_of(values, None, files=files)
        if not mistakes:
            return settings
    raise ConfigError(str(file or "configuration"), mistakes)


@dataclass(frozen=True, slots=True)
class Origin:
    """A key that is in force."""

    key: str
    """With its section: ``capture.channel``."""
    value: Any
    source: Literal["default", "file", "environment", "option"]


def origins(settings: Settings, file: Path | None) -> tuple[Origin, ...]:
    """Every key of settings that were read from a file and the environment, and where each comes from.

    Raises ConfigError.
    """
    variables, values = environment(), read_toml(file) if file else {}

    def origin(key: str, value: Any, *path: str) -> Origin:
        named = "environment" if _has(variables, path) else "file" if _has(values, path) else "default"
        return Origin(key, value, named)  # type: ignore[arg-type]

    kinds = sections()
    top = [origin(name, getattr(settings, name), name) for name in Settings.model_fields if name not in kinds]
    nested = [
        origin(f"{section}.{name}", getattr(getattr(settings, section), name), section, name)
        for section, kind in kinds.items()
        for name in kind.model_fields
    ]
    return (*top, *nested)


def _has(values: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for part in path[:-1]:
        values = values.get(part, {})
    return path[-1] in values


def default_file() -> Path | None:
    """The configuration file that is read when none is named, if there is one."""
    import platformdirs

    own = platformdirs.user_config_path("meetsense") / "config.toml"
    with suppress(PermissionError):  # the home of another, as after runuser
        if own.is_file():
            return own
    return SYSTEM_CONFIG if os.access(SYSTEM_CONFIG, os.R_OK) else None


def read_toml(file: Path) -> dict[str, Any]:
    """A file's values. Raises ConfigError."""
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{file}: not TOML: nested too deeply") from None
