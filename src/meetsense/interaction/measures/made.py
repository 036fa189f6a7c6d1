"""Measures made of a value, what it rests on and how sure it is: one constructor for each kind of figure."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction import uncertainty as sure
from meetsense.interaction.floor import Ints
from meetsense.interaction.uncertainty import Interval
from meetsense.values import Grade, Measure, Subject

Graded = tuple[Grade, str | None]
"""A grade, and why it isn't firm."""
TOO_SHORT = "too short for an interval"


def graded(
    name: str,
    subject: Subject,
    value: float,
    unit: str,
    n: int,
    bounds: NDArray[np.float64],
    grade: Graded,
    least: float = 0.0,
    most: float = math.inf,
) -> Measure:
    """A figure between the bounds of a bootstrap, shape (2,); without them it is tentative.

    ``least`` and ``most``: what the figure can be.
    """
    if not np.isfinite(bounds).all():
        return Measure(name, subject, value, unit, n, None, None, Grade.TENTATIVE, TOO_SHORT)
    interval = sure.covering(float(bounds[0]), value, float(bounds[1]), least=least, most=most)
    return Measure(name, subject, value, unit, n, interval.low, interval.high, *grade)


def count(name: str, subject: Subject, n: int, grade: Graded) -> Measure:
    """A number of independent events."""
    interval = sure.poisson(n)
    return Measure(name, subject, float(n), "count", n, interval.low, interval.high, *grade)


def per_minute(name: str, subject: Subject, n: int, minutes: float, noun: str) -> Measure:
    """A rate of independent events; ``minutes`` above 0."""
    interval: Interval = sure.poisson(n, minutes)
    return Measure(
        name, subject, n / minutes, "per minute", n, interval.low, interval.high, *sure.grade(n, noun),
        part=float(n), whole=minutes,
    )  # fmt: skip


def event_share(name: str, subject: Subject, n: int, whole: int, noun: str) -> Measure:
    """The part of ``whole`` events, at least one, that are of a kind."""
    interval = sure.wilson(n, whole)
    return Measure(
        name, subject, n / whole, "share", whole, interval.low, interval.high, *sure.grade(whole, noun),
        part=float(n), whole=float(whole),
    )  # fmt: skip


def median(name: str, subject: Subject, values: Ints, noun: str) -> Measure:
    """The median of at least one time in ms."""
    value, interval = sure.median(values)
    return Measure(
        name, subject, value, "ms", len(values), interval.low, interval.high, *sure.grade(len(values), noun)
    )


def absent(name: str, subject: Subject, unit: str, reason: str) -> Measure:
    """A measure that can't be had, and why."""
    return Measure(name, subject, None, unit, 0, grade=Grade.WITHHELD, reason=reason)


def withheld(item: Measure, reason: str) -> Measure:
    """A measure without its figure, and why."""
    return replace(
        item, value=None, low=None, high=None, part=None, whole=None, grade=Grade.WITHHELD, reason=reason
    )
