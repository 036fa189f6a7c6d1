"""What systemd is told: that a daemon is ready, what it does, and that its work gets on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from meetsense.capture.clock import Clock

SHARE = 4
"""The watchdog is fed at most so often in its interval."""


class Notifier:
    """Lines to the service manager; without one they go nowhere."""

    def __init__(self) -> None:
        self._manager: Any = None
        if os.environ.get("NOTIFY_SOCKET"):
            import sdnotify

            self._manager = sdnotify.SystemdNotifier()

    def ready(self) -> None:
        """It has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """What it does, in one line without names."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """It is about to end."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Tell nothing more."""
        manager, self._manager = self._manager, None
        if manager is not None and manager.socket is not None:
            manager.socket.close()

    def _send(self, line: str) -> None:
        if self._manager is not None:
            self._manager.notify(line)


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """The interval in which this process must feed the watchdog, where it must.

    Source: sd_watchdog_enabled(3).
    """
    interval, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not interval.isdigit() or int(interval) == 0 or process not in ("", str(os.getpid())):
        return None
    return int(interval) / 1e6


class Watchdog:
    """Fed by progress alone: a loop that runs proves nothing about the sound."""

    def __init__(self, notifier: Notifier, interval: float | None, clock: Clock) -> None:
        self._notifier = notifier
        self._pause = interval / SHARE if interval else None
        self._clock = clock
        self._progress: object = None
        self._fed = -float("inf")

    def feed(self, progress: object) -> None:
        """A sign of life, if progress is another than at the last one and that is some time ago."""
        if self._pause is None or progress == self._progress:
            return
        now = self._clock.monotonic()
        if now - self._fed >= self._pause:
            self._notifier.alive()
            self._progress, self._fed = progress, now
