"""What makes people differ, against what makes one person differ from moment to moment: linear discriminants.

usage: backend.py MEETINGS_DIR MODEL_DIR [--count N]

Reads simulated meetings and MODEL_DIR/trunk.onnx; writes MODEL_DIR/backend.npz. Within a meeting only: room
and microphone are the same for all (Fisher 1936; as used before VBx, Landini et al. 2022).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import scipy.linalg

from meetsense.speech.embedded import LONG_ROWS, ROW_FRAMES, windows

DIMENSIONS = 16
RIDGE = 0.02
"""Part of the mean variance that is added to every direction within a person."""
STEP = 20


def stretches(trunk: onnxruntime.InferenceSession, meeting: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Mean and spread of the stretches in which each person speaks alone: (n, 2 d) a person."""
    mel, active = meeting["mel"].astype(np.float32), meeting["active"]
    (made,) = trunk.run(["features"], {"mel": mel[None]})
    slow = mel.reshape(-1, ROW_FRAMES, mel.shape[1]).mean(axis=1)
    features = np.concatenate((made, slow), axis=1).astype(np.float16)
    solo = active & (active.sum(axis=1, keepdims=True) == 1)
    told = [[found for found, _ in windows(features, own, LONG_ROWS, STEP)] for own in solo.T]
    return [person for person in map(np.concatenate, told) if len(person) > 2]


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("meetings", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    trunk = onnxruntime.InferenceSession(str(options.model / "trunk.onnx"))
    within, between, n, people = 0.0, 0.0, 0, 0
    for file in sorted(options.meetings.glob("*.npz"))[: options.count]:
        found = stretches(trunk, dict(np.load(file)))
        if len(found) < 2:
            continue
        means = np.stack([person.mean(axis=0) for person in found])
        for person, mean in zip(found, means, strict=True):
            within, n = within + (person - mean).T @ (person - mean), n + len(person)
        apart = means - means.mean(axis=0)
        between, people = between + apart.T @ apart, people + len(found) - 1
    within = within / n
    within += np.eye(len(within)) * np.trace(within) / len(within) * RIDGE
    values, vectors = scipy.linalg.eigh(between / people, within)
    best = np.argsort(-values)[:DIMENSIONS]
    np.savez(
        options.model / "backend.npz",
        projection=vectors[:, best].astype(np.float32),
        between=values[best].astype(np.float32),
    )
    print("people spread by", values[best].round(2))


if __name__ == "__main__":
    main()
