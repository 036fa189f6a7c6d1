"""Looking again at what ``analyze`` stored: meetings, show, search, export."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Call


@pytest.fixture
def stored(call: Call, vtt: Path) -> str:
    """The id of an analysed meeting."""
    call("analyze", vtt, "--started-at", "2026-11-23T09:00:00+00:00")
    (line,) = call("meetings").stdout.splitlines()
    return str(line.split()[0])


def test_meetings_lists_one_line_each(call: Call, stored: str) -> None:
    assert re.fullmatch(
        rf"{stored}  2026-11-2\d \d\d:\d\d  0:00:14  3 speakers, 1 decisions?  Desk hours\n",
        call("meetings").stdout,
    )


def test_meetings_for_a_program(call: Call, stored: str) -> None:
    (row,) = json.loads(call("meetings", "--json").stdout)
    assert row == {
        "id": stored,
        "title": "Desk hours",
        "started_at": "2026-11-23T09:00:00+00:00",
        "duration": 14.0,
        "speakers": 3,
        "decisions": 1,
    }


def test_the_latest_meeting_comes_first(call: Call, stored: str, tmp_path: Path) -> None:
    later = tmp_path / "later.rttm"
    later.write_text("SPEAKER later 1 0 2 <NA> <NA> A <NA> <NA>\n")
    call("analyze", later, "--started-at", "2026-11-24T09:00:00+00:00")
    assert [row["title"] for row in json.loads(call("meetings", "--json").stdout)] == ["later", "Desk hours"]


def test_export_show_and_analyze_give_the_same_document(
    call: Call, stored: str, vtt: Path, tmp_path: Path
) -> None:
    exported = call("export", stored, "--format", "json").stdout
    assert json.loads(exported) == json.loads(call("show", stored, "--json").stdout)
    again = call("analyze", vtt, "--json", "-", "--no-store", "--started-at", "2026-11-23T09:00:00+00:00")
    assert json.loads(exported) == json.loads(again.stdout)
    call("export", stored, "--output", tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text() == exported


def test_a_beginning_of_the_id_is_enough(call: Call, stored: str) -> None:
    assert call("export", stored[:4]).stdout == call("export", stored).stdout


def test_an_unknown_meeting_is_one_line(refused: Call, stored: str) -> None:
    for command in ("show", "export"):
        assert "zzz" in str(refused(command, "zzz"))


def test_show_prints_the_summary_and_writes_the_report(
    call: Call, stored: str, vtt: Path, tmp_path: Path
) -> None:
    page, direct = tmp_path / "page.html", tmp_path / "direct.html"
    result = call("show", stored, "--html", page)
    assert "Desk hours" in result.stdout
    assert result.stderr == f"report: {page}\n"
    started = ("--started-at", "2026-11-23T09:00:00+00:00")
    brief = call("analyze", vtt, "--html", direct, *started).stdout
    assert result.stdout.startswith(brief.partition("\nInitiative and uptake\n")[0])
    assert len(brief) < len(result.stdout)
    assert f"Every figure: meetsense show {stored}" in brief
    assert page.read_text() == direct.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


@pytest.mark.parametrize("words", [["saturday", "morning"], ["Saturday morning"], ["SATURDAY"]])
def test_search(call: Call, stored: str, words: list[str]) -> None:
    lines = call("search", *words).stdout.splitlines()
    assert sorted(lines) == [
        f"{stored}  0:00:02  Bo: I propose that we open the desk on Saturday morning.",
        f"{stored}  0:00:09  Ada: Then it is decided, we open on Saturday morning.",
    ]


def test_search_for_a_program(call: Call, stored: str) -> None:
    (row,) = json.loads(call("search", "website", "--json").stdout)
    assert row == {
        "meeting": stored,
        "utterance": 5,
        "start": 12.5,
        "speaker": "Bo",
        "text": "I will write it on the website.",
    }


def test_search_stops_at_its_limit(call: Call, stored: str) -> None:
    assert len(call("search", "Saturday", "--limit", 1).stdout.splitlines()) == 1


@pytest.mark.parametrize("words", [['"'], ["AND"], ["("], ["*"], ["text:"], ["nowhere"], ["-"]])
def test_any_words_can_be_searched_for(call: Call, stored: str, words: list[str]) -> None:
    found = call("search", "--", *words)
    assert (found.stdout, found.stderr) == ("", f"no utterance holds all of: {words[0]}\n")
    assert call("search", "--json", "--", *words).stderr == ""


def test_nothing_is_kept_unless_it_is_asked_for(call: Call, vtt: Path, tmp_path: Path) -> None:
    database = tmp_path / "other" / "meetings.db"
    call("analyze", vtt, "--no-store", "--db", database)
    assert not database.parent.exists()
    call("analyze", vtt, "--db", database)
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert len(call("meetings", "--db", database).stdout.splitlines()) == 1
    call("meetings", code=1)


def test_the_configuration_names_the_database(call: Call, vtt: Path, tmp_path: Path) -> None:
    config, database = tmp_path / "config.toml", tmp_path / "named.db"
    config.write_text(f'db = "{database}"\n')
    call("analyze", vtt, "--config", config)
    with sqlite3.connect(database) as connection:
        assert connection.execute("select count(*) from meetings").fetchone() == (1,)
    connection.close()


def test_control_characters_of_a_file_stay_out_of_the_terminal(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "evil.json"
    said = {"start_time": 0, "end_time": 1, "speaker": "A\x1b[2Jx", "words": "hello \x1b]0;owned\x07there"}
    path.write_text(json.dumps([said | {"session_id": "t\x1b[31m"}]))
    shown = call("analyze", path).stdout + call("meetings").stdout + call("search", "hello").stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
