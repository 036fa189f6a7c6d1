"""What the transcript readers share: a cue, its checks, and the fault that names a place."""

from __future__ import annotations

import math
from dataclasses import dataclass

from meetsense.values import Span, quantise

UNKNOWN_SPEAKER = "unknown"
"""Label of the cues that name nobody."""

MAX_SECONDS = 24 * 3600.0
"""No cue may end later than a day in: such times are dates or garbage, not a meeting's clock."""


class Fault(Exception):
    """What is wrong with a transcript, and where; the reader adds the file's name."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One timed entry of a transcript."""

    span: Span
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Cues:
    """What a reader found, in file order."""

    cues: tuple[Cue, ...]
    has_words: bool = True
    language: str | None = None
    title: str | None = None


def span_of(start: float, end: float, place: str) -> Span:
    """A checked span, quantised to 1 ms. Raises Fault, naming the place, for impossible times (s)."""
    for label, seconds in (("start", start), ("end", end)):
        if not math.isfinite(seconds):
            raise Fault(f"{place}: the {label} time is not a finite number")
        if seconds < 0:
            raise Fault(f"{place}: the {label} time {seconds:g} s is negative")
        if seconds > MAX_SECONDS:
            raise Fault(f"{place}: the {label} time {seconds:g} s is over {MAX_SECONDS / 3600:g} h")
    if end < start:
        raise Fault(f"{place}: ends at {end:g} s, before its start at {start:g} s")
    return Span(quantise(start), quantise(end))


def clean(text: str) -> str:
    """Text that UTF-8 can carry: a lone surrogate becomes U+FFFD, a NUL goes.

    >>> clean("caf\\u00e9 \\ud83d")
    'café \ufffd'
    """
    if text.isascii():
        return text.replace("\0", "")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


def label_of(speaker: str) -> str:
    """The speaker's label as written; blank means :data:`UNKNOWN_SPEAKER`."""
    return clean(speaker) if speaker.strip() else UNKNOWN_SPEAKER


def one_line(text: str, limit: int = 40) -> str:
    """Foreign text made fit for a message: one printable line, shortened.

    >>> one_line("a\\nb" + "c" * 50, limit=8)
    'a bcccc…'
    """
    shown = "".join(char if char.isprintable() else " " for char in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
