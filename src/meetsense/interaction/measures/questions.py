"""How often people ask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import MS_A_MINUTE, Talk
from meetsense.values import ActLabel, Measure, Subject, SubjectKind

DEFINITIONS = (
    Definition(
        "questions",
        SubjectKind.SPEAKER,
        "count",
        "utterances of the person that are questions",
        "acts",
        "under 10 tentative",
        "Dhillon et al. 2004",
        "curiosity or ignorance: a question may be a proposal, or an examination",
        needs_acts=True,
        acts=(ActLabel.QUESTION,),
    ),
    Definition(
        "question_rate",
        SubjectKind.SPEAKER,
        "per minute",
        "the person's questions / minutes of the person's speech",
        "acts, turns",
        "under 10 questions tentative",
        "Dhillon et al. 2004",
        "curiosity or ignorance: a question may be a proposal, or an examination",
        needs_acts=True,
        acts=(ActLabel.QUESTION,),
    ),
)


def figures(talk: Talk) -> Iterator[Measure]:
    """The measures of this module; none without acts."""
    if not talk.judged:
        return
    asked = np.array([s.speaker for s in talk.said if s.label is ActLabel.QUESTION], dtype=np.int64)
    questions = part_of.counts(asked, talk.people)
    for label, spoken, n in zip(talk.labels, talk.spoken_ms, questions, strict=True):
        subject = Subject.of(label)
        yield made.count("questions", subject, int(n), sure.grade(int(n), "questions"))
        if spoken:
            yield made.per_minute("question_rate", subject, int(n), float(spoken) / MS_A_MINUTE, "questions")
