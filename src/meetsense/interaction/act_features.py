"""Sentences as numbers, for the network: their words, their times, and who else speaks around them.

Words are runs of up to four that the network knows, without fillers, broken-off words and what is said twice;
the edges of the sentence are words of their own, and so is the point where words such as "well" are over.
Times come from the sentences alone, in whole milliseconds, so a shift of the clock changes nothing.
Linear in the number of sentences and of their words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.act_rules import Sentence, Spelling
from meetsense.interaction.lexicon import tokens

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FIRST, LAST, OPENED = 1, 2, 3
"""Numbers of the edges of a sentence and of the end of its openers; words count on from there."""
ENDINGS = ("ing", "ed", "ly", "er", "s")
SHAPES = ("<number>", *(f"<{ending}>" for ending in ENDINGS), "<other>")
"""What stands for a word that isn't known."""
ANCHORED = 4
"""Words of the longest run; it is only taken at the start of a sentence."""
NEAR = (-1, -2, -3, 1, 2)
"""Neighbours by place. They matter in another way when the same person speaks."""
SLOTS = len(NEAR) + 4
"""Neighbours: those, then the last and next of somebody else, then the last and next of the same person."""
NEVER = 10**9
"""A gap to a neighbour that isn't there, ms."""

_GAPS = np.array([-2000, -1000, -500, -200, 0, 200, 500, 1000, 2000, 5000, 15000])
_LENGTHS = np.array([150, 250, 350, 500, 750, 1000, 1500, 2500, 4000, 7000])
_WORDS = np.array([2, 3, 4, 5, 6, 8, 11, 16, 26])
_INSIDE = 200
"""Ends at most so long after somebody else's sentence, ms: said within it."""
_OPENING = 300_000
"""The first and the last minutes of a meeting are told apart up to this, ms."""
_TRAIL = " \t\n\"')]=|-"
_MARKS = {".": 1, "?": 2, "!": 3}
MARK_COLUMNS = 6
"""The last columns say what a sentence ends in; they are 0 in a transcript without marks."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The words of a sentence that count, and how it was said."""

    words: tuple[str, ...]
    opened: int
    """How many of them are openers."""
    filled: int
    """Fillers."""
    broken: int
    """Words broken off."""
    again: int
    """Words said twice."""
    cut: bool
    """Its last word is broken off."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words and runs of words that a network knows."""

    numbers: Mapping[str, int]
    """A word's number."""
    runs: Ints
    """[run], sorted: the numbers of a run's words as digits to the base ``base``."""

    @property
    def base(self) -> int:
        """One more than the largest number of a word."""
        return OPENED + len(self.numbers) + 1

    def numbered(self, said: Sequence[Spoken]) -> list[list[int]]:
        """The numbers of the words of each sentence; of a word that isn't known that of its shape."""
        numbers = self.numbers
        known: dict[int, list[int]] = {}
        for spoken in said:
            if id(spoken) not in known:
                known[id(spoken)] = [
                    numbers[word] if word in numbers else numbers[_shape(word)] for word in spoken.words
                ]
        return [known[id(spoken)] for spoken in said]


@dataclass(frozen=True, slots=True)
class Features:
    """What a network is told about sentences in the order of their starts."""

    rows: Ints
    """[hit]: the sentence of each known run, rising."""
    runs: Ints
    """[hit]: which run."""
    dense: Floats
    """[sentence, column]."""
    neighbours: Ints
    """[sentence, SLOTS]: which sentence; the number of sentences for none."""
    same: Flags
    """[sentence, len(NEAR)]: the neighbour by place is the same person's."""


def spoken(text: str, spelling: Spelling) -> Spoken:
    """What is said in plain text; of nothing but fillers these are the words.

    >>> import re
    >>> how = Spelling({}, frozenset({"uh"}), re.compile("(?:well|so) "))
    >>> spoken("well uh i w- i was i was there", how)
    Spoken(words=('well', 'i', 'was', 'there'), opened=1, filled=1, broken=1, again=3, cut=False)
    """
    kept: list[str] = []
    fillers: list[str] = []
    spellings, silent = spelling.spellings, spelling.fillers
    broken = again = 0
    word = ""
    for token in tokens(text):
        for word in spellings[token].split() if token in spellings else (token,):
            if word[-1] == "-":
                broken += 1
            elif word in silent:
                fillers.append(word)
            elif kept and kept[-1] == word:
                again += 1
            elif len(kept) > 2 and kept[-1] == kept[-3] and kept[-2] == word:
                again += 2
                kept.pop()
            else:
                kept.append(word)
    line, end = " ".join(kept), 0
    while opener := spelling.openers.match(line, end):
        end = opener.end()
    return Spoken(
        words=tuple(kept or fillers),
        opened=line.count(" ", 0, end),
        filled=len(fillers),
        broken=broken,
        again=again,
        cut=word.endswith("-"),
    )


def vocabulary(words: Sequence[str], runs: Ints) -> Vocabulary:
    """The vocabulary of words, in their order after the shapes."""
    return Vocabulary({word: OPENED + 1 + i for i, word in enumerate((*SHAPES, *words))}, runs)


def features(
    sentences: Sequence[Sentence], said: Sequence[Spoken], known: Vocabulary, *, punctuated: bool
) -> Features:
    """Describe sentences, sorted by their starts, with what is said in them."""
    numbered = known.numbered(said)
    speakers = _speakers(sentences)
    near = neighbours(speakers)
    padded = np.append(speakers, -1)
    same = padded[near[:, : len(NEAR)]] == speakers[:, None]
    rows, runs = known_runs(said, known)
    times, words = _times(sentences, speakers, near), _words(numbered, speakers, near)
    columns = (times, words, _fluency(said), same, _marks(sentences, punctuated))
    dense = np.concatenate(columns, axis=1, dtype=np.float32)
    return Features(rows, runs, dense, near, same)


def known_runs(said: Sequence[Spoken], known: Vocabulary) -> tuple[Ints, Ints]:
    """Sentence and index of every run of words that is known, the sentences rising."""
    rows, keys = all_runs(said, known)
    at = np.minimum(np.searchsorted(known.runs, keys), len(known.runs) - 1)
    hit = known.runs[at] == keys
    rows, at = rows[hit], at[hit]
    order = np.argsort(rows, kind="stable")
    return rows[order], at[order]


def all_runs(said: Sequence[Spoken], known: Vocabulary) -> tuple[Ints, Ints]:
    """Sentence and key of every run of one to three words, and of up to four from start or openers on."""
    numbered = known.numbered(said)
    lengths = np.array([len(words) + 2 for words in numbered], dtype=np.int64)
    flat = np.array([n for words in numbered for n in (FIRST, *words, LAST)], dtype=np.int64)
    row = np.repeat(np.arange(len(numbered)), lengths)
    inner = flat > OPENED
    rows, keys = [row[inner]], [flat[inner]]
    after = np.cumsum(lengths) - lengths + np.array([spoken.opened for spoken in said], dtype=np.int64)
    key, opened = flat, np.full(len(said), OPENED)
    for length in range(2, ANCHORED + 1):
        key = key[:-1] * known.base + flat[length - 1 :]
        whole = row[: len(key)] == row[length - 1 :]
        if length == ANCHORED:
            whole &= flat[: len(key)] == FIRST
        at = np.minimum(after + length - 1, len(flat) - 1)
        opened = opened * known.base + flat[at]
        inside = (row[at] == np.arange(len(said))) & (after + length - 1 < len(flat))
        rows += [row[: len(key)][whole], np.arange(len(said))[inside]]
        keys += [key[whole], opened[inside]]
    return np.concatenate(rows), np.concatenate(keys)


def neighbours(speakers: Ints) -> Ints:
    """[sentence, SLOTS] of the sentences around each; their number for none."""
    count = len(speakers)
    index = np.arange(count)
    near = np.full((count, SLOTS), count, dtype=np.int64)
    for slot, step in enumerate(NEAR):
        at = index + step
        near[:, slot] = np.where((at >= 0) & (at < count), at, count)
    for slot, order in ((len(NEAR), range(count)), (len(NEAR) + 1, range(count - 1, -1, -1))):
        _walk(speakers.tolist(), order, near[:, slot], near[:, slot + 2])
    return near


def _walk(speakers: Sequence[int], order: Sequence[int], others: Ints, own: Ints) -> None:
    """Fill in the last sentence of somebody else and of the same person, on a walk over all."""
    latest: dict[int, int] = {}
    before = None
    for at in order:
        if before is not None:
            others[at] = others[before] if speakers[before] == speakers[at] else before
        own[at] = latest.get(speakers[at], len(own))
        latest[speakers[at]] = before = at


def _speakers(sentences: Sequence[Sentence]) -> Ints:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(said.speaker, len(numbers)) for said in sentences], dtype=np.int64)


def _times(sentences: Sequence[Sentence], speakers: Ints, near: Ints) -> Floats:
    spans = np.array([(said.span.start, said.span.end) for said in sentences]).reshape(-1, 2)
    start, end = np.rint(spans.T * 1000).astype(np.int64)
    began = start[:1].sum()
    start, end = start - began, end - began
    starts, ends = np.append(start, NEVER), np.append(end, -NEVER)
    others = _ends_of_others(speakers.tolist(), end.tolist())
    next_other, last_own, next_own = (near[:, len(NEAR) + i] for i in (1, 2, 3))
    length = end - start
    gaps = (start - others, start - ends[last_own], starts[next_other] - end, starts[next_own] - end)
    columns = (
        others >= end - _INSIDE,
        starts[next_other] < end,
        np.minimum(start / _OPENING, 1),
        np.minimum((start[-1:] - start) / _OPENING, 1),
        np.log1p(length / 1000),
    )
    return np.concatenate(
        [*(_one_of(gap, _GAPS) for gap in gaps), _one_of(length, _LENGTHS), np.stack(columns, axis=1)],
        axis=1,
        dtype=np.float32,
    )


def _ends_of_others(speakers: Sequence[int], ends: Sequence[int]) -> Ints:
    """For each sentence the latest end of those of somebody else that began before."""
    found = np.empty(len(ends), dtype=np.int64)
    latest, who, second = -NEVER, -1, -NEVER
    for at, (speaker, end) in enumerate(zip(speakers, ends, strict=True)):
        found[at] = second if speaker == who else latest
        if speaker == who:
            latest = max(latest, end)
        elif end > latest:
            latest, who, second = end, speaker, latest
        else:
            second = max(second, end)
    return found


def _words(numbered: Sequence[Sequence[int]], speakers: Ints, near: Ints) -> Floats:
    count = np.array([len(words) for words in numbered], dtype=np.int64)
    talk = np.bincount(speakers, weights=count + 1)
    share = talk[speakers] / max(talk.sum(), 1)
    sets = [frozenset(words) for words in numbered]
    columns = (
        share,
        np.sqrt(share),
        np.log1p(count) / 3,
        _repeated(sets, near[:, len(NEAR)].tolist()),
        _repeated(sets, near[:, len(NEAR) + 2].tolist()),
    )
    return np.concatenate([_one_of(count, _WORDS), np.stack(columns, axis=1)], axis=1, dtype=np.float32)


def _repeated(sets: Sequence[frozenset[int]], before: Sequence[int]) -> Floats:
    """The part of a sentence's words that an earlier one had too."""
    padded = [*sets, frozenset()]
    return np.array(
        [len(words & padded[at]) / (len(words) or 1) for words, at in zip(sets, before, strict=True)],
        dtype=np.float32,
    )


def _fluency(said: Sequence[Spoken]) -> Floats:
    """Fillers, words broken off and said twice, two at most; whether it breaks off; whether it opens."""
    rows = [
        (min(s.filled, 2), min(s.broken, 2), min(s.again, 2), s.cut, s.opened > 0, s.opened == len(s.words))
        for s in said
    ]
    return np.array(rows, dtype=np.float32).reshape(len(said), 6)


def _marks(sentences: Sequence[Sentence], punctuated: bool) -> Floats:
    """What a sentence ends in, whether it asks, and whether there are marks at all."""
    columns = np.zeros((len(sentences), MARK_COLUMNS), dtype=np.float32)
    if punctuated:
        for at, said in enumerate(sentences):
            columns[at, _MARKS.get(said.text.rstrip(_TRAIL)[-1:], 0)] = 1
            columns[at, 4] = "?" in said.text
        columns[:, 5] = 1
    return columns


def _one_of(values: Ints, edges: Ints) -> Floats:
    """[value, bin]: 1 in the bin that it falls into."""
    return np.eye(len(edges) + 1, dtype=np.float32)[np.searchsorted(edges, values, side="right")]


@lru_cache(maxsize=1 << 14)
def _shape(word: str) -> str:
    if word[0].isdigit():
        return "<number>"
    ending = next((e for e in ENDINGS if word.endswith(e) and len(word) > len(e) + 2), "other")
    return f"<{ending}>"
