"""The child that is measured: the science of a simulated meeting on one core, its cost as JSON on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import pairwise

from meetsense import interaction
from meetsense.interaction.measures import DEFINITIONS
from meetsense.pipeline import VOICE_DOUBTS
from tests.bench.diarize import peak_bytes
from tests.interaction.simulated import LABELS, Simulated, simulate

PEOPLE = 6
SEED = 1
ROLES = {LABELS[0]: "chair"}


def analyse(meeting: Simulated) -> tuple[dict[str, float], int, int]:
    """Processor seconds of each step, and how many decisions and figures were found."""
    at = [time.process_time()]
    acts = interaction.label_acts(meeting.utterances, "en")
    at.append(time.process_time())
    decisions = interaction.link_decisions(meeting.utterances, acts, language="en")
    at.append(time.process_time())
    found = interaction.measure(
        meeting.turns,
        duration=meeting.duration,
        labels=LABELS[:PEOPLE],
        utterances=meeting.utterances,
        acts=acts,
        decisions=decisions,
        roles=ROLES,
        language="en",
        sees_overlap=True,
        people=PEOPLE,
        doubt=VOICE_DOUBTS["embedded"],
    )
    at.append(time.process_time())
    spent = [end - start for start, end in pairwise(at)]
    steps = dict(zip(("acts", "decisions", "measures"), spent, strict=True))
    return steps, len(decisions), len({item.name for item in found} & DEFINITIONS.keys())


def main(utterances: int) -> None:
    """Analyse a meeting. Making it and importing are not in the time, reading the language's rules is."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    meeting = simulate(utterances, SEED, PEOPLE)
    began = time.perf_counter()
    steps, decisions, measures = analyse(meeting)
    cost = {
        "utterances": len(meeting.utterances),
        "words": sum(len(said.words) for said in meeting.utterances),
        "seconds": time.perf_counter() - began,
        "processor_seconds": sum(steps.values()),
        "steps": steps,
        "decisions": decisions,
        "measures": measures,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main(int(sys.argv[1]))
