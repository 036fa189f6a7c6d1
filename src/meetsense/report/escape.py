"""Text from outside (names, titles, what was said) made safe to show."""

from __future__ import annotations

import unicodedata

KEPT_FORMATS = "\u200c\u200d"
"""Joiners: emoji families and several scripts need them, and they change no order."""
_BREAKS = {"Cc", "Zl", "Zp"}


def clean(text: str) -> str:
    """One line without control characters, bidi overrides and other invisible marks.

    Control characters and line ends become spaces, runs of space one space; format characters other
    than the joiners go, lone surrogates become U+FFFD.

    >>> clean("Ada\\x1b[31m\\r\\nLovelace"), clean("\\u202eadA")
    ('Ada [31m Lovelace', 'adA')
    """
    return " ".join("".join(map(_safe, text)).split())


def clip(text: str, longest: int) -> str:
    """Cleaned text of at most so many characters; what is cut ends in an ellipsis.

    >>> clip("one two  three", 8)
    'one two…'
    """
    line = clean(text)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _safe(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    category = unicodedata.category(char)
    if category in _BREAKS:
        return " "
    if category == "Cf":
        return char if char in KEPT_FORMATS else ""
    return "\ufffd" if category == "Cs" else char
