"""The measures of one meeting: from turns, words and acts to figures that say how sure they are.

Time rates and overlap rest on the *talk*: from the first to the last speech; only the share of
silence is of the whole recording. Nobody is ranked and there is no score of a person.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.backchannels import keeps_floor, listening
from meetsense.interaction.floor import Bools, Floor, Ints, Stretches, floor, merge, overlapped, segments
from meetsense.interaction.uncertainty import Interval
from meetsense.values import Act, ActLabel, Grade, Measure, Subject, Turn, Utterance

NEEDS_OVERLAP = frozenset(
    {"floor_transfer_offset", "overlap_share", "overlapped_transitions", "response_latency"}
    | {"interruptions_made", "interruptions_successful", "interruptions_received"}
)
"""Withheld when the engine lets one person at a time speak."""
NEEDS_PEOPLE = frozenset({"evenness", "gini"})
"""Measures of the meeting that are withheld, like those of persons, when the count of people is off."""
BLIND = "the speaker engine does not see overlapping speech"
MS_A_MINUTE = 60_000.0
LEAST_BLOCKS = 2
"""Talk of fewer bootstrap blocks has no interval: one block drawn again is always the same."""
MAX_CELLS = 2_000_000
"""Bins times people of the bootstrap: with hundreds of speakers the bins widen."""


def measure(
    turns: tuple[Turn, ...],
    *,
    duration: float,
    labels: tuple[str, ...],
    utterances: Sequence[Utterance] = (),
    acts: Sequence[Act] = (),
    sees_overlap: bool,
    people: int | None,
) -> tuple[Measure, ...]:
    """Measure one meeting.

    ``duration`` is the recording's, in seconds. ``labels`` names everybody, those of the roster who
    stayed silent included; speakers of the turns that it lacks are added. ``people`` is the
    confirmed roster's count, or None: when it isn't the count of labels, every figure about persons
    is withheld. An engine that doesn't see overlap has what hangs on overlap withheld.
    """
    everybody = tuple(dict.fromkeys((*labels, *(turn.speaker for turn in turns))))
    pieces = segments(turns, everybody)
    if not len(pieces):
        measures = _nobody_spoke(everybody, duration, words=any(u.text.strip() for u in utterances))
    else:
        talk = _listen(pieces, everybody, duration, utterances, acts)
        measures = [*_of_meeting(talk), *_of_persons(talk), *_of_pairs(talk)]
        measures += _of_acts(talk, utterances, acts)
    if not sees_overlap:
        measures = [_without_overlap(item) for item in measures]
    if people is not None and people != len(everybody):
        reason = f"{len(everybody)} speakers were told apart, but the roster has {people} people"
        measures = [_withheld(m, reason) if _about_people(m) else m for m in measures]
    return tuple(measures)


@dataclass(frozen=True, slots=True, eq=False)
class _Talk:
    """Everything that the measures are read from."""

    labels: tuple[str, ...]
    speech: Stretches
    """Plain union of each person's speech."""
    floor: Floor
    backchannel: Bools
    """Shape (stretches,)."""
    judged: bool
    """Whether words told the backchannels, or length alone."""
    duration_ms: int
    span_ms: int
    """From the first to the last speech."""
    spoken_ms: Ints
    """Shape (people,)."""
    anyone_ms: float
    """At least one person speaks."""
    together_ms: float
    """At least two people speak."""
    drawn: NDArray[np.float64]
    """Bootstrap, seconds: shape (replicates, people + 2); then at least one, at least two."""

    @property
    def minutes(self) -> float:
        return self.span_ms / MS_A_MINUTE

    def bounds(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ends of the intervals, shape (2, …); not a number where the talk is too short for blocks."""
        found = sure.percentiles(drawn)
        enough = self.span_ms >= LEAST_BLOCKS * sure.BLOCK_SECONDS * 1000
        return found if enough else np.full_like(found, np.nan)

    @property
    def drawn_talk(self) -> NDArray[np.float64]:
        return self.drawn[:, : len(self.labels)]


def _listen(
    pieces: Stretches,
    labels: tuple[str, ...],
    duration: float,
    utterances: Sequence[Utterance],
    acts: Sequence[Act],
) -> _Talk:
    speech, stretches = merge(pieces, 1), merge(pieces)
    aside = listening(stretches, labels, utterances, acts)
    first, last = int(speech.start.min()), int(speech.end.max())
    anyone, together = overlapped(speech, 1), overlapped(speech, 2)
    edges = sure.bin_edges(first, last, MAX_CELLS // len(labels))
    columns = [np.stack((own.start, own.end), axis=1) for own in _by_person(speech, len(labels))]
    bins = np.stack([sure.seconds_in_bins(column, edges) for column in (*columns, anyone, together)], axis=1)
    return _Talk(
        labels=labels,
        speech=speech,
        floor=floor(stretches, aside),
        backchannel=keeps_floor(stretches, aside),
        judged=bool(acts),
        duration_ms=max(round(duration * 1000), last),
        span_ms=last - first,
        spoken_ms=part_of.talk_ms(speech, len(labels)),
        anyone_ms=float(np.diff(anyone, axis=1).sum()),
        together_ms=float(np.diff(together, axis=1).sum()),
        drawn=sure.replicates(bins),
    )


def _by_person(speech: Stretches, people: int) -> list[Stretches]:
    order = np.argsort(speech.speaker, kind="stable")
    edges = np.searchsorted(speech.speaker[order], np.arange(people + 1))
    return [speech[order[a:b]] for a, b in pairwise(edges)]


def _of_meeting(talk: _Talk) -> list[Measure]:
    """Figures of the meeting as a whole."""
    offsets = talk.floor.transitions.offset
    measures = [_overlap_share(talk), _silence_share(talk)]
    measures.append(_per_minute("lapses", Subject(), len(talk.floor.lapses), talk.minutes, "lapses"))
    measures.append(_per_minute("speaker_switches", Subject(), len(offsets), talk.minutes, "switches"))
    if len(offsets):
        over = int((offsets < 0).sum())
        measures.append(_median("floor_transfer_offset", Subject(), offsets, "transitions"))
        measures.append(_event_share("overlapped_transitions", Subject(), over, len(offsets), "transitions"))
    gaps = offsets[offsets > 0]
    if len(gaps):
        measures.append(_median("gap_median", Subject(), gaps, "gaps"))
    if len(talk.labels) > 1:
        measures += [_spread(talk, "evenness"), _spread(talk, "gini")]
    return measures


def _of_persons(talk: _Talk) -> list[Measure]:
    """Figures of each person, silent ones included."""
    n = len(talk.labels)
    stretches = part_of.counts(talk.floor.stretches.speaker, n)
    turns = part_of.counts(talk.floor.turns.speaker, n)
    spoken = talk.spoken_ms / 1000
    everyone = float(spoken.sum())
    own, shares = talk.bounds(talk.drawn_talk), talk.bounds(part_of.shares(talk.drawn_talk))
    measures: list[Measure] = []
    for i, label in enumerate(talk.labels):
        subject = Subject.of(label)
        time, share = float(spoken[i]), float(spoken[i] / everyone)
        measures.append(_graded("talk_time", subject, time, "s", int(stretches[i]), own[:, i], _enough(talk)))
        measures.append(
            replace(
                _graded(
                    "talk_share", subject, share, "share", int(stretches.sum()), shares[:, i], _enough(talk)
                ),
                part=time,
                whole=everyone,
            )
        )
        measures.append(_count("turns", subject, int(turns[i]), sure.grade(int(turns.sum()), "turns")))
        measures.append(_event_share("turn_share", subject, int(turns[i]), int(turns.sum()), "turns"))
    return [*measures, *_longest_turns(talk), *_interruptions(talk), *_backchannels(talk)]


def _longest_turns(talk: _Talk) -> list[Measure]:
    turns = talk.floor.turns
    lengths = part_of.groups(turns.speaker, turns.end - turns.start)
    measures = []
    for speaker, own in lengths.items():
        value, interval = sure.maximum(own / 1000)
        graded = sure.grade(len(own), "turns")
        bounds = np.array([interval.low, interval.high])
        measures.append(
            _graded("longest_turn", Subject.of(talk.labels[speaker]), value, "s", len(own), bounds, graded)
        )
    return measures


def _interruptions(talk: _Talk) -> list[Measure]:
    """Made per minute of others' talk, received per minute of own talk; raw counts mislead."""
    n, found = len(talk.labels), talk.floor.interruptions
    made = part_of.counts(found.interrupter, n)
    successful = part_of.counts(found.interrupter[found.successful], n)
    received = part_of.counts(found.holder, n)
    own = talk.spoken_ms / MS_A_MINUTE
    others = own.sum() - own
    measures: list[Measure] = []
    for i, label in enumerate(talk.labels):
        subject = Subject.of(label)
        if others[i] > 0:
            minutes = float(others[i])
            measures.append(
                _per_minute("interruptions_made", subject, int(made[i]), minutes, "interruptions")
            )
            measures.append(
                _per_minute("interruptions_successful", subject, int(successful[i]), minutes, "interruptions")
            )
        if own[i] > 0 and n > 1:
            minutes = float(own[i])
            measures.append(
                _per_minute("interruptions_received", subject, int(received[i]), minutes, "interruptions")
            )
    return measures


def _backchannels(talk: _Talk) -> list[Measure]:
    if len(talk.labels) < 2:
        return []
    given = part_of.counts(talk.floor.stretches.speaker[talk.backchannel], len(talk.labels))
    by_length = (Grade.TENTATIVE, "told by length alone: there are no acts")
    return [
        _count("backchannels", Subject.of(label), int(n), sure.grade(int(n)) if talk.judged else by_length)
        for label, n in zip(talk.labels, given, strict=True)
    ]


def _of_pairs(talk: _Talk) -> list[Measure]:
    """Median offset with which the second person takes the floor from the first, from 10 on."""
    passed = talk.floor.transitions
    pairs = part_of.groups(passed.giver * len(talk.labels) + passed.taker, passed.offset)
    measures = []
    for pair, offsets in pairs.items():
        giver, taker = divmod(pair, len(talk.labels))
        if len(offsets) >= sure.FEW_EVENTS:
            subject = Subject.pair(talk.labels[giver], talk.labels[taker])
            measures.append(_median("response_latency", subject, offsets, "transitions"))
    return measures


def _of_acts(talk: _Talk, utterances: Sequence[Utterance], acts: Sequence[Act]) -> list[Measure]:
    """What people do with words; withheld where nothing could tell."""
    subjects = [Subject.of(label) for label in talk.labels]
    if not acts:
        why = "acts are not available for this language" if utterances else "there are no words"
        return [
            Measure(name, subject, None, unit, 0, grade=Grade.WITHHELD, reason=why)
            for subject in subjects
            for name, unit in (("questions", "count"), ("question_rate", "per minute"))
        ]
    asked = {act.utterance for act in acts if act.label is ActLabel.QUESTION}
    position = {label: i for i, label in enumerate(talk.labels)}
    speakers = [position[u.speaker] for u in utterances if u.id in asked and u.speaker in position]
    questions = part_of.counts(np.array(speakers, dtype=np.int64), len(talk.labels))
    measures = []
    for subject, spoken, n in zip(subjects, talk.spoken_ms, questions, strict=True):
        measures.append(_count("questions", subject, int(n), sure.grade(int(n), "questions")))
        if spoken:
            minutes = float(spoken) / MS_A_MINUTE
            measures.append(_per_minute("question_rate", subject, int(n), minutes, "questions"))
    return measures


def _nobody_spoke(labels: tuple[str, ...], duration: float, *, words: bool) -> list[Measure]:
    """Figures without a turn; where there are words somebody did speak, and nothing is said of silence."""
    measures = []
    if words:
        why = "there are words, but nobody could tell who spoke when"
        measures.append(
            Measure("silence_share", Subject(), None, "share", 0, grade=Grade.WITHHELD, reason=why)
        )
    elif duration > 0:
        why = "no speech was found"
        silent = Measure("silence_share", Subject(), 1.0, "share", 0, 1.0, 1.0, Grade.TENTATIVE, why)
        measures.append(replace(silent, part=duration, whole=duration))
    for label in labels:
        subject, why = Subject.of(label), "nobody spoke"
        measures.append(Measure("talk_time", subject, 0.0, "s", 0, 0.0, 0.0, Grade.TENTATIVE, why))
        measures.append(Measure("talk_share", subject, None, "share", 0, grade=Grade.WITHHELD, reason=why))
    return measures


def _overlap_share(talk: _Talk) -> Measure:
    drawn = talk.drawn[:, -1] / np.maximum(talk.drawn[:, -2], 1e-9)
    together = len(overlapped(talk.speech, 2))
    share = talk.together_ms / talk.anyone_ms
    made = _graded(
        "overlap_share", Subject(), share, "share", together, talk.bounds(drawn), _enough(talk), most=1.0
    )
    return replace(made, part=talk.together_ms / 1000, whole=talk.anyone_ms / 1000)


def _silence_share(talk: _Talk) -> Measure:
    whole = talk.duration_ms / 1000
    silent = whole - talk.anyone_ms / 1000
    drawn = (whole - talk.bounds(talk.drawn[:, -2])[::-1]) / whole
    made = _graded(
        "silence_share", Subject(), silent / whole, "share", len(talk.speech), drawn, _enough(talk), most=1.0
    )
    return replace(made, part=silent, whole=whole)


def _spread(talk: _Talk, name: str) -> Measure:
    formula = {"evenness": part_of.evenness, "gini": part_of.gini}[name]
    value = min(1.0, float(formula(talk.spoken_ms.astype(np.float64))))
    drawn = talk.bounds(formula(talk.drawn_talk))
    n = len(talk.floor.stretches)
    return _graded(name, Subject(), value, "index", n, drawn, _enough(talk), most=1.0)


def _enough(talk: _Talk) -> tuple[Grade, str | None]:
    """Two minutes of speech make shares of talk firm."""
    seconds = talk.anyone_ms / 1000
    if seconds >= sure.SHORT_SECONDS:
        return Grade.FIRM, None
    return Grade.TENTATIVE, f"only {seconds:.0f} s of speech; {sure.SHORT_SECONDS:.0f} s make it firm"


def _graded(
    name: str,
    subject: Subject,
    value: float,
    unit: str,
    n: int,
    bounds: NDArray[np.float64],
    graded: tuple[Grade, str | None],
    most: float = math.inf,
) -> Measure:
    if not np.isfinite(bounds).all():
        return Measure(
            name, subject, value, unit, n, None, None, Grade.TENTATIVE, "too short for an interval"
        )
    interval = sure.covering(float(bounds[0]), value, float(bounds[1]), most=most)
    return Measure(name, subject, value, unit, n, interval.low, interval.high, *graded)


def _count(name: str, subject: Subject, n: int, graded: tuple[Grade, str | None]) -> Measure:
    interval = sure.poisson(n)
    return Measure(name, subject, float(n), "count", n, interval.low, interval.high, *graded)


def _per_minute(name: str, subject: Subject, n: int, minutes: float, noun: str) -> Measure:
    interval: Interval = sure.poisson(n, minutes)
    return Measure(
        name, subject, n / minutes, "per minute", n, interval.low, interval.high, *sure.grade(n, noun),
        part=float(n), whole=minutes,
    )  # fmt: skip


def _event_share(name: str, subject: Subject, n: int, whole: int, noun: str) -> Measure:
    interval = sure.wilson(n, whole)
    return Measure(
        name, subject, n / whole, "share", whole, interval.low, interval.high, *sure.grade(whole, noun),
        part=float(n), whole=float(whole),
    )  # fmt: skip


def _median(name: str, subject: Subject, values: Ints, noun: str) -> Measure:
    value, interval = sure.median(values)
    graded = sure.grade(len(values), noun)
    return Measure(name, subject, value, "ms", len(values), interval.low, interval.high, *graded)


def _about_people(item: Measure) -> bool:
    return item.subject.speaker is not None or item.name in NEEDS_PEOPLE


def _without_overlap(item: Measure) -> Measure:
    if item.name in NEEDS_OVERLAP:
        return _withheld(item, BLIND)
    if item.name in ("gap_median", "backchannels") and item.value is not None:
        return replace(item, grade=Grade.TENTATIVE, reason=BLIND)
    return item


def _withheld(item: Measure, reason: str) -> Measure:
    return replace(
        item, value=None, low=None, high=None, part=None, whole=None, grade=Grade.WITHHELD, reason=reason
    )
