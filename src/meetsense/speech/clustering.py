"""Stretches of speech to people: Ward's clustering for a first guess, then a hidden Markov model for the
rest.

The model is VBx (Landini et al. 2022): a state a person, each person a point drawn from the spread of voices,
each stretch a point drawn around its person; whoever explains too little fades away, and so the number of
people is found. Vectors are whitened: their spread around a person is 1 in every direction, the spread of
people is given.

Cost grows with length alone: the first guess is made in blocks and then over what the blocks have found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.values import SpeakerRange

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 2000
"""Vectors clustered at once."""
GUESS, MOST = 10, 20
"""People that the first guess has, and at most when a range asks for more: no more are ever estimated."""
STAYS = 0.95
"""Chance that the next stretch is the same person's."""
EVIDENCE = 0.2
"""How much of a stretch counts: neighbours overlap, and one person's stretches resemble each other."""
PRIOR_LEAST, PRIOR_MOST, PRIOR_GROWS = 6.0, 160.0, 0.022
"""How much a person has to explain to be kept: so much a vector, within bounds. In a short recording there
is less to explain."""
ITERATIONS = 20
ENOUGH = 0.01
"""Growth of the bound at which the model is done."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Who was found, and what they sound like."""

    means: Floats
    """Shape (people, d)."""
    spreads: Floats
    """How unsure the means are: variances, shape (people, d)."""

    def __len__(self) -> int:
        return len(self.means)


def log_likelihood(vectors: Floats, between: Floats, people: People) -> Floats:
    """How well each person explains each vector, up to a constant of the vector: (n, d) to (n, people).

    Landini et al. 2022, equation 23 without its constant.
    """
    scaled = vectors * np.sqrt(between)
    return np.asarray(scaled @ people.means.T - 0.5 * (people.spreads + people.means**2) @ between)


def smooth(scores: Floats, start: Floats, stays: float) -> tuple[Floats, Floats, float]:
    """Forward and backward through the states of a hidden Markov model that are entered with chances
    ``start``.

    ``scores`` are log-likelihoods (n, states). Returns the chance of each state at each time, (n, states),
    the expected number of times that each is entered anew, (states,), and the log-likelihood of all.
    """
    n, states = scores.shape
    top = scores.max(axis=1, keepdims=True)
    fits = np.exp(scores - top)
    forward, scale = np.empty((n, states)), np.empty(n)
    now = start * fits[0]
    for t in range(n):
        if t:
            now = (stays * forward[t - 1] + (1 - stays) * start) * fits[t]
        scale[t] = now.sum()
        forward[t] = now / scale[t]
    backward = np.ones((n, states))
    for t in range(n - 2, -1, -1):
        ahead = fits[t + 1] * backward[t + 1]
        backward[t] = (stays * ahead + (1 - stays) * (start @ ahead)) / scale[t + 1]
    chances = forward * backward
    chances /= chances.sum(axis=1, keepdims=True)
    entered = chances[0] + (1 - stays) * start * (fits[1:] * backward[1:] / scale[1:, None]).sum(axis=0)
    return chances, entered, float(np.log(scale).sum() + top.sum())


def prior(vectors: int) -> float:
    """How much a person has to explain in a recording of so many vectors.

    >>> prior(10), prior(10_000)
    (6.0, 160.0)
    """
    return min(PRIOR_MOST, max(PRIOR_LEAST, PRIOR_GROWS * vectors))


def model(chances: Floats, vectors: Floats, between: Floats) -> People:
    """What people sound like who said each vector with these chances, (n, people)."""
    ratio = EVIDENCE / prior(len(vectors))
    spreads = 1 / (1 + ratio * chances.sum(axis=0)[:, None] * between)
    means = ratio * spreads * (chances.T @ (vectors * np.sqrt(between)))
    return People(means, spreads)


def fit(vectors: Floats, between: Floats, labels: Ints, *, keep: bool = False) -> Floats:
    """Chance that each vector is each person's, (n, people), from a first guess of labels 0...

    Whoever explains too little has no chance left in the end; with ``keep`` all are equally likely from the
    start to the end.
    """
    people = int(labels.max()) + 1
    guess = np.full((len(labels), people), np.exp(-5.0))
    guess[np.arange(len(labels)), labels] = 1.0
    chances = guess / guess.sum(axis=1, keepdims=True)
    start = np.full(people, 1 / people)
    reached = -np.inf
    for _ in range(ITERATIONS):
        found = model(chances, vectors, between)
        scores = EVIDENCE * log_likelihood(vectors, between, found)
        chances, entered, likelihood = smooth(scores, start, STAYS)
        if not keep:
            start = entered / entered.sum()
        cost = (
            0.5
            * prior(len(vectors))
            * float((found.spreads - np.log(found.spreads) + found.means**2 - 1).sum())
        )
        if likelihood - cost - reached < ENOUGH:
            break
        reached = likelihood - cost
    return np.asarray(chances, np.float64)


def ward(vectors: Floats, groups: int) -> Ints:
    """Group of each vector, 0..: so many groups, or as many as there are vectors (Ward 1963)."""
    from scipy.cluster.hierarchy import cut_tree, linkage

    if len(vectors) == 1:
        return np.zeros(1, np.int64)
    return np.asarray(cut_tree(linkage(vectors, "ward"), min(groups, len(vectors))), np.int64).reshape(-1)


def first_guess(vectors: Floats, groups: int) -> Ints:
    """Group of each vector, 0.., by Ward's clustering in blocks and then of the blocks' groups."""
    if len(vectors) <= BLOCK:
        return ward(vectors, groups)
    small, found = np.zeros(len(vectors), np.int64), 0
    for part in np.array_split(np.arange(len(vectors)), -(-len(vectors) // BLOCK)):
        small[part] = found + ward(vectors[part], 2 * groups)
        found = int(small[part].max()) + 1
    sizes = np.bincount(small)
    centres = np.stack([np.bincount(small, column) for column in vectors.T], axis=1) / sizes[:, None]
    return ward(centres, groups)[small]


def compact(labels: Ints) -> Ints:
    """The same groups, numbered 0.. without gaps."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def tell_apart(vectors: Floats, between: Floats, wanted: SpeakerRange, least: int) -> Ints:
    """Person of each vector, 0...

    ``vectors`` are whitened, (n, d), in time order, n >= 1; ``between`` is the variance of people, (d,).
    Whoever has fewer than ``least`` vectors isn't counted, unless the number of people asks for it.
    """
    if wanted.high == 1:
        return np.zeros(len(vectors), np.int64)
    chances = fit(vectors, between, first_guess(vectors, max(GUESS, wanted.low, min(wanted.high or 0, MOST))))
    heard = np.bincount(chances.argmax(axis=1), minlength=chances.shape[1])
    count = max(1, int((heard >= least).sum()))
    if count < wanted.low:
        return exactly(vectors, between, first_guess(vectors, wanted.low))
    kept = np.sort(np.argsort(-heard, kind="stable")[: min(count, wanted.high or count)])
    labels = compact(chances[:, kept].argmax(axis=1).astype(np.int64))
    return exactly(vectors, between, labels) if len(kept) < count else labels


def exactly(vectors: Floats, between: Floats, guess: Ints) -> Ints:
    """Person of each vector when there are as many people as a first guess has."""
    labels = fit(vectors, between, guess, keep=True).argmax(axis=1).astype(np.int64)
    return labels if len(np.unique(labels)) == len(np.unique(guess)) else guess
