"""Forgetting a part of what is not being recorded any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from meetsense.capture.clock import Clock
from meetsense.capture.folder import MANIFEST, Folder
from meetsense.capture.forget import forget
from meetsense.capture.recovery import recover
from meetsense.daemon.ending import row_of, wall_samples
from meetsense.daemon.interrupted import Waiting
from meetsense.daemon.mirror import Mirror
from meetsense.errors import CaptureError, ControlError
from meetsense.values import Gap


class TooOld(ControlError):
    """A recording that ended before the time that is to be forgotten."""


class Analysed(ControlError):
    """A recording of which nothing can be forgotten any more."""


@dataclass(frozen=True, slots=True)
class Lately:
    """What became of recordings that have ended."""

    found: int
    """How many of them had sound in that time."""
    seconds: float
    """Removed from them."""
    refused: str | None
    """Why not all of it was; the first reason."""


def forget_lately(
    folders: Iterable[Folder], seconds: float, clock: Clock, database: Path, mirror: Mirror
) -> Lately:
    """Remove the last seconds before now of recordings that have ended, the latest first.

    What the disk refuses of one keeps nothing from the others. Raises StoreError.
    """
    found, removed, refused = 0, 0.0, None
    for folder in folders:
        if not (folder.path / MANIFEST).exists():
            continue
        try:
            gap = forget_ended(folder, seconds, clock, database, mirror)
            removed += gap.samples / folder.manifest().recording.rate
        except TooOld:
            break  # and so are those before it
        except (Analysed, CaptureError) as error:
            refused = refused or str(error)
        found += 1
    return Lately(found, removed, refused)


def forget_ended(folder: Folder, seconds: float, clock: Clock, database: Path, mirror: Mirror) -> Gap:
    """Remove the last seconds before now of a recording that has ended, or that a crash ended.

    An analysis that was begun is void, and begins anew. Raises TooOld, Analysed, CaptureError, StoreError.
    """
    from meetsense.store import Store

    mirror.drain()
    with Store(database) as store, folder.work:
        _back(folder, seconds, clock)
        states = {recording.id: recording.state.value for recording in store.recordings()}
        state = states.get(folder.id)
        if state == "done":
            raise Analysed(f"{folder.id} is analysed already; nothing of it was forgotten")
        if state in ("queued", "processing"):
            store.fail(folder.id, "somebody is forgetting a part of it")
        try:
            return forget_back(folder, seconds, clock)
        finally:
            store.put_recording(row_of(folder))
            if state in ("queued", "processing"):
                store.requeue(folder.id)


def forget_back(folder: Folder, seconds: float, clock: Clock) -> Gap:
    """Remove the last seconds before now of a recording that is not under way.

    Raises TooOld, CaptureError.
    """
    return forget(folder, _back(folder, seconds, clock))


def _back(folder: Folder, seconds: float, clock: Clock) -> float:
    """How many of the last seconds before now lie in a recording, counted from its end.

    Raises TooOld, CaptureError.
    """
    if folder.ledger().end is None:
        recover(folder, hashes=False)  # the ledger doesn't know yet what a crash left in the last segment
    waiting = Waiting(folder, folder.manifest(), wall_samples(folder.read()))
    back = seconds - max(0.0, waiting.age(clock))
    if back <= 0:
        raise TooOld(f"nothing was recorded in the last {seconds:.0f} s")
    return back
