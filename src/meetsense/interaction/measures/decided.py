"""Decisions: how many there were, what nobody took up, which ideas came back, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from meetsense.interaction import uncertainty as sure
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import Talk
from meetsense.interaction.measures.wordless import without_words
from meetsense.values import DecisionChain, DecisionStatus, LedgerRole, Measure, Subject, SubjectKind

DECIDED = frozenset({DecisionStatus.ADOPTED, DecisionStatus.AMENDED})
SOURCE = "Fernández et al. 2008; Braley & Murray 2018; windows and statuses are this project's own"
LIMITS = "under 10 tentative; what was decided before the meeting, or in silence, is not seen"


def _definition(name: str, unit: str, formula: str, not_for: str, limits: str = LIMITS) -> Definition:
    return Definition(
        name, SubjectKind.MEETING, unit, formula, "decisions", limits, SOURCE, not_for, needs_acts=True
    )


DEFINITIONS = (
    _definition(
        "decisions_made",
        "count",
        "decision chains that were adopted, as proposed or in a changed form",
        "how much a meeting achieved",
    ),
    _definition(
        "proposals_ignored",
        "count",
        "decision chains in which nobody else said anything on the topic within 20 s and 3 changes of "
        "speaker, though they spoke",
        "blame: there are good reasons to leave an idea for later",
    ),
    _definition(
        "ideas_returned",
        "count",
        "decision chains whose idea had been proposed before by somebody else, and ignored (re-attribution)",
        "calling anybody a thief of ideas: people think of the same things",
    ),
    _definition(
        "decision_latency",
        "s",
        "median time from the beginning of what raised the issue to the end of the last confirmation, over "
        "decisions that have both",
        "how well people decide: quick is not good",
        "under 10 decisions tentative; withheld where no decision has both",
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module; none without acts."""
    if not talk.judged:
        return
    if talk.exchange is None:
        yield from without_words(talk.labels, DEFINITIONS)
        return
    decisions = talk.told.decisions
    for name, n, noun in (
        ("decisions_made", sum(chain.status in DECIDED for chain in decisions), "decisions"),
        (
            "proposals_ignored",
            sum(chain.status is DecisionStatus.IGNORED for chain in decisions),
            "ignored proposals",
        ),
        ("ideas_returned", sum(chain.returns_from is not None for chain in decisions), "ideas"),
    ):
        yield made.count(name, Subject(), n, sure.grade(n, noun))
    yield _latency(_latencies(talk, decisions))


def _latency(times: Sequence[int]) -> Measure:
    """The median of times in ms, in seconds."""
    if not times:
        why = "no decision was both raised as an issue and confirmed"
        return made.absent("decision_latency", Subject(), "s", why)
    value, interval = sure.median(np.array(times) / 1000)
    grade = sure.grade(len(times), "decisions")
    return Measure("decision_latency", Subject(), value, "s", len(times), interval.low, interval.high, *grade)


def _latencies(talk: Talk, decisions: Sequence[DecisionChain]) -> list[int]:
    """From issue to last confirmation, ms, of the decisions that have both."""
    start = {said.id: said.start for said in talk.said}
    end = {said.id: said.end for said in talk.said}
    times = []
    for chain in decisions:
        raised = [e.utterance for e in chain.ledger if e.role is LedgerRole.RAISED]
        confirmed = [e.utterance for e in chain.ledger if e.role is LedgerRole.CONFIRMED]
        known = {*raised, *confirmed} <= start.keys()
        if chain.status in DECIDED and raised and confirmed and known:
            times.append(max(end[u] for u in confirmed) - min(start[u] for u in raised))
    return times
