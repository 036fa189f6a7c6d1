"""The ICSI meetings: words with times, text, and the dialogue acts that people gave them.

Without the data there are no meetings, and what uses them says so.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from meetsense.interaction.floor import Ints, Stretches, floor, merge
from meetsense.values import Span, Utterance, Word

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("MEETSENSE_BENCH_DATA") or ROOT / ".." / "shared" / "data") / "mrda"
MEETINGS = sorted(DATA.glob("*.dadb.gz"))
NOT_LABELLED = ("z", "x")
"""General tags of utterances that carry no act."""


def words_of(field: str) -> tuple[Word, ...]:
    """Words of ``start+end+word|…``; those without times are left out."""
    parts = (word.split("+", 2) for word in field.split("|"))
    return tuple(
        Word(Span(float(part[0]), float(part[1])), part[2], 1.0)
        for part in parts
        if len(part) == 3 and "X" not in part[0] + part[1]
    )


def _timed(field: str) -> Iterator[tuple[str, str]]:
    """Start and end of the words that have times."""
    for word in field.split("|"):
        start, plus, rest = word.partition("+")
        end, again, _ = rest.partition("+")
        if plus and again and "X" not in start + end:
            yield start, end


def _lines(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split(",") for line in file]


def utterances_of(path: Path) -> tuple[Utterance, ...]:
    """The utterances of a meeting with their words and punctuated text."""
    texts = {}
    for key, text, *_ in _lines(path.with_name(path.name.replace(".dadb.", ".trans."))):
        texts[key] = text.replace("==", "").replace(" .", ".").replace(" ?", "?").replace("_", "")
    return tuple(
        Utterance(i, row[7], Span(float(row[0]), float(row[1])), texts.get(row[2], ""), words_of(row[4]))
        for i, row in enumerate(_lines(path))
    )


def is_backchannel(tag: str) -> bool:
    """Whether an act is a backchannel (b) or a statement that acknowledges (…^bk).

    >>> [is_backchannel(tag) for tag in ("b.%", "s^bk", "s^bk|s^cs", "b^rt", "bh", "s")]
    [True, True, True, False, False, False]
    """
    return tag.partition(".")[0] == "b" or "^bk" in tag


def gold_offsets(path: Path) -> Ints:
    """Floor transfer offsets of a meeting, ms, its listeners told by the acts that people gave.

    A stretch is a listener's when all its words lie in backchannel acts. Words without an act are left out.
    """
    rows = [
        (row[7], round(float(start) * 1000), round(float(end) * 1000), is_backchannel(row[5]))
        for row in _lines(path)
        if row[5].partition(".")[0] not in NOT_LABELLED
        for start, end in _timed(row[4])
    ]
    place = {speaker: i for i, speaker in enumerate(dict.fromkeys(row[0] for row in rows))}
    table = np.array([(place[row[0]], *row[1:]) for row in rows], dtype=np.int64)
    table = table[np.lexsort((-table[:, 2], table[:, 1]))]
    table = table[table[:, 2] > table[:, 1]]
    words = Stretches(table[:, 0], table[:, 1], table[:, 2])
    stretches = merge(words)
    other = pieces_in(stretches, words[table[:, 3] == 0])
    return floor(stretches, other == 0).transitions.offset


def pieces_in(stretches: Stretches, pieces: Stretches) -> Ints:
    """How many of the pieces lie in each stretch of the same person: shape (stretches,)."""
    away = int(stretches.end.max()) + 1
    keys = stretches.speaker * away + stretches.start
    order = np.argsort(keys)
    which = np.searchsorted(keys[order], pieces.speaker * away + pieces.start, side="right") - 1
    return np.bincount(order[which], minlength=len(stretches))
