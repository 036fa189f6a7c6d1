"""One child a meeting: whatever becomes of it, the reason is told, nothing is left, the next one goes on."""

from __future__ import annotations

import errno
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import soundfile

from meetsense import batch
from meetsense.batch import ChildBug, Limits, Parked, analyse_apart, memory_of_group
from meetsense.errors import AudioError, EngineError, MeetsenseError, StoreError
from meetsense.pipeline import Request, analyse, frame, open_toolbox
from meetsense.speech.directory import BUNDLED
from meetsense.store import Store
from meetsense.values import Analysis, Grade, Roster, Span, Turn
from tests import hostile
from tests.cli.conftest import Call, call  # noqa: F401 - a fixture
from tests.hostile import MB, recording

ROOT = Path(__file__).parents[1]
LIMITS = Limits(memory_bytes=1000 * MB, time_factor=1000)
SOON = 5.0
"""Seconds after a child's death within which the next meeting's turn comes."""


@pytest.fixture(autouse=True)
def _children_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    places = (str(ROOT), os.environ.get("PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(place for place in places if place))


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of the test's own, in which nothing may be left."""
    folder = tmp_path_factory.mktemp("tmp")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return recording(tmp_path / "desk hours.wav", 1.5)


def apart(sound: Path, deed: str, *arguments: object, limits: Limits = LIMITS) -> Analysis:
    return analyse_apart(sound, partial(hostile.toolbox, deed, *arguments), Request(), limits=limits)


def parked(sound: Path, deed: str, *arguments: object, limits: Limits = LIMITS) -> str:
    """Why a meeting is parked: one line that names the file; the meeting is the file's."""
    with pytest.raises(Parked) as raised:
        apart(sound, deed, *arguments, limits=limits)
    assert raised.value.meeting == frame(sound, 1.5, Request())
    assert str(raised.value) == f"desk hours.wav: parked, {raised.value.reason}"
    assert raised.value.reason.isprintable()
    return raised.value.reason


def parked_unheard(sound: Path) -> str:
    """Why a meeting is parked of which nothing was heard, not even its length."""
    with pytest.raises(Parked) as raised:
        apart(sound, "nothing")
    assert raised.value.meeting == frame(sound, 0.0, Request())
    return raised.value.reason


def alive(process: int) -> bool:
    """Whether a process runs; one that is dead and waits to be reaped doesn't."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def soon(true: Callable[[], bool], seconds: float = SOON) -> bool:
    """Whether something comes true before so many seconds are over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return true()


def test_the_result_is_that_of_the_pipeline(tmp_path: Path) -> None:
    """With the real engines, a roster and progress."""
    source, path = BUNDLED / "demo-meeting" / "meeting.flac", tmp_path / "cut.wav"
    samples, rate = soundfile.read(source, stop=soundfile.info(source).samplerate * 20, dtype="float32")
    soundfile.write(path, samples, rate)
    toolbox = partial(open_toolbox, tmp_path, whisper=str(BUNDLED / "demo-whisper"), threads=1)
    request = Request(roster=Roster(title="Desk"), language="en")
    told: list[tuple[str, float]] = []
    found = analyse_apart(path, toolbox, request, lambda *step: told.append(step), limits=LIMITS)
    assert found == analyse(path, toolbox, request)
    assert found.utterances
    assert found.utterances[0].words
    assert list(dict.fromkeys(step for step, _ in told)) == ["decode", "load", "speech", "speakers", "words"]


def test_the_parent_loads_no_engine(sound: Path) -> None:
    code = f"""
import sys
from functools import partial
from pathlib import Path
from meetsense.batch import Limits, analyse_apart
from meetsense.pipeline import Request, open_toolbox
toolbox = partial(open_toolbox, Path("/nonexistent"))
analyse_apart(Path({str(sound)!r}), toolbox, Request(), limits=Limits(10**9, 1000))
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    engines = {"av", "ctranslate2", "faster_whisper", "onnxruntime", "pyannote", "soundfile", "soxr", "torch"}
    assert not set(done.stdout.split()) & engines


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT])
def test_a_crash_parks(sound: Path, number: signal.Signals) -> None:
    reason = parked(sound, "signalled", number)
    assert reason.startswith(f"it crashed ({number.name})")
    assert "while finding speech; " in reason


def test_a_crash_says_its_last_words(sound: Path) -> None:
    assert "it crashed (SIGABRT: what():  std::bad_alloc)" in parked(sound, "abort")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_child_parks_and_names_memory(sound: Path, number: signal.Signals) -> None:
    assert parked(sound, "signalled", number).startswith("it ran out of memory or was killed")


@pytest.mark.parametrize("deed", ["hog", "let_hog"])
def test_memory_is_limited_of_the_child_and_its_children(sound: Path, deed: str) -> None:
    reason = parked(sound, deed, limits=Limits(400 * MB, 1000))
    held = re.match(r"it held (\d+) MB, more than the 400 MB of memory that it may", reason)
    assert held
    assert 400 <= int(held[1]) < 2000
    assert "memory_mb" in reason


def test_memory_that_the_limit_allows_may_be_used(sound: Path) -> None:
    assert apart(sound, "hog_and_release", 500 * MB, limits=Limits(900 * MB, 1000)).turns


def test_a_leap_beyond_the_kernels_limit_parks(sound: Path) -> None:
    assert parked(sound, "leap", limits=Limits(400 * MB, 1000)).startswith("it ran out of memory")


def test_mapped_files_do_not_count(tmp_path: Path) -> None:
    """Weights and sound that are mapped can be taken back."""
    big = tmp_path / "weights"
    with big.open("wb") as file:
        file.truncate(600 * MB)
    code = f"""
import numpy, sys
mapped = numpy.memmap({str(big)!r}, numpy.uint8, "r")
print(int(mapped.sum()), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert resident
        assert int(resident[1]) > 550_000
        assert 1 * MB < memory_of_group(process.pid) < 200 * MB


def test_time_is_limited_by_the_recordings_length(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "START_SECONDS", 0.5)
    began = time.monotonic()
    reason = parked(sound, "hang", limits=Limits(10**9, 2))
    assert reason.startswith("it took more than 2 times the recording's length")
    assert "while finding speech; a larger time_factor" in reason
    assert 2 * 1.5 + 0.5 <= time.monotonic() - began < 300


class Enough(Exception):
    """A test has seen what it waited for."""


@pytest.mark.parametrize(("deed", "works"), [("spin", True), ("let_spin", True), ("hang", False)])
def test_whether_a_child_works_is_told(
    sound: Path, deed: str, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the step that does the deed; twice, for it has worked to get there."""
    monkeypatch.setattr(batch, "PULSE_SECONDS", 1.0)
    steps: list[str] = []
    felt: list[bool] = []

    def pulse(now: bool) -> None:
        if steps and steps[-1] == "speech":
            felt.append(now)
        if felt[-2:] == [works, works]:
            raise Enough

    toolbox, limits = partial(hostile.toolbox, deed), replace(LIMITS, time_factor=40)
    with pytest.raises(Enough):
        analyse_apart(
            sound, toolbox, Request(), lambda step, _: steps.append(step), limits=limits, pulse=pulse
        )
    assert len(felt) == 2 or not works


def test_a_child_that_stops_in_the_middle_of_a_message_keeps_nobody(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "START_SECONDS", 0.5)
    assert parked(sound, "stammer", limits=Limits(10**9, 2)).startswith("it took more than 2 times")


def test_what_is_no_message_is_a_bug(sound: Path) -> None:
    with pytest.raises(ChildBug, match="in _take"):
        apart(sound, "babble")


def test_a_signal_without_a_name_parks(sound: Path) -> None:
    assert parked(sound, "signalled", signal.SIGRTMIN + 6).startswith("it crashed (signal 40)")


def test_a_child_that_cannot_be_started_parks(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert "it could not be started (Cannot allocate memory)" in parked_unheard(sound)


def test_the_death_of_a_child_is_understood_where_sigchld_was_ignored(sound: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert parked(sound, "signalled", signal.SIGSEGV).startswith("it crashed (SIGSEGV)")
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_bug_keeps_its_traceback(sound: Path) -> None:
    with pytest.raises(ChildBug) as raised:
        apart(sound, "slip")
    text = str(raised.value)
    assert "before the bug" in text
    assert text.rstrip().endswith("IndexError: list index out of range")
    assert 'hostile.py", line' in text


def test_a_library_that_ends_the_process_is_a_bug(sound: Path) -> None:
    with pytest.raises(ChildBug, match="this library knows better"):
        apart(sound, "leave")


def test_a_child_that_cannot_start_is_a_bug(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(ChildBug, match="No module named 'tests'"):
        apart(sound, "nothing")


def test_mistakes_of_the_user_stay_one_line(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"^this engine is tired$"):
        apart(sound, "fail")
    with pytest.raises(AudioError, match=r"^missing.wav: no such file$"):
        apart(tmp_path / "missing.wav", "nothing")


def test_no_room_is_one_line(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(MeetsenseError, match="set TMPDIR"):
        apart(sound, "nothing")


def test_a_result_is_kept_whatever_its_child_does_then(sound: Path) -> None:
    assert apart(sound, "die_at_exit") == apart(sound, "nothing")


def test_what_libraries_print_never_reaches_stdout(sound: Path, capfd: pytest.CaptureFixture[str]) -> None:
    apart(sound, "chatter")
    out, err = capfd.readouterr()
    assert out == ""
    assert "a library says hello" in err
    assert "and it warns" in err


def test_nothing_runs_on_when_a_meeting_is_done(sound: Path, tmp_path: Path) -> None:
    note = tmp_path / "note"
    reason = parked(sound, "litter_and_crash", str(note))
    assert "SIGSEGV" in reason
    processes = [int(word) for word in note.read_text().split()]
    assert soon(lambda: not any(map(alive, processes)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_of_an_interrupted_parent(
    sound: Path, tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    note = tmp_path / "note"
    code = f"""
import signal
from functools import partial
from pathlib import Path
from meetsense.batch import Limits, analyse_apart
from meetsense.pipeline import Request
from tests import hostile
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # what nohup starts has it ignored
toolbox = partial(hostile.toolbox, "litter", {str(note)!r})
analyse_apart(Path({str(sound)!r}), toolbox, Request(), limits=Limits(10**9, 1000))
"""
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as parent:
        assert soon(note.exists, 60), parent.stderr and parent.stderr.read()
        processes = [int(word) for word in note.read_text().split()]
        assert all(map(alive, processes))
        assert any(temporary.rglob("litter*"))
        parent.send_signal(number)
        try:
            parent.wait(SOON)
        finally:
            parent.kill()
    status = {signal.SIGINT: -2, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
    assert parent.returncode == status[number]
    assert soon(lambda: not any(map(alive, processes)))
    if number == signal.SIGKILL:  # nobody is left who could remove the folder
        for path in sorted(temporary.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_the_handler_of_sigterm_is_given_back(sound: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    apart(sound, "nothing")
    assert signal.getsignal(signal.SIGTERM) == before


def by_name(module: str, name: str) -> bytes:
    """A pickle of protocol 4 that calls something by its name, without an argument."""
    words = b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name))
    return b"\x80\x04" + words + b"\x93)R."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "getpid"),
        ("meetsense.values", "np.get_include"),
        ("meetsense.values", "Turn.__subclasses__"),
        ("meetsense.values", "math"),
        ("meetsense.values", "quantise"),
        ("meetsense.values", "MappingProxyType"),
        ("numpy", "get_include"),
    ],
)
def test_only_values_are_read_from_a_child(module: str, name: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match="no value"):
        batch._Values(by_name(module, name)).load()


def test_values_are_read_from_a_child() -> None:
    value = Turn(Span(0.0, 1.0), "S1"), Grade.FIRM
    assert batch._Values(pickle.dumps(value)).load() == value


def full(*_: object) -> None:
    raise StoreError("the disk is full")


def test_a_parked_meeting_is_one_line_and_the_next_goes_on(
    call: Call,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("meetsense.pipeline.open_toolbox", hostile.open_deadly)
    files = [recording(tmp_path / f"{seconds}.wav", seconds) for seconds in (0.9, 1.0, 1.1)]
    database = tmp_path / "all.db"
    result = call("analyze", *files, "--db", database, code=1)
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("meetsense: 1.0.wav: parked, it ran out of memory or was killed")
    with Store(database) as store:
        assert sorted(meeting.title for meeting in store.meetings()) == ["0.9", "1.1"]
        (waiting,) = store.parked()
        assert (waiting.id, waiting.title) == (frame(files[1], 1.0, Request()).id, "1.0")
        assert "while finding speech" in waiting.reason
        with pytest.raises(StoreError, match="is parked: it ran out of memory"):
            store.load(waiting.id[:6])
    monkeypatch.setattr(Store, "park", full)
    line = call("analyze", files[1], "--db", database, code=1).stderr
    assert "1.0.wav: parked, it ran out of memory or was killed" in line
    assert "that could not be noted: the disk is full" in line
    monkeypatch.setattr("meetsense.pipeline.open_toolbox", hostile.open_harmless)
    call("analyze", files[1], "--db", database)
    with Store(database) as store:
        assert store.parked() == ()
        assert len(store.meetings()) == 3


def test_a_bug_in_one_recording_leaves_the_next_alone(
    call: Call,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("meetsense.pipeline.open_toolbox", hostile.open_buggy)
    files = [recording(tmp_path / f"{seconds}.wav", seconds) for seconds in (1.0, 1.1)]
    result = call("analyze", *files, "--no-store", "--json", tmp_path / "out", code=1)
    assert "1.0.wav: a bug in the child process:" in result.stderr
    assert "IndexError: list index out of range" in result.stderr
    assert len(list((tmp_path / "out").iterdir())) == 1
    with pytest.raises(ChildBug):
        call("analyze", files[0], "--no-store")


def test_no_store_parks_nowhere(
    call: Call,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("meetsense.pipeline.open_toolbox", hostile.open_deadly)
    database = tmp_path / "all.db"
    sound = recording(tmp_path / "one.wav", 1.0)
    assert "parked" in call("analyze", sound, "--db", database, "--no-store", code=1).stderr
    assert not database.exists()


def test_parked_is_a_mistake_that_can_be_mended() -> None:
    assert issubclass(Parked, MeetsenseError)
    assert not issubclass(ChildBug, MeetsenseError)
