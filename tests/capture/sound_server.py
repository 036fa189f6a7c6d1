"""A PulseAudio of our own, with a room whose microphone is what is played into it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = "pulseaudio", "pactl", "paplay"
ROOM = "module-null-sink sink_name=room norewinds=1 rate=16000 channels=1 format=s16le"
"""Without norewinds the first second of what is played is lost."""
ATTIC = ROOM.replace("room", "attic")
PATIENCE_SECONDS = 10.0

needed = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS))
    or not list(Path("/usr/lib").rglob("alsa-lib/libasound_module_pcm_pulse.so")),
    reason="pulseaudio, pulseaudio-utils or libasound2-plugins is not installed",
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    env: dict[str, str]
    """Of its clients, whose microphone is the room's."""
    process: subprocess.Popen[bytes]

    def pactl(self, *words: str) -> str:
        """Tell or ask it something."""
        command = ["pactl", *words]
        return subprocess.run(
            command, env=self.env, check=True, capture_output=True, text=True, timeout=10
        ).stdout

    def unplug(self, name: str) -> None:
        """Take a sink and its microphone away."""
        for line in self.pactl("list", "short", "modules").splitlines():
            index, module, arguments, *_ = line.split("\t")
            if module == "module-null-sink" and f"sink_name={name} " in arguments:
                self.pactl("unload-module", index)


@contextmanager
def running(*modules: str) -> Iterator[Server]:
    """A server with modules, the room's by default."""
    with tempfile.TemporaryDirectory(prefix="pulse") as folder:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
        env |= {
            "XDG_RUNTIME_DIR": folder,
            "HOME": folder,
            "PULSE_SOURCE": "room.monitor",
            "PULSE_SINK": "room",
        }
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
        command += ["--disable-shm=yes", "--log-target=stderr", "--log-level=error"]
        for module in ("module-native-protocol-unix", *(modules or (ROOM,))):
            command += ["-L", module]
        process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        try:
            _wait_for(env)
            yield Server(env, process)
        finally:
            process.kill()
            process.wait()


def _wait_for(env: dict[str, str]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while subprocess.run(["pactl", "info"], env=env, capture_output=True).returncode:
        assert time.monotonic() < end, "pulseaudio doesn't answer"
        time.sleep(0.05)
