"""Partial pooling: what one person's few meetings say, drawn towards what the others' say.

The normal hierarchical model (Rubin 1981; Gelman et al. 2013, ch. 5): x_i ~ N(θ_i, s_i²), θ_i ~ N(c, σ²).
How much people differ, σ, is not estimated but averaged over, by the likelihood of what was seen and a
half-Cauchy prior (Gelman 2006): with few people an estimate is often 0, which would claim that all are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meetsense.interaction.uncertainty import Z95

Floats = NDArray[np.float64]
GRID = 200
"""Values of σ, at equal steps of the prior's probability."""


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """Estimates after pooling, each array of shape (people,)."""

    value: Floats
    error: Floats
    """Posterior standard deviation."""

    @property
    def low(self) -> Floats:
        """Lower end of the 95 % interval."""
        return self.value - Z95 * self.error

    @property
    def high(self) -> Floats:
        """Upper end of the 95 % interval."""
        return self.value + Z95 * self.error


def pool(
    estimates: ArrayLike, errors: ArrayLike, scale: float, centre: tuple[float, float] | None = None
) -> Pooled:
    """Draw estimates, shape (people,), towards their centre.

    ``scale``: median of the prior of σ. ``centre``: value and standard error, where it is known from
    elsewhere; else it is the estimates' own.
    """
    seen, error = np.asarray(estimates, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    spread = scale * np.tan(np.pi / 2 * (np.arange(GRID) + 0.5) / GRID)[:, None]
    total = error**2 + spread**2
    if centre is None:
        weight = (1 / total).sum(axis=1, keepdims=True)
        middle, doubt = (seen / total).sum(axis=1, keepdims=True) / weight, 1 / weight
        evidence = -0.5 * np.log(weight[:, 0])
    else:
        middle, doubt = np.full((GRID, 1), centre[0]), np.full((GRID, 1), centre[1] ** 2)
        evidence = np.zeros(GRID)
    evidence = evidence - 0.5 * (np.log(total) + (seen - middle) ** 2 / total).sum(axis=1)
    likely = np.exp(evidence - evidence.max())[:, None]
    likely /= likely.sum()
    drawn = error**2 / total
    value = seen + drawn * (middle - seen)
    variance = spread**2 * drawn + drawn**2 * doubt
    mean = (likely * value).sum(axis=0)
    return Pooled(mean, np.sqrt((likely * (variance + (value - mean) ** 2)).sum(axis=0)))
