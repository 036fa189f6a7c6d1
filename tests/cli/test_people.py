"""``meetsense people`` and ``consent``: enrolling, being known again, correcting, forgetting."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import voices
from tests.cli.conftest import Call
from tests.voices import ADA, BO, CEM, recording

Refused = Callable[..., str]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine with voiceprints is installed; the children find this module."""
    places = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(place for place in places if place))
    monkeypatch.setattr("meetsense.review.need_voiceprints", lambda _: None)
    monkeypatch.setattr("meetsense.review.open_ears", voices.open_ears)
    monkeypatch.setattr("meetsense.pipeline.open_toolbox", voices.open_ears)


def agree(call: Call, *names: str) -> None:
    for name in names:
        call("consent", "grant", name, "voiceprint", "--basis", "signed form")


def speakers(call: Call, meeting: str) -> list[tuple[str, str | None, bool]]:
    found = json.loads(call("show", meeting, "--json").stdout)["speakers"]
    return [(s["label"], s["name"], s["recognised"] is not None) for s in found]


def database() -> Path:
    """Where the commands keep what they know."""
    from meetsense.config import read_settings

    return read_settings().database


def id_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def analysed(call: Call, file: Path) -> str:
    call("analyze", file)
    return id_of(file)


def test_the_embedded_engine_explains_that_it_cannot(call: Call, refused: Refused, tmp_path: Path) -> None:
    agree(call, "Ada")
    line = refused("people", "enrol", "Ada", "--from", recording(tmp_path / "a.wav", (ADA, 1)))
    assert "the embedded diarizer has no voiceprints, that needs pyannote" in line
    assert "meetsense doctor" in line
    assert "meetsense models pull speaker-diarization-community-1" in line


def test_from_a_file_to_known_again_to_forgotten(call: Call, engine: None, tmp_path: Path) -> None:
    agree(call, "Ada")
    alone = recording(tmp_path / "ada.wav", (ADA, 40))
    result = call("people", "enrol", "Ada", "--from", alone)
    assert result.stderr == f"enrolled Ada from {alone}: 40 s of speech\n"
    meeting = analysed(call, recording(tmp_path / "m.wav", (BO, 15), (ADA, 15), (CEM, 15)))
    assert speakers(call, meeting) == [("S1", None, False), ("S2", "Ada", True), ("S3", None, False)]
    (row,) = json.loads(call("people", "list", "--json").stdout)
    assert row == {"name": "Ada", "prints": 1, "seconds": 40.0, "meetings": 1, "known_again": 1}
    assert call("people", "list").stdout == "Ada  voice enrolled, 40 s; in 1 meeting, 1 by voice\n"
    shown = call("people", "show", "Ada").stdout
    assert "voiceprint: 40 s from ada.wav" in shown
    assert "agrees to voiceprint: signed form" in shown
    assert f"speaks as {meeting}:S2" in shown
    call("people", "delete", "Ada", "--yes")
    assert speakers(call, meeting) == [("S1", None, False), ("S2", None, False), ("S3", None, False)]
    assert call("people", "list").stdout == call("consent", "show").stdout == ""


def test_enrolling_needs_consent(call: Call, refused: Refused, engine: None, tmp_path: Path) -> None:
    alone = recording(tmp_path / "ada.wav", (ADA, 40))
    call("consent", "grant", "Ada", "named", "--basis", "x")
    for _ in range(2):
        line = refused("people", "enrol", "Ada", "--from", alone)
        assert line.endswith("meetsense consent grant Ada voiceprint --basis TEXT\n".strip())
        agree(call, "Ada")
        call("consent", "withdraw", "Ada", "voiceprint")


def test_withdrawing_deletes_the_voiceprint(call: Call, engine: None, tmp_path: Path) -> None:
    agree(call, "Ada")
    call("people", "enrol", "Ada", "--from", recording(tmp_path / "ada.wav", (ADA, 40)))
    meeting = analysed(call, recording(tmp_path / "m.wav", (ADA, 15)))
    assert speakers(call, meeting) == [("S1", "Ada", True)]
    call("consent", "withdraw", "Ada", "voiceprint")
    assert speakers(call, meeting) == [("S1", None, False)]
    assert json.loads(call("people", "show", "Ada", "--json").stdout)["voiceprint"] == []
    said = json.loads(call("consent", "show", "Ada", "--json").stdout)
    assert [(s["purpose"], s["agreed"]) for s in said] == [("voiceprint", True), ("voiceprint", False)]


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (((ADA, 40), (BO, 20)), "2 people speak there"),
        (((ADA, 29),), "29 s of clear speech are too little to enrol a voice; it takes 30 s"),
    ],
)
def test_files_that_enrol_nobody(
    call: Call, refused: Refused, engine: None, tmp_path: Path, talk: tuple[tuple[float, int]], why: str
) -> None:
    agree(call, "Ada")
    assert why in refused("people", "enrol", "Ada", "--from", recording(tmp_path / "x.wav", *talk))
    assert json.loads(call("people", "list", "--json").stdout)[0]["prints"] == 0


def test_one_voice_is_not_enrolled_under_two_names(
    call: Call, refused: Refused, engine: None, tmp_path: Path
) -> None:
    agree(call, "Ada", "Bo")
    alone = recording(tmp_path / "ada.wav", (ADA, 40))
    call("people", "enrol", "Ada", "--from", alone)
    line = refused("people", "enrol", "Bo", "--from", alone)
    assert "this voice sounds like that of Ada, who is enrolled" in line
    meeting = analysed(call, recording(tmp_path / "m.wav", (CEM, 40), (ADA + 0.01, 40)))
    again = ("people", "enrol", "Bo", "--from", f"{meeting}:S2", "--audio", tmp_path / "m.wav")
    assert line.partition(";")[0] == refused(*again).partition(";")[0]
    call("people", "enrol", "Bo", "--from", f"{meeting}:S1", "--audio", tmp_path / "m.wav")
    call(*again, "--anyway")
    call("people", "enrol", "Ada", "--from", alone)
    kept = {row["name"]: row["prints"] for row in json.loads(call("people", "list", "--json").stdout)}
    assert kept == {"Ada": 1, "Bo": 2}


def test_recordings_of_one_name_are_two(call: Call, engine: None, tmp_path: Path) -> None:
    agree(call, "Ada")
    for folder, seconds in (("monday", 40), ("friday", 50)):
        (tmp_path / folder).mkdir()
        call("people", "enrol", "Ada", "--from", recording(tmp_path / folder / "ada.wav", (ADA, seconds)))
    assert json.loads(call("people", "list", "--json").stdout)[0]["seconds"] == 90.0


def test_the_database_is_free_while_a_correction_waits_for_the_engine(
    call: Call, engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(call, "Ada")
    mixed = recording(tmp_path / "mixed.wav", (ADA, 40), (BO, 40))
    call("people", "enrol", "Ada", "--from", recording(tmp_path / "ada.wav", (ADA, 40)))
    meeting = analysed(call, mixed)
    call("people", "enrol", "Ada", "--from", f"{meeting}:S1", "--audio", mixed)
    analysed(call, recording(tmp_path / "later.wav", (ADA, 20)))
    monkeypatch.setattr("meetsense.review.open_ears", voices.open_ears_beside_a_writer)
    monkeypatch.setenv("DATABASE_TO_WRITE", str(database()))
    told = call("people", "correct", f"{meeting}:S1", "Bo").stderr
    assert "judged again: 1 other recognition\n" in told
    assert "Late" in call("consent", "show").stdout


def test_from_a_speaker_of_a_meeting(call: Call, refused: Refused, engine: None, tmp_path: Path) -> None:
    agree(call, "Bo")
    first = recording(tmp_path / "first.wav", (ADA, 40), (BO, 40))
    meeting = analysed(call, first)
    other = recording(tmp_path / "other.wav", (BO, 50))
    enrol = ("people", "enrol", "Bo", "--from", f"{meeting[:6]}:S2")
    assert "name the meeting's recording with --audio FILE" in refused(*enrol)
    assert f"is not the recording of meeting {meeting}" in refused(*enrol, "--audio", other)
    assert "cannot be read" in refused(*enrol, "--audio", tmp_path / "none.wav")
    assert "has no speaker 'S7'" in refused(*enrol[:-1], f"{meeting}:S7", "--audio", first)
    assert "neither a file nor MEETING:SPEAKER" in refused(*enrol[:-1], "somewhere")
    call(*enrol, "--audio", first)
    assert speakers(call, meeting) == [("S1", None, False), ("S2", "Bo", False)]
    assert f"from {meeting}:S2" in call("people", "show", "Bo").stdout
    assert speakers(call, analysed(call, other)) == [("S1", "Bo", True)]


def test_one_correction_mends_history_and_voiceprints(call: Call, engine: None, tmp_path: Path) -> None:
    """Bo sounds much like Ada: what was taken for hers, and even enrolled as hers, becomes his."""
    agree(call, "Ada", "Bo")
    call("people", "enrol", "Ada", "--from", recording(tmp_path / "ada.wav", (ADA, 60)))
    wrong = analysed(call, recording(tmp_path / "1.wav", (ADA + 0.04, 60)))
    doubtful = analysed(call, recording(tmp_path / "2.wav", (ADA + 0.03, 60)))
    hers = analysed(call, recording(tmp_path / "3.wav", (ADA, 60)))
    assert [speakers(call, m)[0][1] for m in (wrong, doubtful, hers)] == ["Ada"] * 3
    call("people", "enrol", "Bo", "--from", recording(tmp_path / "bo.wav", (ADA + 0.07, 60)), "--anyway")
    told = call("people", "correct", f"{wrong}:S1", "Bo").stderr
    assert f"{wrong}:S1 is Bo" in told
    assert "its sound was added to the voiceprint of Bo" in told
    assert speakers(call, wrong) == [("S1", "Bo", False)]
    # Ada's own voiceprint did not change, but a wrong enrolment of hers would:
    heard = ("--from", f"{doubtful}:S1", "--audio", tmp_path / "2.wav")
    call("people", "enrol", "Ada", *heard, "--anyway")
    told = call("people", "correct", f"{doubtful}:S1", "Bo").stderr
    assert "judged again: 1 other recognition\n" in told
    assert speakers(call, doubtful) == [("S1", "Bo", False)]
    assert speakers(call, hers) == [("S1", "Ada", True)]


def test_recognitions_that_a_correction_puts_in_doubt_become_unknown(
    call: Call, engine: None, tmp_path: Path
) -> None:
    agree(call, "Ada")
    mixed = recording(tmp_path / "mixed.wav", (ADA, 40), (BO, 40))
    meeting = analysed(call, mixed)
    call("people", "enrol", "Ada", "--from", f"{meeting}:S2", "--audio", mixed)
    later = analysed(call, recording(tmp_path / "later.wav", (BO, 40)))
    assert speakers(call, later) == [("S1", "Ada", True)]
    told = call("people", "correct", f"{meeting}:S2", "Bo").stderr
    assert f"unknown now: {later}:S1" in told
    assert speakers(call, later) == [("S1", None, False)]
    assert speakers(call, meeting)[1] == ("S2", "Bo", False)


def test_without_the_engine_a_correction_stands_and_says_what_was_left(
    call: Call, engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(call, "Ada")
    alone, mixed = tmp_path / "ada.wav", recording(tmp_path / "mixed.wav", (ADA, 40), (BO, 40))
    call("people", "enrol", "Ada", "--from", recording(alone, (ADA, 40)))
    meeting = analysed(call, mixed)
    call("people", "enrol", "Ada", "--from", f"{meeting}:S1", "--audio", mixed)
    later = analysed(call, recording(tmp_path / "later.wav", (ADA, 20)))
    monkeypatch.setattr("meetsense.review.open_ears", voices.crash)
    told = call("people", "correct", f"{meeting}:S1", "--nobody").stderr
    assert (
        "not judged again: 1 other recognition, whose names stay: the process of the pyannote engine" in told
    )
    assert speakers(call, meeting)[0] == ("S1", None, False)
    assert speakers(call, later) == [("S1", "Ada", True)]


def test_a_crash_of_the_engine_is_one_line(
    call: Call, refused: Refused, engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(call, "Ada")
    monkeypatch.setattr("meetsense.review.open_ears", voices.crash)
    line = refused("people", "enrol", "Ada", "--from", recording(tmp_path / "a.wav", (ADA, 40)))
    assert "crashed or ran out of memory; see: meetsense doctor" in line


def test_delete_asks_first(call: Call) -> None:
    agree(call, "Ada")
    assert "Forget Ada" in call("people", "delete", "Ada", code=1).stderr
    assert call("people", "list").stdout.startswith("Ada  no voiceprint")


@pytest.mark.parametrize(
    "arguments",
    [
        ["people", "enrol", "Ada"],
        ["people", "correct", "a:S1"],
        ["people", "correct", "a:S1", "Ada", "--nobody"],
        ["consent", "grant", "Ada", "everything", "--basis", "x"],
        ["consent", "grant", "Ada", "voiceprint"],
    ],
)
def test_wrong_usage_is_2(call: Call, arguments: list[str]) -> None:
    assert "Error: " in call(*arguments, code=2).stderr


def test_people_who_are_not_there(call: Call, refused: Refused) -> None:
    agree(call, "Bo")
    for command in (["people", "show"], ["people", "delete", "--yes"], ["consent", "show"]):
        assert "nobody is called 'Ada' here" in refused(*command, "Ada")
    assert "nobody is called 'Ada' here" in refused("consent", "withdraw", "Ada", "named")
    assert "must be text" in refused("consent", "grant", " ", "named", "--basis", "x")


def test_the_database_may_be_named_before_or_after(call: Call, tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    call("consent", "--db", database, "grant", "Ada", "named", "--basis", "x")
    assert "Ada" in call("consent", "show", "--db", database).stdout
    assert "Ada" in call("people", "--db", database, "list").stdout


def test_purposes_are_those_of_the_values() -> None:
    from meetsense.cli.people import PURPOSES
    from meetsense.values import Agreement

    assert list(PURPOSES) == [str(purpose) for purpose in Agreement]


def test_parked_meetings_are_listed(call: Call, vtt: Path) -> None:
    from meetsense.config import read_settings
    from meetsense.store import Store

    call("analyze", vtt)
    with Store(read_settings().database) as store:
        store.park("abc", "Plan\x1bning", "it took too long")
    result = call("meetings")
    assert result.stderr.endswith("Plan ning: it took too long\n")
    assert "Desk hours" in result.stdout
    rows = json.loads(call("meetings", "--json").stdout)
    assert rows[1]["parked"] == "it took too long"
    assert "\x1b" not in result.stderr


def test_people_who_are_added(call: Call, refused: Refused) -> None:
    assert call("people", "add", " Ada ", "--role", "chair").stderr == "Ada, chair is known\n"
    assert call("people", "add", "Ada").stderr == "Ada, chair is known, as before\n"
    assert call("people", "add", "Bo").stderr == "Bo is known\n"
    assert call("people", "add", "Bo", "--role", "member").stderr == "Bo, member is known, as before\n"
    assert [row["name"] for row in json.loads(call("people", "list", "--json").stdout)] == ["Ada", "Bo"]
    assert call("people", "show", "Ada").stdout == "Ada, chair\n"
    shown = json.loads(call("people", "show", "Bo", "--json").stdout)
    assert (shown["role"], shown["agreements"]) == ("member", [])
    assert call("consent", "show", "Ada").stdout == ""
    for words in (("",), (" ",), ("A\nB",), ("\x1b[31mAda",), ("Cem", "--role", " ")):
        assert "must be printable text on one line" in refused("people", "add", *words)


def test_who_agrees_and_is_not_known_is_told_to_be_new(call: Call) -> None:
    grant = ("consent", "grant", "Ada B", "recording", "--basis", "signed form")
    new, agrees = call(*grant).stderr.splitlines()
    slip = "if that is a slip, take it back with: meetsense people delete 'Ada B'"
    assert (new, agrees) == (f"Ada B is new here: {slip}", "Ada B agrees to recording")
    assert call(*grant).stderr == "Ada B agrees to recording, as before\n"


def test_a_list_of_nobody_says_what_to_do(call: Call, refused: Refused) -> None:
    assert "meetsense people add NAME" in refused("people", "list")
    call("people", "add", "Ada")
    call("people", "delete", "Ada", "--yes")
    empty = call("people", "list")
    assert (empty.stdout, empty.stderr.count("\n")) == ("", 1)
    assert "meetsense people add NAME" in empty.stderr
    assert call("people", "list", "--json").stderr == ""


def test_who_was_added_can_agree_and_withdraw(call: Call, refused: Refused) -> None:
    call("people", "add", "Ada")
    assert call("consent", "withdraw", "Ada", "recording").stderr == "Ada does not agree to recording\n"
    granted = call("consent", "grant", "Ada", "recording", "--basis", "signed form")
    assert granted.stderr == "Ada agrees to recording\n"
    from meetsense.store import Store
    from meetsense.values import Agreement

    with Store(database()) as store:
        assert store.agreed(["Ada"], Agreement.RECORDING) == {"Ada": True}
    call("people", "delete", "Ada", "--yes")
    assert "nobody is called 'Ada'" in refused("consent", "withdraw", "Ada", "recording")


def test_who_withdraws_is_told_what_becomes_of_recordings(call: Call) -> None:
    from meetsense.store import Store
    from meetsense.values import Basis, BasisKind, Recording, RecordingState, Segment

    call("people", "add", "Ada")
    consent = Basis(BasisKind.CONSENT, ("Ada",))
    sound = (Segment(0, "000000.flac", 16_000, "0" * 64),)
    begun = datetime(2026, 11, 23, 9, tzinfo=UTC)
    with Store(database()) as store:
        for number, state in enumerate(
            (RecordingState.QUEUED, RecordingState.FAILED, RecordingState.RECORDING)
        ):
            name = f"20261123T09000{number}Z-00000000"
            store.put_recording(Recording(name, "", "", begun, consent, state=state, segments=sound))
    told = call("consent", "withdraw", "Ada", "recording").stderr.splitlines()
    assert told == [
        "Ada does not agree to recording",
        "the recording that runs ends now, and its sound is removed",
        "2 recordings not analysed yet: the processor removes the sound",
    ]
    gone = call("people", "delete", "Ada", "--yes").stderr.splitlines()
    assert gone[1] == "not in the folders of 3 recordings, which say who was present"
