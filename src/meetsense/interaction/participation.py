"""How talk spreads over the people, the invited who stayed silent included.

Overlap counts for everybody who speaks. Sources: Pielou 1966 (evenness); Gini 1912, scaled by
N/(N-1) so that one person who does all the talking reaches 1; Simpson 1949 and Hirschman 1964 (concentration,
effective speakers); Stephan & Mishler 1952 (gradient).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.floor import Ints, Stretches

Floats = NDArray[np.float64]
GRID = 2001
"""Points of the gradient's table."""


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


def effective(talk: Floats) -> Floats:
    """Effective speakers 1 / Σ p² of talk along the last axis: so many who talk alike are as concentrated.

    >>> float(effective(np.array([2.0, 2.0]))), float(effective(np.array([4.0, 0.0])))
    (2.0, 1.0)
    """
    squares = (shares(talk) ** 2).sum(axis=-1)
    return np.asarray(np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0))


def concentration(talk: Floats) -> Floats:
    """Herfindahl-Hirschman index (Σ p² − 1/N) / (1 − 1/N) of talk along the last axis, N >= 2: 0 is equal.

    >>> float(concentration(np.array([2.0, 2.0]))), float(concentration(np.array([4.0, 0.0])))
    (0.0, 1.0)
    """
    n = talk.shape[-1]
    return np.asarray(np.maximum(0.0, (shares(talk) ** 2).sum(axis=-1) * n - 1) / (n - 1))


def gradient(talk: Floats) -> Floats:
    """The a of p_r ∝ a^(r − 1) that fits the shares p_1 >= p_2 … best, along the last axis, N >= 2.

    Fitted by maximum likelihood: the a that gives the mean rank that the talk has. 1 is all equal; at ½ each
    talks half as much as the one before.

    >>> gradient(np.array([[1.0, 4.0, 2.0], [3.0, 3.0, 3.0], [0.0, 5.0, 0.0]])).round(3).tolist()
    [0.5, 1.0, 0.0]
    """
    ranks = np.arange(talk.shape[-1])
    grid = np.linspace(0.0, 1.0, GRID)
    powers = grid[:, None] ** ranks
    expected = powers @ ranks / powers.sum(axis=-1)
    found = -np.sort(-shares(talk), axis=-1) @ ranks
    return np.asarray(np.interp(found, expected, grid))
