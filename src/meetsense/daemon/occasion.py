"""The event of a calendar that began a recording, kept in its folder: a restart must not forget its end."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meetsense.capture import disk

NAME = "event.json"
"""Of the file in the recording's folder."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Occasion:
    """An occurrence of an event."""

    key: str
    """Of this occurrence alone."""
    end: datetime
    """UTC."""

    def keep(self, folder: Path) -> None:
        """Write it. Where the disk refuses, a restart forgets it, and the recording ends like any other."""
        try:
            disk.replace(folder / NAME, json.dumps({"key": self.key, "end": self.end.isoformat()}).encode())
        except OSError as error:
            log.warning("%s: a restart would forget the event (%s)", folder.name, error.strerror)


def kept(folder: Path) -> Occasion | None:
    """The one that a folder keeps; None where it keeps none, or a damaged one."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads((folder / NAME).read_bytes())
        end = datetime.fromisoformat(found["end"])
        if end.tzinfo is not None:
            return Occasion(str(found["key"]), end)
    return None


def drop(folder: Path) -> None:
    """The recording is over."""
    with suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)
