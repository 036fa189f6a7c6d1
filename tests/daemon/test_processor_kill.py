"""A processor that is killed anywhere: the next one gives the same result, and nothing is left over."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import soundfile

from meetsense.config import Settings, read_settings
from meetsense.speech.directory import BUNDLED
from meetsense.store import Store
from meetsense.values import Gap, GapKind, RecordingState
from tests.daemon.recorded import agree, files, hum, record, rows, state_of
from tests.waiting import soon

ROOT = Path(__file__).parents[2]
SOON = 30.0
"""Seconds within which something that must happen has happened."""


def environment(tmp_path: Path) -> dict[str, str]:
    """Where a processor finds the tests, and a place for what is temporary in which nothing may be left."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(places), "TMPDIR": str(tmp_path / "tmp")}


def made(folder: Path) -> Settings:
    """A room with a recording that waits."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        f'state = "{folder / "state"}"\n[capture]\nlow_water_mb = 1\n[process]\nkeep_free_mb = 2\n'
    )
    settings = read_settings(folder / "config.toml")
    agree(settings, "Ada", "Bo")
    record(settings, hum(1.5), gaps=(Gap(GapKind.PAUSE, 8000, 16000),))
    return settings


def processed(folder: Path, *moment: str) -> subprocess.CompletedProcess[str]:
    """Run a processor until a moment, or until it has nothing left to do."""
    command = [sys.executable, "-m", "tests.daemon.killed", str(folder / "config.toml"), *moment]
    done = subprocess.run(
        command, env=environment(folder), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == (0 if moment[0] == "never" else -signal.SIGKILL), done.stderr
    return done


def running(word: str) -> list[int]:
    """Processes whose environment has a word."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and word.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[str]]:
    """What becomes of the recording when nobody interferes, and the statements that it took."""
    folder = tmp_path_factory.mktemp("room") / "room"
    settings = made(folder)
    return settings, processed(folder, "never").stdout.splitlines()


def moments_of(statements: list[str]) -> list[int]:
    """Before and after every commit of what was written: numbers of the statements before which to die."""
    moments, writes = set(), False
    for number, text in enumerate(statements, 1):
        writes = writes or text.upper() == "BEGIN IMMEDIATE"
        if text.upper() == "COMMIT":
            if writes:
                moments |= {number, number + 1}
            writes = False
    return sorted(moments - {len(statements) + 1})


def same_after(folder: Path, uninterrupted: Settings, *moment: str) -> None:
    """Kill a processor at a moment, run another one, and compare everything that is left."""
    settings = made(folder)
    before = files(settings.state / "recordings")
    processed(folder, *moment)
    assert soon(lambda: running(f"TMPDIR={folder}") == [], SOON)
    assert all(b"RIFF" not in data for data in files(settings.state / "processing").values())
    processed(folder, "never")
    assert rows(settings.database) == rows(uninterrupted.database)
    assert files(settings.state / "recordings") == before
    assert list((folder / "tmp").iterdir()) == []
    assert {path.name.partition("-")[0] for path in settings.state.iterdir()} == {
        path.name.partition("-")[0] for path in uninterrupted.state.iterdir()
    }
    shutil.rmtree(folder)


def test_uninterrupted(uninterrupted: tuple[Settings, list[str]]) -> None:
    """It does what the others are compared with: a meeting, and some commits on the way."""
    settings, statements = uninterrupted
    with Store(settings.database) as store:
        assert [r.state for r in store.recordings()] == [RecordingState.DONE]
        assert len(store.meetings()) == 1
    written = [text.split()[:3] for text in statements if text.split()[0].lower() in ("insert", "update")]
    assert ["insert", "into", "meetings"] in written
    assert len(moments_of(statements)) >= 4


def test_killed_before_and_after_every_commit(
    tmp_path: Path, uninterrupted: tuple[Settings, list[str]]
) -> None:
    settings, statements = uninterrupted
    for number in moments_of(statements):
        same_after(tmp_path / str(number), settings, "sql", str(number))


@pytest.mark.parametrize("moment", ["assembling", "analysing", "analysed"])
def test_killed_in_the_middle_of_a_step(
    tmp_path: Path, uninterrupted: tuple[Settings, list[str]], moment: str
) -> None:
    same_after(tmp_path / "room", uninterrupted[0], moment)


def real(folder: Path) -> Settings:
    """A room with a meeting of some seconds, for the real engines."""
    folder.mkdir(parents=True)
    whisper = BUNDLED / "demo-whisper"
    (folder / "config.toml").write_text(
        f'state = "{folder / "state"}"\nwhisper = "{whisper}"\nlanguage = "en"\nthreads = 1\n'
        'diarizer = "embedded"\n[capture]\nlow_water_mb = 1\n[process]\nkeep_free_mb = 2\nnice = 0\n'
    )
    settings = read_settings(folder / "config.toml")
    agree(settings, "Ada", "Bo")
    source = BUNDLED / "demo-meeting" / "meeting.flac"
    sound, rate = soundfile.read(source, stop=soundfile.info(source).samplerate * 20, dtype="int16")
    assert rate == 16_000
    record(settings, sound, segment_seconds=7.0)
    return settings


def command(folder: Path, *options: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A processor as it is run; ``before``: a program that runs it."""
    code = "import sys; from meetsense.cli import main; main(sys.argv[1:])"
    words = [sys.executable, "-c", code, "run", "process", *options, "--config", str(folder / "config.toml")]
    return subprocess.Popen(
        [*before, *words],
        env=environment(folder),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_real_engines_killed_and_stopped(tmp_path: Path) -> None:
    """Killed while it tells voices apart, stopped by SIGTERM, and left alone: one result."""
    alone, hurt = real(tmp_path / "alone"), real(tmp_path / "hurt")

    def children() -> list[int]:
        return [number for number in running(f"TMPDIR={tmp_path / 'hurt'}") if number != process.pid]

    def analysing() -> bool:
        return state_of(hurt, recording)[0] is RecordingState.PROCESSING and bool(children())

    done = command(tmp_path / "alone", "--once")
    _, said = done.communicate(timeout=120)
    assert done.returncode == 0, said
    with Store(hurt.database) as store:
        (recording,) = store.recordings()
    for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        process = command(tmp_path / "hurt")
        assert soon(analysing, SOON)
        process.send_signal(number)
        process.communicate(timeout=SOON)
        assert process.returncode == status
        assert soon(lambda: children() == [], SOON)
    assert state_of(hurt, recording)[:2] == (RecordingState.QUEUED, 1)  # what was stopped does not count
    assert not (hurt.state / "processing").exists()
    done = command(tmp_path / "hurt", "--once")
    done.communicate(timeout=120)
    assert rows(hurt.database) == rows(alone.database)
    with Store(hurt.database) as store:
        analysis = store.load(recording.id)
    assert analysis.utterances
    assert [list((tmp_path / room / "tmp").iterdir()) for room in ("alone", "hurt")] == [[], []]
