"""Series of meetings to find patterns in: made up, with or without something to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from meetsense.interaction.patterns import Record, record
from meetsense.interaction.uncertainty import poisson, wilson
from meetsense.values import (
    Act,
    ActLabel,
    Analysis,
    Engines,
    Measure,
    Meeting,
    Span,
    Speaker,
    Subject,
    Turn,
    Utterance,
)

Floats = NDArray[np.float64]
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
DISPERSION = 0.04
"""φ of talk shares in the ICSI series, .016 to .1: a within-person SD of 8 points at a share of .2."""
NAMES = ("Ada", "Bo", "Cem", "Dunja", "Eli", "Fay")


def talk_share(speaker: str, seconds: float, everyone: float) -> Measure:
    """A share of speaking time with an interval of ± 4 points."""
    share = seconds / everyone
    low, high = max(0.0, share - 0.04), min(1.0, share + 0.04)
    return Measure(
        "talk_share", Subject.of(speaker), share, "share", 300, low, high, part=seconds, whole=everyone
    )


def rate(name: str, speaker: str | None, n: int, minutes: float) -> Measure:
    """A rate of independent events; ``speaker`` None: of the meeting."""
    interval = poisson(n, minutes)
    subject = Subject() if speaker is None else Subject.of(speaker)
    return Measure(
        name, subject, n / minutes, "per minute", n, interval.low, interval.high, part=float(n), whole=minutes
    )


def share(name: str, speaker: str, n: int, whole: int) -> Measure:
    """A share of independent events."""
    interval = wilson(n, whole)
    return Measure(
        name, Subject.of(speaker), n / whole, "share", whole, interval.low, interval.high, part=float(n),
        whole=float(whole),
    )  # fmt: skip


def level(name: str, value: float, unit: str, reach: float) -> Measure:
    """A median or an index of the meeting."""
    return Measure(name, Subject(), value, unit, 100, value - reach, value + reach)


def meeting(
    week: float,
    measures: Sequence[Measure],
    people: Mapping[str, str | None],
    *,
    roles: Mapping[str, str] | None = None,
    title: str = "Weekly",
    room: str | None = None,
) -> Record:
    """A meeting so many weeks after the first; ``people``: label to name, all of whom spoke."""
    return record(analysis(week, measures, people, roles=roles, title=title), room=room)


def analysis(
    week: float,
    measures: Sequence[Measure],
    people: Mapping[str, str | None],
    *,
    roles: Mapping[str, str] | None = None,
    title: str = "Weekly",
) -> Analysis:
    """The analysis of such a meeting."""
    at = START + timedelta(weeks=week)
    speakers = tuple(Speaker(label, name, (roles or {}).get(label)) for label, name in people.items())
    turns = tuple(Turn(Span(i, i + 1), label) for i, label in enumerate(people))
    found = Meeting(f"m{round(week * 1000):08}", title, at, 3000.0, "en")
    return Analysis(found, Engines(), speakers, turns, measures=tuple(measures))


def sharing(shares: Floats, *, everyone: float = 2400.0) -> tuple[Record, ...]:
    """Weekly meetings in which people had these shares of speaking time, shape (meetings, people)."""
    people = dict(zip("ABCDEF", NAMES[: shares.shape[1]], strict=False))
    return tuple(
        meeting(
            week,
            [talk_share(label, own * everyone, everyone) for label, own in zip(people, row, strict=True)],
            people,
        )
        for week, row in enumerate(shares.tolist())
    )


def drawn_shares(
    rng: np.random.Generator,
    meetings: int,
    people: int,
    *,
    rise: float = 0.0,
    uneven: float = 0.5,
    dispersion: float = DISPERSION,
    spread: float = 0.0,
) -> Floats:
    """Shares of speaking time as in the ICSI series, shape (meetings, people).

    ``rise``: of the first person's logit over the whole series. ``uneven``: how much dispersions differ, SD
    of their logarithm. ``spread``: SD of everybody's own slopes.
    """
    base = rng.dirichlet([4.0] * people)
    own = dispersion * np.exp(uneven * rng.normal(size=people))
    noise = rng.normal(size=(meetings, people)) * np.sqrt(own / (base * (1 - base)))
    slopes = spread * rng.normal(size=people)
    slopes[0] += rise
    talk = np.exp(np.log(base) + noise + slopes * np.linspace(-0.5, 0.5, meetings)[:, None])
    return np.asarray(talk / talk.sum(axis=1, keepdims=True))


def asking(counts: Sequence[Sequence[int]], minutes: float = 10.0) -> tuple[Record, ...]:
    """Weekly meetings in which people asked so many questions, each speaking so many minutes."""
    people = dict(zip("ABCDEF", NAMES[: len(counts[0])], strict=False))
    return tuple(
        meeting(
            week,
            [rate("question_rate", label, n, minutes) for label, n in zip(people, row, strict=True)],
            people,
        )
        for week, row in enumerate(counts)
    )


def talking(lines: Sequence[tuple[str, ActLabel]], week: float = 0.0) -> Record:
    """A meeting of utterances, one a second, each by somebody and of an act."""
    utterances = tuple(Utterance(i, who, Span(i, i + 0.9), "words") for i, (who, _) in enumerate(lines))
    acts = tuple(Act(i, label, 1.0) for i, (_, label) in enumerate(lines))
    people = {who: None for who, _ in lines}
    made = analysis(week, (), people)
    return record(Analysis(made.meeting, made.engines, made.speakers, utterances=utterances, acts=acts))
