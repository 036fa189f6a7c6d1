"""Doubt: the errors that engines are expected to make, carried into the intervals of the figures.

Sampling noise is one reason why a figure is off; that an engine heard the wrong person, a border in the
wrong place or the wrong word is another. What the engines are expected to do is given as a :class:`Doubt`;
the value of a figure never changes by it, its interval does.

- **Who spoke when.** The meeting is read again some times under labels that are wrong once more in the way
  that the engine is wrong (:func:`perturbed`), as a bootstrap does with samples: what the errors do to a
  figure the second time they are taken to have done the first time. So the truth is expected at the value
  minus the mean change (the *bias*), with the variance of the changes.
- **What was said.** An act labelled with confidence p is what it seems with probability p; what is not, is
  any other act, each as often as the meeting has it. So the number of true events has a mean (false ones
  taken off, missed ones added) and the variance Σ p(1 − p), both without reading anything again
  (:func:`true_events`).

Errors of sampling and of engines are independent, so their variances add: an end of the interval lies
√(a² + (t·s)²) from the value, a the distance of the sampling interval's end and s the standard deviation by
doubt, and further by the bias on the side where the truth is expected; biases to opposite sides are not set
off against each other (:func:`widened`). An interval always contains its value.

Sources: Efron & Tibshirani 1993 (bootstrap estimates of bias and variance); reading perturbed labels again,
the model of errors and its parameters are this project's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.floor import STRETCH_SILENCE_MS, Bools, Ints, Stretches
from meetsense.interaction.uncertainty import Z95

SHORT_MS = 1000
"""Shorter stretches are the ones that engines miss."""
MOST_CONFUSED = 0.9
"""Nobody's speech is taken to be given away entirely."""
LEAST_KEPT = 0.1
"""No engine is taken to lose more than nine of ten."""
FEWEST_READINGS = 5
MOST_READINGS = 12
STRETCHES_READ = 50_000
"""Stretches of all perturbations together: long meetings are perturbed fewer times."""
FEWEST_LOSSES = 3
"""Perturbations with losses, at least: the losses of one differ less from those of another than the rest."""
SEED = 1947
"""The same meeting is read again the same way."""
DOUBTED_WORDS = 0.7
"""Words less probable than this on average make what rests on them tentative."""
DOUBTED_LANGUAGE = 0.8
"""A language less probable than this makes what rests on words tentative."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Doubt:
    """What errors to expect of the engines. Nothing at all: a transcript that somebody gave.

    Raises ValueError for a share outside 0..1 or a jitter below 0.
    """

    confused: float = 0.0
    """Share of the speech that is given to a wrong person."""
    jitter_ms: float = 0.0
    """Standard deviation of where a stretch of speech begins and ends, ms."""
    missed_short: float = 0.0
    """Share of the stretches under a second that are not heard."""
    missed_overlap: float = 0.0
    """Share of the stretches that begin in somebody else's speech and are heard only after it."""
    word_error: float = 0.0
    """Share of the words that are wrong."""
    language: float = 1.0
    """Probability that the words are in the language that they were taken for."""

    def __post_init__(self) -> None:
        shares = (self.confused, self.missed_short, self.missed_overlap, self.word_error, self.language)
        if not all(0 <= share <= 1 for share in shares) or not 0 <= self.jitter_ms < math.inf:
            raise ValueError(f"shares are 0..1 and the jitter is a time, not {self}")

    @property
    def of_voices(self) -> bool:
        """Whether who spoke when is in doubt."""
        return bool(self.confused or self.jitter_ms or self.missed_short or self.missed_overlap)


NONE = Doubt()
"""Of a transcript that somebody gave: its labels and words are taken as they are."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What doubt says of one figure, in its unit."""

    above: float = 0.0
    """The truth is expected to be up to this far above the value."""
    below: float = 0.0
    """The truth is expected to be up to this far below the value."""
    spread: float = 0.0
    """Half of the 95 % interval round what is expected."""

    def __add__(self, other: Shift) -> Shift:
        """Two independent doubts of one figure. What draws to opposite sides is not set off."""
        spread = math.hypot(self.spread, other.spread)
        return Shift(self.above + other.above, self.below + other.below, spread)

    @classmethod
    def of(cls, bias: float, spread: float) -> Shift:
        """The truth is expected so far above the value, or below it."""
        return cls(max(0.0, bias), max(0.0, -bias), spread)


def widened(
    low: float, value: float, high: float, shift: Shift, *, counted: bool = False
) -> tuple[float, float]:
    """Ends of an interval with doubt in it.

    Of events that are ``counted`` the sampling noise grows with those that are thought to be missing.

    >>> widened(2.0, 3.0, 6.0, Shift(above=1.0))
    (2.0, 7.0)
    >>> widened(2.0, 4.0, 7.0, Shift(above=4.0), counted=True)
    (0.0, 14.0)
    """
    missing = 1 + shift.above / value if counted and value > 0 else 1.0
    below = math.hypot(missing * (value - low), shift.spread) + shift.below
    above = math.hypot(missing * (high - value), shift.spread) + shift.above
    return value - below, value + above


def readings(stretches: int) -> tuple[int, int]:
    """How often a meeting of so many stretches is perturbed, and how many of these times with losses.

    >>> readings(100), readings(20_000)
    ((12, 4), (5, 3))
    """
    times = max(FEWEST_READINGS, min(MOST_READINGS, STRETCHES_READ // max(1, stretches)))
    return times, max(FEWEST_LOSSES, times // 3)


def loss(values: Sequence[float], weights: Sequence[float]) -> float:
    """What losses did to a figure, from its values in the readings of one perturbation, without loss first.

    What is lost is lost from what was left the first time, so a loss counts more than it shows.

    >>> loss([11.0, 8.0], [1.0, 2.0])
    -6.0
    """
    return math.fsum(weight * (other - values[0]) for other, weight in zip(values, weights, strict=True))


def read_again(moved: Floats, lost: Floats) -> Shift:
    """Doubt of a figure from its changes under perturbed labels, and by losses.

    Shapes (perturbations,), two at least, and (those with losses,). There are few of these, so their noise is
    taken to have the same number of degrees of freedom.

    >>> read_again(np.array([0.5, 0.5]), np.array([-0.25, -0.25]))
    Shift(above=0.25, below=0.5, spread=0.0)
    """
    t = _t95(len(moved) - 1)
    return sum((_drawn(changes, t) for changes in (moved, lost)), Shift())


def _drawn(changes: Floats, t: float) -> Shift:
    n = len(changes)
    if not n:
        return Shift()
    spread = float(changes.std(ddof=1)) * math.sqrt(1 + 1 / n) if n > 1 else 0.0
    return Shift.of(-float(changes.mean()), t * spread)


def _t95(degrees: int) -> float:
    """97.5 % point of Student's t (Abramowitz & Stegun 26.7.5), from 4 degrees on to the second decimal."""
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term / degrees**i for i, term in enumerate(terms, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Speech ready to be perturbed: each person's plain union, and the stretch that each piece is of."""

    speech: Stretches
    """Sorted by start."""
    stretch: Ints
    """Shape (pieces,): number of the stretch, by its start: labels decide nothing."""
    first: Ints
    """Shape (stretches,): its first piece."""
    last: Ints
    """Shape (stretches,): its last piece."""
    short: Bools
    """Shape (stretches,)."""
    free_at: Ints
    """Shape (stretches,): when what was being said as it began ends, or it itself if that is earlier, ms."""
    spoke: Ints
    """Labels that occur, in the order of their first speech."""

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Speech with errors."""

    speech: Stretches
    """What is left of the pieces, in the order that they had."""
    stretch: Ints
    """Shape (pieces,): number of the stretch that each is of."""
    weight: float
    """What the change of a figure counts: of the first reading from the value, of others from the first."""


def pieces(speech: Stretches) -> Pieces:
    """Group each person's plain union (``merge`` with 1), at least one piece, into stretches."""
    order = np.lexsort((speech.start, speech.speaker))
    own = speech[order]
    begins = np.ones(len(own), dtype=np.bool_)
    pause = own.start[1:] - own.end[:-1]
    begins[1:] = (own.speaker[1:] != own.speaker[:-1]) | (pause >= STRETCH_SILENCE_MS)
    first = np.flatnonzero(begins)
    last = order[np.append(first[1:] - 1, len(own) - 1)]
    first = order[first]
    in_time = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.argsort(in_time)[np.cumsum(begins) - 1]
    first, last = first[in_time], last[in_time]
    start, end = speech.start[first], speech.end[last]
    before = np.concatenate((start[:1], np.maximum.accumulate(end)[:-1]))
    found, at = np.unique(speech.speaker[first], return_index=True)
    return Pieces(
        speech=speech,
        stretch=number,
        first=first,
        last=last,
        short=end - start < SHORT_MS,
        free_at=np.clip(before, start, end),
        spoke=found[np.argsort(at)],
    )


def perturbed(
    known: Pieces, doubt: Doubt, rng: np.random.Generator, *, losses: bool = True
) -> Iterator[Reading]:
    """The same speech with errors as an engine makes them: moved ones, then each kind of loss besides.

    A stretch goes to a wrong person as a whole. How much of a person's speech does, and to whom, is drawn
    anew each time (exponential round ``confused``): voices are mistaken for each other throughout a meeting,
    so these errors don't average out over its length. Borders move by a normal law. Nothing moves beyond the
    first and the last speech.
    """
    own, n = known.speech, len(known)
    speaker = _confused(known, doubt, rng)[known.stretch]
    start, end = own.start.copy(), own.end.copy()
    borders = np.rint(rng.normal(0.0, doubt.jitter_ms, (2, n))).astype(np.int64)
    start[known.first] += borders[0]
    end[known.last] += borders[1]
    start, end = np.maximum(start, own.start.min()), np.minimum(end, own.end.max())
    yield _reading(known, speaker, start, end, 1.0)
    if not losses:
        return
    chance = rng.random((2, n))
    if doubt.missed_short:
        lost = known.short & (chance[0] < doubt.missed_short)
        heard = np.where(lost[known.stretch], start, end)
        yield _reading(known, speaker, start, heard, _lost(doubt.missed_short))
    if doubt.missed_overlap:
        late = np.where(chance[1] < doubt.missed_overlap, known.free_at, 0)
        yield _reading(
            known, speaker, np.maximum(start, late[known.stretch]), end, _lost(doubt.missed_overlap)
        )


def _lost(share: float) -> float:
    """How much was lost the first time of what is lost the second time, when a share of all is each time."""
    return 1 / max(LEAST_KEPT, 1 - share)


def _reading(known: Pieces, speaker: Ints, start: Ints, end: Ints, weight: float) -> Reading:
    kept = end > start
    return Reading(Stretches(speaker[kept], start[kept], end[kept]), known.stretch[kept], weight)


def _confused(known: Pieces, doubt: Doubt, rng: np.random.Generator) -> Ints:
    """Whom each stretch is given to: shape (stretches,)."""
    speaker, people = known.speech.speaker[known.first], len(known.spoke)
    if people < 2 or not doubt.confused:
        return speaker
    rates = np.minimum(doubt.confused * rng.exponential(1.0, people), MOST_CONFUSED)
    towards = rng.exponential(1.0, (people, people)) * ~np.eye(people, dtype=np.bool_)
    reach = np.cumsum(towards / towards.sum(axis=1, keepdims=True), axis=1)
    rank = np.zeros(int(known.spoke.max()) + 1, dtype=np.int64)
    rank[known.spoke] = np.arange(people)
    own = rank[speaker]
    wrong, to = rng.random((2, len(own)))
    other = np.minimum((to[:, None] > reach[own]).sum(axis=1), people - 1)
    return np.where(wrong < rates[own], known.spoke[other], speaker)


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """The acts of a meeting, as far as they can be believed."""

    speaker: Ints
    """Shape (acts,): position in the labels."""
    label: Ints
    """Shape (acts,): position among the labels of acts."""
    right: Floats
    """Shape (acts,): probability that the label is right."""
    speakers: int
    """People who spoke."""
    confused: float
    """Share of the speech that is given to a wrong person."""

    def __len__(self) -> int:
        return len(self.label)

    @property
    def mistaken(self) -> float:
        """Share of the speech that is given to a wrong person, where there is another one."""
        return self.confused if self.speakers > 1 else 0.0

    @property
    def uneven(self) -> float:
        """Squared coefficient of variation of how much of one voice goes to one of n others.

        4 n / (n + 1) - 1, as :func:`perturbed` draws it: voices are mistaken throughout a meeting. Of all
        that a voice loses it is 1.
        """
        others = max(1, self.speakers - 1)
        return 4 * others / (others + 1) - 1

    def of_share(self, share: float) -> float:
        """Variance, by mistaken voices, of a person's share of what the others have in equal parts."""
        others = max(1, self.speakers - 1)
        return self.mistaken**2 * (share**2 + self.uneven * (1 - share) ** 2 / others**3)


def believed(confidence: Floats, words: Floats, doubt: Doubt) -> Floats:
    """Probability that acts are what they seem: shape (acts,).

    ``words`` is the mean probability of each act's words, not a number where nothing is known of them. The
    word that tells an act is wrong as often as any other; the recogniser's own word for it counts when it is
    the lower one.
    """
    heard = np.fmin(words, 1 - doubt.word_error)
    return confidence * heard * doubt.language


def true_events(events: Events, labels: Ints, speaker: int | None) -> tuple[float, float]:
    """Mean and variance of how many acts truly are of some labels and by a person, or by anybody.

    An act that is not what it seems is one of the other labels' acts, of each as often as these occur.
    """
    n = np.bincount(events.label, minlength=int(max(labels.max(), events.label.max(initial=0))) + 1)
    counted = np.zeros(len(n), dtype=np.bool_)
    counted[labels] = True
    rest = len(events) - n
    elsewhere = np.divide(n[counted].sum() - n * counted, rest, out=np.zeros(len(n)), where=rest > 0)
    seems = counted[events.label]
    among = np.where(seems, events.right, 0.0) + (1 - events.right) * elsewhere[events.label]
    if speaker is None:
        return float(among.sum()), float((among * (1 - among)).sum())
    wrong = events.mistaken
    own = events.speaker == speaker
    theirs = among * np.where(own, 1 - wrong, wrong / max(1, events.speakers - 1))
    by_person = np.bincount(events.speaker, theirs, speaker + 1)
    given = wrong / max(1 - wrong, LEAST_KEPT) * by_person[speaker]
    by_person[speaker] = 0.0
    throughout = given**2 + events.uneven * float((by_person**2).sum())
    return float(theirs.sum()), float((theirs * (1 - theirs)).sum()) + throughout
