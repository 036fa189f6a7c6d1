"""``meetsense record``: a recording in the foreground, the terminal being the light that shows it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meetsense.cli import OneLine
from meetsense.cli.common import database_options, settings_of
from meetsense.cli.control import WHY, clock, meeting_options
from meetsense.errors import MeetsenseError

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from meetsense.daemon.indicator import Screen
    from meetsense.daemon.recorder import Recorder

TICK_SECONDS = 0.1
PERIOD_SECONDS = 0.2
QUIETEST_DBFS = -60.0
METER_CELLS = 30
LOUD_DBFS = -12.0
CLIPPED_DBFS = -0.5


@click.command()
@meeting_options
@click.option("--device", help="The microphone, as meetsense doctor lists it, or a part of its name.")
@database_options
def record(
    present: tuple[str, ...], title: str | None, device: str | None, db: Path | None, config: Path | None
) -> None:
    """Record a meeting here, until Ctrl-C; it waits to be analysed then.

    It begins if everybody present has agreed, or the room has a policy: see meetsense start. While it runs,
    meetsense pause, resume, forget and stop work from another terminal.
    """
    from meetsense.daemon.service import running, signalled

    settings = settings_of(config)
    if db:
        settings = settings.model_copy(update={"db": db})
    if device is not None:
        settings = settings.model_copy(
            update={"capture": settings.capture.model_copy(update={"device": device})}
        )
    # What is wrong is told by the screen; a line in between would tear it.
    logging.getLogger("meetsense").addHandler(logging.NullHandler())
    with ExitStack() as stack:
        screen = _screen(stack)
        recorder = stack.enter_context(
            running(settings, restarts=False, screen=screen, period=PERIOD_SECONDS)
        )
        ended = signalled()
        _start(recorder, present, title)
        while recorder.recording is not None and not ended.wait(TICK_SECONDS):
            recorder.tick()
        if recorder.recording is not None:
            recorder.stop()
    _tell(recorder)


def _start(recorder: Recorder, present: tuple[str, ...], title: str | None) -> None:
    from meetsense.daemon.commands import start
    from meetsense.daemon.service import leave

    stderr = os.dup(2)
    try:
        start(recorder, present, title)
    except MeetsenseError as error:
        if recorder.hangs:
            recorder.close()
            os.dup2(stderr, 2)  # PortAudio turned it away while it looks for devices, and hangs
            OneLine(str(error)).show()
            leave(1)
        raise
    finally:
        os.close(stderr)


def _screen(stack: ExitStack) -> Screen | None:
    """The terminal, where stderr is one."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.live import Live

    live = stack.enter_context(Live(console=Console(stderr=True), auto_refresh=False, transient=True))

    def show(shown: Mapping[str, Any]) -> None:
        _show(live, shown)

    return show


def _show(live: Live, shown: Mapping[str, Any]) -> None:
    """Raises OSError when the terminal is gone."""
    try:
        live.update(picture(shown), refresh=True)
    except SystemExit:  # rich's answer to a pipe that is broken
        raise BrokenPipeError from None


def picture(shown: Mapping[str, Any]) -> Text:
    """State, time, level and alarms, for a terminal."""
    from rich.text import Text

    from meetsense.report.escape import clean

    state = str(shown["state"])
    text = Text(
        f"● {state}" if state == "recording" else state, style="bold red" if state == "recording" else "bold"
    )
    if "seconds" in shown:
        text.append(f"  {clock(shown['seconds'])}  ", style="bold")
    if "level" in shown and state == "recording":
        text.append_text(meter(shown["level"]["rms"], shown["level"]["peak"]))
    text.append("  Ctrl-C ends it", style="dim")
    for alarm in shown.get("alarms", ()):
        text.append(f"\n{clean(str(alarm))}", style="bold yellow")
    return text


def meter(rms: float, peak: float) -> Text:
    """A bar for the level, a mark for the peak, and the level in dB below full scale."""
    from rich.text import Text

    filled, mark = _cells(rms), min(METER_CELLS - 1, _cells(peak))
    text = Text()
    for cell in range(METER_CELLS):
        colour = "green" if cell < _cells(LOUD_DBFS) else "yellow" if cell < METER_CELLS - 1 else "red"
        symbol = "█" if cell < filled else "│" if cell == mark and mark > 0 else "·"
        text.append(symbol, style=colour if symbol != "·" else "dim")
    style = "bold red" if peak >= CLIPPED_DBFS else ""
    text.append(f" {rms:4.0f} dB" + ("  too loud" if style else ""), style=style)
    return text


def _cells(dbfs: float) -> int:
    return round(METER_CELLS * min(1.0, max(0.0, 1 - dbfs / QUIETEST_DBFS)))


def _tell(recorder: Recorder) -> None:
    """Say what became of it. Ends the process with status 1 when it wasn't people who ended it."""
    from meetsense.daemon.service import leave

    last = recorder.last
    if last is None:
        return
    gone = last.why.value in ("consent", "basis")
    advice = "" if gone else "; analyse it with: meetsense run process --once"
    click.echo(f"recorded {last.folder.id}, {clock(last.seconds)}{advice}", err=True)
    if last.why.value in ("stopped", "silence", "longest"):
        if recorder.hangs:
            leave(0)
        return
    why = recorder.note or f"it ended: {WHY[last.why.value]}"
    OneLine(why).show()
    leave(1)
