"""Initiatives and claims to lead, and what others make of them: taken up, objected to, or passed over.

An **initiative** is a turn in which somebody takes control (:mod:`control`): says, asks or proposes something
that answers nothing. A **claim** (:mod:`moves`) is a single utterance that says where to go. Both are
answered the same way. Another person *takes up* an initiative, or *grants* a claim, by agreement or
confirmation, by commitment, by words of credit, by a question that asks the others about it, by talk that
shares a third of its topic words, and a question by any answer. A question about something else takes
nothing up, nor does asking what else there is, or ending. An **objection** is another's disagreement; it
takes nothing up, nor do the reasons for it, what somebody proposes instead, and a bare yes after it. Who says
that an objection just made is untrue, or contradicts its words, does not object to what it was against.

Answers count for so long and so many changes of speaker, listeners' sounds set aside, since it was last
spoken of: answered, or carried on by its author. An answer belongs to a question of the turn before, to what
it shares topic words with, or else to the latest of somebody else; one answer belongs to one initiative and
to one claim, and a person answers each once by going along and once by objecting.

The network of grants has a tie from each person to each other: the share of the other's claims that the
person granted, 0 where there are no claims. Density is the mean tie, centralisation is Freeman's on the mean
of the ties that each person receives, reciprocity the share of the dyads with a tie that have one both ways.

A **proposal** is adopted by somebody else's agreement or anybody's confirmation, before a disagreement or the
next proposal: how long that took is kept, so that the window can be chosen afterwards.

One pass in time order; the work for an utterance is bounded, whatever the length of the meeting.

Sources: Linell, Gustavsson & Juvonen 1988 (initiative and response as sides of a turn); DeRue & Ashford 2010
(claiming and granting); Braley & Murray 2018 (proposal, agreement, confirmation); Freeman 1979
(centralisation); Carson, Tesluk & Marrone 2007 (density as shared leadership); windows and the lists of acts
are this project's own.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.control import Control, control_of
from meetsense.interaction.moves import PASSIVE, Mark, Move, read_moves
from meetsense.values import ActLabel

if TYPE_CHECKING:
    from meetsense.interaction.measures.talk import Said

WINDOW_SECONDS = 20.0
"""From the end of an initiative or claim to the answer."""
WINDOW_TURNS = 3
"""Changes of speaker from an initiative or claim to the answer."""
SAME_TOPIC = 0.34
"""Part of the shorter one's topic words that is shared by what is on the same topic."""
IN_MIND = 8
"""Nobody keeps more initiatives or claims in mind at once."""

Floats = NDArray[np.float64]


class Reply(StrEnum):
    """How somebody answers another."""

    AGREEMENT = "agreement"
    COMMITMENT = "commitment"
    CREDIT = "credit"
    INVITATION = "invitation"
    ANSWER = "answer"
    UPTAKE = "uptake"
    OBJECTION = "objection"


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer."""

    reply: Reply
    speaker: int
    """Position in the labels."""
    utterance: int
    """Id of the utterance that is the evidence."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An initiative or a claim, and everything that others made of it."""

    moves: tuple[Move, ...]
    """The utterances that it is made of, at least one: the evidence."""
    answerable: bool
    """Whether anybody else said anything after it began: what comes last can't be answered."""
    answers: tuple[Answer, ...] = ()
    """In time order: the first of each person that goes along, and the first that objects."""

    @property
    def speaker(self) -> int:
        """Position in the labels of whose it is."""
        return self.moves[0].speaker

    @property
    def utterances(self) -> tuple[int, ...]:
        """Ids of the utterances that it is made of."""
        return tuple(move.id for move in self.moves)

    @property
    def grants(self) -> tuple[Answer, ...]:
        """The answers that go along, one a person."""
        return tuple(answer for answer in self.answers if answer.reply is not Reply.OBJECTION)

    @property
    def objections(self) -> tuple[Answer, ...]:
        """The answers that are against it, one a person."""
        return tuple(answer for answer in self.answers if answer.reply is Reply.OBJECTION)


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """What was said, read for initiative and uptake."""

    moves: tuple[Move, ...]
    """Every utterance with an act, in time order."""
    control: Control
    initiatives: tuple[Opening, ...]
    claims: tuple[Opening, ...]


def read_exchange(said: Sequence[Said], language: str | None) -> Exchange | None:
    """Read utterances in time order; None in a language without the words for it."""
    moves = read_moves(said, language)
    if moves is None:
        return None
    control = control_of(moves)
    return Exchange(moves, control, initiatives_of(moves, control), claims_of(moves))


def claims_of(
    moves: Sequence[Move], *, seconds: float = WINDOW_SECONDS, turns: int = WINDOW_TURNS
) -> tuple[Opening, ...]:
    """The claims of a meeting, one utterance each, with the answers to them. ``moves`` are in time order."""
    return _linked(moves, [move.claim is not None for move in moves], seconds, turns, whole_turns=False)


def initiatives_of(
    moves: Sequence[Move],
    control: Control,
    *,
    seconds: float = WINDOW_SECONDS,
    turns: int = WINDOW_TURNS,
) -> tuple[Opening, ...]:
    """The initiatives of a meeting with the answers to them: which utterances began, which took up.

    An initiative's ``moves`` are the utterances of one turn by which its speaker takes control.
    """
    return _linked(moves, control.takes, seconds, turns, whole_turns=True)


def _linked(
    moves: Sequence[Move], opens: Sequence[bool], seconds: float, turns: int, *, whole_turns: bool
) -> tuple[Opening, ...]:
    """What the moves marked in ``opens`` begin, and the answers to it."""
    everything: list[_Open] = []
    table: deque[_Open] = deque(maxlen=IN_MIND)
    turn, before, wait = 0, -1, seconds * 1000
    for move, begins in zip(moves, opens, strict=True):
        if move.label in PASSIVE:
            continue
        if move.speaker != before:
            turn, before = turn + 1, move.speaker
            if table and turn - min([opening.turn for opening in table]) > turns:
                table = deque((o for o in table if turn - o.turn <= turns), IN_MIND)
        own, others = None, []
        for opening in table:
            if move.start - opening.end > wait:
                continue
            if opening.speaker != move.speaker:
                others.append(opening)
            elif opening.hear(move, turn):
                own = opening
        _answer(others, move, turn)
        if not begins:
            continue
        if whole_turns and own:
            own.extend(move)
        else:
            everything.append(_Open([move], move.speaker, turn, turn, move.end, move.stems))
            table.append(everything[-1])
    last = _last_word(moves)
    return tuple(opening.finish(last) for opening in everything)


@dataclass(slots=True, eq=False)
class _Open:
    """An initiative or claim that can still be answered."""

    moves: list[Move]
    speaker: int
    began: int
    """The turn that it is made in."""
    turn: int
    """The turn that it was last spoken of."""
    end: int
    """When it was last spoken of, ms."""
    stems: frozenset[str]
    """Its topic words and those of the reasons."""
    leans: bool = True
    """Whether the last to take a side, its author among them, was for it."""
    objection: Move | None = None
    """The last one to it."""
    answers: dict[tuple[int, bool], Answer] = field(default_factory=dict)
    """By person and whether it objects."""

    @property
    def asks(self) -> bool:
        """Whether it ends in a question that claims nothing: any answer will do."""
        return self.moves[-1].label is ActLabel.QUESTION and self.moves[-1].claim is None

    @property
    def stands_refused(self) -> bool:
        """Whether there were objections and nothing else: what is confirmed then is the refusal."""
        return bool(self.answers) and all(against for _, against in self.answers)

    def hear(self, move: Move, turn: int) -> bool:
        """Its author speaks; if of this, the time of answering begins anew. Whether it is the same turn."""
        if turn != self.began and not move.stems & self.stems:
            return False
        self.turn, self.end, self.leans = turn, max(self.end, move.end), True
        if turn == self.began and not move.claim:
            self.stems |= move.stems
        return turn == self.began

    def named_by(self, move: Move) -> bool:
        """Whether a move is about the same: a third of the shorter one's topic words are the other's."""
        shared = len(self.stems & move.stems)
        return shared > 0 and shared >= SAME_TOPIC * min(len(self.stems), len(move.stems))

    def asked_about(self, move: Move, turn: int) -> bool:
        """Whether a question to the others is about it: it shares its words, or has none and comes next."""
        return self.named_by(move) or (not move.content and turn - self.turn <= 1)

    def defended_by(self, move: Move, turn: int) -> bool:
        """Whether a disagreement contradicts somebody's objection, made just before, and not this."""
        against = self.objection
        if against is None or self.leans or against.speaker == move.speaker or turn - self.turn > 1:
            return False
        about = move.stems & (against.stems - self.stems) and Mark.JOINING not in move.marks
        return Mark.REBUTTAL in move.marks or bool(about)

    def finish(self, last: _LastWord) -> Opening:
        """The opening as a value."""
        answerable = last.of_others(self.speaker) >= self.moves[0].start
        return Opening(tuple(self.moves), answerable, tuple(self.answers.values()))

    def extend(self, move: Move) -> None:
        """Its author goes on in the same turn."""
        self.moves.append(move)
        self.stems |= move.stems


def _answer(others: Sequence[_Open], move: Move, turn: int) -> None:
    """Enter a move as the answer to that of the others' openings that it is to, if any."""
    if not others:
        return
    opening = others[-1]  # what follows a question answers it
    if move.stems and not (opening.asks and turn - opening.began == 1):
        # Of several that share as many words, and where no word is shared, the latest is meant.
        opening = max(reversed(others), key=lambda other: len(other.stems & move.stems))
    reply = _reply(move, opening, turn)
    if reply:
        key = move.speaker, reply is Reply.OBJECTION
        opening.answers.setdefault(key, Answer(reply, move.speaker, move.id))
        opening.turn, opening.end = turn, max(opening.end, move.end)
        opening.leans = reply is not Reply.OBJECTION
        opening.objection = opening.objection if opening.leans else move


def _reply(move: Move, opening: _Open, turn: int) -> Reply | None:
    """What a move is as an answer to an opening, if it is one."""
    label = move.label
    if Mark.CLOSING in move.marks and not opening.named_by(move):
        return None
    if label is ActLabel.DISAGREEMENT and opening.defended_by(move, turn):
        return None
    if label is ActLabel.CONFIRMATION and opening.stands_refused:
        return None
    if opening.asks and label not in (ActLabel.QUESTION, ActLabel.OTHER):
        return Reply.ANSWER
    about = move.stems & opening.stems or Mark.CREDIT in move.marks
    if label is ActLabel.AGREEMENT and not (opening.leans or about):
        return None  # a bare yes after an objection is for the objection
    told = _REPLIES.get(label)
    if told:
        return told
    if Mark.CREDIT in move.marks:
        return Reply.CREDIT
    if label is ActLabel.QUESTION and Mark.INVITATION in move.marks and opening.asked_about(move, turn):
        return Reply.INVITATION
    reasons = (move.speaker, True) in opening.answers
    instead = label is ActLabel.PROPOSAL and opening.stands_refused
    if reasons or instead or label is ActLabel.OTHER:
        return None
    return Reply.UPTAKE if opening.named_by(move) else None


_REPLIES = {
    ActLabel.AGREEMENT: Reply.AGREEMENT,
    ActLabel.CONFIRMATION: Reply.AGREEMENT,
    ActLabel.COMMITMENT: Reply.COMMITMENT,
    ActLabel.DISAGREEMENT: Reply.OBJECTION,
}


@dataclass(frozen=True, slots=True)
class _LastWord:
    """When somebody spoke last, and when somebody else than that person did."""

    speaker: int = -1
    start: int = -1
    """ms."""
    other: int = -1
    """ms."""

    def of_others(self, speaker: int) -> int:
        """Start of the last word of anybody but one person, ms; -1 when there is none."""
        return self.other if speaker == self.speaker else self.start


def _last_word(moves: Sequence[Move]) -> _LastWord:
    said = [move for move in moves if move.label not in PASSIVE]
    if not said:
        return _LastWord()
    last = said[-1]
    other = next((move.start for move in reversed(said) if move.speaker != last.speaker), -1)
    return _LastWord(last.speaker, last.start, other)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Who granted whose claims. Claims at the end that nobody could answer are left out."""

    people: int
    claims: tuple[int, ...]
    """Claims of each person."""
    received: tuple[int, ...]
    """Grants that each person's claims received."""
    grants: Mapping[tuple[int, int], int]
    """Granter and claimer to claims granted, where there are any."""
    objections: Mapping[tuple[int, int], int]
    """Objector and claimer to claims objected to, where there are any."""

    @property
    def dyads(self) -> tuple[int, int]:
        """Dyads with a grant both ways, and dyads with any."""
        both = sum((there, here) in self.grants for here, there in self.grants)
        return both // 2, len(self.grants) - both // 2


def network_of(claims: Sequence[Opening], people: int) -> Network:
    """The network of the answers to claims."""
    made, received = [0] * people, [0] * people
    grants: Counter[tuple[int, int]] = Counter()
    objections: Counter[tuple[int, int]] = Counter()
    for claim in claims:
        made[claim.speaker] += claim.answerable
        for answer in claim.answers:
            if answer.reply is Reply.OBJECTION:
                objections[answer.speaker, claim.speaker] += 1
            else:
                grants[answer.speaker, claim.speaker] += 1
                received[claim.speaker] += 1
    return Network(people, tuple(made), tuple(received), grants, objections)


def ties(claims: Floats, received: Floats) -> Floats:
    """The mean tie that each person receives, along the last axis: shape (…, people), two at least.

    >>> ties(np.array([4.0, 2.0, 0.0]), np.array([4.0, 1.0, 0.0])).tolist()
    [0.5, 0.25, 0.0]
    """
    chances = claims * (claims.shape[-1] - 1)
    return np.asarray(np.divide(received, chances, out=np.zeros_like(claims), where=chances > 0))


def density(tied: Floats) -> Floats:
    """Mean tie of the network from the mean ties that people receive, along the last axis."""
    return np.asarray(tied.mean(axis=-1))


def centralisation(tied: Floats) -> Floats:
    """Freeman's centralisation of the ties received, along the last axis: 1 when all are one person's.

    >>> float(centralisation(np.array([1.0, 0.0, 0.0]))), float(centralisation(np.array([0.5, 0.5, 0.5])))
    (1.0, 0.0)
    """
    n = tied.shape[-1]
    return np.asarray((tied.max(axis=-1, keepdims=True) - tied).sum(axis=-1) / (n - 1))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal, and how long it took until it was adopted."""

    speaker: int
    """Position in the labels."""
    utterance: int
    """Id of the utterance."""
    after_ms: int | None
    """From its end to the beginning of what adopts it; None when a disagreement or the next proposal came
    first, or nothing."""
    by: int | None
    """Id of the utterance that adopts it."""

    def adopted(self, seconds: float = WINDOW_SECONDS) -> bool:
        """Whether it was adopted within so many seconds."""
        return self.after_ms is not None and self.after_ms <= seconds * 1000


def proposals_of(moves: Sequence[Move]) -> tuple[Proposal, ...]:
    """The proposals of a meeting in time order. ``moves`` are in time order."""
    found: list[Proposal] = []
    last: Move | None = None
    for move in moves:
        if last is None or move.label not in _ENDS:
            pass
        elif move.label is ActLabel.CONFIRMATION or (
            move.label is ActLabel.AGREEMENT and move.speaker != last.speaker
        ):
            found[-1] = replace(found[-1], after_ms=max(0, move.start - last.end), by=move.id)
            last = None
        elif move.label is ActLabel.DISAGREEMENT:
            last = None
        if move.label is ActLabel.PROPOSAL:
            found.append(Proposal(move.speaker, move.id, None, None))
            last = move
    return tuple(found)


_ENDS = frozenset({ActLabel.AGREEMENT, ActLabel.CONFIRMATION, ActLabel.DISAGREEMENT})
