"""What a sound server says about where we listen, from a `pactl` that says what a test wants."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from meetsense.capture import pulse
from meetsense.capture.pulse import Listener, listening
from meetsense.capture.source import Stuck
from tests.waiting import soon

PACTL = """#!/bin/sh
cd {folder}
case "$*" in
*subscribe*) exec tail -s 0.01 -n 0 -f events ;;
*source-outputs*) echo asked >> asked; cat outputs ;;
*) cat sources ;;
esac
"""


class Server:
    """Says what it is told to say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "pactl"
        self.program.write_text(PACTL.format(folder=folder))
        self.program.chmod(0o700)
        for name in ("events", "asked"):
            (folder / name).touch()
        self.says(sources={0: "room.monitor", 1: "attic.monitor"}, outputs={os.getpid(): [0]})

    def says(self, *, outputs: dict[int, list[int]], sources: dict[int, str] | None = None) -> None:
        listed = [
            {"source": source, "properties": {"application.process.id": str(pid)}}
            for pid, given in outputs.items()
            for source in given
        ]
        (self.folder / "outputs").write_text(json.dumps(listed))
        if sources is not None:
            named = [{"index": index, "name": name} for index, name in sources.items()]
            (self.folder / "sources").write_text(json.dumps(named))

    def event(self, text: str) -> None:
        with (self.folder / "events").open("a") as file:
            file.write(f"Event 'change' on {text} #0\n")

    @property
    def asked(self) -> int:
        return len((self.folder / "asked").read_text().splitlines())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(pulse, "YOUNG_SECONDS", 0.0)
    return Server(tmp_path)


def test_our_own_source(server: Server) -> None:
    server.says(outputs={os.getpid(): [1], 4_000_000: [0]})
    assert listening() == "attic.monitor"
    assert listening(4_000_000) == "room.monitor"
    assert listening(4_000_001) is None
    server.says(outputs={os.getpid(): [1, 0, 1]})
    assert listening() == "attic.monitor,room.monitor"
    server.says(outputs={os.getpid(): [9]})
    assert listening() == "source 9"


@pytest.mark.parametrize("said", ["", "no JSON", "[]"])
def test_nothing_that_can_be_read(server: Server, said: str) -> None:
    (server.folder / "outputs").write_text(said)
    assert listening() is None


def test_no_pactl_and_no_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.program.write_text("#!/bin/sh\nexit 1\n")
    assert listening() is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert listening() is None
    assert Listener()() is None


def test_a_server_that_does_not_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "ANSWER_SECONDS", 0.2)
    server.program.write_text("#!/bin/sh\nexec sleep 30\n")
    with pytest.raises(Stuck):
        listening()


def test_it_is_asked_again_only_when_something_changed(server: Server) -> None:
    listener = Listener()
    assert [listener() for _ in range(50)] == ["room.monitor"] * 50
    assert server.asked == 1
    server.event("client")
    time.sleep(0.1)
    assert listener() == "room.monitor"
    assert server.asked == 1
    server.says(outputs={os.getpid(): [1]})
    server.event("source-output")
    assert soon(lambda: listener() == "attic.monitor")
    assert server.asked == 2
    listener.close()
    assert listener() == "attic.monitor"  # begins again
    listener.close()


def test_a_subscription_that_ends_is_begun_again(server: Server) -> None:
    listener = Listener()
    assert listener() == "room.monitor"
    assert listener._child is not None
    listener._child.kill()
    listener._child.wait()
    server.says(outputs={os.getpid(): [1]})
    assert listener() == "attic.monitor"
    listener.close()


def test_no_answer_is_not_remembered(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    assert listener() == "room.monitor"
    server.says(outputs={})
    server.event("source-output")
    assert soon(lambda: listener() is None)
    server.says(outputs={os.getpid(): [0]})
    assert listener() == "room.monitor"
    listener.close()


def test_no_answer_is_not_remembered_in_the_first_minute_of_the_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 20.0)
    listener = Listener()
    server.says(outputs={})
    assert listener() is None
    server.says(outputs={os.getpid(): [0]})
    assert listener() == "room.monitor"
    listener.close()
