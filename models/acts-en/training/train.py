"""Train the model of acts: ten folds of whole meetings, what they teach about trusting it, then all meetings.

    python train.py MRDA .. --work WORK

MRDA is the folder of ``.dadb.gz`` and ``.trans.gz`` files. Writes ``weights.npz``, and into WORK the models
of the ten folds (``fold-0.npz`` …), each with the names of the meetings that it hasn't seen: the bench
measures with them. Networks that are in WORK already aren't trained again. About 20 minutes of one core.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import icsi
import numpy as np
import torch
from calibrate import Calibration, Unseen, calibrate, f1
from export import Arrays, packed
from network import Lesson, Settings, train
from vocabulary import choose

from meetsense.interaction import act_rules
from meetsense.interaction.act_features import Floats, Vocabulary, features, spoken
from meetsense.interaction.act_model import LABELS, Network, logarithms
from meetsense.interaction.act_rules import Reading, Rules, Sentence, Table
from meetsense.interaction.acts import decides, is_punctuated
from meetsense.interaction.lexicon import plain_text

FOLDS = 10
TAGS = 60
"""So many of the commonest tags are second tasks."""
LAST_SEED = 100
"""Of the network that learns from all meetings; those of the folds have the fold's number."""
EXACT = {label: number for number, label in enumerate(LABELS)}


def lesson(meeting: icsi.Meeting, rules: Rules, known: Vocabulary, tags: Sequence[str]) -> Lesson:
    """A meeting to learn from."""
    lines = [Sentence(said.speaker, said.span, plain_text(said.text)) for said in meeting.utterances]
    words = [spoken(line.text, rules.spelling) for line in lines]
    told = {marked: features(lines, words, known, punctuated=marked) for marked in (False, True)}
    fine = [icsi.fine_label(tag) for tag in meeting.tags]
    labels = np.array([-1 if label is None else [*LABELS].index(label) for label in fine])
    flags = np.array([[name in icsi.names(tag) for name in tags] for tag in meeting.tags], np.float32)
    return Lesson(told, labels, flags)


def verdicts(meeting: icsi.Meeting, rules: Rules, *, marked: bool) -> list[tuple[int, int, bool]]:
    """Of each utterance what ``Unseen`` holds of the rules: verdict, firm, deciding."""
    texts = [plain_text(said.text if marked else icsi.bare(said.text)) for said in meeting.utterances]
    punctuated = is_punctuated(texts)
    table, readings = Table(), dict[str, Reading]()
    found, said_so = [], []
    for said, text in zip(meeting.utterances, texts, strict=True):
        line = Sentence(said.speaker, said.span, text)
        context = table.context(line)
        read = readings.setdefault(text, rules.read(text, punctuated))
        verdict = rules.judge(read, context)
        firm = EXACT.get(verdict.label, len(LABELS)) if verdict.insists else -1
        found.append((verdict.number, firm, context.deciding))
        said_so.append(verdict)
        table.hear(line, verdict.label, read.content, weak=verdict.weak)
    all_along = decides(said_so)
    return [(number, firm, deciding or all_along) for number, firm, deciding in found]


def learn(lessons: Sequence[Lesson], runs: int, seed: int, kept: Path) -> Arrays:
    """The arrays of a network that has learnt from lessons, or of the file that keeps it if there is one."""
    if not kept.exists():
        np.savez(kept, **train(lessons, runs, Settings(seed=seed)).exported())
    with np.load(kept, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def log_odds(network: Arrays, told: Lesson, known: Vocabulary, *, marked: bool) -> Floats:
    """[sentence, label]: what a network says of a meeting, as it will be shipped."""
    shipped = Network(network["bag"], {name: array for name, array in network.items() if name != "bag"})
    return logarithms(shipped.log_odds(told.told[marked]))


def joined(parts: Sequence[Unseen]) -> Unseen:
    """Several meetings as one."""
    return Unseen(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Unseen))
    )


def main() -> None:
    """Train, calibrate, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mrda", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rules = act_rules.load("en")
    meetings = {meeting.name: meeting for meeting in icsi.meetings(chosen.mrda)}
    words = {
        name: [spoken(plain_text(said.text), rules.spelling) for said in meeting.utterances]
        for name, meeting in meetings.items()
    }
    known = choose(([said.speaker for said in meetings[name].utterances], words[name]) for name in meetings)
    common = Counter(
        name for meeting in meetings.values() for tag in meeting.tags for name in icsi.names(tag)
    )
    tags = [name for name, _ in common.most_common(TAGS)]
    lessons = {name: lesson(meeting, rules, known, tags) for name, meeting in meetings.items()}
    order = sorted(meetings)
    np.random.default_rng(1).shuffle(order)
    folds = [order[fold::FOLDS] for fold in range(FOLDS)]

    networks, unseen = [], []
    for number, held in enumerate(folds):
        taught = [lessons[name] for name in meetings if name not in held]
        networks.append(learn(taught, len(known.runs), number, chosen.work / f"network-{number}.npz"))
        unseen.append({marked: [] for marked in (False, True)})
        for marked, parts in unseen[-1].items():
            for name in held:
                odds = log_odds(networks[-1], lessons[name], known, marked=marked)
                ruled = zip(*verdicts(meetings[name], rules, marked=marked), strict=True)
                parts.append(Unseen(odds, *map(np.array, ruled), lessons[name].labels))
    for number, held in enumerate(folds):
        others = [parts for at, parts in enumerate(unseen) if at != number]
        found = {
            marked: calibrate(joined([p for parts in others for p in parts[marked]]))
            for marked in (False, True)
        }
        arrays = packed(known, networks[number], found)
        arrays["held_out"] = np.frombuffer("\n".join(held).encode(), np.uint8)
        np.savez_compressed(chosen.work / f"fold-{number}.npz", **arrays)
        report(number, found, unseen[number])
    last = learn([*lessons.values()], len(known.runs), LAST_SEED, chosen.work / "network-all.npz")
    found = {
        marked: calibrate(joined([p for parts in unseen for p in parts[marked]])) for marked in (False, True)
    }
    np.savez_compressed(chosen.out / "weights.npz", **packed(known, last, found))


def report(number: int, found: dict[bool, Calibration], unseen: dict[bool, list[Unseen]]) -> None:
    """Print the F1 of a fold."""
    for marked, parts in unseen.items():
        together = joined(parts)
        counts = together.labels >= 0
        figures = f1(found[marked].labels(together)[counts], together.labels[counts])
        print(number, "marks" if marked else "bare", *(f"{figure:.3f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
