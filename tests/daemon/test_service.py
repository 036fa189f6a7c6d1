"""What the recorder's process loads and holds."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.capture import sound_server
from tests.daemon.room import Room, noise, play, room, server  # noqa: F401 - fixtures
from tests.waiting import soon

FOREIGN = (
    "av",
    "ctranslate2",
    "faster_whisper",
    "huggingface_hub",
    "joblib",
    "onnxruntime",
    "pandas",
    "pyannote",
    "scipy",
    "sklearn",
    "torch",
    "tqdm",
)
"""What a recorder has no use for, installed or not."""
TELLS = """
import atexit, pathlib, sys
def tell():
    status = pathlib.Path("/proc/self/status").read_text().split()
    words = [status[status.index("VmHWM:") + 1], *sys.modules]
    pathlib.Path({told!r}).write_text(" ".join(words))
atexit.register(tell)
from meetsense.cli import main
main()
"""
"""The program, telling its largest resident memory in kB and its modules at its end."""


@sound_server.needed
def test_what_the_recorder_loads_and_holds(
    server: sound_server.Server,  # noqa: F811
    room: Room,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in FOREIGN:  # whatever imports it if it can, does
        (tmp_path / f"{name}.py").write_text("def __getattr__(name): return type(name, (), {})\n")
    told = tmp_path / "told"
    program = [sys.executable, "-c", TELLS.format(told=str(told))]
    monkeypatch.setattr("tests.daemon.room.PROGRAM", program)
    room.environment["PYTHONPATH"] = ":".join([str(tmp_path), *sys.path[1:]])
    room.start()
    with play(server, noise(tmp_path / "noise.wav", 30)) as player:
        room.record()
        room.heard(3.0)
        assert soon(lambda: any(room.folder().path.glob("*.flac")))
        room.ask("stop")
        player.kill()
    assert room.kill(signal.SIGTERM) == 0
    assert soon(room.queued)
    kilobytes, *modules = told.read_text().split()
    assert "soundfile" in modules
    assert "sqlite_utils" in modules
    assert not set(FOREIGN) & set(modules)
    assert int(kilobytes) * 1024 < 80e6
