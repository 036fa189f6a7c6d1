"""``meetsense config``: whether the configuration is right, what is in force, and every key there is."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meetsense.cli import OneLine
from meetsense.cli.common import database_options
from meetsense.errors import ConfigError, MeetsenseError

if TYPE_CHECKING:
    from meetsense.config import Origin, Settings


@click.group()
@database_options
def config(db: Path | None, config: Path | None) -> None:
    """Check the configuration, show what is in force, or print an example with every key."""


def _of_group(option: str) -> Path | None:
    """What ``meetsense config --config FILE show`` gives before the command."""
    parent = click.get_current_context().parent
    given: Path | None = parent.params.get(option) if parent else None
    return given


@config.command()
@database_options
def check(db: Path | None, config: Path | None) -> None:
    """Say every mistake of the configuration, and of the files that it names, on a line each.

    Exit status 0 when there is none, else 1.
    """
    from meetsense.config import default_file, read_settings

    file = config or _of_group("config") or default_file()
    try:
        settings = read_settings(file, files=True)
        if mistakes := list(_unusable(settings)):
            raise ConfigError(str(file or "configuration"), mistakes)
    except ConfigError as error:
        for line in error.lines:
            OneLine(line).show()
        click.get_current_context().exit(1)
    told = f"{file} is right" if file else "there is no configuration file: the defaults are in force"
    click.echo(told, err=True)


def _unusable(settings: Settings) -> Iterator[str]:
    """What can't be followed here though it is right: a library is missing, the calendar is damaged."""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from meetsense.capture.calendar import meetings
    from meetsense.privacy.seal import check

    room, calendar, recipient = settings.room, settings.calendar, settings.capture.encrypt_to
    if recipient:
        try:
            check(recipient)
        except MeetsenseError as error:
            yield f"capture.encrypt_to: {error}"
    if calendar.file:
        zone = ZoneInfo(room.timezone) if room.timezone else None
        try:
            meetings(calendar.file.read_bytes(), calendar.room or room.name, datetime.now(UTC), zone)
        except MeetsenseError as error:
            yield f"calendar.file: {calendar.file}: {error}"


@config.command()
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def show(json: bool, db: Path | None, config: Path | None) -> None:
    """Print every key as it is in force, as TOML, and where each comes from: default, file, environment or
    option."""
    from meetsense.config import Origin, default_file, origins, read_settings

    file = config or _of_group("config") or default_file()
    found = origins(read_settings(file), file)
    if database := db or _of_group("db"):
        found = tuple(Origin("db", database, "option") if one.key == "db" else one for one in found)
    if json:
        rows = {one.key: {"value": _plain(one.value), "from": one.source} for one in found}
        text = json_text.dumps({"file": file and str(file), "settings": rows}, ensure_ascii=False, indent=1)
    else:
        text = "\n".join(_toml(found, file))
    click.echo(text)


def _toml(found: tuple[Origin, ...], file: Path | None) -> Iterator[str]:
    yield f"# file: {json_text.dumps(str(file))}" if file else "# file: none"
    section = ""
    for one in found:
        table, _, name = one.key.rpartition(".")
        if table != section:
            section = table
            yield f"\n[{section}]"
        yield f"{name} = {_literal(_plain(one.value))}  # {one.source}"


def _literal(value: Any) -> str:
    """A value as TOML says it, in printable characters."""
    if not isinstance(value, str | None):
        return str(value)
    quoted = {'"': '\\"', "\\": "\\\\"}
    letters = (quoted.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in value or "")
    return f'"{"".join(letters)}"'


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


@config.command("example")
@database_options
def print_example(db: Path | None, config: Path | None) -> None:
    """Print a configuration file with every key, commented out, with its unit and its default."""
    from meetsense.config.example import example

    click.echo(example(), nl=False)
