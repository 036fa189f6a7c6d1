"""One meeting in a few screenfuls of a terminal."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from meetsense.report import charts
from meetsense.report.doubts import Doubt, doubts, summed
from meetsense.report.escape import clean, clip
from meetsense.report.figures import Figure, clock, length
from meetsense.report.ledger import SURE, Decision, decisions, why_none
from meetsense.report.network import Network, network
from meetsense.report.people import Person, people
from meetsense.report.wording import BRIEF, NOT_FOR, OF_PEOPLE
from meetsense.values import Analysis, DecisionStatus, Grade, SubjectKind

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

SHARES = "talk_share"
BAR_CELLS = 20
"""Cells of the longest bar in a wide terminal."""
WIDE = 72
"""From this width on there is room for bars."""
TOPIC = 120
"""Characters of a topic."""
MARKS = {Grade.FIRM: "●", Grade.TENTATIVE: "◐", Grade.WITHHELD: "○"}
LEGEND = "● firm, ◐ tentative"
FEW = 6
"""With more people, figures person by person are left to the page."""
TITLE, CELL = 20, 11
"""Least cells of a title and of a figure for people to stand side by side."""
UPTAKE = 6
"""Least cells of a column of the uptake matrix."""
MOST_UPTAKE = 30
"""With more people the uptake matrix is left to the page."""
UPTAKE_NAME = 16
"""Most cells of a name beside the uptake matrix."""


def summary(
    analysis: Analysis, *, width: int = 80, colour: bool = False, stored: bool = True, brief: bool = False
) -> str:
    """The report of a meeting as lines of at most ``width`` cells, with ANSI colours when asked for.

    ``stored``: whether the meeting is in the database, to be shown again. ``brief``: of the figures only
    those of :data:`~meetsense.report.wording.BRIEF`.
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
    shares = [measure for measure in analysis.measures if measure.name == SHARES]
    uptake = network(analysis.measures, everybody)
    with console.capture() as capture:
        _head(console, analysis)
        rows = charts.tables(shares, everybody, SubjectKind.SPEAKER)
        _people(console, everybody, [row for table in rows for row in table.rows])
        _decisions(console, analysis, found)
        if uptake:
            _uptake(console, uptake)
        shown = replace(
            analysis, measures=tuple(m for m in analysis.measures if m.name in BRIEF or not brief)
        )
        for section in charts.sections(shown.measures, everybody):
            _section(console, section, everybody)
        _doubts(console, shown, everybody)
        _line(console, NOT_FOR, "dim")
        again = f"meetsense show {clean(analysis.meeting.id)}"
        if brief and stored:
            _line(console, f"Every figure: {again}", "dim")
        more = f"{again} --html FILE" if stored else "--html FILE"
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
    style = "" if item.measure.grade is Grade.FIRM else "yellow"
    return [
        (item.value or "", "bold"),
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
    if decision.worded:
        _line(console, decision.worded, indent=4)
    steps = [
        f"{step.person.name} {step.role}" + (f" {clock(step.evidence.span.start)}" if step.evidence else "")
        for step in decision.steps
    ]
    doubt = [] if decision.sureness == SURE else [f"the program is {decision.sureness}"]
    _flow(console, [*steps, *doubt], indent=4)
    if decision.origin:
        _line(console, decision.origin, "yellow", indent=4)


def _uptake(console: Console, found: Network) -> None:
    """A row for everybody who could take up, a column for everybody who made claims; blocks that fit."""
    from rich.cells import cell_len

    links = found.by_pair()
    granters = [p for p in found.people if any(link.granter == p for link in found.links)]
    claimers = [p for p in found.people if any(link.claimer == p for link in found.links)]
    cells = {pair: f"{_short(link.text)}{MARKS[_grade(link.firm)]}" for pair, link in links.items()}
    wide = max(UPTAKE, *map(cell_len, cells.values()))
    longest = max(cell_len(person.name) for person in found.people)
    if longest + len(claimers) * (max(longest, wide) + 1) <= console.width:
        wide = max(longest, wide)
    keys = _keys(found.people, wide)
    beside = [f"{keys[p.label]}  {p.name}" if keys[p.label] != p.name else p.name for p in granters]
    name = min(UPTAKE_NAME, max(map(cell_len, beside)), max(UPTAKE, console.width - 2 * wide))
    block = max(1, (console.width - name) // (wide + 1))
    _heading(console, "Who takes up whose claims", "rows take up, columns made the claims")
    if len(found.people) > MOST_UPTAKE:
        _line(console, f"{len(found.people)} people: pair by pair in the page", "dim")
        return
    for i in range(0, len(claimers), block):
        columns = claimers[i : i + block]
        table = _fixed(name, [wide] * len(columns))
        table.add_row("", *(keys[person.label] for person in columns))
        for person, text in zip(granters, beside, strict=True):
            row = (cells.get((person.label, other.label), "·") for other in columns)
            table.add_row(text, *row)
        console.print(table)
    _line(console, f"4/9: four of nine claims were taken up; {LEGEND}; ·: no figure", "dim")


def _fixed(first: int, others: Sequence[int]) -> Table:
    """A table with a name and figures to the right, all of given widths."""
    from rich.table import Table

    table = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=first, no_wrap=True, overflow="ellipsis")
    for width in others:
        table.add_column(width=width, no_wrap=True, overflow="ellipsis", justify="right")
    return table


def _short(text: str | None) -> str:
    return (text or "").replace(" of ", "/").replace(" ", "")


def _grade(firm: bool) -> Grade:
    return Grade.FIRM if firm else Grade.TENTATIVE


def _keys(everybody: Sequence[Person], cells: int) -> dict[str, str]:
    """What stands above a column: names where all fit, else letters."""
    from rich.cells import cell_len

    if all(cell_len(person.name) <= cells for person in everybody):
        return {person.label: person.name for person in everybody}
    return {person.label: _letters(i) for i, person in enumerate(everybody)}


def _letters(i: int) -> str:
    """``A`` to ``Z``, then ``AA``."""
    return (_letters(i // 26 - 1) if i >= 26 else "") + chr(ord("A") + i % 26)


def _section(console: Console, section: charts.Section, everybody: Sequence[Person]) -> None:
    """One family: the meeting's figures, then the persons' side by side where they are few."""
    persons = [table for table in section.persons if table.name != SHARES]
    if not section.meeting and not persons:
        return
    more = any(table.name == SHARES for table in section.persons)
    _heading(console, f"{section.family.title}, more figures" if more else section.family.title)
    _meeting(console, section.meeting)
    if len(everybody) > FEW:
        titles = ", ".join(_lower(table.term.title) for table in persons)
        if titles:
            _line(console, f"Person by person in the page: {titles}", "dim")
        return
    room = (console.width - TITLE) // max(1, len(everybody)) - 2
    if room >= CELL:
        _side_by_side(console, persons, everybody)
    else:
        _listed(console, persons)
    for table in persons:
        if table.name in OF_PEOPLE:
            _line(console, OF_PEOPLE[table.name], "dim")


def _meeting(console: Console, figures: Sequence[Figure]) -> None:
    from rich.text import Text

    if console.width < WIDE:
        for item in figures:
            _line(console, item.title)
            _flow(console, _told(item), indent=2)
        return
    table = _grid(1, None, None, None, None)
    for item in figures:
        table.add_row(Text(item.title), *(Text(text, style) for text, style in _figure_cells(item)))
    if figures:
        console.print(table)


def _told(item: Figure) -> list[str]:
    """Value, interval, n and grade."""
    value = f"{item.value} ({item.fraction})" if item.fraction else item.value or ""
    return [value, item.interval or "no interval", f"n = {item.measure.n}", item.grade]


def _side_by_side(console: Console, tables: Sequence[charts.Table], everybody: Sequence[Person]) -> None:
    """A column a person, a row a measure; below the value its interval."""
    from rich.table import Table
    from rich.text import Text

    if not tables:
        return
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(min_width=TITLE, ratio=2, overflow="fold")
    for _ in everybody:
        grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Text(LEGEND, "dim"), *(Text(person.name, "bold") for person in everybody))
    for table in tables:
        figures = {row.who[0]: row.figure for row in table.rows if row.who}
        grid.add_row(Text(table.term.title), *(_cell(figures.get(person)) for person in everybody))
    console.print(grid)


def _cell(item: Figure | None) -> Text:
    from rich.text import Text

    if item is None:
        return Text(f"{MARKS[Grade.WITHHELD]} withheld", "dim")
    style = "" if item.measure.grade is Grade.FIRM else "yellow"
    return Text.assemble(
        (f"{item.value} ", "bold"),
        (MARKS[item.measure.grade], style),
        (f" n={item.measure.n}", "dim"),
        f"\n{item.interval or 'no interval'}",
    )


def _listed(console: Console, tables: Sequence[charts.Table]) -> None:
    for table in tables:
        _line(console, table.term.title)
        for row in table.rows:
            value, *others = _told(row.figure)
            who = f"{row.who[0].name}: " if row.who else ""
            _flow(console, [f"{who}{value}", *others], indent=2)


def _doubts(console: Console, analysis: Analysis, everybody: Sequence[Person]) -> None:
    """Why figures are tentative, and which are withheld, here and in the page: a line a reason."""
    for heading, grade in (("Tentative", Grade.TENTATIVE), ("Withheld", Grade.WITHHELD)):
        found = summed(doubts(analysis.measures, everybody, grade))
        if found:
            _heading(console, heading)
        for doubt in found:
            _doubt(console, doubt)
    console.print()


def _doubt(console: Console, doubt: Doubt) -> None:
    _hanging(console, "-", f"{doubt.reason}: {'; '.join(_lower(item.text) for item in doubt.doubted)}")


def _lower(title: str) -> str:
    return f"{title[:1].lower()}{title[1:]}"
