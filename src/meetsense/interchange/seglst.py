"""SegLST: a JSON list of segments with ``start_time``, ``end_time``, ``speaker`` and ``words``.

Times are seconds, numbers or (as CHiME writes them) numeric strings. ``session_id`` may be left
out, but one file is one session. Further keys are ignored.
"""

from __future__ import annotations

import json
from typing import Any

from meetsense.interchange.cue import Cue, Cues, Fault, clean, label_of, one_line, span_of


def read(text: str) -> Cues:
    """Read a SegLST file. Raises Fault, with the entry's position from 0, for what doesn't fit."""
    entries = _entries(text)
    cues = tuple(_cue(entry, f"entry {i}") for i, entry in enumerate(entries))
    sessions = list(dict.fromkeys(_session(entry, f"entry {i}") for i, entry in enumerate(entries)))
    if len(sessions) > 1:
        raise Fault(f"holds {len(sessions)} sessions; give one file a meeting")
    return Cues(cues, title=sessions[0] if sessions else None)


def _entries(text: str) -> list[Any]:
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise Fault(f"line {error.lineno}: not JSON: {one_line(error.msg, 60)}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits; nesting without end
        raise Fault("not JSON that can be read: a number too long or nesting too deep") from None
    if not isinstance(entries, list):
        raise Fault(f"SegLST is a JSON list of segments, not {_kind(entries)}")
    return entries


def _cue(entry: object, place: str) -> Cue:
    if not isinstance(entry, dict):
        raise Fault(f"{place}: a segment is an object, not {_kind(entry)}")
    for key in ("start_time", "end_time", "speaker", "words"):
        if key not in entry:
            raise Fault(f"{place}: has no {key!r}")
    for key in ("speaker", "words"):
        if not isinstance(entry[key], str):
            raise Fault(f"{place}: {key!r} is text, not {_kind(entry[key])}")
    span = span_of(_seconds(entry, "start_time", place), _seconds(entry, "end_time", place), place)
    return Cue(span, label_of(entry["speaker"]), clean(entry["words"]))


def _seconds(entry: dict[str, Any], key: str, place: str) -> float:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Fault(f"{place}: {key!r} is a number of seconds, not {_kind(value)}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise Fault(f"{place}: {key!r} is a number of seconds, not {one_line(str(value)[:50])!r}") from None


def _session(entry: dict[str, Any], place: str) -> str | None:
    session = entry.get("session_id")
    if session is not None and not isinstance(session, str):
        raise Fault(f"{place}: 'session_id' is text, not {_kind(session)}")
    return clean(session).strip() or None if session is not None else None


def _kind(value: object) -> str:
    """What JSON calls a value."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
