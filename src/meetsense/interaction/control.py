"""Who has control of the talk, and how it passes from one person to the next.

Each utterance leaves control with somebody. After Walker & Whittaker 1990, by what it does:

- a *command* (proposal, directive): its speaker's;
- a *question*: its speaker's, unless it answers a question or command;
- an *assertion* (information, disagreement, confirmation, commitment): its speaker's, unless it answers a
  question, or a commitment a command;
- a *prompt* (listening sounds, words that hold the floor, bare politeness): of two people it gives control to
  the hearer; among more it is not told which of them, so it stays with the last controller. Agreements answer
  by nature and count as prompts. Both are this project's own.

What somebody says in the turn after a question of somebody else, within 20 s, answers it; a question back
does so as well. A **shift** is a change of the controller, and typed by how the one before left off:
*abdication* (their last words before the shift were a prompt), *summary* (a summary, or a repetition: all
topic words were said in the half minute before), else *interruption*: control was taken while nobody had
offered it. That is not overlapping speech: see interruptions for that.

One pass in time order, linear in the number of utterances.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from meetsense.interaction.moves import PASSIVE, Mark, Move
from meetsense.values import ActLabel

ANSWER_MS = 20_000
"""From the end of a question to what still answers it."""
REPEATED_MS = 30_000
"""Topic words said this shortly before are repeated."""
COMMANDS = frozenset({ActLabel.PROPOSAL, ActLabel.DIRECTIVE})
PROMPTS = PASSIVE | {ActLabel.OTHER, ActLabel.AGREEMENT}


class ShiftKind(StrEnum):
    """How the one who had control left off."""

    ABDICATION = "abdication"
    SUMMARY = "summary"
    INTERRUPTION = "interruption"


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of the controller."""

    kind: ShiftKind
    giver: int
    """Position in the labels of who had control."""
    taker: int
    utterance: int
    """Id of the utterance by which control was taken."""


@dataclass(frozen=True, slots=True)
class Control:
    """Control over a meeting."""

    controller: tuple[int, ...]
    """Of each move: position in the labels; -1 before anybody has control."""
    takes: tuple[bool, ...]
    """Of each move: whether its own speaker has control by what it does, and it answers nothing."""
    shifts: tuple[Shift, ...]
    """In time order."""


def control_of(moves: Sequence[Move]) -> Control:
    """Who has control after each of the moves, which are in time order."""
    heard = _Heard()
    for move in moves:
        heard.hear(move)
    return Control(tuple(heard.controller), tuple(heard.takes), tuple(heard.shifts))


class _Heard:
    """The talk so far."""

    def __init__(self) -> None:
        self.controller: list[int] = []
        self.takes: list[bool] = []
        self.shifts: list[Shift] = []
        self._asked: Move | None = None
        """The question that waits for answers."""
        self._told: Move | None = None
        """The command that waits for answers."""
        self._answering: int | None = None
        """Whose turn it is that answers; None before the answer, -1 once it is over."""
        self._left: dict[int, ShiftKind] = {}
        """How each person's last words left off."""
        self._said: deque[tuple[int, frozenset[str]]] = deque()
        """End and topic words of the last half minute."""
        self._recent: dict[str, int] = {}
        """How often each of these words was said in it."""

    def hear(self, move: Move) -> None:
        """Take in the next move."""
        self._forget(move.start - REPEATED_MS)
        before = self.controller[-1] if self.controller else -1
        takes = move.label not in PROMPTS and not self._answers(move)
        if takes and before not in (-1, move.speaker):
            kind = self._left.get(before, ShiftKind.INTERRUPTION)
            self.shifts.append(Shift(kind, before, move.speaker, move.id))
        self.takes.append(takes)
        self.controller.append(move.speaker if takes else before)
        self._left[move.speaker] = self._leaves(move)
        self._wait(move, takes=takes)
        self._remember(move)

    def _answers(self, move: Move) -> bool:
        """Whether a move answers a question, or a command as far as that can be."""
        if move.label in COMMANDS:
            return False
        if move.label in (ActLabel.QUESTION, ActLabel.COMMITMENT) and _answers(move, self._told):
            return True
        return _answers(move, self._asked) and self._answering in (None, move.speaker)

    def _wait(self, move: Move, *, takes: bool) -> None:
        """Note what waits for an answer after a move."""
        if move.label in PASSIVE:
            return
        if takes and move.label in COMMANDS:
            self._told, self._asked = move, None
        elif takes and move.label is ActLabel.QUESTION:
            self._asked, self._told, self._answering = move, None, None
        elif takes:
            self._asked = self._told = None
        elif self._asked and move.speaker != self._asked.speaker:
            self._answering = move.speaker

    def _leaves(self, move: Move) -> ShiftKind:
        if move.label in PROMPTS:
            return ShiftKind.ABDICATION
        repeats = bool(move.stems) and all(stem in self._recent for stem in move.stems)
        return ShiftKind.SUMMARY if repeats or Mark.SUMMARY in move.marks else ShiftKind.INTERRUPTION

    def _forget(self, before: int) -> None:
        """Words of utterances that ended before a time in ms are no repetition any more."""
        while self._said and self._said[0][0] < before:
            for stem in self._said.popleft()[1]:
                self._recent[stem] -= 1
                if not self._recent[stem]:
                    del self._recent[stem]

    def _remember(self, move: Move) -> None:
        if move.stems:
            self._said.append((move.end, move.stems))
            for stem in move.stems:
                self._recent[stem] = self._recent.get(stem, 0) + 1


def _answers(move: Move, opening: Move | None) -> bool:
    """Whether a move comes soon enough after somebody else's opening."""
    if opening is None or move.speaker == opening.speaker:
        return False
    return move.start - opening.end <= ANSWER_MS
