"""``docs/metrics.md``, made of the definitions: ``python -m meetsense.interaction.measures.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

from meetsense.interaction import doubt
from meetsense.interaction import uncertainty as sure
from meetsense.interaction.measures import FAMILIES
from meetsense.interaction.measures.definition import Definition
from meetsense.interaction.patterns import over_meetings, sequences
from meetsense.values import SubjectKind

SUBJECTS = {
    SubjectKind.MEETING: "the meeting",
    SubjectKind.SPEAKER: "each person",
    SubjectKind.PAIR: "each ordered pair of people",
}
OVER_MEETINGS = (over_meetings, sequences)
"""Modules with ``DEFINITIONS`` of what several meetings show together."""
OVER_SUBJECTS = {
    SubjectKind.MEETING: "the meetings together",
    SubjectKind.SPEAKER: "each person whom the meetings name",
}
HEAD = f"""# The measures

This page is made from the code (`make docs`); a test fails when the two differ.

Every figure carries `n`, the events that it rests on, a 95 % interval and a grade. *Firm*: enough events for
the figure to be trusted within its interval. *Tentative*: few events, or a doubtful input; the reason stands
beside it. *Withheld*: it would mislead, so there is no figure but a reason.

A figure is withheld when the engine that told voices apart lets one person at a time speak and the figure
hangs on overlap; when it is about persons and the number of voices is not that of the roster; and when it
rests on acts and there are none, for want of words or in a language without acts.

Intervals: seconds and shares of seconds by a moving-block bootstrap ({sure.BLOCK_SECONDS:.0f} s blocks,
{sure.REPLICATES} replicates; Künsch 1989), shares of events by Wilson 1927, counts and rates by Byar's
approximation (Breslow & Day 1987), medians by order statistics (Conover 1999).

Errors of the engines are in the intervals too; they change no value. A transcript that somebody gave is taken
as it is, but for the acts, which are always the program's own reading.

- *Who spoke when.* The turns are read again under labels with the errors that the engine is expected to
  make: stretches go to a wrong person (how many of a person's, and to whom, is drawn for the whole
  meeting), borders move, stretches under {doubt.SHORT_MS / 1000:.0f} s and beginnings in somebody else's
  speech are lost. With d the mean change of the figure and s its standard deviation, the truth is expected
  at value − d. What is lost counts 1 / (1 − share lost): the second time there was less to lose.
- *What was said.* An act with confidence p is what it seems with probability p, less where words are in
  doubt, and else any other act, each as often as the meeting has it. So the true number of acts is expected
  at Σ p with the variance Σ p (1 − p), p the probability that each act of the meeting is one of those
  counted, and more where voices are mistaken for each other. Figures made otherwise from n acts have n p (1
  − p) for those that are none.

The variances of sampling and of engines add; the interval reaches from the value to where the truth is
expected at least (Efron & Tibshirani 1993 for bias and variance; the errors supposed are this project's
own, see `interaction/doubt.py`). When the language is less than {doubt.DOUBTED_LANGUAGE:.0%} sure, or less
than {doubt.DOUBTED_WORDS:.0%} of the words are expected to be right, what rests on acts is tentative. So is a
share whose interval spans more than two thirds of what is possible, however many events it rests on.

The unit is the act and its uptake between people. No figure here is a score of a person, none ranks people,
and none may be used to assess, pay, promote or dismiss anybody.
"""


OVER = """## Over several meetings

`meetsense patterns` puts the stored meetings together. A figure that a meeting withholds is left out, and the
meeting doesn't count for it. *Too few meetings* is an answer: a withheld figure, with its reason.
"""


def page() -> str:
    """The reference of all measures as Markdown."""
    lines = [line for family in FAMILIES for line in _family(family)]
    together = [
        line
        for family in OVER_MEETINGS
        for item in family.DEFINITIONS
        for line in _entry(item, OVER_SUBJECTS)
    ]
    return "\n".join([HEAD, *lines, OVER, *together])


def _family(family: ModuleType) -> Iterator[str]:
    yield f"## {(family.__doc__ or family.__name__).splitlines()[0].rstrip('.')}\n"
    for item in family.DEFINITIONS:
        yield from _entry(item, SUBJECTS, *_gates(item))


def _entry(item: Definition, subjects: Mapping[SubjectKind, str], *gates: str) -> Iterator[str]:
    yield f"### `{item.name}`\n"
    yield f"- **Of** {subjects[item.subject]}, in the unit *{item.unit}*"
    yield f"- **Formula** {item.formula}"
    yield f"- **Read from** {item.inputs}"
    yield f"- **Limits** {'; '.join([item.limits, *gates])}"
    yield f"- **Source** {item.source}"
    yield f"- **Not for** {item.not_for}\n"


def _gates(item: Definition) -> Iterator[str]:
    if item.needs_overlap:
        yield "withheld when the engine does not see overlap"
    if item.needs_count or item.subject is not SubjectKind.MEETING:
        yield "withheld when the number of voices is not the roster's"
    if item.needs_acts:
        yield "withheld without acts"


if __name__ == "__main__":
    sys.stdout.write(page())
