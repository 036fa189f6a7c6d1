"""A trained model as the arrays of ``weights.npz``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from calibrate import Calibration
from numpy.typing import NDArray

from meetsense.interaction.act_features import SHAPES, Floats, Vocabulary

Arrays = dict[str, NDArray[Any]]


def packed(known: Vocabulary, network: Mapping[str, Floats], found: Mapping[bool, Calibration]) -> Arrays:
    """What ``act_model.read_model`` reads: a table in one byte a number, other weights in half precision."""
    words = "\n".join(word for word in known.numbers if word not in SHAPES)
    tables = [found[marked] for marked in (False, True)]
    arrays: Arrays = {
        "words": np.frombuffer(words.encode(), np.uint8),
        "runs": np.diff(known.runs, prepend=0),
        "sharpness": np.array([table.sharpness for table in tables], np.float32),
        "evidence": np.stack([table.evidence for table in tables]),
        "bonus": np.stack([table.bonus for table in tables]),
        **_bytes("network.bag", network["bag"]),
    }
    return arrays | {
        f"network.{name}": array.astype(np.float16) for name, array in network.items() if name != "bag"
    }


def _bytes(name: str, table: Floats) -> Arrays:
    scale = np.maximum(np.abs(table).max(axis=0), 1e-9) / 127
    return {name: np.rint(table / scale).astype(np.int8), f"{name}.scale": scale.astype(np.float32)}
