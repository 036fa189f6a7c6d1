"""Telling people apart whose number is known, and the hidden Markov model against brute force."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.speech import clustering
from meetsense.values import SpeakerRange

BETWEEN = np.array([24.0, 14, 13, 12, 9, 8, 6, 6])


def talk(people: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Whitened vectors of people who speak in turns of ten, and who said each."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((people, len(BETWEEN))) * np.sqrt(BETWEEN)
    labels = np.repeat(rng.permutation(np.arange(-(-n // 10)) % people), 10)[:n]
    vectors = means[labels] + rng.standard_normal((n, len(BETWEEN)))
    return vectors - vectors.mean(axis=0), labels


def same_partition(found: np.ndarray, true: np.ndarray) -> float:
    """Share of the vectors that the best matching of people gets right."""
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((found.max() + 1, true.max() + 1))
    np.add.at(table, (found, true), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(true))


@pytest.mark.parametrize("people", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("n", [400, 5000])
def test_people_and_their_number_are_found(people: int, n: int) -> None:
    vectors, labels = talk(people, n, seed=people)
    found = clustering.tell_apart(vectors, BETWEEN, SpeakerRange(), 8)
    assert found.max() + 1 == people
    assert same_partition(found, labels) > 0.98


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 3), (5, 5), (6, 9)])
def test_the_number_asked_for_is_kept(low: int, high: int) -> None:
    wanted = SpeakerRange(low, high)
    vectors, _ = talk(4, 300)
    found = clustering.tell_apart(vectors, BETWEEN, wanted, 8)
    assert low <= len(np.unique(found)) <= high
    assert sorted(np.unique(found)) == list(range(found.max() + 1))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 5), st.integers(0, 99))
def test_few_vectors_and_any_range(n: int, low: int, more: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, len(BETWEEN)))
    found = clustering.tell_apart(vectors, BETWEEN, SpeakerRange(low, low + more), 8)
    assert found.shape == (n,)
    assert min(low, n) <= len(np.unique(found)) <= low + more


def test_identical_vectors_are_one_person() -> None:
    found = clustering.tell_apart(np.zeros((50, len(BETWEEN))), BETWEEN, SpeakerRange(), 8)
    assert np.unique(found).tolist() == [0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.floats(0.05, 0.95), st.integers(0, 999))
def test_smoothing_is_exact(n: int, states: int, stays: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, start = rng.normal(0, 2, (n, states)), rng.dirichlet(np.ones(states))
    step = stays * np.eye(states) + (1 - stays) * start
    weight = np.zeros((n, states))
    total = 0.0
    for path in product(range(states), repeat=n):
        chance = start[path[0]] * np.prod([step[a, b] for a, b in pairwise(path)])
        chance *= np.exp(sum(scores[t, state] for t, state in enumerate(path)))
        total += chance
        for t, state in enumerate(path):
            weight[t, state] += chance
    chances, entered, likelihood = clustering.smooth(scores, start, stays)
    np.testing.assert_allclose(chances, weight / total, atol=1e-9)
    assert likelihood == pytest.approx(np.log(total))
    assert 1 - 1e-9 <= entered.sum() <= n + 1e-9


def test_likelihood_is_that_of_the_model() -> None:
    """But for a constant, the expected log density of N(sqrt(between) y, 1) with y of N(mean, spread)."""
    rng = np.random.default_rng(1)
    people = clustering.People(rng.normal(size=(3, 8)), rng.uniform(0.1, 1, (3, 8)))
    x = rng.normal(size=(5, 8))
    drawn = people.means + np.sqrt(people.spreads) * rng.standard_normal((200_000, 3, 8))
    density = np.stack([-0.5 * ((v - np.sqrt(BETWEEN) * drawn) ** 2).sum(-1).mean(0) for v in x])
    ours = clustering.log_likelihood(x, BETWEEN, people)
    np.testing.assert_allclose(ours - ours[:, :1], density - density[:, :1], rtol=0.02, atol=0.5)
