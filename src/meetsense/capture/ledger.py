"""What a recording's ledger says: a line of JSON for each thing that happened, folded to what is there now.

A line is an object with one of these keys::

    begin    the manifest's fields, a second copy of them
    run      boot, unsynced: a writer began in that boot, who leaves no more samples than so many unsynced
    gap      kind, position, samples: time without sound, at a position of the audio
    segment  index, file, samples, sha256: a file was closed, or took the place of an earlier one of its index
    cut      kind, position, samples: audio from that position on was taken away; it is a gap, too. A segment
             beside it in the line is what was left of one
    suspect  index, samples, why: the disk failed; no more than so many samples of the file are to be believed
    end      when the recording ended (UTC), beside why

and a checksum, ``crc``: the CRC-32 of the line without it. A flipped bit costs a line; it changes none.

A position counts samples of the audio that the recording holds before it. So what is taken away moves the
positions behind it. A line that can't be read is passed over: a torn write costs that line alone.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from meetsense.values import Gap, GapKind, Segment

FILE_NAME = re.compile(r"(\d{6})\.(wav|flac|flac\.age)\Z", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class End:
    """That a recording ended."""

    at: datetime
    """UTC-aware."""
    why: str


@dataclass(frozen=True, slots=True)
class Run:
    """That a writer began to write."""

    boot: str | None
    """The kernel's id of the boot."""
    unsynced: int
    """Samples at the end of its last file that may not have been durable, at most."""


@dataclass(slots=True)
class Ledger:
    """What the lines come to, one after the other."""

    begin: Mapping[str, Any] | None = None
    run: Run | None = None
    """The last one."""
    segments: dict[int, Segment] = field(default_factory=dict)
    """By index. The hash of one that was cut and not closed again is empty."""
    dropped: set[int] = field(default_factory=set)
    """Indices of which nothing may remain."""
    believed: dict[int, int] = field(default_factory=dict)
    """Samples of a suspect file that are to be believed, by index."""
    gaps: list[Gap] = field(default_factory=list)
    end: End | None = None
    unreadable: int = 0
    """Lines that were passed over."""

    @property
    def samples(self) -> int:
        """Samples of all segments."""
        return sum(segment.samples for segment in self.segments.values())

    def start_of(self, index: int) -> int:
        """Samples of the segments before one."""
        return sum(segment.samples for other, segment in self.segments.items() if other < index)

    def in_order(self) -> tuple[Segment, ...]:
        """The segments in the order of time."""
        return tuple(self.segments[index] for index in sorted(self.segments))

    def gaps_in_order(self) -> tuple[Gap, ...]:
        """The gaps by position; those of one position in the order in which they came."""
        return tuple(sorted(self.gaps, key=lambda gap: gap.position))

    def _close(self, segment: Segment) -> None:
        self.segments[segment.index] = segment
        self.dropped.discard(segment.index)

    def _cut(self, gap: Gap) -> None:
        start, stop = gap.position, gap.position + gap.samples
        at = 0
        for segment in self.in_order():
            end = at + segment.samples
            taken = max(0, min(stop, end) - max(start, at))
            inside, at = start <= at and end <= stop, end
            if inside and (segment.samples or gap.kind is GapKind.FORGOTTEN):
                del self.segments[segment.index]
                self.dropped.add(segment.index)
            elif taken:
                self.segments[segment.index] = replace(segment, samples=segment.samples - taken, sha256="")
        self.gaps = [*without(self.gaps, start, stop), gap]

    def _suspect(self, value: Mapping[str, Any]) -> None:
        self.believed[_count(value["index"])] = _count(value["samples"])

    def take(self, line: Mapping[str, Any]) -> None:
        """Fold one line. Raises KeyError, TypeError or ValueError for one that makes no sense."""
        if "begin" in line:
            self.begin = dict(line["begin"])
        elif "run" in line:
            self.run = run_of(line["run"])
        elif "gap" in line:
            self.gaps.append(gap_of(line["gap"]))
        elif "cut" in line:
            left = line.get("segment")
            segment = None if left is None else segment_of(left)
            self._cut(gap_of(line["cut"]))
            if segment is not None:
                self._close(segment)
        elif "segment" in line:
            self._close(segment_of(line["segment"]))
        elif "suspect" in line:
            self._suspect(line["suspect"])
        elif "end" in line:
            self.end = End(moment(line["end"]), str(line["why"]))
        else:
            raise KeyError("no such line")


def fold(data: bytes) -> Ledger:
    """What a ledger's bytes come to; what can't be read is passed over."""
    ledger = Ledger()
    for line in data.split(b"\n"):
        try:
            ledger.take(checked(line))
        except (KeyError, TypeError, ValueError, RecursionError):
            ledger.unreadable += bool(line)
    return ledger


def line_of(**fields: Any) -> bytes:
    """A line with its checksum and its end.

    >>> line_of(gap=shape_of(Gap(GapKind.PAUSE, 10, 20)))
    b'{"gap": {"kind": "pause", "position": 10, "samples": 20}, "crc": 1951631030}\\n'
    """
    return json.dumps(signed(fields)).encode() + b"\n"


def signed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their checksum behind them."""
    return {**fields, "crc": _checksum(fields)}


def checked(data: bytes) -> dict[str, Any]:
    """The fields of a line, or of a manifest, without the checksum.

    Raises KeyError, TypeError, ValueError or RecursionError for what isn't what was written.
    """
    fields = json.loads(data)
    if not isinstance(fields, dict):
        raise TypeError(f"not an object: {fields!r}")
    if fields.pop("crc") != _checksum(fields):
        raise ValueError("the checksum is another one")
    return fields


def _checksum(fields: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(fields).encode())


def shape_of(value: Gap | Segment) -> dict[str, object]:
    """A value as a line carries it."""
    if isinstance(value, Gap):
        return {"kind": value.kind.value, "position": value.position, "samples": value.samples}
    names = "index", "file", "samples", "sha256"
    return {name: getattr(value, name) for name in names}


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"not a count: {value!r}")
    return value


def gap_of(value: Mapping[str, Any]) -> Gap:
    """Raises KeyError, TypeError or ValueError for what isn't a gap."""
    return Gap(GapKind(value["kind"]), _count(value["position"]), _count(value["samples"]))


def run_of(value: Mapping[str, Any]) -> Run:
    """Raises KeyError, TypeError or ValueError for what isn't the beginning of a run."""
    boot = value["boot"]
    if boot is not None and not isinstance(boot, str):
        raise TypeError(f"not a boot: {boot!r}")
    return Run(boot, _count(value["unsynced"]))


def segment_of(value: Mapping[str, Any]) -> Segment:
    """Raises KeyError, TypeError or ValueError for what isn't a segment, or whose name leads elsewhere."""
    index, name, sha256 = _count(value["index"]), value["file"], value["sha256"]
    match = FILE_NAME.match(name)
    if match is None or int(match[1]) != index or not SHA256.match(sha256):
        raise ValueError(f"not a segment's file: {name!r}")
    return Segment(index, name, _count(value["samples"]), sha256)


def moment(text: str) -> datetime:
    """A UTC-aware time from ISO 8601. Raises ValueError for another text, and for one without a zone."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return value.astimezone(UTC)


def without(gaps: Iterable[Gap], start: int, stop: int) -> list[Gap]:
    """The gaps of a recording whose audio from ``start`` to ``stop`` is taken away.

    >>> gaps = [Gap(GapKind.PAUSE, 5, 9), Gap(GapKind.PAUSE, 15, 9), Gap(GapKind.MUTED, 18, 4)]
    >>> [(gap.position, gap.samples) for gap in without(gaps, 10, 20)]
    [(5, 9), (10, 9), (10, 2)]
    """

    def moved(position: int) -> int:
        return min(position, start) if position < stop else position - (stop - start)

    kept = []
    for gap in gaps:
        position = moved(gap.position)
        length = gap.samples if gap.missing else moved(gap.position + gap.samples) - position
        if length or not gap.samples:
            kept.append(replace(gap, position=position, samples=length))
    return kept


def position_before(samples: int, gaps: Sequence[Gap], back: int) -> int:
    """The position that lies ``back`` samples of wall time before the end of a recording of ``samples``.

    >>> position_before(100, [Gap(GapKind.PAUSE, 80, 50)], 90)
    60
    """
    at = samples
    for gap in sorted(gaps, key=lambda gap: gap.position, reverse=True):
        position = min(gap.position, at)
        if at - position >= back:
            break
        back -= at - position
        at = position
        back -= min(back, gap.missing)
    return max(0, at - back)
