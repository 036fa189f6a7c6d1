"""The room's microphone, and which one it really is."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from meetsense.capture import pulse
from meetsense.capture.clock import Clock
from meetsense.capture.condition import Channel
from meetsense.capture.microphone import open_microphone
from meetsense.capture.source import Source, within
from meetsense.errors import CaptureError

SERVERS = ("pulse", "pipewire")
"""PortAudio's names of what a sound server gives; behind them it may change at any time."""
NUMBER = re.compile(r" \(hw:\d+,\d+\)$")
"""Number of a card and a device, which a restart of the machine may change."""
ASK_SECONDS = 1.0
ASK_AGAIN_SECONDS = 0.1
CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Ear:
    """A microphone that is open."""

    source: Source
    device: str
    """What is known of it: the source that the sound server gives, or the card's name."""
    listening: pulse.Listener | None = None
    """Tells which source the sound server gives; None without one."""

    def close(self) -> None:
        """Give it back before anybody records from it; a driver that hangs is left alone."""
        self.hush()
        with suppress(CaptureError):
            within(CLOSE_SECONDS, self.source.close, "closing the microphone")

    def hush(self) -> None:
        """Ask no more which source it is; who records closes the source."""
        if self.listening is not None:
            self.listening.close()


def open_ear(device: str | None, channel: Channel, clock: Clock) -> Ear:
    """Open the microphone. Raises CaptureError, and Stuck when the sound server hangs."""
    source = open_microphone(device, channel, clock)
    listening = pulse.Listener()
    try:
        name = _heard(listening, source.name, clock)
    except CaptureError:
        Ear(source, source.name, listening).close()
        raise
    if name is None and source.name not in SERVERS:
        listening.close()
        return Ear(source, source.name)
    return Ear(source, name or source.name, listening)


def _heard(listening: pulse.Listener, name: str, clock: Clock) -> str | None:
    """The sound server's source; it takes the server a moment to know its new listener."""
    deadline = clock.monotonic() + (ASK_SECONDS if name in SERVERS else 0.0)
    while (heard := listening()) is None and clock.monotonic() < deadline:
        clock.sleep(ASK_AGAIN_SECONDS)
    return heard


def same_device(before: str, now: str) -> bool:
    """Whether it is the same microphone, as far as its name tells.

    >>> same_device("Anker (hw:1,0)", "Anker (hw:2,0)"), same_device("room.monitor", "hall.monitor")
    (True, False)
    """
    return NUMBER.sub("", before) == NUMBER.sub("", now)
