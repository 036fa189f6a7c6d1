"""What sound libraries print stays out of the log; what they return is told."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from meetsense.capture.microphone import _advice, _reason
from tests.capture import alsa, sound_server

PRINTS = """
import ctypes, sys
from meetsense.capture.quiet import quiet
library = ctypes.CDLL(None)
def say(word):
    library.perror(word)
    library.fflush(None)
say(b"before")
try:
    with quiet():
        say(b"meanwhile")
        print("Python", file=sys.stderr, flush=True)
        raise KeyError
except KeyError:
    say(b"after")
"""
ALSA = """
import ctypes
from meetsense.capture.quiet import silence_alsa
alsa = ctypes.CDLL("libasound.so.2")
silence_alsa()
handle = ctypes.c_void_p()
print(alsa.snd_pcm_open(ctypes.byref(handle), b"nothing of that name", 1, 0))
"""
OPENS = """
from meetsense.capture.microphone import open_microphone
from meetsense.errors import CaptureError
for _ in range(2):
    try:
        open_microphone()
    except CaptureError as error:
        print(error)
"""


def done(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that ended well."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment or None)


def test_a_c_library_prints_nothing_meanwhile_and_python_does() -> None:
    words = [line.partition(":")[0] for line in done(PRINTS).stderr.splitlines()]
    assert words == ["before", "Python", "after"]


@alsa.needed
def test_alsa_tells_its_errors_to_nobody() -> None:
    loud = done(ALSA.replace("silence_alsa()\n", "\n"))
    told = done(ALSA)
    assert "ALSA lib" in loud.stderr
    assert (told.stdout, told.stderr) == (loud.stdout, "")
    assert int(told.stdout) < 0


@sound_server.needed
def test_a_microphone_that_is_gone_is_told_and_nothing_else() -> None:
    with sound_server.running() as server:
        server.unplug("room")
        told = done(OPENS, **server.env)
    assert told.stderr == ""
    advice = "connect a microphone, or end the program that uses it"
    assert told.stdout == 2 * f"default can't be opened (Input/output error); {advice}\n"


@pytest.mark.parametrize(
    ("passed_on", "reason", "busy"),
    [
        ((), "Unanticipated host error", False),
        (((0, -errno.EBUSY, "Device or resource busy"),), "Device or resource busy", True),
        (((0, -errno.ENODEV, "No such device"),), "No such device", False),
        (((0, -errno.ENODEV, ""),), "Unanticipated host error", False),
    ],
)
def test_what_portaudio_passes_on(passed_on: tuple[object, ...], reason: str, busy: bool) -> None:
    error = Exception("Error opening RawInputStream: Unanticipated host error", -9999, *passed_on)
    assert _reason(error) == reason
    assert ("connect a microphone" not in _advice(error)) == busy
