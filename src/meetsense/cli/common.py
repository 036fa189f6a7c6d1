"""What commands share: the options every one takes, and how results reach files and terminals."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meetsense.errors import MeetsenseError

if TYPE_CHECKING:
    from meetsense.config import Settings
    from meetsense.values import Analysis

Command = Callable[..., Any]


def database_options(command: Command) -> Command:
    """``--db`` and ``--config``, as on every command."""
    for option in (
        click.option("--config", type=click.Path(path_type=Path), help="Configuration file (TOML)."),
        click.option(
            "--db", type=click.Path(path_type=Path), help="Database file; default: in the state directory."
        ),
    ):
        command = option(command)
    return command


def settings_of(config: Path | None) -> Settings:
    """The settings, from the configuration file and the environment."""
    from meetsense.config import read_settings

    return read_settings(config)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "meeting"), counted(0, "meeting")
    ('1 meeting', '0 meetings')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def write_text(path: Path, text: str) -> None:
    """Write a file for its owner alone, whole or not at all. Raises MeetsenseError.

    A link is followed; what is there and no regular file (a pipe, a device) is written to, not replaced.
    """
    try:
        path = path.resolve() if path.is_symlink() else path
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, path)  # noqa: PTH105
        except BaseException:
            with suppress(OSError):
                os.unlink(name)  # noqa: PTH108
            raise
    except OSError as error:
        raise MeetsenseError(f"{path}: cannot be written ({error.strerror})") from None


def report_page(analysis: Analysis) -> str:
    """The report for a browser, with the acts that the initiative shares are made of."""
    from meetsense.interaction import initiatives
    from meetsense.report.html import page

    begun = initiatives(analysis.utterances, analysis.acts, language=analysis.meeting.language)
    return page(analysis, begun)


def print_summary(analysis: Analysis, *, stored: bool = True, brief: bool = False) -> None:
    """The report for the terminal, on stdout."""
    from meetsense.report.terminal import summary

    stdout_is_terminal = sys.stdout.isatty()
    width = min(120, os.get_terminal_size(sys.stdout.fileno()).columns) if stdout_is_terminal else 80
    colour = stdout_is_terminal and "NO_COLOR" not in os.environ
    text = summary(analysis, width=max(40, width), colour=colour, stored=stored, brief=brief)
    click.echo(text, nl=False, color=colour)
