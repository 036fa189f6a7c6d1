"""What the daemons do, by strace, against what their units let them do."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.capture import sound_server
from tests.daemon.room import Room, noise, play, room, server  # noqa: F401 - fixtures
from tests.daemon.test_processor_kill import command, real
from tests.test_systemd import CAPTURE, PROCESS, directives
from tests.waiting import soon

REFUSED = (
    "fchown",
    "ioprio_set",
    "mbind",
    "sched_setaffinity",
    "sched_setscheduler",
    "set_mempolicy",
    "setpriority",
)
"""What libraries try though a unit doesn't let them: it is refused in these tests as it is there."""
CALL = re.compile(r"(?:\d+ +)?(?:<\.\.\. )?([a-z]\w*)[( ]")

pytestmark = pytest.mark.skipif(
    not shutil.which("strace") or not shutil.which("systemd-analyze"),
    reason="strace or systemd is not installed",
)


@cache
def members(group: str) -> frozenset[str]:
    """The system calls of a group of systemd's."""
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    )
    names = [line.strip() for line in told.stdout.splitlines()[1:]]
    found: set[str] = set()
    for name in names:
        if name and name[0] != "#":
            found |= members(name) if name[0] == "@" else {name}
    return frozenset(found)


def allowed(unit: Path) -> set[str]:
    """The system calls that a unit lets its service make; what every service may is among them."""
    found = set(members("@default"))
    for line in directives(unit)["SystemCallFilter"]:
        groups = [members(group) for group in line.removeprefix("~").split()]
        found = found.difference(*groups) if line[0] == "~" else found.union(*groups)
    return found


def made(trace: Path) -> Iterator[tuple[str, str]]:
    """System calls with the line that has them."""
    for line in trace.read_text(errors="replace").splitlines():
        if found := CALL.match(line):
            yield found[1], line


def traced(trace: Path, unit: Path) -> tuple[str, ...]:
    """What runs a program so that it is refused what a unit refuses it, and writes down what it does."""
    refused = ",".join(name for name in REFUSED if name not in allowed(unit))
    return "strace", "--follow-forks", "-qq", f"--inject={refused}:error=EPERM", "-o", str(trace)


def need_no_more(trace: Path, unit: Path) -> None:
    """Everything that was done is allowed, or was refused and did no harm."""
    calls = list(made(trace))
    assert len(calls) > 1000
    more = [line for name, line in calls if name not in allowed(unit) and "unfinished" not in line]
    assert [line for line in more if "(INJECTED)" not in line] == []
    families = {found for _, line in calls for found in re.findall(r"socket(?:pair)?\((AF_\w+)", line)}
    assert families <= set(directives(unit)["RestrictAddressFamilies"])


def test_the_filters_say_something() -> None:
    """Neither everything nor nothing."""
    capture, process = allowed(CAPTURE), allowed(PROCESS)
    assert capture < process
    assert "ioprio_set" in process - capture
    assert {"fdatasync", "openat", "poll"} <= capture
    assert not process & {"mount", "reboot", "init_module", "chown", "setuid", "ptrace", "bpf"}


def test_the_processor(tmp_path: Path) -> None:
    """With the real engines."""
    room_of_its_own = tmp_path / "room"
    real(room_of_its_own)
    trace = tmp_path / "trace"
    done = command(room_of_its_own, "--once", before=traced(trace, PROCESS))
    _, said = done.communicate(timeout=240)
    assert done.returncode == 0, said
    assert ": done in " in said
    need_no_more(trace, PROCESS)


@sound_server.needed
def test_the_recorder(
    room: Room,  # noqa: F811
    server: sound_server.Server,  # noqa: F811
    tmp_path: Path,
) -> None:
    """By way of a sound server, which needs more of it than a card does."""
    trace = tmp_path / "trace"
    room.start(*traced(trace, CAPTURE))
    room.record("Ada", "Bo")
    play(server, noise(tmp_path / "noise.wav", 3)).wait(20)
    room.heard(2)
    room.ask("pause")
    room.ask("resume")
    room.ask("forget", seconds=1)
    room.ask("stop")
    assert soon(room.queued)
    assert room.daemon is not None
    room.daemon.send_signal(signal.SIGINT)
    room.close()
    need_no_more(trace, CAPTURE)
    writable_code = [line for _, line in made(trace) if "PROT_WRITE|PROT_EXEC" in line]
    assert writable_code == []  # MemoryDenyWriteExecute=yes would refuse it
