"""The network of acts: how likely ten labels are for every sentence of a meeting.

A sum over the runs of words that a sentence has, then two layers that also see its neighbours, each in a
place of its own. Trained on the ICSI meetings (``models/acts-en``); the weights are arrays, and numpy runs
it. There is no confirmation among its labels: MRDA doesn't mark it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.act_features import (
    Features,
    Floats,
    Ints,
    Spoken,
    Vocabulary,
    features,
    vocabulary,
)
from meetsense.interaction.act_rules import Sentence
from meetsense.values import ActLabel

LABELS = (
    ActLabel.QUESTION,
    ActLabel.BACKCHANNEL,
    ActLabel.AGREEMENT,
    ActLabel.PROPOSAL,
    ActLabel.COMMITMENT,
    ActLabel.DIRECTIVE,
    ActLabel.DISAGREEMENT,
    ActLabel.FLOOR,
    ActLabel.INFORMATION,
    ActLabel.OTHER,
)
"""What the network tells apart, in the order of its outputs."""
OPEN = (ActLabel.INFORMATION, ActLabel.QUESTION, ActLabel.BACKCHANNEL, ActLabel.OTHER, ActLabel.FLOOR)
"""What proposals and answers to them look like that aren't worded as such."""
SURE = 0.5
"""Where another label than those is so likely, a confirmation by the rules doesn't overrule it."""
BLOCK = 256
"""Sentences that are computed at once."""


@dataclass(frozen=True, slots=True)
class Network:
    """Arrays of one network; ``bag`` has a row for every run of words."""

    bag: Floats
    """[run, width + labels]: what a run adds to the first layer and, at the right, to the labels."""
    weights: Mapping[str, Floats]

    def log_odds(self, told: Features) -> Floats:
        """[sentence, label], up to a constant of the sentence."""
        w = self.weights
        width = w["dense_to_first"].shape[1]
        words = summed(told, self.bag)
        first = _rectified(words[:, :width] + told.dense @ w["dense_to_first"] + w["first_bias"])
        second = _rectified(
            first @ w["first_to_second"]
            + told.dense @ w["dense_to_second"]
            + around(first, told, w["around_to_second"])
            + w["second_bias"]
        )
        third = _rectified(
            second @ w["second_to_third"] + around(second, told, w["around_to_third"]) + w["third_bias"]
        )
        found = np.concatenate([first, second, third], axis=1) @ w["to_labels"]
        return np.asarray(found + w["labels_bias"] + words[:, width:], dtype=np.float32)


def around(layer: Floats, told: Features, weights: Floats) -> Floats:
    """What the neighbours add: by place as the same person's, by place as another's, then the others."""
    padded = np.concatenate([layer, np.zeros((1, layer.shape[1]), np.float32)])
    nobody, near = len(layer), told.same.shape[1]
    by_place = told.neighbours[:, :near]
    own, foreign = np.where(told.same, by_place, nobody), np.where(told.same, nobody, by_place)
    seen = np.concatenate([own, foreign, told.neighbours[:, near:]], axis=1)
    blocks = [
        padded[seen[start : start + BLOCK]].reshape(-1, len(weights)) @ weights
        for start in range(0, len(layer), BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.zeros((0, weights.shape[1]), np.float32)


def _rectified(values: Floats) -> Floats:
    return np.maximum(values, 0)


def summed(told: Features, table: Floats) -> Floats:
    """[sentence, column]: a table's rows summed over a sentence's runs, over the root of their number.

    The first runs of all sentences are added together, then the second ones, and so on: sentences with many
    runs come first, so those that have another one are always the first so many.
    """
    often = np.bincount(told.rows, minlength=len(told.dense))
    order = np.argsort(-often, kind="stable")
    starts = (np.cumsum(often) - often)[order]
    weight = (1 / np.sqrt(np.maximum(often, 1))).astype(np.float32)[order, None]
    longer = np.searchsorted(-often[order], -np.arange(often.max(initial=0)))
    total = np.zeros((len(often), table.shape[1]), np.float32)
    for nth, count in enumerate(longer.tolist()):
        total[:count] += table[told.runs[starts[:count] + nth]] * weight[:count]
    found = np.empty_like(total)
    found[order] = total
    return found


@dataclass(frozen=True, slots=True)
class Model:
    """What was learnt of a language: a vocabulary, a network, and how to read it.

    The tables are kept for transcripts without marks (False) and with them (True).
    """

    name: str
    known: Vocabulary
    network: Network
    sharpness: Mapping[bool, float]
    """What the network's log-odds are multiplied with."""
    evidence: Mapping[bool, Floats]
    """[verdict, label]: what a verdict of the rules adds to the log-odds."""
    bonus: Mapping[bool, Floats]
    """[label]: what is added before the best label is chosen; rare ones would hardly be chosen else."""

    def log_odds(self, sentences: Sequence[Sentence], said: Sequence[Spoken], *, punctuated: bool) -> Floats:
        """[sentence, label]: how the words and the neighbours look. The sentences are sorted by start."""
        told = features(sentences, said, self.known, punctuated=punctuated)
        return logarithms(self.network.log_odds(told)) * np.float32(self.sharpness[punctuated])

    def weigh(self, odds: Floats, verdicts: Ints, *, punctuated: bool) -> Floats:
        """[sentence, label]: how likely each label is, with the number of what the rules say of each."""
        return softmax(odds + self.evidence[punctuated][verdicts])


def logarithms(odds: Floats) -> Floats:
    """[sentence, label]: log-odds as logarithms of probabilities."""
    odds = odds - odds.max(axis=1, keepdims=True)
    return np.asarray(odds - np.log(np.exp(odds).sum(axis=1, keepdims=True)))


def softmax(values: Floats) -> Floats:
    """Probabilities of log-odds, along the last axis."""
    grown = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True), dtype=np.float32)


@cache
def load_model(code: str) -> Model | None:
    """The model that comes with the package for a language; None where there is none."""
    file = resources.files("meetsense") / "models" / f"acts-{code}" / "weights.npz"
    return read_model(file.read_bytes(), code) if file.is_file() else None


def read_model(content: bytes, code: str) -> Model:
    """The model in the bytes of a ``weights.npz``."""
    revision = hashlib.sha256(content).hexdigest()[:8]
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        held = {key: arrays[key] for key in arrays.files}
    words = bytes(held["words"]).decode().split("\n")
    return Model(
        name=f"acts-{code}@{revision}",
        known=vocabulary(words, np.cumsum(held["runs"], dtype=np.int64)),
        network=_network(held),
        sharpness={marked: float(held["sharpness"][int(marked)]) for marked in (False, True)},
        evidence={marked: held["evidence"][int(marked)] for marked in (False, True)},
        bonus={marked: held["bonus"][int(marked)] for marked in (False, True)},
    )


def _network(held: Mapping[str, NDArray[Any]]) -> Network:
    prefix = "network."
    names = [name for name in held if name.startswith(prefix) and not name.startswith(prefix + "bag")]
    weights = {name.removeprefix(prefix): held[name].astype(np.float32) for name in names}
    return Network(_scaled(held, prefix + "bag"), weights)


def _scaled(held: Mapping[str, NDArray[Any]], name: str) -> Floats:
    """A table kept in whole numbers of one byte, and a scale for each column."""
    return np.asarray(held[name].astype(np.float32) * held[f"{name}.scale"].astype(np.float32))
