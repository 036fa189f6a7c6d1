"""The roster file: what it says, and every mistake in it at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from meetsense.errors import RosterError
from meetsense.privacy.roster import read_roster
from meetsense.values import Agreement, Participant, Roster

GOOD = """
title = "Weekly planning"
started_at = 2026-11-23T10:00:00+01:00

[[people]]
name = "Ada"
role = "chair"
label = "S1"
agreed = ["recording", "named"]

[[people]]
name = "Bo"
voice = "Bo"
agreed = ["recording"]
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "roster.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_it_is_read_as_written(tmp_path: Path) -> None:
    ada = Participant("Ada", "chair", "S1", None, frozenset({Agreement.RECORDING, Agreement.NAMED}))
    bo = Participant("Bo", None, None, "Bo", frozenset({Agreement.RECORDING}))
    start = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert read_roster(write(tmp_path, GOOD)) == Roster((ada, bo), "Weekly planning", start)
    assert (ada.shown_name, bo.shown_name) == ("Ada", None)


def test_all_mistakes_come_in_one_line(tmp_path: Path) -> None:
    ada, bo = 'role = 3\nlabel = "S1"', 'name = "Bo"\nlabel = "S1"\nagreed = ["all"]'
    text = f"colour = 1\n[[people]]\n{ada}\n[[people]]\n{bo}\n"
    with pytest.raises(RosterError) as raised:
        read_roster(write(tmp_path, text))
    line = str(raised.value)
    assert "\n" not in line
    for mistake in (
        "unknown key 'colour'",
        "person 1: role must be text",
        "person 1: needs a name",
        "label 'S1' is given to 2 people",
        "person 2: agreed must list some of recording",
    ):
        assert mistake in line


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"people = 3", "people must be tables"),
        (b"[[people", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b'started_at = "monday"', "started_at must be a date and time"),
        (b"title = 4", "title must be text"),
    ],
)
def test_malformed_files_get_one_line(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(RosterError, match=why):
        read_roster(write(tmp_path, content))


def test_paths_that_are_no_roster(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match=r"none\.toml: no such file"):
        read_roster(tmp_path / "none.toml")
    with pytest.raises(RosterError, match="is a directory"):
        read_roster(tmp_path)
