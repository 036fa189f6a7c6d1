"""Which act follows which: lag-sequential patterns, in a meeting or over several.

Two tables, one of acts that follow an act of somebody else, one of the same speaker's; in the second an act
can't follow itself, which leaves its diagonal empty by construction (*structural zeros*). What would be
expected were the acts independent given what was possible (*quasi-independence*) is fitted to each meeting by
iterative proportional fitting, and meetings are strata: counts, expectations and variances are added, never
the tables themselves, since meetings that differ in their acts would seem to have patterns that none has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.patterns import discovery
from meetsense.interaction.patterns.records import LABELS, OTHER, SAME, Record
from meetsense.interaction.uncertainty import Z95
from meetsense.values import ActLabel, Grade, Measure, Subject, SubjectKind

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
LEAST_EXPECTED = 5.0
"""A pair of acts of which fewer are expected is not tested."""
A_CELL = 5
"""Transitions for every cell of the table that make its figures firm (Wickens 1989)."""
ROUNDS = 500
CLOSE = 1e-9
"""Iterative fitting ends when no margin is further off than this part of the table."""
NO_VARIANCE = 1e-9
NAME = "act_following"

DEFINITIONS = (
    Definition(
        NAME,
        SubjectKind.MEETING,
        "index",
        "Yule's Q = (OR − 1) / (OR + 1); OR is the odds ratio of *the given act before* and *the target "
        "after*, of several meetings Mantel and Haenszel's, over the one expected under quasi-independence. "
        "The test is the adjusted residual z = Σ(n − e) / √Σ e(1 − h), h the leverage of the cell: without "
        "structural zeros e(1 − h) = e (1 − p_row)(1 − p_col); of several meetings times N / (N − 1). It is "
        f"called a pattern when its false discovery rate over all cells is below {discovery.RATE:g}",
        "acts, at lag 1; one table of acts that follow somebody else's, one of those that follow the same "
        "speaker's, where utterances in a row with one act are one event",
        f"fewer than {LEAST_EXPECTED:g} expected: withheld; fewer than {A_CELL} transitions for each cell in "
        "use: tentative; an act that is read with the help of its neighbours (an agreement after a proposal) "
        "is in part found again here; who tends to speak after whom is in it too; the interval is of "
        "sampling alone, the acts taken as they were read",
        "Haberman 1973; Bakeman & Quera 2011; Wickens 1989; Mantel & Haenszel 1959; Benjamini & Hochberg "
        "1995; to divide by the expected odds ratio, which is 1 without structural zeros, is this project's "
        "own",
        "causes: that an act follows another doesn't say that it was brought about",
        needs_acts=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Following:
    """How much more often than chance one act follows another."""

    given: ActLabel
    target: ActLabel
    """The next act."""
    other: bool
    """By somebody else, or by the same speaker."""
    expected: float
    """Number expected were they independent; the number seen is ``strength.n``."""
    z: float | None
    """Adjusted residual, about N(0, 1) were they independent."""
    q: float | None
    """False discovery rate at which it is a finding."""
    strength: Measure
    """Yule's Q, −1..1: 0 is chance."""

    @property
    def found(self) -> bool:
        """Whether it may be called a pattern."""
        return self.q is not None and self.q < discovery.RATE


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Tables under quasi-independence, each of shape (rows, columns)."""

    expected: Floats
    variance: Floats
    """Of seen minus expected; 0 where the table leaves no freedom."""


def quasi_independent(seen: NDArray[np.int64] | Floats, possible: Bools) -> Fitted:
    """Fit row times column to the cells that are possible, keeping the margins.

    The variance of a residual is e(1 − h), h its leverage in the log-linear model (Haberman 1973); with every
    cell possible that is e(1 − p_row)(1 − p_col).
    """
    rows, columns = seen.sum(axis=1), seen.sum(axis=0)
    total = float(seen.sum())
    expected = possible & (rows > 0)[:, None] & (columns > 0)[None, :]
    expected = expected.astype(np.float64)
    for _ in range(ROUNDS if total else 0):
        expected *= _ratio(rows, expected.sum(axis=1))[:, None]
        expected *= _ratio(columns, expected.sum(axis=0))[None, :]
        if np.abs(expected.sum(axis=1) - rows).max() <= CLOSE * total:
            break
    return Fitted(expected, expected * (1 - _leverage(expected)))


def _ratio(wanted: Floats | NDArray[np.int64], have: Floats) -> Floats:
    return np.asarray(np.divide(wanted, have, out=np.zeros(len(have)), where=have > 0))


def _leverage(expected: Floats) -> Floats:
    """Diagonal of the weighted hat matrix of the model row + column, shape (rows, columns)."""
    rows, columns = expected.shape
    margin = np.block(
        [[np.diag(expected.sum(axis=1)), expected], [expected.T, np.diag(expected.sum(axis=0))]]
    )
    inverse = np.linalg.pinv(margin, hermitian=True)
    of_row, of_column = np.diag(inverse)[:rows], np.diag(inverse)[rows:]
    crossed = inverse[:rows, rows : rows + columns]
    found = expected * (of_row[:, None] + of_column[None, :] + 2 * crossed)
    return np.asarray(np.clip(found, 0.0, 1.0))


def followings(records: Sequence[Record]) -> tuple[Following, ...]:
    """Every pair of acts, first those by somebody else, with what can be said of it in these meetings.

    Raises ValueError when a meeting is there twice.
    """
    if len({item.meeting.id for item in records}) < len(records):
        raise ValueError("a meeting is there twice")
    tables = np.array([item.follows for item in records], dtype=np.int64)
    tables = tables.reshape(-1, 2, len(LABELS), len(LABELS))
    cells = [
        *_cells(tables[:, OTHER], np.ones((len(LABELS), len(LABELS)), dtype=bool), other=True),
        *_cells(tables[:, SAME], ~np.eye(len(LABELS), dtype=bool), other=False),
    ]
    return _with_discovery(cells)


def _cells(tables: NDArray[np.int64], possible: Bools, *, other: bool) -> Iterator[Following]:
    """The cells of one kind of table; ``tables`` has shape (meetings, acts, acts)."""
    fits = [quasi_independent(table, possible) for table in tables]
    small = [_hypergeometric(table) if len(tables) > 1 else 1.0 for table in tables]
    expected = np.array([fit.expected for fit in fits]).reshape(tables.shape)
    chances = expected.sum(axis=0)
    spreads = sum(
        (fit.variance * more for fit, more in zip(fits, small, strict=True)), np.zeros(possible.shape)
    )
    tested = (chances >= LEAST_EXPECTED) & (spreads > NO_VARIANCE * chances)
    strengths = _yule(tables, expected, tested)
    seen = tables.sum(axis=0)
    grade = _grade(seen, possible)
    for row, column in np.argwhere(possible).tolist():
        n, chance = int(seen[row, column]), float(chances[row, column])
        z: float | None = None
        strength = _untested(n, chance)
        if tested[row, column]:
            low, value, high = strengths[:, row, column].tolist()
            strength = Measure(NAME, Subject(), value, "index", n, low, high, *grade)
            z = (n - chance) / math.sqrt(spreads[row, column])
        yield Following(LABELS[row], LABELS[column], other, chance, z, None, strength)


def _hypergeometric(table: NDArray[np.int64]) -> float:
    """N / (N − 1), by which fixed margins make a stratum vary more (Mantel & Haenszel 1959)."""
    total = int(table.sum())
    return total / (total - 1) if total > 1 else 1.0


def _grade(seen: NDArray[np.int64], possible: Bools) -> tuple[Grade, str | None]:
    """Firm with enough transitions for the cells in use."""
    used = possible & (seen.sum(axis=1) > 0)[:, None] & (seen.sum(axis=0) > 0)[None, :]
    total, needed = int(seen.sum()), A_CELL * int(used.sum())
    if total >= needed:
        return Grade.FIRM, None
    return Grade.TENTATIVE, f"only {total} acts that follow another; {needed} make it firm"


def _untested(n: int, expected: float) -> Measure:
    why = f"{expected:.1f} expected; {LEAST_EXPECTED:g} are needed"
    if expected >= LEAST_EXPECTED:
        why = "the other acts leave it no freedom"
    return Measure(NAME, Subject(), None, "index", n, grade=Grade.WITHHELD, reason=why)


def _yule(tables: NDArray[np.int64], expected: Floats, tested: Bools) -> Floats:
    """Low, value and high of Yule's Q over meetings: shape (3, acts, acts), sound where ``tested``."""
    chance = _Odds.of(expected)
    odds = _Odds.of(tables)
    corrected = _Odds.of(tables, 0.5)
    none = (odds.alike == 0) | (odds.unlike == 0)
    ratio = np.where(none, corrected.logarithm(tested), odds.logarithm(tested & ~none))
    ratio = ratio - chance.logarithm(tested)
    spread = np.sqrt(np.where(none, corrected.variance(tested), odds.variance(tested & ~none)))
    return np.tanh(np.array([ratio - Z95 * spread, ratio, ratio + Z95 * spread]) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Odds:
    """Common odds ratio of each cell over meetings (Mantel & Haenszel 1959), arrays of shape (acts, acts)."""

    alike: Floats
    """Σ both × neither / N."""
    unlike: Floats
    """Σ only before × only after / N."""
    terms: Floats
    """Shape (3, acts, acts): sums for the variance of its logarithm (Robins, Breslow & Greenland 1986)."""

    @classmethod
    def of(cls, tables: NDArray[np.int64] | Floats, more: float = 0.0) -> _Odds:
        """From tables of shape (meetings, acts, acts); ``more`` is added to each of the four fields."""
        both = tables + more
        before = tables.sum(axis=2, keepdims=True) - tables + more
        after = tables.sum(axis=1, keepdims=True) - tables + more
        neither = np.maximum(tables.sum(axis=(1, 2), keepdims=True) - both - before - after + 4 * more, 0.0)
        whole = np.maximum(both + before + after + neither, 1.0)
        alike, unlike = both * neither / whole, before * after / whole
        agree, differ = (both + neither) / whole, (before + after) / whole
        terms = np.array([agree * alike, agree * unlike + differ * alike, differ * unlike]).sum(axis=1)
        return cls(alike.sum(axis=0), unlike.sum(axis=0), terms)

    def logarithm(self, sound: Bools) -> Floats:
        """Of the ratio; 0 where it isn't sound."""
        ratio = np.divide(self.alike, self.unlike, out=np.ones_like(self.alike), where=sound)
        return np.asarray(np.log(ratio))

    def variance(self, sound: Bools) -> Floats:
        """Of the logarithm; 0 where it isn't sound."""
        r, s = np.where(sound, self.alike, 1.0), np.where(sound, self.unlike, 1.0)
        found = self.terms[0] / (2 * r**2) + self.terms[1] / (2 * r * s) + self.terms[2] / (2 * s**2)
        return np.where(sound, found, 0.0)


def _with_discovery(cells: Sequence[Following]) -> tuple[Following, ...]:
    tested = [i for i, cell in enumerate(cells) if cell.z is not None]
    p = np.array([math.erfc(abs(cells[i].z or 0.0) / math.sqrt(2)) for i in tested])
    rates = dict(zip(tested, discovery.adjusted(p).tolist(), strict=True))
    return tuple(replace(cell, q=rates.get(i)) for i, cell in enumerate(cells))
