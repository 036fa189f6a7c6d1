"""One meeting in one or two screenfuls of a terminal."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from meetsense.report import charts
from meetsense.report.escape import clean, clip
from meetsense.report.figures import Figure, because, clock, length
from meetsense.report.ledger import SURE, Decision, decisions, why_none
from meetsense.report.people import Person, people
from meetsense.values import Analysis, DecisionStatus, Grade, SubjectKind

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHARES = "talk_share"
BAR_CELLS = 20
"""Cells of the longest bar in a wide terminal."""
WIDE = 72
"""From this width on there is room for bars."""
TOPIC = 120
"""Characters of a topic."""


def summary(analysis: Analysis, *, width: int = 80, colour: bool = False, stored: bool = True) -> str:
    """The report of a meeting as lines of at most ``width`` cells, with ANSI colours when asked for.

    ``stored``: whether the meeting is in the database, to be shown again.
    """
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    everybody = people(analysis)
    found = decisions(analysis, everybody)
    shares = charts.tables(analysis.measures, everybody, SubjectKind.SPEAKER, lambda name: name == SHARES)
    meeting = charts.meeting_figures(analysis.measures)
    with console.capture() as capture:
        _head(console, analysis)
        _people(console, everybody, [row for table in shares for row in table.rows])
        _decisions(console, analysis, found)
        _figures(console, meeting)
        _doubts(console, analysis, everybody, [*(row.figure for t in shares for row in t.rows), *meeting])
        more = f"meetsense show {clean(analysis.meeting.id)} --html FILE" if stored else "--html FILE"
        _line(console, f"Timeline, every figure and transcript: {more}", "dim")
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _line(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, indent)))


def _hanging(console: Console, mark: str, text: str, style: str = "") -> None:
    """A mark, and the text beside it."""
    from rich.text import Text

    table = _grid(None, 1)
    table.add_row(Text(mark, style), Text(text, style))
    console.print(table)


def _flow(console: Console, items: Sequence[str], indent: int) -> None:
    """Items side by side, broken between two of them where that can be."""
    from rich.cells import cell_len

    lines: list[str] = []
    for item in items:
        longer = f"{lines[-1]} · {item}" if lines else item
        if lines and cell_len(longer) <= console.width - indent:
            lines[-1] = longer
        else:
            lines.append(item)
    for line in lines:
        _line(console, line, indent=indent)


def _heading(console: Console, text: str, beside: str = "") -> None:
    from rich.text import Text

    console.print()
    console.print(Text.assemble((text, "bold"), (f"  {beside}" if beside else "", "dim"), overflow="fold"))


def _grid(*ratios: int | None) -> Table:
    """A borderless table; a column without a ratio keeps its own width."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0), expand=any(ratios))
    for ratio in ratios:
        table.add_column(ratio=ratio, no_wrap=ratio is None, overflow="fold")
    return table


def _head(console: Console, analysis: Analysis) -> None:
    meeting = analysis.meeting
    _line(console, clean(meeting.title) or "Untitled meeting", "bold")
    when = f"{meeting.started_at:%d %B %Y, %H:%M} UTC".lstrip("0")
    language = f" · language {clean(meeting.language)}" if meeting.language else ""
    _line(console, f"{when} · {length(meeting.duration)}{language} · meeting {clean(meeting.id)}", "dim")
    notes = [note for note in map(clean, analysis.notes) if note]
    if notes:
        _heading(console, "What to know first")
    for note in notes:
        _hanging(console, "!", note, "yellow")


def _people(console: Console, everybody: Sequence[Person], rows: Sequence[charts.Row]) -> None:
    from rich.text import Text

    if not everybody:
        _heading(console, "Nobody was heard")
        return
    shown = [row for row in rows if row.bar is not None]
    told = "share of speaking time; n: stretches of speech, everybody's" if shown else ""
    _heading(console, "Who spoke", told)
    by_person: dict[Person, list[charts.Row]] = {}
    for row in filter(lambda row: row.who, rows):
        by_person.setdefault(row.who[0], []).append(row)
    bars = console.width >= WIDE and bool(shown)
    table = _grid(1, *([None] if bars else []), None, None, None, None)
    for person in everybody:
        name = Text(f"{person.name}", "bold")
        name.append(f" ({person.role})" if person.role else "", "not bold dim")
        name.append(f" · {person.by_voice}" if person.by_voice else "", "not bold dim")
        name.append("" if person.heard else " · not heard", "not bold dim")
        for row in by_person.get(person, []):
            cells = [Text(text, style) for text, style in _figure_cells(row.figure)]
            table.add_row(name, *([Text(_bar(row))] if bars else []), *cells)
        if person not in by_person:
            table.add_row(name)
    console.print(table)


def _bar(row: charts.Row) -> str:
    """Whole and eighth blocks; a scale to 100 % would leave no room, so it is the table's own."""
    if row.bar is None:
        return ""
    eighths = round(row.bar.width / 100 * BAR_CELLS * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _figure_cells(item: Figure) -> list[tuple[str, str]]:
    """Value, interval, n and grade, with styles."""
    if item.value is None:
        return [("", ""), ("", ""), ("", ""), (item.grade, "dim")]
    style = "" if item.measure.grade is Grade.FIRM else "yellow"
    return [
        (item.value, "bold"),
        (item.interval or "no interval", ""),
        (f"n = {item.measure.n}", "dim"),
        (item.grade, style),
    ]


def _decisions(console: Console, analysis: Analysis, found: Sequence[Decision]) -> None:
    counts = Counter(decision.status for decision in found)
    told = ", ".join(f"{counts[status]} {status}" for status in DecisionStatus if counts[status])
    _heading(console, "Decisions", told)
    if not found:
        _line(console, why_none(analysis))
    for decision in found:
        _decision(console, decision)


def _decision(console: Console, decision: Decision) -> None:
    from rich.text import Text

    table = _grid(None, None, 1, None)
    table.columns[0].min_width, table.columns[1].min_width = 2, 8
    style = {DecisionStatus.ADOPTED: "green", DecisionStatus.AMENDED: "green", DecisionStatus.REJECTED: "red"}
    table.add_row(
        Text(f"{decision.number:>2}"),
        Text(str(decision.status), style.get(decision.status, "yellow")),
        Text(clip(decision.topic, TOPIC), "bold"),
        Text(clock(decision.chain.span.start)),
    )
    console.print(table)
    steps = [
        f"{step.person.name} {step.role}" + (f" {clock(step.evidence.span.start)}" if step.evidence else "")
        for step in decision.steps
    ]
    doubt = [] if decision.sureness == SURE else [f"the program is {decision.sureness}"]
    _flow(console, [*steps, *doubt], indent=4)
    if decision.origin:
        _line(console, decision.origin, "yellow", indent=4)


def _figures(console: Console, figures: Sequence[Figure]) -> None:
    from rich.text import Text

    shown = [item for item in figures if item.value is not None]
    if not shown:
        return
    _heading(console, "The meeting", "figure, 95 % interval, events, how sure")
    if console.width < WIDE:
        for item in shown:
            value, interval, n, grade = (text for text, _ in _figure_cells(item))
            _line(console, item.title)
            _line(console, f"{value:<10}{interval:<20}{n:<9}{grade}", indent=2)
        return
    table = _grid(1, None, None, None, None)
    for item in shown:
        table.add_row(Text(item.title), *(Text(text, style) for text, style in _figure_cells(item)))
    console.print(table)


def _doubts(
    console: Console, analysis: Analysis, everybody: Sequence[Person], shown: Sequence[Figure]
) -> None:
    """Why figures above are tentative, and which figures are withheld, here and in the page."""
    tentative = because(shown, Grade.TENTATIVE)
    persons = charts.tables(analysis.measures, everybody, SubjectKind.SPEAKER, lambda _: True)
    pairs = charts.tables(analysis.measures, everybody, SubjectKind.PAIR, lambda _: True)
    rows = [row.figure for table in (*persons, *pairs) for row in table.rows]
    withheld = because([*charts.meeting_figures(analysis.measures), *rows], Grade.WITHHELD)
    for heading, reasons in (("Tentative", tentative), ("Withheld", withheld)):
        if reasons:
            _heading(console, heading)
            _reasons(console, reasons)
    console.print()


def _reasons(console: Console, reasons: dict[str, list[str]]) -> None:
    for reason, titles in reasons.items():
        others = "".join(f", {title[0].lower()}{title[1:]}" for title in titles[1:])
        _hanging(console, "-", f"{titles[0]}{others}: {reason}")
