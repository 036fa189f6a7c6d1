"""How initiative goes with what people said about leadership and influence, in the groups of the GAP corpus.

Two outcomes: self-rated leadership (``Ind_Lead``), and influence: minus the distance of the person's own
ranking from the group's (``AII``). A cue's shares and the outcome are centred within each group and pooled;
r is Pearson's, its interval a bootstrap over whole groups, the partial r takes talk share out of both. No
number is fitted here, but which of these definitions is the measure ``initiative_share`` was decided by this
table and its rules were refined with it in view, so its rows are too good; most variants that were tried are
not told.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import label_acts, link_decisions, measure
from meetsense.interaction.floor import segments
from meetsense.interaction.measures.talk import Told, listen
from meetsense.interaction.moves import Mark
from meetsense.interaction.segments import segments_of
from meetsense.interaction.uptake import Exchange, Opening, proposals_of
from meetsense.values import ActLabel, Span, SubjectKind, Turn, Utterance
from tests.bench import data
from tests.bench.data import Missing
from tests.bench.table import Row

REPLICATES = 2000
SEED = 5
OUTCOMES = {"self-rated leadership": ("Ind_Lead", 1.0), "influence": ("AII", -1.0)}
"""Column of ``individuals.csv``, and its sign."""
MEASURED = ("talk_share", "turn_share", "initiative_share", "control_share")
"""Cues that are measures."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """One discussion."""

    people: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    outcomes: Mapping[str, Floats]
    """Outcome to a figure for each person."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """How a cue goes with an outcome within groups."""

    r: float
    low: float
    high: float
    partial: tuple[float, float, float]
    """With talk share taken out of both, and the ends of its interval; not a number for talk share itself."""
    with_talk: float
    """r of the cue with talk share: a copy of talk share has 1."""

    @property
    def note(self) -> str:
        """What else is worth knowing."""
        note = f"95 % over groups [{self.low:+.2f}, {self.high:+.2f}]"
        if math.isnan(self.partial[0]):
            return note
        r, low, high = self.partial
        return f"{note}; partial on talk {r:+.2f} [{low:+.2f}, {high:+.2f}]; with talk {self.with_talk:+.2f}"


def groups() -> list[Group]:
    """The discussions of the corpus. Raises Missing."""
    folder = data.data("gap")
    with (folder / "individuals.csv").open(newline="") as file:
        rows = {row["Group Member"]: row for row in csv.DictReader(file)}
    return [_group(path, rows) for path in sorted(folder.glob("group-*.csv"))]


def _group(path: Path, rows: Mapping[str, Mapping[str, str]]) -> Group:
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    utterances = tuple(
        Utterance(i, line["Participant"].rpartition(".")[0], _span(line), line["Sentence"].strip('"'))
        for i, line in enumerate(lines)
    )
    number = utterances[0].speaker.partition(".")[0]
    people = tuple(person for person in rows if person.partition(".")[0] == number)
    outcomes = {
        name: np.array([sign * float(rows[person][column]) for person in people])
        for name, (column, sign) in OUTCOMES.items()
    }
    return Group(people, utterances, outcomes)


def _span(line: Mapping[str, str]) -> Span:
    start = data.clock(line["Start"])
    return Span(start, max(start, data.clock(line["End"])))


def cues(group: Group) -> dict[str, Floats]:
    """Shares of each person in each cue: shape (people,)."""
    turns = tuple(Turn(said.span, said.speaker) for said in group.utterances if said.span.duration > 0)
    duration = max(turn.span.end for turn in turns)
    acts = label_acts(group.utterances, "en")
    decisions = link_decisions(group.utterances, acts, language="en")
    found = measure(
        turns,
        duration=duration,
        labels=group.people,
        utterances=group.utterances,
        acts=acts,
        decisions=decisions,
        language="en",
        sees_overlap=True,
        people=len(group.people),
    )
    values = {(m.name, m.subject.speaker): m.value for m in found if m.subject.kind is SubjectKind.SPEAKER}
    shares = {name: np.array([values[name, person] or 0.0 for person in group.people]) for name in MEASURED}
    told = Told(group.utterances, acts, decisions, {}, "en")
    exchange = listen(segments(turns, group.people), group.people, duration, told).exchange
    assert exchange is not None
    people = len(group.people)
    return shares | {name: _shares(count(exchange), people) for name, count in OTHERS.items()}


def _shares(speakers: Iterable[int], people: int) -> Floats:
    """Shares of events, equal ones where there is none."""
    counts = np.bincount(list(speakers), minlength=people).astype(np.float64)
    return counts / counts.sum() if counts.sum() else np.full(people, 1 / people)


def _granted(openings: Sequence[Opening]) -> list[int]:
    return [opening.speaker for opening in openings if opening.grants]


def _strong(exchange: Exchange) -> list[int]:
    """Initiatives that ask for an answer: with a question or a claim in them."""
    strong = [
        opening
        for opening in exchange.initiatives
        if any(move.label is ActLabel.QUESTION or move.claim for move in opening.moves)
    ]
    return _granted(strong)


OTHERS: dict[str, Callable[[Exchange], Iterable[int]]] = {
    "initiatives, taken up or not": lambda x: [opening.speaker for opening in x.initiatives],
    "initiatives that ask or claim, taken up": _strong,
    "claims": lambda x: [claim.speaker for claim in x.claims],
    "claims granted": lambda x: _granted(x.claims),
    "proposals": lambda x: [proposal.speaker for proposal in proposals_of(x.moves)],
    "proposals adopted": lambda x: [p.speaker for p in proposals_of(x.moves) if p.adopted()],
    "questions": lambda x: [move.speaker for move in x.moves if move.label is ActLabel.QUESTION],
    "invitations": lambda x: [move.speaker for move in x.moves if Mark.INVITATION in move.marks],
    "topics introduced and taken up": lambda x: [
        segment.introduced.speaker
        for segment in segments_of(x.moves)
        if segment.introduced and segment.taken_up
    ],
    "control taken from another": lambda x: [shift.taker for shift in x.control.shifts],
}
"""Other definitions of initiative, to compare with: who did it, once for each time."""


def correlation(cue: Sequence[Floats], outcome: Sequence[Floats], talk: Sequence[Floats]) -> Correlation:
    """r of a cue with an outcome over groups, each of shape (people,)."""
    x, y, z = ([values - values.mean() for values in kind] for kind in (cue, outcome, talk))
    rng = np.random.default_rng(SEED)
    drawn = np.array(
        [
            _both([x[i] for i in chosen], [y[i] for i in chosen], [z[i] for i in chosen])
            for chosen in rng.integers(0, len(x), (REPLICATES, len(x)))
        ]
    )
    r, partial = _both(x, y, z)
    low, high = np.nanpercentile(drawn[:, 0], [2.5, 97.5])
    ends = (math.nan, math.nan) if math.isnan(partial) else np.nanpercentile(drawn[:, 1], [2.5, 97.5])
    return Correlation(r, float(low), float(high), (partial, float(ends[0]), float(ends[1])), _r(x, z))


def _both(x: Sequence[Floats], y: Sequence[Floats], z: Sequence[Floats]) -> tuple[float, float]:
    """r of x and y, and the partial r with z taken out of both."""
    r, left, right = _r(x, y), _r(x, z), _r(y, z)
    rest = math.sqrt(max(0.0, (1 - left**2) * (1 - right**2)))
    return r, (r - left * right) / rest if rest > 1e-9 else math.nan


def _r(x: Sequence[Floats], y: Sequence[Floats]) -> float:
    one, other = np.concatenate(x), np.concatenate(y)
    size = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / size if size else math.nan


def rows() -> Iterator[Row]:
    """Rows of the correlations."""
    try:
        found = groups()
    except Missing as missing:
        yield Row("r within groups: initiative share", "GAP", None, note=str(missing))
        return
    shares = [cues(group) for group in found]
    people = sum(len(group.people) for group in found)
    talk = [cue["talk_share"] for cue in shares]
    for name in shares[0]:
        for outcome in OUTCOMES:
            what = f"r with {outcome}: {name.replace('_', ' ')}"
            item = correlation(
                [cue[name] for cue in shares], [group.outcomes[outcome] for group in found], talk
            )
            yield Row(what, f"GAP, {len(found)} groups, {people} people", item.r, digits=2, note=item.note)
