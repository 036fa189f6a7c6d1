"""After a crash: what may still go on, and what is finished instead."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from meetsense.capture.clock import Clock
from meetsense.capture.folder import Folder, Manifest, this_boot
from meetsense.capture.recovery import recover
from meetsense.daemon.ending import ENDS, Why, failed, wall_samples, words
from meetsense.daemon.gate import Gate
from meetsense.daemon.mirror import Mirror
from meetsense.daemon.occasion import Occasion, kept
from meetsense.daemon.shelf import Shelf
from meetsense.errors import CaptureError, MeetsenseError
from meetsense.values import Recording, RecordingState

if TYPE_CHECKING:
    from meetsense.store import Store

AGAIN_SECONDS = 10.0
"""After so long, what a crash left is tried again where the disk or the database refuses; then less often."""
LONGEST_PAUSE_SECONDS = 600.0
LOST = "its folder is gone: it was removed, or lies on a disk that is not mounted"
"""Why nothing of a recording is to be analysed, for people."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Waiting:
    """A recording that a crash or a lost microphone interrupted, and that goes on when it can."""

    folder: Folder
    manifest: Manifest
    samples: int
    """What it holds and what is missing, up to the last sound."""
    event: Occasion | None = None
    """The calendar's event that began it."""
    next_try: float = 0.0

    def age(self, clock: Clock) -> float:
        """Seconds since its last sound."""
        elapsed = self.manifest.elapsed(this_boot(), clock.boottime(), clock.wall())
        return elapsed - self.samples / self.manifest.recording.rate


def made_whole(folder: Folder) -> Waiting | None:
    """A recording that was interrupted, made whole; None where that can't be now."""
    try:
        recording = recover(folder, hashes=False)
        return Waiting(folder, folder.manifest(), wall_samples(recording), kept(folder.path))
    except CaptureError as error:
        log.warning("%s: can't be recovered yet (%s)", folder.id, words(error))
        return None


class Adoption:
    """Finishes what was interrupted long ago, and gives the database what it lacks, until that is done."""

    def __init__(
        self,
        shelf: Shelf,
        database: Path,
        gate: Gate,
        mirror: Mirror,
        end: Callable[[Folder, Why], None],
        held: Callable[[], str | None],
    ) -> None:
        """``end`` ends a recording, and raises CaptureError when the disk refuses; ``held`` tells the id of
        the one that is under way.
        """
        self._shelf = shelf
        self._database = database
        self._gate = gate
        self._mirror = mirror
        self._end = end
        self._held = held
        self._closed = threading.Event()
        self.owed = 0
        """So many jobs could not be done yet."""

    def start(self, interrupted: Sequence[Folder]) -> None:
        """Begin, in a thread of its own."""
        threading.Thread(target=self._run, args=(interrupted,), name="recovery", daemon=True).start()

    def close(self) -> None:
        """Try nothing again; what is left is done after the next start."""
        self._closed.set()

    def _run(self, interrupted: Sequence[Folder]) -> None:
        jobs = [partial(self._finish, folder) for folder in interrupted] + [self._mirror_ended]
        pause = AGAIN_SECONDS
        while jobs := [job for job in jobs if not self._done(job)]:
            self.owed = len(jobs)
            if self._closed.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self.owed = 0

    def _done(self, job: Callable[[], None]) -> bool:
        try:
            job()
        except (MeetsenseError, OSError) as error:
            log.warning("what a crash left can't be finished now (%s)", words(error))
            return False
        except Exception:
            # A bug about one recording must not keep the others from their end.
            log.exception("what a crash left can't be finished")
            return False
        return True

    def _finish(self, folder: Folder) -> None:
        recover(folder)
        standing = self._gate.standing(folder.manifest().recording.basis)
        self._end(folder, ENDS.get(standing, Why.CRASH))

    def _mirror_ended(self) -> None:
        """Those that ended and whose rows say otherwise, or that have none."""
        from meetsense.store import Store

        with Store(self._database) as store:
            rows = store.recordings()
            names = tuple(self._shelf.names())  # later: a folder is there before its row
            self._close_lost(store, [row for row in rows if row.id not in names])
        known = {row.id: row.state.value for row in rows}
        refused: CaptureError | None = None
        for name in names:
            if known.get(name, "recording") != "recording" or name == self._held():
                continue
            folder = self._shelf.folder(name)
            try:
                told = folder.ledger()
            except CaptureError as error:
                refused = error
                continue
            if told.end is not None:
                self._mirror.end(folder, failed(told.end.why, told.samples))
        if refused:
            raise refused

    def _close_lost(self, store: Store, lost: Iterable[Recording]) -> None:
        """What was being made and has no folder to tell its end: it ends here."""
        for recording in lost:
            if recording.state is RecordingState.RECORDING:
                store.put_recording(replace(recording, state=RecordingState.FAILED, reason=LOST))
                log.warning("%s: given up (%s)", recording.id, LOST)
