"""A microphone through PortAudio, by blocking reads.

Callbacks need memory that is writable and executable at once, which MemoryDenyWriteExecute= forbids; reads
don't. PortAudio's list of devices is frozen when it is loaded, and anything in it may hang when a sound
server does: so devices are listed by a process that lives for a moment, and opening has a deadline.
"""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meetsense.capture.clock import Clock, SystemClock
from meetsense.capture.condition import Channel
from meetsense.capture.quiet import quiet, silence_alsa
from meetsense.capture.source import Block, Stuck, within
from meetsense.errors import CaptureError, in_one_line
from meetsense.values import SAMPLE_RATE

BLOCK_SECONDS = 0.1
MORE_BLOCKS = 4
"""So many more are read at once when they are there already. A device gives a period of its own at a time,
0.3 s where PortAudio can choose: block by block, the same sound costs the process a fifth more. Periods of
0.1 s cost half as much again; what lies in the device when the process is killed is of the gap after it."""
BUFFER_SECONDS = 1.0
"""What the device holds while nobody reads."""
OPEN_SECONDS = 8.0
LIST_SECONDS = 10.0
RATES = (SAMPLE_RATE, 48_000, 44_100, 32_000, 96_000)
"""In this order; then the device's own."""
MOST_CHANNELS = 8
"""A device that claims more is none: a plug-in that makes as many of one as are asked for."""
CARDS = Path("/proc/asound")
ALSA = Path("/usr/share/alsa/alsa.conf")
OURS = Path(__file__).parent / "alsa"


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone that could be opened."""

    name: str
    channels: int
    rate: float
    """Its own, in Hz."""
    default: bool


class Microphone:
    """A stream that is open. A :class:`~meetsense.capture.source.Source`."""

    def __init__(self, stream: Any, name: str, rate: int, channels: int, clock: Clock) -> None:
        self.name, self.rate, self.channels = name, rate, channels
        self._stream = stream
        self._clock = clock
        self._frames = round(rate * BLOCK_SECONDS)

    def read(self) -> Block:
        """Wait for a tenth of a second of frames; what is there behind them comes with them, in whole tenths.

        Raises CaptureError when the device is lost.
        """
        import sounddevice

        try:
            data, overflowed = self._stream.read(self._frames)
            if more := self._more():
                rest, again = self._stream.read(more)
                data, overflowed = b"".join((data, rest)), overflowed or again
        except sounddevice.PortAudioError as error:
            raise CaptureError(f"{self.name} was lost ({_reason(error)}); connect it again") from None
        samples = np.frombuffer(data, np.int16).reshape(-1, self.channels)
        return Block(samples, bool(overflowed), self._clock.monotonic())

    def _more(self) -> int:
        """Frames of the whole blocks that a read gives at once. A fault is the next read's to tell."""
        import sounddevice

        with suppress(sounddevice.PortAudioError):
            return min(int(self._stream.read_available) // self._frames, MORE_BLOCKS) * self._frames
        return 0

    def close(self) -> None:
        """Give the device back; hangs where the sound server does. Raises CaptureError."""
        import sounddevice

        try:
            self._stream.abort(ignore_errors=False)
            self._stream.close(ignore_errors=False)
        except sounddevice.PortAudioError as error:
            raise CaptureError(f"{self.name} could not be closed ({_reason(error)})") from None


def open_microphone(
    device: str | None = None, channel: Channel = "mix", clock: Clock | None = None, *, cards: Path = CARDS
) -> Microphone:
    """Open a device at a rate it has, and start it.

    `device` is a name as `list_devices` gives it, a part of it that no other has, the id of an ALSA card
    (which stays when numbers change), or None for the system's default. Raises CaptureError, and Stuck
    when the sound server doesn't answer.
    """
    return within(
        OPEN_SECONDS, lambda: _open(device, channel, clock or SystemClock(), cards), "opening the microphone"
    )


def _open(device: str | None, channel: Channel, clock: Clock, cards: Path) -> Microphone:
    sounddevice = _portaudio()
    try:
        with quiet():
            return _opened(sounddevice, device, channel, clock, cards)
    except sounddevice.PortAudioError as error:
        raise CaptureError(f"the sound system fails ({_reason(error)}); check it, or begin again") from None


def _opened(sounddevice: Any, device: str | None, channel: Channel, clock: Clock, cards: Path) -> Microphone:
    found = _find(sounddevice.query_devices(), device, cards, _default(sounddevice))
    info = sounddevice.query_devices(found)
    name, channels = info["name"], _channels(info["max_input_channels"], channel, info["name"])
    failure, advice = "it has no rate that is known", "take another one"
    for rate in dict.fromkeys((*RATES, round(info["default_samplerate"]))):
        try:
            stream = sounddevice.RawInputStream(
                device=found,
                samplerate=rate,
                channels=channels,
                dtype="int16",
                blocksize=round(rate * BLOCK_SECONDS),
                latency=BUFFER_SECONDS,
            )
            _start(sounddevice, stream)
        except sounddevice.PortAudioError as error:
            reason = _reason(error)
            if "sample rate" not in reason:
                failure, advice = reason, _advice(error)
            continue
        return Microphone(stream, name, rate, channels, clock)
    raise CaptureError(f"{name} can't be opened ({failure}); {advice}")


def _start(sounddevice: Any, stream: Any) -> None:
    """Start a stream; one that doesn't start is closed, or the device is in use by ourselves."""
    try:
        stream.start()
    except sounddevice.PortAudioError:
        stream.close()
        raise


def _portaudio() -> Any:
    """The library, with the devices that are there now. Raises CaptureError when it isn't installed."""
    fresh = "sounddevice" not in sys.modules
    if fresh:
        os.environ.update(without_codecs(os.environ))
        silence_alsa()
    try:
        import sounddevice
    except OSError:
        raise CaptureError("PortAudio is missing; install it (Debian: apt install libportaudio2)") from None
    if not fresh:
        sounddevice._terminate()
        sounddevice._initialize()
    return sounddevice


def without_codecs(environment: Mapping[str, str], alsa: Path = ALSA) -> dict[str, str]:
    """Variables with which ALSA loads no video library; none where its configuration isn't as it comes.

    PortAudio tries every plug-in of ALSA that there is, and one of libasound2-plugins loads libavcodec:
    14 MB, and much that has no place in a recorder. The system's and the user's own devices stay as they are.
    """
    try:
        loads = re.match(r"(?s).*?^@hooks \[(.*?)^\]", alsa.read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return {}
    simple = loads is not None and len(re.findall(r"^\s*func load$", loads[1], re.MULTILINE)) == 1
    if not simple or "ALSA_CONFIG_PATH" in environment or ":" in str(OURS):
        return {}
    return {"ALSA_CONFIG_PATH": f"{alsa}:{OURS / 'load.conf'}", "ALSA_WITHOUT_CODECS": str(OURS)}


def _default(sounddevice: Any) -> int | None:
    """Index of the system's default input; None when it has none."""
    index = sounddevice.default.device[0]
    if index < 0:
        with suppress(sounddevice.PortAudioError):
            index = sounddevice.query_hostapis(0)["default_input_device"]
    return index if index >= 0 else None


def _find(found: Sequence[Mapping[str, Any]], device: str | None, cards: Path, default: int | None) -> int:
    """Index of the device that is meant. Raises CaptureError that names the candidates."""
    inputs = [index for index, info in enumerate(found) if info["max_input_channels"] > 0]
    names = {index: str(found[index]["name"]) for index in inputs}
    if device is None and default in names:
        return int(default or 0)
    wanted = "" if device is None else _by_card(device, cards)
    exact = [index for index in inputs if names[index] == wanted]
    close = exact or [index for index in inputs if wanted.casefold() in names[index].casefold()]
    if len(close) == 1:
        return close[0]
    if not inputs:
        raise CaptureError("there is no microphone; connect one, and see that the sound server runs")
    listed = ", ".join(repr(names[index]) for index in close or inputs)
    if device is None:
        raise CaptureError(f"there is no default microphone; name one of: {listed}")
    what = "more than one microphone is called" if close else "no microphone is called"
    raise CaptureError(f"{what} {device!r}; there are: {listed}")


def _by_card(device: str, cards: Path) -> str:
    """The part of a device's name that tells the number of the ALSA card with this id; else the name."""
    card = cards / device
    if "/" not in device and card.is_symlink():
        return f"(hw:{card.readlink().name.removeprefix('card')},"
    return device


def _channels(most: int, channel: Channel, name: str) -> int:
    """How many to open. Raises CaptureError for a channel that the device lacks."""
    if channel == "mix":
        return most if most <= MOST_CHANNELS else 1
    if not 1 <= channel <= most:
        raise CaptureError(f"{name} has no channel {channel}; it has {most}, the first is 1")
    return channel if most > MOST_CHANNELS else most


def _advice(error: Exception) -> str:
    """What to do about a device that can't be opened: one in use is seldom told from one that is gone."""
    host = _host_error(error)
    if host and host[0] == -errno.EBUSY:
        return "end the program that uses it"
    return "connect a microphone, or end the program that uses it"


def _host_error(error: Exception) -> tuple[int, str] | None:
    """The sound system's own number and words, where PortAudio passes them on."""
    host = error.args[2] if len(error.args) > 2 else None
    return (int(host[1]), str(host[2])) if isinstance(host, tuple) and len(host) == 3 else None


def _reason(error: Exception) -> str:
    """PortAudio's own words, or those that it passes on, without what it was doing and the numbers."""
    if (host := _host_error(error)) and host[1]:
        return host[1]
    text = str(error.args[0] if error.args else error).partition(" [")[0]
    return re.sub(r"^Error \w+ \w+: ", "", text)


def list_devices() -> tuple[Device, ...]:
    """The microphones that are there now, as a process sees them that has just begun.

    Raises CaptureError, and Stuck when the sound server doesn't answer.
    """
    command = [sys.executable, "-P", "-m", "meetsense.capture.microphone"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIST_SECONDS, check=True)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Stuck("listing the microphones hangs; restart the sound server") from None
    except subprocess.CalledProcessError as error:
        raise CaptureError(error.stderr.decode(errors="replace").strip().rpartition("\n")[2]) from None
    return tuple(Device(**fields) for fields in json.loads(done.stdout))


def main() -> int:
    """Print the microphones as JSON; returns the exit status."""
    try:
        sounddevice = _portaudio()
        default = _default(sounddevice)
        found = [
            Device(info["name"], info["max_input_channels"], info["default_samplerate"], index == default)
            for index, info in enumerate(sounddevice.query_devices())
            if info["max_input_channels"] > 0
        ]
    except CaptureError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception as error:
        sys.stderr.write(f"{in_one_line(error)}\n")
        raise
    sys.stdout.write(json.dumps([asdict(device) for device in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
