"""The ICSI meetings with the dialogue acts of MRDA: utterances, tags, and the label that a tag comes to."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from meetsense.values import Span, Utterance

GENERAL = (
    ("cs", "proposal"),
    ("co", "directive"),
    ("cc", "commitment"),
    ("aa", "agreement"),
    ("ar", "disagreement"),
)
"""Specific tags that make a statement more than one, the first that fits."""
SOCIAL = {"fa", "ft", "fw"}
"""Apology, thanks, welcome."""
FLOOR = {"fg", "fh", "h"}
"""Floor grabber, floor holder, hold before an answer."""
LEFT_OUT = {"z", "x"}
"""Not labelled; not to be labelled."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A meeting: who said what when, and the tags of it."""

    name: str
    utterances: tuple[Utterance, ...]
    """By start."""
    tags: tuple[str, ...]


def parts(tag: str) -> list[list[str]]:
    """The general and specific tags of each part of a tag, without what says how it was broken off.

    >>> parts("fg|s^cs.%-")
    [['fg'], ['s', 'cs']]
    """
    return [part.split(".")[0].split("^") for part in re.split("[|:]", tag)]


def label(tag: str) -> str | None:
    """The label that the measure gives a tag; None for what it leaves out.

    >>> [label(tag) for tag in ("b.%", "s^bk|s", "qy^bh^rt", "s|qy^d^g", "qw^cs", "s^cs", "fh|s^co.%--", "z")]
    ['backchannel', 'backchannel', 'backchannel', 'question', 'question', 'proposal', 'directive', None]
    """
    found = parts(tag)
    if all(part[0] in LEFT_OUT for part in found):
        return None
    if any(part[0] == "b" or "bk" in part or "bh" in part for part in found):
        return "backchannel"
    if any(part[0].startswith("q") for part in found):
        return "question"
    specific = {name for part in found for name in part[1:]}
    return next((meaning for name, meaning in GENERAL if name in specific), "other")


def fine_label(tag: str) -> str | None:
    """The label that the network is taught: "other" of the measure told apart.

    >>> [fine_label(tag) for tag in ("fh", "fg|s", "s^ft", "%-", "s^df")]
    ['floor', 'information', 'other', 'other', 'information']
    """
    coarse = label(tag)
    if coarse != "other":
        return coarse
    found = parts(tag)
    if all(part[0] in FLOOR for part in found):
        return "floor"
    states = any(part[0].startswith("s") and not SOCIAL & set(part) for part in found)
    return "information" if states else "other"


def names(tag: str) -> set[str]:
    """Every general and specific tag in a tag, and whether it was broken off."""
    found = {name for part in parts(tag) for name in part if name}
    return found | {"broken"} if "%" in tag else found


def written(text: str) -> str:
    """A transcript's text without the marks of the annotators.

    >>> written("so - | it's the a_f ==")
    "so - | it's the af"
    """
    return re.sub(r"\s+", " ", re.sub(r" ([.?,])", r"\1", text.replace("==", "").replace("_", ""))).strip()


def bare(text: str) -> str:
    """A text as a recogniser without punctuation writes it.

    >>> bare("so - w- well, is it that, o'clock?")
    "so w- well is it that o'clock"
    """
    return " ".join(re.sub(r"[^\w\s'-]|(?<!\w)-+(?!\w)", " ", text).lower().split())


def read(path: Path) -> Meeting:
    """The meeting of a ``.dadb.gz`` file and the ``.trans.gz`` beside it."""
    with gzip.open(str(path).replace(".dadb.", ".trans."), "rt", encoding="utf-8") as file:
        texts = dict(line.rstrip("\n").split(",")[:2] for line in file)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = sorted((line.rstrip("\n").split(",") for line in file), key=lambda row: float(row[0]))
    said = tuple(
        Utterance(i, row[7], Span(float(row[0]), float(row[1])), written(texts.get(row[2], "")))
        for i, row in enumerate(rows)
    )
    return Meeting(path.name.split(".")[0], said, tuple(row[5] for row in rows))


def meetings(folder: Path) -> Iterator[Meeting]:
    """All meetings of a folder, by name."""
    return map(read, sorted(folder.glob("*.dadb.gz")))


def f1(found: Sequence[str], true: Sequence[str | None], kind: str) -> float:
    """F1 of a label; utterances whose truth is None don't count."""
    pairs = [(one, other) for one, other in zip(found, true, strict=True) if other is not None]
    hits = sum(one == other == kind for one, other in pairs)
    total = sum(one == kind for one, _ in pairs) + sum(other == kind for _, other in pairs)
    return 2 * hits / total if total else 0.0
