"""People see that they are recorded, or they aren't."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meetsense.capture.clock import FrameClock, SystemClock
from meetsense.daemon import indicator as indicator_module
from meetsense.daemon.indicator import LATE, UNKNOWN, Indicator, Screen, Shown, read_status
from meetsense.errors import CaptureError
from tests.waiting import soon

CAT = "sh -c 'echo $$ > {0}.pid; exec cat > {0}'"


class Loop:
    """Stands for the capture loop."""

    def __init__(self) -> None:
        self.state = "recording"
        self.looks = 0
        self.hangs = False

    def __call__(self) -> dict[str, Any]:
        self.looks += 1
        while self.hangs:
            time.sleep(0.01)
        return {"state": self.state, "at": datetime.now(UTC).isoformat(), "look": self.looks}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indicator_module, "GRACE", 0.5)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def made(loop: Loop) -> Iterator[Callable[..., Indicator]]:
    """Indicators that run, and are closed at the end."""
    running: list[Indicator] = []

    def make(
        status_file: Path | None = None, command: str | None = None, screen: Screen | None = None
    ) -> Indicator:
        running.append(Indicator(status_file, command, loop, SystemClock(), screen=screen, period=0.05))
        running[-1].start()
        return running[-1]

    yield make
    loop.hangs = False
    for indicator in running:
        indicator.close()


NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "process", "state"),
    [
        (0.0, os.getpid(), "recording"),
        (LATE, os.getpid(), "recording"),
        (LATE + 0.1, os.getpid(), UNKNOWN),
        (-LATE - 0.1, os.getpid(), UNKNOWN),
        (0.0, 1, "recording"),
        (0.0, 2**22 + 1, UNKNOWN),
    ],
)
def test_a_state_that_nobody_renews_is_not_believed(
    tmp_path: Path, ago: float, process: int, state: str
) -> None:
    """The number behind the last possible one is no process's."""
    file = tmp_path / "status.json"
    shown = {"state": "recording", "at": (NOW - timedelta(seconds=ago)).isoformat(), "process": process}
    file.write_text(json.dumps(shown))
    found = read_status(file, NOW)
    assert found is not None
    assert found["state"] == state
    assert found.get("before") == (None if state == "recording" else "recording")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"state": "idle", "at": "now", "process": 1}',
        '{"state": "idle", "at": "2026-11-24", "process": 1}',
    ],
)
def test_a_damaged_status_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    assert read_status(tmp_path / "status.json", NOW) is None
    assert read_status(tmp_path / "none.json", NOW) is None


def test_the_file_follows_the_loop_and_is_always_whole(
    tmp_path: Path, loop: Loop, made: Callable[..., Indicator]
) -> None:
    file = tmp_path / "status.json"
    indicator = made(file)
    indicator.begin()
    seen: list[dict[str, Any]] = []
    while len(seen) < 300:
        seen.append(json.loads(file.read_text()))
    assert soon(lambda: json.loads(file.read_text())["look"] > seen[0]["look"] + 3)
    loop.state = "paused"
    assert soon(lambda: json.loads(file.read_text())["state"] == "paused")
    assert indicator.trouble() is None
    assert stat.S_IMODE(file.stat().st_mode) & 0o222 == 0o200
    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == ["status.json"]


def test_a_file_that_cannot_be_written_is_trouble_until_it_can(
    tmp_path: Path, made: Callable[..., Indicator]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    indicator = made(folder / "status.json")
    indicator.begin()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert soon(indicator.trouble)
    assert "status.json: the state can't be shown there" in (indicator.trouble() or "")
    with pytest.raises(CaptureError, match="can't be shown"):
        indicator.begin()
    folder.mkdir()
    assert soon(lambda: indicator.trouble() is None)


def test_the_command_reads_the_state_and_ends_with_its_input(
    tmp_path: Path, loop: Loop, made: Callable[..., Indicator]
) -> None:
    out = tmp_path / "lamp"
    indicator = made(command=CAT.format(out))
    indicator.begin()
    assert soon(lambda: out.exists() and out.read_text().count("recording\n") > 2)
    loop.state = "paused"
    assert soon(lambda: out.read_text().endswith("paused\n"))
    process = int(Path(f"{out}.pid").read_text())
    indicator.finish()
    assert not alive(process)
    assert indicator.trouble() is None
    indicator.begin()
    assert soon(lambda: Path(f"{out}.pid").read_text() != f"{process}\n")


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent doesn't."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_that_dies_is_trouble(tmp_path: Path, made: Callable[..., Indicator]) -> None:
    out = tmp_path / "lamp"
    indicator = made(command=CAT.format(out))
    indicator.begin()
    assert soon(lambda: Path(f"{out}.pid").exists() and Path(f"{out}.pid").read_text().strip())
    os.kill(int(Path(f"{out}.pid").read_text()), 9)
    assert soon(indicator.trouble)
    assert indicator.trouble() == "the indicator's command ended (status -9)"


def test_a_command_that_cannot_be_started_lets_nothing_begin(made: Callable[..., Indicator]) -> None:
    for command in ("/nowhere/lamp", "''"):
        with pytest.raises(CaptureError, match="the indicator's command can't be started"):
            made(command=command).begin()


def test_a_command_that_reads_nothing_and_ignores_the_end_is_ended(
    tmp_path: Path, loop: Loop, made: Callable[..., Indicator]
) -> None:
    loop.state = "x" * 5000  # a pipe that is full after some looks
    out = tmp_path / "lamp"
    script = f"trap '' TERM; echo $$ > {out}.pid; while :; do sleep 0.1; done"
    indicator = made(command=f'sh -c "{script}"')
    indicator.begin()
    looked = loop.looks
    assert soon(lambda: loop.looks > looked + 30)
    assert indicator.trouble() is None
    process = int(Path(f"{out}.pid").read_text())
    indicator.finish()
    assert not alive(process)


def test_an_indicator_that_hangs_is_trouble(loop: Loop, tmp_path: Path) -> None:
    clock = FrameClock(rate=10)
    indicator = Indicator(tmp_path / "status.json", None, loop, clock)
    indicator.begin()
    for _ in range(30):
        clock.advance(1)
        assert indicator.trouble() is None
    told = []
    for _ in range(20):
        clock.advance(1)
        told.append(indicator.trouble())
    assert told[-1] == "the indicator hangs"


def test_a_process_that_was_stopped_for_a_minute_was_not_blind(loop: Loop, tmp_path: Path) -> None:
    clock = FrameClock(rate=10)
    indicator = Indicator(tmp_path / "status.json", None, loop, clock)
    indicator.begin()
    assert indicator.trouble() is None
    clock.advance(600)
    assert indicator.trouble() is None


def test_nothing_begins_where_nothing_shows(made: Callable[..., Indicator]) -> None:
    with pytest.raises(CaptureError, match="nothing shows people that they are recorded"):
        made().begin()


def test_a_terminal_that_is_gone_is_trouble(made: Callable[..., Indicator]) -> None:
    shown: list[Shown] = []
    gone: list[int] = []

    def screen(state: Shown) -> None:
        if gone:
            raise OSError(5, "Input/output error")
        shown.append(state)

    indicator = made(screen=screen)
    indicator.begin()
    assert soon(lambda: len(shown) > 3)
    assert indicator.trouble() is None
    gone.append(1)
    assert soon(indicator.trouble)
    assert indicator.trouble() == "the terminal is gone"


def test_beginning_has_a_deadline(
    loop: Loop, made: Callable[..., Indicator], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(indicator_module, "LATE", 0.3)
    indicator = made(tmp_path / "status.json")
    loop.hangs = True
    with pytest.raises(CaptureError, match="the indicator hangs"):
        indicator.begin()


def test_the_command_does_not_get_what_systemd_told_the_recorder(
    tmp_path: Path, made: Callable[..., Indicator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    out = tmp_path / "environment"
    made(command=f"sh -c 'env > {out}.new; mv {out}.new {out}; exec cat > /dev/null'").begin()
    assert soon(out.exists)
    assert "NOTIFY_SOCKET" not in out.read_text()
    assert "WATCHDOG_USEC" not in out.read_text()


def test_at_an_abrupt_end_the_command_goes_with_the_recorder(
    tmp_path: Path, made: Callable[..., Indicator]
) -> None:
    out = tmp_path / "lamp"
    indicator = made(command=CAT.format(out))
    indicator.begin()
    assert soon(lambda: Path(f"{out}.pid").exists() and Path(f"{out}.pid").read_text().strip())
    indicator.abandon()
    assert soon(lambda: not alive(int(Path(f"{out}.pid").read_text())))
