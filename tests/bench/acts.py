"""F1 of acts: on ICSI meetings that the model hasn't seen, and on GAP, of which nothing was learnt.

ICSI: the models of ten folds of whole meetings, each on the meetings that it didn't learn from, through
``label_with`` as the program uses it; ``models/acts-en/training/train.py`` makes them. The rows give 1 - F1,
so that less is better as in the other rows; the note gives F1.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from meetsense.interaction import act_rules, acts
from meetsense.interaction.act_model import Model, read_model
from meetsense.speech.directory import BUNDLED
from meetsense.values import Span, Utterance, quantise
from tests.bench import data
from tests.bench.data import CACHE, Missing
from tests.bench.table import Row

TRAINING = BUNDLED / "acts-en" / "training"
FOLDS = CACHE / "acts-folds"
ICSI = {
    "question": 0.95,
    "backchannel": 0.85,
    "agreement": 0.48,
    "proposal": 0.46,
    "commitment": 0.44,
    "directive": 0.52,
}
"""F1 to reach, by label."""
BARE = {"question": 0.65}
"""The same in transcripts without punctuation."""
GAP = {"proposal": 0.38, "agreement": 0.42, "disagreement": 0.12, "confirmation": 0.15}
ANY = 0.45
"""F1 to reach of an utterance having any of these acts."""


@cache
def icsi() -> Any:
    """The training's own reader of the ICSI meetings: one mapping of tags for both."""
    sys.path.insert(0, str(TRAINING))
    try:
        return import_module("icsi")
    finally:
        sys.path.remove(str(TRAINING))


def rows() -> Iterator[Row]:
    """Rows of both corpora."""
    for measured, on in (
        (on_icsi, "63 ICSI meetings, 10 folds of whole meetings"),
        (on_gap, "GAP, 15 groups"),
    ):
        try:
            yield from measured(on)
        except Missing as missing:
            yield Row("acts: 1 - F1", on, None, note=str(missing))


def on_icsi(on: str) -> Iterator[Row]:
    """Rows of the ICSI meetings, with punctuation and without. Raises Missing."""
    meetings = {meeting.name: meeting for meeting in icsi().meetings(data.data("mrda"))}
    models = list(folds())
    for goals, marked in ((ICSI, True), (BARE, False)):
        found: list[str] = []
        true: list[str | None] = []
        for model, held in models:
            for name in held:
                said = meetings[name].utterances
                said = said if marked else [replace(u, text=icsi().bare(u.text)) for u in said]
                found += labels(said, model)
                true += map(icsi().label, meetings[name].tags)
        kind = "with punctuation" if marked else "without punctuation"
        for label, goal in goals.items():
            yield row(f"act {label}, {kind}", on, icsi().f1(found, true, label), goal)


def folds() -> Iterator[tuple[Model, list[str]]]:
    """The models of the folds and the meetings that each hasn't seen. Raises Missing."""
    files = sorted(FOLDS.glob("fold-*.npz"))
    if not files:
        raise Missing(f"models missing: {TRAINING.name}/train.py makes them; put them into {FOLDS}")
    for file in files:
        with np.load(file, allow_pickle=False) as arrays:
            held = bytes(arrays["held_out"]).decode().split("\n")
        yield read_model(file.read_bytes(), "en"), held


def labels(said: Sequence[Utterance], model: Model) -> list[str]:
    """The labels that a model gives."""
    rules = act_rules.load("en")
    assert rules is not None
    return [str(act.label) for act in acts.label_with(said, rules, model)]


def on_gap(on: str) -> Iterator[Row]:
    """Rows of the GAP corpus, by what the program ships. Raises Missing."""
    found: list[str] = []
    true: list[set[str]] = []
    for file in sorted(data.data("gap").glob("group-*.csv")):
        said, decisions = gap(file)
        found += [str(act.label) for act in acts.label_acts(said, "en")]
        true += decisions
    for label, goal in GAP.items():
        yield row(
            f"decision act {label}", on, f1([one == label for one in found], [label in t for t in true]), goal
        )
    any_found, any_true = [one in GAP for one in found], [bool(t & set(GAP)) for t in true]
    yield row("decision act, any", on, f1(any_found, any_true), ANY)


def gap(file: Path) -> tuple[list[Utterance], list[set[str]]]:
    """The utterances of a group and the decision acts of each."""
    with file.open(newline="", encoding="utf-8") as lines:
        table = list(csv.DictReader(lines))
    said = []
    for number, line in enumerate(table):
        start, end = clock(line["Start"]), clock(line["End"])
        speaker = line["Participant"].rpartition(".")[0]
        said.append(Utterance(number, speaker, Span(start, max(start, end)), line["Sentence"].strip('" ')))
    return said, [
        {act.strip().lower() for act in line["Decision"].split(",") if act.strip()} for line in table
    ]


def clock(text: str) -> float:
    """Seconds of ``minutes:seconds``."""
    minutes, _, seconds = text.partition(":")
    return quantise(int(minutes) * 60 + float(seconds))


def f1(found: Sequence[bool], true: Sequence[bool]) -> float:
    """F1 of a yes-or-no label."""
    hits = sum(one and other for one, other in zip(found, true, strict=True))
    total = sum(found) + sum(true)
    return 2 * hits / total if total else 0.0


def row(what: str, on: str, reached: float, goal: float) -> Row:
    """A row of 1 - F1."""
    return Row(
        f"{what}: 1 - F1", on, 1 - reached, round(1 - goal, 3), note=f"F1 {reached:.3f}, asked {goal:g}"
    )
