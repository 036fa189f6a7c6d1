"""Measures as text: value, interval, the events they rest on and the grade, never one without the others."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from meetsense.report.escape import clean
from meetsense.report.terms import term
from meetsense.values import Measure

MINUS = "\u2212"
SUFFIXES = {
    "share": "%",
    "s": "s",
    "ms": "s",
    "count": "",
    "per minute": "/min",
    "index": "",
    "ratio": "",
    "z": "",
}
"""What stands behind the digits, by a measure's unit."""
_COUNTED = re.compile(r"[a-z]+s(?=$|,| of | that | nobody | inside | taken )")
"""The word of a phrase that stands in the plural."""
NO_REASON = "no reason was given"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure in words. A withheld one has its reason in place of every number."""

    measure: Measure
    title: str
    value: str | None
    """With its unit; None when it is withheld."""
    interval: str | None
    """95 % interval, with its unit; None when it is withheld or there is none."""
    noun: str
    """What ``n`` counts."""
    grade: str
    reason: str | None
    """Why it is tentative or withheld."""
    fraction: str | None = None
    """``5 of 14``, where it is the part of its events that are of a kind."""

    @property
    def sentence(self) -> str:
        """Everything in one line, for those who hear the page."""
        if self.value is None:
            return f"{self.title}: withheld, {self.reason}"
        told = f"{self.value} ({self.fraction})" if self.fraction else self.value
        parts = [f"{self.title}: {told}", f"95 % interval {self.interval or 'not known'}"]
        parts += [
            f"n = {self.measure.n} {self.noun}",
            f"{self.grade}{f' ({self.reason})' if self.reason else ''}",
        ]
        return ", ".join(parts)


def figure(measure: Measure) -> Figure:
    """A measure in words."""
    words = term(measure.name)
    reason = clean(measure.reason or "") or None
    if measure.value is None:
        return Figure(measure, words.title, None, None, words.events, str(measure.grade), reason or NO_REASON)
    value = measure.value
    return Figure(
        measure,
        words.title,
        quantity(value, measure.unit),
        interval(measure.low, measure.high, measure.unit, near=value),
        events(measure.n, words.events),
        str(measure.grade),
        reason,
        fraction(measure),
    )


def events(n: int, noun: str) -> str:
    """What ``n`` counts, as one says it of so many.

    >>> events(2, "topics"), events(1, "topics"), events(1, "stretches of speech"), events(1, "entries")
    ('topics', 'topic', 'stretch of speech', 'entry')
    >>> events(1, "utterances, everybody's"), events(1, "long silences"), events(1, "claims taken up")
    ("utterance, everybody's", 'long silence', 'claim taken up')
    """
    return noun if n != 1 else _COUNTED.sub(lambda found: _one(found[0]), noun, count=1)


def _one(word: str) -> str:
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("s", "")):
        if word.endswith(ending):
            return word.removesuffix(ending) + instead
    return word


def fraction(measure: Measure) -> str | None:
    """``5 of 14``, for a share of the events that it rests on; None for every other figure.

    A share that is not part over whole, such as one drawn towards one half, has none: the two would differ.
    """
    part, whole = measure.part, measure.whole
    if measure.value is None or measure.unit != "share" or part is None or whole != measure.n or not whole:
        return None
    if not math.isclose(measure.value, part / whole):
        return None
    return f"{int(part)} of {measure.n}" if float(part).is_integer() and 0 <= part <= whole else None


def quantity(value: float, unit: str, near: float | None = None, bound: bool = False) -> str:
    """A number with its unit, rounded as ``near`` (default: itself) asks for.

    >>> quantity(0.412, "share"), quantity(0.043, "share"), quantity(192.4, "s"), quantity(-170, "ms")
    ('41 %', '4.3 %', '3 min 12 s', '−0.17 s')
    >>> quantity(3, "count"), quantity(1.25, "per minute"), quantity(0.9, "index"), quantity(2, "words")
    ('3', '1.25/min', '0.90', '2 words')
    """
    number, suffix = _parts(value, unit, value if near is None else near, bound)
    return number + _spaced(suffix)


def interval(low: float | None, high: float | None, unit: str, near: float) -> str | None:
    """A 95 % interval; an open end is said so.

    >>> interval(0.37, 0.45, "share", 0.41), interval(50, 75, "s", 60), interval(None, 3, "s", 1)
    ('37 to 45 %', '50 s to 1 min 15 s', 'up to 3.0 s')
    """
    if low is None and high is None:
        return None
    if high is None:
        return f"from {quantity(low or 0.0, unit, near, True)}"
    if low is None:
        return f"up to {quantity(high, unit, near, True)}"
    first, unit_of_first = _parts(low, unit, near, True)
    last, unit_of_last = _parts(high, unit, near, True)
    if unit_of_first == unit_of_last and " " not in last:
        return f"{first} to {last}{_spaced(unit_of_last)}"
    return f"{first}{_spaced(unit_of_first)} to {last}{_spaced(unit_of_last)}"


def _parts(value: float, unit: str, near: float, bound: bool) -> tuple[str, str]:
    """Digits and unit. A bound of a count may be a fraction."""
    if value == 0 or not math.isfinite(value):
        return _signed(value, "g"), _suffix(unit)
    if unit == "share":
        return "100" if value == 1 else _signed(
            100 * value, ".0f" if 0.1 <= abs(near) <= 0.99 else ".1f"
        ), "%"
    if unit == "s":
        return _seconds(value, near)
    if unit == "ms":
        return _signed(value / 1000, ".2f"), "s"
    if unit == "count":
        return _signed(value, ".1f" if bound else ".0f"), ""
    if unit == "per minute":
        return _signed(value, ".2f" if abs(value) < 10 else ".1f"), _suffix(unit)
    return _signed(value, ".2f" if _suffix(unit) == "" else _digits(value)), _suffix(unit)


def _digits(value: float) -> str:
    """A form of at least three digits that no unit is needed for."""
    return ".3g" if abs(value) < 1000 else ".0f"


def _spaced(suffix: str) -> str:
    return suffix if suffix.startswith("/") or not suffix else f" {suffix}"


def _suffix(unit: str) -> str:
    return SUFFIXES.get(unit, clean(unit))


def _seconds(value: float, near: float) -> tuple[str, str]:
    if round(abs(value)) < 60:
        return _signed(value, ".1f" if abs(near) < 10 else ".0f"), "s"
    minutes, seconds = divmod(round(abs(value)), 60)
    sign = MINUS if value < 0 else ""
    if minutes < 60:
        return f"{sign}{minutes} min {seconds}", "s"
    return f"{sign}{minutes // 60} h {minutes % 60}", "min"


def _signed(value: float, form: str) -> str:
    """Digits with a true minus, and no negative zero."""
    digits = format(value, form)
    if digits.startswith("-"):
        digits = digits[1:] if not digits.strip("-0.") else MINUS + digits[1:]
    return digits


def clock(seconds: float) -> str:
    """A time of the recording.

    >>> clock(75.9), clock(3700)
    ('01:15', '1:01:40')
    """
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes


def length(seconds: float) -> str:
    """A duration, to the second.

    >>> length(42.2), length(482), length(3900)
    ('42 s', '8 min 2 s', '1 h 5 min')
    """
    return quantity(seconds, "s", near=60.0)
