"""The transcript as readers see it: in order of time, in chunks, one name a run of utterances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from meetsense.report.escape import clean
from meetsense.report.figures import clock
from meetsense.report.ledger import Decision
from meetsense.report.people import Person
from meetsense.values import Act, Analysis, Utterance

CHUNK_SECONDS = 300.0
"""Length of a chunk of a long transcript."""
LONG = 150
"""More utterances than this are cut in chunks that can be folded."""
SURE = 0.6
"""Acts below this confidence get a question mark."""


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance."""

    id: int
    time: str
    text: str
    """Cleaned; empty when nothing was said."""
    act: Act | None
    doubtful: bool
    evidence: tuple[tuple[Decision, str], ...]
    """The decisions that it is evidence for, and as what."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one person says before somebody else does."""

    person: Person
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the transcript."""

    name: str
    """From when to when; empty when the transcript is one chunk."""
    count: int
    runs: tuple[Run, ...]
    unfolded: bool
    """Whether it is open when the page opens: the first, and those that hold evidence."""


def transcript(
    analysis: Analysis, everybody: Sequence[Person], found: Iterable[Decision]
) -> tuple[Chunk, ...]:
    """All utterances in order of time; none without words."""
    by_label = {person.label: person for person in everybody}
    acts = {act.utterance: act for act in analysis.acts}
    evidence: dict[int, dict[tuple[int, str], tuple[Decision, str]]] = {}
    for decision in found:
        for step in decision.steps:
            if step.evidence:
                key = decision.id, str(step.role)
                evidence.setdefault(step.evidence.id, {})[key] = decision, str(step.role)
    ordered = sorted(analysis.utterances, key=lambda said: said.span.start)
    length = CHUNK_SECONDS if len(ordered) > LONG else float("inf")
    chunks: list[Chunk] = []
    for i, group in groupby(ordered, key=lambda said: int(said.span.start // length)):
        said = list(group)
        name = f"{clock(i * length)} to {clock((i + 1) * length)}" if length < float("inf") else ""
        lines = [
            (by_label[u.speaker], _line(u, acts.get(u.id), evidence.get(u.id, {}).values())) for u in said
        ]
        runs = tuple(
            Run(person, tuple(line for _, line in run))
            for person, run in groupby(lines, key=lambda pair: pair[0])
        )
        unfolded = not chunks or any(u.id in evidence for u in said)
        chunks.append(Chunk(name, len(said), runs, unfolded))
    return tuple(chunks)


def _line(said: Utterance, act: Act | None, evidence: Iterable[tuple[Decision, str]]) -> Line:
    doubtful = act is not None and act.confidence < SURE
    return Line(said.id, clock(said.span.start), clean(said.text), act, doubtful, tuple(evidence))
