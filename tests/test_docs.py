"""The README names what exists: commands, options, settings."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click

from meetsense.cli import COMMANDS, main
from meetsense.config import Settings, read_settings
from meetsense.privacy.roster import read_roster

README = (Path(__file__).parents[1] / "README.md").read_text()


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def leaves(found: click.Command) -> list[click.Command]:
    """A command, or what a group holds."""
    if not isinstance(found, click.Group):
        return [found]
    return [leaf for part in found.commands.values() for leaf in leaves(part)]


def called(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that a line calls, within groups too, and the rest of the line."""
    found, rest = command(words[0]), words[1:]
    while isinstance(found, click.Group) and rest and rest[0] in found.commands:
        found, rest = found.commands[rest[0]], rest[1:]
    return found, rest


def everything() -> list[click.Command]:
    return [leaf for name in COMMANDS for leaf in leaves(command(name))]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_command_is_in_the_readme_and_has_help() -> None:
    for name in COMMANDS:
        assert f"meetsense {name}" in README or f"make {name}" in README
        assert command(name).help


def test_commands_and_options_of_the_readme_exist() -> None:
    lines = [line for block in blocks("console") for line in block.splitlines() if "meetsense " in line]
    assert lines
    for line in lines:
        found, words = called(shlex.split(line.rpartition("meetsense ")[2]))
        assert not isinstance(found, click.Group), line
        known = {option for parameter in found.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
    table = set(re.findall(r"`(--[a-z-]+)", README))
    known = {o for found in everything() for p in found.params for o in (*p.opts, *p.secondary_opts)}
    assert table <= known | {"--help", "--config"}


def test_every_option_says_what_it_does() -> None:
    for found in everything():
        for parameter in found.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or parameter.name == "form", (found.name, parameter.name)


def test_the_example_files_load(tmp_path: Path) -> None:
    roster, config = blocks("toml")
    (tmp_path / "roster.toml").write_text(roster)
    (tmp_path / "config.toml").write_text(config)
    assert [p.name for p in read_roster(tmp_path / "roster.toml").participants] == ["Ada", "Bo"]
    assert read_settings(tmp_path / "config.toml").speakers == "2-6"
    assert tomllib.loads(config).keys() <= Settings.model_fields.keys()
