"""The acts behind the shares: which utterances were initiatives or claims, and which took them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meetsense.interaction.measures.talk import Told, said_in
from meetsense.interaction.uptake import Exchange, Opening, Reply, read_exchange
from meetsense.values import Act, Utterance


@dataclass(frozen=True, slots=True)
class Taken:
    """One person's answer to an initiative or claim."""

    reply: Reply
    speaker: str
    utterance: int
    """Id of the utterance."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An initiative or a claim, with the utterances that it is told from."""

    speaker: str
    utterances: tuple[int, ...]
    """Ids of the utterances that it is made of."""
    answerable: bool
    """Whether anybody else spoke after it began; the others count for nothing."""
    taken_up: tuple[Taken, ...]
    """The answers that go along, one a person; with any of them it is taken up, or granted."""
    objections: tuple[Taken, ...]


def initiatives(
    utterances: Sequence[Utterance], acts: Sequence[Act], *, language: str | None = None
) -> tuple[Evidence, ...]:
    """The initiatives of a meeting in time order; ``initiative_share`` counts these and nothing else.

    A person's share is the number of theirs that are answerable and taken up over the number of all that are
    answerable. There are none without acts, or in a language without the words that they are told from; a
    ``language`` of None is read as English.
    """
    return _evidence(utterances, acts, language, lambda exchange: exchange.initiatives)


def claims(
    utterances: Sequence[Utterance], acts: Sequence[Act], *, language: str | None = None
) -> tuple[Evidence, ...]:
    """The claims of a meeting in time order, likewise; ``claims``, ``grants`` and the network count these."""
    return _evidence(utterances, acts, language, lambda exchange: exchange.claims)


def _evidence(
    utterances: Sequence[Utterance],
    acts: Sequence[Act],
    language: str | None,
    kind: Callable[[Exchange], tuple[Opening, ...]],
) -> tuple[Evidence, ...]:
    labels = tuple(dict.fromkeys(said.speaker for said in utterances))
    exchange = read_exchange(tuple(said_in(labels, Told(utterances, acts))), language)
    if exchange is None:
        return ()

    def taken(opening: Opening, *, against: bool) -> tuple[Taken, ...]:
        answers = opening.objections if against else opening.grants
        return tuple(Taken(a.reply, labels[a.speaker], a.utterance) for a in answers)

    return tuple(
        Evidence(
            speaker=labels[opening.speaker],
            utterances=opening.utterances,
            answerable=opening.answerable,
            taken_up=taken(opening, against=False),
            objections=taken(opening, against=True),
        )
        for opening in kind(exchange)
    )
