"""Topic segments: where the words change, who brought the new topic up, and whether others took it up.

At every utterance the content words of the stretch before are compared with those of the stretch after
(cosine of counts, blocks of so many words); where the two are much less alike than on both sides of the
place, in a valley of that *lexical cohesion*, a new topic begins. Explicit moves of the agenda begin one in
any case, and a valley near such a move is that move's.

A topic is **introduced** by the first utterance of >= 5 words in it that is not a listener's. It is **taken
up** when somebody else speaks in it and it lasts >= 60 s or has >= 2 other contributors; a topic that begins
in the last 60 s and was not taken up had no chance. An error of one turn flips the credit, so the next best
candidate of another person is kept beside the introducer.

O(n log n) in the number of utterances and of their topic words.

Sources: Hearst 1997 (TextTiling: blocks, cosine, depth of a valley); blocks by words instead of sentences,
agenda moves, introduction and uptake are this project's own.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.moves import PASSIVE, ClaimKind, Move
from meetsense.values import ActLabel

BLOCK_WORDS = 30
"""Content words on each side of a place that are compared."""
SHORTEST_MS = 45_000
"""No topic is shorter, unless the agenda says so."""
NEAR_MS = 20_000
"""A valley so near to a move of the agenda is that move's."""
DEPTH_SPREADS = 1.0
"""A valley is deep from so many standard deviations above the mean depth on."""
INTRODUCING_WORDS = 5
TAKEN_UP_MS = 60_000
OTHERS = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A stretch of talk on one topic."""

    start: int
    """ms."""
    end: int
    """ms: the start of the next one, or the end of the talk."""
    introduced: Move | None
    """The utterance that brought it up; None where nobody said five words."""
    or_else: Move | None
    """The next best candidate: the first such utterance of another person."""
    others: frozenset[int]
    """Who else spoke in it: positions in the labels."""
    by_agenda: bool
    """Whether a move of the agenda began it."""
    last: bool
    """Whether it began too late to be taken up for a minute."""

    @property
    def taken_up(self) -> bool:
        """Whether others stayed with it."""
        return bool(self.others) and (self.end - self.start >= TAKEN_UP_MS or len(self.others) >= OTHERS)


def segments_of(moves: Sequence[Move]) -> tuple[Segment, ...]:
    """The topic segments of a meeting whose moves are in time order."""
    said = [move for move in moves if move.label not in PASSIVE]
    if not said:
        return ()
    agenda = [i for i, move in enumerate(said) if move.claim is ClaimKind.AGENDA]
    edges = sorted({0, *_borders(said, agenda)})
    end = max(move.end for move in said)
    found, marked = [], set(agenda)
    for first, after in zip(edges, [*edges[1:], len(said)], strict=True):
        until = said[after].start if after < len(said) else end
        found.append(_segment(said[first:after], until, end, by_agenda=first in marked))
    return tuple(found)


def _segment(said: Sequence[Move], until: int, end: int, *, by_agenda: bool) -> Segment:
    candidates = [
        move for move in said if move.words >= INTRODUCING_WORDS and move.label is not ActLabel.OTHER
    ]
    introduced = candidates[0] if candidates else None
    whose = introduced.speaker if introduced else said[0].speaker
    return Segment(
        start=said[0].start,
        end=until,
        introduced=introduced,
        or_else=next((move for move in candidates if move.speaker != whose), None),
        others=frozenset(move.speaker for move in said) - {whose},
        by_agenda=by_agenda,
        last=said[0].start > end - TAKEN_UP_MS,
    )


def _borders(said: Sequence[Move], agenda: Sequence[int]) -> list[int]:
    """Where a topic begins: moves of the agenda that lie apart, and the deepest valleys between."""
    depth = depths(cohesion(said))
    valleys = np.flatnonzero(depth > 0)
    chosen: list[int] = []
    for i in agenda:
        if not chosen or said[i].start - said[chosen[-1]].start >= NEAR_MS:
            chosen.append(i)
    if len(valleys):
        cutoff = depth[valleys].mean() + DEPTH_SPREADS * depth[valleys].std()
        deep = valleys[depth[valleys] >= cutoff]
        taken = [said[i].start for i in chosen]
        for i in sorted(deep.tolist(), key=lambda i: (-depth[i], i)):
            at = said[i].start
            if said[0].start + SHORTEST_MS <= at and _apart(taken, at):
                insort(taken, at)
                chosen.append(i)
    return chosen


def _apart(taken: Sequence[int], at: int) -> bool:
    """Whether a time lies far enough from all of some sorted times."""
    place = bisect_left(taken, at)
    near = taken[max(0, place - 1) : place + 1]
    return all(abs(at - other) >= SHORTEST_MS for other in near)


def cohesion(said: Sequence[Move]) -> Floats:
    """How alike the words before each utterance and from it on are: shape (utterances,), cosine 0..1."""
    numbers: dict[str, int] = {}
    words = [numbers.setdefault(stem, len(numbers)) for move in said for stem in sorted(move.content)]
    first = np.cumsum([0, *(len(move.content) for move in said)]).tolist()
    left, right = [0] * len(numbers), [0] * len(numbers)
    for word in words[:BLOCK_WORDS]:
        right[word] += 1
    dot, squares_left, squares_right = 0, 0, sum(n * n for n in right)
    alike = np.zeros(len(said))
    place = 0
    for i in range(len(said)):
        for k in range(place, first[i]):
            word = words[k]
            # The word goes from the right of the border to its left.
            squares_right -= 2 * right[word] - 1
            right[word] -= 1
            dot += right[word] - left[word]
            squares_left += 2 * left[word] + 1
            left[word] += 1
            if k + BLOCK_WORDS < len(words):
                word = words[k + BLOCK_WORDS]
                squares_right += 2 * right[word] + 1
                right[word] += 1
                dot += left[word]
            if k >= BLOCK_WORDS:
                word = words[k - BLOCK_WORDS]
                squares_left -= 2 * left[word] - 1
                left[word] -= 1
                dot -= right[word]
        place = first[i]
        if squares_left and squares_right:
            alike[i] = dot / math.sqrt(squares_left * squares_right)
    return alike


def depths(alike: Floats) -> Floats:
    """Depth of the valley at each place of a curve, above 0 only at its bottom: shape (places,).

    >>> depths(np.array([0.5, 0.1, 0.4, 0.4, 0.2])).round(3).tolist()
    [0.0, 0.7, 0.0, 0.0, 0.0]
    """
    n = len(alike)
    left, right = alike.copy(), alike.copy()
    for i in range(1, n):
        if alike[i - 1] >= alike[i]:
            left[i] = left[i - 1]
    for i in range(n - 2, -1, -1):
        if alike[i + 1] >= alike[i]:
            right[i] = right[i + 1]
    depth = left + right - 2 * alike
    bottom = np.zeros(n, dtype=np.bool_)
    bottom[1:-1] = (alike[1:-1] < alike[:-2]) & (alike[1:-1] <= alike[2:])
    return np.where(bottom, depth, 0.0)
