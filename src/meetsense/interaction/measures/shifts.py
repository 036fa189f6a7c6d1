"""Who speaks after whom, against chance."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import participation as part_of
from meetsense.interaction import shifts as order
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import Talk
from meetsense.values import Measure, Subject, SubjectKind

READ_AGAIN = 20, 40
"""Shuffles of a meeting that is read again, and rounds before them: only their mean and spread count."""
SHUFFLED = (
    f"{order.SHUFFLES} shuffles of the order of turns in which everybody keeps the number of their turns "
    "and nobody follows themselves"
)
TURNS = "turns, listeners set aside"
FROM_THREE = (
    f"only with {order.FEWEST_PEOPLE} people who take turns and {order.FEWEST_TURNS} turns or more; only the "
    f"{order.MOST_PEOPLE} with the most turns are followed"
)
AS_Z = (
    "the interval is against the 97.5 and 2.5 % points of the shuffles: when it holds 0, chance alone does "
    "the same"
)
NOT_ESTEEM = "esteem or alliances: who speaks next hangs on the matter, the seats and the chair"
OWN = "this project's own"

DEFINITIONS = (
    Definition(
        "transition_share",
        SubjectKind.PAIR,
        "share",
        "changes of speaker from the first person to the second / all changes from the first person",
        TURNS,
        f"{FROM_THREE}; only pairs that chance would bring together {order.LEAST_EXPECTED:.0f} times; those "
        "who talk much follow everybody: see transition_z",
        "Sacks, Schegloff & Jefferson 1974",
        NOT_ESTEEM,
    ),
    Definition(
        "transition_z",
        SubjectKind.PAIR,
        "z",
        "(changes from the first person to the second − their mean) / their standard deviation over "
        f"{SHUFFLED}",
        TURNS,
        f"{FROM_THREE}; only pairs that chance would bring together {order.LEAST_EXPECTED:.0f} times; "
        f"{AS_Z}; with many pairs some are beyond it by chance",
        "Bakeman & Quera 2011; shuffles by Metropolis et al. 1953",
        NOT_ESTEEM,
    ),
    Definition(
        "floor_returns",
        SubjectKind.MEETING,
        "share",
        "of three turns in a row those in which the third is the first person's again (A→B→A) / all; the "
        "others are A→B→C",
        TURNS,
        f"{FROM_THREE}; the fewer people, the more: see floor_return_z; whom anybody addresses is not "
        "heard, so participation shifts that need it are not told",
        "after Gibson 2003",
        "how open a discussion is: questions and their answers are returns too",
        needs_count=True,
    ),
    Definition(
        "floor_return_z",
        SubjectKind.MEETING,
        "z",
        f"(returns A→B→A − their mean) / their standard deviation over {SHUFFLED}",
        TURNS,
        f"{FROM_THREE}; {AS_Z}",
        "after Gibson 2003",
        "how open a discussion is: questions and their answers are returns too",
        needs_count=True,
    ),
    Definition(
        "return_propensity",
        SubjectKind.SPEAKER,
        "ratio",
        f"times the person took the floor back after one turn of somebody else / their mean over {SHUFFLED}",
        TURNS,
        f"{FROM_THREE}; only when chance would give {order.LEAST_EXPECTED:.0f}; under 10 tentative",
        "after Gibson 2003",
        "insistence: who is asked back answers back",
    ),
    Definition(
        "entry_propensity",
        SubjectKind.SPEAKER,
        "ratio",
        f"times the person took the floor after two others / their mean over {SHUFFLED}",
        TURNS,
        f"{FROM_THREE}; only when chance would give {order.LEAST_EXPECTED:.0f}; under 10 tentative",
        "after Gibson 2003",
        "boldness: people enter when it is their matter",
    ),
    Definition(
        "turn_reciprocity",
        SubjectKind.MEETING,
        "index",
        "Σ min(n_ij, n_ji) / Σ ½ (n_ij + n_ji) over all pairs of people, n_ij changes of speaker from i to j",
        TURNS,
        f"{FROM_THREE}; high by itself, as everybody is left as often as reached: see turn_reciprocity_z; "
        "the interval is as wide as the shuffles spread",
        OWN,
        NOT_ESTEEM,
        needs_count=True,
    ),
    Definition(
        "turn_reciprocity_z",
        SubjectKind.MEETING,
        "z",
        f"(turn_reciprocity − its mean) / its standard deviation over {SHUFFLED}",
        TURNS,
        f"{FROM_THREE}; {AS_Z}",
        OWN,
        NOT_ESTEEM,
        needs_count=True,
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module."""
    often = READ_AGAIN if talk.again else (order.SHUFFLES, order.WARM_UP)
    found = order.shifts(talk.floor.turns.speaker, *often)
    if found is None:
        return
    yield from _transitions(talk, found)
    yield from _returns(talk, found)
    yield from _reciprocity(found)


def _transitions(talk: Talk, found: order.Shifts) -> Iterator[Measure]:
    given = part_of.counts(talk.floor.transitions.giver, talk.people)[found.people]
    follows = found.found.pairs[found.told[:, 0], found.told[:, 1]]
    against = order.against(follows, found.chance.pairs)
    for (i, j), n, z in zip(found.told.tolist(), follows.tolist(), against, strict=True):
        subject = Subject.pair(talk.labels[found.people[i]], talk.labels[found.people[j]])
        yield made.event_share("transition_share", subject, n, int(given[i]), "transitions")
        yield from _as_z("transition_z", subject, z, int(given[i]), "transitions")


def _returns(talk: Talk, found: order.Shifts) -> Iterator[Measure]:
    triples = len(talk.floor.turns) - 2
    # Who is counted as one with others has no returns of their own.
    returns = int(found.found.returns.sum())
    yield made.event_share("floor_returns", Subject(), returns, triples, "turns")
    yield from _against("floor_return_z", returns, found.chance.returns, triples, "turns")
    for name, counts, expected in (
        ("return_propensity", found.found.returns, found.chance.expected_returns),
        ("entry_propensity", found.found.entries, found.chance.expected_entries),
    ):
        for person, n, chance in zip(found.people, counts.tolist(), expected.tolist(), strict=True):
            if chance >= order.LEAST_EXPECTED:
                interval = sure.poisson(n, chance)
                yield Measure(
                    name, Subject.of(talk.labels[person]), n / chance, "ratio", n, interval.low,
                    interval.high, *sure.grade(n), part=float(n), whole=chance,
                )  # fmt: skip


def _reciprocity(found: order.Shifts) -> Iterator[Measure]:
    changes = int(found.found.pairs.sum())
    if not changes:
        return
    value, drawn = float(order.reciprocity(found.found.pairs)), found.chance.reciprocity
    bounds = value + drawn.mean() - np.percentile(drawn, [97.5, 2.5])
    grade = sure.grade(changes, "transitions")
    yield made.graded("turn_reciprocity", Subject(), value, "index", changes, bounds, grade, most=1.0)
    yield from _against("turn_reciprocity_z", value, drawn, changes, "transitions")


def _against(
    name: str, value: float, drawn: NDArray[np.int64] | NDArray[np.float64], n: int, noun: str
) -> Iterator[Measure]:
    """A figure of the meeting against the shuffles; none where they are all alike."""
    (found,) = order.against(np.array([value]), drawn[:, None])
    yield from _as_z(name, Subject(), found, n, noun)


def _as_z(name: str, subject: Subject, found: order.Against | None, n: int, noun: str) -> Iterator[Measure]:
    if found is not None:
        bounds = np.array([found.low, found.high])
        yield made.graded(name, subject, found.z, "z", n, bounds, sure.grade(n, noun), least=-math.inf)
