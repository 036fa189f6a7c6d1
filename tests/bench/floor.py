"""How the floor passes in real meetings, and whether whoever is said to have talked most did.

The offsets are those of the ICSI meetings, their listeners told by the acts that people gave. The top-talker
gate is tried under labels that are wrong in ways that diarizers are: a meeting's true turns are spoiled, the
gate looks at the spoiled ones only, and where it lets somebody be named that must be who truly talked most.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from meetsense.interaction.floor import Stretches, merge, segments
from meetsense.interaction.measures.dynamics import top_talker
from meetsense.interaction.measures.talk import Told, listen
from meetsense.interaction.participation import talk_ms
from meetsense.interchange import read_transcript
from meetsense.values import Span, Turn
from tests.bench import data
from tests.bench.data import Missing
from tests.bench.table import Row
from tests.interaction.icsi import MEETINGS, gold_offsets

MEDIAN, OVERLAPPED, MODE, TRANSITIONS = 160.0, 38.0, 100, 25_400
"""What is known for these definitions: ms, %, ms, count."""
SHORT_MS = 1000
JITTER_MS = 250
WRONG = 0.1
"""Share of the segments that go to a wrong person."""
SEEDS = 2
"""Times that a meeting is spoiled by chance in each way."""
WRONGLY_NAMED = 0.02
NEW = "another voice"

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Truth:
    """A meeting as it was: the plain union of each person's speech."""

    labels: tuple[str, ...]
    speech: Stretches

    @property
    def top(self) -> str:
        """Who talked most."""
        return self.labels[int(talk_ms(self.speech, len(self.labels)).argmax())]


@dataclass(frozen=True, slots=True)
class Heard:
    """A meeting as a diarizer may hear it."""

    labels: tuple[str, ...]
    speech: Stretches


Spoil = Callable[[Truth, Random], Heard]


def rows() -> Iterator[Row]:
    """Rows of the offsets and of the gate."""
    yield from _offsets()
    yield from _gate()


def _offsets() -> Iterator[Row]:
    if not MEETINGS:
        yield Row("floor transfer offset", "ICSI", None, note="data missing: mrda under MEETSENSE_BENCH_DATA")
        return
    offsets = np.concatenate([gold_offsets(path) for path in MEETINGS])
    on = f"ICSI, {len(MEETINGS)} meetings, acts that people gave"
    low, middle, high = map(float, np.percentile(offsets, [10, 50, 90]))
    overlapped = 100 * float((offsets < 0).mean())
    counts, edges = np.histogram(offsets, np.arange(-3000, 3001, 100))
    mode = int(edges[counts.argmax()])
    what = "floor transfer offset"
    points = f"median {middle:.0f} ms, 10 and 90 % points {low:.0f} and {high:.0f} ms"
    yield Row(f"{what}: median, off {MEDIAN:.0f} ms by", on, abs(middle - MEDIAN), 20, "ms", 0, points)
    note = f"{overlapped:.1f} %; of 1 s or more {100 * float((offsets >= 1000).mean()):.1f} %"
    off = abs(overlapped - OVERLAPPED)
    yield Row(f"{what}: overlapped, off {OVERLAPPED:.0f} % by", on, off, 1.5, "pp", 1, note)
    note = f"{mode} to {mode + 100} ms"
    off = float(abs(mode - MODE))
    yield Row(f"{what}: mode, off {MODE} to {MODE + 100} ms by", on, off, 0, "ms", 0, note)
    off = abs(len(offsets) - TRANSITIONS) / TRANSITIONS
    yield Row(f"{what}: transitions, off {TRANSITIONS:,} by", on, 100 * off, 1, "%", 1, f"{len(offsets):,}")


def _gate() -> Iterator[Row]:
    try:
        truths = [*_ami(), *_gap()]
    except Missing as missing:
        yield Row("top-talker gate: wrongly named", "AMI, GAP", None, note=str(missing))
        return
    on = f"{len(truths)} meetings of AMI and GAP"
    passed = [_named(Heard(truth.labels, truth.speech), None) is not None for truth in truths]
    yield Row("top-talker gate: passed without errors", on, 100 * float(np.mean(passed)), None, "%", 0)
    named = wrong = 0
    for error in ERRORS:
        found = [
            (truth.top, heard, _named(heard, len(truth.labels) if error.roster else None))
            for i, truth in enumerate(truths)
            for seed in range(SEEDS if error.drawn else 1)
            for heard in [error.spoil(truth, np.random.default_rng((i, seed)))]
        ]
        told = [(top, who) for top, _, who in found if who is not None]
        off = sum(top != who for top, who in told)
        kept = np.mean([float(top == _top(heard)) for top, heard, who in found if who is None] or [np.nan])
        note = f"named in {len(told)} of {len(found)}"
        if len(told) < len(found):
            note += f"; in the others who seems to have talked most did in {kept:.0%}"
        if error.counts:
            named, wrong = named + len(told), wrong + off
        share = off / len(told) if told else None
        yield Row(f"top-talker gate: wrongly named, {error.name}", on, _percent(share), None, "%", 1, note)
    note = f"{wrong} of {named} names"
    what, share = "top-talker gate: wrongly named, all these errors", _percent(wrong / named)
    yield Row(what, on, share, 100 * WRONGLY_NAMED, "%", 1, note)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _named(heard: Heard, people: int | None) -> str | None:
    """Who is said to have talked most, of so many people; None: as many as there are voices."""
    if not len(heard.speech):
        return None
    return top_talker(listen(heard.speech, heard.labels, 0.0, Told()), people or len(heard.labels))


def _top(heard: Heard) -> str:
    return heard.labels[int(talk_ms(heard.speech, len(heard.labels)).argmax())]


def _ami() -> list[Truth]:
    paths = sorted(data.data("ami-rttm").glob("*.rttm"))
    return [_truth(read_transcript(path).turns) for path in paths]


def _gap() -> list[Truth]:
    return [_truth(_discussion(path)) for path in sorted(data.data("gap").glob("group-*.csv"))]


def _discussion(path: Path) -> tuple[Turn, ...]:
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    return tuple(
        Turn(Span(start, max(start, data.clock(line["End"]))), line["Participant"].rpartition(".")[0])
        for line in lines
        for start in [data.clock(line["Start"])]
    )


def _truth(turns: tuple[Turn, ...]) -> Truth:
    labels = tuple(dict.fromkeys(turn.speaker for turn in turns if turn.span.duration))
    return Truth(labels, merge(segments([turn for turn in turns if turn.span.duration], labels), 1))


def _heard(truth: Truth, speech: Stretches, labels: tuple[str, ...] | None = None) -> Heard:
    speech = speech[speech.end > speech.start]
    order = np.lexsort((-speech.end, speech.start))
    return Heard(labels or truth.labels, merge(speech[order], 1))


def exclusive(speech: Stretches) -> Stretches:
    """One person at a time: who speaks already goes on, who began meanwhile is heard only after that."""
    before = np.concatenate(([0], np.maximum.accumulate(speech.end)[:-1]))
    start = np.maximum(speech.start, before)
    return Stretches(speech.speaker, start, speech.end)[speech.end > start]


def without_short(speech: Stretches, rng: Random, share: float = 1.0) -> Stretches:
    """Without so many of the segments that are shorter than a second."""
    lost = (speech.end - speech.start < SHORT_MS) & (rng.random(len(speech)) < share)
    return speech[~lost]


def jittered(speech: Stretches, rng: Random) -> Stretches:
    """Every border moved by a normal error."""
    moved = np.rint(rng.normal(0, JITTER_MS, (2, len(speech)))).astype(np.int64)
    start = np.maximum(0, speech.start + moved[0])
    return Stretches(speech.speaker, start, np.maximum(start, speech.end + moved[1]))


def confused(speech: Stretches, people: int, rng: Random) -> Stretches:
    """A part of the segments given to anybody else."""
    wrong = rng.random(len(speech)) < WRONG
    other = (speech.speaker + rng.integers(1, max(2, people), len(speech))) % people
    return replace(speech, speaker=np.where(wrong, other, speech.speaker))


def one_sided(truth: Truth, rng: Random) -> Heard:
    """A third of one person's segments given to one other: two voices that are hard to tell apart."""
    one, other = rng.permutation(len(truth.labels))[:2]
    away = (truth.speech.speaker == one) & (rng.random(len(truth.speech)) < 1 / 3)
    return _heard(truth, replace(truth.speech, speaker=np.where(away, other, truth.speech.speaker)))


def split(truth: Truth, rng: Random) -> Heard:
    """Who talked most is heard as two people."""
    own = truth.speech.speaker == truth.labels.index(truth.top)
    away = own & (rng.random(len(own)) < 0.5)
    speaker = np.where(away, len(truth.labels), truth.speech.speaker)
    return _heard(truth, replace(truth.speech, speaker=speaker), (*truth.labels, NEW))


def merged(truth: Truth, rng: Random) -> Heard:
    """The two who talked least are heard as one."""
    first, second = np.argsort(talk_ms(truth.speech, len(truth.labels)))[:2].tolist()
    place = {k: i for i, k in enumerate(k for k in range(len(truth.labels)) if k != second)}
    speaker = np.array([place[first if k == second else k] for k in truth.speech.speaker.tolist()])
    labels = tuple(label for k, label in enumerate(truth.labels) if k != second)
    return _heard(truth, replace(truth.speech, speaker=speaker), labels)


def mixed(truth: Truth, rng: Random) -> Heard:
    """Wrong people, moved borders, half of the short segments lost, and no overlap."""
    speech = without_short(confused(truth.speech, len(truth.labels), rng), rng, 0.5)
    moved = jittered(speech, rng)
    return _heard(truth, exclusive(moved[np.lexsort((-moved.end, moved.start))]))


@dataclass(frozen=True, slots=True)
class Error:
    """A way in which labels are wrong."""

    name: str
    spoil: Spoil
    drawn: bool = True
    """Whether chance has a part in it: then each meeting is spoiled several times."""
    roster: bool = True
    """Whether the number of people is known."""
    counts: bool = True
    """Whether it is among the errors that the gate has to stand."""


ERRORS = (
    Error("one speaker at a time", lambda truth, rng: _heard(truth, exclusive(truth.speech)), drawn=False),
    Error(
        "all segments under 1 s lost",
        lambda truth, rng: _heard(truth, without_short(truth.speech, rng)),
        drawn=False,
    ),
    Error("borders off by 250 ms", lambda truth, rng: _heard(truth, jittered(truth.speech, rng))),
    Error(
        "10 % of segments to a wrong person",
        lambda truth, rng: _heard(truth, confused(truth.speech, len(truth.labels), rng)),
    ),
    Error("mixed, no overlap", mixed),
    Error("who talked most heard as two", split),
    Error("two who talked least heard as one", merged, drawn=False),
    Error("a third of one person's to another", one_sided, counts=False),
    Error("who talked most heard as two, no roster", split, roster=False, counts=False),
    Error("two who talked least heard as one, no roster", merged, drawn=False, roster=False, counts=False),
)
