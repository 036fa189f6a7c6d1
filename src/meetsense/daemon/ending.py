"""Why a recording ended, and what that means for it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from meetsense.capture.folder import Folder
from meetsense.daemon.gate import Standing
from meetsense.errors import CaptureError
from meetsense.values import Recording, RecordingState


class Why(StrEnum):
    """Why a recording ended, as its ledger says it."""

    STOPPED = "stopped"
    """Somebody asked for it."""
    SILENCE = "silence"
    """Nobody spoke for long."""
    LONGEST = "longest"
    """It reached the hard maximum."""
    EVENT = "event"
    """The event in the calendar that began it is over."""
    SHUTDOWN = "shutdown"
    INDICATOR = "indicator"
    """People could not see any more that they were recorded."""
    CONSENT = "consent"
    """Somebody present took their consent back; its sound was removed."""
    BASIS = "basis"
    """What allowed it was not there any more; its sound is kept, and not analysed."""
    LOST = "lost"
    """The microphone did not come back."""
    CRASH = "crash"
    """The recorder ended without a word, and began again too late to go on."""


ENDS = {Standing.REFUSED: Why.CONSENT, Standing.GONE: Why.BASIS}
"""What a basis that doesn't hold ends a recording with."""


def failed(why: str, samples: int) -> str | None:
    """Why nothing of a recording is to be analysed, for people."""
    if why == Why.CONSENT:
        return "somebody withdrew their consent while it was recorded; its sound was removed"
    if why == Why.BASIS:
        return "what allowed it (everybody's consent, or the policy) can't be found any more"
    return None if samples else "it holds no sound"


def row_of(folder: Folder) -> Recording:
    """A recording as the database is to have it where it has no row yet. Raises CaptureError."""
    recording, end = folder.read(), folder.ledger().end
    reason = failed(end.why, recording.samples) if end else None
    return recording if reason is None else replace(recording, state=RecordingState.FAILED, reason=reason)


def wall_samples(recording: Recording) -> int:
    """Samples of wall time up to its end."""
    return recording.samples + sum(gap.missing for gap in recording.gaps)


def words(error: BaseException) -> str:
    """An error for the log: what is said of microphones and disks names no people; other errors may."""
    return str(error) if isinstance(error, CaptureError) else type(error).__name__
