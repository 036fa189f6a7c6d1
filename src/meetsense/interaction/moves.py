"""What utterances move: agenda, summary, tasks, invitations, credit; told from acts and from words.

The words are data (``languages/<code>.toml``, table ``leadership``). A *claim* says where to go: a proposal,
told or asked ("how about …?"), a directive, a move of the agenda, a summary or confirmation, a task given to
somebody (claiming and granting of leadership, DeRue & Ashford 2010; the list is this project's own).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from meetsense.interaction.lexicon import DEFAULT, code_of, language_data
from meetsense.interaction.phrases import anywhere, line_of
from meetsense.interaction.topics import Topics, topics
from meetsense.values import ActLabel

if TYPE_CHECKING:
    from meetsense.interaction.measures.talk import Said

PASSIVE = frozenset({ActLabel.BACKCHANNEL, ActLabel.FLOOR})
"""Acts that move nothing."""
COMMON_USES = 6
COMMON_SHARE = 0.1
"""A word in more utterances than both says nothing about what an utterance answers."""


class Mark(StrEnum):
    """What the words of an utterance do besides its act."""

    AGENDA = "agenda"
    """Says what to talk about now, in which order, for how long."""
    SUMMARY = "summary"
    """Says together what was said."""
    ASSIGNMENT = "assignment"
    """Gives somebody a task."""
    ASKING = "asking"
    """Proposes something, as a question."""
    INVITATION = "invitation"
    """Asks what others think."""
    CREDIT = "credit"
    """Says that a thought is somebody else's, or good."""
    ACTION = "action"
    """Says what is done next, by whom, by when."""
    SOCIAL = "social"
    """Thanks, greets, jokes, praises."""
    CLOSING = "closing"
    """Asks for what is left, or ends."""
    REBUTTAL = "rebuttal"
    """Contradicts what was said."""
    JOINING = "joining"
    """Says the like of what was just said."""


class ClaimKind(StrEnum):
    """What a claim to lead consists of."""

    PROPOSAL = "proposal"
    DIRECTIVE = "directive"
    AGENDA = "agenda"
    SUMMARY = "summary"
    ASSIGNMENT = "assignment"


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """An utterance with its act, ready to be compared with others."""

    id: int
    """Of the utterance."""
    speaker: int
    """Position in the labels."""
    start: int
    """ms."""
    end: int
    """ms."""
    label: ActLabel
    words: int
    content: frozenset[str]
    """Stems of its content words."""
    stems: frozenset[str]
    """Those of them that say what an utterance answers: not the ones that are used all the time."""
    marks: frozenset[Mark]
    """Those that may count for its act."""

    claim: ClaimKind | None
    """The claim that it makes, if any."""


_NOT_TOLD = (Mark.ASKING, Mark.INVITATION, Mark.REBUTTAL, Mark.JOINING)
"""Marks that make no difference to a statement."""
_SOUGHT: Mapping[ActLabel, tuple[Mark, ...]] = {
    ActLabel.AGREEMENT: (Mark.CREDIT, Mark.CLOSING),
    ActLabel.DISAGREEMENT: (Mark.REBUTTAL, Mark.JOINING),
    ActLabel.COMMITMENT: (),
    ActLabel.CONFIRMATION: (Mark.AGENDA, Mark.SUMMARY, Mark.CLOSING),
    ActLabel.OTHER: (Mark.CREDIT, Mark.SOCIAL),
    ActLabel.INFORMATION: tuple(mark for mark in Mark if mark not in _NOT_TOLD),
}
"""Marks that make a difference to an act; to those that aren't here all of them do."""
_NEVER_CLAIMS = PASSIVE | {ActLabel.AGREEMENT, ActLabel.DISAGREEMENT, ActLabel.COMMITMENT, ActLabel.OTHER}
_UNMARKED: frozenset[Mark] = frozenset()
_CLAIMS = {
    ActLabel.PROPOSAL: ClaimKind.PROPOSAL,
    ActLabel.DIRECTIVE: ClaimKind.DIRECTIVE,
    ActLabel.CONFIRMATION: ClaimKind.SUMMARY,
}


def claim_of(label: ActLabel, marks: frozenset[Mark]) -> ClaimKind | None:
    """The claim that an utterance with such an act and such words makes, if any.

    >>> claim_of(ActLabel.QUESTION, frozenset({Mark.ASKING})).value
    'proposal'
    """
    if label in _NEVER_CLAIMS:
        return None
    if Mark.AGENDA in marks:
        return ClaimKind.AGENDA
    if label in _CLAIMS:
        return _CLAIMS[label]
    if label is ActLabel.QUESTION and Mark.ASKING in marks:
        return ClaimKind.PROPOSAL
    if Mark.ASSIGNMENT in marks:
        return ClaimKind.ASSIGNMENT
    return ClaimKind.SUMMARY if Mark.SUMMARY in marks else None


@dataclass(frozen=True, slots=True, eq=False)
class Leadership:
    """The words of one language that move a meeting."""

    marks: Mapping[Mark, re.Pattern[str]]
    any_mark: re.Pattern[str]
    """All of them in one: most utterances have none, and one search says so."""
    fillers: frozenset[str]
    topics: Topics

    def read(
        self, text: str, sought: Sequence[Mark] = tuple(Mark)
    ) -> tuple[int, frozenset[str], frozenset[Mark]]:
        """Number of words, topic stems and those of the sought marks that a text has.

        >>> words, stems, marks = leadership().read("Um, let's move on to the second item, the phone.")
        >>> words, sorted(stems), [mark.value for mark in marks]
        (9, ['mov', 'phon', 'second'], ['agenda'])
        """
        count, stems, line = _heard(text, self)
        marks = [mark for mark in sought if self.marks[mark].search(line)] if line else ()
        return count, stems, frozenset(marks) if marks else _UNMARKED


@lru_cache(maxsize=1 << 14)
def _heard(text: str, how: Leadership) -> tuple[int, frozenset[str], str]:
    """Number of words, topic stems and the words in a line, empty where it has no mark."""
    said = how.topics.read(text)
    words = [word for word in said.line.split() if word not in how.fillers]
    line = line_of([*words[:1], *(word for before, word in pairwise(words) if word != before)])
    return len(words), said.stems, line if how.any_mark.search(line) else ""


@cache
def leadership(code: str = DEFAULT) -> Leadership | None:
    """The words of a language that move a meeting; None when it has none."""
    data, words = language_data(code), topics(code)
    if data is None or words is None:
        return None
    table = data["leadership"]
    phrases = {mark: table[mark] for mark in Mark}
    every = anywhere(phrase for found in phrases.values() for phrase in found)
    return Leadership({mark: anywhere(phrases[mark]) for mark in Mark}, every, words.fillers, words)


def read_moves(said: Sequence[Said], language: str | None) -> tuple[Move, ...] | None:
    """Utterances with an act, in the order given, read for what they move; None in an unknown language.

    A ``language`` of None is read as English.
    """
    code = code_of(language)
    words = leadership(code) if code else None
    if words is None:
        return None
    nothing = (0, frozenset[str](), _UNMARKED)
    every = tuple(mark for mark in Mark if mark not in (Mark.REBUTTAL, Mark.JOINING))
    found = [nothing if u.label in PASSIVE else words.read(u.text, _SOUGHT.get(u.label, every)) for u in said]
    uses = Counter(chain.from_iterable(stems for _, stems, _ in found))
    most = max(COMMON_USES, COMMON_SHARE * len(said))
    common = frozenset(stem for stem, count in uses.items() if count > most)
    return tuple(
        Move(
            u.id,
            u.speaker,
            u.start,
            u.end,
            u.label,
            count,
            stems,
            stems - common,
            marks,
            claim_of(u.label, marks),
        )
        for u, (count, stems, marks) in zip(said, found, strict=True)
    )


@cache
def _leading() -> re.Pattern[str]:
    data = language_data(DEFAULT) or {}
    return anywhere(data["leadership"]["leading"])


def leads(role: str) -> bool:
    """Whether a formal role is expected to lead the meeting.

    >>> leads("Project Manager"), leads("note-taker")
    (True, False)
    """
    return bool(_leading().search(line_of(role.lower().split())))
