"""A child that records the ramp, tells what it wrote, and is killed; what is found afterwards is judged."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder, unfinished
from meetsense.capture.recovery import recover
from meetsense.capture.segments import SegmentWriter
from meetsense.errors import CaptureError
from meetsense.values import GapKind, Recording, Segment
from tests.capture.faults import CALLS, watched
from tests.capture.ramp import RATE, begun, check_whole, ramp

TELL = struct.Struct("<qqq")
"""What a child tells after a write: samples, samples durable, samples missing in gaps."""
ROUNDS = 8
"""Kills of one recording, before another one is begun."""
ALLOWED = RATE // 10
"""Samples that a kill may lose."""


@dataclass(slots=True)
class Tally:
    """What became of many kills."""

    kills: int = 0
    in_calls: int = 0
    """Of them, between two calls to the operating system that were counted; the others came at some time."""
    recordings: int = 0
    samples: int = 0
    lost: int = 0
    """Samples that were told of and not found."""
    worst: int = 0
    """The most that one kill lost."""

    def __str__(self) -> str:
        return (
            f"kill -9: {self.kills} ({self.in_calls} at a counted call), {self.recordings} recordings, "
            f"{self.samples / RATE:.0f} s written, {self.lost} samples lost, at worst {self.worst}"
        )


def record(folder: Folder, tell: int, chance: random.Random) -> None:
    """Write the ramp until the end of time: rotate, compress beside it, pause, forget."""
    work: list[Segment] = []
    ready = threading.Semaphore(0)

    def done(segment: Segment) -> None:
        work.append(segment)
        ready.release()

    def pack() -> None:
        while True:
            ready.acquire()
            with suppress(CaptureError):  # the disk lost power
                compress(folder, work.pop())

    writer = SegmentWriter(folder, RATE, chance.choice([0.3, 1.0, 5.0]), chance.choice([0.1, 1.0]), done)
    missing = sum(gap.missing for gap in folder.read().gaps)
    threading.Thread(target=pack, daemon=True).start()
    while True:
        writer.write(ramp(writer.position, chance.choice([160, 1600, 1600, 4096])))
        if chance.random() < 0.02:
            missing += writer.gap(GapKind.PAUSE, 500).missing
        if chance.random() < 0.01:
            missing += writer.forget_last(chance.choice([0.05, 0.7])).missing
        os.write(tell, TELL.pack(writer.position, writer.synced, missing))


def killed(folder: Folder, seed: int) -> tuple[tuple[int, int, int], bool]:
    """Let a child record and kill it: at its n-th call, or after some time. What it last told, and which."""
    chance = random.Random(seed)
    step = chance.randrange(1, 400) if chance.random() < 0.7 else None
    before = chance.random() < 0.5
    seconds = chance.uniform(0.0, 0.05)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            die_at = lambda count, _: os.kill(os.getpid(), signal.SIGKILL) if count == step else None  # noqa: E731
            with watched(die_at if before else _nothing, None if before else die_at, CALLS):
                record(Folder(folder.path), theirs, chance)
        finally:
            os._exit(1)
    os.close(theirs)
    if step is None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(ours, "rb") as told:
        data = told.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"seed {seed}: the child ended by itself"
    whole = len(data) // TELL.size
    last = TELL.unpack_from(data, (whole - 1) * TELL.size) if whole else (0, 0, 0)
    return (last[0], last[1], last[2]), step is not None


def _nothing(count: int, name: str) -> None: ...


def survive(root: Path, seeds: range) -> Tally:
    """Kill once for each seed, recover without a hand, judge, go on in the same recording."""
    tally = Tally()
    folder: Folder | None = None
    before: Recording | None = None
    for seed in seeds:
        if folder is None or (seed - seeds.start) % ROUNDS == 0:
            folder, before = begun(root, f"seed-{seed}"), None
            tally.recordings += 1
        (position, _, missing), at_call = killed(folder, seed)
        (found,) = unfinished(root)
        recovered = recover(found)
        lost = max(0, (position + missing or length_of(before)) - length_of(recovered))
        assert lost <= ALLOWED, f"seed {seed}: {lost} samples lost"
        assert check_whole(Folder(folder.path)) == recovered, f"seed {seed}"
        tally.kills += 1
        tally.in_calls += at_call
        tally.lost += lost
        tally.worst = max(tally.worst, lost)
        tally.samples += max(0, recovered.samples - (before.samples if before else 0))
        before = recovered
        if (seed - seeds.start) % ROUNDS == ROUNDS - 1:
            folder.end(found.manifest().recording.started_at, "stop")
            assert unfinished(root) == ()
            shutil.rmtree(folder.path)
    return tally


def length_of(recording: Recording | None) -> int:
    """Samples of wall time that are accounted for without the crash's own gaps. What is forgotten is."""
    if recording is None:
        return 0
    return recording.samples + sum(gap.missing for gap in recording.gaps if gap.kind is not GapKind.RESTART)
