"""Which figures are followed over meetings, and what a meeting contributes to each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from meetsense.interaction import uncertainty as sure
from meetsense.interaction.patterns.fit import Link
from meetsense.interaction.patterns.records import Attendance, Record
from meetsense.interaction.uncertainty import Z95
from meetsense.values import Grade, Measure, SubjectKind

FEW = "make it firm"
"""What a reason says where more events are all that is missing."""


class Kind(StrEnum):
    """How the figures of several meetings come together."""

    TIME_OF_ALL = "a person's seconds over everybody's"
    EVENTS_OF_ALL = "a person's events over everybody's"
    SECONDS = "seconds over seconds"
    EVENTS = "events over events"
    RATE = "events over minutes"
    LEVEL = "a median or an index, which doesn't add up"

    @property
    def link(self) -> Link:
        """The scale of its trend."""
        return {Kind.RATE: Link.LOG, Kind.LEVEL: Link.IDENTITY}.get(self, Link.LOGIT)

    @property
    def of_all(self) -> bool:
        """Whether people share one whole, so that what some gain others lose."""
        return self in (Kind.TIME_OF_ALL, Kind.EVENTS_OF_ALL)


@dataclass(frozen=True, slots=True)
class Tracked:
    """A measure that is followed over meetings."""

    name: str
    kind: Kind
    noun: str = "events"
    """What ``n`` of the measure counts."""
    least: int = sure.FEW_EVENTS
    """Events over all the meetings below which nothing is said of a trend."""
    once: bool = False
    """Everybody's whole is the meeting's, which counts once for the team."""
    team: bool = True
    """Whether people's parts together say something of the team."""
    drawn: bool = False
    """A person's is (part + ½) / (whole + 1), as in a meeting of its own: drawn towards one half."""


OF_PEOPLE = (
    Tracked("talk_share", Kind.TIME_OF_ALL, "stretches of speech"),
    Tracked("turn_share", Kind.EVENTS_OF_ALL, "turns"),
    Tracked("control_share", Kind.TIME_OF_ALL, "utterances"),
    Tracked("initiative_share", Kind.EVENTS_OF_ALL, "initiatives"),
    Tracked("question_rate", Kind.RATE, "questions"),
    Tracked("proposal_rate", Kind.RATE, "proposals", once=True),
    Tracked("adoption_rate", Kind.EVENTS, "proposals", 5, drawn=True),
    Tracked("topic_uptake", Kind.EVENTS, "topics", 5),
    Tracked("claims_granted", Kind.EVENTS, "claims"),
    Tracked("interruptions_made", Kind.RATE, "interruptions", team=False),
    Tracked("interruptions_received", Kind.RATE, "interruptions"),
)
"""Measures of a speaker; of the team too, summed over everybody, where they aren't parts of a whole."""
OF_MEETINGS = (
    Tracked("silence_share", Kind.SECONDS, "stretches of speech"),
    Tracked("overlap_share", Kind.SECONDS, "overlaps"),
    Tracked("speaker_switches", Kind.RATE, "changes of speaker"),
    Tracked("lapses", Kind.RATE, "long silences"),
    Tracked("floor_transfer_offset", Kind.LEVEL, "changes of speaker"),
    Tracked("evenness", Kind.LEVEL, "stretches of speech"),
    Tracked("initiative_shifts", Kind.RATE, "shifts"),
    Tracked("uptake_density", Kind.LEVEL, "claims"),
    Tracked("uptake_centralisation", Kind.LEVEL, "claims"),
    Tracked("uptake_reciprocity", Kind.EVENTS, "pairs"),
    Tracked("co_production_ratio", Kind.EVENTS, "acts that were granted"),
    Tracked("ratification_gap", Kind.EVENTS, "decisions", 5),
)
"""Measures of the meeting: the team's."""
LEAST_EVENTS = {tracked.name: tracked.least for tracked in (*OF_PEOPLE, *OF_MEETINGS)}
"""Events over all the meetings below which a figure says nothing, by name of the measure."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one meeting says of one figure of a person or of the team."""

    at: datetime
    value: float
    part: float | None
    whole: float | None
    n: int
    """Events."""
    variance: float
    """Sampling variance as the meeting's own interval has it."""
    wider: float
    """How many times that is what sampling independent events alone would give; at least 1."""
    shift: float
    """From the value to the middle of its interval, beyond what sampling makes of it."""
    others: int
    """People who spoke besides this one."""
    role: str | None
    unit: str
    doubt: str | None
    """Why it is tentative, though the events are enough."""


def of_people(tracked: Tracked, records: Sequence[Record]) -> Mapping[str, tuple[Point, ...]]:
    """The points of each person who is known over meetings, in the order of the records."""
    found: dict[str, list[Point]] = defaultdict(list)
    for item in records:
        figures = {m.subject.speaker: m for m in item.figures.get(tracked.name, ())}
        voices: dict[str, list[tuple[Attendance, Measure]]] = defaultdict(list)
        for attendance in item.people:
            if attendance.person is not None and attendance.label in figures:
                voices[attendance.person].append((attendance, figures[attendance.label]))
        for person, own in voices.items():
            if point := _person(tracked, item, own):
                found[person].append(point)
    return {person: tuple(points) for person, points in found.items()}


def of_team(tracked: Tracked, records: Sequence[Record]) -> tuple[Point, ...]:
    """The team's points: the meeting's figure, or the sum of its people's parts."""
    return tuple(_team(tracked, records))


def events(tracked: Tracked, points: Sequence[Point]) -> int:
    """The events that figures of several meetings rest on: the person's own, of parts of everybody's."""
    if tracked.kind is Kind.EVENTS_OF_ALL:
        return round(sum(point.part or 0.0 for point in points))
    return sum(point.n for point in points)


def _team(tracked: Tracked, records: Sequence[Record]) -> Iterator[Point]:
    for item in records:
        figures = item.figures.get(tracked.name, ())
        own = [m for m in figures if m.subject.kind is SubjectKind.MEETING]
        people = [m for m in figures if m.subject.kind is SubjectKind.SPEAKER]
        if own:
            point = _point(tracked, item, own[0])
        elif people and not tracked.kind.of_all:
            point = _summed(tracked, item, people)
        else:
            point = None
        if point:
            yield point


def _person(tracked: Tracked, item: Record, voices: Sequence[tuple[Attendance, Measure]]) -> Point | None:
    """A person's point. Two voices of one person are added where they are parts of the same whole."""
    labels = {attendance.label for attendance, _ in voices}
    others = sum(p.heard and p.label not in labels for p in item.people)
    roles = {attendance.role for attendance, _ in voices}
    role = roles.pop() if len(roles) == 1 else None
    if len(voices) == 1:
        return _point(tracked, item, voices[0][1], others, role)
    if not tracked.kind.of_all:
        return None
    points = [_point(tracked, item, measure, others, role) for _, measure in voices]
    known = [point for point in points if point and point.part is not None]
    if len(known) < len(voices) or not others:
        return None
    return Point(
        known[0].at,
        sum(p.value for p in known),
        sum(p.part or 0.0 for p in known),
        known[0].whole,
        max(p.n for p in known),
        sum(p.variance for p in known),
        max(p.wider for p in known),
        sum(p.shift for p in known),
        others,
        role,
        known[0].unit,
        next((p.doubt for p in known if p.doubt), None),
    )


def _point(
    tracked: Tracked, item: Record, measure: Measure, others: int = 0, role: str | None = None
) -> Point | None:
    """A measure as a point; None where it has no parts to add, or nobody else spoke."""
    value, part, whole = measure.value, measure.part, measure.whole
    if tracked.kind.of_all and not others:
        return None
    if tracked.kind is not Kind.LEVEL:
        if part is None or not whole or whole <= 0:
            return None
        value = part / whole
    if value is None or not math.isfinite(value):
        return None
    variance = _variance(measure)
    return Point(
        item.meeting.started_at,
        value,
        part,
        whole,
        measure.n,
        variance,
        *_beyond_sampling(tracked.kind, measure, value, variance),
        others,
        role,
        measure.unit,
        _doubt(measure),
    )


def _doubt(measure: Measure) -> str | None:
    """Why a figure is tentative for more than few events, which several meetings mend."""
    reason = measure.reason or ""
    return reason if measure.grade is Grade.TENTATIVE and FEW not in reason else None


def _summed(tracked: Tracked, item: Record, people: Sequence[Measure]) -> Point | None:
    """The parts of everybody, added."""
    points = [point for m in people if (point := _point(tracked, item, m))]
    wholes = [p.whole or 0.0 for p in points]
    part = sum(p.part or 0.0 for p in points)
    whole = max(wholes, default=0.0) if tracked.once else sum(wholes)
    if not points or len(points) < len(people) or whole <= 0:
        return None
    weight = sum(max(p.part or 0.0, 1.0) for p in points)
    wider = sum(p.wider * max(p.part or 0.0, 1.0) for p in points) / weight
    shift = sum(p.shift * (p.whole or 0.0) for p in points) / whole
    doubt = next((p.doubt for p in points if p.doubt), None)
    variance = sum(p.variance * (p.whole or 0.0) ** 2 for p in points) / whole**2
    n, unit = sum(p.n for p in points), points[0].unit
    return Point(
        item.meeting.started_at, part / whole, part, whole, n, variance, wider, shift, 0, None, unit, doubt
    )


def _variance(measure: Measure) -> float:
    """From the width of the 95 % interval; 0 where there is none, and then meetings differ by more."""
    if measure.low is None or measure.high is None:
        return 0.0
    return ((measure.high - measure.low) / (2 * Z95)) ** 2


def _beyond_sampling(kind: Kind, measure: Measure, value: float, variance: float) -> tuple[float, float]:
    """How much wider the interval is than that of independent events, and how far its middle is off."""
    if measure.low is None or measure.high is None:
        return 1.0, 0.0
    middle = (measure.low + measure.high) / 2
    if kind not in (Kind.EVENTS, Kind.RATE) or measure.part is None or not measure.whole:
        return 1.0, middle - value
    count, whole = round(measure.part), measure.whole
    alone = sure.poisson(count, whole) if kind is Kind.RATE else sure.wilson(count, round(whole))
    sampling = ((alone.high - alone.low) / (2 * Z95)) ** 2
    return max(1.0, variance / sampling), middle - (alone.low + alone.high) / 2
