"""One meeting, read once: everything that its measures are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import participation as part_of
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.backchannels import keeps_floor, listening
from meetsense.interaction.floor import Bools, Floor, Ints, Stretches, floor, merge, overlapped
from meetsense.interaction.uptake import Exchange, read_exchange
from meetsense.values import Act, ActLabel, DecisionChain, Grade, Utterance

MS_A_MINUTE = 60_000.0
LEAST_BLOCKS = 2
"""Talk of fewer bootstrap blocks has no interval: one block drawn again is always the same."""
MAX_CELLS = 2_000_000
"""Bins times people of the bootstrap: with hundreds of speakers the bins widen."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a meeting besides its turns."""

    utterances: Sequence[Utterance] = ()
    acts: Sequence[Act] = ()
    decisions: Sequence[DecisionChain] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    """Label to formal role, of those who have one: from the roster, never inferred."""
    language: str | None = None
    """BCP 47 code of the words."""


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance with an act, by somebody whose label is known."""

    id: int
    speaker: int
    """Position in the labels."""
    start: int
    """ms."""
    end: int
    """ms."""
    label: ActLabel
    confidence: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """Everything that the measures are read from."""

    labels: tuple[str, ...]
    speech: Stretches
    """Plain union of each person's speech."""
    floor: Floor
    backchannel: Bools
    """Shape (stretches,)."""
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
    told: Told
    said: tuple[Said, ...]
    """Utterances with an act, in time order; empty where there are no acts."""
    exchange: Exchange | None
    """The same, read for initiative and uptake; None without acts, or words of the language for it."""
    again: bool = False
    """Read again under perturbed labels: only values count, so ``drawn`` has one replicate, the sums."""

    @property
    def judged(self) -> bool:
        """Whether words told the backchannels, or length alone."""
        return bool(self.told.acts)

    @property
    def minutes(self) -> float:
        """From the first to the last speech, in minutes."""
        return self.span_ms / MS_A_MINUTE

    @property
    def people(self) -> int:
        """Everybody, those who stayed silent included."""
        return len(self.labels)

    @property
    def drawn_talk(self) -> NDArray[np.float64]:
        """Bootstrap of each person's seconds: shape (replicates, people)."""
        return self.drawn[:, : len(self.labels)]

    def bounds(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ends of the intervals, shape (2, …); not a number where the talk is too short for blocks."""
        found = np.concatenate((drawn, drawn)) if self.again else sure.percentiles(drawn)
        enough = self.span_ms >= LEAST_BLOCKS * sure.BLOCK_SECONDS * 1000
        return found if enough else np.full_like(found, np.nan)

    def enough(self) -> tuple[Grade, str | None]:
        """Two minutes of speech make shares of talk firm."""
        seconds = self.anyone_ms / 1000
        if seconds >= sure.SHORT_SECONDS:
            return Grade.FIRM, None
        return Grade.TENTATIVE, f"only {seconds:.0f} s of speech; {sure.SHORT_SECONDS:.0f} s make it firm"


def listen(pieces: Stretches, labels: tuple[str, ...], duration: float, told: Told) -> Talk:
    """Read a meeting from at least one piece of speech. ``duration`` is the recording's, in seconds."""
    speech, stretches = merge(pieces, 1), merge(pieces)
    aside = listening(stretches, labels, told.utterances, told.acts)
    first, last = int(speech.start.min()), int(speech.end.max())
    anyone, together = overlapped(speech, 1), overlapped(speech, 2)
    edges = sure.bin_edges(first, last, MAX_CELLS // len(labels))
    columns = [np.stack((own.start, own.end), axis=1) for own in _by_person(speech, len(labels))]
    said = tuple(said_in(labels, told))
    bins = np.stack([sure.seconds_in_bins(column, edges) for column in (*columns, anyone, together)], axis=1)
    return Talk(
        labels=labels,
        speech=speech,
        floor=floor(stretches, aside),
        backchannel=keeps_floor(stretches, aside),
        duration_ms=max(round(duration * 1000), last),
        span_ms=last - first,
        spoken_ms=part_of.talk_ms(speech, len(labels)),
        anyone_ms=float(np.diff(anyone, axis=1).sum()),
        together_ms=float(np.diff(together, axis=1).sum()),
        drawn=sure.replicates(bins),
        told=told,
        said=said,
        exchange=read_exchange(said, told.language) if told.acts else None,
    )


def _by_person(speech: Stretches, people: int) -> list[Stretches]:
    order = np.argsort(speech.speaker, kind="stable")
    edges = np.searchsorted(speech.speaker[order], np.arange(people + 1))
    return [speech[order[a:b]] for a, b in pairwise(edges)]


def said_in(labels: tuple[str, ...], told: Told) -> Iterator[Said]:
    """Utterances with an act in time order; the order given decides between those that start together."""
    position = {label: i for i, label in enumerate(labels)}
    acts = {act.utterance: act for act in reversed(told.acts)}
    known = [said for said in told.utterances if said.id in acts and said.speaker in position]
    for said in sorted(known, key=lambda said: said.span.start):
        act = acts[said.id]
        start, end = round(said.span.start * 1000), round(said.span.end * 1000)
        yield Said(said.id, position[said.speaker], start, end, act.label, act.confidence, said.text)
