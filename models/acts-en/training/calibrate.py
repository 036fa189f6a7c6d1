"""How network and rules come together, from meetings that the network hadn't seen."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from meetsense.interaction.act_features import Floats, Ints
from meetsense.interaction.act_model import LABELS, OPEN, SURE, softmax
from meetsense.interaction.act_rules import VERDICTS

COUNTED = 7
"""The first so many labels count for the choice of the bonus; the others are "other" to the measure."""
GOALS = np.array([0.955, 0.855, 0.49, 0.47, 0.45, 0.53, 0.6])
"""F1 that is to be reached, label by label."""
PENALTY = 1.0
"""Weight of the squares of the evidence."""
STEPS = (-0.6, -0.3, -0.15, 0.15, 0.3, 0.6, 1.0)
"""Changes of a bonus that are tried."""
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Unseen:
    """Sentences of meetings that the network hadn't seen."""

    odds: Floats
    """[sentence, label]: of the network."""
    verdicts: Ints
    """[sentence]: what the rules say."""
    firm: Ints
    """[sentence]: the label that the rules insist on, index in LABELS, their number for another; -1: none."""
    deciding: NDArray[np.bool_]
    """[sentence]: it was said while people decide, so no label gets a bonus."""
    labels: Ints
    """[sentence]: the true label, index in LABELS; -1 for none."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Numbers of ``act_model.Model`` of the same names."""

    sharpness: float
    evidence: Floats
    bonus: Floats

    def likely(self, unseen: Unseen) -> Floats:
        """[sentence, label]: how likely each label is."""
        odds = unseen.odds * np.float32(self.sharpness)
        return softmax(odds + self.evidence[unseen.verdicts])

    def labels(self, unseen: Unseen) -> Ints:
        """[sentence]: the label chosen, the rules' where they insist."""
        likely = self.likely(unseen)
        return _chosen(self.bonus, likely, unseen)


def calibrate(unseen: Unseen) -> Calibration:
    """Sharpness and evidence of the greatest likelihood, then the bonus that is worth most."""
    known = unseen.labels >= 0
    counted = Unseen(*(getattr(unseen, field.name)[known] for field in fields(Unseen)))
    found = _likeliest(counted)
    likely = found.likely(counted)
    bonus = np.zeros(len(LABELS), dtype=np.float32)

    def value(tried: Floats) -> float:
        return worth(_chosen(tried, likely, counted), counted.labels)

    best = value(bonus)
    for _ in range(ROUNDS):
        for label in range(COUNTED):
            for step in STEPS:
                tried = bonus.copy()
                tried[label] += step
                if (reached := value(tried)) > best:
                    bonus, best = tried, reached
    return replace(found, bonus=bonus)


def _chosen(bonus: Floats, likely: Floats, unseen: Unseen) -> Ints:
    """What ``acts`` chooses: the rules' label where theirs stands, else the best with the bonus."""
    sure = likely[:, [label not in OPEN for label in LABELS]].max(axis=1) >= SURE
    confirms = unseen.firm == len(LABELS)
    insists = (unseen.firm >= 0) & (unseen.deciding | (confirms & ~sure))
    best = (likely * np.exp(bonus * ~unseen.deciding[:, None])).argmax(axis=1)
    return np.where(insists, unseen.firm, best)


def _likeliest(unseen: Unseen) -> Calibration:
    count, width = unseen.odds.shape
    at = np.arange(count)

    def unpack(values: NDArray[np.float64]) -> Calibration:
        evidence = values[1:].reshape(VERDICTS, width).astype(np.float32)
        return Calibration(float(values[0]), evidence, np.zeros(width, np.float32))

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        error = unpack(values).likely(unseen).astype(np.float64)
        value = -np.log(error[at, unseen.labels] + 1e-12).sum() + PENALTY / 2 * (values[1:] ** 2).sum()
        error[at, unseen.labels] -= 1
        member = sparse.csr_matrix((np.ones(count), (unseen.verdicts, at)), shape=(VERDICTS, count))
        slope = (member @ error).ravel() + PENALTY * values[1:]
        return value, np.concatenate([[np.sum(error * unseen.odds)], slope])

    start = np.concatenate([[1.0], np.zeros(VERDICTS * width)])
    return unpack(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x)


def worth(found: Ints, labels: Ints) -> float:
    """What a choice of labels is worth: F1 counts up to the label's goal, a tenth above it."""
    reached = f1(found, labels)
    return float(np.minimum(reached, GOALS).sum() + 0.1 * reached.sum())


def f1(found: Ints, labels: Ints) -> NDArray[np.float64]:
    """F1 of the labels that count."""
    most = len(LABELS) + 1
    counts = np.bincount(labels, minlength=most) + np.bincount(found, minlength=most)
    hits = np.bincount(labels[found == labels], minlength=most)
    return np.asarray((2 * hits / np.maximum(counts, 1))[:COUNTED])
