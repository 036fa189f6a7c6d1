"""Voices known again: the arithmetic, and its promises on simulated trials of a two-covariance model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from meetsense.speech import voices
from meetsense.speech.voices import calibrated, clear, combine, judge_again, probabilities, recognise
from meetsense.values import Diarization, Span, Turn, Voiceprint

Floats = NDArray[np.float64]
EXTRA = 10.0
"""A print of t seconds spreads by 1 + EXTRA / t of the variance that the network takes it to have."""


class Plane:
    """A space in which the log-odds are 30 less 60 times the distance."""

    space = "plane@1"

    def log_odds(self, one: Sequence[float], other: Sequence[float], /) -> float:
        return 30 - 60 * math.dist(one, other)


class Simulated:
    """The log-likelihood ratio of the two-covariance model for long speech (Ioffe 2006)."""

    space = "simulated@1"

    def __init__(self, between: Floats) -> None:
        self.between = between

    def log_odds(self, one: Sequence[float], other: Sequence[float], /) -> float:
        x, y, b = np.asarray(one), np.asarray(other), self.between
        pair = np.stack([np.stack([b + 1, b]), np.stack([b, b + 1])]).transpose(2, 0, 1)
        both = np.stack([x, y], axis=1)
        together = np.einsum("di,dij,dj->d", both, np.linalg.inv(pair), both)
        apart = (x**2 + y**2) / (b + 1)
        return float(np.sum(np.log(b + 1) - np.log(np.linalg.det(pair)) / 2 - (together - apart) / 2))


class Flattering(Plane):
    """Takes everybody for more alike than they are."""

    def __init__(self, extra: float) -> None:
        self.extra = extra

    def log_odds(self, one: Sequence[float], other: Sequence[float], /) -> float:
        return super().log_odds(one, other) + self.extra


def heard(*found: tuple[Sequence[float], float]) -> Diarization:
    """A recording of voices with a vector and seconds of speech each, one after another."""
    turns, start = [], 0.0
    for i, (_, seconds) in enumerate(found, 1):
        turns.append(Turn(Span(start, start + seconds), f"S{i}"))
        start += seconds
    prints = {f"S{i}": tuple(map(float, vector)) for i, (vector, _) in enumerate(found, 1)}
    return Diarization(tuple(turns), tuple(turns), MappingProxyType(prints), sees_overlap=True)


def known(person: str, *vector: float, seconds: float = 120.0, space: str = "plane@1") -> Voiceprint:
    return Voiceprint(person, space, vector, seconds)


def names(found: Diarization, *enrolled: Voiceprint) -> dict[str, str]:
    return {voice.label: voice.heard.person for voice in recognise(found, Plane(), enrolled)}


def test_a_voice_is_known_and_what_it_sounded_like_is_told() -> None:
    (voice,) = recognise(heard(((0.1, 0.0), 60.0), ((5.0, 0.0), 60.0)), Plane(), [known("Ada", 0.0, 0.0)])
    assert voice.label == "S1"
    assert voice.heard == Voiceprint("Ada", "plane@1", (0.1, 0.0), 60.0)
    assert voices.SURE <= voice.probability <= 1


def test_too_little_speech_is_unknown() -> None:
    for seconds, expected in ((voices.LEAST_SECONDS - 0.1, {}), (voices.LEAST_SECONDS, {"S1": "Ada"})):
        assert names(heard(((0.0, 0.0), seconds)), known("Ada", 0.0, 0.0)) == expected


def test_only_prints_of_the_same_space_compare() -> None:
    assert names(heard(((0.0, 0.0), 60.0)), known("Ada", 0.0, 0.0, space="other@1")) == {}
    assert names(heard(((0.0, 0.0), 60.0))) == {}


def test_between_two_likenesses_it_is_unknown() -> None:
    near, far = known("Ada", 0.0, 0.0), known("Bo", 0.02, 0.0)
    assert names(heard(((0.0, 0.0), 60.0)), near, far) == {}
    assert names(heard(((0.0, 0.0), 60.0)), near, known("Bo", 0.5, 0.0)) == {"S1": "Ada"}


def test_two_voices_are_not_one_person() -> None:
    ada = known("Ada", 0.0, 0.0)
    assert names(heard(((0.0, 0.0), 60.0), ((0.01, 0.0), 60.0)), ada) == {}
    assert names(heard(((0.0, 0.0), 60.0), ((0.35, 0.0), 60.0)), ada) == {"S1": "Ada"}


def test_a_voice_without_a_print_is_unknown() -> None:
    found = heard(((0.0, 0.0), 60.0))
    assert recognise(Diarization(found.turns, found.exclusive), Plane(), [known("Ada", 0.0, 0.0)]) == ()


def test_seconds_are_those_that_nobody_else_speaks_in() -> None:
    found = heard(((0.0, 0.0), 60.0))
    mixed = Diarization(found.turns, (), found.voiceprints, True)
    assert recognise(mixed, Plane(), [known("Ada", 0.0, 0.0)]) == ()


def test_a_print_is_judged_again_from_what_is_enrolled_now() -> None:
    taken = known("Ada", 0.1, 0.0, seconds=60.0)
    assert (judge_again(taken, Plane(), [known("Ada", 0.0, 0.0)]) or 0) >= voices.SURE
    assert judge_again(taken, Plane(), [known("Ada", 3.0, 0.0)]) is None
    assert judge_again(taken, Plane(), [known("Bo", 0.0, 0.0)]) is None
    assert judge_again(taken, Plane(), [known("Ada", 0.0, 0.0), known("Bo", 0.1, 0.0)]) is None
    assert judge_again(known("Ada", 0.0, 0.0, space="old@1"), Plane(), [known("Ada", 0.0, 0.0)]) is None


def test_a_network_to_which_all_sound_alike_names_no_stranger() -> None:
    ada = known("Ada", 1.0, 0.0, seconds=60.0)
    strangers = heard(((0.5, 0.0), 60.0), ((0.3, 0.0), 60.0))
    assert recognise(strangers, Flattering(60.0), [ada]) == ()
    assert voices.alike(strangers, Flattering(60.0), [ada])
    assert not voices.alike(heard(((5.0, 0.0), 60.0), ((0.3, 0.0), 60.0)), Plane(), [ada])
    (voice,) = recognise(heard(((1.0, 0.0), 60.0), ((0.3, 0.0), 60.0)), Flattering(60.0), [ada])
    assert voice.label == "S1"


def test_people_who_enrolled_check_a_network_too() -> None:
    ada, bo = known("Ada", 1.0, 0.0, seconds=60.0), known("Bo", 0.3, 0.0, seconds=60.0)
    alone = heard(((2.0, 0.0), 60.0))
    assert voices.excess(Flattering(60.0), (ada, bo)) > 0
    assert len(recognise(alone, Flattering(60.0), [ada])) == 1  # nobody to compare with
    assert recognise(alone, Flattering(60.0), [ada, bo]) == ()
    assert judge_again(known("Ada", 2.0, 0.0, seconds=60.0), Flattering(60.0), [ada, bo]) is None


@given(
    st.lists(st.floats(0, 2), min_size=2, max_size=4),
    st.lists(st.floats(0, 2), min_size=1, max_size=3),
    st.floats(150, 400),
)
def test_how_much_a_network_flatters_makes_no_difference(
    places: list[float], own: list[float], extra: float
) -> None:
    found = heard(*(((place, 0.0), 60.0) for place in places))
    enrolled = [known(f"P{i}", place, 0.0, seconds=60.0) for i, place in enumerate(own)]
    some, more = (recognise(found, Flattering(extra + shift), enrolled) for shift in (0.0, 100.0))
    assert [(v.label, v.heard.person) for v in some] == [(v.label, v.heard.person) for v in more]


vectors = st.lists(st.floats(0.1, 5), min_size=3, max_size=3).map(tuple)
prints = st.builds(Voiceprint, st.just("Ada"), st.just("x@1"), vectors, st.floats(5, 500))


@given(st.lists(prints, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_combining_keeps_length_adds_seconds_and_has_no_order(
    found: list[Voiceprint], random: object
) -> None:
    made = combine(found)
    lengths = [float(np.linalg.norm(p.vector)) for p in found]
    assert made.seconds == pytest.approx(sum(p.seconds for p in found))
    assert min(lengths) - 1e-9 <= np.linalg.norm(made.vector) <= max(lengths) + 1e-9
    assert combine(found[::-1]).vector == pytest.approx(made.vector)
    assert combine(found[:1]) == found[0]
    twice = combine([*found, *found])
    assert twice.vector == pytest.approx(made.vector)


def test_combining_leans_to_the_longer_and_refuses_strangers() -> None:
    made = combine([known("Ada", 1.0, 0.0, seconds=90.0), known("Ada", 0.0, 1.0, seconds=30.0)])
    assert made.vector[0] == pytest.approx(3 * made.vector[1])
    for wrong in ([], [known("Ada", 1.0), known("Bo", 1.0)], [known("A", 1.0), known("A", 1.0, space="y@1")]):
        with pytest.raises(ValueError, match="one person in one space"):
            combine(wrong)


@given(st.floats(-100, 100), st.floats(1, 1000), st.floats(1, 1000))
def test_calibration_shrinks_and_the_shorter_print_decides(ratio: float, one: float, other: float) -> None:
    made = calibrated(ratio, one, other)
    assert made == pytest.approx(calibrated(ratio, other, one))
    assert abs(made) <= abs(ratio)
    assert math.copysign(1, made) == math.copysign(1, ratio) or made == 0
    assert abs(calibrated(ratio, one + 1, other)) >= abs(made)
    shorter = min(one, other)
    assert abs(made) <= abs(ratio) * 2 * shorter / (2 * shorter + voices.HALF_SECONDS) + 1e-9


matrices = st.integers(1, 4).flatmap(
    lambda rows: st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.floats(-800, 800), min_size=columns, max_size=columns), min_size=rows, max_size=rows
        )
    )
)


@given(matrices)
def test_probabilities_are_probabilities_of_exclusive_pairs(rows: list[list[float]]) -> None:
    made = probabilities(np.array(rows))
    assert np.isfinite(made).all()
    assert (made >= 0).all()
    assert (made <= 1).all()
    assert (made.sum(axis=0) <= 1 + 1e-6).all()
    assert (made.sum(axis=1) <= 1 + 1e-6).all()
    assert (clear(np.array(rows)).sum(axis=0) <= 1).all()


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_one_voice_or_one_person_is_bayes_rule(one: float, other: float) -> None:
    stranger = math.log(voices.STRANGER)
    prior = math.log((1 - voices.STRANGER) / 2)
    total = np.logaddexp(stranger, np.logaddexp(prior + one, prior + other))
    assert probabilities(np.array([[one, other]]))[0] == pytest.approx(
        np.exp(np.array([one, other]) + prior - total)
    )
    assert probabilities(np.array([[one], [other]]))[:, 0] == pytest.approx(
        np.exp(np.array([one, other]) - np.logaddexp(0, np.logaddexp(one, other)))
    )


def trial(rng: np.random.Generator, mean: Floats, seconds: float) -> tuple[float, ...]:
    """A print of so many seconds of a person."""
    return tuple(mean + rng.standard_normal(len(mean)) * np.sqrt(1 + EXTRA / seconds))


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), people=st.integers(1, 4), seconds=st.sampled_from([12.0, 30.0, 90.0]))
def test_the_stated_probability_is_honest(seed: int, people: int, seconds: float) -> None:
    """One voice, half of the time a stranger's: of the names given, and in every bin, as many are right."""
    rng = np.random.default_rng(seed)
    between = 3 * np.exp(-np.arange(32) / 10)
    space = Simulated(between)
    stated, true = [], []
    strangers = wrong = 0
    for _ in range(500):
        means = rng.standard_normal((people + 1, 32)) * np.sqrt(between)
        enrolled = [Voiceprint(f"P{k}", space.space, trial(rng, means[k], 60.0), 60.0) for k in range(people)]
        whose = people if rng.random() < voices.STRANGER else int(rng.integers(people))
        voice = trial(rng, means[whose], seconds)
        ratios = [calibrated(space.log_odds(voice, p.vector), seconds, p.seconds) for p in enrolled]
        chances = probabilities(np.array([ratios]))[0]
        stated += chances.tolist()
        true += [k == whose for k in range(people)]
        if whose == people:
            strangers += 1
            wrong += bool(recognise(heard((voice, seconds)), space, enrolled))
    chances, right = np.array(stated), np.array(true)
    for low, high in ((0.0, 0.05), (0.2, 0.8), (0.95, 1.0)):
        inside = (chances >= low) & (chances <= high)
        n = int(inside.sum())
        if n >= 30:
            expected = chances[inside].mean()
            slack = 4 * math.sqrt(max(expected * (1 - expected), 0.01) / n)
            assert right[inside].mean() >= expected - 0.04 - slack
            assert right[inside].mean() <= expected + 0.30 + slack  # an offset of 0 errs to unknown
    assert wrong <= voices.FALSE_ACCEPTS * strangers + 3 * math.sqrt(voices.FALSE_ACCEPTS * strangers)


def test_uncalibrated_short_speech_would_not_be_honest() -> None:
    """What the calibration is for: without it most of a wide space's strangers score too far from 0."""
    rng = np.random.default_rng(7)
    between = 3 * np.exp(-np.arange(32) / 10)
    space = Simulated(between)
    raw, mended, same = [], [], []
    for i in range(2000):
        one, other = rng.standard_normal((2, 32)) * np.sqrt(between)
        score = space.log_odds(trial(rng, one, 10.0), trial(rng, one if i % 2 else other, 30.0))
        raw.append(score)
        mended.append(calibrated(score, 10.0, 30.0))
        same.append(bool(i % 2))
    signs = np.where(same, -1.0, 1.0)

    def cost(ratios: list[float]) -> float:
        """Bits a trial (Brümmer and du Preez, Computer Speech and Language 20, 2006: Cllr)."""
        return float(np.logaddexp(0, signs * np.array(ratios)).mean() / math.log(2))

    assert cost(mended) < cost(raw) < 1
