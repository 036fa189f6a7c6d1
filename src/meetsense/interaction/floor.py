"""Who holds the floor, and how it passes from one person to the next.

Definitions, times in whole milliseconds so that a threshold is exact:

- **stretch** (inter-pausal unit): one person's speech between silences of their own of >= 200 ms.
- **turn**: a maximal run of one person's stretches with nobody else's stretch between, those of
  listeners (:mod:`backchannels`) set aside. Speech wholly inside somebody else's speech is
  *within-speaker overlap*: it takes no turn.
- **floor transfer offset** (FTO): start of the next person's turn minus end of the turn before;
  above 0 a *gap*, below 0 a *between-speaker overlap*. Silence inside one person's turn is a *pause*.
- **overlap between** and **within** speakers: time in which at least two people speak, from the start of the
  next person's turn to the end of the turn before where these overlap; and all the other.
- **lapse**: everybody silent for >= 1 s, between the first and the last speech.
- **interruption**: onset >= 200 ms before the holder's end. *Successful* when the holder ends first
  and the interrupter goes on for >= 1 s; *failed* when the interrupter stops first; what is
  neither (a short completion) is overlap only. *Silent* ones have no overlap: see :mod:`clauses`.

Everything is sorted and vectorised: O(n log n) in the number of turns, whatever their speakers.

Sources: Heldner & Edlund 2010 (FTO, pauses, gaps, overlaps); Ferguson 1977 (interruptions);
Jefferson 1989 (lapses).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.values import Turn

STRETCH_SILENCE_MS = 200
"""Own silence that ends a stretch."""
LAPSE_MS = 1000
"""Common silence that is a lapse."""
INTERRUPTION_ONSET_MS = 200
"""How long before the holder's end an interruption starts."""
INTERRUPTION_HOLD_MS = 1000
"""How long a successful interrupter goes on after the holder's end, in the same stretch."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Stretches of speech, sorted by start; those of one person never overlap."""

    speaker: Ints
    """Shape (n,): position in the labels."""
    start: Ints
    """Shape (n,), ms."""
    end: Ints
    """Shape (n,), ms."""

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, which: Ints | Bools | slice) -> Stretches:
        return Stretches(self.speaker[which], self.start[which], self.end[which])

    def of(self, speaker: int) -> Stretches:
        """The stretches of one person."""
        return self[self.speaker == speaker]


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Passages of the floor from one person to another, in time order."""

    giver: Ints
    taker: Ints
    offset: Ints
    """Floor transfer offset, ms: above 0 a gap, below 0 an overlap."""
    at: Ints
    """Start of the taker's turn, ms."""

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, slots=True, eq=False)
class Interruptions:
    """Attempts on a floor that somebody held, in no promised order."""

    holder: Ints
    interrupter: Ints
    successful: Bools
    at: Ints
    """Onset, ms."""

    def __len__(self) -> int:
        return len(self.holder)


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """The floor of one meeting: one reading of its stretches."""

    stretches: Stretches
    """All of them, those set aside included."""
    aside: Bools
    """Shape (stretches,): which of them are listeners' and take no turn."""
    turns: Stretches
    """One entry a turn: from its first stretch's start to its last one's end, pauses included."""
    transitions: Transitions
    interruptions: Interruptions
    lapses: Ints
    """Shape (lapses, 2): start and end, ms."""


def segments(turns: Sequence[Turn], labels: Sequence[str]) -> Stretches:
    """Diarized turns as arrays, sorted by start; those without length are left out.

    Raises KeyError for a speaker that has no label.
    """
    position = {label: i for i, label in enumerate(labels)}
    speaker = np.array([position[turn.speaker] for turn in turns], dtype=np.int64)
    seconds = np.array([(turn.span.start, turn.span.end) for turn in turns], dtype=np.float64).reshape(-1, 2)
    start, end = np.rint(seconds.T * 1000).astype(np.int64)
    order = np.lexsort((-end, start))
    order = order[end[order] > start[order]]
    return Stretches(speaker[order], start[order], end[order])


def merge(pieces: Stretches, silence_ms: int = STRETCH_SILENCE_MS) -> Stretches:
    """Join the pieces of each person that lie less than so many ms apart.

    With 1 it is the plain union of each person's speech; with 200 it makes stretches.
    """
    if not len(pieces):
        return pieces
    order = np.lexsort((pieces.start, pieces.speaker))
    speaker, start, end = pieces.speaker[order], pieces.start[order], pieces.end[order]
    # One running maximum serves all speakers when each is moved to a stretch of time of their own.
    away = speaker * (int(end.max()) + silence_ms + 1)
    reach = np.maximum.accumulate(end + away) - away
    first = np.ones(len(start), dtype=np.bool_)
    first[1:] = (speaker[1:] != speaker[:-1]) | (start[1:] - reach[:-1] >= silence_ms)
    last = np.append(first[1:], True)
    merged = Stretches(speaker[first], start[first], reach[last])
    # Who comes first of two that start together must not hang on the labels: the order given decides.
    return merged[np.lexsort((order[first], -merged.end, merged.start))]


def takes_floor(stretches: Stretches, aside: Bools) -> Bools:
    """Which stretches are part of a turn: neither set aside nor wholly inside earlier speech."""
    end = np.where(aside, 0, stretches.end)
    before = np.concatenate(([0], np.maximum.accumulate(end)[:-1])) if len(end) else end
    return ~aside & (stretches.end > before)


def floor(stretches: Stretches, aside: Bools) -> Floor:
    """Read the floor off stretches of speech, given which of them are listeners'."""
    takes = takes_floor(stretches, aside)
    held = stretches[takes]
    first = np.ones(len(held), dtype=np.bool_)
    first[1:] = held.speaker[1:] != held.speaker[:-1]
    last = np.append(first[1:], True) if len(held) else first
    turns = Stretches(held.speaker[first], held.start[first], held.end[last])
    transitions = Transitions(
        giver=turns.speaker[:-1],
        taker=turns.speaker[1:],
        offset=turns.start[1:] - turns.end[:-1],
        at=turns.start[1:],
    )
    return Floor(
        stretches=stretches,
        aside=aside,
        turns=turns,
        transitions=transitions,
        interruptions=_interruptions(stretches, takes, ~takes & ~aside),
        lapses=_lapses(stretches),
    )


def _interruptions(stretches: Stretches, takes: Bools, inside: Bools) -> Interruptions:
    held = stretches[takes]
    early = (held.speaker[1:] != held.speaker[:-1]) & (
        held.end[:-1] - held.start[1:] >= INTERRUPTION_ONSET_MS
    )
    goes_on = held.end[1:] - held.end[:-1] >= INTERRUPTION_HOLD_MS
    taken = np.flatnonzero(early & goes_on)

    tries = np.flatnonzero(inside)
    holder = np.flatnonzero(takes)[np.cumsum(takes)[tries] - 1] if len(tries) else tries
    lost = stretches.end[holder] - stretches.start[tries] >= INTERRUPTION_ONSET_MS
    tries, holder = tries[lost], holder[lost]
    return Interruptions(
        holder=np.concatenate((held.speaker[taken], stretches.speaker[holder])),
        interrupter=np.concatenate((held.speaker[taken + 1], stretches.speaker[tries])),
        successful=np.arange(len(taken) + len(tries)) < len(taken),
        at=np.concatenate((held.start[taken + 1], stretches.start[tries])),
    )


def _lapses(stretches: Stretches) -> Ints:
    reach = np.maximum.accumulate(stretches.end)
    long = np.flatnonzero(stretches.start[1:] - reach[:-1] >= LAPSE_MS)
    return np.stack((reach[long], stretches.start[long + 1]), axis=1)


def overlapped(speech: Stretches, people: int) -> Ints:
    """Where at least so many people speak at once, as long as they do: shape (m, 2), start and end, ms.

    ``speech`` is the plain union of each person's speech (:func:`merge` with 1).
    """
    times = np.concatenate((speech.start, speech.end))
    steps = np.repeat([1, -1], len(speech))
    order = np.lexsort((steps, times))
    times, level = times[order], np.cumsum(steps[order])
    pieces = np.flatnonzero((level[:-1] >= people) & (times[1:] > times[:-1]))
    start, end = times[pieces], times[pieces + 1]
    first = np.ones(len(pieces), dtype=np.bool_)
    first[1:] = start[1:] > end[:-1]
    return np.stack((start[first], end[np.append(first[1:], True)[: len(first)]]), axis=1)


def overlap_between(speech: Stretches, turns: Stretches) -> Ints:
    """Where at least two people speak because the floor passes: shape (m, 2), start and end, ms.

    ``speech`` is the plain union of each person's speech. All other overlap is within somebody's turn.
    """
    together = overlapped(speech, 2)
    late = turns.end[:-1] > turns.start[1:]
    nobody = np.zeros(int(late.sum()), dtype=np.int64)
    passing = merge(Stretches(nobody, turns.start[1:][late], turns.end[:-1][late]), 1)
    return overlapped(
        Stretches(
            np.repeat([0, 1], [len(together), len(passing)]),
            np.concatenate((together[:, 0], passing.start)),
            np.concatenate((together[:, 1], passing.end)),
        ),
        2,
    )


def inside(floor: Floor) -> Bools:
    """Which stretches begin in somebody's speech and take no turn, listeners' too: shape (stretches,)."""
    takes = takes_floor(floor.stretches, floor.aside)
    reach = np.maximum.accumulate(floor.stretches.end)
    before = np.concatenate(([0], reach[:-1])) if len(reach) else reach
    return ~takes & (before > floor.stretches.start)
