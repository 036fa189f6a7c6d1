"""Figures with the engines' doubt in their intervals: the meeting read again, and the acts believed less."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import ModuleType

import numpy as np

from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.backchannels import keeps_floor
from meetsense.interaction.doubt import (
    DOUBTED_LANGUAGE,
    DOUBTED_WORDS,
    SEED,
    Doubt,
    Events,
    Floats,
    Pieces,
    Reading,
    Shift,
    believed,
    loss,
    perturbed,
    pieces,
    read_again,
    readings,
    true_events,
    widened,
)
from meetsense.interaction.floor import Bools, Ints, Stretches, floor, merge, overlapped, takes_floor
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.measures.talk import Talk
from meetsense.values import ActLabel, Grade, Measure, Subject, SubjectKind, Utterance

POSITION = {label: i for i, label in enumerate(ActLabel)}
RANGES = {
    "share": (0.0, 1.0), "index": (0.0, 1.0), "ms": (-math.inf, math.inf), "z": (-math.inf, math.inf),
}  # fmt: skip
"""What figures of a unit can be, those of other units 0 or more; one beyond it can be more."""
OWN_RANGES = {"burstiness": (-1.0, 1.0), "gap_median": (0.0, math.inf)}
"""What these can be, unlike others of their units."""
ONLY_ABOVE_ZERO = {
    "dominance_margin": "the lead may be the speaker engine's error: nobody can be said to have talked most",
}
"""What is tentative, and why, when its interval with doubt in it reaches 0."""
COUNTED = frozenset({"count", "per minute"})
"""Units of numbers of events."""
UNSTEADY = "read again with the errors that the speaker engine is expected to make, it is mostly not there"
WIDEST = 2 / 3
"""A share or an index whose interval spans more than this part of all that is possible is not firm."""
TOO_WIDE = "the interval spans more than two thirds of what is possible; more events make it firm"
Key = tuple[str, Subject]


def with_doubt(
    measures: Sequence[Measure],
    talk: Talk,
    doubt: Doubt,
    families: Sequence[ModuleType],
    definitions: Mapping[str, Definition],
) -> Iterator[Measure]:
    """The same figures, their intervals widened by what the engines are expected to get wrong."""
    again = _read_again(talk, doubt, families, definitions) if doubt.of_voices else ()
    changes = _changes(measures, again)
    needed = readings(len(talk.floor.stretches))[0] / 2
    acts = _Acts(talk, doubt) if talk.said else None
    for item in measures:
        definition = definitions[item.name]
        if item.value is None:
            yield item
            continue
        shift = Shift()
        if doubt.of_voices and not definition.needs_acts:
            moved, lost = changes.get((item.name, item.subject), ([], []))
            if len(moved) < needed:
                item = _tentative(item, UNSTEADY)
            if len(moved) >= 2:
                shift += read_again(np.array(moved), np.array(lost))
        if acts and (definition.needs_acts or definition.acts):
            shift += acts.shift(item, definition)
            item = _tentative(item, acts.reason)
        item = _widened(item, shift)
        yield _tentative(item, ONLY_ABOVE_ZERO.get(item.name)) if item.low == 0 else item


def _tentative(item: Measure, reason: str | None) -> Measure:
    """A figure that there is a reason to doubt; a reason that it has already stays."""
    if reason is None or item.grade is not Grade.FIRM:
        return item
    return replace(item, grade=Grade.TENTATIVE, reason=reason)


def _widened(item: Measure, shift: Shift) -> Measure:
    if item.value is None or item.low is None or item.high is None:
        return item
    low, high = widened(item.low, item.value, item.high, shift, counted=item.unit in COUNTED)
    least, most = OWN_RANGES.get(item.name) or RANGES.get(item.unit, (0.0, math.inf))
    low = max(low, least) if item.low >= least else low
    high = min(high, most) if item.high <= most else high
    wide = item.unit in ("share", "index") and high - low > WIDEST * (most - least)
    return _tentative(replace(item, low=low, high=high), TOO_WIDE if wide else None)


def _read_again(
    talk: Talk, doubt: Doubt, families: Sequence[ModuleType], definitions: Mapping[str, Definition]
) -> Iterator[list[tuple[float, dict[Key, float]]]]:
    """For each perturbation its readings: weight, and the figures that don't rest on acts."""
    rng = np.random.default_rng(SEED)
    known = pieces(talk.speech)
    aside = _in_number(talk, known)
    heard = [f for f in families if any(not item.needs_acts for item in f.DEFINITIONS)]
    times, losing = readings(len(known))
    for i in range(times):
        yield [
            (found.weight, dict(_figures(talk, found, aside, heard, definitions)))
            for found in perturbed(known, doubt, rng, losses=i < losing)
        ]


def _figures(
    talk: Talk,
    found: Reading,
    aside: Bools,
    families: Sequence[ModuleType],
    definitions: Mapping[str, Definition],
) -> Iterator[tuple[Key, float]]:
    """The figures that don't rest on acts; none when nothing of the speech is left."""
    if not len(found.speech):
        return
    reading = _reading(talk, found.speech, aside[found.stretch])
    for item in (item for family in families for item in family.figures(reading)):
        if item.value is not None and not definitions[item.name].needs_acts:
            yield (item.name, item.subject), item.value


def _changes(
    measures: Iterable[Measure], again: Iterable[list[tuple[float, dict[Key, float]]]]
) -> dict[Key, tuple[list[float], list[float]]]:
    """The changes of each figure, and its losses, of perturbations in all of whose readings it is there."""
    values = {(item.name, item.subject): item.value for item in measures if item.value is not None}
    found: dict[Key, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for each in again:
        weights = [weight for weight, _ in each]
        for key in values.keys() & set.intersection(*(set(read) for _, read in each)):
            moved, lost = found[key]
            moved.append(each[0][1][key] - values[key])
            if len(each) > 1:
                lost.append(loss([read[key] for _, read in each], weights))
    return found


def _in_number(talk: Talk, known: Pieces) -> Bools:
    """Which stretches are listeners', by the numbers of ``known``: shape (stretches,)."""
    stretches = talk.floor.stretches
    given = np.lexsort((stretches.start, stretches.speaker))
    first = known.speech[known.first]
    aside = np.empty(len(known), dtype=np.bool_)
    aside[np.lexsort((first.start, first.speaker))] = talk.floor.aside[given]
    return aside


def _reading(talk: Talk, changed: Stretches, aside: Bools) -> Talk:
    """The meeting with other speech; ``aside`` tells which pieces of it are listeners'."""
    speech, stretches = merge(changed, 1), merge(changed)
    listens = _listening(stretches, changed, aside)
    spoken = part_of.talk_ms(speech, talk.people)
    anyone = float(np.diff(overlapped(speech, 1), axis=1).sum())
    together = float(np.diff(overlapped(speech, 2), axis=1).sum())
    return replace(
        talk,
        speech=speech,
        floor=floor(stretches, listens),
        backchannel=keeps_floor(stretches, listens),
        span_ms=int(speech.end.max()) - int(speech.start.min()),
        spoken_ms=spoken,
        anyone_ms=anyone,
        together_ms=together,
        drawn=np.array([[*spoken, anyone, together]], dtype=np.float64) / 1000,
        again=True,
    )


def _listening(stretches: Stretches, changed: Stretches, aside: Bools) -> Bools:
    """Which stretches are listeners': nothing but listeners' pieces, after somebody else took the floor."""
    spoken = np.bincount(_whose(stretches, changed)[~aside], minlength=len(stretches))
    takes = takes_floor(stretches, spoken == 0)
    holder = np.maximum.accumulate(np.where(takes, np.arange(len(stretches)), -1))
    after = (holder >= 0) & (stretches.speaker[holder] != stretches.speaker)
    heard: Bools = (spoken == 0) & after
    return heard


def _whose(stretches: Stretches, changed: Stretches) -> Ints:
    """The stretch that each piece is in: shape (pieces,)."""
    away = int(stretches.end.max()) + 1
    key = stretches.speaker * away + stretches.start
    order = np.argsort(key)
    return order[np.searchsorted(key[order], changed.speaker * away + changed.start, side="right") - 1]


class _Acts:
    """The acts of a meeting and how far each can be believed."""

    def __init__(self, talk: Talk, doubt: Doubt) -> None:
        told, words = _heard(talk.told.utterances)
        heard = np.array([told.get(said.id, math.nan) for said in talk.said])
        confidence = np.array([said.confidence for said in talk.said])
        self._events = Events(
            speaker=np.array([said.speaker for said in talk.said], dtype=np.int64),
            label=np.array([POSITION[said.label] for said in talk.said], dtype=np.int64),
            right=believed(confidence, heard, doubt),
            speakers=int((talk.spoken_ms > 0).sum()),
            confused=doubt.confused,
        )
        self._labels = talk.labels
        self._mean = float(self._events.right.mean())
        self.reason = _doubtful(words, doubt)
        """Why what rests on acts is no more than tentative; None where there is no reason."""

    def shift(self, item: Measure, definition: Definition) -> Shift:
        """Doubt of a figure that rests on acts."""
        labels = np.array([POSITION[label] for label in definition.acts], dtype=np.int64)
        found = self._counted(item, labels) if definition.acts else None
        return found or self._alike(item, labels)

    def _counted(self, item: Measure, labels: Ints) -> Shift | None:
        """Of a number of acts of some labels, or what is in proportion to it; None when it isn't that."""
        per = {"count": 1.0, "per minute": item.whole, "share": item.whole}.get(item.unit)
        number = item.value if item.part is None else item.part
        who = None if item.subject.speaker is None else self._labels.index(item.subject.speaker)
        seen = np.isin(self._events.label, labels)
        if who is not None:
            seen &= self._events.speaker == who
        if item.subject.kind is SubjectKind.PAIR or not per or number is None or number != seen.sum():
            return None
        mean, variance = true_events(self._events, labels, who)
        return Shift.of((mean - number) / per, sure.Z95 * math.sqrt(variance) / per)

    def _alike(self, item: Measure, labels: Ints) -> Shift:
        """Of a figure that rests on n acts in another way: as many are missed as are none."""
        if not item.n or item.low is None or item.high is None or item.value is None:
            return Shift()
        known = np.isin(self._events.label, labels)
        right = float(self._events.right[known].mean()) if known.any() else self._mean
        right *= 1 - self._events.confused
        wrong = max(right, 0.5) * (1 - max(right, 0.5))
        of_person = item.subject.kind is not SubjectKind.MEETING
        per = {"count": 1.0, "per minute": item.whole}.get(item.unit)
        if per:
            given = self._events.confused * item.n if of_person else 0.0
            return Shift(spread=sure.Z95 * math.sqrt(2 * item.n * wrong + 2 * given**2) / per)
        if item.unit in ("share", "index"):
            mistaken = self._events.of_share(item.value) if of_person else 0.0
            return Shift(spread=sure.Z95 * math.sqrt(wrong / item.n + mistaken))
        reach = max(item.value - item.low, item.high - item.value)
        return Shift(spread=reach * math.sqrt(1 / max(right, 0.01) - 1))


def _heard(utterances: Sequence[Utterance]) -> tuple[dict[int, float], Floats]:
    """Mean probability of the words of each utterance that has words, by its id, and of all words."""
    told = [said for said in utterances if said.words]
    every = np.array([word.probability for said in told for word in said.words], dtype=np.float64)
    lengths = np.array([len(said.words) for said in told], dtype=np.int64)
    means = np.add.reduceat(every, np.cumsum(lengths) - lengths) / lengths if told else every
    return dict(zip((said.id for said in told), means.tolist(), strict=True)), every


def _doubtful(words: Floats, doubt: Doubt) -> str | None:
    """Why words are not to be relied on."""
    if doubt.language < DOUBTED_LANGUAGE:
        return f"the language of the words is uncertain ({doubt.language:.0%})"
    mean = min(float(words.mean()) if len(words) else 1.0, 1 - doubt.word_error)
    if mean < DOUBTED_WORDS:
        return f"the words are doubtful: {mean:.0%} of them are expected to be right"
    return None
