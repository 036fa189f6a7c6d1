"""What an utterance is about: its content words, cut down to comparable stems, and a phrase to quote.

The words of a language are data (``languages/<code>.toml``, tables ``decisions`` and ``leadership``). The
stemmer is light on purpose: it need not be right, only alike for the forms of one word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from meetsense.interaction.lexicon import DEFAULT, PLAIN, language_data, plain_text, tokens
from meetsense.interaction.phrases import anywhere, line_of

SHORTEST_STEM = 3
"""No ending is taken off when fewer letters would stay."""
TOPIC_WORDS = 8
"""A topic is quoted with at most so many words."""

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_PIECE = re.compile(r"[^.,;:?!…()\[\]\"“”„«»\n]+")
_SENTENCE = re.compile(r"[^.?!…]+")


@dataclass(frozen=True, slots=True)
class Wording:
    """What a text says, word by word."""

    line: str
    """Its words in lower case, spelled one way, without those broken off, a space before each."""
    words: frozenset[str]
    """The same, each once."""
    stems: frozenset[str]
    """Of those that carry a topic."""


@dataclass(frozen=True, slots=True, eq=False)
class Topics:
    """The words of one language that tie utterances together."""

    stopwords: frozenset[str]
    proposing: frozenset[str]
    breaks: frozenset[str]
    pointing: frozenset[str]
    lead: frozenset[str]
    problems: re.Pattern[str]
    asking: re.Pattern[str]
    raising: re.Pattern[str]
    amending: re.Pattern[str]
    withdrawing: re.Pattern[str]
    postponing: re.Pattern[str]
    rebuttal: re.Pattern[str]
    joining: re.Pattern[str]
    dropping: frozenset[str]
    praising: frozenset[str]
    fillers: frozenset[str]
    silent: frozenset[str]
    """Stopwords and fillers."""
    spellings: Mapping[str, str]
    endings: tuple[tuple[str, str], ...]

    def read(self, text: str) -> Wording:
        """The words of a text and what they are about.

        >>> found = topics().read("We're gonna o-open the door.")
        >>> found.line, sorted(found.stems)
        (" we're going to o-open the door", ['door', 'o-open'])
        """
        return _read(text, self)

    def amends(self, line: str) -> bool:
        """Whether a line of words speaks of a change to what is on the table."""
        return bool(self.amending.search(line))

    def withdraws(self, line: str) -> bool:
        """Whether a line of words takes back what its speaker proposed."""
        return bool(self.withdrawing.search(line))

    def postpones(self, line: str) -> bool:
        """Whether a line of words puts a decision off."""
        return bool(self.postponing.search(line))

    def rebuts(self, line: str) -> bool:
        """Whether a line of words contradicts what was said."""
        return bool(self.rebuttal.search(line))

    def joins(self, line: str) -> bool:
        """Whether a line of words joins what somebody has just said."""
        return bool(self.joining.search(line))

    def asks_for(self, line: str) -> bool:
        """Whether a question, as a line of words, proposes something."""
        return bool(self.asking.search(line))

    def raises(self, line: str) -> bool:
        """Whether a line of words says that something is to be decided, and not what."""
        return bool(self.raising.search(line))

    def states_problem(self, line: str) -> bool:
        """Whether a line of words states a problem."""
        return bool(self.problems.search(line))

    def stems(self, words: frozenset[str]) -> frozenset[str]:
        """Stems of the words that carry a topic.

        >>> words = topics()
        >>> sorted(words.stems(frozenset({"we", "moved", "moving", "move", "families", "family", "s"})))
        ['family', 'mov']
        """
        found = words - self.silent
        return frozenset([_stem(w, self.endings) for w in found if len(w) > 1 or w.isdigit()])

    def stem(self, word: str) -> str:
        """A word without its endings, a doubled last letter written once."""
        return _stem(word, self.endings)

    def quote(self, text: str) -> str:
        """A short phrase of a proposal's text, word for word; all of a text that says nothing of its own.

        >>> words = topics()
        >>> words.quote("Well, I suggest that we open the desk on Saturdays, because people ask.")
        'open the desk on Saturdays'
        """
        sentences = _SENTENCE.findall(text) or [text]
        proposing = [part for part in sentences if self.proposing & set(tokens(part.translate(PLAIN)))]
        found = (self._phrase(piece) for part in (*proposing, *sentences) for piece in _PIECE.findall(part))
        return next((phrase for phrase in found if phrase), None) or " ".join(text.split()[:TOPIC_WORDS])

    def _phrase(self, piece: str) -> str:
        """From what is proposed to the last word that carries a topic before the clause ends."""
        matches = list(_WORD.finditer(piece.translate(PLAIN)))
        first = end = None
        for i, match in enumerate(matches):
            word = match.group().lower()
            if first is not None and (word in self.breaks or i - first >= TOPIC_WORDS):
                break
            if first is None and word not in self.lead and word not in self.fillers:
                first = i
            if first is not None and word not in self.stopwords and word not in self.fillers:
                end = match.end()
        return "" if first is None or end is None else piece[matches[first].start() : end]


@lru_cache(maxsize=1 << 14)
def _read(text: str, how: Topics) -> Wording:
    """Kept, since decisions and moves are told from the same texts."""
    found = [how.spellings.get(token, token) for token in tokens(plain_text(text))]
    words = [word for spelled in found if spelled[-1] != "-" for word in spelled.split()]
    different = frozenset(words)
    return Wording(line_of(words), different, how.stems(different))


@cache
def topics(code: str = DEFAULT) -> Topics | None:
    """The topic words of a language; None when it has none."""
    data = language_data(code)
    if data is None or not {"decisions", "leadership"} <= data.keys():
        return None
    table = data["decisions"]
    return Topics(
        stopwords=frozenset(table["stopwords"]),
        proposing=frozenset(table["proposing"]),
        breaks=frozenset(table["breaks"]),
        pointing=frozenset(table["pointing"]),
        lead=frozenset(table["lead"]),
        problems=anywhere(table["problems"]),
        asking=anywhere(data["leadership"]["asking"]),
        raising=anywhere(data["leadership"]["raising"]),
        amending=anywhere(table["amending"]),
        withdrawing=anywhere(table["withdrawing"]),
        postponing=anywhere(table["postponing"]),
        rebuttal=anywhere(data["leadership"]["rebuttal"]),
        joining=anywhere(data["leadership"]["joining"]),
        dropping=frozenset(table["dropping"]),
        praising=frozenset(table["praising"]),
        fillers=frozenset(data["fillers"]),
        silent=frozenset([*table["stopwords"], *data["fillers"]]),
        spellings=data["spellings"],
        endings=tuple(sorted(table["endings"].items(), key=lambda pair: -len(pair[0]))),
    )


@lru_cache(maxsize=1 << 16)
def _stem(word: str, endings: tuple[tuple[str, str], ...]) -> str:
    for ending, instead in endings:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            word = word[: -len(ending)] + instead
            break
    if word.endswith("e") and len(word) > SHORTEST_STEM:
        word = word[:-1]
    if len(word) > SHORTEST_STEM and word[-1] == word[-2]:
        word = word[:-1]
    return word
