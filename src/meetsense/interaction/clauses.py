"""Whether somebody stopped in the middle of a clause: what a silent interruption is told by.

A **silent interruption** (Ferguson 1977) is a change of speaker without overlap after a clause that isn't
complete. A clause is taken to be incomplete when its last word is broken off or followed by a dash, an
ellipsis or a comma, or is one that a clause hardly ever ends with ("the", "because"). Where the text says
that a sentence has ended, it has. The words are data (``languages/<code>.toml``, table ``clauses``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meetsense.interaction.floor import LAPSE_MS, Bools, Stretches
from meetsense.interaction.lexicon import code_of, language_data, plain_text, tokens
from meetsense.values import Utterance

NEAR_MS = 500
"""Recognisers and diarizers disagree by so much about when a word ended."""
OPEN = ("-", "–", "—", "...", "…", ",")
CLOSED = (".", "?", "!")
QUOTES = "\"'“”‘’»«)]"


def open_words(language: str | None) -> frozenset[str] | None:
    """Words that hardly ever end a clause in a language; None when it has no such list."""
    code = code_of(language)
    data = language_data(code) if code else None
    return frozenset(data["clauses"]["open"]) if data and "clauses" in data else None


def is_open(text: str, words: frozenset[str]) -> bool:
    """Whether a clause that ends with this text isn't complete.

    >>> [is_open(text, frozenset({"the"})) for text in ("I want the", "See the.", "we sh-", "Well,", "Yes")]
    [True, False, True, True, False]
    """
    ending = text.rstrip().rstrip(QUOTES)
    if ending.endswith(OPEN):
        return True
    if ending.endswith(CLOSED):
        return False
    said = tokens(plain_text(ending))
    return bool(said) and said[-1] in words


def silent_interruptions(
    turns: Stretches, labels: Sequence[str], utterances: Sequence[Utterance], words: frozenset[str]
) -> Bools:
    """Which changes of speaker, shape (turns − 1,), are silent interruptions: the next person comes in after
    no overlap and less than a lapse, and the words of the one before end within half a second of their turn
    and leave a clause open.
    """
    offset = turns.start[1:] - turns.end[:-1]
    found = (offset >= 0) & (offset < LAPSE_MS)
    position = {label: i for i, label in enumerate(labels)}
    said = [item for item in utterances if item.speaker in position and item.text.strip()]
    if not said:
        return np.zeros(len(offset), dtype=np.bool_)
    speaker = np.array([position[item.speaker] for item in said], dtype=np.int64)
    begins = np.rint(np.array([item.span.start for item in said]) * 1000).astype(np.int64)
    away = int(max(turns.end.max(), begins.max())) + 1
    keys = speaker * away + begins
    order = np.argsort(keys, kind="stable")
    last = np.searchsorted(keys[order], turns.speaker * away + turns.end, side="right") - 1
    for i in np.flatnonzero(found):
        item = said[order[last[i]]] if last[i] >= 0 else None
        own = item is not None and position[item.speaker] == turns.speaker[i]
        found[i] = item is not None and own and _left_open(item, int(turns.end[i]), words)
    return found


def _left_open(said: Utterance, end: int, words: frozenset[str]) -> bool:
    """Whether what was said of an utterance until a time in ms ends there, and in the middle of a clause."""
    if not said.words:
        return abs(said.span.end * 1000 - end) <= NEAR_MS and is_open(said.text, words)
    heard = next((word for word in reversed(said.words) if word.span.middle * 1000 <= end), None)
    return heard is not None and end - heard.span.end * 1000 <= NEAR_MS and is_open(heard.text, words)
