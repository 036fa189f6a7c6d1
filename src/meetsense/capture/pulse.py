"""Which microphone a PulseAudio or PipeWire server gives this process.

When a microphone is unplugged, the server moves its stream to another one and says nothing to the program. So
it is asked, through `pactl`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import weakref
from contextlib import suppress
from typing import Any

from meetsense.capture.source import Stuck
from meetsense.errors import CaptureError

ANSWER_SECONDS = 5.0
YOUNG_SECONDS = 3.0
"""A subscription may take so long to begin; until then every call asks."""
AGAIN_SECONDS = 60.0
"""So often it is asked without any reason."""


def listening(pid: int | None = None) -> str | None:
    """Name of the source that the server gives a process, this one by default.

    None: it gives none, or there is no server, or no `pactl` to ask it. Several streams: their names, sorted,
    with commas between. Raises Stuck when the server doesn't answer.
    """
    pid = os.getpid() if pid is None else pid
    try:
        outputs = _listed("source-outputs")
        ours = {output["source"] for output in outputs if _pid_of(output) == pid}
        if not ours:
            return None
        names = {source["index"]: str(source["name"]) for source in _listed("sources")}
    except Stuck:
        raise
    except (OSError, CaptureError):
        return None
    found = sorted(names.get(index, f"source {index}") for index in ours)
    return ",".join(found)


class Listener:
    """Tells what `listening` tells, and asks again only when the server says that something changed.

    A `pactl subscribe` runs beside it, so that a call costs next to nothing.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._began = self._asked = 0.0
        self._name: str | None = None

    def __call__(self) -> str | None:
        """Name of the source that the server gives this process. Raises Stuck when it doesn't answer."""
        now = time.monotonic()
        if self._changed(now) or now - self._asked > AGAIN_SECONDS or now - self._began < YOUNG_SECONDS:
            self._asked = now
            self._name = None  # an error is no answer, and the next call asks again
            self._name = listening()
        if self._name is None:
            self._asked = float("-inf")
        return self._name

    def _changed(self, now: float) -> bool:
        """Whether there was an event about sources, or may have been one."""
        child = self._child
        if child is None or child.poll() is not None:
            self._subscribe(now)
            return True
        assert child.stdout is not None
        try:
            said = os.read(child.stdout.fileno(), 1 << 16)
        except BlockingIOError:
            return False
        return not said or b"source" in said

    def _subscribe(self, now: float) -> None:
        self.close()
        self._began = now
        with suppress(OSError):
            child = subprocess.Popen(
                ["pactl", "subscribe"],  # noqa: S607
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
            assert child.stdout is not None
            os.set_blocking(child.stdout.fileno(), False)
            self._child = child
            self._ended = weakref.finalize(self, _end, child)

    def close(self) -> None:
        """End the subscription."""
        if self._child is not None:
            self._ended()
            self._child = None


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _pid_of(output: dict[str, Any]) -> int | None:
    value = str(output.get("properties", {}).get("application.process.id", ""))
    return int(value) if value.isdecimal() else None


def _listed(what: str) -> list[dict[str, Any]]:
    """What `pactl` lists. Raises OSError without it, CaptureError without a server, Stuck when it hangs."""
    command = ["pactl", "--format=json", "list", what]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, timeout=ANSWER_SECONDS, env=_environment()
        )
    except subprocess.TimeoutExpired:
        raise Stuck("the sound server doesn't answer; restart it") from None
    if done.returncode:
        raise CaptureError("there is no sound server")
    try:
        return list(json.loads(done.stdout or b"[]"))
    except ValueError:
        raise CaptureError("the sound server's answer can't be read") from None
