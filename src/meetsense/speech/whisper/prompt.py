"""Names and agenda as a prompt: Whisper spells what it was told.

faster-whisper has two ways in, ``initial_prompt`` and ``hotwords``. Without conditioning on the text before,
the first reaches only the first window of a recording in sequential mode; the second reaches every window in
both modes, so names and agenda go there together. Both count against the decoder's context, and each alone
is cut at half of it: together they would leave no room to say anything. The budget is kept here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meetsense.speech.whisper.filters import plain

NAMES_SHARE, WHOLE_SHARE = 0.25, 0.45
"""Of the decoder's context, for names, and for names and agenda together. A window of fast speech needs some
200 of the 448 positions."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What Whisper is told before it listens."""

    text: str = ""
    words: tuple[str, ...] = ()
    """Its plain words, to know them again in the output."""


def fit_prompt(
    names: Sequence[str], agenda: Sequence[str], count: Callable[[str], int], context: int
) -> Prompt:
    """As many names, then items of the agenda, as fit, each whole or not at all.

    ``count``: tokens of a text. ``context``: positions of the decoder.

    >>> fit_prompt(["Ana Kovač", "Bo"], ["Hiring"], lambda text: len(text.split()), 448).text
    'Ana Kovač, Bo. Hiring.'
    """
    called = _listed(names, ", ", count, int(context * NAMES_SHARE))
    planned = _listed(agenda, "; ", count, int(context * WHOLE_SHARE) - (count(called) if called else 0))
    text = " ".join(part for part in (called, planned) if part)
    return Prompt(text, tuple(plain(text)))


def _listed(items: Sequence[str], between: str, count: Callable[[str], int], room: int) -> str:
    """Items as one sentence of at most ``room`` tokens."""
    kept: list[str] = []
    for item in dict.fromkeys(map(_clean, items)):
        if item and count(_sentence([*kept, item], between)) <= room:
            kept.append(item)
    return _sentence(kept, between)


def _sentence(items: Sequence[str], between: str) -> str:
    return f"{between.join(items)}." if items else ""


def _clean(text: str) -> str:
    """One line without what a tokenizer would take for its own signs, such as ``<|endoftext|>``."""
    return re.sub(r"\s+", " ", re.sub(r"[<>|\x00-\x1f]+", " ", text)).strip(" .;,")
