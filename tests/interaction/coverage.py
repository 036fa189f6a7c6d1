"""How often 95 % intervals cover the truth, where meetings are drawn and engines err in a known way."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean

from meetsense.interaction.doubt import NONE, SHORT_MS, Doubt
from meetsense.interaction.floor import segments
from meetsense.interaction.measures import DEFINITIONS, flow, questions, shares
from meetsense.interaction.measures.doubted import with_doubt
from meetsense.interaction.measures.talk import Told, listen
from meetsense.values import Act, ActLabel, Measure, Span, Subject, Turn, Utterance, quantise
from tests.interaction.simulated import LABELS, Simulated, simulate

RUN = 4
"""Utterances in a row that a person's voice is mistaken for."""
ALIKE = 0.7
"""Part of the mistaken speech that goes to the voice most alike; the rest goes to anybody else."""
NAMES = frozenset(
    {
        "talk_time", "talk_share", "turns", "turn_share", "overlap_share", "silence_share", "lapses",
        "speaker_switches", "floor_transfer_offset", "overlapped_transitions", "gap_median",
        "interruptions_made", "interruptions_received", "backchannels", "evenness", "gini", "questions",
        "question_rate",
    }
)  # fmt: skip
"""The measures that are looked at."""
FAMILIES = (flow, shares, questions)
"""Where they are made."""
NO_LANGUAGE = "zxx"
"""The acts are given; nothing else is read from the words."""
Key = tuple[str, Subject]


@dataclass(frozen=True, slots=True)
class Heard:
    """A meeting as engines have it."""

    turns: tuple[Turn, ...]
    utterances: tuple[Utterance, ...]
    acts: tuple[Act, ...]
    duration: float
    """Seconds."""

    def measures(self, doubt: Doubt, people: int) -> dict[Key, Measure]:
        """The measures that are looked at; the families of the others are not asked for them."""
        told = Told(self.utterances, self.acts, language=NO_LANGUAGE)
        labels = LABELS[:people]
        talk = listen(segments(self.turns, labels), labels, self.duration, told)
        figures = [item for family in FAMILIES for item in family.figures(talk) if item.name in NAMES]
        found = with_doubt(figures, talk, doubt, FAMILIES, DEFINITIONS)
        return {(item.name, item.subject): item for item in found}


def exactly(meeting: Simulated) -> Heard:
    """A meeting without an error."""
    acts = tuple(
        Act(said.id, label, 1.0) for said, label in zip(meeting.utterances, meeting.labels, strict=True)
    )
    return Heard(meeting.turns, meeting.utterances, acts, meeting.duration)


def engine(meeting: Simulated, doubt: Doubt, seed: int, people: int) -> Heard:
    """A meeting as engines with these errors hear it; another mechanism than the one that the doubt supposes.

    A voice is mistaken for a while at a time, mostly for the one most alike; borders err by Laplace's law;
    an act is what it seems with its confidence, else another one as often as these occur, but listening
    sounds and agreements are mistaken for each other.
    """
    rng = Random(seed)
    turns = _mistaken(meeting, doubt, rng, people)
    heard = _borders(turns, doubt, rng)
    utterances = tuple(
        replace(said, speaker=turn.speaker) for said, turn in zip(meeting.utterances, turns, strict=True)
    )
    occurring = Counter(meeting.labels)
    acts = tuple(_act(i, label, occurring, rng) for i, label in enumerate(meeting.labels))
    return Heard(tuple(heard), utterances, acts, meeting.duration)


def _mistaken(meeting: Simulated, doubt: Doubt, rng: Random, people: int) -> list[Turn]:
    others = {label: [other for other in LABELS[:people] if other != label] for label in LABELS[:people]}
    alike = {label: rng.choice(others[label]) for label in others}
    rates = {label: doubt.confused * rng.uniform(0.2, 1.8) for label in others}
    mistaken: dict[str, str | None] = dict.fromkeys(others)
    turns = []
    for turn in meeting.turns:
        label, rate = turn.speaker, rates[turn.speaker]
        if mistaken[label] and rng.random() < 1 / RUN:
            mistaken[label] = None
        elif not mistaken[label] and rng.random() < rate / (1 - rate) / RUN:
            mistaken[label] = alike[label] if rng.random() < ALIKE else rng.choice(others[label])
        turns.append(Turn(turn.span, mistaken[label] or label))
    return turns


def _borders(turns: list[Turn], doubt: Doubt, rng: Random) -> Iterable[Turn]:
    reach = 0.0
    for turn in turns:
        begun, ended = turn.span.start, turn.span.end
        start, end = (max(0.0, time + _laplace(rng, doubt.jitter_ms / 1000)) for time in (begun, ended))
        if begun < reach and rng.random() < doubt.missed_overlap:
            start = max(start, min(reach, ended))
        reach = max(reach, ended)
        if ended - begun < SHORT_MS / 1000 and rng.random() < doubt.missed_short:
            continue
        if end > start:
            yield Turn(Span(quantise(start), quantise(end)), turn.speaker)


def _laplace(rng: Random, deviation: float) -> float:
    return rng.choice((-1, 1)) * rng.expovariate(math.sqrt(2) / deviation) if deviation else 0.0


def _act(number: int, label: ActLabel, occurring: Counter[ActLabel], rng: Random) -> Act:
    confidence = rng.uniform(0.5, 1.0)
    if rng.random() < confidence:
        return Act(number, label, round(confidence, 3))
    pair = (ActLabel.BACKCHANNEL, ActLabel.AGREEMENT)
    others = [other for other in (pair if label in pair else occurring) if other is not label]
    return Act(number, rng.choices(others, [occurring[other] for other in others])[0], round(confidence, 3))


def coverage(meetings: int, utterances: int, doubt: Doubt, people: int = 4) -> dict[str, tuple[float, float]]:
    """Share of the intervals that cover the truth, with the doubt in them and without, by measure.

    The truth is what meetings of the process come to on average, heard without an error.
    """
    expected: dict[Key, list[float]] = defaultdict(list)
    covered: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for seed in range(meetings):
        for key, item in exactly(simulate(utterances, seed, people)).measures(NONE, people).items():
            if item.value is not None:
                expected[key].append(item.value)
    truth = {key: fmean(values) for key, values in expected.items()}
    for seed in range(meetings):
        heard = engine(simulate(utterances, 10_000 + seed, people), doubt, seed, people)
        wide, narrow = (heard.measures(each, people) for each in (doubt, NONE))
        for key in truth.keys() & wide.keys():
            covered[key[0]].append((_covers(wide[key], truth[key]), _covers(narrow[key], truth[key])))
    return {name: (fmean(a for a, _ in each), fmean(b for _, b in each)) for name, each in covered.items()}


def _covers(item: Measure, truth: float) -> bool:
    return item.low is not None and item.high is not None and item.low <= truth <= item.high
