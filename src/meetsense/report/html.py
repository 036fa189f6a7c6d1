"""One meeting as one HTML file: no network, no script, nothing beside it.

The page allows itself nothing but its own style sheet, by its hash; so a name or a word from outside that
slipped through could still neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from meetsense.report import charts, wording
from meetsense.report.doubts import doubts, summed
from meetsense.report.escape import clean, clip
from meetsense.report.figures import clock, figure, length
from meetsense.report.initiative import Begun, initiatives
from meetsense.report.ledger import decisions, names, why_none
from meetsense.report.network import NUMBERED, drawing, grid, network
from meetsense.report.people import Person, people
from meetsense.report.terms import term
from meetsense.report.timeline import BAND_SECONDS, WIDTH, close_view, overview
from meetsense.report.transcript import transcript
from meetsense.values import Analysis, DecisionStatus, Grade, LedgerRole

if TYPE_CHECKING:
    from jinja2 import Environment

COLOURS = 6
"""People beyond these colours begin again with the first: names tell them apart, not colours."""
FOLDED = 6
"""More figures of persons than these are folded within their family."""
UNFOLDED = 12
"""A person's list of more initiatives than these is folded."""
DOUBTFUL = (Grade.TENTATIVE, Grade.WITHHELD)
MANY_PEOPLE = 8
"""With more people, tables beyond the shares are folded."""


def page(analysis: Analysis, begun: Sequence[Begun] = ()) -> str:
    """The report of a meeting as one HTML document.

    ``begun``: the initiatives that the initiative shares count, where the caller knows them.
    """
    everybody = people(analysis)
    found = decisions(analysis, everybody)
    colours = {person.label: i % COLOURS for i, person in enumerate(everybody)}
    uptake = network(analysis.measures, everybody)
    style = _style()
    return _environment().get_template("page.html.j2").render(
        meeting=analysis.meeting,
        title=clean(analysis.meeting.title) or "Untitled meeting",
        when=f"{analysis.meeting.started_at:%d %B %Y, %H:%M} UTC".lstrip("0"),
        language=clean(analysis.meeting.language or ""),
        notes=[note for note in map(clean, analysis.notes) if note],
        everybody=everybody,
        colour=lambda person: f"p{colours[person.label]}",
        lanes={person.label: _lane_label(analysis, person) for person in everybody},
        overview=overview(analysis, everybody),
        bands=close_view(analysis, everybody),
        starts=_first_in_bands(analysis),
        decisions=found,
        statuses=Counter(decision.status for decision in found),
        sections=charts.sections(analysis.measures, everybody),
        uptake=uptake,
        points=drawing(uptake) if uptake else None,
        grid=grid(uptake) if uptake else None,
        initiatives=initiatives(analysis, everybody, found, uptake, begun),
        counted=bool(begun),
        doubts={grade.value: summed(doubts(analysis.measures, everybody, grade)) for grade in DOUBTFUL},
        withheld=lambda section: doubts(section.measures, everybody, Grade.WITHHELD),
        grades=Counter(str(measure.grade) for measure in analysis.measures),
        unseen=_unseen_overlap(analysis),
        few=len(everybody) <= NUMBERED,
        folded=FOLDED,
        unfolded=UNFOLDED,
        many=len(everybody) > MANY_PEOPLE,
        chunks=transcript(analysis, everybody, found),
        engines=_engines(analysis),
        no_decisions=why_none(analysis),
        wording=wording,
        term=term,
        DecisionStatus=DecisionStatus,
        LedgerRole=LedgerRole,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        lane_width=WIDTH,
    )  # fmt: skip


def _lane_label(analysis: Analysis, person: Person) -> str:
    """What a lane says to those who don't see it."""
    wanted = ("talk_share", "talk_time", "turns")
    figures = [figure(m) for m in analysis.measures if m.subject.speaker == person.label and m.name in wanted]
    told = "; ".join(item.sentence for item in figures)
    return f"{person.name}. {told}" if told else f"{person.name}: {'speaks' if person.heard else 'silent'}"


def _unseen_overlap(analysis: Analysis) -> str | None:
    """Why overlaps can't be seen, where that is so."""
    figures = (figure(measure) for measure in analysis.measures if measure.name == "overlap_share")
    return next((item.reason for item in figures if item.value is None), None)


def _first_in_bands(analysis: Analysis) -> dict[float, int]:
    """The id of the first utterance at or after the start of each band of the close view."""
    starts: dict[float, tuple[float, int]] = {}
    for said in analysis.utterances:
        band = said.span.start // BAND_SECONDS * BAND_SECONDS
        starts[band] = min(starts.get(band, (said.span.start, said.id)), (said.span.start, said.id))
    return {band: number for band, (_, number) in starts.items()}


def _engines(analysis: Analysis) -> list[tuple[str, str]]:
    """Which engine did which step; a step that did not run says so."""
    engines = analysis.engines
    steps = (
        ("Speech found by", engines.vad),
        ("Voices told apart by", engines.diarizer),
        ("Words recognised by", engines.transcriber),
        ("Acts and decisions read by", engines.acts),
    )
    return [(step, clean(name or "") or "did not run") for step, name in steps]


@cache
def _style() -> str:
    from importlib.resources import files

    return (files("meetsense.report") / "page.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("meetsense.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": clock,
        "lasting": length,
        "clean": clean,
        "clip": clip,
        "did": wording.ROLES.__getitem__,
        "names": names,
    }
    return environment
