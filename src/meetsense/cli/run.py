"""``meetsense run``: what the systemd units start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetsense.cli.common import database_options

if TYPE_CHECKING:
    from meetsense.config import Settings


@click.group()
@database_options
def run(db: Path | None, config: Path | None) -> None:
    """Run a part of the recorder in the foreground, as its systemd unit does."""


def _settings(db: Path | None, config: Path | None, *, files: bool = False) -> Settings:
    """By a command's options, or those of the group before it. ``files``: what they name must be there."""
    from meetsense.config import read_settings

    parent = click.get_current_context().parent
    group: dict[str, Path | None] = parent.params if parent else {}
    settings = read_settings(config or group.get("config"), files=files)
    database = db or group.get("db")
    return settings.model_copy(update={"db": database}) if database else settings


@run.command()
@database_options
def capture(db: Path | None, config: Path | None) -> None:
    """Record when asked to: meetsense start, stop, pause, resume, forget, status.

    SIGTERM or Ctrl-C ends the recording that is under way; it waits to be analysed then. When the microphone
    is lost or hangs, this ends with status 75, to be started again, and the recording goes on.
    """
    from meetsense.daemon.service import run_capture

    run_capture(_settings(db, config, files=True))


@run.command()
@click.option("--once", is_flag=True, help="End when the queue is empty.")
@click.option("--again", metavar="ID", help="Put a recording that failed into the queue again, and end.")
@database_options
def process(once: bool, again: str | None, db: Path | None, config: Path | None) -> None:
    """Analyse what was recorded, one meeting after the other, each in a process of its own.

    A recording whose analysis fails is tried again, at most [process] attempts times; then it waits with its
    reason, which meetsense meetings shows. SIGTERM or Ctrl-C ends it; what it was at begins anew later.
    """
    from meetsense.daemon.processor import put_back, run_process

    settings = _settings(db, config)
    if again:
        click.echo(f"{put_back(settings, again)} is in the queue again", err=True)
    else:
        run_process(settings, once=once)
