"""A whole meeting: heard by a microphone, recorded, stopped, analysed by the real engines, and shown."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import soundfile

from meetsense.capture.folder import Folder
from meetsense.interchange.document import dumps
from meetsense.pipeline import Request, analyse, open_toolbox
from meetsense.speech.directory import BUNDLED
from meetsense.values import SAMPLE_RATE, RecordingState
from tests.capture import sound_server
from tests.capture.sound_server import Server
from tests.daemon.room import Room, missing, play, room, server  # noqa: F401 - fixtures
from tests.waiting import soon

pytestmark = sound_server.needed

SECONDS = 20
WHISPER = BUNDLED / "demo-whisper"
ENGINES = f'whisper = "{WHISPER}"\nlanguage = "en"\ndiarizer = "embedded"\nthreads = 1\n'
PROCESS = "[process]\nkeep_free_mb = 2\nnice = 0\n"


def meeting(path: Path) -> Path:
    """The beginning of the bundled meeting, as a WAV file."""
    source = BUNDLED / "demo-meeting" / "meeting.flac"
    samples, rate = soundfile.read(source, stop=SAMPLE_RATE * SECONDS, dtype="int16")
    assert rate == SAMPLE_RATE
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def words(document: str) -> list[str]:
    """What was said, as an analysis document has it."""
    return " ".join(utterance["text"] for utterance in json.loads(document)["utterances"]).lower().split()


def in_common(one: list[str], other: list[str]) -> float:
    """Share of the words of ``one`` that are in ``other``."""
    return sum(word in other for word in one) / len(one)


def test_from_the_microphone_to_the_report(
    room: Room,  # noqa: F811
    server: Server,  # noqa: F811
    tmp_path: Path,
) -> None:
    room.config.write_text(ENGINES + room.config.read_text() + PROCESS)
    sound = meeting(tmp_path / "meeting.wav")
    room.start()
    with (tmp_path / "log").open("wb") as log:
        processor = room.run("run", "process", stderr=log)
    try:
        room.tell("start", "--with", "Ada", "--with", "Bo", "--title", "Opening hours")
        assert play(server, sound).wait(2 * SECONDS) == 0
        out, _ = room.tell("status")
        assert "recording" in out
        room.tell("stop")

        def analysed() -> bool:
            return [row.state for row in room.rows()] == [RecordingState.DONE]

        assert soon(analysed, 120), (tmp_path / "log").read_text()
    finally:
        processor.send_signal(signal.SIGTERM)
        status = processor.wait(30)
    assert status == 0
    assert room.kill(signal.SIGTERM) == 0
    (recording,) = room.rows()
    folder = Folder(room.state / "recordings" / recording.id)
    assert folder.read().segments == recording.segments
    assert not (room.state / "processing").exists()

    assert recording.id in room.tell("meetings")[0]
    shown, _ = room.tell("show", recording.id[:-2])
    assert "Opening hours" in shown
    document, _ = room.tell("show", recording.id, "--json")
    read = json.loads(document)
    assert read["meeting"]["id"] == recording.id
    assert read["meeting"]["duration"] == recording.duration >= SECONDS
    assert read["engines"]["transcriber"]
    directly = analyse(
        sound,
        lambda: open_toolbox(tmp_path, whisper=str(WHISPER), diarizer="embedded", threads=1),
        Request(language="en"),
    )
    said = words(dumps(directly))
    assert len(said) > 20
    assert in_common(said, words(document)) > 0.8
    assert in_common(words(document), said) > 0.8
