"""Any audio file to 16 kHz mono, decoded in a child process under limits.

The parent opens the file and hands the child a descriptor; the child writes float32 samples into a file
without a name, which the parent maps. So a hostile file meets a process that can be killed, hours of sound
never sit in memory twice, and nothing of a voice stays behind on any crash.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from meetsense.errors import AudioError
from meetsense.values import SAMPLE_RATE, Audio


@dataclass(frozen=True, slots=True)
class Limits:
    """What decoding one file may cost."""

    input_bytes: int = 16 << 30
    """Size of the file: 12 h of 24-bit stereo at 48 kHz fit."""
    memory_bytes: int = 1 << 30
    """Address space of the child beyond what it has after its imports."""
    wall_seconds: float = 900.0
    """Time the child may take."""
    duration_seconds: float = 12 * 3600.0
    """Decoded sound, counted as it is decoded: a header's duration is never believed."""


def load_audio(
    path: Path, *, limits: Limits | None = None, partial: bool = False, workdir: Path | None = None
) -> Audio:
    """Decode an audio file, or the sound of a video file, to 16 kHz mono.

    ``partial`` takes what is there of a truncated file. ``workdir`` is where the unnamed file of samples
    lives (4 bytes a sample, 230 MB an hour); default: the system's temporary directory.

    Raises AudioError, in one line, for a file that is missing, not regular, unreadable, empty, too large, too
    long, truncated, or not audio.
    """
    limits = limits or Limits()
    with _open(path, limits) as source, tempfile.TemporaryFile(dir=workdir) as sink:
        report = _decode(path, source, sink, limits)
        frames = os.fstat(sink.fileno()).st_size // 4
        if "error" in report:
            raise AudioError(f"{path.name}: {report['error']}")
        if frames == 0:
            raise AudioError(f"{path.name}: holds no sound")
        if report["truncated"] and not partial:
            raise AudioError(
                f"{path.name}: truncated, it ends after {frames / SAMPLE_RATE:.1f} s; "
                "copy it again, or analyse what is there with --partial"
            )
        return Audio(np.memmap(sink, dtype=np.float32, mode="r", shape=(frames,)))


def open_regular(path: Path) -> FileIO:
    """Open a file for reading, never blocking on a pipe or a device.

    Raises AudioError for a path that is missing, a directory, not a regular file, or unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path.name or path}: {_why(error)}") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a directory; name the file inside it" if stat.S_ISDIR(mode) else "not a regular file"
        raise AudioError(f"{path.name or path}: is {kind}")
    return FileIO(descriptor, "rb")


def _open(path: Path, limits: Limits) -> FileIO:
    source = open_regular(path)
    size = os.fstat(source.fileno()).st_size
    if 0 < size <= limits.input_bytes:
        return source
    source.close()
    if size == 0:
        raise AudioError(f"{path.name}: is empty")
    raise AudioError(f"{path.name}: larger than {limits.input_bytes >> 20} MB; split it first")


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "not readable; check its permissions"
    return getattr(error, "strerror", None) or str(error)


def _decode(path: Path, source: FileIO, sink: BinaryIO, limits: Limits) -> dict[str, object]:
    """Run the child; its one line of JSON is the report."""
    command = [sys.executable, "-m", "meetsense.audio.decode", json.dumps(asdict(limits))]
    try:
        child = subprocess.run(  # noqa: S603 - our own module under our own interpreter
            command,
            stdin=source,
            stdout=sink,
            stderr=subprocess.PIPE,
            timeout=limits.wall_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"could not be decoded in {limits.wall_seconds:.0f} s"}
    last = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    try:
        report = json.loads(last)
    except ValueError:
        report = None
    if isinstance(report, dict):
        return report
    if child.returncode < 0:
        return {"error": f"not decodable audio (the decoder was stopped by signal {-child.returncode})"}
    raise RuntimeError(f"the decoder broke on {path.name}:\n{child.stderr.decode(errors='replace')}")
