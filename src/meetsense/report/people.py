"""Who is in a report, in which order, and under which name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from meetsense.report.escape import clean, clip
from meetsense.values import Analysis, Speaker

LONGEST_NAME = 48
"""Characters of a name as shown."""


@dataclass(frozen=True, slots=True)
class Person:
    """A voice, or an invited person who stayed silent."""

    label: str
    name: str
    """What is shown, clipped when it is very long; no two people of a meeting share it."""
    full: str
    """The name as it was given, cleaned."""
    role: str | None
    """Formal role, as the roster gives it."""
    heard: bool
    """Whether this person speaks in the recording."""
    by_voice: str | None = None
    """How sure it is that the name is right, when it comes from an enrolled voice."""


def people(analysis: Analysis) -> tuple[Person, ...]:
    """Everybody whom the analysis names, in order of first appearance; those never heard come last."""
    first = _appearances(analysis)
    known = {speaker.label: speaker for speaker in analysis.speakers}
    labels = list(dict.fromkeys((*known, *first, *_mentioned(analysis))))
    labels.sort(key=lambda label: first.get(label, float("inf")))
    full = {label: _full_name(known.get(label), label) for label in labels}
    shared = Counter(full.values())
    sure = {voice.label: voice.probability for voice in analysis.recognised}
    taken: set[str] = set()
    found = []
    for label in labels:
        speaker = known.get(label)
        name = clip(full[label], LONGEST_NAME)
        if shared[full[label]] > 1 and full[label] != clean(label):
            name = f"{name} ({clip(label, LONGEST_NAME)})"
        role = clean(speaker.role or "") if speaker else ""
        by_voice = _by_voice(sure[label]) if speaker and speaker.name and label in sure else None
        found.append(Person(label, _unique(name, taken), full[label], role or None, label in first, by_voice))
    return tuple(found)


def _by_voice(probability: float) -> str:
    """Rounded down: nothing is certain.

    >>> _by_voice(0.9996)
    'known by voice, 99 % sure'
    """
    return f"known by voice, {min(99, int(probability * 100))} % sure"


def _full_name(speaker: Speaker | None, label: str) -> str:
    return clean((speaker.name if speaker else None) or "") or clean(label) or "(no name)"


def _unique(name: str, taken: set[str]) -> str:
    """The name, numbered when somebody already has it."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name} ({number})", number + 1
    taken.add(candidate)
    return candidate


def _appearances(analysis: Analysis) -> dict[str, float]:
    """When each label is first heard, in seconds."""
    heard = [(turn.span.start, turn.speaker) for turn in analysis.turns]
    heard += [(said.span.start, said.speaker) for said in analysis.utterances]
    first: dict[str, float] = {}
    for start, label in heard:
        first[label] = min(start, first.get(label, start))
    return first


def _mentioned(analysis: Analysis) -> Iterator[str]:
    """Labels that only ledgers or measures name."""
    for chain in analysis.decisions:
        for entry in chain.ledger:
            yield entry.speaker
    for measure in analysis.measures:
        for label in (measure.subject.speaker, measure.subject.other):
            if label is not None:
                yield label
