"""What may be asked of the recorder on its socket, checked to the last key before anything is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from meetsense.daemon.recorder import Recorder
from meetsense.errors import ControlError

MOST_PEOPLE = 200
LONGEST_NAME = 200
"""Characters of a name or a title."""
LONGEST_FORGOTTEN = 24 * 3600.0
"""Seconds."""

Request = Mapping[str, Any]


def answer(recorder: Recorder, request: Request) -> Mapping[str, Any]:
    """Do what a request asks: the recorder's status afterwards. Raises MeetsenseError."""
    name = request.get("command")
    if not isinstance(name, str) or name not in COMMANDS:
        raise ControlError(f"command must be one of: {', '.join(COMMANDS)}")
    keys, carry_out = COMMANDS[name]
    if unknown := sorted(set(request) - {"command", *keys}):
        raise ControlError(f"{name} does not take: {', '.join(map(repr, unknown))}")
    told = carry_out(recorder, request)
    return {**recorder.status(), **(told or {})}


def _start(recorder: Recorder, request: Request) -> None:
    present = request.get("with", [])
    if not isinstance(present, list) or len(present) > MOST_PEOPLE:
        raise ControlError(f"with must be a list of at most {MOST_PEOPLE} names")
    title = request.get("title")
    start(recorder, present, title)


def start(recorder: Recorder, present: Iterable[object], title: object) -> None:
    """Begin, if names and title are lines of text. Raises what :meth:`Recorder.start` raises."""
    names = [_text(name, "a name") for name in present]
    recorder.start(names, None if title is None else _text(title, "title"))


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME or not _plain(value):
        raise ControlError(f"{what} must be a line of 1 to {LONGEST_NAME} characters")
    return value.strip()


def _plain(text: str) -> bool:
    return not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in text)


def _stop(recorder: Recorder, _: Request) -> None:
    recorder.stop()


def _pause(recorder: Recorder, _: Request) -> None:
    recorder.pause()


def _resume(recorder: Recorder, _: Request) -> None:
    recorder.resume()


def _status(_: Recorder, __: Request) -> None:
    pass


def _forget(recorder: Recorder, request: Request) -> Mapping[str, Any]:
    seconds = request.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ControlError("seconds must be a number")
    if not math.isfinite(seconds) or not 0 < seconds <= LONGEST_FORGOTTEN:
        hours = LONGEST_FORGOTTEN / 3600
        raise ControlError(f"seconds must be more than 0 and at most {LONGEST_FORGOTTEN:.0f} ({hours:.0f} h)")
    return {"forgotten_seconds": round(recorder.forget(float(seconds)), 3)}


COMMANDS: Mapping[str, tuple[tuple[str, ...], Callable[[Recorder, Request], Mapping[str, Any] | None]]] = {
    "start": (("with", "title"), _start),
    "stop": ((), _stop),
    "pause": ((), _pause),
    "resume": ((), _resume),
    "status": ((), _status),
    "forget": (("seconds",), _forget),
}
"""Keys that a command takes beside its name, and what carries it out."""
