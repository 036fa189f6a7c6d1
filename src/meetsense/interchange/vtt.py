"""WebVTT: captions with voice tags, ``<v Name>words</v>``.

The text of a cue is its lines joined by a space, without tags, entities resolved. A cue with
several voices stays one utterance, of the first voice: ids follow the file's cues.
"""

from __future__ import annotations

import html
import re

from meetsense.interchange.cue import UNKNOWN_SPEAKER, Cue, Cues, Fault, clean, label_of, one_line, span_of

_TIME = r"(?:\d{1,10}:)?\d{1,2}:\d{1,2}\.\d{1,3}"
_TIMING = re.compile(rf"\s*({_TIME})\s*-->\s*({_TIME})(?!\d)", re.ASCII)
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]*)>")
_TAG = re.compile(r"<[^<>]*>")
_BLOCKS = ("NOTE", "STYLE", "REGION")
"""What the blocks that are no cues begin with."""
_LANGUAGE = re.compile(r"Language:\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\s*")


def read(text: str) -> Cues:
    """Read a WebVTT file. Raises Fault, with the line, for a cue that the format doesn't allow."""
    import webvtt

    lines = re.split(r"\r\n|\n|\r", text)
    if not re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        raise Fault("line 1: a WebVTT file starts with WEBVTT")
    _no_stray_blocks(lines)
    timings = [_timing(line, number) for number, line in enumerate(lines, 1) if _has_arrow(line)]
    try:
        file = webvtt.WebVTT.from_string("\n".join(lines))
    except webvtt.errors.MalformedFileError:
        raise Fault("line 1: not a WebVTT file") from None
    captions = file.captions
    if len(captions) != len(timings):
        raise Fault(f"{len(timings) - len(captions)} of {len(timings)} cues cannot be read")
    cues = tuple(
        Cue(span_of(start, end, f"line {number}"), _speaker(caption.raw_text), _words(caption.raw_text))
        for (number, start, end), caption in zip(timings, captions, strict=True)
    )
    language, title = _header(lines)
    return Cues(cues, language=language, title=title)


def _no_stray_blocks(lines: list[str]) -> None:
    """Raise Fault for text that belongs to no cue, as when an arrow is misspelt: it would be lost."""
    starts = [i for i in range(1, len(lines)) if lines[i].strip() and not lines[i - 1].strip()]
    for start in starts:
        if lines[start].startswith(_BLOCKS) or any("-->" in line for line in lines[start : start + 2]):
            continue
        raise Fault(f"line {start + 1}: text without cue times: {one_line(lines[start])!r}")


def _has_arrow(line: str) -> bool:
    return "-->" in line and not line.startswith("NOTE")


def _timing(line: str, number: int) -> tuple[int, float, float]:
    # The library drops a cue whose times it can't read; a transcript with holes would mislead.
    match = _TIMING.match(line)
    if match is None:
        raise Fault(f"line {number}: cue times are hh:mm:ss.mmm --> hh:mm:ss.mmm, not {one_line(line)!r}")
    return number, _seconds(match[1], number), _seconds(match[2], number)


def _seconds(time: str, number: int) -> float:
    *hours, minutes, seconds = time.split(":")
    if int(minutes) > 59 or float(seconds) >= 60:
        raise Fault(f"line {number}: {time} is not a time: minutes and seconds go to 59")
    return sum(map(int, hours)) * 3600 + int(minutes) * 60 + float(seconds)


def _speaker(raw: str) -> str:
    match = _VOICE.search(raw)
    return label_of(" ".join(html.unescape(match[1]).split())) if match else UNKNOWN_SPEAKER


def _words(raw: str) -> str:
    return clean(" ".join(html.unescape(_TAG.sub("", raw)).split()))


def _header(lines: list[str]) -> tuple[str | None, str | None]:
    """Language and title of the header block, where it has them."""
    title = clean(lines[0][len("WEBVTT") :].strip(" \t-–")) or None
    for line in lines[1:]:
        if not line or "-->" in line:
            break
        if match := _LANGUAGE.fullmatch(line):
            return match[1], title
    return None, title
