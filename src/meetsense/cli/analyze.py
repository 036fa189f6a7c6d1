"""``meetsense analyze``: audio or transcript files to reports."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetsense.cli import OneLine
from meetsense.cli.common import database_options, print_summary, report_page, settings_of, write_text
from meetsense.errors import MeetsenseError
from meetsense.values import SpeakerRange

if TYPE_CHECKING:
    from meetsense.batch import Limits, Parked
    from meetsense.pipeline import Progress, Request, Toolbox
    from meetsense.values import Analysis, Voiceprint


class Speakers(click.ParamType[str]):
    """``N`` or ``LOW-HIGH`` people, or ``roster``."""

    name = "N|LOW-HIGH|roster"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the option; wrong usage when it isn't a count, a range or ``roster``."""
        from meetsense.config import FROM_ROSTER

        try:
            if value != FROM_ROSTER:
                SpeakerRange.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


@contextmanager
def progress_bar(name: str) -> Iterator[Progress]:
    """A bar on stderr, silent when stderr is not a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from meetsense.pipeline import STEPS

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

    if json == Path("-"):
        click.echo(dumps(analysis))
    else:
        print_summary(analysis, stored=stored, brief=True)
        if file := target(json, analysis, ".json", several=several):
            write_text(file, dumps(analysis) + "\n")
    if file := target(html, analysis, ".html", several=several):
        write_text(file, report_page(analysis))
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


def refuse_nowhere(written: Mapping[str, Path | None]) -> None:
    """Raise MeetsenseError when an output's folder isn't there or nothing can be put into it."""
    for option, path in written.items():
        folder = path.resolve().parent if path else None
        if path and folder and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            raise MeetsenseError(
                f"{path}: cannot be written, {folder} is no folder to write to; name another with {option}"
            )


def language_code(_: click.Context, __: click.Parameter, code: str | None) -> str | None:
    """The code, if it has the form of a BCP 47 tag; a name such as ``german`` would be found out late."""
    if code is not None and not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", code):
        raise click.BadParameter(f"{code!r} is no language code such as en, de or pt-BR")
    return code


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--roster", type=click.Path(path_type=Path), help="Who was invited (TOML).")
@click.option(
    "--speakers",
    type=Speakers(),
    help="How many people speak; roster: at most those it names; default: estimated.",
)
@click.option(
    "--diarizer",
    type=click.Choice(["auto", "embedded", "pyannote"]),
    help="What tells voices apart; default: auto, pyannote where it is installed, else embedded.",
)
@click.option(
    "--pyannote-mode",
    type=click.Choice(["exact", "fast"]),
    help="What pyannote gives (exact, the default), or nearly that in a fraction of the time.",
)
@click.option(
    "--language",
    metavar="CODE",
    callback=language_code,
    help="Language spoken, such as en; default: detected.",
)
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
    speakers: str | None,
    diarizer: str | None,
    pyannote_mode: str | None,
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
    stderr; the others go on. Each recording is analysed in a process of its own; one whose analysis crashes,
    or needs more memory or time than the configuration allows, is parked with the reason.
    """
    from meetsense.batch import limits_of, speaker_range, toolbox_of
    from meetsense.config import FROM_ROSTER
    from meetsense.pipeline import Request, refused_names
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
    database = db or settings.database
    people = read_roster(roster) if roster else Roster()
    if speakers == FROM_ROSTER and not people.participants:
        raise click.UsageError("--speakers roster needs a --roster that names people")
    request = Request(
        roster=people,
        enrolled=_enrolled(database),
        speakers=speaker_range(speakers or settings.speakers, people),
        language=language or settings.language,
        title=title,
        started_at=_in_utc(started_at) if started_at else None,
        partial=partial,
    )
    toolbox = toolbox_of(settings, whisper, diarizer, pyannote_mode)
    limits = limits_of(settings)
    refuse_nowhere({} if several else written)
    if store:
        with Store(database):  # found out now, not when hours of work are to be kept
            pass

    def one(file: Path) -> None:
        analysis = analysed(file, toolbox, request, limits, park_in=database if store else None)
        refused = refused_names([speaker.label for speaker in analysis.speakers], request.roster)
        if refused in analysis.notes:
            click.echo(f"meetsense: {file.name}: {refused}", err=True)
        saved = False
        try:
            if store:
                with Store(database) as open_store:
                    open_store.save(analysis, request.roster)
                saved = True
        finally:  # what was worked out for an hour is shown, whatever the database says
            publish(analysis, html, json, several=several, stored=saved)

    _each(files, one)


def analysed(
    file: Path,
    toolbox: Callable[[], Toolbox],
    request: Request,
    limits: Limits,
    *,
    park_in: Path | None = None,
) -> Analysis:
    """The analysis of a file: of a recording in a process of its own, of a transcript in this one.

    Raises what :func:`meetsense.batch.analyse_apart` raises; a meeting that is parked stands in the database
    ``park_in`` then.
    """
    from meetsense.batch import Parked, analyse_apart
    from meetsense.interchange.transcript import is_transcript
    from meetsense.pipeline import analyse

    with progress_bar(file.name) as progress:
        if is_transcript(file):
            return analyse(file, toolbox, request, progress)
        try:
            return analyse_apart(file, toolbox, request, progress, limits=limits)
        except Parked as parked:
            if park_in is not None:
                _park(parked, park_in)
            raise


def _park(parked: Parked, database: Path) -> None:
    """Note a parked meeting in the database. Raises MeetsenseError, with its reason, where that fails."""
    from meetsense.store import Store

    try:
        with Store(database) as store:
            store.park(parked.meeting.id, parked.meeting.title, parked.reason)
    except MeetsenseError as error:
        raise MeetsenseError(f"{parked}; and that could not be noted: {error}") from error


def _enrolled(database: Path) -> tuple[Voiceprint, ...]:
    """Voices that may be known again, of a database that is there. One that can't be read has none."""
    from meetsense.store import Store

    if not os.access(database, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return ()
    with Store(database, create=False) as store:
        return store.enrolled()


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MeetsenseError(f"--started-at {moment.isoformat()}: no meeting was then") from None


def _each(files: tuple[Path, ...], job: Callable[[Path], None]) -> None:
    """Do a job for every file; one that fails gets its line, or its traceback, and the exit status is 1."""
    from meetsense.batch import ChildBug

    failed = False
    for file in files:
        try:
            job(file)
        except (MeetsenseError, ChildBug) as error:
            if len(files) == 1:
                raise
            failed = True
            if isinstance(error, ChildBug):
                click.echo(f"{file.name}: a bug {error}", err=True)
            else:
                OneLine(str(error)).show()
    if failed:
        raise click.exceptions.Exit(1)
