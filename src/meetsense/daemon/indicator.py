"""What shows people in the room that they are recorded. If it can't show, nothing is recorded.

It shows what the capture loop does, not what somebody asked for: each second it asks for the state anew.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meetsense.capture.clock import Clock
from meetsense.capture.source import within
from meetsense.errors import CaptureError

if TYPE_CHECKING:
    from meetsense.config.sections import CaptureSettings

Shown = Mapping[str, Any]
"""What is shown: at least ``state``, and ``at``, the time of the look."""
PERIOD = 1.0
"""Seconds from one look to the next."""
LATE = 3.5
"""Seconds after which what is shown is no longer believed."""
ASKED = 0.5
"""Seconds, at most, that count between two questions."""
GRACE = 2.0
"""Seconds that a command has to end once its input is closed."""
FOREIGN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What the service manager told the recorder alone."""


STATUS = "status.json"
"""Name of the status file beside the socket, where the configuration names none."""
UNKNOWN = "unknown"
"""The state in a status file that nobody keeps any more."""


def status_path(capture: CaptureSettings) -> Path:
    """Where the recorder's status file is."""
    return capture.status_file or capture.socket.with_name(STATUS)


def read_status(path: Path, now: datetime) -> dict[str, Any] | None:
    """What a status file shows, for who has nothing but the file; None where there is none to be read.

    ``now``: UTC-aware. One whose recorder was killed is still there, and is not to be believed: its ``state``
    is UNKNOWN then, and ``before`` is what it says.
    """
    try:
        shown = json.loads(path.read_bytes())
        state, at, process = str(shown["state"]), datetime.fromisoformat(shown["at"]), int(shown["process"])
        age = abs((now - at).total_seconds())
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if age <= LATE and _runs(process):
        return dict(shown)
    return {**shown, "state": UNKNOWN, "before": state}


def _runs(process: int) -> bool:
    """Whether there is a process of this number, perhaps another user's."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


class StatusFile:
    """A file that always holds one whole state with the time it was seen at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(f".{path.name}.new")

    def show(self, shown: Shown) -> None:
        """Replace the file. Raises CaptureError.

        Everybody who may enter the directory may read it: it holds no name and no title.
        """
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(self._next, flags, 0o644), "w", encoding="ascii") as file:
                file.write(json.dumps(shown) + "\n")
            self._next.replace(self._path)
        except OSError as error:
            raise CaptureError(f"{self._path}: the state can't be shown there ({error.strerror})") from None


class Lamp:
    """A command that runs while there is a recording, such as one that switches a light.

    It reads a line with the state's name each second, ``recording`` or ``paused``, if it wants to; the end of
    its input tells it to end. That it runs is all that is known of it: one that hangs, or whose light is
    broken, is not noticed. A command that can tell whether its light is on ends when it isn't.
    """

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)
        self._process: subprocess.Popen[bytes] | None = None

    def light(self) -> None:
        """Start the command, if it doesn't run. Raises CaptureError."""
        if self._process is not None and self._process.poll() is None:
            return
        environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the owner's own command, from the configuration
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment,
                process_group=0,
            )
        except (OSError, IndexError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise CaptureError(f"the indicator's command can't be started ({why})") from None
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)

    def show(self, shown: Shown) -> None:
        """Tell it the state. Raises CaptureError when the command has ended."""
        if self._process is None:
            return
        if (status := self._process.poll()) is not None:
            raise CaptureError(f"the indicator's command ended (status {status})")
        # A full pipe is no fault: a command needn't read.
        with suppress(OSError):
            os.write(self._process.stdin.fileno(), f"{shown['state']}\n".encode())  # type: ignore[union-attr]

    def quench(self) -> None:
        """End the command: by the end of its input, else by a signal."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number:
                _signal(process, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
                return

    def kill(self) -> None:
        """End the command without a wait."""
        if self._process is not None and self._process.poll() is None:
            _signal(self._process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To a command and what it started."""
    with suppress(OSError):
        os.killpg(process.pid, number)


Screen = Callable[[Shown], None]
"""Shows the state on a terminal. Raises OSError when it can't."""


class Indicator:
    """Status file, command and screen, looked after in a thread of their own."""

    def __init__(
        self,
        status_file: Path | None,
        command: str | None,
        state: Callable[[], Shown],
        clock: Clock,
        *,
        screen: Screen | None = None,
        period: float = PERIOD,
    ) -> None:
        """``period``: seconds from one look to the next."""
        self._file = StatusFile(status_file) if status_file else None
        self._lamp = Lamp(command) if command else None
        self._screen = screen
        self._period = period
        self._state = state
        self._clock = clock
        self._shows = 0
        self.failure: str | None = None
        """Why the last look could not be shown."""
        self._seen = (0, clock.monotonic())
        self._age = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="indicator", daemon=True)

    def start(self) -> None:
        """Show the state from now on, each second."""
        self._thread.start()

    def begin(self) -> None:
        """Show that a recording is about to begin. Raises CaptureError when that can't be shown."""
        if not (self._file or self._lamp or self._screen):
            raise CaptureError(
                "nothing shows people that they are recorded; set capture.status_file or capture.indicator, "
                "or record in a terminal"
            )
        within(LATE, self._begin, "the indicator")

    def _begin(self) -> None:
        with self._lock:
            try:
                if self._lamp:
                    self._lamp.light()
                self._show()
            except CaptureError:
                self._quench()
                raise

    def finish(self) -> None:
        """The recording is over."""
        with suppress(CaptureError):
            within(2 * GRACE + ASKED, self._finish, "the indicator")

    def _finish(self) -> None:
        with self._lock:
            self._quench()
            with suppress(CaptureError):
                self._show()

    def trouble(self) -> str | None:
        """Why people can't see the state, or None when they can. To be asked several times a second.

        Time in which nobody asked counts little: a process that was stopped for a minute hasn't been blind.
        """
        shows, asked = self._seen
        now = self._clock.monotonic()
        self._age = self._age + min(now - asked, ASKED) if shows == self._shows else 0.0
        self._seen = (self._shows, now)
        if self.failure is None and self._age > LATE:
            return "the indicator hangs"
        return self.failure

    def abandon(self) -> None:
        """The process ends at once: show it if that is quick, and end the command."""
        with suppress(CaptureError):
            within(ASKED, self._finish, "the indicator")
        if self._lamp:
            self._lamp.kill()

    def close(self) -> None:
        """Show the state a last time, and no more."""
        self._ended.set()
        self.finish()

    def _quench(self) -> None:
        if self._lamp:
            self._lamp.quench()

    def _show(self) -> None:
        shown = self._state()
        try:
            if self._file:
                self._file.show(shown)
            if self._lamp:
                self._lamp.show(shown)
            if self._screen:
                self._screen(shown)
        except (CaptureError, OSError) as error:
            self.failure = str(error) if isinstance(error, CaptureError) else "the terminal is gone"
            raise CaptureError(self.failure) from None
        self.failure = None
        self._shows += 1

    def _run(self) -> None:
        while not self._ended.wait(self._period):
            with self._lock, suppress(CaptureError):
                self._show()
