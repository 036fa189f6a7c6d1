"""Transcripts in place of audio, from the file to the document."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meetsense.interchange import SCHEMA
from tests.cli.conftest import CUES, VTT, Call

SEGLST = [
    {"session_id": "desk", "start_time": 0.5, "end_time": 2.0, "speaker": "ada@town", "words": "Who opens?"},
    {"session_id": "desk", "start_time": "1.5", "end_time": "1.5", "speaker": "Bo Berg", "words": ""},
    {"session_id": "desk", "start_time": 0.0, "end_time": 1.0, "speaker": "ada@town", "words": "I do."},
]
RTTM = """SPEAKER desk 1 4.000 2.000 <NA> <NA> spk<b> <NA> <NA>
SPEAKER desk 1 0.500 1.000 <NA> <NA> Ada <NA> <NA>
"""
ACTS = {"question", "proposal", "agreement", "disagreement", "confirmation", "commitment", "directive"}
ACTS |= {"information", "backchannel", "floor", "other"}
ROLES = {"raised", "proposed", "amended", "objected", "agreed", "confirmed", "committed"}
STATUS = {"adopted", "amended", "rejected", "ignored", "open"}


def document(call: Call, path: Path, *options: object) -> dict[str, Any]:
    """What ``analyze --json -`` prints; nothing else is on stdout, and nothing on stderr."""
    result = call("analyze", path, "--json", "-", *options)
    assert result.stderr == ""
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def check_measure(measure: dict[str, Any], labels: set[str]) -> None:
    """All keys of the schema, a subject that exists, a grade that fits the value."""
    assert measure.keys() >= {"name", "subject", "value", "unit", "n", "low", "high", "grade", "reason"}
    subject = measure["subject"]
    keys = {"meeting": set(), "speaker": {"speaker"}, "pair": {"speaker", "other"}}[subject["kind"]]
    assert subject.keys() == {"kind"} | keys
    assert {subject[key] for key in keys} <= labels
    assert measure["grade"] in {"firm", "tentative", "withheld"}
    assert (measure["value"] is None) == (measure["grade"] == "withheld")
    assert measure["reason"] or measure["grade"] == "firm"


def check_document(found: dict[str, Any]) -> None:
    """The documented shape, with all its keys."""
    assert found["schema"] == SCHEMA == "meetsense.analysis/1"
    assert found["meeting"].keys() >= {"id", "title", "started_at", "duration"}
    assert found["meeting"]["started_at"].endswith("Z")
    assert found["engines"].keys() == {"vad", "diarizer", "transcriber", "acts"}
    assert all(person.keys() == {"label", "name", "role", "recognised"} for person in found["speakers"])
    labels = {person["label"] for person in found["speakers"]}
    for turn in found["turns"]:
        assert turn.keys() == {"speaker", "start", "end"}
        assert turn["speaker"] in labels
    for i, said in enumerate(found["utterances"]):
        assert said.keys() >= {"id", "speaker", "start", "end", "text", "act", "confidence"}
        assert said["id"] == i
        assert said["act"] is None or said["act"] in ACTS
    for i, chain in enumerate(found["decisions"]):
        assert chain.keys() >= {"id", "status", "start", "end", "topic", "confidence", "ledger"}
        assert chain["id"] == i
        assert chain["status"] in STATUS
        for entry in chain["ledger"]:
            assert entry.keys() == {"role", "speaker", "utterance"}
            assert entry["role"] in ROLES
            assert entry["utterance"] < len(found["utterances"])
    for measure in found["measures"]:
        check_measure(measure, labels)


def test_webvtt(call: Call, vtt: Path) -> None:
    found = document(call, vtt)
    check_document(found)
    assert found["meeting"]["title"] == "Desk hours"
    assert found["meeting"]["duration"] == 14.0
    assert found["engines"] == {**found["engines"], "vad": None, "diarizer": None, "transcriber": None}
    assert [said["speaker"] for said in found["utterances"]] == ["Ada", "Bo", "Cem", "Cem", "Ada", "Bo"]
    assert found["utterances"][2]["text"] == ""
    assert [(turn["start"], turn["end"]) for turn in found["turns"]][2:4] == [(6.2, 6.9), (6.5, 8.5)]
    assert len(found["turns"]) == len(found["utterances"]) == CUES
    assert {person["label"] for person in found["speakers"]} == {"Ada", "Bo", "Cem"}


def test_a_decision_is_found_and_everybody_keeps_their_part(call: Call, vtt: Path) -> None:
    (chain,) = document(call, vtt)["decisions"]
    assert chain["status"] == "adopted"
    parts = {(entry["role"], entry["speaker"], entry["utterance"]) for entry in chain["ledger"]}
    assert parts >= {("proposed", "Bo", 1), ("agreed", "Cem", 3), ("confirmed", "Ada", 4)}


def test_seglst(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "desk.json"
    path.write_text(json.dumps(SEGLST))
    found = document(call, path)
    check_document(found)
    assert [(s["speaker"], s["text"], s["start"]) for s in found["utterances"]] == [
        ("ada@town", "Who opens?", 0.5),
        ("Bo Berg", "", 1.5),
        ("ada@town", "I do.", 0.0),
    ]


def test_rttm(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "desk.rttm"
    path.write_text(RTTM)
    found = document(call, path)
    check_document(found)
    assert [(turn["speaker"], turn["start"], turn["end"]) for turn in found["turns"]] == [
        ("spk<b>", 4.0, 6.0),
        ("Ada", 0.5, 1.5),
    ]
    assert found["utterances"] == found["decisions"] == []
    assert found["engines"]["acts"] is None
    assert any("no words" in note for note in found["notes"])
    shares = [m["value"] for m in found["measures"] if m["name"] == "talk_share"]
    assert sorted(shares) == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize("content", ["WEBVTT\n", "WEBVTT\n\nNOTE nothing was said\n"])
def test_a_transcript_without_a_cue_is_no_meeting(
    call: Call, refused: Callable[..., str], tmp_path: Path, content: str
) -> None:
    path = tmp_path / "silent.vtt"
    path.write_text(content)
    assert "silent.vtt: has no cues" in refused("analyze", path)
    assert call("meetings").stdout == ""


VOICELESS = """WEBVTT

00:00.000 --> 00:04.000
I suggest we open the desk on Saturdays.

00:05.000 --> 00:07.000
Yes, good idea.

00:09.000 --> 00:12.000
<v Ada>Who writes the letter?
"""


def test_a_transcript_that_names_nobody_says_nothing_of_people(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "voiceless.vtt"
    path.write_text(VOICELESS.replace("<v Ada>", ""))
    found = document(call, path)
    check_document(found)
    assert any("names nobody" in note for note in found["notes"])
    told = {m["name"] for m in found["measures"] if m["value"] is not None}
    assert told == {"silence_share", "lapses"}
    about = [m for m in found["measures"] if m["subject"]["kind"] != "meeting"]
    assert {m["reason"] for m in about} == {"the transcript names nobody"}


def test_words_that_name_nobody_are_nobodys_figures(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "voiceless.vtt"
    path.write_text(VOICELESS)
    found = document(call, path)
    assert any("2 of 3 cues name no speaker" in note for note in found["notes"])
    for measure in found["measures"]:
        if "unknown" in (measure["subject"].get("speaker"), measure["subject"].get("other")):
            assert measure["reason"] == "the transcript does not say whose words these are"
    assert [m["n"] for m in found["measures"] if m["name"] == "talk_time" and m["value"] is not None] == [1]


@pytest.mark.parametrize("name", ["Bo", "bo", "Bo Berg"])
def test_a_transcript_that_names_whom_the_roster_does_not_warns(
    call: Call, vtt: Path, tmp_path: Path, name: str
) -> None:
    roster = tmp_path / "roster.toml"
    roster.write_text(f'[[people]]\nname = "{name}"\nlabel = "Bo"\nagreed = ["recording"]\n')
    result = call("analyze", vtt, "--roster", roster, "--json", "-")
    (warning,) = result.stderr.splitlines()
    assert warning.startswith("meetsense: desk.vtt: 1 person of the roster did not agree to be named")
    assert any(note in warning for note in json.loads(result.stdout)["notes"])
    roster.write_text(f'[[people]]\nname = "{name}"\nlabel = "Bo"\n')
    assert call("analyze", vtt, "--roster", roster).stderr == ""
    roster.write_text('[[people]]\nname = "Eva"\nlabel = "Bo"\nagreed = ["recording"]\n')
    assert call("analyze", vtt, "--roster", roster).stderr == ""


def test_the_options_say_more_than_the_file(call: Call, vtt: Path) -> None:
    found = document(call, vtt, "--title", "Hours", "--started-at", "2026-11-23T10:00:00+01:00")
    assert found["meeting"]["title"] == "Hours"
    assert found["meeting"]["started_at"] == "2026-11-23T09:00:00Z"


def test_another_language_has_no_acts_and_says_so(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "de.vtt"
    path.write_text("WEBVTT\nLanguage: de\n\n00:00.000 --> 00:02.000\n<v Ada>Ich schlage vor, wir warten.\n")
    found = document(call, path)
    check_document(found)
    assert found["utterances"][0]["act"] is None
    assert found["engines"]["acts"] is None
    assert any("'de'" in note for note in found["notes"])


def test_the_same_file_is_the_same_meeting(call: Call, vtt: Path, tmp_path: Path) -> None:
    again = tmp_path / "copy.vtt"
    again.write_text(VTT)
    first, second = document(call, vtt), document(call, again)
    assert first["meeting"]["id"] == second["meeting"]["id"]
    assert len(call("meetings").stdout.splitlines()) == 1


def test_a_roster_names_people_and_their_roles(call: Call, vtt: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.toml"
    roster.write_text(
        'title = "Town desk"\nstarted_at = 2026-11-23T09:00:00Z\n'
        '[[people]]\nname = "Ada Lind"\nlabel = "Ada"\nrole = "chair"\n'
        '[[people]]\nname = "Bo"\nagreed = ["recording"]\n'
        '[[people]]\nname = "Cem"\n'
        '[[people]]\nname = "Dee"\n'
    )
    found = json.loads(call("analyze", vtt, "--roster", roster, "--json", "-").stdout)
    check_document(found)
    assert (found["meeting"]["title"], found["meeting"]["started_at"]) == (
        "Town desk",
        "2026-11-23T09:00:00Z",
    )
    people = {person["label"]: (person["name"], person["role"]) for person in found["speakers"]}
    assert people["Ada"] == ("Ada Lind", "chair")
    assert people["Bo"] == (None, None)
    assert ("Dee", None) in people.values()
