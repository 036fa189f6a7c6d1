"""What kind of work people's talk does: the matter, the way of working, the people, the next steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from meetsense.interaction import uncertainty as sure
from meetsense.interaction.activities import Activity, activity_of
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import Talk
from meetsense.interaction.measures.wordless import without_words
from meetsense.values import Measure, Subject, SubjectKind

SOURCE = "Kauffeld & Lehmann-Willenbrock 2012 (act4teams); which act belongs where is this project's own"
LIMITS = "one facet at most an utterance, told from its act and a list of words; under 10 tentative"
NOT_WORTH = "what somebody's part was worth: all four are work, and who has which job differs"


def _definition(activity: Activity, formula: str) -> Definition:
    return Definition(
        f"{activity.value}_acts",
        SubjectKind.SPEAKER,
        "count",
        f"utterances of the person that {formula}",
        "acts, words",
        LIMITS,
        SOURCE,
        NOT_WORTH,
        needs_acts=True,
    )


DEFINITIONS = (
    _definition(Activity.PROBLEM_FOCUSED, "ask, tell or propose something about the matter itself"),
    _definition(
        Activity.PROCEDURAL,
        "order the meeting: agenda and time, summaries, confirmations of decisions, who has which job",
    ),
    _definition(
        Activity.SOCIO_EMOTIONAL,
        "answer to people: listening sounds, agreement and disagreement, asking what others think, credit, "
        "thanks, humour",
    ),
    _definition(
        Activity.ACTION_ORIENTED, "carry things out: commitments, directives, plans with a date or a person"
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module; none without acts."""
    if not talk.judged:
        return
    if talk.exchange is None:
        yield from without_words(talk.labels, DEFINITIONS)
        return
    found = Counter((move.speaker, activity_of(move)) for move in talk.exchange.moves)
    for i, label in enumerate(talk.labels):
        for activity in Activity:
            n = found[i, activity]
            yield made.count(f"{activity.value}_acts", Subject.of(label), n, sure.grade(n, "utterances"))
