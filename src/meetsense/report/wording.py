"""The words of every report: what acts, roles, grades and answers are, and what nothing may be used for.

One place, so that the terminal, the page and the mail say the same thing. The measures' own words are in
:mod:`~meetsense.report.terms`.
"""

from __future__ import annotations

from meetsense.values import ActLabel, DecisionStatus, Grade, LedgerRole

NOT_FOR = "This is about acts between people: none of it may be used to assess, pay, promote or dismiss."
"""Stands in every report."""

BRIEF = frozenset(
    {"talk_share", "initiative_share", "control_share", "claims", "uptake_density", "uptake_centralisation"}
    | {"co_production_ratio", "ratification_gap", "evenness", "dominance_margin"}
    | {"speaker_switches", "floor_transfer_offset", "overlap_share", "silence_share"}
)
"""What is shown right after an analysis; the rest is for those who ask."""

OF_PEOPLE = {
    "initiative_share": "Initiatives that were taken up: slices of everybody's initiatives, not a rate of a "
    "person's own.",
    "adoption_rate": "Part of proposals adopted: drawn towards one half, the more the fewer there are.",
}
"""How a measure of people is to be read where they stand side by side; by its name."""

GRADES = {
    Grade.FIRM: "enough events for the figure to be trusted within its interval",
    Grade.TENTATIVE: "few events or a doubtful input: read it as a hint; the reason stands beside it",
    Grade.WITHHELD: "the figure would mislead, so there is none; the reason stands in its place",
}

STATUSES = {
    DecisionStatus.ADOPTED: "somebody else agreed, or it was confirmed",
    DecisionStatus.AMENDED: "taken up in a changed form",
    DecisionStatus.REJECTED: "turned down, or taken back",
    DecisionStatus.IGNORED: "nobody took it up",
    DecisionStatus.OPEN: "talked about, but put off, or no end was found",
}

ROLES = {
    LedgerRole.RAISED: "raised the issue",
    LedgerRole.PROPOSED: "made the proposal",
    LedgerRole.AMENDED: "changed the proposal",
    LedgerRole.OBJECTED: "spoke against it",
    LedgerRole.AGREED: "agreed",
    LedgerRole.CONFIRMED: "said that it is decided",
    LedgerRole.COMMITTED: "took on something that follows from it",
}

ANSWERS = {
    "agreement": "agreed",
    "commitment": "committed",
    "credit": "gave credit",
    "invitation": "asked the others about it",
    "answer": "answered",
    "uptake": "went on with it",
    "objection": "objected",
}
"""What people do with an initiative of somebody else."""

ACTS = {
    ActLabel.QUESTION: "asks for something to be known",
    ActLabel.PROPOSAL: "suggests what to do",
    ActLabel.AGREEMENT: "is for what was said",
    ActLabel.DISAGREEMENT: "is against what was said",
    ActLabel.CONFIRMATION: "says that something is decided",
    ActLabel.COMMITMENT: "takes on a task",
    ActLabel.DIRECTIVE: "asks somebody to do something",
    ActLabel.INFORMATION: "tells something",
    ActLabel.BACKCHANNEL: "shows that somebody listens",
    ActLabel.FLOOR: "takes or holds the floor, and says nothing yet",
    ActLabel.OTHER: "fits none of these",
}
