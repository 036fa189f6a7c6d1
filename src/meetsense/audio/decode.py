"""The child: sound on standard input, float32 samples at 16 kHz mono on standard output.

The last line on standard error is a JSON object: ``{"truncated": bool}``, or ``{"error": "one line"}``.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
BLOCK_SECONDS = 5
RATES = range(2_000, 768_001)
"""Sample rates that can carry speech."""
UNKNOWN_SIZE = 0x7FFF_0000
"""A data chunk of at least so many bytes is a streamed header that was never filled in."""
MISSING_SECONDS = 0.5
"""Sound that may be missing against the header before a file counts as truncated: codec padding."""
CONTAINERS = "mov,mp4,m4a,3gp,matroska,webm,mp3,aac,flac,ogg,wav,aiff,caf,amr,asf"
"""What PyAV may open: no playlist, no network protocol."""


class Unusable(Exception):
    """The file can't be used; the message is one line for the user."""


class Mono:
    """Mixes to mono, resamples and writes; counts what it wrote against the limit."""

    def __init__(self, sink: BinaryIO, rate: int, limit_seconds: float) -> None:
        import soxr

        if rate not in RATES:
            raise Unusable(f"a sample rate of {rate} Hz can't be speech")
        self._sink = sink
        self._limit = limit_seconds
        self._rate = rate
        self._heard = 0
        self._resample = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32")

    @property
    def seconds(self) -> float:
        """Decoded sound so far."""
        return self._heard / self._rate

    def write(self, block: NDArray[np.float32], *, last: bool = False) -> None:
        """Take frames of shape (n, channels)."""
        self._heard += len(block)
        if self.seconds > self._limit:
            raise Unusable(f"longer than {self._limit / 3600:g} h; split it first")
        mono = np.clip(np.nan_to_num(block.mean(axis=1, dtype=np.float32)), -1.0, 1.0)
        if self._resample is not None:
            mono = self._resample.resample_chunk(mono, last=last)
        self._sink.write(np.ascontiguousarray(mono, dtype=np.float32).tobytes())


def wav_is_cut(source: BinaryIO) -> bool:
    """Whether a RIFF file ends before the data its header announces."""
    size = os.fstat(source.fileno()).st_size
    source.seek(0)
    head = source.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return False
    offset = 12
    while offset + 8 <= size:
        source.seek(offset)
        name, length = struct.unpack("<4sI", source.read(8))
        if name == b"data":
            return bool(0 < length < UNKNOWN_SIZE and offset + 8 + length > size + 1)
        offset += 8 + length + length % 2
    return True


def ogg_is_cut(source: BinaryIO) -> bool:
    """Whether an Ogg file lacks the page that says it ends."""
    size = os.fstat(source.fileno()).st_size
    source.seek(0)
    if source.read(4) != b"OggS":
        return False
    source.seek(max(0, size - 0x11000))
    tail = source.read()
    page = tail.rfind(b"OggS")
    return page < 0 or page + 6 > len(tail) or not tail[page + 5] & 4


def with_soundfile(source: BinaryIO, sink: BinaryIO, limit_seconds: float) -> bool:
    """Decode WAV, FLAC, MP3, Ogg. Returns whether the file is truncated; raises what libsndfile raises."""
    import soundfile

    cut = wav_is_cut(source) or ogg_is_cut(source)
    os.lseek(source.fileno(), 0, os.SEEK_SET)
    with soundfile.SoundFile(source.fileno(), closefd=False) as sound:
        mono = Mono(sink, sound.samplerate, limit_seconds)
        announced = sound.frames / sound.samplerate
        try:
            while len(block := sound.read(sound.samplerate * BLOCK_SECONDS, dtype="float32", always_2d=True)):
                mono.write(block)
        except soundfile.LibsndfileError:
            if mono.seconds == 0:
                raise
            cut = True
        mono.write(np.zeros((0, 1), np.float32), last=True)
    known = 0 < announced < limit_seconds
    return cut or (known and mono.seconds < announced - MISSING_SECONDS)


def _frames(container: Any) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Rate and frames of shape (n, channels) of the first audio stream, which PyAV brings to float."""
    import av

    stream = container.streams.audio[0]
    to_float = av.AudioResampler(format="fltp")
    for frame in container.decode(stream):
        for part in to_float.resample(frame):
            yield part.sample_rate, part.to_ndarray().T.astype(np.float32)


def with_pyav(source: BinaryIO, sink: BinaryIO, limit_seconds: float) -> bool:
    """Decode M4A, MP4 and whatever else libav knows. Returns whether the file is truncated."""
    import av

    os.lseek(source.fileno(), 0, os.SEEK_SET)
    cut = False
    mono: Mono | None = None
    with av.open(source, options={"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}) as container:
        if not container.streams.audio:
            raise Unusable("holds no sound track")
        duration = container.streams.audio[0].duration
        base = container.streams.audio[0].time_base
        announced = float(duration * base) if duration and base else 0.0
        try:
            for rate, block in _frames(container):
                mono = mono or Mono(sink, rate, limit_seconds)
                mono.write(block)
        except av.FFmpegError:
            if mono is None:
                raise
            cut = True
    if mono is None:
        return True
    mono.write(np.zeros((0, 1), np.float32), last=True)
    return cut or mono.seconds < announced - MISSING_SECONDS


def decode(source: BinaryIO, sink: BinaryIO, limit_seconds: float) -> bool:
    """Decode with libsndfile, or with libav what libsndfile doesn't know."""
    import av
    import soundfile

    try:
        return with_soundfile(source, sink, limit_seconds)
    except soundfile.LibsndfileError:
        if sink.tell():
            raise Unusable("damaged audio") from None
    try:
        return with_pyav(source, sink, limit_seconds)
    except (av.FFmpegError, ValueError, EOFError):
        raise Unusable("not an audio file that can be decoded") from None


def _confine(limits: dict[str, float]) -> None:
    """Cap address space and output, after the imports, so that the cap is on what the file costs."""
    import av
    import soundfile  # noqa: F401
    import soxr  # noqa: F401

    av.logging.set_level(av.logging.PANIC)
    with open("/proc/self/statm", "rb") as pages:  # noqa: PTH123
        held = int(pages.read().split()[0]) * resource.getpagesize()
    space = held + int(limits["memory_bytes"])
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    output = int((limits["duration_seconds"] + 60) * RATE * 4)
    resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Run the child; returns the exit status."""
    limits = json.loads(sys.argv[1])
    _confine(limits)
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    sink = os.fdopen(os.dup(1), "wb")
    report: dict[str, object]
    try:
        report = {"truncated": decode(source, sink, limits["duration_seconds"])}
        sink.flush()
    except Unusable as reason:
        report = {"error": str(reason)}
    except OSError as error:
        report = {
            "error": f"no room for the decoded sound ({error.strerror}); free some space, or set TMPDIR"
        }
    except MemoryError:
        report = {"error": f"needs more than {int(limits['memory_bytes']) >> 20} MB to decode"}
    print(json.dumps(report), file=sys.stderr, flush=True)  # noqa: T201
    if "error" in report:
        os._exit(1)  # not to flush to a full disk again, which would print over the report
    return 0


if __name__ == "__main__":
    sys.exit(main())
