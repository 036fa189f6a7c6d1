"""``meetsense config``: check, show, example."""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from meetsense.config import Settings, sections
from tests.cli.conftest import Call

Refused = Callable[..., str]
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//EN
BEGIN:VEVENT
UID:1
DTSTART:20261124T090000Z
DTEND:20261124T100000Z
LOCATION:library
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration that uses everything."""
    policy, ics, path = tmp_path / "policy.txt", tmp_path / "room.ics", tmp_path / "config.toml"
    policy.write_text("Meetings in the library are recorded.")
    ics.write_text(ICS.replace("\n", "\r\n"))
    path.write_text(
        f'threads = 2\n[room]\nname = "library"\ntimezone = "Europe/Berlin"\n'
        f'[capture]\nencrypt_to = "{pyrage.x25519.Identity.generate().to_public()}"\n'
        f'[policy]\ntext = "{policy}"\nsha256 = "{hashlib.sha256(policy.read_bytes()).hexdigest()}"\n'
        f'[calendar]\nfile = "{ics}"\n'
    )
    return path


def test_check(call: Call, file: Path) -> None:
    result = call("config", "check", "--config", file)
    assert (result.stdout, result.stderr) == ("", f"{file} is right\n")
    assert call("config", "check").stderr == "there is no configuration file: the defaults are in force\n"


def test_check_says_every_mistake(call: Call, refused: Refused, file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text().replace("threads", "thread"))
    (tmp_path / "policy.txt").unlink()
    (tmp_path / "room.ics").unlink()
    told = call("config", "check", "--config", file, code=1)
    assert told.stdout == ""
    lines = told.stderr.splitlines()
    assert lines[0] == f"meetsense: {file}: thread: unknown key; did you mean threads?"
    named = [line.removeprefix(f"meetsense: {file}: ").partition(": ")[0] for line in lines]
    assert named == ["thread", "policy.text", "calendar.file"]
    file.write_text("no toml")
    assert refused("config", "check", "--config", file).startswith(f"meetsense: {file}: not TOML: ")


def test_check_reads_the_calendar(refused: Refused, file: Path, tmp_path: Path) -> None:
    (tmp_path / "room.ics").write_text("nothing")
    line = refused("config", "check", "--config", file)
    assert f"calendar.file: {tmp_path / 'room.ics'}: the calendar is not iCalendar" in line


def test_check_without_the_extra(refused: Refused, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    line = refused("config", "check", "--config", file)
    assert (
        "capture.encrypt_to: encryption takes the extra encryption: pip install 'meetsense[encryption]'"
        in line
    )


def test_show_where_each_key_comes_from(call: Call, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETSENSE_CAPTURE__CHANNEL", "2")
    monkeypatch.setenv("MEETSENSE_THREADS", "3")
    shown = json.loads(call("config", "show", "--json", "--config", file).stdout)
    assert shown["file"] == str(file)
    settings = shown["settings"]
    assert settings["threads"] == {"value": 3, "from": "environment"}
    assert settings["capture.channel"] == {"value": 2, "from": "environment"}
    assert settings["room.name"] == {"value": "library", "from": "file"}
    assert settings["capture.device"] == {"value": None, "from": "default"}
    again = call("config", "--config", file, "--db", "x.db", "show", "--json").stdout
    assert json.loads(again)["settings"] == settings | {"db": {"value": "x.db", "from": "option"}}
    top = set(Settings.model_fields) - set(sections())
    nested = {f"{name}.{key}" for name, kind in sections().items() for key in kind.model_fields}
    assert settings.keys() == top | nested


def test_what_is_shown_can_be_a_configuration(call: Call, file: Path, tmp_path: Path) -> None:
    odd = 'a "b" \\ \\u00e9 \\U0001F600 \\u001b[31m \\u007f'.replace('"', '\\"').replace("\\ ", "\\\\ ")
    file.write_text(file.read_text().replace('name = "library"', f'name = "{odd}"'))
    text = call("config", "show", "--config", file).stdout
    assert all(c.isprintable() or c == "\n" for c in text)
    assert 'timezone = "Europe/Berlin"  # file\n' in text
    assert "attempts = 3  # default\n" in text
    again = tmp_path / "again.toml"
    again.write_text(text)

    def values(path: Path) -> dict[str, object]:
        shown = json.loads(call("config", "show", "--json", "--config", path).stdout)
        return {key: one["value"] for key, one in shown["settings"].items()}

    assert values(file) == values(again)
    assert call("config", "show").stdout.startswith("# file: none\n")


def test_show_refuses_what_is_wrong(refused: Refused, file: Path) -> None:
    file.write_text("[capture]\nchannel = 0\n")
    assert "capture.channel: must be mix or a channel's number" in refused("config", "show", "--config", file)


def test_example(call: Call) -> None:
    text = call("config", "example").stdout
    assert text == (Path(__file__).parents[2] / "docs" / "meetsense.example.toml").read_text()
    assert tomllib.loads(text).keys() == sections().keys()


def test_check_looks_for_the_indicator(call: Call, refused: Refused, file: Path) -> None:
    text = file.read_text()
    file.write_text(text.replace("[capture]\n", "[capture]\nindicator = \"/no/such/lamp --on 'a b'\"\n"))
    assert "capture.indicator: there is no program /no/such/lamp" in refused(
        "config", "check", "--config", file
    )
    file.write_text(text.replace("[capture]\n", f'[capture]\nindicator = "{sys.executable} lamp.py"\n'))
    assert call("config", "check", "--config", file).stderr == f"{file} is right\n"
