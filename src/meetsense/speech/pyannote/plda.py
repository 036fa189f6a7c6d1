"""How much likelier one person made two voiceprints than two people did."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def two_covariance_log_odds(
    one: NDArray[np.float64], other: NDArray[np.float64], between: NDArray[np.float64]
) -> float:
    """Natural log of p(one, other | one person) / p(one | some person) p(other | some person).

    The two-covariance model (Brümmer and de Villiers, The speaker partitioning problem, Odyssey 2010;
    Ioffe, Probabilistic linear discriminant analysis, ECCV 2006) in a space of zero mean where one person's
    vectors spread by the identity and people by diag(between): a vector has variance b + 1 in a dimension,
    two vectors of one person covary by b. ``one``, ``other`` and ``between`` have shape (d,).

    >>> b = np.array([4.0, 4.0])
    >>> same = two_covariance_log_odds(np.array([2.0, -2.0]), np.array([2.0, -2.0]), b)
    >>> different = two_covariance_log_odds(np.array([2.0, -2.0]), np.array([-2.0, 2.0]), b)
    >>> round(same, 2), round(different, 2)
    (1.73, -5.38)
    """
    total = between + 1
    joint = total**2 - between**2
    squares, product = one**2 + other**2, one * other
    together = (total * squares - 2 * between * product) / joint
    apart = squares / total
    return float(np.sum(np.log(total) - np.log(joint) / 2 - (together - apart) / 2))


class VoiceModel:
    """The directory's own PLDA, as pyannote.audio reads it.

    pyannote centres an embedding, scales it to the sphere, reduces it by LDA, scales it again, and rotates
    it so that one person's vectors spread by the identity and people by a diagonal matrix (``phi``).
    """

    def __init__(self, plda: Any) -> None:
        self._plda = plda

    def log_odds(self, one: ArrayLike, other: ArrayLike) -> float:
        """Of two embeddings, shape (d,). Raises ValueError for what is no embedding of this space.

        A voiceprint is the mean of many vectors, but of one recording: their errors are one error, so that it
        counts as a single vector.
        """
        vectors = np.array([one, other], np.float64)
        with np.errstate(all="ignore"):
            made = np.asarray(self._plda(vectors), np.float64)
        if not np.isfinite(made).all():
            raise ValueError("it is no voice: not finite, or the mean of all voices")
        return two_covariance_log_odds(made[0], made[1], np.asarray(self._plda.phi, np.float64))
