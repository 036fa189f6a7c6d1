"""``meetsense meetings``, ``show``, ``search`` and ``export``: what the database holds."""

from __future__ import annotations

import json as json_text
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetsense.cli.common import (
    counted,
    database_options,
    print_summary,
    report_page,
    settings_of,
    write_text,
)

if TYPE_CHECKING:
    from meetsense.store import Store
    from meetsense.values import Analysis, Recording


def _open(db: Path | None, config: Path | None) -> Store:
    from meetsense.store import Store

    return Store(db or settings_of(config).database, create=False)


def _load(meeting: str, db: Path | None, config: Path | None) -> Analysis:
    with _open(db, config) as store:
        return store.load(meeting)


def _print_rows(rows: list[dict[str, object]]) -> None:
    click.echo(json_text.dumps(rows, ensure_ascii=False, indent=1))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def _day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def owed_line(recording: Recording) -> str:
    """A recording that was not analysed yet, or failed, as people read it."""
    from meetsense.report.escape import clean

    r = recording
    line = f"{r.state}: {r.id}  {_day(r.started_at)}  {_clock(r.duration)}  {clean(r.title)}"
    return f"{line}: {clean(r.reason)}" if r.reason else line


@click.command()
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def meetings(json: bool, db: Path | None, config: Path | None) -> None:
    """List the meetings in the database, the latest first.

    Meetings whose analysis was ended are told on stderr, with the reason; in JSON they have the key "parked".
    So are recordings that wait for theirs, or failed; in JSON they have the key "state".
    """
    from meetsense.report.escape import clean
    from meetsense.values import RecordingState

    with _open(db, config) as store:
        listed, parked = store.meetings(), store.parked()
        owed = [r for r in store.recordings() if r.state is not RecordingState.DONE]
    if json:
        rows: list[dict[str, object]] = [
            {
                "id": m.id,
                "title": m.title,
                "started_at": m.started_at.isoformat(),
                "duration": m.duration,
                "speakers": m.speakers,
                "decisions": m.decisions,
            }
            for m in listed
        ]
        rows += [{"id": p.id, "title": p.title, "parked": p.reason} for p in parked]
        rows += [
            {
                "id": r.id,
                "title": r.title,
                "started_at": r.started_at.isoformat(),
                "duration": r.duration,
                "state": r.state,
                "reason": r.reason,
            }
            for r in owed
        ]
        _print_rows(rows)
        return
    for p in parked:
        click.echo(f"parked: {p.id}  {_day(p.parked_at)}  {clean(p.title)}: {clean(p.reason)}", err=True)
    for r in owed:
        click.echo(owed_line(r), err=True)
    for m in listed:
        counts = f"{counted(m.speakers, 'speaker')}, {counted(m.decisions, 'decision')}"
        click.echo(f"{m.id}  {_day(m.started_at)}  {_clock(m.duration)}  {counts}  {clean(m.title)}")


@click.command()
@click.argument("meeting", metavar="ID")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="OUT", help="Write the report as one HTML file."
)
@click.option("--json", is_flag=True, help="Print the analysis document.")
@database_options
def show(meeting: str, html: Path | None, json: bool, db: Path | None, config: Path | None) -> None:
    """Show the report of a meeting; a beginning of its ID is enough."""
    from meetsense.interchange.document import dumps

    analysis = _load(meeting, db, config)
    if json:
        click.echo(dumps(analysis))
    else:
        print_summary(analysis)
    if html:
        write_text(html, report_page(analysis))
        click.echo(f"report: {html}", err=True)


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most lines to print.")
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def search(words: tuple[str, ...], limit: int, json: bool, db: Path | None, config: Path | None) -> None:
    """Find utterances that hold all the WORDS."""
    from meetsense.report.escape import clean

    with _open(db, config) as store:
        found = store.search(" ".join(words), limit=limit)
    if json:
        rows: list[dict[str, object]] = [
            {
                "meeting": f.meeting,
                "utterance": f.number,
                "start": f.start,
                "speaker": f.speaker,
                "text": f.text,
            }
            for f in found
        ]
        _print_rows(rows)
        return
    if not found:
        click.echo(f"no utterance holds all of: {clean(' '.join(words))}", err=True)
    for f in found:
        click.echo(f"{f.meeting}  {_clock(f.start)}  {clean(f.speaker)}: {clean(f.text)}")


@click.command()
@click.argument("meeting", metavar="ID")
@click.option("--format", "form", type=click.Choice(["json"]), default="json", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), metavar="OUT", help="File; default: stdout.")
@database_options
def export(meeting: str, form: str, output: Path | None, db: Path | None, config: Path | None) -> None:
    """Write a meeting as the analysis document; a beginning of its ID is enough."""
    from meetsense.interchange.document import dumps

    text = dumps(_load(meeting, db, config))
    if output:
        write_text(output, text + "\n")
    else:
        click.echo(text)
