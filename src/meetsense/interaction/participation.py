"""How talk spreads over the people, the invited who stayed silent included.

Overlap counts for everybody who speaks. Sources: Pielou 1966 (evenness); Gini 1912, scaled by
N/(N-1) so that one person who does all the talking reaches 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.floor import Ints, Stretches

Floats = NDArray[np.float64]


def talk_ms(speech: Stretches, people: int) -> Ints:
    """Time that each person spoke, ms: shape (people,). ``speech`` is each person's plain union."""
    return np.bincount(speech.speaker, speech.end - speech.start, people).astype(np.int64)


def counts(speaker: Ints, people: int) -> Ints:
    """Events of each person: shape (people,)."""
    return np.bincount(speaker, minlength=people).astype(np.int64)


def groups(keys: Ints, values: Ints) -> dict[int, Ints]:
    """The values under each key that occurs.

    >>> groups(np.array([2, 0, 2]), np.array([5, 6, 7]))
    {0: array([6]), 2: array([5, 7])}
    """
    order = np.argsort(keys, kind="stable")
    found, first = np.unique(keys[order], return_index=True)
    return {int(key): part for key, part in zip(found, np.split(values[order], first[1:]), strict=False)}


def shares(talk: Floats) -> Floats:
    """Each person's part of all talk, along the last axis; 0 where nobody spoke."""
    whole = talk.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(talk, whole, out=np.zeros_like(talk), where=whole > 0))


def evenness(talk: Floats) -> Floats:
    """Normalised entropy -Σ p ln p / ln N of talk along the last axis, N >= 2: 1 is all equal.

    >>> float(evenness(np.array([2.0, 2.0]))), float(evenness(np.array([4.0, 0.0])))
    (1.0, 0.0)
    """
    p = shares(talk)
    terms = p * np.log(np.where(p > 0, p, 1.0))
    return np.asarray(np.abs(terms.sum(axis=-1)) / np.log(talk.shape[-1]))


def gini(talk: Floats) -> Floats:
    """Gini coefficient of talk along the last axis, times N/(N-1), N >= 2: 0 is all equal.

    >>> float(gini(np.array([2.0, 2.0]))), float(gini(np.array([4.0, 0.0, 0.0])))
    (0.0, 1.0)
    """
    n = talk.shape[-1]
    weights = 2 * np.arange(1, n + 1) - n - 1
    return np.asarray((np.sort(shares(talk), axis=-1) * weights).sum(axis=-1) / (n - 1))
