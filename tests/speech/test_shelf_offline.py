"""Engines never ask for the network: an audit hook in a process of its own sees every look-up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meetsense.speech.directory import BUNDLED, has_pyannote
from meetsense.speech.shelf.network import OFFLINE

WATCH = """
import json, sys
seen = []
def watch(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.connect",
                 "socket.sendto", "socket.sendmsg", "http.client.connect"}:
        seen.append([event, str(arguments[:2])])
        raise OSError("this test has no network")
sys.addaudithook(watch)
"""
TELL = """
print(json.dumps(seen))
"""
HEAR = f"""
from pathlib import Path
from meetsense.audio import load_audio
from meetsense.values import Span
from meetsense.speech.vad import SileroVad
from meetsense.speech.whisper import WhisperTranscriber
audio = load_audio(Path({str(BUNDLED / "demo-meeting" / "meeting.flac")!r})).cut(Span(0.0, 8.0))
speech = SileroVad().speech(audio)
transcriber = WhisperTranscriber(Path({str(BUNDLED / "demo-whisper")!r}), threads=1)
assert transcriber.transcribe(audio, speech).words
"""
ASK = """
import huggingface_hub
try:
    huggingface_hub.HfApi().model_info("someone/something", timeout=1)
except Exception as error:
    print(type(error).__name__, file=sys.stderr)
"""
GO_OFFLINE = """
from meetsense.speech.shelf import offline
offline()
"""


def run(code: str, home: Path) -> tuple[list[list[str]], str]:
    """Look-ups and connections of a program, and its stderr; nothing from outside keeps it quiet."""
    kept = {
        key: value for key, value in os.environ.items() if key not in OFFLINE and "proxy" not in key.lower()
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCH + code + TELL],
        capture_output=True,
        text=True,
        check=False,
        env=kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home), "HF_ENDPOINT": "http://hub.invalid"},
    )
    assert done.returncode == 0, done.stderr
    seen: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return seen, done.stderr


def test_the_watch_sees_a_look_up(tmp_path: Path) -> None:
    seen, _ = run(ASK, tmp_path)
    assert any(event == "socket.getaddrinfo" and "hub.invalid" in what for event, what in seen)


def test_offline_forbids_it(tmp_path: Path) -> None:
    assert run(GO_OFFLINE + ASK, tmp_path) == ([], "OfflineModeIsEnabled\n")


def test_offline_forbids_it_to_what_is_imported_already(tmp_path: Path) -> None:
    assert run("import huggingface_hub.constants" + GO_OFFLINE + ASK, tmp_path) == (
        [],
        "OfflineModeIsEnabled\n",
    )


def test_whisper_looks_nothing_up(tmp_path: Path) -> None:
    seen, _ = run(GO_OFFLINE + HEAR, tmp_path)
    assert seen == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.skipif(not has_pyannote(), reason="the extra pyannote is not installed")
def test_pyannote_looks_nothing_up_when_it_is_imported(tmp_path: Path) -> None:
    seen, _ = run(
        GO_OFFLINE
        + "import warnings; warnings.simplefilter('ignore')\n"
        + "import pyannote.audio\n"
        + "from pyannote.audio.telemetry import metrics\n"
        + "assert not metrics.is_metrics_enabled()",
        tmp_path,
    )
    assert seen == []


def test_the_variables_reach_children(tmp_path: Path) -> None:
    ask = "import os, subprocess\nprint(subprocess.check_output(['env'], text=True), file=sys.stderr)"
    _, shown = run(GO_OFFLINE + ask, tmp_path)
    assert {f"{name}={value}" for name, value in OFFLINE.items()} <= set(shown.splitlines())
