"""Which voices of a recording are those of enrolled people: known again, or unknown.

A network's :class:`~meetsense.speech.VoiceSpace` says by how much likelier one person made two voiceprints
(the log-likelihood ratio of PLDA: Ioffe, Probabilistic linear discriminant analysis, ECCV 2006). Four
things lie between that number and a name:

- Calibration. PLDA takes every print for one of long speech, so that on short speech it is too sure. The
  ratio is scaled by a function of the speech behind both prints, as quality measures do (Mandasari, Saeidi,
  McLaren and van Leeuwen, Quality measure functions for calibration of speaker recognition systems in
  various duration conditions, IEEE TASLP 21(11), 2013); see :func:`calibrated`.
- A check on people who are known to differ: voices of one recording, people who enrolled. What the network
  holds for one person there is taken off everywhere; see :func:`excess`.
- The prior that a voice is nobody's who enrolled, and Bayes' rule; see :func:`probabilities`.
- A threshold and a lead over the second best; what reaches neither is unknown.

A likelihood ratio of different people exceeds t with a probability of at most 1 / t (Markov's inequality: its
mean is 1), so somebody who isn't enrolled is taken for somebody enrolled at most FALSE_ACCEPTS of the time,
however many are enrolled, as far as the calibration holds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from meetsense.speech import VoiceSpace
from meetsense.values import Diarization, Recognised, Turn, Voiceprint

Floats = NDArray[np.float64]

LEAST_SECONDS = 10.0
"""Speech that a voice of a recording needs to be known again."""
ENOUGH_SECONDS = 30.0
"""Speech that a recording must have of somebody to enrol them."""
HALF_SECONDS = 15.0
"""Speech behind both prints at which the network's evidence counts half. The network's own print is of long
speech; a print of t seconds spreads by 1 + 10 s / t of its variance, and logistic regression on trials from
such a two-covariance model (32 to 128 dimensions, 10 to 300 s) gives scales within 0.03 of this curve."""
STRANGER = 0.5
"""Probability that a voice belongs to nobody who enrolled, before anything is heard."""
SURE = 0.95
"""A voice gets the name of a person whose it is with at least this probability."""
LEAD = math.log(100)
"""By how much (log-odds) that person must fit better than anybody else, and than any other voice does."""
FALSE_ACCEPTS = (1 - SURE) / SURE
"""At most so many voices of people who aren't enrolled get a name: that needs odds of SURE to 1 - SURE
against all else, and the prior splits evenly between the stranger and everybody enrolled."""


def speech_seconds(turns: Sequence[Turn], label: str) -> float:
    """Seconds that turns have of a voice."""
    return sum(turn.span.duration for turn in turns if turn.speaker == label)


def combine(prints: Sequence[Voiceprint]) -> Voiceprint:
    """One print of a person's several: the mean of their directions weighted by seconds, scaled to the
    weighted mean of their lengths.

    Directions are what an embedding tells apart voices by (Garcia-Romero and Espy-Wilson, Analysis of
    i-vector length normalization, Interspeech 2011); the length is kept at what the network gives, since its
    PLDA centres a vector before it scales it. Raises ValueError for none, or for prints of several people or
    spaces.

    >>> combine([Voiceprint("Ada", "x@1", (2.0, 0.0), 30), Voiceprint("Ada", "x@1", (0.0, 2.0), 30)]).seconds
    60
    """
    if len({(p.person, p.space, len(p.vector)) for p in prints}) != 1:
        raise ValueError("only prints of one person in one space combine")
    if len(prints) == 1:
        return prints[0]
    vectors = np.array([p.vector for p in prints], np.float64)
    weights = np.array([p.seconds for p in prints], np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    mean = np.average(vectors / np.maximum(lengths, 1e-12)[:, None], axis=0, weights=weights)
    mean *= np.average(lengths, weights=weights) / max(float(np.linalg.norm(mean)), 1e-12)
    first = prints[0]
    return Voiceprint(first.person, first.space, tuple(mean.tolist()), sum(p.seconds for p in prints))


def one_each(prints: Sequence[Voiceprint], space: str) -> tuple[Voiceprint, ...]:
    """The combined print of everybody who has one in a space, in order of first appearance."""
    own: dict[str, list[Voiceprint]] = defaultdict(list)
    for voiceprint in prints:
        if voiceprint.space == space:
            own[voiceprint.person].append(voiceprint)
    return tuple(combine(found) for found in own.values())


def calibrated(log_odds: float, one: float, other: float) -> float:
    """The part to believe of the network's log-likelihood ratio for prints of ``one`` and ``other`` seconds.

    ``log_odds`` · h / (h + HALF_SECONDS), h the harmonic mean of the seconds: the shorter print decides. The
    offset is 0 where logistic regression gives a small positive one: in doubt, unknown.

    >>> calibrated(8.0, 15.0, 15.0)
    4.0
    """
    harmonic = 2 / (1 / one + 1 / other)
    return log_odds * harmonic / (harmonic + HALF_SECONDS)


def probabilities(ratios: Floats) -> Floats:
    """Probability that each voice is each person's, from log-likelihood ratios: (voices, people) to the same.

    A voice is one person's and a person has one voice. w = ratio · (1 - STRANGER) / (STRANGER · people) are
    the odds of a pair against the voice being a stranger's. Against a pair stand the stranger, the voice
    being somebody else's, and the person having another voice: P = w / (1 + the w of its row and column). It
    is exact for one voice or one person, and errs to unknown otherwise.
    """
    if not ratios.size:
        return np.zeros(ratios.shape)
    logs = ratios + math.log((1 - STRANGER) / STRANGER / ratios.shape[1])
    top = max(0.0, float(logs.max()))
    odds = np.exp(logs - top)
    # Summed without the pair itself by way of the rest, never by subtraction: that would lose small rests.
    rest = np.empty_like(odds)
    for i, k in np.ndindex(*odds.shape):
        rest[i, k] = np.delete(odds[i], k).sum() + np.delete(odds[:, k], i).sum()
    return np.asarray(odds / np.maximum(math.exp(-top) + odds + rest, 1e-300))


def clear(ratios: Floats) -> NDArray[np.bool_]:
    """Whether a pair leads every other of its row and its column by LEAD: (voices, people) to the same."""
    leads = np.zeros(ratios.shape, np.bool_)
    for i, k in np.ndindex(*ratios.shape):
        rivals = np.concatenate((np.delete(ratios[i], k), np.delete(ratios[:, k], i)))
        leads[i, k] = not rivals.size or ratios[i, k] - rivals.max() >= LEAD
    return leads


def excess(space: VoiceSpace, *groups: Sequence[Voiceprint]) -> float:
    """By how much (log-odds) a network takes people who are known to differ for one; at least 0.

    The prints of a group are of different people. Their likelihood ratio should be far below 1. In a room or
    on a microphone that a network's PLDA was not made for, everybody sounds alike to it; then the most alike
    pair says how alike strangers are here. 0 where no group has two prints: then nothing can be checked.
    Raises EngineError.
    """
    pairs = (pair for group in groups for pair in combinations(group, 2))
    return max(0.0, *(_ratio(space, one, other) for one, other in pairs), 0.0)


def recognise(
    diarization: Diarization, space: VoiceSpace, enrolled: Sequence[Voiceprint]
) -> tuple[Recognised, ...]:
    """Voices of a recording that enrolled people were known again by, in order of first appearance.

    ``enrolled`` may have several prints of a person; those of another space are left out. A voice with fewer
    than LEAST_SECONDS of speech is unknown, as is one that fits nobody, or two people. Raises EngineError.
    """
    people = one_each(enrolled, space.space)
    heard = _heard(diarization, space.space)
    if not people or not heard:
        return ()
    ratios = np.array([[_ratio(space, voice, person) for person in people] for voice in heard.values()])
    ratios -= excess(space, tuple(heard.values()), people)
    chances, leads = probabilities(ratios), clear(ratios)
    found = []
    for i, (label, voice) in enumerate(heard.items()):
        k = int(chances[i].argmax())
        if chances[i, k] >= SURE and leads[i, k]:
            print_ = Voiceprint(people[k].person, space.space, voice.vector, voice.seconds)
            found.append(Recognised(label, float(chances[i, k]), print_))
    return tuple(found)


def alike(diarization: Diarization, space: VoiceSpace, enrolled: Sequence[Voiceprint]) -> bool:
    """Whether people who are known to differ sound alike to the network, so that names are held back.

    Raises EngineError.
    """
    voices = tuple(_heard(diarization, space.space).values())
    return excess(space, voices, one_each(enrolled, space.space)) > 0


def fitting(
    voice: Sequence[float], seconds: float, space: VoiceSpace, enrolled: Sequence[Voiceprint]
) -> tuple[str, ...]:
    """Enrolled people that a voice of so many seconds is likelier than not to be, the likeliest first.

    Against each alone, with even odds before anything is heard. Raises EngineError.
    """
    heard = Voiceprint("", space.space, tuple(voice), seconds)
    found = ((_ratio(space, heard, print_), print_.person) for print_ in one_each(enrolled, space.space))
    return tuple(person for ratio, person in sorted(found, reverse=True) if ratio > 0)


def judge_again(heard: Voiceprint, space: VoiceSpace, enrolled: Sequence[Voiceprint]) -> float | None:
    """Probability that a print taken for ``heard.person``'s is that person's, from the prints of now.

    None when it would be unknown now. Raises EngineError.
    """
    people = one_each(enrolled, space.space)
    if heard.space != space.space or heard.person not in {person.person for person in people}:
        return None
    ratios = np.array([[_ratio(space, heard, person) for person in people]]) - excess(space, people)
    k = next(k for k, person in enumerate(people) if person.person == heard.person)
    chance = float(probabilities(ratios)[0, k])
    return chance if chance >= SURE and clear(ratios)[0, k] else None


def _heard(diarization: Diarization, space: str) -> Mapping[str, Voiceprint]:
    """Prints of the voices with enough speech, nobody's yet, by label."""
    found = {}
    for label in diarization.speakers:
        seconds = speech_seconds(diarization.exclusive, label)
        vector = diarization.voiceprints.get(label)
        if vector is not None and seconds >= LEAST_SECONDS:
            found[label] = Voiceprint("", space, tuple(map(float, vector)), seconds)
    return found


def _ratio(space: VoiceSpace, voice: Voiceprint, person: Voiceprint) -> float:
    return calibrated(space.log_odds(voice.vector, person.vector), voice.seconds, person.seconds)
