"""Events of the room's calendar begin recordings, through the same gate as people do. Off by default.

An event is begun once: who stops its recording by hand is not recorded again by it, over a restart neither.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from meetsense.capture.clock import Clock
from meetsense.capture.disk import replace
from meetsense.daemon.ending import Why
from meetsense.daemon.occasion import Occasion
from meetsense.daemon.recorder import Recorder
from meetsense.errors import MeetsenseError

if TYPE_CHECKING:
    from meetsense.capture.calendar import Event

LOOK_SECONDS = 5.0
REST = 10
"""After a look at the file the next one waits this many times as long as it took: one that can't be read is
read anew each time.
"""
AGAIN_SECONDS = 60.0
"""An event that may not be recorded is asked about again: somebody may have agreed meanwhile."""
OVER_SECONDS = 60.0
"""After an event's end its recording ends when nobody has spoken for so long."""
LONGEST_TITLE = 200
REMEMBERED = 50
"""Events that are known as begun."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Where the room's events are."""

    file: Path
    room: str
    zone: ZoneInfo | None


class Trigger:
    """Looks at the calendar; give :meth:`run` a thread of its own, as a large file takes a while to read."""

    def __init__(self, calendar: Calendar, recorder: Recorder, memory: Path, clock: Clock) -> None:
        """``memory``: the file that holds what was begun."""
        self._calendar = calendar
        self._recorder = recorder
        self._memory = memory
        self._clock = clock
        self._begun = _remembered(memory)
        self._again: dict[str, float] = {}
        self.pause = LOOK_SECONDS
        """Seconds to the next look."""

    def run(self, ended: threading.Event) -> None:
        """Look every some seconds until the end."""
        while not ended.wait(self.pause):
            try:
                self.look()
            except Exception:
                # A bug here must not end what people begin by hand.
                log.exception("the calendar could not be followed")

    def look(self) -> None:
        """Begin the event that is on, end the one that is over."""
        began = self._clock.monotonic()
        try:
            due = self._due()
        except MeetsenseError as error:
            self._note(f"calendar: {error}")
            return
        finally:
            self.pause = max(LOOK_SECONDS, REST * (self._clock.monotonic() - began))
        if self._recorder.event is not None:
            self._end(self._recorder.event, due)
        if due is not None and self._recorder.recording is None and self._is_new(due):
            self._begin(due)
        else:
            self._note(None)

    def _due(self) -> Event | None:
        from meetsense.capture.calendar import meetings

        calendar = self._calendar
        try:
            ics = calendar.file.read_bytes()
        except OSError as error:
            raise MeetsenseError(f"{calendar.file} can't be read ({error.strerror})") from None
        return meetings(ics, calendar.room, self._clock.wall(), calendar.zone)

    def _is_new(self, event: Event) -> bool:
        """Whether it is on, and was not begun before."""
        return event.start <= self._clock.wall() < event.end and _key(event) not in self._begun

    def _begin(self, event: Event) -> None:
        key, now = _key(event), self._clock.monotonic()
        if now < self._again.get(key, 0.0):
            return
        self._again = {key: now + AGAIN_SECONDS}
        try:
            title = event.title[:LONGEST_TITLE] or None
            self._recorder.start(event.people, title, Occasion(key, event.end))
        except MeetsenseError as error:
            log.warning("the calendar's event is not recorded (%s)", type(error).__name__)
            self._note("calendar: the event that is on is not recorded; meetsense start says why")
            return
        self._note(None)
        self._remember(key)

    def _end(self, held: Occasion, due: Event | None) -> None:
        """Its time is over and nobody speaks, or the room's next event has begun."""
        over = self._clock.wall() >= held.end
        next_one = due is not None and _key(due) != held.key and due.start <= self._clock.wall()
        if over and (next_one or self._recorder.quiet >= OVER_SECONDS):
            with suppress(MeetsenseError):
                self._recorder.stop(Why.EVENT)

    def _remember(self, key: str) -> None:
        self._begun = [*self._begun, key][-REMEMBERED:]
        try:
            replace(self._memory, json.dumps(self._begun).encode())
        except OSError as error:
            log.warning("which events were begun can't be kept (%s)", error.strerror)

    def _note(self, text: str | None) -> None:
        self._recorder.note = text


def _key(event: Event) -> str:
    return f"{event.uid} {event.start.isoformat()}"


def _remembered(memory: Path) -> list[str]:
    with suppress(OSError, ValueError):
        found = json.loads(memory.read_bytes())
        if isinstance(found, list):
            return [str(key) for key in found]
    return []
