"""Uptake: who claims to lead, who grants whose claims, and the network of the grants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from meetsense.interaction import uncertainty as sure
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import MAX_CELLS, Talk
from meetsense.interaction.measures.wordless import without_words
from meetsense.interaction.uptake import (
    Exchange,
    Network,
    Opening,
    centralisation,
    density,
    network_of,
    ties,
)
from meetsense.values import Measure, Subject, SubjectKind

EVERY_PAIR = 24
"""Among more people only pairs with a grant or an objection are told."""
NOT_SINCERE = "esteem or sincerity: a grant is what was observed, and power keeps people from objecting"
DERUE = "DeRue & Ashford 2010; the acts and windows are this project's own"
CLAIM = "a proposal, directive, move of the agenda, summary or confirmation, or a task given to somebody"
ANSWERED = (
    "within 20 s and 3 changes of speaker since the claim was last spoken of: agreement or confirmation, "
    "commitment, words of credit, asking the others about it, speaking on with a third of its topic words"
)
NETWORK = "the tie from j to i is grants of i's claims by j / i's claims, 0 where i claimed nothing"
PRESENT = "everybody counts as present throughout; claims after which nobody else spoke are left out"

DEFINITIONS = (
    Definition(
        "claims",
        SubjectKind.SPEAKER,
        "count",
        f"utterances of the person that say where to go: {CLAIM}",
        "acts, words",
        "under 10 tentative",
        DERUE,
        NOT_SINCERE,
        needs_acts=True,
    ),
    Definition(
        "claims_granted",
        SubjectKind.SPEAKER,
        "share",
        f"claims of the person that anybody else granted / claims of the person. A grant is, {ANSWERED}",
        "acts, words",
        "under 10 claims tentative; claims after which nobody else spoke are left out; withheld for who "
        "claimed nothing",
        DERUE,
        NOT_SINCERE,
        needs_acts=True,
    ),
    Definition(
        "grants",
        SubjectKind.PAIR,
        "count",
        f"claims of the second person that the first granted, each once; a grant is, {ANSWERED}",
        "acts, words",
        f"under 10 tentative; among more than {EVERY_PAIR} people only pairs with a grant or an objection",
        DERUE,
        NOT_SINCERE,
        needs_acts=True,
    ),
    Definition(
        "grant_rate",
        SubjectKind.PAIR,
        "share",
        "claims of the second person that the first granted / claims of the second person",
        "acts, words",
        f"under 10 claims tentative; {PRESENT}; among more than {EVERY_PAIR} people only pairs with a grant "
        "or an objection",
        DERUE,
        NOT_SINCERE,
        needs_acts=True,
    ),
    Definition(
        "objections",
        SubjectKind.PAIR,
        "count",
        "claims of the second person that the first disagreed with, each once, in the same window as grants",
        "acts, words",
        f"under 10 tentative; among more than {EVERY_PAIR} people only pairs with a grant or an objection",
        DERUE,
        "hostility: an objection is work on the matter, and where power is great there are few",
        needs_acts=True,
    ),
    Definition(
        "uptake_density",
        SubjectKind.MEETING,
        "index",
        f"mean tie of the network of grants; {NETWORK}",
        "acts, words, roster",
        f"under 10 claims tentative; {PRESENT}; the interval is a moving-block bootstrap",
        "Carson, Tesluk & Marrone 2007; from behaviour instead of ratings, which is not validated",
        "a goal: it falls with the number of people, since not everybody can answer everything",
        needs_count=True,
        needs_acts=True,
    ),
    Definition(
        "uptake_centralisation",
        SubjectKind.MEETING,
        "index",
        f"Σ (c_max − c_i) / (N − 1), c_i the mean of the ties that i receives; {NETWORK}",
        "acts, words, roster",
        f"under 10 claims tentative; {PRESENT}; the interval is a moving-block bootstrap",
        "Freeman 1979",
        "naming a leader: it says how far uptake gathers on one person, not why",
        needs_count=True,
        needs_acts=True,
    ),
    Definition(
        "uptake_reciprocity",
        SubjectKind.MEETING,
        "share",
        "dyads in which both granted a claim of the other / dyads in which anybody did",
        "acts, words, roster",
        "under 10 dyads tentative; withheld when nobody granted anything",
        "DeRue & Ashford 2010",
        "friendship: who answers whom hangs on who claims",
        needs_count=True,
        needs_acts=True,
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module; none without acts."""
    if not talk.judged:
        return
    exchange = talk.exchange
    if exchange is None:
        yield from without_words(talk.labels, DEFINITIONS)
        return
    network = network_of(exchange.claims, talk.people)
    yield from _claims(talk, exchange)
    yield from _pairs(talk, network)
    yield from _whole(talk, exchange, network)


def _claims(talk: Talk, exchange: Exchange) -> Iterator[Measure]:
    claimed = Counter(claim.speaker for claim in exchange.claims)
    chances = Counter(claim.speaker for claim in exchange.claims if claim.answerable)
    granted = Counter(claim.speaker for claim in exchange.claims if claim.grants)
    for i, label in enumerate(talk.labels):
        subject = Subject.of(label)
        yield made.count("claims", subject, claimed[i], sure.grade(claimed[i], "claims"))
        if chances[i]:
            yield made.event_share("claims_granted", subject, granted[i], chances[i], "claims")
        else:
            yield made.absent("claims_granted", subject, "share", "claimed nothing that could be granted")


def _pairs(talk: Talk, network: Network) -> Iterator[Measure]:
    people = range(talk.people)
    pairs = (
        [(one, other) for one in people for other in people if one != other and network.claims[other]]
        if talk.people <= EVERY_PAIR
        else sorted({*network.grants, *network.objections})
    )
    for one, other in pairs:
        subject = Subject.pair(talk.labels[one], talk.labels[other])
        grants, objections = network.grants.get((one, other), 0), network.objections.get((one, other), 0)
        yield made.count("grants", subject, grants, sure.grade(grants, "grants"))
        yield made.event_share("grant_rate", subject, grants, network.claims[other], "claims")
        yield made.count("objections", subject, objections, sure.grade(objections, "objections"))


def _whole(talk: Talk, exchange: Exchange, network: Network) -> Iterator[Measure]:
    claims = sum(network.claims)
    why = "one person alone has nobody to answer" if talk.people < 2 else "nothing was claimed"
    if talk.people < 2 or not claims:
        for name, unit in _UNITS.items():
            yield made.absent(name, Subject(), unit, why)
        return
    tied = ties(np.array(network.claims, dtype=np.float64), np.array(network.received, dtype=np.float64))
    drawn = _drawn_ties(talk, exchange.claims)
    for name, formula in (("uptake_density", density), ("uptake_centralisation", centralisation)):
        bounds = talk.bounds(formula(drawn))
        enough = sure.grade(claims, "claims")
        yield made.graded(name, Subject(), float(formula(tied)), "index", claims, bounds, enough, most=1.0)
    both, some = network.dyads
    if some:
        yield made.event_share("uptake_reciprocity", Subject(), both, some, "pairs")
    else:
        yield made.absent("uptake_reciprocity", Subject(), "share", "nobody granted anything")


_UNITS = {item.name: item.unit for item in DEFINITIONS if item.subject is SubjectKind.MEETING}


def _drawn_ties(talk: Talk, claims: tuple[Opening, ...]) -> sure.Floats:
    """Bootstrap of the mean ties that people receive: shape (replicates, people)."""
    n = talk.people
    first, last = int(talk.speech.start.min()), int(talk.speech.end.max())
    edges = sure.bin_edges(first, last, MAX_CELLS // (2 * n))
    chances = [claim for claim in claims if claim.answerable]
    at = np.searchsorted(edges, [claim.moves[0].start for claim in chances], side="right") - 1
    place = np.clip(at, 0, len(edges) - 2)
    whose = np.array([claim.speaker for claim in chances])
    bins = np.zeros((len(edges) - 1, 2 * n))
    np.add.at(bins, (place, whose), 1.0)
    np.add.at(bins, (place, n + whose), [float(len(claim.grants)) for claim in chances])
    drawn = sure.replicates(bins)
    return ties(drawn[:, :n], drawn[:, n:])
