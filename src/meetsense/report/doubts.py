"""Why figures are tentative or withheld: one line a reason, not one a figure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meetsense.report.families import place
from meetsense.report.figures import figure
from meetsense.report.ledger import names
from meetsense.report.people import Person
from meetsense.values import Grade, Measure, Subject, SubjectKind

EVERYBODY = "everybody"
NAMED = 4
"""So many people are named; of more only their number is told."""
_NUMBER = re.compile(r"(?<![\w.])[0-9]+(?:\.[0-9]+)?(?!\w| make it firm)")
"""A number that stands alone, not the 2 of S2; what makes a figure firm is no event of it."""
_PLURAL = re.compile(r"(?<=^only 0 )([^;,:]+?)s?(?=;)")
"""What is counted."""
_FEW = re.compile(r"only [0-9.]+(?: to [0-9.]+)? [^;]+; ([0-9.]+) make it firm")
"""How a measure says that it rests on few events."""


@dataclass(frozen=True, slots=True)
class Doubted:
    """Figures of one measure that share a reason."""

    title: str
    whom: str
    """``Mara and Jonas``, ``everybody``, ``12 pairs``; empty for the meeting as a whole."""

    @property
    def text(self) -> str:
        """The two in one phrase."""
        return f"{self.title} ({self.whom})" if self.whom not in {"", EVERYBODY} else self.title


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason, and the figures that it holds for."""

    grade: Grade
    reason: str
    """Reasons that differ by numbers only are one, with the numbers' range: ``only 0 to 7 questions``."""
    figures: int
    """How many figures."""
    doubted: tuple[Doubted, ...]

    @property
    def caveat(self) -> str:
        """For a table of one measure, which needs no title: the reason, and whose figures it holds for."""
        whom = ", ".join(item.whom for item in self.doubted if item.whom not in {"", EVERYBODY})
        return f"{self.reason} ({whom})" if whom else self.reason


def doubts(measures: Iterable[Measure], everybody: Sequence[Person], grade: Grade) -> tuple[Doubt, ...]:
    """Reasons of one grade, in the order in which the measures are shown."""
    alike: dict[str, list[tuple[str, Measure]]] = {}
    for measure in sorted(measures, key=lambda measure: place(measure.name)):
        reason = figure(measure).reason
        if measure.grade is grade and reason:
            alike.setdefault(_bare(reason), []).append((reason, measure))
    return tuple(
        Doubt(grade, together([reason for reason, _ in found]), len(found), _doubted(found, everybody))
        for found in alike.values()
    )


def summed(found: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """The same with all that rest on few events in one: n says how few, and what is counted."""
    gathered: dict[str, list[Doubt]] = {}
    for doubt in found:
        few = _FEW.fullmatch(doubt.reason)
        gathered.setdefault(f"fewer than {few[1]} events" if few else doubt.reason, []).append(doubt)
    return tuple(
        Doubt(same[0].grade, reason, sum(d.figures for d in same), tuple(i for d in same for i in d.doubted))
        for reason, same in gathered.items()
    )


def _bare(reason: str) -> str:
    """A reason without its numbers and without what depends on them: one event, several events."""
    return _PLURAL.sub(r"\1", _NUMBER.sub("0", reason))


def together(reasons: Sequence[str]) -> str:
    """One reason for several that differ by their numbers only (and a plural's s).

    >>> together(["only 3 turns; 10 make it firm", "only 0 turns; 10 make it firm"])
    'only 0 to 3 turns; 10 make it firm'
    """
    columns = zip(*(_NUMBER.findall(reason) for reason in reasons), strict=True)
    ranges = iter([_range(column) for column in columns])
    return _NUMBER.sub(lambda _: next(ranges), max(reasons, key=len))


def _range(numbers: Sequence[str]) -> str:
    low, high = min(numbers, key=float), max(numbers, key=float)
    return low if low == high else f"{low} to {high}"


def _doubted(found: Sequence[tuple[str, Measure]], everybody: Sequence[Person]) -> tuple[Doubted, ...]:
    subjects: dict[str, list[Subject]] = {}
    for _, measure in found:
        subjects.setdefault(figure(measure).title, []).append(measure.subject)
    return tuple(Doubted(title, _whom(of, everybody)) for title, of in subjects.items())


def _whom(subjects: Sequence[Subject], everybody: Sequence[Person]) -> str:
    pairs = sum(subject.kind is SubjectKind.PAIR for subject in subjects)
    labels = {subject.speaker for subject in subjects if subject.kind is SubjectKind.SPEAKER}
    parts = []
    if labels:
        some = [person for person in everybody if person.label in labels]
        if len(some) == len(everybody) > 1:
            parts.append(EVERYBODY)
        else:
            parts.append(names(some) if len(some) <= NAMED else f"{len(some)} of {len(everybody)} people")
    if pairs:
        parts.append(f"{pairs} pair{'s' if pairs != 1 else ''}")
    return ", ".join(parts)
