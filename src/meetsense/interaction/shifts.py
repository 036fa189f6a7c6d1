"""Who speaks after whom, against chance: the order of turns compared with 1000 shuffles of it.

A shuffle keeps how many turns everybody had and that nobody follows themselves, and is otherwise free: all
such orders are equally likely. They are drawn by a Markov chain of swaps, each allowed only where nobody
comes to follow themselves (Metropolis et al. 1953): a swap is as likely as its reverse, so all orders stay
equally likely. Many swaps whose places don't touch each other are made at once, in several chains side by
side.

- **transition matrix**: n_ij, how often j takes the floor after i.
- **participation shifts** without targets (after Gibson 2003): of three turns in a row, the third is the
  first person's again (A→B→A, a *return*) or somebody else's (A→B→C, an *entry*). Whom anybody addresses
  is not heard in a recording, so the shifts that need it are not told.
- **reciprocity**: Σ min(n_ij, n_ji) / Σ ½ (n_ij + n_ji) over the pairs i < j. In a chain of turns everybody
  is left as often as reached, so with two people it is always about 1, and with more a high value says
  little unless the shuffles don't reach it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.floor import Bools, Ints

SHUFFLES = 1000
CHAINS = 20
"""Shuffled side by side."""
LEAST_OF_CHAIN = 4
"""Few shuffles come from fewer chains, which saves the warm-up."""
WARM_UP = 150
"""Rounds of swaps before the first shuffle counts. Where one person has nearly every second turn few swaps
are allowed, and after 20 rounds the order that was heard still shows.
"""
ROUNDS = 2
"""Rounds of swaps between two shuffles of a chain that count; a round proposes a swap for most turns."""
FEWEST_PEOPLE = 3
"""Of two people who take turns each always follows the other."""
FEWEST_TURNS = 12
LEAST_EXPECTED = 5.0
"""A pair is told when chance alone would have one follow the other so often (Bakeman & Quera 2011)."""
MOST_PEOPLE = 64
"""Beyond these, who had the most turns, the others are counted as one."""
SEED = 2003

Floats = NDArray[np.float64]
Ring = NDArray[np.unsignedinteger[Any]]
"""Turns as people, and the largest number between the last turn and the first."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """An order of turns, or several orders (the leading axes), in numbers."""

    pairs: Ints
    """Shape (…, people, people): how often the second follows the first."""
    returns: Ints
    """Shape (…, people): how often each took the floor back after one turn of somebody else."""
    entries: Ints
    """Shape (…, people): how often each took the floor after two others."""


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """What shuffles give."""

    pairs: Ints
    """Shape (shuffles, told): of the pairs that are told, how often the second follows the first."""
    returns: Ints
    """Shape (shuffles,): returns of everybody."""
    reciprocity: Floats
    """Shape (shuffles,)."""
    expected_returns: Floats
    """Shape (people,): mean over the shuffles."""
    expected_entries: Floats
    """Shape (people,): mean over the shuffles."""


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """The order of turns of a meeting, and what chance would have made of it."""

    people: Ints
    """Shape (people,): position in the labels of those who are counted by themselves."""
    found: Counted
    told: Ints
    """Shape (told, 2): pairs that chance brings together often enough, positions in ``people``."""
    chance: Chance


@dataclass(frozen=True, slots=True)
class Against:
    """A number against what shuffles give, in their standard deviations."""

    z: float
    low: float
    """Against the 97.5 % point of the shuffles; above 0 when shuffles hardly ever reach the number."""
    high: float
    """Against the 2.5 % point; below 0 when they hardly ever stay as low."""


def shifts(speaker: Ints, shuffles: int = SHUFFLES, warm_up: int = WARM_UP) -> Shifts | None:
    """Compare the order of turns, no two in a row by one person, with shuffles of it.

    None with fewer than three people or twelve turns. The same order always gets the same shuffles, whatever
    the people are called.
    """
    order, codes = _numbered(speaker)
    if len(order) < FEWEST_PEOPLE or len(codes) < FEWEST_TURNS:
        return None
    most = min(len(order), MOST_PEOPLE)
    found = _counted(_ring(codes), most)
    found = Counted(found.pairs[0], found.returns[0], found.entries[0])
    margins = np.outer(found.pairs.sum(axis=1), found.pairs.sum(axis=0))
    often = margins >= LEAST_EXPECTED * (len(codes) - 1)
    told = np.argwhere(often & ~np.eye(most, dtype=np.bool_))
    return Shifts(order[:most], found, told, _chance(most, told, shuffled(codes, shuffles, warm_up=warm_up)))


def reciprocity(pairs: Ints) -> Floats:
    """Σ min(n_ij, n_ji) / Σ ½ (n_ij + n_ji) over i < j of counts of shape (…, people, people), not all 0.

    >>> float(reciprocity(np.array([[0, 2, 0], [1, 0, 1], [1, 0, 0]])))
    0.4
    """
    other = np.swapaxes(pairs, -1, -2)
    # Each pair is there twice, above and below the diagonal, in both sums.
    both = np.minimum(pairs, other).sum(axis=(-1, -2))
    return np.asarray(both / pairs.sum(axis=(-1, -2)))


def against(values: Ints | Floats, drawn: Ints | Floats) -> list[Against | None]:
    """Numbers, shape (k,), against those of the shuffles, shape (shuffles, k).

    None for each of which the shuffles are all alike.
    """
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    away = np.stack((values - drawn.mean(axis=0), values - high, values - low), axis=1)
    return [
        Against(*(each / spread for each in row)) if spread > 0 else None
        for row, spread in zip(away.tolist(), drawn.std(axis=0).tolist(), strict=True)
    ]


def shuffled(codes: Ints, shuffles: int, seed: int = SEED, warm_up: int = WARM_UP) -> Iterator[Ring]:
    """Shuffles without self-repeats: rings of shape (chains, turns + 1), the last maybe of fewer chains.

    ``codes`` is an order of at least five turns, no two equal in a row, below 65535. In each ring the largest
    number of its kind stands before the first turn.
    """
    rng = np.random.default_rng(seed)
    ring = np.tile(_ring(codes), (min(CHAINS, -(-shuffles // LEAST_OF_CHAIN)), 1))
    for _ in range(warm_up):
        ring = _round(ring, rng)
    for done in range(0, shuffles, len(ring)):
        for _ in range(ROUNDS):
            ring = _round(ring, rng)
        yield ring[: shuffles - done]


def _numbered(speaker: Ints) -> tuple[Ints, Ints]:
    """People by number of turns, then by first turn; and each turn's place in that order."""
    people, first, which, turns = np.unique(
        speaker, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -turns))
    place = np.empty(len(people), dtype=np.int64)
    place[order] = np.arange(len(people))
    return people[order], place[which]


def _chance(most: int, told: Ints, rings: Iterator[Ring]) -> Chance:
    counted = [_counted(ring, most) for ring in rings]
    returns = np.concatenate([some.returns for some in counted])
    entries = np.concatenate([some.entries for some in counted])
    return Chance(
        pairs=np.concatenate([some.pairs[:, told[:, 0], told[:, 1]] for some in counted]),
        returns=returns.sum(axis=1),
        reciprocity=np.concatenate([reciprocity(some.pairs) for some in counted]),
        expected_returns=returns.mean(axis=0),
        expected_entries=entries.mean(axis=0),
    )


def _counted(ring: Ring, most: int) -> Counted:
    """Count rings of shape (chains, turns + 1); people from ``most`` on count only as those between."""
    side = most + 1
    place = np.minimum(ring, most).astype(np.uint16)
    pairs = place * side + _turned(place, 1)
    # The third of three turns in a row: a return, an entry, or the end of the ring is among them.
    after = _turned(place, 2) + side * (ring != _turned(ring, 2)).astype(np.uint16)
    end = (ring == _end(ring)).argmax(axis=1)[:, None] - np.arange(3)
    np.put_along_axis(after, end % ring.shape[1], 2 * side, axis=1)
    shifted = _histograms(after, 2 * side + 1)
    return Counted(
        _histograms(pairs, side**2).reshape(-1, side, side)[:, :most, :most],
        shifted[:, :most],
        shifted[:, side : side + most],
    )


def _histograms(rows: NDArray[np.uint16], bins: int) -> Ints:
    """How often each number below ``bins`` is in each row: shape (rows, bins)."""
    return np.stack([np.bincount(row, minlength=bins) for row in rows])


def _end(ring: Ring) -> int:
    """What stands between the last turn and the first."""
    return int(np.iinfo(ring.dtype).max)


def _ring(codes: Ints) -> Ring:
    """Turns and their end, in as few bytes as people need: shape (1, turns + 1)."""
    end = np.iinfo(np.uint8 if codes.max() < np.iinfo(np.uint8).max else np.uint16)
    ring: Ring = np.append(codes, end.max).astype(end.dtype)[None, :]
    return ring


def _round(ring: Ring, rng: np.random.Generator) -> Ring:
    """Propose swaps of turns some way apart, then of neighbours, all over the rings."""
    places = ring.shape[1]
    ring = _turned(ring, int(rng.integers(places)))
    half = int(rng.integers(1, (places - 2) // 4 + 1))
    _swap_far(ring, half, 2 * half + int(rng.integers(2)), rng)
    ring = _turned(ring, int(rng.integers(places)))
    _swap_neighbours(ring, rng)
    return ring


def _turned(ring: Ring, by: int) -> Ring:
    """A copy that begins so many places later."""
    return np.concatenate((ring[:, by:], ring[:, :by]), axis=1)


def _swap_far(ring: Ring, half: int, away: int, rng: np.random.Generator) -> None:
    """Swap turns so far apart, where a coin and the rule allow: ``half`` pairs in each 4 half + 2 places.

    Every other place stays as it is, so no two that change are neighbours.
    """
    chains, places = ring.shape
    shape = chains, places // (4 * half + 2), 4 * half + 2
    whole = shape[1] * shape[2]
    around = np.concatenate((ring[:, -1:], ring, ring[:, :1]), axis=1)
    before, after = around[:, :whole].reshape(shape), around[:, 2 : whole + 2].reshape(shape)
    here = ring[:, :whole].reshape(shape)
    one, other = slice(0, 2 * half), slice(away, away + 2 * half)
    first, second = here[..., one], here[..., other]
    allowed = _coins(first.shape, rng, among=0x55)
    allowed &= (second != before[..., one]) & (second != after[..., one])
    allowed &= (first != before[..., other]) & (first != after[..., other])
    _exchange(first, second, allowed, _end(ring))


def _swap_neighbours(ring: Ring, rng: np.random.Generator) -> None:
    """Swap the first two of every three places, where a coin and the rule allow."""
    whole = ring.shape[1] // 3 * 3
    # Copies: numpy is slow on every third place.
    first, second, after = (ring[:, k:whole:3].copy() for k in range(3))
    before = np.concatenate((ring[:, -1:], after[:, :-1]), axis=1)
    allowed = _coins(first.shape, rng)
    allowed &= (second != before) & (first != after)
    _exchange(first, second, allowed, _end(ring))
    ring[:, 0:whole:3], ring[:, 1:whole:3] = first, second


def _coins(shape: tuple[int, ...], rng: np.random.Generator, among: int = 0xFF) -> Bools:
    """True for about half of the places whose bit of each 8 is set in ``among``."""
    count = math.prod(shape)
    bits = rng.bit_generator.random_raw(-(-count // 64)).view(np.uint8) & np.uint8(among)
    return np.unpackbits(bits, count=count).view(np.bool_).reshape(shape)


def _exchange(first: Ring, second: Ring, allowed: Bools, end: int) -> None:
    """Swap in place what may be; the end of the ring never moves."""
    allowed &= (first != end) & (second != end)
    changed = (first ^ second) * allowed
    first ^= changed
    second ^= changed
