"""What the kernel is asked for, in which order: nothing refers to what is not durable yet."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,mkdir"
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (\d+)")
DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
PROGRAM = """
import sys
from pathlib import Path
from meetsense.capture.compress import compress
from meetsense.values import GapKind
from meetsense.capture.segments import SegmentWriter
from tests.capture.ramp import RATE, begun, feed
from tests.capture.test_forget import seal
folder = begun(Path(sys.argv[1]) / "recordings")
writer = SegmentWriter(folder, RATE, 1.0, 0.25)
feed(writer, 40_000)
writer.gap(GapKind.PAUSE, 5)
feed(writer, 41_000)
writer.close()
for segment in folder.read().segments:
    compress(folder, segment, seal if segment.index == 2 else None)
feed(writer, 60_000)
writer.forget(30_000)
"""


@dataclass(frozen=True, slots=True)
class Event:
    """A call that did something to a file below the recordings."""

    name: str
    """create, write, sync, rename, unlink or truncate."""
    path: str
    target: str = ""


KINDS = {"pwrite64": "write", "fdatasync": "sync", "fsync": "sync", "ftruncate": "truncate"}


def event(line: str) -> Event | None:
    """The event of a line of strace -y."""
    found = CALL.match(line)
    if found is None:
        return None
    name, arguments, _ = found.groups()
    quoted = QUOTED.findall(arguments)
    if name.startswith("rename"):
        return Event("rename", *quoted)
    if name.startswith("unlink"):
        return Event("unlink", quoted[0])
    if name == "openat":
        return Event("create", quoted[0]) if "O_CREAT" in arguments else None
    if name == "mkdir":
        return Event("create", quoted[0])
    held = DESCRIPTOR.match(arguments)
    return Event(KINDS.get(name, name), held[1]) if held else None


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """Everything that a recording, its compression and forgetting ask of the kernel."""
    if shutil.which("strace") is None:
        pytest.skip("strace isn't installed")
    root = tmp_path_factory.mktemp("order").resolve()
    log = root / "strace"
    command = ["strace", "-f", "-y", "-s", "300", "-e", f"trace={CALLS}", "-o", str(log)]
    done = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM, str(root)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip("strace may trace nothing here")
    assert done.returncode == 0, done.stderr
    found = [event(line) for line in log.read_text().splitlines()]
    return [one for one in found if one is not None and one.path.startswith(f"{root}/recordings")]


def indices(events: list[Event], name: str, ending: str) -> list[int]:
    return [i for i, one in enumerate(events) if one.name == name and one.path.endswith(ending)]


def last_before(events: list[Event], i: int, path: str) -> str:
    """What was last done to a file before an event: a write, a truncation or a sync."""
    done = [one.name for one in events[:i] if one.path == path and one.name in {"write", "truncate", "sync"}]
    return done[-1] if done else ""


def test_it_sees_what_it_is_to_judge(events: list[Event]) -> None:
    assert len(indices(events, "create", ".wav")) >= 4
    assert len(indices(events, "rename", ".flac.part")) >= 2
    assert len(indices(events, "rename", ".flac.age.part")) == 1
    assert indices(events, "write", "000000.flac.part")
    assert len(indices(events, "unlink", ".wav")) >= 3
    assert indices(events, "truncate", ".wav")
    assert indices(events, "write", "ledger.jsonl")


def test_the_manifest_is_durable_before_any_sound(events: list[Event]) -> None:
    folder = str(Path(events[-1].path).parent if "." in events[-1].path else events[-1].path)
    renamed = indices(events, "rename", "recording.json.new")[0]
    sound = min(indices(events, "create", ".wav"))
    assert last_before(events, renamed, events[renamed].path) == "sync"
    assert Event("sync", folder) in events[renamed:sound]
    assert Event("sync", str(Path(folder).parent)) in events[:sound]
    assert last_before(events, sound, f"{folder}/ledger.jsonl") == "sync"


def test_a_rename_is_of_durable_bytes_and_made_durable(events: list[Event]) -> None:
    renames = [i for i, one in enumerate(events) if one.name == "rename"]
    for i in renames:
        assert last_before(events, i, events[i].path) == "sync"
        assert events[i + 1] == Event("sync", str(Path(events[i].target).parent))


def test_a_new_file_has_a_durable_name_before_its_sound_counts(events: list[Event]) -> None:
    for i in indices(events, "create", ".wav"):
        folder = str(Path(events[i].path).parent)
        named = next(n for n in range(i, len(events)) if events[n] == Event("sync", folder))
        synced = next(n for n in range(i, len(events)) if events[n] == Event("sync", events[i].path))
        assert named < synced


def test_no_line_speaks_of_what_is_not_durable(events: list[Event]) -> None:
    """At each line of the ledger, every WAV's last write is synced, but for one that is being cut away."""
    for i in indices(events, "write", "ledger.jsonl"):
        for path in {one.path for one in events[:i] if one.path.endswith((".wav", ".flac"))}:
            assert last_before(events, i, path) in {"sync", ""}
        assert events[i + 1] == Event("sync", events[i].path)


def test_a_wav_goes_when_its_flac_is_durable_under_its_name_and_in_the_ledger(events: list[Event]) -> None:
    for i in [*indices(events, "rename", ".flac.part"), *indices(events, "rename", ".flac.age.part")]:
        wav = f"{events[i].target.partition('.')[0]}.wav"
        gone = next(n for n in range(i, len(events)) if events[n] == Event("unlink", wav))
        told = [n for n in indices(events, "write", "ledger.jsonl") if i < n < gone]
        assert told
        assert Event("sync", str(Path(wav).parent)) in events[i : told[0]]
        assert Event("sync", str(Path(wav).parent)) in events[gone:]


def test_bytes_are_given_back_before_their_name(events: list[Event]) -> None:
    unlinked = [i for i, one in enumerate(events) if one.name == "unlink"]
    for i in unlinked:
        path = events[i].path
        done = [
            one.name for one in events[:i] if one.path == path and one.name in {"write", "truncate", "sync"}
        ]
        assert done[-2:] == ["truncate", "sync"]
        assert Event("sync", str(Path(path).parent)) in events[i:]
