"""What a measure is: its formula, unit, inputs, limits and source, and what it must not be used for."""

from __future__ import annotations

from dataclasses import dataclass

from meetsense.values import ActLabel, SubjectKind

SHORT = "under two minutes of speech tentative; a split or merged voice is fatal, so the count must be right"
"""Limits of what is made of seconds of talk."""
NOT_MERIT = "merit, influence or leadership: talk hardly says whose view prevailed"
"""What talk must not be used for."""
NOT_A_GOAL = "a goal: even talk is not shared leadership"
"""What its spread must not be used for."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A measure as a researcher would sign it; ``docs/metrics.md`` is made of these."""

    name: str
    subject: SubjectKind
    unit: str
    formula: str
    """In words and symbols, one line."""
    inputs: str
    """What it is read from."""
    limits: str
    """What it can't tell, and what makes it tentative or withheld."""
    source: str
    """Where the formula is from, or that it is this project's own."""
    not_for: str
    """What it must not be used for."""
    needs_overlap: bool = False
    """Withheld when the engine lets one person at a time speak."""
    needs_count: bool = False
    """Of the meeting, and yet withheld like those of persons when the count of people is off."""
    needs_acts: bool = False
    """Withheld where no acts were read: no words, or a language without them."""
    acts: tuple[ActLabel, ...] = ()
    """Labels of the acts that it counts or is in proportion to, where it rests on a number of acts."""
