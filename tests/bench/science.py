"""What the science costs on long meetings, alone and beside peers; whether its intervals hold the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from meetsense.interaction import dynamics, measure
from meetsense.interaction.doubt import NONE, Doubt
from meetsense.interaction.floor import floor, merge, segments
from meetsense.interaction.participation import shares, talk_ms
from meetsense.pipeline import VOICE_DOUBTS
from meetsense.values import Span, Turn, quantise
from tests.bench import data
from tests.bench.cost import MEGABYTE
from tests.bench.data import CACHE, ROOT, Missing, Recording
from tests.bench.der import diarizer
from tests.bench.engines import toolbox
from tests.bench.errors import Errors, errors, mapped
from tests.bench.table import Row
from tests.interaction.coverage import coverage
from tests.interaction.simulated import LABELS, simulate

UTTERANCES = 10_000
PAUSE = 0.3
"""Seconds between two utterances where peers are compared: without overlap their definitions are ours."""
GROUPS = ("groupA", "groupB")
"""The two that ConvoKit knows; the first two people are one, the others the other."""
REPEATS = 5
MEETINGS, LENGTH = 100, 400
"""Simulated meetings of so many utterances whose truth the intervals should cover."""
WORD_ERROR = 0.2
MISSES = 0.10
"""95 % intervals that miss the truth more often than this are too narrow."""
PEERS = CACHE / "talk-peer-venv" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one meeting took."""

    utterances: int
    words: int
    seconds: float
    """Wall time on one core, reading the rules of the language included."""
    processor_seconds: float
    steps: dict[str, float]
    """Processor seconds of acts, decisions and measures."""
    decisions: int
    measures: int
    """Different measures found."""
    peak_bytes: int
    """Largest resident memory of the whole process, the meeting included."""

    @property
    def note(self) -> str:
        """What else is worth knowing about the run."""
        steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in self.steps.items())
        return (
            f"{self.words} words; processor {self.processor_seconds:.2f} s: {steps}; "
            f"{self.decisions} decisions, {self.measures} measures"
        )


def cost(utterances: int) -> Cost:
    """The science of a meeting in a process of its own. Raises CalledProcessError."""
    command = [sys.executable, "-m", "tests.bench.science_child", str(utterances)]
    one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=one)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def rows() -> Iterator[Row]:
    """Rows of the science."""
    yield from _costs()
    yield from _peers()
    yield from _coverage()
    yield from _heard()


def _costs() -> Iterator[Row]:
    """The long meeting runs between two of the usual length, the quicker of which counts."""
    first, twice, again = cost(UTTERANCES), cost(2 * UTTERANCES), cost(UTTERANCES)
    on = f"simulated, {UTTERANCES} utterances, 6 people, one core"
    best = min(first, again, key=lambda run: run.processor_seconds)
    details: dict[str, object] = {"first": first.note, "again": again.note, "twice": twice.note}
    yield Row(
        "science: acts, decisions, measures", on, best.processor_seconds, 2.0, "s", 2, best.note, details
    )
    yield Row("science: peak memory", on, best.peak_bytes / MEGABYTE, 300, "MB", 0)
    growth = twice.processor_seconds / best.processor_seconds
    what = f"science: {2 * UTTERANCES} over {UTTERANCES} utterances"
    yield Row(what, "simulated", growth, 2.2, "× the time", 2, twice.note)


def apart(utterances: int) -> tuple[Turn, ...]:
    """A simulated meeting's turns, laid one after another."""
    time, turns = 1.0, []
    for turn in simulate(utterances, 1).turns:
        span = Span(quantise(time), quantise(time + turn.span.duration))
        turns.append(Turn(span, turn.speaker))
        time = span.end + PAUSE
    return tuple(turns)


def _peers() -> Iterator[Row]:
    """The same features of the same meeting, ours and each peer's."""
    turns = apart(UTTERANCES)
    group = {label: GROUPS[i >= 2] for i, label in enumerate(LABELS)}
    grouped = tuple(replace(turn, speaker=group[turn.speaker]) for turn in turns)
    what = {
        "convokit": "talk-time sharing over ConvoKit's",
        "team_comm_tools": "turn index over team_comm_tools'",
    }
    on = f"simulated, {UTTERANCES} utterances"
    try:
        found = _asked([(t.span.start, t.span.end, t.speaker, group[t.speaker]) for t in turns])
    except Missing as missing:
        for peer, target in (("convokit", 0.01), ("team_comm_tools", 0.05)):
            yield Row(f"{what[peer]}: time", on, None, target, note=str(missing))
        return
    share, who, seconds = min((_sharing(grouped) for _ in range(REPEATS)), key=lambda run: run[2])
    theirs = found["convokit"]
    same = fmean(a == b for a, b in zip(who, theirs["windows"], strict=False))
    note = (
        f"{1000 * seconds:.1f} ms against {theirs['seconds']:.1f} s; "
        f"share {share:.4f} and {theirs['share']:.4f}; "
        f"{same:.1%} of {len(who)} and {len(theirs['windows'])} windows alike"
    )
    yield Row(
        f"{what['convokit']}: time", on, seconds / theirs["seconds"], 0.01, "×", 5, note, found["versions"]
    )
    index, seconds = min((_turn_index(turns) for _ in range(REPEATS)), key=lambda run: run[1])
    theirs = found["team_comm_tools"]
    note = f"{1000 * seconds:.1f} ms against {theirs['seconds']:.2f} s; {index:.4f} and {theirs['index']:.4f}"
    yield Row(f"{what['team_comm_tools']}: time", on, seconds / theirs["seconds"], 0.05, "×", 4, note)


def _asked(utterances: Sequence[tuple[float, float, str, str]]) -> dict[str, dict[str, Any]]:
    """What the peers say. Raises Missing."""
    if not PEERS.exists():
        raise Missing("peers not installed: make bench-peers (brings them into .bench/talk-peer-venv)")
    script = ROOT / "tests" / "bench" / "talk_peers_child.py"
    with tempfile.TemporaryDirectory() as home:  # ConvoKit writes a configuration file there
        done = subprocess.run(
            [PEERS, script],
            input=json.dumps(utterances),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": home, "OMP_NUM_THREADS": "1"},
        )
    if done.returncode:
        raise Missing(f"peers failed, make bench-peers mends it: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _sharing(turns: tuple[Turn, ...]) -> tuple[float, list[int], float]:
    """The talkative group's share; who dominates each window, 1 it, -1 the other, 0 nobody; seconds."""
    began = time.perf_counter()
    speech = merge(segments(turns, GROUPS), 1)
    spoken = shares(talk_ms(speech, len(GROUPS)).astype(np.float64))
    top = int(spoken.argmax())
    who = dynamics.dominated(dynamics.windows(speech, len(GROUPS)))
    signs = np.where(who < 0, 0, np.where(who == top, 1, -1))
    return float(spoken[top]), signs.tolist(), time.perf_counter() - began


def _turn_index(turns: tuple[Turn, ...]) -> tuple[float, float]:
    """Changes of speaker over changes of stretch, and seconds."""
    began = time.perf_counter()
    stretches = merge(segments(turns, LABELS))
    found = floor(stretches, np.zeros(len(stretches), dtype=np.bool_))
    index = (len(found.turns) - 1) / (len(stretches) - 1)
    return index, time.perf_counter() - began


def _coverage() -> Iterator[Row]:
    """Intervals against the truth of simulated meetings that engines with these errors heard."""
    on = f"{MEETINGS} simulated meetings of {LENGTH} utterances"
    for name, voices in {"given transcript": NONE, **VOICE_DOUBTS}.items():
        doubt = replace(voices, word_error=WORD_ERROR) if voices.of_voices else voices
        found = coverage(MEETINGS, LENGTH, doubt)
        missed, without = (1 - fmean(pair[i] for pair in found.values()) for i in (0, 1))
        worst = sorted(found, key=lambda measure: found[measure])[:3]
        told = ", ".join(f"{measure} {1 - found[measure][0]:.2f}" for measure in worst)
        note = f"most: {told}; {without:.3f} with sampling noise alone"
        what = f"intervals that miss the truth: {name}"
        yield Row(what, on, missed, MISSES, note=note, details={"covered": found})


def _heard() -> Iterator[Row]:
    """Intervals against the truth of meetings that the embedded diarizer heard."""
    run = diarizer(toolbox())
    sources: dict[str, Callable[[], list[Recording]]] = {
        "4 simulated meetings of 8 min": lambda: data.simulated(4, 8),
        "gap/group-02.mp3": lambda: [data.gap()],
    }
    for on, source in sources.items():
        what = "intervals that miss the truth: embedded diarizer, real output"
        try:
            recordings = source()
        except Missing as missing:
            yield Row(what, on, None, MISSES, note=str(missing))
            continue
        made: list[Errors] = []
        missed: dict[bool, list[bool]] = {True: [], False: []}
        for recording in recordings:
            heard = mapped(recording.truth, run(recording), recording.duration)
            made.append(errors(recording.truth, heard, recording.duration))
            for with_doubt in missed:
                doubt = VOICE_DOUBTS["embedded"] if with_doubt else NONE
                missed[with_doubt] += list(_misses(recording.truth, heard, recording.duration, doubt))
        note = f"{len(missed[True])} intervals; {fmean(missed[False]):.3f} with sampling noise alone; "
        note += Errors.pooled(made).note
        yield Row(what, on, fmean(missed[True]), MISSES, note=note)


def _misses(
    truth: tuple[Turn, ...], heard: tuple[Turn, ...], duration: float, doubt: Doubt
) -> Iterator[bool]:
    """Whether each interval of what was heard misses the figure of what was said."""
    right, found = (
        measure(turns, duration=duration, labels=(), sees_overlap=True, people=None, doubt=each)
        for turns, each in ((truth, NONE), (heard, doubt))
    )
    values = {(item.name, item.subject): item.value for item in right}
    for item in found:
        value = values.get((item.name, item.subject))
        if value is not None and item.low is not None and item.high is not None:
            yield not item.low <= value <= item.high
