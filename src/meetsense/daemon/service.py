"""The recorder as a process: a lock, a socket, signals, the watchdog."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

from meetsense.capture.clock import SystemClock
from meetsense.daemon.commands import answer
from meetsense.daemon.control import Server
from meetsense.daemon.indicator import PERIOD, Screen
from meetsense.daemon.lock import hold
from meetsense.daemon.notify import Notifier, Watchdog, watchdog_seconds
from meetsense.daemon.recorder import Recorder
from meetsense.daemon.trigger import Calendar, Trigger
from meetsense.store import library

if TYPE_CHECKING:
    from meetsense.config import Settings

TICK_SECONDS = 0.4
"""How often it is looked whether the recording may and can go on."""
M_ARENA_MAX = -8
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


def log_to_stderr() -> None:
    """Ids and counts, for the journal: no title, no name, nothing that was said.

    To a descriptor of its own: where PortAudio hangs, it leaves the first one turned away.
    """
    stream = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    logging.basicConfig(
        stream=stream, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", force=True
    )


def spare_memory() -> None:
    """One heap for all threads, and back to the kernel what reading the configuration took.

    Each thread's own heap (M_ARENA_MAX of mallopt(3)) costs some MB here and makes nothing faster. Where the
    C library isn't GNU's, nothing happens.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and hasattr(library, "malloc_trim"):
        library.mallopt(M_ARENA_MAX, 1)
        gc.collect()
        library.malloc_trim(0)


@contextmanager
def running(
    settings: Settings, *, restarts: bool, screen: Screen | None = None, period: float = PERIOD
) -> Iterator[Recorder]:
    """The one recorder of a state directory, listening on its socket, what was interrupted taken up.

    At the end it is closed. Raises ControlError when another one is running, or the socket can't be made,
    CaptureError when the recordings can't be read.
    """
    with hold(settings.state / "capture.lock", "recorder"):
        library.load()
        recorder = Recorder(settings, restarts=restarts, screen=screen, period=period)
        server = Server(settings.capture.socket, lambda request: answer(recorder, request))
        try:
            with recorder.settling():
                server.start()
                recorder.take_up()
            yield recorder
        finally:
            try:
                recorder.close()
            finally:
                server.close()


def run_capture(settings: Settings) -> None:
    """Record when asked to, until SIGTERM or SIGINT. Raises MeetsenseError when it can't begin."""
    log_to_stderr()
    spare_memory()
    ended = signalled()
    notifier = Notifier()
    clock = SystemClock()
    with running(settings, restarts=True) as recorder:
        if trigger := _trigger(settings, recorder):
            threading.Thread(target=trigger.run, args=(ended,), name="calendar", daemon=True).start()
        watchdog = Watchdog(notifier, watchdog_seconds(), clock)
        notifier.ready()
        log.info("ready")
        told = None
        while not ended.wait(TICK_SECONDS):
            recorder.tick()
            watchdog.feed(recorder.progress())
            told = _tell(notifier, recorder, told)
        notifier.stopping()
        log.info("ending")
    if recorder.hangs:
        leave(0)


def leave(status: int) -> NoReturn:
    """End the process without its libraries: one of them hangs."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


def _tell(notifier: Notifier, recorder: Recorder, told: str | None) -> str:
    state = recorder.state
    if state != told:
        notifier.status(state)
    return state


def _trigger(settings: Settings, recorder: Recorder) -> Trigger | None:
    given = settings.calendar
    if given.file is None:
        return None
    zone = ZoneInfo(settings.room.timezone) if settings.room.timezone else None
    calendar = Calendar(given.file, given.room or settings.room.name, zone)
    return Trigger(calendar, recorder, settings.state / "events.json", SystemClock())


def signalled() -> threading.Event:
    """An event that SIGTERM, SIGINT and SIGHUP set."""
    ended = threading.Event()

    def end(_number: int, _frame: Any) -> None:
        ended.set()

    for number in SIGNALS:
        signal.signal(number, end)
    return ended
