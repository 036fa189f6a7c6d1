"""``meetsense demo``: the bundled meeting, analysed by the real engines without any download."""

from __future__ import annotations

import tempfile
import webbrowser
from functools import partial
from pathlib import Path

import click

from meetsense.cli.analyze import analysed
from meetsense.cli.common import print_summary, report_page, write_text

MEETING = "demo-meeting"
WHISPER = "demo-whisper"
TIME_FACTOR = 100.0
"""Three and a half minutes are nothing on a machine that is slow."""


@click.command()
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    default=Path("meetsense-demo.html"),
    show_default=True,
    metavar="OUT",
    help="Where the report goes.",
)
@click.option("--open/--no-open", "open_report", default=True, help="Open the report in a browser.")
def demo(html: Path, open_report: bool) -> None:
    """Analyse the bundled meeting: synthetic voices, a small public service team, three decisions.

    It goes through the same steps as a recording of yours, into a throw-away database. Its words are
    recognised by a tiny Whisper that knows only such talk.
    """
    from meetsense.batch import MB, Limits
    from meetsense.config import default_memory_mb
    from meetsense.pipeline import Request, open_toolbox
    from meetsense.privacy.roster import read_roster
    from meetsense.speech.directory import BUNDLED
    from meetsense.store import Store

    folder = BUNDLED / MEETING
    request = Request(roster=read_roster(folder / "roster.toml"))
    with tempfile.TemporaryDirectory(prefix="meetsense-demo-") as state:
        models = Path(state)
        toolbox = partial(open_toolbox, models, whisper=str(BUNDLED / WHISPER), diarizer="embedded")
        limits = Limits(default_memory_mb() * MB, TIME_FACTOR)
        analysis = analysed(folder / "meeting.flac", toolbox, request, limits)
        with Store(models / "meetsense.db") as store:
            store.save(analysis, request.roster)
            analysis = store.load(analysis.meeting.id)
    print_summary(analysis, stored=False, brief=True)
    write_text(html, report_page(analysis))
    click.echo(f"report: {html}", err=True)
    if open_report:
        webbrowser.open(html.resolve().as_uri())
