"""A child that records onto a disk which loses power; what is on the disk afterwards is judged."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from meetsense.capture.folder import Folder, unfinished
from meetsense.capture.recovery import SILENT_BYTES, recover
from meetsense.store import Store
from meetsense.values import Analysis, Engines, Meeting, Segment
from tests.capture.kills import TELL, length_of, record
from tests.capture.lossy import Commands
from tests.capture.ramp import RATE, begun, check_whole, recording

ALLOWED = 3 * RATE // 2
"""Samples that a power cut may lose."""
HOLE = SILENT_BYTES // 2 - 1
"""Samples of a hole that isn't recognised as one."""


@dataclass(slots=True)
class Tally:
    """What became of many power cuts."""

    cuts: int = 0
    samples: int = 0
    lost: int = 0
    """Samples that were told of as written and not found."""
    worst: int = 0
    """The most that one cut lost."""
    durable_lost: int = 0
    """Samples that were told of as durable and not found."""
    commits: int = 0
    commits_lost: int = 0
    """Commits that were acknowledged and not found."""

    def __str__(self) -> str:
        return (
            f"power cut: {self.cuts} cuts, {self.samples / RATE:.0f} s kept, {self.lost / RATE:.1f} s lost, "
            f"at worst {self.worst / RATE:.2f} s; {self.durable_lost} samples lost of those said to be "
            f"durable; {self.commits} commits acknowledged, {self.commits_lost} lost"
        )


def cut_while(disk: Commands, work: Callable[[int], None], chance: random.Random) -> tuple[bytes, Path]:
    """Let a child work until the power goes. What it told through its pipe, and what the disk holds."""
    ours, theirs = os.pipe()
    at_sync = chance.random() < 0.7
    if at_sync:
        disk.cut_at(chance.randrange(1, 120))
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            with suppress(Exception):  # the disk is gone, and says so
                work(theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    if not at_sync:
        time.sleep(chance.uniform(0.02, 0.3))
        disk.cut()
    with os.fdopen(ours, "rb") as told:
        data = told.read()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return data, disk.cut()


def lose_sound(disk: Commands, seeds: range, tally: Tally) -> None:
    """Cut the power once for each seed while sound is written; recover without a hand; judge."""
    for seed in seeds:
        chance = random.Random(seed)
        root = disk.fresh(seed if chance.random() < 0.5 else None)
        folder = begun(root / "recordings", f"seed-{seed}")
        data, after = cut_while(disk, lambda tell: record(Folder(folder.path), tell, chance), chance)  # noqa: B023
        (found,) = unfinished(after / "recordings")
        recovered = recover(found, boot="the next one")
        assert check_whole(found, hole=HOLE) == recovered, f"seed {seed}"
        whole = len(data) // TELL.size
        position, synced, missing = TELL.unpack_from(data, (whole - 1) * TELL.size) if whole else (0, 0, 0)
        lost = max(0, position + missing - length_of(recovered))
        assert lost <= ALLOWED, f"seed {seed}: {lost / RATE:.2f} s lost"
        tally.cuts += 1
        tally.samples += recovered.samples
        tally.lost += lost
        tally.worst = max(tally.worst, lost)
        tally.durable_lost += max(0, synced + missing - length_of(recovered))


def save(path: Path, tell: int) -> None:
    """Save meetings, and segments of a recording, without end; each is told of after its commit."""
    with Store(path) as store:
        store.begin(recording())
        for number in range(10**6):
            meeting = Meeting(f"m{number}", "Budget", datetime(2026, 11, 24, tzinfo=UTC), 60.0)
            store.save(Analysis(meeting, Engines()))
            os.write(tell, b"m")
            store.segment(recording().id, Segment(number, f"{number:06d}.wav", 1, "0" * 64))
            os.write(tell, b"s")


def lose_commits(disk: Commands, seeds: range, tally: Tally) -> None:
    """Cut the power once for each seed while meetings are saved; look for every one that was acknowledged."""
    for seed in seeds:
        chance = random.Random(seed)
        root = disk.fresh(seed if chance.random() < 0.5 else None)
        with Store(root / "meetsense.db"):
            pass
        told, after = cut_while(disk, lambda tell: save(root / "meetsense.db", tell), chance)  # noqa: B023
        with Store(after / "meetsense.db", create=False) as store:
            meetings = {listed.id for listed in store.meetings()}
            segments = len(store.recording(recording().id).segments) if b"s" in told else 0
        with sqlite3.connect(after / "meetsense.db") as database:
            assert database.execute("pragma integrity_check").fetchone() == ("ok",), f"seed {seed}"
        database.close()
        tally.cuts += 1
        tally.commits += len(told)
        tally.commits_lost += len({f"m{number}" for number in range(told.count(b"m"))} - meetings)
        tally.commits_lost += max(0, told.count(b"s") - segments)
