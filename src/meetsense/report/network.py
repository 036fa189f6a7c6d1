"""The uptake network: who takes up whose claims, as a drawing and as a matrix.

Up to ``DRAWN`` people are points on an ellipse in the order of the people, clockwise from the top, with an
arrow from the one who takes up to the one whose claim it was. More people are a grid of dots; beyond
``GRID`` there is the table alone. Points have one size: a person has no score.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from unicodedata import east_asian_width

from meetsense.report.figures import Figure, figure
from meetsense.report.people import Person
from meetsense.values import Grade, Measure, SubjectKind

GRANTS, RATE = "grants", "grant_rate"
"""Measures of a pair that the network is made of: of rates, where there are any, else of counts."""
DRAWN = 8
"""So many people are drawn as points and arrows."""
GRID = 24
"""So many people are drawn as a grid."""
NUMBERED = 5
"""With so many people there is room for a number at each arrow."""
WIDTH, HEIGHT = 480.0, 400.0
"""Units of the drawing of points."""
RADIUS = 15.0
"""Of a point."""
BEND = 0.15
"""How far an arrow bends from the straight line, as a part of its length: the two of a pair stand apart."""
STEPS = 24
"""Places along an arrow at which its number may stand."""
TEXT, HIGH = 44.0, 14.0
"""Width and height of a number."""
THIN, THICK = 1.5, 7.0
"""Widths of the arrows with the fewest and the most claims taken up."""
LONGEST = 112.0
"""Units of a name in a drawing; what is longer is clipped."""
WIDTHS = ((4.5, "fijlrtI.,:;'|!()[]- "), (13.5, "mwMW@%&"), (10.5, string.ascii_uppercase))
"""Units of a character in a bold drawing, about; any other has ``LETTER``, an ideograph ``IDEOGRAPH``."""
LETTER, IDEOGRAPH = 8.8, 15.0
LAST = 4
"""Characters of a name's end, kept where beginnings are alike."""
CELL = 20.0
"""Width and height of a cell of the grid."""


Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Link:
    """What one person made of another's claims."""

    granter: Person
    """Who takes up."""
    claimer: Person
    """Whose claims they are."""
    taken: float | None
    """How many claims were taken up; None when that is withheld."""
    rate: Figure | None
    """Claims taken up of those that could be; None when there is no such figure, or it is withheld."""
    firm: bool
    """Whether the rate, or without one the count, is firm."""

    @property
    def text(self) -> str | None:
        """``4 of 9``, or the count alone; None when nothing is known."""
        if self.rate is not None:
            return self.rate.fraction or self.rate.value
        return None if self.taken is None else f"{self.taken:g}"


@dataclass(frozen=True, slots=True)
class Network:
    """All links that have a figure, in the people's order: by the one who takes up, then by whose claims."""

    people: tuple[Person, ...]
    links: tuple[Link, ...]

    @property
    def sentence(self) -> str:
        """What the drawing shows, for those who hear the page."""
        told = [
            f"{link.granter.name} takes up {link.claimer.name}'s claims, {link.text}"
            for link in self.links
            if link.taken
        ]
        if len(self.people) > NUMBERED or not told:
            pairs = f"{len(told)} of {len(self.links)} pairs" if told else "none of the pairs"
            return f"Claims were taken up in {pairs}; the table has every figure"
        return f"{'; '.join(told)}. The table has every figure"

    def by_pair(self) -> dict[tuple[str, str], Link]:
        """Links by the labels of who takes up and whose claims."""
        return {(link.granter.label, link.claimer.label): link for link in self.links}


@dataclass(frozen=True, slots=True)
class Point:
    """A person in the drawing."""

    person: Person
    x: float
    y: float
    name: str
    """Clipped."""
    name_y: float
    """Baseline of the name: above the upper points, below the others."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A link in the drawing."""

    link: Link
    path: str
    head: str
    width: float
    text: str | None
    """Where there is room for it."""
    text_x: float
    text_y: float
    curve: tuple[Place, ...]
    """Places along its way."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Points and arrows."""

    points: tuple[Point, ...]
    arrows: tuple[Arrow, ...]
    height: float
    width: float = WIDTH


@dataclass(frozen=True, slots=True)
class Dot:
    """A link in the grid."""

    link: Link
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Side:
    """A person beside the grid, and above it."""

    person: Person
    name: str
    at: float
    """Middle of the row and of the column."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A cell a pair: rows take up, columns made the claims; the area of a dot is the part taken up."""

    sides: tuple[Side, ...]
    dots: tuple[Dot, ...]
    margin: float
    """Room for the names beside the grid and above it."""
    size: float


def network(measures: Iterable[Measure], everybody: Sequence[Person]) -> Network | None:
    """The uptake network; None when no pair has a figure."""
    found: dict[tuple[str | None, str | None], dict[str, Measure]] = {}
    for measure in filter(_tells_uptake, measures):
        found.setdefault((measure.subject.speaker, measure.subject.other), {})[measure.name] = measure
    if any(RATE in figures for figures in found.values()):
        found = {pair: figures for pair, figures in found.items() if RATE in figures}
    links = tuple(
        _link(granter, claimer, found[granter.label, claimer.label])
        for granter in everybody
        for claimer in everybody
        if (granter.label, claimer.label) in found
    )
    return Network(tuple(everybody), links) if links else None


def _tells_uptake(measure: Measure) -> bool:
    subject = measure.subject
    if subject.kind is not SubjectKind.PAIR or subject.speaker == subject.other:
        return False
    return measure.name in {GRANTS, RATE} and measure.value is not None and math.isfinite(measure.value)


def _link(granter: Person, claimer: Person, figures: dict[str, Measure]) -> Link:
    rate, grants = figures.get(RATE), figures.get(GRANTS)
    taken = grants.value if grants else None
    if taken is None and rate is not None:
        taken = rate.part
    judged = rate or grants
    firm = judged is not None and judged.grade is Grade.FIRM
    return Link(granter, claimer, taken, figure(rate) if rate else None, firm)


def drawing(found: Network) -> Drawing | None:
    """Points and arrows; None for one person, and for more than ``DRAWN``."""
    if not 2 <= len(found.people) <= DRAWN:
        return None
    named = short([person.name for person in found.people])
    points = {
        person.label: _point(i, person, name, len(named))
        for i, (person, name) in enumerate(zip(found.people, named, strict=True))
    }
    most = max((link.taken or 0.0 for link in found.links), default=0.0)
    arrows = tuple(
        _arrow(
            link,
            points[link.granter.label],
            points[link.claimer.label],
            most,
            numbered=len(found.people) <= NUMBERED,
        )
        for link in found.links
        if link.taken and link.taken > 0
    )
    lowest = max(max(point.y, point.name_y) for point in points.values())
    return Drawing(tuple(points.values()), _labelled(arrows), height=lowest + 24)


def _point(i: int, person: Person, name: str, count: int) -> Point:
    start = math.pi if count == 2 else -math.pi / 2
    angle = start + 2 * math.pi * i / count
    x = WIDTH / 2 + (WIDTH / 2 - 80) * math.cos(angle)
    y = HEIGHT / 2 + (HEIGHT / 2 - 50) * math.sin(angle)
    above = math.sin(angle) < -0.1
    return Point(person, round(x, 1), round(y, 1), name, round(y + (-24 if above else 32), 1))


def _arrow(link: Link, start: Point, end: Point, most: float, *, numbered: bool) -> Arrow:
    """A curve that bends to the left of its way, with a head at the point's edge."""
    taken = link.taken or 0.0
    width = round(THIN + (THICK - THIN) * taken / most, 1)
    across, down = end.x - start.x, end.y - start.y
    bend_x = (start.x + end.x) / 2 + 2 * BEND * down
    bend_y = (start.y + end.y) / 2 - 2 * BEND * across
    length = 7.0 + 1.6 * width
    first = _towards(start.x, start.y, bend_x, bend_y, RADIUS + 3)
    tip = _towards(end.x, end.y, bend_x, bend_y, RADIUS + 3)
    base = _towards(end.x, end.y, bend_x, bend_y, RADIUS + 3 + length)
    half = 3.0 + 0.9 * width
    side_x, side_y = (tip[1] - base[1]) / length * half, (base[0] - tip[0]) / length * half
    head = (
        f"M{tip[0]:.1f} {tip[1]:.1f}L{base[0] + side_x:.1f} {base[1] + side_y:.1f}"
        f"L{base[0] - side_x:.1f} {base[1] - side_y:.1f}z"
    )
    path = f"M{first[0]:.1f} {first[1]:.1f}Q{bend_x:.1f} {bend_y:.1f} {base[0]:.1f} {base[1]:.1f}"
    curve = tuple(_along(first, (bend_x, bend_y), base, step / STEPS) for step in range(STEPS + 1))
    text_x, text_y = curve[STEPS // 4]
    return Arrow(link, path, head, width, link.text if numbered else None, text_x, text_y, curve)


def _along(start: Place, bend: Place, end: Place, part: float) -> Place:
    """A place on a quadratic Bézier curve."""
    one, two, three = (1 - part) ** 2, 2 * part * (1 - part), part**2
    x, y = (one * a + two * b + three * c for a, b, c in zip(start, bend, end, strict=True))
    return round(x, 1), round(y, 1)


def _labelled(arrows: Sequence[Arrow]) -> tuple[Arrow, ...]:
    """The same with the number of each where the other arrows and the numbers before it are furthest."""
    placed: list[Place] = []
    told = []
    for arrow in arrows:
        others = [place for other in arrows if other is not arrow for place in other.curve] + placed
        x, y = max(arrow.curve[2:-4], key=lambda place: _room_at(place, others))
        placed += [(x + across, y) for across in (-TEXT / 2, 0.0, TEXT / 2)] if arrow.text else []
        told.append(replace(arrow, text_x=x, text_y=round(y + 4, 1)))
    return tuple(told)


def _room_at(place: Place, others: Sequence[Place]) -> float:
    """Distance to the nearest of the others, in units of a text's height; a text is wider than high."""
    x, y = place
    return min((math.hypot((x - a) * HIGH / TEXT, y - b) for a, b in others), default=0.0)


def _towards(x: float, y: float, to_x: float, to_y: float, steps: float) -> tuple[float, float]:
    """So many units from one place towards another."""
    distance = math.hypot(to_x - x, to_y - y) or 1.0
    return x + (to_x - x) * steps / distance, y + (to_y - y) * steps / distance


def grid(found: Network) -> Grid | None:
    """Dots in a grid, for more people than are drawn as points; None for fewer, and beyond ``GRID``."""
    if not DRAWN < len(found.people) <= GRID:
        return None
    named = short([person.name for person in found.people])
    margin = math.ceil(max(map(_room, named))) + 12.0
    sides = tuple(
        Side(person, name, margin + CELL * (i + 0.5))
        for i, (person, name) in enumerate(zip(found.people, named, strict=True))
    )
    at = {side.person.label: side.at for side in sides}
    dots = tuple(
        Dot(link, at[link.claimer.label], at[link.granter.label], _radius(link)) for link in found.links
    )
    return Grid(sides, dots, margin, margin + CELL * len(sides) + 4)


def _radius(link: Link) -> float:
    """Area for the part taken up; what was never taken up is a speck."""
    rate = link.rate.measure.value if link.rate else None
    part = min(1.0, max(0.0, rate)) if rate is not None else float(bool(link.taken))
    return round(1.2 + (CELL / 2 - 2.2) * math.sqrt(part), 1)


def short(everybody: Sequence[str]) -> list[str]:
    """Names as long as a drawing has room for; where their beginnings are alike, with their ends.

    >>> short(["Ada", "Wilhelmina-Josephine"])
    ['Ada', 'Wilhelmina-J…']
    >>> short(["Speaker number 1", "Speaker number 2"])
    ['Speaker n…er 1', 'Speaker n…er 2']
    """
    begun = [_fitting(name, "") for name in everybody]
    if len(set(begun)) == len(everybody):
        return begun
    return [_fitting(name, name[-LAST:]) for name in everybody]


def _fitting(name: str, end: str) -> str:
    if _room(name) <= LONGEST:
        return name
    kept = len(name)
    while kept > 1 and _room(f"{name[:kept]}…{end}") > LONGEST:
        kept -= 1
    return f"{name[:kept].rstrip()}…{end}"


def _room(text: str) -> float:
    return sum(map(_width, text))


def _width(char: str) -> float:
    if east_asian_width(char) in "WF":
        return IDEOGRAPH
    return next((width for width, chars in WIDTHS if char in chars), LETTER)
