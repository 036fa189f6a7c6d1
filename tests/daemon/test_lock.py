from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meetsense.daemon.lock import hold
from meetsense.errors import ControlError

HOLDER = """
import sys, time
from pathlib import Path
from meetsense.daemon.lock import hold
with hold(Path(sys.argv[1]), "recorder"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that has the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_refused_in_one_line_that_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "state" / "capture.lock"
    with holder(path) as first:
        with pytest.raises(
            ControlError, match=f"another recorder is running .process {first.pid}, "
        ) as refused:
            hold(path, "recorder").__enter__()
        assert "\n" not in str(refused.value)
        first.communicate()
    with hold(path, "recorder"):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_killed_holder_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "capture.lock"
    with holder(path) as first:
        first.kill()
        first.wait()
    assert path.read_text() == f"{first.pid}\n"
    with hold(path, "recorder"):
        pass


@pytest.mark.parametrize("stale", [b"", b"1\n", b"99999999999999999999999999\n", b"\xff\0garbage"])
def test_what_stands_in_a_stale_file_does_not_matter(tmp_path: Path, stale: bytes) -> None:
    path = tmp_path / "capture.lock"
    path.write_bytes(stale)
    with hold(path, "recorder"):
        assert path.read_text() == f"{os.getpid()}\n"
        with pytest.raises(ControlError):
            hold(path, "recorder").__enter__()


def test_the_file_is_its_owners_and_no_link_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "capture.lock"
    with hold(path, "recorder"):
        assert path.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ControlError, match="cannot be locked"):
        hold(link, "recorder").__enter__()


def test_a_full_disk_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "capture.lock"
    path.write_text("1\n")
    monkeypatch.setattr(os, "pwrite", refuse)
    with hold(path, "recorder"):
        assert path.read_text() == ""
        with pytest.raises(ControlError, match=r"another recorder is running \(/"):
            hold(path, "recorder").__enter__()


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "capture.lock"
    with hold(path, "recorder"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with hold(path, "recorder"):
            pass
    finally:
        child.kill()
        child.wait()
