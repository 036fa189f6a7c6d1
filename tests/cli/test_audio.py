"""A recording end to end with the real engines: a cut of the bundled meeting, silence, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from meetsense.speech.directory import BUNDLED
from tests.cli.conftest import Call
from tests.cli.test_transcripts import check_document

SECONDS = 40
NO_NETWORK = """
import os, sys
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        os.write(2, f"the network was asked for: {event} {arguments}".encode())
        os._exit(99)
sys.addaudithook(watch)
"""
"""Runs before everything else in every Python process: whoever asks for the network ends the process with 99,
whatever they would have caught. Where that is a child, its parent says so."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """What a run of ``meetsense analyze`` left."""

    recording: Path
    environment: dict[str, str]
    stdout: str
    stderr: str
    document: dict[str, Any]
    page: str


def meetsense(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``meetsense`` in a process that has no network, and neither have its children."""
    run = "from meetsense.cli import main\nmain()"
    command = [sys.executable, "-c", run, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        environment = watched(environment, Path(folder))
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def watched(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """The environment, with the watch on the network in every Python process."""
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    places = (str(folder), environment.get("PYTHONPATH"))
    return environment | {"PYTHONPATH": os.pathsep.join(place for place in places if place)}


def isolated(folder: Path) -> dict[str, str]:
    """An environment in which nothing of the user's is found."""
    kept = {
        key: os.environ[key] for key in ("LANG", "OMP_NUM_THREADS", "PATH", "PYTHONPATH") if key in os.environ
    }
    return kept | {"HOME": str(folder)}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first part of the bundled meeting, as WAV."""
    source, path = BUNDLED / "demo-meeting" / "meeting.flac", tmp_path_factory.mktemp("cut") / "cut.wav"
    rate = soundfile.info(source).samplerate
    samples, _ = soundfile.read(source, stop=SECONDS * rate, dtype="float32")
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture(scope="module")
def analysed(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    """The cut, analysed once with the demo's Whisper."""
    out = tmp_path_factory.mktemp("out")
    environment = isolated(out)
    whisper = ("--whisper", BUNDLED / "demo-whisper", "--language", "en")
    outputs = ("--json", out / "out.json", "--html", out / "page.html")
    done = meetsense(environment, "analyze", recording, *whisper, *outputs)
    assert done.returncode == 0, done.stderr
    document, page = json.loads((out / "out.json").read_text()), (out / "page.html").read_text()
    return Analysed(recording, environment, done.stdout, done.stderr, document, page)


def test_audio_gives_the_whole_document(analysed: Analysed) -> None:
    found = analysed.document
    check_document(found)
    assert found["meeting"]["duration"] == pytest.approx(SECONDS, abs=0.01)
    assert all(engine and "@" in engine for engine in found["engines"].values())
    assert found["speakers"][0]["label"] == "S1"
    assert len(found["speakers"]) >= 2
    assert len({turn["speaker"] for turn in found["turns"]}) >= 2
    spoken = json.loads((BUNDLED / "demo-meeting" / "words.json").read_text())
    said = {word["word"].lower().strip(".,?") for word in spoken if word["end"] < SECONDS}
    heard = {word.lower().strip(".,?") for line in found["utterances"] for word in line["text"].split()}
    assert len(said & heard) > len(said) / 2


def test_the_summary_goes_to_stdout_and_no_progress_bar_to_a_file(analysed: Analysed) -> None:
    assert "cut" in analysed.stdout
    assert "\x1b" not in analysed.stdout
    assert [line.split(":")[0] for line in analysed.stderr.splitlines()] == ["report"]


def test_the_report_is_one_file_that_asks_for_nothing(analysed: Analysed) -> None:
    assert analysed.page.lower().startswith("<!doctype html>")
    for line in analysed.document["utterances"]:
        assert line["speaker"] in analysed.page
    for outside in ('src="http', 'href="http', "url(http", "@import", '<link rel="stylesheet"'):
        assert outside not in analysed.page


def test_what_was_said_is_stored_and_found(analysed: Analysed) -> None:
    line = max(analysed.document["utterances"], key=lambda line: len(line["text"]))
    found = meetsense(analysed.environment, "search", *line["text"].split()[:3], "--json")
    assert line["id"] in [row["utterance"] for row in json.loads(found.stdout)]


def test_no_whisper_model_says_how_to_get_words_and_fetches_nothing(
    analysed: Analysed, tmp_path: Path
) -> None:
    done = meetsense(isolated(tmp_path), "analyze", analysed.recording, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    check_document(found)
    assert found["utterances"] == []
    assert found["engines"]["transcriber"] is None
    assert found["turns"] == analysed.document["turns"]
    (note,) = [note for note in found["notes"] if "Whisper" in note]
    state = tmp_path / ".local" / "state" / "meetsense"
    assert str(state / "models" / "whisper") in note
    assert "--whisper DIR" in note
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {state / "meetsense.db"}, "nothing but the database: no telemetry of a library, no cache"


@pytest.mark.parametrize("name", ["small", "openai/whisper-tiny"])
def test_a_whisper_model_that_is_asked_for_and_missing_is_a_mistake(
    recording: Path, tmp_path: Path, name: str
) -> None:
    done = meetsense(isolated(tmp_path), "analyze", recording, "--whisper", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"meetsense: no Whisper model '{name}'; put a Whisper model")
    assert done.stderr.count("\n") == 1


ASK = "import contextlib, socket\nwith contextlib.suppress(OSError): socket.create_connection(('::1', 9))"
CHILD = f"import subprocess, sys\nsys.exit(subprocess.run([sys.executable, '-P', '-c', {ASK!r}]).returncode)"


@pytest.mark.parametrize("code", [ASK, CHILD], ids=["itself", "a child"])
def test_the_watch_on_the_network_works(tmp_path: Path, code: str) -> None:
    environment = watched(isolated(tmp_path), tmp_path)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == 99


@pytest.mark.parametrize("level", [0.0, 0.002])
def test_no_speech_is_an_honest_empty_report(call: Call, tmp_path: Path, level: float) -> None:
    path = tmp_path / "empty room.wav"
    samples = np.random.default_rng(2).standard_normal(8 * 16_000) * level
    soundfile.write(path, samples.astype(np.float32), 16_000)
    found = json.loads(call("analyze", path, "--json", "-", "--whisper", BUNDLED / "demo-whisper").stdout)
    check_document(found)
    assert found["turns"] == found["utterances"] == found["speakers"] == found["decisions"] == []
    assert "No speech was found in this recording." in found["notes"]
    assert {measure["name"] for measure in found["measures"] if measure["value"]} == {"silence_share"}
    shown = call("show", found["meeting"]["id"], "--html", tmp_path / "page.html")
    assert "No speech was found" in shown.stdout
    assert "No speech was found" in (tmp_path / "page.html").read_text()


def test_the_number_of_speakers_can_be_given(recording: Path, call: Call) -> None:
    found = json.loads(call("analyze", recording, "--json", "-", "--no-store", "--speakers", 2).stdout)
    assert len({turn["speaker"] for turn in found["turns"]}) == 2


def test_a_cut_recording_is_analysed_when_asked(recording: Path, call: Call, tmp_path: Path) -> None:
    cut = tmp_path / "cut.wav"
    whole = recording.read_bytes()
    cut.write_bytes(whole[: len(whole) // 4])
    found = json.loads(call("analyze", cut, "--partial", "--json", "-", "--no-store").stdout)
    assert found["meeting"]["duration"] == pytest.approx(SECONDS / 4, abs=0.1)


def test_the_progress_bar_shows_on_a_terminal(recording: Path, tmp_path: Path) -> None:
    master, slave = os.openpty()
    environment = isolated(tmp_path) | {"TERM": "xterm", "COLUMNS": "100"}
    program = Path(sys.executable).with_name("meetsense")
    command = [str(program), "analyze", str(recording), "--no-store", "--speakers", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 65536):
                shown += piece
        except OSError:  # what Linux says when the other end is closed
            pass
        finally:
            os.close(master)
    assert process.returncode == 0
    assert b"cut.wav" in shown
    assert b"voices" in shown


def test_a_roster_with_too_few_people_hides_no_voice(recording: Path, tmp_path: Path) -> None:
    """Voices that the roster doesn't have are found all the same, and figures about persons are withheld."""
    roster = tmp_path / "roster.toml"
    roster.write_text('[[people]]\nname = "Ada"\nlabel = "S1"\n')
    done = meetsense(
        isolated(tmp_path), "analyze", recording, "--roster", roster, "--no-store", "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document["speakers"]) > 1
    shares = [m for m in document["measures"] if m["name"] == "talk_share"]
    assert shares
    assert {m["grade"] for m in shares} == {"withheld"}
    assert all("roster" in m["reason"] for m in shares)


def test_who_knows_that_nobody_else_spoke_may_say_so(recording: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.toml"
    roster.write_text('[[people]]\nname = "Ada"\n[[people]]\nname = "Bo"\n')
    options = ("--roster", roster, "--speakers", "roster", "--no-store", "--json", "-")
    done = meetsense(isolated(tmp_path), "analyze", recording, *options)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["speakers"]) <= 2


def test_a_diarizer_that_is_asked_for_and_not_there_is_one_line(recording: Path, tmp_path: Path) -> None:
    done = meetsense(isolated(tmp_path), "analyze", recording, "--diarizer", "pyannote")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "meetsense" in done.stderr
    assert "pyannote" in done.stderr
