"""The sections of the configuration: the room, its recorder, why it may record, its calendar, the processor.

A text or a path that is empty counts as not given, so that the environment can take back what the file gives.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from meetsense.config.recipient import is_recipient

SOCKET_BYTES = 107
"""Longest path of a Unix socket (``sun_path`` of unix(7), without its final zero)."""


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def given(value: Any) -> Any:
    """None in place of an empty text."""
    return None if isinstance(value, str) and not value.strip() else value


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: there is no home directory here") from None


Whole = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number), AfterValidator(_finite)]
Text = Annotated[str | None, BeforeValidator(given)]
Place = Annotated[Path, AfterValidator(_expanded)]
MaybePlace = Annotated[Place | None, BeforeValidator(given)]


def _channel(value: Any) -> Any:
    text = str(value).strip()
    if text == "mix":
        return text
    if isinstance(value, bool | float) or not re.fullmatch(r"[1-9]\d?", text, re.ASCII):
        raise ValueError("must be mix or a channel's number: 1 is the first, 99 the last possible")
    return int(text)


def _recipient(text: str | None) -> str | None:
    if text is not None and not is_recipient(text):
        raise ValueError(
            "not an age recipient (age1 and 58 more letters and digits, the last six a checksum); "
            "age-keygen -y IDENTITY prints an identity's"
        )
    return text


def _command(text: str | None) -> str | None:
    if text is not None:
        try:
            shlex.split(text)
        except ValueError as error:
            raise ValueError(f"not a command: {str(error).lower()}") from None
    return text


def _timezone(name: str | None) -> str | None:
    from difflib import get_close_matches
    from zoneinfo import ZoneInfo, available_timezones

    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name; a directory of names
        near = get_close_matches(name, available_timezones(), 1)
        meant = f"; did you mean {near[0]}?" if near else ", such as Europe/Berlin"
        raise ValueError(f"no timezone of the IANA database is called {name!r}{meant}") from None
    return name


def _sha256(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be 64 hex digits in lower case, as sha256sum prints them")
    return text


def _socket(path: Path) -> Path:
    if len(os.fsencode(path)) > SOCKET_BYTES:
        raise ValueError(f"longer than {SOCKET_BYTES} bytes, which is the most for a socket's path")
    return path


def _credential(name: str) -> str:
    if not name or "\0" in name or ("/" in name and not Path(name).is_absolute()):
        raise ValueError("must be a credential's name, without a slash, or an absolute path")
    return name


def default_room() -> str:
    """The machine's name."""
    import socket

    return socket.gethostname() or "room"


def default_state() -> Path:
    """The state directory: systemd's, or the user's."""
    import platformdirs

    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else platformdirs.user_state_path("meetsense")


SOCKET = "control.sock"


def default_socket() -> Path:
    """In the runtime directory, systemd's or the user's; without one, below the state directory."""
    given_by = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    user = os.environ.get("XDG_RUNTIME_DIR", "")
    return (
        Path(given_by) if given_by else Path(user) / "meetsense" if user else default_state() / "run"
    ) / SOCKET


def _or_room(value: Any) -> Any:
    return default_room() if given(value) is None else value


def _or_socket(value: Any) -> Any:
    return default_socket() if given(value) is None else value


class Section(BaseModel):
    """A table of the file. Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RoomSettings(Section):
    """The room that is listened to."""

    name: Annotated[str, BeforeValidator(_or_room)] = Field(default_factory=default_room)
    """What the room is called, in recordings and in the calendar; when empty: the machine's name."""
    timezone: Annotated[Text, AfterValidator(_timezone)] = None
    """The room's timezone by its IANA name, such as Europe/Berlin; when empty: the machine's."""


class CaptureSettings(Section):
    """The recorder."""

    device: Text = None
    """Name of the microphone, or a part that only its name has; when empty: the system's default."""
    channel: Annotated[int | Literal["mix"], BeforeValidator(_channel)] = "mix"
    """Channel that is recorded, counted from 1, or mix: the mean of all."""
    segment_seconds: Annotated[Real, Field(ge=1, le=60)] = 60.0
    """Longest file of a recording, in seconds."""
    sync_seconds: Annotated[Real, Field(ge=0.1, le=10)] = 1.0
    """How often sound is forced onto the disk, in seconds: a power cut costs at most that and 0.5 s more."""
    resume_minutes: Annotated[Real, Field(ge=0, le=1440)] = 15.0
    """A recording that a crash or a lost microphone broke off goes on when it is younger, in minutes; 0: it
    is finished as it is."""
    stop_after_minutes: Annotated[Real, Field(gt=0, le=1440)] = 20.0
    """A recording ends when it was quieter than floor_dbfs for so long, in minutes: somebody forgot to stop
    it."""
    floor_dbfs: Annotated[Real, Field(ge=-90, le=-20)] = -60.0
    """Level below which nobody speaks, in dB below full scale."""
    longest_hours: Annotated[Real, Field(gt=0, le=24)] = 6.0
    """A recording ends after so long whatever is heard, in hours."""
    low_water_mb: Annotated[Whole, Field(ge=1)] = 200
    """Recording waits while less is free on the disk, in MB (1,000,000 bytes)."""
    encrypt_to: Annotated[Text, AfterValidator(_recipient)] = None
    """Public key, age1…, that closed segments are encrypted to with age; needs the extra encryption. Only who
    has the identity can open them: keep it off this machine, or where the processor alone gets it (see
    process.identity). When empty: not encrypted."""
    indicator: Annotated[Text, AfterValidator(_command)] = None
    """Command that runs while the room is recorded, such as one that switches a light on until its input
    ends. It must not end by itself: recording stops within 5 s when it does. When empty: none."""
    status_file: MaybePlace = None
    """File that holds the recorder's state as JSON, renewed each second; without names and titles, and for
    all to read. Once its time (at) is 4 s ago, the recorder was killed. When empty: status.json beside the
    socket."""
    socket: Annotated[Place, AfterValidator(_socket), BeforeValidator(_or_socket)] = Field(
        default_factory=default_socket
    )
    """Socket on which the recorder is told to start and stop, in a directory that is its user's alone; when
    empty: control.sock in the runtime directory, or in run/ below a state directory that is named."""


@dataclass(frozen=True, slots=True)
class StatedPolicy:
    """A policy as the configuration states it."""

    text: Path
    sha256: str


class PolicySettings(Section):
    """The room's standing policy, such as a works agreement: what allows recording where it is given.

    Without it a meeting is recorded only when everyone present is named and agreed.
    """

    text: MaybePlace = None
    """File with the policy's text; when empty: there is no policy."""
    sha256: Annotated[Text, AfterValidator(_sha256)] = None
    """SHA-256 of that file, in hex, as sha256sum prints it: a text that was changed allows nothing."""

    def stated(self) -> StatedPolicy | None:
        """The policy, where there is one."""
        return StatedPolicy(self.text, self.sha256) if self.text and self.sha256 else None


class CalendarSettings(Section):
    """The calendar that starts recordings. Nothing else starts one but a command."""

    file: MaybePlace = None
    """Calendar file (ICS) whose events in this room are recorded; needs [policy] and the extra calendar. When
    empty: no calendar starts a recording."""
    room: Text = None
    """The room as the events' location names it; when empty: room.name."""


class ProcessSettings(Section):
    """The processor, which analyses what was recorded."""

    attempts: Annotated[Whole, Field(ge=1, le=20)] = 3
    """How often the analysis of a recording is tried before it is parked with its reason."""
    keep_free_mb: Annotated[Whole, Field(ge=1)] = 1000
    """Disk that is left to the recorder, in MB: an analysis waits that needs it. At least twice
    capture.low_water_mb."""
    nice: Annotated[Whole, Field(ge=0, le=19)] = 10
    """How far the processor steps back behind the recorder: 0 not at all, 19 most."""
    identity: Annotated[str, AfterValidator(_credential)] = "meetsense.identity"
    """Credential that holds the age identity that opens encrypted recordings (systemd's LoadCredential=), or
    a file's absolute path."""
