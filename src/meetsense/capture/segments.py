"""Sound to a recording's folder: WAV files of at most a minute, on the disk within a second.

What is written goes to the kernel at once: a kill loses nothing of it. Every ``sync_seconds`` of sound it is
made durable: a power cut loses no more than that. Until then it is kept in memory, too. So when the disk
fails to write or to sync, and what the kernel has of it can't be relied on any more, the file is cut back to
what was durable, marked as suspect, and the rest goes into a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from meetsense.capture import disk, ledger, wav
from meetsense.capture.folder import Folder, this_boot
from meetsense.capture.forget import cut
from meetsense.capture.recovery import mend
from meetsense.errors import CaptureError
from meetsense.values import Gap, GapKind, Segment

PIECES = 8
"""A block is cut where a sync is due; while the disk refuses to sync, into so many pieces."""


class _File:
    """A segment that is being written. Its methods raise OSError."""

    def __init__(self, folder: Folder, index: int, rate: int) -> None:
        self.index = index
        self.path = folder.path / f"{index:06d}.wav"
        self.samples = 0
        """Samples in the file."""
        self.synced = 0
        """Samples that are durable."""
        self._rate = rate
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        try:
            self._put_header()
            disk.sync_directory(folder.path)
        except OSError:
            os.close(self._descriptor)
            with suppress(OSError):
                self.path.unlink()
            raise

    def _put_header(self) -> None:
        disk.write_all(self._descriptor, wav.header(self.samples, self._rate), 0)

    def write(self, data: bytes | bytearray) -> None:
        """Append PCM; every reader sees its length afterwards."""
        disk.write_all(self._descriptor, data, wav.HEADER_BYTES + self.samples * wav.SAMPLE_BYTES)
        self.samples += len(data) // wav.SAMPLE_BYTES
        self._put_header()

    def sync(self) -> None:
        """Make what was written durable."""
        os.fdatasync(self._descriptor)
        self.synced = self.samples

    def cut_back(self) -> None:
        """Keep what is durable, and nothing else."""
        self.samples = self.synced
        os.ftruncate(self._descriptor, wav.HEADER_BYTES + self.samples * wav.SAMPLE_BYTES)
        self._put_header()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


def _nobody(segment: Segment) -> None:
    """For whom no segment is of interest."""


class SegmentWriter:
    """Writes one recording. One thread at a time calls it.

    ``closed`` is called with each segment that was closed and hashed; it must not raise, nor take long.
    It goes on behind the segments that a folder has, which were recovered before.

    A method that raises CaptureError has lost nothing that it took: :attr:`position` says what that is. What
    it took and could not write stays in memory, at most ``sync_seconds`` of sound and one block, and is
    written before whatever comes next.
    """

    def __init__(
        self,
        folder: Folder,
        rate: int = 16_000,
        seconds: float = 60.0,
        sync_seconds: float = 1.0,
        closed: Callable[[Segment], None] = _nobody,
    ) -> None:
        self.folder = folder
        self.suspects = 0
        """Files that the disk failed on. When there are any, recover the folder after the end."""
        self._rate = rate
        self._longest = min(max(1, round(seconds * rate)), wav.LONGEST)
        self._sync_bytes = max(1, round(sync_seconds * rate)) * wav.SAMPLE_BYTES
        self._closed = closed
        self._piece = max(1, self._sync_bytes // wav.SAMPLE_BYTES // PIECES)
        self._begun = False
        self._index = folder.next_index()
        self._synced = folder.ledger().samples
        self._unsynced = bytearray()
        self._file: _File | None = None

    @property
    def synced(self) -> int:
        """Samples of the recording that are known to be on the disk."""
        return self._synced

    @property
    def position(self) -> int:
        """Samples of the recording: what was there before, and what was taken."""
        return self._synced + len(self._unsynced) // wav.SAMPLE_BYTES

    @property
    def is_open(self) -> bool:
        """Whether a segment isn't closed."""
        return self._file is not None

    def write(self, samples: NDArray[np.int16]) -> None:
        """Take samples, int16 (n,).

        Raises CaptureError; the part behind :attr:`position` isn't taken then, and may be written again.
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise ValueError(f"samples are int16 of shape (n,), not {samples.dtype} of {samples.shape}")
        start = 0
        while start < len(samples):
            room = (self._sync_bytes - len(self._unsynced)) // wav.SAMPLE_BYTES
            piece = samples[start : start + min(self._longest, room if room > 0 else self._piece)]
            self._take(piece.astype("<i2", copy=False).tobytes())
            start += len(piece)

    def _take(self, data: bytes) -> None:
        self._try(lambda: self._store(data))
        self._unsynced += data
        if len(self._unsynced) >= self._sync_bytes:
            self.sync()

    def sync(self) -> None:
        """Make everything durable that was taken. Call it when no sound will come for a while.

        Raises CaptureError.
        """
        if self._unsynced:
            self._try(self._sync)

    def gap(self, kind: GapKind, samples: int, position: int | None = None) -> Gap:
        """Add a gap at the present position, or at an earlier one, behind durable sound.

        Raises CaptureError when the ledger can't be written; the gap counts nevertheless, and is written with
        the next line.
        """
        with suppress(CaptureError):  # the sound is kept, and whoever writes next is told
            self.sync()
        gap = Gap(kind, self.position if position is None else position, samples)
        self.folder.append(gap)
        return gap

    def forget(self, samples_from: int) -> Gap:
        """Remove what was recorded from a position on, and go on in a new file.

        Returns the gap, which may begin earlier (:func:`.forget.cut`). Raises CaptureError when the disk
        refuses; call it again then.
        """
        stop = self.position
        with suppress(CaptureError):  # what can't be closed is forgotten, too
            self.close()
        if self.suspects:
            mend(self.folder)  # positions are those of segments that the ledger knows
        try:
            return cut(self.folder, min(samples_from, self._synced), stop)
        finally:  # refused or not, the ledger says from where on nothing counts any more
            self._unsynced.clear()
            self._synced = self.folder.ledger().samples

    def forget_last(self, seconds: float) -> Gap:
        """Remove the last seconds of wall time. Raises what :meth:`forget` raises."""
        told = self.folder.ledger()
        return self.forget(ledger.position_before(self.position, told.gaps, round(seconds * self._rate)))

    def close(self) -> None:
        """Close the segment; another write begins a new one. Raises CaptureError."""
        self.sync()
        if self._file is not None:
            self._try(self._finish)

    def _try(self, step: Callable[[], None]) -> None:
        """Do a step; where the disk fails on a file, once more with a new one. Raises CaptureError."""
        try:
            step()
        except OSError as error:
            self._abandon(error)
            if error.errno in disk.NO_ROOM:
                raise CaptureError(disk.complaint(self.folder.id, error)) from None
            try:
                step()
            except OSError as again:
                self._abandon(again)
                raise CaptureError(disk.complaint(self.folder.id, again)) from None

    def _opened(self) -> _File:
        """The file to write to, with what was taken and isn't durable in it."""
        if self._file is None:
            self._begin()
            self._index += 1
            self._file = _File(self.folder, self._index - 1, self._rate)
            if self._unsynced:
                self._file.write(self._unsynced)
        return self._file

    def _begin(self) -> None:
        """Say in which boot this run is, and what a power cut may tear. Raises CaptureError."""
        if not self._begun:
            self._begun = True
            unsynced = self._sync_bytes // wav.SAMPLE_BYTES + self._piece
            self.folder.add(run={"boot": this_boot(), "unsynced": unsynced})

    def _store(self, data: bytes) -> None:
        file = self._opened()
        if file.samples and file.samples + len(data) // wav.SAMPLE_BYTES > self._longest:
            self._finish()
            file = self._opened()
        file.write(data)

    def _sync(self) -> None:
        self._opened().sync()
        self._synced = self.position
        self._unsynced.clear()

    def _finish(self) -> None:
        """Close the present segment, durable to its last sample."""
        file = self._file
        if file is None:
            return
        if self._unsynced:
            self._sync()
        self._file = None
        file.close()
        self._tell(file)

    def _tell(self, file: _File) -> None:
        try:
            digest = disk.sha256_of(file.path)
        except OSError as error:
            self._suspect(file, error)
            return
        segment = Segment(file.index, file.path.name, file.samples, digest)
        try:
            self.folder.add(segment=ledger.shape_of(segment))
        finally:
            self._closed(segment)

    def _abandon(self, error: OSError) -> None:
        """Leave a file that the disk failed on, with what was durable in it."""
        file, self._file = self._file, None
        if file is None:
            return
        if error.errno not in disk.NO_ROOM | disk.TOO_LARGE:
            self._suspect(file, error)
        try:
            file.cut_back()
            with suppress(OSError):
                file.sync()
            if file.samples == 0:
                file.path.unlink()
            else:
                with suppress(CaptureError):
                    self._tell(file)
        except OSError as another:
            self._suspect(file, another)
        finally:
            file.close()

    def _suspect(self, file: _File, error: OSError) -> None:
        """Say how much of a file is to be believed; recovery cuts it to that."""
        self.suspects += 1
        with suppress(CaptureError):  # it waits for the next line
            self.folder.add(
                suspect={"index": file.index, "samples": file.synced, "why": error.strerror or str(error)}
            )
