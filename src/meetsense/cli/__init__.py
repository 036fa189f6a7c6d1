"""The command line: parse, call, print.

Data goes to stdout, messages to stderr. A user's mistake is one line and exit status 1, wrong usage 2; a bug
keeps its traceback. Commands are imported when they are called.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from meetsense import __version__
from meetsense.errors import MeetsenseError

COMMANDS = {
    "demo": ("meetsense.cli.demo", "Analyse the bundled meeting and open its report."),
    "analyze": ("meetsense.cli.analyze", "Audio or transcript to a report, and into the database."),
    "meetings": ("meetsense.cli.meetings", "List the meetings in the database."),
    "show": ("meetsense.cli.meetings", "Show a meeting's report."),
    "search": ("meetsense.cli.meetings", "Find what was said."),
    "patterns": ("meetsense.cli.patterns", "What moves over the meetings, and which act follows which."),
    "export": ("meetsense.cli.meetings", "Write a meeting as an analysis document."),
    "people": ("meetsense.cli.people", "Who is known, whose voice is enrolled; enrol, correct, delete."),
    "consent": ("meetsense.cli.people", "What people agreed to: grant, withdraw, show."),
    "record": ("meetsense.cli.record", "Record a meeting in this terminal."),
    "start": ("meetsense.cli.control", "Let the room's recorder begin."),
    "stop": ("meetsense.cli.control", "End the room's recording."),
    "pause": ("meetsense.cli.control", "Keep nothing from now on."),
    "resume": ("meetsense.cli.control", "Go on after a pause."),
    "status": ("meetsense.cli.control", "What the recorder does."),
    "forget": ("meetsense.cli.control", "Remove the last minutes of a recording."),
    "run": ("meetsense.cli.run", "What the systemd units start: capture, process."),
    "config": ("meetsense.cli.config", "Check the configuration, show it, or print an example."),
    "models": ("meetsense.cli.models", "List, pull, import and verify engines' weights."),
    "doctor": ("meetsense.cli.doctor", "What this machine has and lacks, and how to mend it."),
}


class OneLine(click.ClickException):
    """A user's mistake on its way to stderr."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the message as one line without control characters."""
        text = " ".join("".join(c if c.isprintable() else " " for c in self.message).split())
        click.echo(f"meetsense: {text}", err=True, file=file)


class Lazy(click.Group):
    """A group that imports a command when it is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a user's mistake becomes one line."""
        try:
            return super().invoke(ctx)
        except MeetsenseError as error:
            raise OneLine(str(error)) from error


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="meetsense")
def main() -> None:
    """Understand meetings on this machine: who spoke, and how decisions came about between people."""
