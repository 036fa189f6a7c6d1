"""What kind of work an utterance does for the meeting, in the four facets of act4teams.

- *problem-focused*: the matter itself: questions about it, facts, proposals.
- *procedural*: how the meeting goes about it: agenda and time, summaries, confirmations, who takes which job.
- *socio-emotional*: how people treat one another: listening, agreement and disagreement, invitations, credit,
  thanks and humour.
- *action-oriented*: what is done about it: commitments, directives, plans with a date or a person.

Each utterance has one facet at most, told from its act and the words that move a meeting (:mod:`moves`);
a floor holder and what fits nothing have none.

Source: Kauffeld & Lehmann-Willenbrock 2012 (act4teams); the assignment of acts to facets is this project's
own, coarser than its 44 codes, and blind to what is harmful within a facet.
"""

from __future__ import annotations

from enum import StrEnum

from meetsense.interaction.moves import Mark, Move
from meetsense.values import ActLabel


class Activity(StrEnum):
    """A facet of act4teams."""

    PROBLEM_FOCUSED = "problem_focused"
    PROCEDURAL = "procedural"
    SOCIO_EMOTIONAL = "socio_emotional"
    ACTION_ORIENTED = "action_oriented"


def activity_of(move: Move) -> Activity | None:
    """The facet that an utterance belongs to, if any."""
    if move.label in _BY_ACT:
        return _BY_ACT[move.label]
    if move.marks & _PROCEDURAL:
        return Activity.PROCEDURAL
    if move.label is ActLabel.DIRECTIVE:
        return Activity.ACTION_ORIENTED
    if move.label is not ActLabel.PROPOSAL and move.marks & _SOCIAL:
        return Activity.SOCIO_EMOTIONAL
    if Mark.ACTION in move.marks:
        return Activity.ACTION_ORIENTED
    return None if move.label is ActLabel.OTHER else Activity.PROBLEM_FOCUSED


_BY_ACT = {
    ActLabel.FLOOR: None,
    ActLabel.BACKCHANNEL: Activity.SOCIO_EMOTIONAL,
    ActLabel.AGREEMENT: Activity.SOCIO_EMOTIONAL,
    ActLabel.DISAGREEMENT: Activity.SOCIO_EMOTIONAL,
    ActLabel.CONFIRMATION: Activity.PROCEDURAL,
    ActLabel.COMMITMENT: Activity.ACTION_ORIENTED,
}
_PROCEDURAL = frozenset({Mark.AGENDA, Mark.SUMMARY, Mark.ASSIGNMENT})
_SOCIAL = frozenset({Mark.INVITATION, Mark.CREDIT, Mark.SOCIAL})
