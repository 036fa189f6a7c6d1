"""A thousand kills and hundreds of power cuts: what they cost is printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meetsense.capture import wav
from meetsense.capture.compress import compress
from tests.capture.kills import survive
from tests.capture.lossy import Commands, lossy_disk
from tests.capture.powercuts import Tally, lose_commits, lose_sound
from tests.capture.ramp import RATE, in_memory, written
from tests.capture.test_assemble import PROGRAM

KILLS = 1000
CUTS = 500
HOURS = 8


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with lossy_disk(tmp_path_factory.mktemp("lossy")) as commands:
        yield commands


def say(capsys: pytest.CaptureFixture[str], tally: object) -> None:
    with capsys.disabled():
        print(f"\n{tally}", flush=True)


def test_kills(capsys: pytest.CaptureFixture[str]) -> None:
    with in_memory() as root:
        tally = survive(Path(root), range(10_000, 10_000 + KILLS))
    say(capsys, tally)
    assert (tally.kills, tally.lost) == (KILLS, 0)


def test_power_cuts(disk: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    lose_sound(disk, range(20_000, 20_000 + CUTS), tally)
    lose_commits(disk, range(30_000, 30_000 + CUTS // 5), tally)
    say(capsys, tally)
    assert tally.cuts == CUTS + CUTS // 5
    assert (tally.durable_lost, tally.commits_lost) == (0, 0)


def test_hours_are_assembled_in_the_memory_of_a_minute(tmp_path: Path) -> None:
    long = written(tmp_path / "long", HOURS * 3600 * RATE, seconds=60.0, block=RATE, sync_seconds=60.0)
    short = written(tmp_path / "short", 60 * RATE, seconds=60.0, block=RATE)
    for segment in (*short.read().segments, *long.read().segments[::60]):
        compress(long if segment.index else short, segment)
    command = [sys.executable, "-c", PROGRAM, str(short.path), str(long.path), str(tmp_path / "w.wav")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4000
    assert (tmp_path / "w.wav").stat().st_size == wav.HEADER_BYTES + HOURS * 3600 * RATE * 2
