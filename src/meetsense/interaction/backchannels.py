"""Backchannels: what listeners say to say that they listen, and that leaves the floor where it is.

A stretch is a **listener's** when all its words lie in backchannel acts and it is <= 1 s or <= 3 words
long, after somebody else took the floor. It is nobody's turn: offsets between turns are measured as if
it were not there. It is counted as a **backchannel** when besides the person before keeps the floor:
still speaks when it ends, or is the next to take a turn, or nobody takes one any more.

Without acts the words can't be judged. Then only what is <= 1 s and leaves the floor to the person
before is set aside, and figures that rest on it are tentative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.floor import Bools, Ints, Stretches, takes_floor
from meetsense.values import Act, ActLabel, Utterance

LONGEST_MS = 1000
"""A longer stretch is a backchannel only when it has few words."""
MOST_WORDS = 3
"""More words make a backchannel only when the stretch is short."""
NEAR_MS = 500
"""Recognisers and diarizers disagree by so much about when a word was said."""

Floats = NDArray[np.float64]


def backchannels(
    stretches: Stretches, labels: Sequence[str], utterances: Sequence[Utterance], acts: Sequence[Act]
) -> Bools:
    """Which stretches are backchannels: shape (stretches,)."""
    return keeps_floor(stretches, listening(stretches, labels, utterances, acts))


def listening(
    stretches: Stretches, labels: Sequence[str], utterances: Sequence[Utterance], acts: Sequence[Act]
) -> Bools:
    """Which stretches are listeners', and so take no turn: shape (stretches,)."""
    short = stretches.end - stretches.start <= LONGEST_MS
    if not acts:
        return keeps_floor(stretches, short)
    words, other = _words(stretches, labels, utterances, acts)
    candidate = (other == 0) & (short | ((words > 0) & (words <= MOST_WORDS)))
    before, _ = _holders(stretches, candidate)
    heard: Bools = candidate & (before >= 0) & (before != stretches.speaker)
    return heard


def keeps_floor(stretches: Stretches, candidate: Bools) -> Bools:
    """Those of the candidates that leave the floor with the person who had it: shape (stretches,)."""
    before, after = _holders(stretches, candidate)
    reach = np.maximum.accumulate(np.where(candidate, 0, stretches.end))
    goes_on = reach >= stretches.end
    kept: Bools = (
        candidate
        & (before >= 0)
        & (before != stretches.speaker)
        & (goes_on | (after == before) | (after < 0))
    )
    return kept


def _holders(stretches: Stretches, candidate: Bools) -> tuple[Ints, Ints]:
    """Who took the floor last before each stretch, and who first after it; -1 for nobody."""
    n = len(stretches)
    position = np.arange(n)
    takes = takes_floor(stretches, candidate)
    last = np.maximum.accumulate(np.where(takes, position, -1))
    following = np.minimum.accumulate(np.where(takes, position, n)[::-1])[::-1]
    speaker = np.append(stretches.speaker, -1)
    return speaker[last], speaker[following]


def _words(
    stretches: Stretches, labels: Sequence[str], utterances: Sequence[Utterance], acts: Sequence[Act]
) -> tuple[Ints, Ints]:
    """Words in each stretch, and those of them outside backchannel acts: two of shape (stretches,)."""
    position = {label: i for i, label in enumerate(labels)}
    listening = {act.utterance for act in acts if act.label is ActLabel.BACKCHANNEL}
    told = [said for said in utterances if said.speaker in position and said.text.strip()]
    if not told or not len(stretches):
        return np.zeros(len(stretches), np.int64), np.zeros(len(stretches), np.int64)
    # Each word is a place; an utterance without word times is one place with all its words.
    spans = [word.span for said in told for word in said.words or (said,)]
    at = np.array([span.start + span.end for span in spans]) / 2
    places = np.array([len(said.words) or 1 for said in told])
    number = np.array([1 if said.words else len(said.text.split()) for said in told])
    speaker = np.array([position[said.speaker] for said in told], dtype=np.float64)
    other = np.array([said.id not in listening for said in told])
    which, near = _nearest(stretches, np.repeat(speaker, places), at * 1000)
    weight = np.repeat(number, places) * near
    count = np.bincount(which, weight, len(stretches))
    other_count = np.bincount(which, weight * np.repeat(other, places), len(stretches))
    return count.astype(np.int64), other_count.astype(np.int64)


def _nearest(stretches: Stretches, speaker: Floats, at: Floats) -> tuple[Ints, Bools]:
    """The speaker's own stretch nearest to each time in ms, and whether it is near enough."""
    away = float(stretches.end.max()) + float(at.max()) + 1.0
    key = stretches.speaker * away + stretches.start
    order = np.argsort(key, kind="stable")
    after = np.searchsorted(key[order], speaker * away + at, side="right")
    choices = np.stack((np.maximum(after - 1, 0), np.minimum(after, len(stretches) - 1)))
    which = order[choices]
    distance = np.maximum(np.maximum(stretches.start[which] - at, at - stretches.end[which]), 0.0)
    distance = np.where(stretches.speaker[which] == speaker, distance, np.inf)
    best = distance.argmin(axis=0)
    column = np.arange(len(at))
    return which[best, column], distance[best, column] <= NEAR_MS
