"""The talk that the demo's Whisper knows: a grammar of meetings, some 400 words, in grammar.toml.

A sentence is one of: a template with its slots filled; two clauses joined; the beginning of a sentence
that somebody broke off; what a listener says; or words in any order, so that the network listens rather
than guesses. The sentences of the bundled meeting are held out: :class:`Grammar` never says them.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEETING = HERE.parents[1] / "demo-meeting" / "training" / "meeting.toml"
SEED = 20261124
TRAINING_SENTENCES = 20_000
HELD_OUT_WORDS = 3
"""Shorter lines of the meeting ("Yeah.", "Thank you.") are words, not sentences: they are not held out."""

_TALK = tomllib.loads((HERE / "grammar.toml").read_text())
SLOTS: dict[str, list[str]] = _TALK["slots"]
CLAUSES: list[str] = _TALK["clauses"]
SENTENCES: list[str] = _TALK["sentences"]
ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"]
TEENS += ["eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

_SLOT = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"\b([Aa])(?= (?:[aeio]|up|ur))")
_WORD = re.compile(r"[a-z']+")


def words(text: str) -> tuple[str, ...]:
    """Lower-case words without punctuation: what two sentences are compared by, and what is counted.

    >>> words("Well, that's it...")
    ('well', "that's", 'it')
    """
    return tuple(_WORD.findall(text.lower()))


def meeting_sentences(path: Path = MEETING) -> frozenset[tuple[str, ...]]:
    """The words of every line of the bundled meeting that has three or more of them."""
    lines = tomllib.loads(path.read_text())["lines"]
    said = (words(line["says"]) for line in lines)
    return frozenset(line for line in said if len(line) >= HELD_OUT_WORDS)


class Grammar:
    """Sentences drawn at random, the same for the same seed."""

    def __init__(self, seed: int, held_out: Iterable[tuple[str, ...]] | None = None) -> None:
        self._random = random.Random(seed)
        self._held_out = frozenset(meeting_sentences() if held_out is None else held_out)
        self._vocabulary = vocabulary()

    def sentence(self, salad: float = 0.12, broken: float = 0.07, listener: float = 0.07) -> str:
        """A sentence; the shares are those of words in any order, broken-off and listeners' sentences."""
        while True:
            text = self._draw(salad, broken, listener)
            if words(text) not in self._held_out:
                return text

    def _draw(self, salad: float, broken: float, listener: float) -> str:
        kind = self._random.random()
        if kind < salad:
            chosen = self._random.choices(self._vocabulary, k=self._random.randint(3, 9))
            return _capital(" ".join(chosen)) + "."
        if kind < salad + broken:
            start = self._fill(self._random.choice(SENTENCES)).rstrip(".?").split()
            kept = start[: self._random.randint(2, max(2, min(9, len(start) - 1)))]
            return _capital(" ".join(kept).rstrip(",.?")) + "..."
        if kind < salad + broken + listener:
            return _capital(self._random.choice(SLOTS["hum"])) + "."
        text = self._fill(self._random.choice(SENTENCES))
        return text if len(text.split()) <= 22 else self._draw(salad, broken, listener)

    def _fill(self, template: str) -> str:
        while _SLOT.search(template):
            template = _SLOT.sub(self._slot, template, count=1)
        return _capital(_ARTICLE.sub(r"\1n", template))

    def _slot(self, match: re.Match[str]) -> str:
        key = match[1]
        if key == "num":
            return self._number()
        return self._random.choice(CLAUSES if key == "clause" else SLOTS[key])

    def _number(self) -> str:
        kind = self._random.random()
        if kind < 0.5:
            return self._random.choice(ONES)
        if kind < 0.7:
            return self._random.choice(TEENS)
        if kind < 0.85:
            return self._random.choice(TENS)
        if kind < 0.95:
            return f"{self._random.choice(TENS)} {self._random.choice(ONES)}"
        return f"{self._random.choice(ONES)} hundred"


def vocabulary() -> list[str]:
    """Every word of the grammar, sorted; names and days keep their capital."""
    found: set[str] = {*ONES, *TEENS, *TENS, "hundred", "an"}
    for choices in SLOTS.values():
        for choice in choices:
            found.update(_SLOT.sub("", choice).split())
    for template in CLAUSES + SENTENCES:
        first, *others = _SLOT.sub(" ", template).translate(str.maketrans("", "", ".,?")).split() or [""]
        capital = first in {"I"} or not template[0].isupper()
        found.update([*others, first if capital else first.lower()])
    proper = {word for key in ("name", "day", "month") for word in SLOTS[key]} | {"I"}
    return sorted({word if word in proper else word.lower() for word in found if word})


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def training_sentences(count: int = TRAINING_SENTENCES, seed: int = SEED) -> list[str]:
    """The sentences of the training set: the same every time."""
    grammar = Grammar(seed)
    return [grammar.sentence() for _ in range(count)]


if __name__ == "__main__":
    print(len(vocabulary()), "words")
    print(*training_sentences(40), sep="\n")
