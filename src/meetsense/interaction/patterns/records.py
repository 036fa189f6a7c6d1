"""What is kept of a meeting to look for patterns over several: who was there, figures, acts that follow acts.

A person is whoever has the same key in several meetings. Labels such as S1 are of one recording and link
nothing: a voice without a key counts for its meeting, and for nobody's trend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from meetsense.values import ActLabel, Analysis, Grade, Measure, Meeting, SubjectKind

Table = NDArray[np.int64]
LABELS = tuple(ActLabel)
"""Rows and columns of a table of acts."""
SAME, OTHER = 0, 1
"""Which table: the next act is by the same speaker, or by somebody else."""
CHAIR = "chair"
"""The formal role whose holder is the context of that name."""
NOT_GIVEN = "not given"
"""The context of a meeting, or of a person in it, of which nothing is known."""


class Context(StrEnum):
    """What meetings are split by."""

    ROLE = "role"
    """The formal role that a person had in the meeting."""
    CHAIR = "chair"
    """Who had the formal role of the chair."""
    ROOM = "room"
    TITLE = "title"
    """Kind of meeting: meetings of a series have the same title, unless the record says otherwise."""


@dataclass(frozen=True, slots=True)
class Attendance:
    """A voice, or an invited person who stayed silent, in one meeting."""

    label: str
    """Local to the meeting."""
    person: str | None
    """Key of the person over meetings, or None when nobody can say who it was."""
    role: str | None
    """Formal role in this meeting."""
    heard: bool
    """Whether they spoke."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One meeting as patterns see it. Build it with :func:`record`."""

    meeting: Meeting
    people: tuple[Attendance, ...]
    figures: Mapping[str, tuple[Measure, ...]]
    """Those of the meeting and of its speakers that are not withheld, by name."""
    follows: Table
    """How often which act follows which: shape (2, acts, acts), the first axis ``SAME`` and ``OTHER``."""
    contexts: Mapping[Context, str]
    """Those that the whole meeting has."""

    def context(self, by: Context, attendance: Attendance | None = None) -> str:
        """The context of the meeting, or of a person's attendance in it."""
        if by is Context.ROLE:
            return (attendance.role if attendance else None) or NOT_GIVEN
        return self.contexts.get(by, NOT_GIVEN)


def record(
    analysis: Analysis,
    *,
    keys: Mapping[str, str] | None = None,
    room: str | None = None,
    kind: str | None = None,
) -> Record:
    """What patterns need of an analysis.

    ``keys``: speaker label to the person's key; by default the names that the analysis shows. ``room`` and
    ``kind``: contexts that an analysis doesn't hold; the kind of meeting is its title by default.
    """
    known = {s.label: s.name for s in analysis.speakers if s.name} if keys is None else keys
    heard = {turn.speaker for turn in analysis.turns} | {said.speaker for said in analysis.utterances}
    people = tuple(
        Attendance(s.label, known.get(s.label), s.role, s.label in heard) for s in analysis.speakers
    )
    chairs = [p.person for p in people if p.person and (p.role or "").casefold() == CHAIR]
    given = {
        Context.CHAIR: chairs[0] if len(chairs) == 1 else None,
        Context.ROOM: room,
        Context.TITLE: kind or analysis.meeting.title,
    }
    contexts = MappingProxyType({by: value for by, value in given.items() if value})
    return Record(analysis.meeting, people, _figures(analysis.measures), _follows(analysis), contexts)


def _figures(measures: Iterable[Measure]) -> Mapping[str, tuple[Measure, ...]]:
    found: dict[str, list[Measure]] = defaultdict(list)
    for item in measures:
        if item.grade is not Grade.WITHHELD and item.subject.kind is not SubjectKind.PAIR:
            found[item.name].append(item)
    return MappingProxyType({name: tuple(items) for name, items in found.items()})


def _follows(analysis: Analysis) -> Table:
    """Acts that follow acts at lag 1, in time order.

    Utterances of one speaker in a row with one act are one event: where an engine cuts them is no behaviour.
    So an act never follows itself by the same speaker.
    """
    code = {label: i for i, label in enumerate(LABELS)}
    acts = {act.utterance: code[act.label] for act in reversed(analysis.acts)}
    said = sorted((u for u in analysis.utterances if u.id in acts), key=lambda u: u.span.start)
    table = np.zeros((2, len(LABELS), len(LABELS)), dtype=np.int64)
    for before, after in pairwise(said):
        given, target = acts[before.id], acts[after.id]
        if before.speaker != after.speaker:
            table[OTHER, given, target] += 1
        elif given != target:
            table[SAME, given, target] += 1
    return table
