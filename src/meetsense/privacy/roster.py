"""The roster file: who was invited to a meeting, in TOML.

.. code-block:: toml

    title = "Weekly planning"              # optional
    started_at = 2026-11-23T09:00:00Z      # optional

    [[people]]
    name = "Ada"
    role = "chair"                         # optional: a formal role; never inferred
    label = "S1"                           # optional: the voice in this recording that is hers
    voice = "Ada"                          # optional: an enrolled voice
    agreed = ["recording", "named"]        # optional: without "named" only the label is shown
"""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from meetsense.errors import RosterError
from meetsense.values import Agreement, Participant, Roster

KEYS = {"title", "started_at", "people"}
PERSON_KEYS = {"name", "role", "label", "voice", "agreed"}
LONGEST_TEXT = 200
"""Characters of a name, a role, a label or a title."""


def read_roster(path: Path) -> Roster:
    """Read a roster file. Raises RosterError with every mistake in it, in one line."""
    try:
        content = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise RosterError(f"{path.name or path}: {_why(error)}") from None
    except UnicodeDecodeError:
        raise RosterError(f"{path.name}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise RosterError(f"{path.name}: not TOML: {error}") from None
    mistakes: list[str] = []
    roster = _roster(content, mistakes)
    if mistakes:
        raise RosterError(f"{path.name}: {'; '.join(mistakes)}")
    return roster


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a directory; name the file inside it"
    return error.strerror or str(error)


def _roster(content: dict[str, object], mistakes: list[str]) -> Roster:
    mistakes += [f"unknown key {key!r}" for key in sorted(content.keys() - KEYS)]
    people = content.get("people", [])
    if not isinstance(people, list) or not all(isinstance(entry, dict) for entry in people):
        mistakes.append("people must be tables: [[people]]")
        people = []
    participants = [_participant(i, entry, mistakes) for i, entry in enumerate(people, 1)]
    for key in ("name", "label", "voice"):
        counts = Counter(getattr(person, key) for person in participants if getattr(person, key))
        mistakes += [f"{key} {value!r} is given to {n} people" for value, n in counts.items() if n > 1]
    title = _text(content, "title", "title", mistakes)
    return Roster(tuple(participants), title, _start(content.get("started_at"), mistakes))


def _participant(position: int, entry: dict[str, object], mistakes: list[str]) -> Participant:
    where = f"person {position}"
    mistakes += [f"{where}: unknown key {key!r}" for key in sorted(entry.keys() - PERSON_KEYS)]
    name = _text(entry, "name", where, mistakes)
    if name is None and "name" not in entry:
        mistakes.append(f"{where}: needs a name")
    return Participant(
        name or "",
        _text(entry, "role", where, mistakes),
        _text(entry, "label", where, mistakes),
        _text(entry, "voice", where, mistakes),
        _agreed(entry.get("agreed"), where, mistakes),
    )


def _text(entry: dict[str, object], key: str, where: str, mistakes: list[str]) -> str | None:
    value = entry.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
        mistakes.append(f"{where}: {key} must be text of 1 to {LONGEST_TEXT} characters")
        return None
    return value.strip()


def _agreed(value: object, where: str, mistakes: list[str]) -> frozenset[Agreement] | None:
    if value is None:
        return None
    known = [str(agreement) for agreement in Agreement]
    if not isinstance(value, list) or not all(item in known for item in value):
        mistakes.append(f"{where}: agreed must list some of {', '.join(known)}")
        return None
    return frozenset(Agreement(item) for item in value)


def _start(value: object, mistakes: list[str]) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        mistakes.append("started_at must be a date and time, such as 2026-11-23T09:00:00Z")
        return None
    try:
        return value.astimezone(UTC)
    except (ValueError, OverflowError):
        mistakes.append("started_at is not a date that a meeting can have")
        return None
