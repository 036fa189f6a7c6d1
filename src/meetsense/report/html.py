"""One meeting as one HTML file: no network, no script, nothing beside it.

The page allows itself nothing but its own style sheet, by its hash; so a name or a word from outside that
slipped through could still neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from meetsense.report import charts, wording
from meetsense.report.escape import clean
from meetsense.report.figures import clock, figure, length
from meetsense.report.ledger import decisions, names, why_none
from meetsense.report.people import Person, people
from meetsense.report.timeline import BAND_SECONDS, WIDTH, close_view, overview
from meetsense.report.transcript import transcript
from meetsense.values import Analysis, DecisionStatus, LedgerRole, SubjectKind

if TYPE_CHECKING:
    from jinja2 import Environment

TALK = ("talk_share", "talk_time", "turn_share")
"""Measures of the section on how talk was shared out."""
COLOURS = 6
"""People beyond these colours begin again with the first: names tell them apart, not colours."""
MANY_PEOPLE = 8
"""With more people, tables beyond the shares are folded."""


def page(analysis: Analysis) -> str:
    """The report of a meeting as one HTML document."""
    everybody = people(analysis)
    found = decisions(analysis, everybody)
    colours = {person.label: i % COLOURS for i, person in enumerate(everybody)}
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
        talk=charts.tables(analysis.measures, everybody, SubjectKind.SPEAKER, lambda name: name in TALK),
        meeting_figures=charts.meeting_figures(analysis.measures),
        persons=charts.tables(
            analysis.measures, everybody, SubjectKind.SPEAKER, lambda name: name not in TALK
        ),
        pairs=charts.tables(analysis.measures, everybody, SubjectKind.PAIR, lambda _: True),
        many=len(everybody) > MANY_PEOPLE,
        chunks=transcript(analysis, everybody, found),
        engines=_engines(analysis),
        no_decisions=why_none(analysis),
        wording=wording,
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
    environment.filters |= {"clock": clock, "lasting": length, "clean": clean, "names": names}
    return environment
