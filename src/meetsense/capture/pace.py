"""A device's frames against the monotonic clock: how many were lost, and how far its clock has drifted.

A read returns when its frames are there or later, never earlier. So the smallest lateness of some blocks is
what the device's clock says, and what lies above it is the machine being slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SETTLE_SECONDS = 2.0
"""After the start, the earliest block sets what counts as on time."""
WINDOW_SECONDS = 5.0
"""The earliest block of so long says how late the device is; what is late for so long was lost."""
LOSS_SECONDS = 0.03
"""So much in a window is a loss: a clock would have to be 6,000 parts in a million off."""
DEAD_SECONDS = 0.005
"""Drift below it is left alone."""
CAUGHT_UP_BLOCKS = 10
"""After an overflow the reader has caught up when so many blocks in a row were no less late."""
LESS_SECONDS = 0.001
"""Less late than that is no less late."""
SURE_SECONDS = 1.0
"""At the end, what was late for so long was lost."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Frames that the device gave and nobody read."""

    frames: int
    position: int
    """Samples that the recording held before it."""


@dataclass(slots=True)
class _Suspect:
    """Blocks that came late: of a loss, or of a machine that will catch up."""

    position: int
    began: float
    told: bool
    """The device said so."""
    least: float = math.inf
    """The smallest lateness since, in frames."""
    blocks: int = 0
    """Since it became less late."""
    measuring: bool = False
    """Whether the second half of the window has begun, which counts: the rate may be a wrong one."""


class Pace:
    """Counts frames of a source of a rate against the clock."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frames = 0.0
        """Received, known as lost, or slipped in."""
        self._due = math.inf
        """Lateness of a block that is on time."""
        self._began: float | None = None
        self._drift = 0.0
        """Lateness that is the device's clock's, as last measured."""
        self._window = math.inf
        self._window_ends = 0.0
        self._suspect: _Suspect | None = None

    @property
    def drift(self) -> float:
        """Frames by which the sound is shorter than the clock (less than 0: longer); 0 while it is small."""
        return self._drift if abs(self._drift) > DEAD_SECONDS * self._rate else 0.0

    def slipped(self, frames: float) -> None:
        """Frames were repeated (less than 0: left out), so that the sound follows the clock."""
        self._drift -= frames
        self._account(frames)

    def take(self, frames: int, at: float, position: int, *, overflowed: bool = False) -> Loss | None:
        """Frames came at a time in seconds, when the recording held `position` samples.

        Returns a loss when it has become certain, of these frames or of earlier ones.
        """
        if self._began is None:
            self._began, self._window_ends = at, at + WINDOW_SECONDS
        self._frames += frames
        late = at * self._rate - self._frames
        settling = at - self._began < SETTLE_SECONDS and not (overflowed or self._suspect)
        if settling or math.isinf(self._due):
            self._due = min(self._due, late)
        late -= self._due
        earlier = self._told(position, at) if overflowed else None
        return earlier or self._judge(late, at, position, settling=settling)

    def finish(self, at: float) -> Loss | None:
        """What is lost for certain, at the end."""
        suspect = self._suspect
        if suspect and (suspect.told or at - suspect.began >= SURE_SECONDS):
            return self._lost(suspect)
        return None

    def _told(self, position: int, at: float) -> Loss | None:
        """An overflow begins; returns one before it that was still being measured."""
        suspect, self._suspect = self._suspect, None
        loss = self._lost(suspect) if suspect and suspect.told else None
        self._suspect = _Suspect(position, at, told=True)
        return loss

    def _judge(self, late: float, at: float, position: int, *, settling: bool) -> Loss | None:
        beyond = late - self._drift > LOSS_SECONDS * self._rate and not settling
        suspect = self._suspect
        if suspect is None and beyond:
            suspect = self._suspect = _Suspect(position, at, told=False)
        if suspect is None or not (beyond or suspect.told):
            self._suspect = None
            self._measure_drift(late, at)
            return None
        if not (suspect.told or suspect.measuring) and at - suspect.began >= WINDOW_SECONDS / 2:
            suspect.least, suspect.measuring = math.inf, True
        suspect.blocks = 0 if late < suspect.least - LESS_SECONDS * self._rate else suspect.blocks + 1
        suspect.least = min(suspect.least, late)
        certain = suspect.blocks >= CAUGHT_UP_BLOCKS if suspect.told else at - suspect.began >= WINDOW_SECONDS
        return self._lost(suspect) if certain else None

    def _lost(self, suspect: _Suspect) -> Loss | None:
        self._suspect = None
        frames = 0 if math.isinf(suspect.least) else round(suspect.least - self._drift)
        if frames <= 0:
            return None
        self._frames += frames
        return Loss(frames, suspect.position)

    def _measure_drift(self, late: float, at: float) -> None:
        self._window = min(self._window, late)
        if at >= self._window_ends:
            self._drift = self._window
            self._window, self._window_ends = math.inf, at + WINDOW_SECONDS

    def _account(self, frames: float) -> None:
        self._frames += frames
        self._window -= frames
