"""Many tests at once: how many of the findings are false."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 0.05
"""Of the findings that are claimed, at most this part is expected to be false."""


def adjusted(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """False discovery rate at which each test is a finding, shape (n,) to (n,): Benjamini & Hochberg 1995.

    >>> adjusted(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    n = len(p)
    order = np.argsort(p)[::-1]
    scaled = p[order] * n / np.arange(n, 0, -1)
    found = np.empty(n)
    found[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return found
