"""RTTM: who spoke when, without words. ``SPEAKER file channel start duration <NA> <NA> name …``."""

from __future__ import annotations

from meetsense.interchange.cue import Cue, Cues, Fault, clean, label_of, one_line, span_of

_PASSED_OVER = {"SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT"}
_PASSED_OVER |= {"IP", "SU", "CB", "A/P", "SPKR-INFO"}
"""The other types of line that RTTM knows."""
_FIELDS = 8
"""Up to the speaker's name; what follows is optional."""


def read(text: str) -> Cues:
    """Read an RTTM file. Raises Fault, with the line, for what doesn't fit; other types are passed over."""
    cues: list[Cue] = []
    files: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        if not fields or fields[0].startswith(";"):
            continue
        if fields[0] in _PASSED_OVER:
            continue
        if fields[0] != "SPEAKER":
            raise Fault(f"line {number}: {one_line(fields[0])!r} is no type of RTTM line; expected SPEAKER")
        cues.append(_cue(fields, f"line {number}"))
        files.add(fields[1])
    if len(files) > 1:
        raise Fault(f"holds {len(files)} recordings; give one file a meeting")
    return Cues(tuple(cues), has_words=False, title=clean(files.pop()) if files else None)


def _cue(fields: list[str], place: str) -> Cue:
    if len(fields) < _FIELDS:
        raise Fault(f"{place}: a SPEAKER line has at least {_FIELDS} fields, not {len(fields)}")
    start = _seconds(fields[3], "start", place)
    duration = _seconds(fields[4], "duration", place)
    if duration < 0:
        raise Fault(f"{place}: the duration {duration:g} s is negative")
    return Cue(span_of(start, start + duration, place), label_of(fields[7]), "")


def _seconds(field: str, label: str, place: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise Fault(f"{place}: the {label} is a number of seconds, not {one_line(field)!r}") from None
