"""The families that measures are shown in, in their order."""

from __future__ import annotations

from dataclasses import dataclass

BETWEEN = {"grants": "takes up", "grant_rate": "takes up", "objections": "objects to"}
"""What stands between the two people of a pair's figure, by measure; ``then`` for the others."""
THEN = "then"


@dataclass(frozen=True, slots=True)
class Family:
    """Measures that answer one question of a reader."""

    key: str
    """Name of the section in the page."""
    title: str
    lead: str
    """One or two sentences before the figures."""
    measures: tuple[str, ...]
    """Names in the order in which they are shown."""


FAMILIES = (
    Family(
        "decided",
        "Decisions in figures",
        "Counts of what stands above. Most meetings decide too little for more than a hint.",
        ("decisions_made", "proposals_ignored", "ideas_returned", "decision_latency"),
    ),
    Family(
        "initiative",
        "Initiative and uptake",
        "An initiative begins something instead of answering; a claim says where to go, with a proposal, a "
        "request or a move of the agenda. Others take it up by agreeing, by committing to it, by an answer "
        "or by going on with it. What somebody begins and what the others make of it stand together here: "
        "neither alone is leadership.",
        (
            "grant_rate",
            "grants",
            "objections",
            "uptake_density",
            "uptake_centralisation",
            "uptake_reciprocity",
            "initiative_share",
            "claims",
            "claims_granted",
            "proposals",
            "proposal_rate",
            "proposal_rate_own",
            "proposals_adopted",
            "adoption_rate",
            "adopted_within_10s",
            "adopted_within_20s",
            "adopted_within_40s",
            "topic_introductions",
            "topic_uptake",
            "control_share",
            "initiative_shifts",
            "abdication_shifts",
            "summary_shifts",
            "interruption_shifts",
        ),
    ),
    Family(
        "shares",
        "Who spoke",
        "Talk time says who talked. It barely says whose view prevailed: see the decisions for that.",
        (
            "talk_share",
            "talk_time",
            "turn_share",
            "turns",
            "longest_turn",
            "evenness",
            "gini",
            "effective_speakers",
            "concentration",
            "participation_gradient",
            "dominance_margin",
            "dominated_windows",
            "alternating_windows",
            "windows_dominated",
        ),
    ),
    Family(
        "floor",
        "How the floor passes",
        "Who gives way, who waits and who comes in early depends on the people, the room and the talk; it is "
        "nobody's character.",
        (
            "speaker_switches",
            "floor_transfer_offset",
            "overlapped_transitions",
            "gap_median",
            "overlap_share",
            "overlap_between",
            "overlap_within",
            "silence_share",
            "lapses",
            "turn_taking_index",
            "burstiness",
            "floor_returns",
            "floor_return_z",
            "turn_reciprocity",
            "turn_reciprocity_z",
            "interruptions_made",
            "interruptions_successful",
            "interruptions_failed",
            "interruptions_silent",
            "interruptions_received",
            "backchannels",
            "patience",
            "return_propensity",
            "entry_propensity",
            "response_latency",
            "transition_share",
            "transition_z",
        ),
    ),
    Family(
        "activities",
        "Activities",
        "What people's talk did for the meeting: the matter itself, the way of working, the people, or what "
        "is to be done next. All four are work.",
        (
            "problem_focused_acts",
            "procedural_acts",
            "socio_emotional_acts",
            "action_oriented_acts",
            "questions",
            "question_rate",
        ),
    ),
    Family(
        "roles",
        "Formal roles",
        "Formal roles come from the list of people and are never guessed. The figures say how far what was "
        "taken up came from those who hold a role, and how others speak to them.",
        (
            "co_production_ratio",
            "ratification_gap",
            "role_expected_acts",
            "role_other_acts",
            "grants_to_role",
            "grants_to_others",
            "objections_to_role",
            "objections_to_others",
        ),
    ),
)
"""Families in the order in which they are shown; measures that none of them names come last."""
OTHER = Family("other", "Further figures", "Figures that belong to none of the families above.", ())
_FAMILY_OF = {name: family for family in FAMILIES for name in family.measures}
_PLACE = {name: (i, j) for i, family in enumerate(FAMILIES) for j, name in enumerate(family.measures)}


def family(name: str) -> Family:
    """The family of a measure; :data:`OTHER` where no table has it.

    >>> family("gini").title, family("brand_new").title
    ('Who spoke', 'Further figures')
    """
    return _FAMILY_OF.get(name, OTHER)


def place(name: str) -> tuple[int, int, str]:
    """Where a measure stands: by family, then in the family's order; unknown ones last, by name."""
    return (*_PLACE.get(name, (len(FAMILIES), 0)), "" if name in _PLACE else name)
