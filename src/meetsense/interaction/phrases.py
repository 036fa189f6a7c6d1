"""Phrases of a language, as regular expressions, looked for in a line of words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_CHOICE = re.compile(r"\((?!\?)([^()]*)\)(\??)(?![*+{])")
"""A choice of words that a phrase begins with, and whether it may be left out."""
_GROUP = re.compile(r"\((?!\?)")
_REPEATS = frozenset("?*+{")
_FIRST = "(?<!. )"
"""The beginning of a line, once its first space has been read."""


def line_of(words: Iterable[str]) -> str:
    """Words as a line in which phrases can be found: a space before each.

    >>> line_of(["let's", "begin"])
    " let's begin"
    """
    return "".join([f" {word}" for word in words])


def anywhere(phrases: Iterable[str]) -> re.Pattern[str]:
    """A pattern of one of the phrases, whole words, in a line of words.

    It tells whether there is one, not which: the order of the phrases is lost. Where there is none it says so
    after a look at the first letter of each word. A phrase that begins with ``^`` begins the line.

    >>> found = anywhere(["mov(e|ing) on", "(please )?stop|halt", "^(and|so)"])
    >>> [bool(found.search(line)) for line in (" let's move on", " remove one", " halt", " and", " or so")]
    [True, False, True, True, False]
    """
    begun: dict[str, list[str]] = {}
    others: list[str] = []
    for phrase in phrases:
        for one in _unfolded(phrase):
            letter, rest = one[:1], one[1:]
            if letter.isalpha() and rest[:1] not in _REPEATS:
                begun.setdefault(letter, []).append(rest)
            else:
                others.append(_FIRST + one[1:] if letter == "^" else one)
    either = "|".join([*(f"{letter}({'|'.join(rests)})" for letter, rests in begun.items()), *others])
    # Groups that catch nothing are quicker.
    return re.compile(_GROUP.sub("(?:", rf" ({either})(?!\S)"))


def _unfolded(phrase: str) -> Iterator[str]:
    """All that a phrase may be, as far as its beginning is a choice of words."""
    for one in _alternatives(phrase):
        choice = _CHOICE.match(one)
        if choice is None:
            yield one
            continue
        rest = one[choice.end() :]
        yield from (word + rest for word in choice[1].split("|"))
        if choice[2]:
            yield from _unfolded(rest)


def _alternatives(phrase: str) -> list[str]:
    """A phrase split at the bars that are in no group.

    >>> _alternatives("stop|(now|never)")
    ['stop', '(now|never)']
    """
    depth, found = 0, [""]
    for letter in phrase:
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and not depth:
            found.append("")
        else:
            found[-1] += letter
    return found
