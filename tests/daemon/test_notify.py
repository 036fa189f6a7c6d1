from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from meetsense.capture.clock import FrameClock
from meetsense.daemon.notify import Notifier, Watchdog, watchdog_seconds


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd listens on."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify.sock")
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "notify.sock")
        yield manager


@pytest.fixture
def notifier(manager: socket.socket) -> Iterator[Notifier]:
    notifier = Notifier()
    yield notifier
    notifier.close()


def received(manager: socket.socket) -> list[str]:
    """Every line so far."""
    manager.setblocking(False)
    lines = []
    try:
        while True:
            lines.append(manager.recv(1000).decode())
    except BlockingIOError:
        return lines


def test_lines_reach_the_service_manager(manager: socket.socket, notifier: Notifier) -> None:
    notifier.ready()
    notifier.status("recording")
    notifier.alive()
    notifier.stopping()
    assert received(manager) == ["READY=1", "STATUS=recording", "WATCHDOG=1", "STOPPING=1"]
    notifier.close()
    notifier.ready()
    assert received(manager) == []


def test_without_a_service_manager_lines_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_interval_is_the_one_for_this_process(
    environment: dict[str, str], expected: float | None
) -> None:
    assert watchdog_seconds(environment) == expected


def test_only_progress_feeds_the_watchdog(manager: socket.socket, notifier: Notifier) -> None:
    clock = FrameClock(rate=10)
    watchdog = Watchdog(notifier, 30.0, clock)
    for tick in range(600):  # a minute; for its second half no sound reaches the disk
        watchdog.feed(("recording", min(tick, 300)))
        clock.advance(1)
    fed = received(manager)
    # Every 7.5 s, and once for what came after the last of these.
    assert len(fed) == 5


def test_feeding_goes_on_when_progress_does(manager: socket.socket, notifier: Notifier) -> None:
    clock = FrameClock(rate=10)
    watchdog = Watchdog(notifier, 30.0, clock)
    for tick in range(600):
        watchdog.feed(("idle", tick))
        clock.advance(1)
    assert len(received(manager)) == 8


def test_without_an_interval_nothing_is_sent(manager: socket.socket, notifier: Notifier) -> None:
    watchdog = Watchdog(notifier, None, FrameClock(rate=10))
    for tick in range(100):
        watchdog.feed(tick)
    assert received(manager) == []
