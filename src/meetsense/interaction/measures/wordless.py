"""Measures that a language has acts for, but not the words that they are read from besides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meetsense.interaction.measures import made
from meetsense.interaction.measures.definition import Definition
from meetsense.values import Measure, Subject, SubjectKind

REASON = "the words that this is read from are not known for this language"


def without_words(labels: Iterable[str], definitions: Iterable[Definition]) -> Iterator[Measure]:
    """Each measure of the meeting and of each person, withheld; pairs have no entry."""
    people = tuple(labels)
    for item in definitions:
        if item.subject is SubjectKind.MEETING:
            yield made.absent(item.name, Subject(), item.unit, REASON)
        elif item.subject is SubjectKind.SPEAKER:
            yield from (made.absent(item.name, Subject.of(label), item.unit, REASON) for label in people)
