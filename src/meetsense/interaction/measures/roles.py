"""Formal roles: how far what was taken up came from those who hold one, and how others answer them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import Talk
from meetsense.interaction.measures.wordless import without_words
from meetsense.interaction.moves import ClaimKind, leads
from meetsense.interaction.uptake import Exchange, Opening
from meetsense.values import DecisionChain, DecisionStatus, LedgerRole, Measure, Subject, SubjectKind

NO_ROLES = "nobody who was heard is known to have a formal role"
NO_LEADING = "nobody who was heard is known to have a role that leads a meeting, such as chair"
ALL_LEAD = "everybody has a role that leads a meeting"
HOLDERS = "role-holders are those whose role on the roster leads a meeting (chair, lead, manager, …)"
EXPECTED = frozenset({ClaimKind.AGENDA, ClaimKind.SUMMARY, ClaimKind.ASSIGNMENT})
"""Claims that are a chair's job."""
DECIDED = frozenset({DecisionStatus.ADOPTED, DecisionStatus.AMENDED})
LIMITS = f"under 10 tentative; withheld without a role-holder; {HOLDERS}"
OWN = "this project's own"
NOT_BLAME = "blame or praise of the role-holder: what a role asks for differs"
ANSWERS = "an opportunity is a claim and one person without such a role who could answer it"


def _definition(name: str, formula: str, inputs: str, source: str, limits: str = LIMITS) -> Definition:
    return Definition(
        name, SubjectKind.MEETING, "share", formula, inputs, limits, source, NOT_BLAME,
        needs_count=True, needs_acts=True,
    )  # fmt: skip


DEFINITIONS = (
    _definition(
        "co_production_ratio",
        "1 − role-holders' share of the claims that anybody else granted: how far leadership that was "
        "granted came from people without the role",
        "acts, words, roster",
        "after Gronn 2002 and Carson, Tesluk & Marrone 2007; the ratio is this project's own",
    ),
    _definition(
        "ratification_gap",
        "decisions that a role-holder confirmed and only others proposed / decisions (adopted or amended)",
        "decisions, roster",
        OWN,
    ),
    _definition(
        "role_expected_acts",
        "role-holders' moves of the agenda, summaries, confirmations and tasks given / everybody's: what "
        "the role is expected to do, and how far others did it",
        "acts, words, roster",
        OWN,
    ),
    _definition(
        "role_other_acts",
        "role-holders' proposals and directives / everybody's: what the role isn't needed for",
        "acts, words, roster",
        OWN,
    ),
    _definition(
        "grants_to_role",
        f"role-holders' claims granted by people without such a role / opportunities; {ANSWERS}",
        "acts, words, roster",
        "DeRue & Ashford 2010",
    ),
    _definition(
        "grants_to_others",
        f"claims of people without such a role granted by one another / opportunities; {ANSWERS}",
        "acts, words, roster",
        "DeRue & Ashford 2010",
    ),
    _definition(
        "objections_to_role",
        f"role-holders' claims that people without such a role disagreed with / opportunities; {ANSWERS}",
        "acts, words, roster",
        "DeRue & Ashford 2010",
    ),
    _definition(
        "objections_to_others",
        "claims of people without such a role that they disagreed with among themselves / opportunities; "
        f"{ANSWERS}",
        "acts, words, roster",
        "DeRue & Ashford 2010",
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module; none without acts."""
    if not talk.judged:
        return
    if talk.exchange is None:
        yield from without_words(talk.labels, DEFINITIONS)
        return
    holders = frozenset(i for i, label in enumerate(talk.labels) if leads(talk.told.roles.get(label, "")))
    why = _why_not(talk, holders)
    if why:
        yield from (made.absent(item.name, Subject(), item.unit, why) for item in DEFINITIONS)
        return
    yield from _shares(talk.exchange, holders)
    labels = {talk.labels[i] for i in holders}
    yield _ratification(talk.told.decisions, labels)
    yield from _answers(talk.exchange, holders, talk.people)


def _why_not(talk: Talk, holders: frozenset[int]) -> str | None:
    """Why nothing can be said of roles."""
    if not talk.told.roles:
        return NO_ROLES
    if not holders:
        return NO_LEADING
    return ALL_LEAD if len(holders) == talk.people else None


def _share(name: str, part: int, whole: int, noun: str, why: str) -> Measure:
    if whole:
        return made.event_share(name, Subject(), part, whole, noun)
    return made.absent(name, Subject(), "share", why)


def _shares(exchange: Exchange, holders: frozenset[int]) -> Iterator[Measure]:
    granted = [claim for claim in exchange.claims if claim.grants]
    expected = [claim for claim in exchange.claims if claim.moves[0].claim in EXPECTED]
    other = [claim for claim in exchange.claims if claim.moves[0].claim not in EXPECTED]
    shared = len(granted) - _of(granted, holders)
    yield _share("co_production_ratio", shared, len(granted), "granted claims", "no claim was granted")
    yield _share(
        "role_expected_acts", _of(expected, holders), len(expected), "acts",
        "nobody moved the agenda, summed up or gave tasks",
    )  # fmt: skip
    yield _share(
        "role_other_acts", _of(other, holders), len(other), "acts", "nothing was proposed or directed"
    )


def _of(claims: Sequence[Opening], holders: frozenset[int]) -> int:
    return sum(claim.speaker in holders for claim in claims)


def _ratification(decisions: Sequence[DecisionChain], holders: set[str]) -> Measure:
    decided = [chain for chain in decisions if chain.status in DECIDED]
    part = sum(_ratified(chain, holders) for chain in decided)
    why = "no proposal was adopted" if decisions else "no decision was found"
    return _share("ratification_gap", part, len(decided), "decisions", why)


def _ratified(chain: DecisionChain, holders: set[str]) -> bool:
    """Whether a role-holder confirmed what only others proposed."""
    proposed = {entry.speaker for entry in chain.ledger if entry.role is LedgerRole.PROPOSED}
    confirmed = {entry.speaker for entry in chain.ledger if entry.role is LedgerRole.CONFIRMED}
    return bool(confirmed & holders) and not proposed & holders


_NO_CLAIMS = {
    True: "who has the role claimed nothing that could be answered",
    False: "people without the role claimed nothing that could be answered",
}


def _answers(exchange: Exchange, holders: frozenset[int], people: int) -> Iterator[Measure]:
    """Answers of people without the role: to role-holders, and to one another."""
    without = people - len(holders)
    claims = [claim for claim in exchange.claims if claim.answerable]
    for to_role in (True, False):
        own = [claim for claim in claims if (claim.speaker in holders) is to_role]
        whole = len(own) * (without if to_role else without - 1)
        to = "role" if to_role else "others"
        why = "there is nobody else without such a role" if own else _NO_CLAIMS[to_role]
        for noun, answers in (
            ("grants", [claim.grants for claim in own]),
            ("objections", [claim.objections for claim in own]),
        ):
            part = sum(answer.speaker not in holders for found in answers for answer in found)
            yield _share(f"{noun}_to_{to}", part, whole, "opportunities", why)
