"""Rows and compression, behind the recorder's back: neither a busy database nor a slow one holds sound up.

The folder is the truth. A row that could not be written is written later, from the folder.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder
from meetsense.errors import MeetsenseError, StoreError
from meetsense.values import Gap, Recording, RecordingState, Segment

if TYPE_CHECKING:
    from meetsense.store import Store

Seal = Callable[[Path, Path], None]
Job = Callable[[], None]

NICE = 10
RETRY_SECONDS = 5.0
"""How long after a failure the database is tried again."""
LAST_SECONDS = 6.0
"""How long the last jobs may take when the process ends; what is left is done after the next start."""

log = logging.getLogger(__name__)


class Mirror:
    """One thread that does one thing after the other, in the order of the calls."""

    def __init__(self, database: Path, seal: Seal | None) -> None:
        self._database = database
        self._seal = seal
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._behind: dict[str, Folder] = {}
        """Recordings of which a row is missing."""
        self._owed: list[Job] = []
        """Ends that the database didn't take."""
        self._until = float("inf")
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self.failing = False
        """The database doesn't take what it is given."""
        self._thread.start()

    def begin(self, folder: Folder, recording: Recording) -> None:
        """A recording has begun."""
        self._jobs.put(lambda: self._row(folder, lambda store: store.begin(recording)))

    def segment(self, folder: Folder, segment: Segment) -> None:
        """A segment is closed: its row, then its compression."""
        self._jobs.put(lambda: self._segment(folder, segment))

    def gap(self, folder: Folder, gap: Gap) -> None:
        """A gap stands in the ledger."""
        self._jobs.put(lambda: self._row(folder, lambda store: store.gap(folder.id, gap)))

    def whole(self, folder: Folder) -> None:
        """Segments and gaps of a recording under way are others than before: some of it was forgotten."""
        self._jobs.put(lambda: self._row(folder, lambda store: store.put_recording(folder.read())))

    def end(self, folder: Folder, failed: str | None = None) -> None:
        """A recording has ended: what is still WAV is compressed, then it is queued.

        ``failed``: why nothing of it is to be analysed.
        """
        self._jobs.put(lambda: self._end(folder, failed))

    def close(self) -> None:
        """Do what there is to do, within some seconds."""
        self._until = time.monotonic() + LAST_SECONDS
        self._jobs.put(None)
        self._thread.join(LAST_SECONDS + 1)

    def drain(self) -> None:
        """Wait until everything asked for so far was tried."""
        done = threading.Event()
        self._jobs.put(done.set)
        done.wait()

    def _run(self) -> None:
        with suppress(OSError):  # systemd's filter may forbid it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        ended = False
        while not ended:
            try:
                job = self._jobs.get(timeout=RETRY_SECONDS if self._owed else None)
            except queue.Empty:
                job = self._pay
            ended = job is None
            try:
                (job or self._pay)()
            except Exception:
                # A bug here must not end the rows of every later recording.
                log.exception("a row or a compression failed")

    def _row(self, folder: Folder, write: Callable[[Store], None]) -> None:
        """Write a row, or every row of a recording that is behind."""
        try:
            with self._store() as store:
                if folder.id in self._behind:
                    store.put_recording(folder.read())
                else:
                    write(store)
        except MeetsenseError as error:
            self._fails(error)
            self._behind[folder.id] = folder
            return
        self._behind.pop(folder.id, None)
        self.failing = bool(self._owed)

    def _segment(self, folder: Folder, segment: Segment) -> None:
        self._row(folder, lambda store: store.segment(folder.id, segment))
        smaller = self._compressed(folder, segment)
        if smaller is not None and smaller != segment:
            self._row(folder, lambda store: store.segment(folder.id, smaller))

    def _compressed(self, folder: Folder, segment: Segment) -> Segment | None:
        """The segment as it lies there after compression; None when it is as it was."""
        if not segment.file.endswith(".wav") or time.monotonic() > self._until:
            return None
        try:
            return compress(folder, segment, self._seal)
        except (MeetsenseError, OSError) as error:
            # The WAV stays, whole, and is tried again at the end.
            log.warning(
                "%s: segment %d is not compressed (%s)", folder.id, segment.index, type(error).__name__
            )
            return None

    def _end(self, folder: Folder, failed: str | None) -> None:
        try:
            for segment in folder.read().segments:
                self._compressed(folder, segment)
            recording = folder.read()
            if failed is not None:
                recording = replace(recording, state=RecordingState.FAILED, reason=failed)
            with self._store() as store:
                store.put_recording(recording)
        except MeetsenseError as error:
            self._fails(error)
            self._owed.append(lambda: self._end(folder, failed))
            return
        self._behind.pop(folder.id, None)
        log.info("%s: %s, %d segments", folder.id, recording.state.value, len(recording.segments))

    def _pay(self) -> None:
        owed, self._owed = self._owed, []
        for job in owed:
            job()
        self.failing = bool(self._owed)

    def _fails(self, error: MeetsenseError) -> None:
        if not self.failing:
            kind = "database" if isinstance(error, StoreError) else "folder"
            log.warning("a row is missing for now: the %s refuses", kind)
        self.failing = True

    def _store(self) -> Store:
        from meetsense.store import Store

        return Store(self._database)
