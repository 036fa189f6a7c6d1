"""Engines that do to their process what real ones have done: crash, hang, eat memory, leave children behind.

A toolbox is opened in the child of :mod:`meetsense.batch`, so what it is made of must be found by name there.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import soundfile

from meetsense.errors import EngineError
from meetsense.pipeline import Toolbox
from meetsense.speech import Progress, silent_progress
from meetsense.values import SAMPLE_RATE, Audio, Diarization, Span, SpeakerRange, Turn

MB = 1_000_000
FATAL_SECONDS = 1.0
"""A recording of this length is what a ``deadly`` toolbox dies of."""


def recording(path: Path, seconds: float) -> Path:
    """A WAV file that is a hum, another one for each length."""
    soundfile.write(path, 0.1 * np.sin(np.arange(int(seconds * SAMPLE_RATE)) / 20), SAMPLE_RATE)
    return path


class Everything:
    """A detector that takes everything for speech, once it has done something else."""

    def __init__(self, deed: Callable[[Audio], None]) -> None:
        self._deed = deed

    @property
    def name(self) -> str:
        """Its name."""
        return "everything@1"

    def speech(self, audio: Audio, /) -> tuple[Span, ...]:
        """All of it."""
        self._deed(audio)
        return (Span(0.0, audio.duration),)


class OneVoice:
    """A diarizer that hears one person."""

    name = "one-voice@1"
    sees_overlap = True

    def diarize(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        speakers: SpeakerRange,
        /,
        *,
        progress: Progress = silent_progress,
    ) -> Diarization:
        """All speech is one person's."""
        turns = tuple(Turn(span, "S1") for span in speech)
        return Diarization(turns, turns, sees_overlap=True)


def toolbox(deed: str, *arguments: object) -> Toolbox:
    """A toolbox that does a deed of this module when it looks for speech."""
    do = globals()[deed]
    return Toolbox(Everything(lambda audio: do(audio, *arguments)), OneVoice())


def open_deadly(*_: object, **__: object) -> Toolbox:
    """In place of :func:`meetsense.pipeline.open_toolbox`."""
    return Toolbox(
        Everything(lambda audio: signalled(audio, signal.SIGKILL) if fatal(audio) else None), OneVoice()
    )


def open_buggy(*_: object, **__: object) -> Toolbox:
    """The same with a bug."""
    return Toolbox(Everything(lambda audio: slip(audio) if fatal(audio) else None), OneVoice())


def fatal(audio: Audio) -> bool:
    """Whether it is the recording that things go wrong with."""
    return abs(audio.duration - FATAL_SECONDS) < 0.01


def open_harmless(*_: object, **__: object) -> Toolbox:
    """The same without a deed."""
    return toolbox("nothing")


def nothing(_: Audio) -> None:
    """Behave."""


def chatter(_: Audio) -> None:
    """Write where nobody should."""
    print("a library says hello", flush=True)
    print("and it warns", file=sys.stderr)


def signalled(_: Audio, number: int) -> None:
    """Be killed by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def abort(_: Audio) -> None:
    """What C++ does about an exception that nobody catches."""
    os.write(
        2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    )
    os.abort()


def hog(_: Audio, most: int = 4000 * MB) -> None:
    """Take memory, 20 MB at a time."""
    held = []
    for _step in range(most // (20 * MB)):
        held.append(b"x" * (20 * MB))
        time.sleep(0.01)
    time.sleep(60)


def hog_and_release(_: Audio, size: int) -> None:
    """Hold memory for as long as anybody might look."""
    held = b"x" * size
    time.sleep(1.0)
    del held


def let_hog(_: Audio) -> None:
    """Have a child take memory."""
    subprocess.run([sys.executable, "-c", "from tests.hostile import hog, EMPTY; hog(EMPTY)"], check=False)
    time.sleep(60)


def leap(_: Audio) -> None:
    """Ask for more memory at once than the kernel's limit leaves."""
    np.zeros(100 << 30, np.uint8)


def _to_parent() -> Connection:
    """What this child tells its parent by."""
    return next(item for item in gc.get_objects() if isinstance(item, Connection) and not item.closed)


def stammer(_: Audio) -> None:
    """Begin to tell something, and stop in the middle of it."""
    os.write(_to_parent().fileno(), struct.pack("!i", 1000) + b"abc")
    time.sleep(600)


def babble(_: Audio) -> None:
    """Tell what is no message."""
    _to_parent().send_bytes(b"\x80no pickle")
    time.sleep(600)


def hang(_: Audio) -> None:
    """Never come back."""
    time.sleep(600)


def spin(_: Audio) -> None:
    """Be busy for ever."""
    while True:
        pass


def let_spin(_: Audio) -> None:
    """Have a child be busy for ever."""
    subprocess.run([sys.executable, "-c", "while True: pass"], check=False)


def slip(_: Audio) -> None:
    """A bug."""
    print("before the bug", file=sys.stderr)
    [][0]


def leave(_: Audio) -> None:
    """Ask for the process to end, as some libraries do."""
    sys.exit("this library knows better")


def fail(_: Audio) -> None:
    """Fail as an engine may."""
    raise EngineError("this engine is tired")


def die_at_exit(_: Audio) -> None:
    """Crash when the process ends."""
    os._exit = lambda status: os.abort()


def litter_and_crash(audio: Audio, note: str) -> None:
    """Leave a file and a process behind, and crash."""
    _litter(note)
    signalled(audio, signal.SIGSEGV)


def litter(_: Audio, note: str) -> None:
    """Leave a file and a process behind, and be busy for ever."""
    _litter(note)
    while True:
        np.linalg.svd(np.random.default_rng(0).standard_normal((300, 300)))


def _litter(note: str) -> None:
    """Leave a file in the temporary directory and start a process that lasts; note the processes."""
    tempfile.mkstemp(prefix="litter")
    lasting = subprocess.Popen(["sleep", "600"])
    draft = Path(note).with_suffix(".new")
    draft.write_text(f"{os.getpid()} {lasting.pid}")
    draft.rename(note)


EMPTY = Audio(np.zeros(0, np.float32))
