"""Sound that was read and isn't written yet: a queue that is bounded, and counts what it has no room for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meetsense.values import Gap, GapKind


@dataclass(frozen=True, slots=True)
class Item:
    """Frames that came out of one read, kept or only counted."""

    frames: int
    at: float
    """The monotonic clock, when the read returned."""
    samples: NDArray[np.int16] | None
    """Shape (frames, channels); None: left out."""
    why: GapKind = GapKind.OVERFLOW
    """Why they were left out."""
    overflowed: bool = False
    """The device lost frames before these."""
    slept: float = 0.0
    """Seconds that the machine slept before these."""


@dataclass(frozen=True, slots=True)
class Order:
    """Something to do after all that was read before it is written."""

    job: Callable[[], Gap]
    result: Future[Gap]


Entry = Item | Order | None
"""None is the end."""


class Backlog:
    """What the reader has read, in order, for the writer."""

    def __init__(self, frames: int) -> None:
        """Holds so many frames at most."""
        self._limit = frames
        self._held = 0
        self._entries: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._dropping = False
        self._closed: BaseException | None = None
        self.waiting = False
        """Whether the reader waits for room."""

    @property
    def dropping(self) -> bool:
        """Whether frames are being left out for want of room."""
        return self._dropping

    def put(self, item: Item, patient: Callable[[], bool]) -> None:
        """Append frames. While there is no room: wait as long as `patient` says, then count them only.

        Once frames have been left out, all are until half of the room is free again.
        """
        with self._changed:
            if self._dropping and self._held <= self._limit // 2:
                self._dropping = False
            try:
                while not self._dropping and self._full(item.frames):
                    self.waiting = True
                    self._dropping = not patient()
                    self._changed.wait(0.02)
            finally:
                self.waiting = False
            if self._dropping and item.samples is not None:
                item = replace(item, samples=None, why=GapKind.OVERFLOW)
            self._append(item)

    def _full(self, frames: int) -> bool:
        return bool(self._held) and self._held + frames > self._limit and self._closed is None

    def _append(self, item: Item) -> None:
        """One entry for all frames that are left out in a row: they take no room however long it lasts."""
        last = self._entries[-1] if self._entries else None
        plain = item.samples is None and not item.overflowed and not item.slept
        if plain and isinstance(last, Item) and last.samples is None and last.why is item.why:
            self._entries[-1] = replace(last, frames=last.frames + item.frames, at=item.at)
        else:
            self._entries.append(item)
        self._held += item.frames if item.samples is not None else 0
        self._changed.notify_all()

    def order(self, order: Order | None) -> None:
        """Append something to do, or the end; there is always room for it."""
        with self._changed:
            if self._closed is None:
                self._entries.append(order)
            elif order is not None:
                order.result.set_exception(self._closed)
            self._changed.notify_all()

    def get(self) -> Entry:
        """The oldest entry; waits for one."""
        with self._changed:
            while not self._entries:
                self._changed.wait()
            entry = self._entries.popleft()
            if isinstance(entry, Item) and entry.samples is not None:
                self._held -= entry.frames
            self._changed.notify_all()
            return entry

    def close(self, error: BaseException) -> None:
        """Nothing is taken out any more: who waits for an order's result gets the error."""
        with self._changed:
            self._closed = error
            for entry in self._entries:
                if isinstance(entry, Order):
                    entry.result.set_exception(error)
            self._entries.clear()
            self._held = 0
            self._changed.notify_all()
