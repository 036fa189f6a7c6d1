"""``meetsense analyze``: audio or transcript files to reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetsense.cli import OneLine
from meetsense.cli.common import database_options, print_summary, settings_of, write_text
from meetsense.errors import MeetsenseError
from meetsense.values import SpeakerRange

if TYPE_CHECKING:
    from meetsense.pipeline import Progress
    from meetsense.values import Analysis

STEPS = {
    "decode": "reading the sound",
    "speech": "finding speech",
    "speakers": "telling voices apart",
    "words": "recognising words",
}


class Speakers(click.ParamType[SpeakerRange]):
    """``N`` or ``LOW-HIGH`` people."""

    name = "N|LOW-HIGH"

    def convert(
        self, value: str | SpeakerRange, param: click.Parameter | None, ctx: click.Context | None
    ) -> SpeakerRange:
        """Read the option; wrong usage when it isn't a count or a range."""
        try:
            return value if isinstance(value, SpeakerRange) else SpeakerRange.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@contextmanager
def progress_bar(name: str) -> Iterator[Progress]:
    """A bar on stderr, silent when stderr is not a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(name), total=None)

        def show(step: str, share: float) -> None:
            bar.update(
                task,
                description=f"{escape(name)}: {STEPS.get(step, step)}",
                total=1.0 if share else None,
                completed=share,
            )

        yield show


def target(option: Path | None, analysis: Analysis, suffix: str, *, several: bool) -> Path | None:
    """Where a result goes: a file, or with several recordings a file of its own in a directory."""
    if option is None or not several:
        return option
    try:
        option.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MeetsenseError(f"{option}: cannot be made a directory ({error.strerror})") from None
    return option / f"{analysis.meeting.id}{suffix}"


def publish(
    analysis: Analysis, html: Path | None, json: Path | None, *, several: bool, stored: bool = True
) -> None:
    """Print the summary and write what was asked for; ``--json -`` prints the document instead."""
    from meetsense.interchange.document import dumps
    from meetsense.report.html import page

    if json == Path("-"):
        click.echo(dumps(analysis))
    else:
        print_summary(analysis, stored=stored)
        if file := target(json, analysis, ".json", several=several):
            write_text(file, dumps(analysis) + "\n")
    if file := target(html, analysis, ".html", several=several):
        write_text(file, page(analysis))
        click.echo(f"report: {file}", err=True)


def refuse_to_overwrite(
    written: Mapping[str, Path | None], read: Mapping[str, Sequence[Path | None]]
) -> None:
    """Raise MeetsenseError when an output would replace an input, the database or another output."""
    taken = {path.resolve(): what for what, paths in read.items() for path in paths if path}
    for option, path in written.items():
        if path is None:
            continue
        if what := taken.get(path.resolve()):
            raise MeetsenseError(f"{path}: is {what}; name another file with {option}")
        taken[path.resolve()] = f"the file of {option}"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--roster", type=click.Path(path_type=Path), help="Who was invited (TOML).")
@click.option("--speakers", type=Speakers(), help="How many people speak; default: estimated.")
@click.option("--language", metavar="CODE", help="Language spoken, such as en; default: detected.")
@click.option("--title", help="Title of the meeting; default: the roster's, or the file's name.")
@click.option(
    "--started-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]),
    help="Start of the meeting; without a zone, this machine's; default: the file's time.",
)
@click.option("--whisper", metavar="NAME|DIR", help="Whisper model for the words.")
@click.option("--partial", is_flag=True, help="Analyse what is there of a truncated recording.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="OUT", help="Write the report as one HTML file."
)
@click.option(
    "--json",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write the analysis document; - for stdout.",
)
@click.option("--store/--no-store", default=True, help="Keep the result in the database.", show_default=True)
@database_options
def analyze(
    files: tuple[Path, ...],
    roster: Path | None,
    speakers: SpeakerRange | None,
    language: str | None,
    title: str | None,
    started_at: datetime | None,
    whisper: str | None,
    partial: bool,
    html: Path | None,
    json: Path | None,
    store: bool,
    db: Path | None,
    config: Path | None,
) -> None:
    """Audio files (WAV, FLAC, MP3, M4A, Ogg, Opus, the sound of an MP4) or transcripts (WebVTT, SegLST JSON,
    RTTM) to reports, and into the database.

    With several files, --html and --json name a directory. A file that can't be analysed gets one line on
    stderr; the others go on.
    """
    from meetsense.pipeline import Request, Toolbox, analyse, open_toolbox
    from meetsense.privacy.roster import read_roster
    from meetsense.store import Store
    from meetsense.values import Roster

    several = len(files) > 1
    if several and (title or started_at or json == Path("-")):
        raise click.UsageError("--title, --started-at and --json - go with one file only")
    settings = settings_of(config)
    read = {"a recording": files, "the roster": (roster,), "the database": (db or settings.database,)}
    written = {"--html": html, "--json": None if json == Path("-") else json}
    refuse_to_overwrite({} if several else written, read)
    request = Request(
        roster=read_roster(roster) if roster else Roster(),
        speakers=speakers or (SpeakerRange.parse(settings.speakers) if settings.speakers else None),
        language=language or settings.language,
        title=title,
        started_at=_in_utc(started_at) if started_at else None,
        partial=partial,
    )

    @cache
    def toolbox() -> Toolbox:
        return open_toolbox(settings.models, whisper=whisper or settings.whisper, threads=settings.threads)

    def one(file: Path) -> None:
        with progress_bar(file.name) as progress:
            analysis = analyse(file, toolbox, request, progress)
        if store:
            with Store(db or settings.database) as open_store:
                open_store.save(analysis, request.roster)
        publish(analysis, html, json, several=several, stored=store)

    _each(files, one)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MeetsenseError(f"--started-at {moment.isoformat()}: no meeting was then") from None


def _each(files: tuple[Path, ...], job: Callable[[Path], None]) -> None:
    """Do a job for every file; a file that fails gets its line, and the exit status is 1."""
    failed = False
    for file in files:
        try:
            job(file)
        except MeetsenseError as error:
            if len(files) == 1:
                raise
            OneLine(str(error)).show()
            failed = True
    if failed:
        raise click.exceptions.Exit(1)
