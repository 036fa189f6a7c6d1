"""A recording's folder: the truth about it. The database mirrors it.

``recording.json`` says what is recorded and why it may be; it is on the disk before any sound is.
``ledger.jsonl`` says what happened, a line each, and holds a second copy of the first (:mod:`.ledger`).
``000000.wav``, ``000001.wav`` … hold the sound. The folder is 0700, its files 0600.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from meetsense.capture import disk, ledger
from meetsense.errors import CaptureError
from meetsense.values import Basis, BasisKind, Gap, Recording, RecordingState

MANIFEST = "recording.json"
LEDGER = "ledger.jsonl"
ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*\Z", re.ASCII)


def new_id(started_at: datetime) -> str:
    """An id that no other recording has: the start in UTC and eight random hex digits."""
    return f"{started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def this_boot() -> str | None:
    """The kernel's id of this boot; None where it tells none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of a recording before its first sample."""

    recording: Recording
    """Without segments and gaps."""
    device: str = ""
    """Name of the microphone."""
    utc_offset: timedelta = timedelta(0)
    """Of the room's clock at the start."""
    boot: str | None = None
    """The kernel's id of the boot in which it started."""
    boottime: float | None = None
    """CLOCK_BOOTTIME at the start, in seconds: goes on while the machine sleeps, and isn't set by anybody."""

    def elapsed(self, boot: str | None, boottime: float, wall: datetime) -> float:
        """Seconds since the start: by the boot's clock within one boot, else by the wall clock, never < 0."""
        if boot is not None and boot == self.boot and self.boottime is not None:
            return max(0.0, boottime - self.boottime)
        return max(0.0, (wall - self.recording.started_at).total_seconds())

    def fields(self) -> dict[str, Any]:
        """As JSON carries it."""
        recording, basis = self.recording, self.recording.basis
        return {
            "id": recording.id,
            "title": recording.title,
            "room": recording.room,
            "started_at": recording.started_at.astimezone(UTC).isoformat(),
            "utc_offset": self.utc_offset.total_seconds(),
            "basis": {"kind": basis.kind.value, "people": basis.people, "text_sha256": basis.text_sha256},
            "rate": recording.rate,
            "device": self.device,
            "boot": self.boot,
            "boottime": self.boottime,
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Manifest:
        """From JSON. Raises KeyError, TypeError or ValueError for what isn't one."""
        stated = fields["basis"]
        basis = Basis(BasisKind(stated["kind"]), tuple(map(_text, stated["people"])), stated["text_sha256"])
        rate = fields["rate"]
        if isinstance(rate, bool) or not isinstance(rate, int) or rate <= 0:
            raise ValueError(f"not a rate: {rate!r}")
        id, title, room = (_text(fields[name]) for name in ("id", "title", "room"))
        return cls(
            Recording(id, title, room, ledger.moment(fields["started_at"]), basis, rate),
            _text(fields["device"]),
            timedelta(seconds=float(fields["utc_offset"])),
            None if fields["boot"] is None else _text(fields["boot"]),
            None if fields["boottime"] is None else float(fields["boottime"]),
        )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    return value


class Folder:
    """A recording's folder. One process and, in it, one of these is at work on a recording.

    Its methods may be called by several threads. A line that could not be written to the ledger (a full disk)
    is kept and goes in before the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = threading.RLock()
        """Held by whoever changes closed segments: compression, forgetting, recovery."""
        self._writing = threading.Lock()
        self._waiting = b""

    @classmethod
    def create(
        cls,
        root: Path,
        recording: Recording,
        *,
        device: str = "",
        utc_offset: timedelta = timedelta(0),
        boot: str | None = None,
        boottime: float | None = None,
    ) -> Folder:
        """Make the folder with its manifest and ledger, durably, before any sound is there.

        Raises CaptureError where the disk refuses it; then nothing is left.
        """
        if not ID.match(recording.id):
            raise ValueError(f"an id is letters, digits, - and _, not {recording.id!r}")
        fresh = replace(recording, segments=(), gaps=(), state=RecordingState.RECORDING)
        manifest = Manifest(fresh, device, utc_offset, boot, boottime)
        folder = cls(root / recording.id)
        try:
            disk.make_directory(folder.path)
        except OSError as error:
            raise CaptureError(disk.complaint(str(folder.path), error)) from None
        try:
            folder._begin(manifest)
        except OSError as error:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise CaptureError(disk.complaint(str(folder.path), error)) from None
        return folder

    def _begin(self, manifest: Manifest) -> None:
        self._write(ledger.line_of(begin=manifest.fields()))
        self.put(manifest)

    def put(self, manifest: Manifest) -> None:
        """Write the manifest: the old one or the new one is there at any time. Raises OSError."""
        data = json.dumps(ledger.signed(manifest.fields()), indent=1).encode() + b"\n"
        disk.replace(self.path / MANIFEST, data)

    def mend(self) -> None:
        """Restore the manifest from the ledger's copy, or that from the manifest.

        Raises CaptureError when neither can be read, OSError.
        """
        manifest = self.manifest()
        if self._written() != manifest:
            self.put(manifest)
        if self.ledger().begin is None:
            self.add(begin=manifest.fields())

    @property
    def id(self) -> str:
        """The recording's id."""
        return self.path.name

    def manifest(self) -> Manifest:
        """What the recording is; from the ledger's copy when the manifest can't be read.

        Raises CaptureError when neither can be: whether it may be used is not known then.
        """
        if (written := self._written()) is not None:
            return written
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            return Manifest.of(self.ledger().begin or {})
        raise CaptureError(
            f"{self.path}: neither its {MANIFEST} nor its {LEDGER} says what it is a recording of and why it "
            "may be; restore one of them, or delete the folder"
        )

    def _written(self) -> Manifest | None:
        with suppress(OSError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return Manifest.of(ledger.checked((self.path / MANIFEST).read_bytes()))
        return None

    def ledger(self) -> ledger.Ledger:
        """What the lines come to, those that wait to be written among them."""
        with self._writing:
            return ledger.fold(self._bytes() + b"\n" + self._waiting)

    def _bytes(self) -> bytes:
        try:
            return (self.path / LEDGER).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise CaptureError(disk.complaint(f"{self.id}/{LEDGER}", error)) from None

    def read(self) -> Recording:
        """The recording, from the folder alone: its closed segments and its gaps.

        It is queued when it has ended. Raises CaptureError.
        """
        told = self.ledger()
        return replace(
            self.manifest().recording,
            state=RecordingState.RECORDING if told.end is None else RecordingState.QUEUED,
            segments=told.in_order(),
            gaps=told.gaps_in_order(),
        )

    def append(self, gap: Gap) -> None:
        """Add a gap, durably. Raises CaptureError."""
        self.add(gap=ledger.shape_of(gap))

    def end(self, when: datetime, why: str) -> None:
        """Add that the recording ended, durably. Raises CaptureError."""
        self.add(end=when.astimezone(UTC).isoformat(), why=why)

    def add(self, **fields: Any) -> None:
        """Add a line, durably, after those that wait.

        Raises CaptureError when it can't be; then it waits, and counts nevertheless in this process.
        """
        self._flush(ledger.line_of(**fields))

    def flush(self) -> None:
        """Write the lines that wait. Raises CaptureError."""
        self._flush(b"")

    def _flush(self, line: bytes) -> None:
        with self._writing:
            self._waiting += line
            if not self._waiting:
                return
            try:
                self._write(self._waiting)
            except OSError as error:
                raise CaptureError(disk.complaint(f"{self.id}/{LEDGER}", error)) from None
            self._waiting = b""

    def _write(self, lines: bytes) -> None:
        """Append, all of it or nothing. After a line that a crash tore, a new line is begun."""
        flags = os.O_RDWR | os.O_CREAT
        with disk.opened(self.path / LEDGER, flags) as descriptor:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines
            try:
                disk.write_all(descriptor, lines, size)
                (os.fdatasync if size else os.fsync)(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        if not size:
            disk.sync_directory(self.path)

    def files(self) -> dict[int, list[str]]:
        """Names of the segments' files that are there, by index. Raises CaptureError."""
        found: dict[int, list[str]] = {}
        try:
            names = sorted(path.name for path in self.path.iterdir())
        except OSError as error:
            raise CaptureError(disk.complaint(str(self.path), error)) from None
        for name in names:
            if match := ledger.FILE_NAME.match(name):
                found.setdefault(int(match[1]), []).append(name)
        return found

    def next_index(self) -> int:
        """Index of the next segment: one that no segment has or had."""
        told = self.ledger()
        return max([*self.files(), *told.segments, *told.dropped, *told.believed], default=-1) + 1


def unfinished(root: Path) -> tuple[Folder, ...]:
    """The recordings that have not ended, oldest first. Call it while nobody records.

    A folder in which a crash left neither a manifest nor any sound is removed. Raises CaptureError.
    """
    found = []
    try:
        paths = sorted(path for path in root.iterdir() if path.is_dir() and ID.match(path.name))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise CaptureError(disk.complaint(str(root), error)) from None
    for path in paths:
        folder = Folder(path)
        try:
            if _is_stillborn(folder):
                shutil.rmtree(path, ignore_errors=True)
            elif _is_one(folder) and folder.ledger().end is None:
                found.append(folder)
        except (CaptureError, OSError):  # whoever recovers it is told why; the others can be recovered
            found.append(folder)
    return tuple(found)


def _is_one(folder: Folder) -> bool:
    """Whether a folder has anything of a recording."""
    return any((folder.path / name).exists() for name in (MANIFEST, LEDGER)) or bool(folder.files())


def _is_stillborn(folder: Folder) -> bool:
    """Whether a crash came before the manifest was there."""
    left = {path.name for path in folder.path.iterdir()}
    return left <= {f"{MANIFEST}.new", LEDGER} and folder.ledger().begin is None
