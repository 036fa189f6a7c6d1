"""The processor's loop: in order, a bounded number of times, and with what people agree to."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meetsense import batch
from meetsense.batch import ChildBug, Parked
from meetsense.capture.compress import compress
from meetsense.capture.folder import Folder
from meetsense.capture.forget import forget
from meetsense.config import Settings, read_settings
from meetsense.daemon import processor
from meetsense.daemon.job import NO_WORDS, REMOVED, WITHDRAWN, WithoutWords
from meetsense.daemon.lock import hold
from meetsense.daemon.processor import LAPSED, NoRoom, Pace, Processor, put_back, run_process
from meetsense.errors import AudioError, CaptureError, MeetsenseError, StoreError
from meetsense.pipeline import Progress, Request, Toolbox, analyse
from meetsense.privacy.seal import seal
from meetsense.store import Store
from meetsense.values import (
    Agreement,
    Analysis,
    Basis,
    BasisKind,
    Gap,
    GapKind,
    Meeting,
    Recording,
    RecordingState,
)
from tests import hostile
from tests.cli.conftest import Call, call  # noqa: F401 - a fixture
from tests.daemon.recorded import FIRST, agree, hum, record, state_of
from tests.small_disk import small_disk

PACE = Pace(idle=0.01, again=0.01, trouble=0.01, saving=0.2)
QUEUED, PROCESSING, DONE, FAILED = (
    RecordingState.QUEUED,
    RecordingState.PROCESSING,
    RecordingState.DONE,
    RecordingState.FAILED,
)
Toolboxes = Callable[[], Toolbox]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process keeps its priority, and no service manager hears of it."""
    monkeypatch.setattr(processor, "step_back", lambda nice: None)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a state directory of the test's own."""
    file = tmp_path / "config.toml"
    file.write_text(
        f'state = "{tmp_path / "state"}"\n'
        "[process]\nattempts = 3\nkeep_free_mb = 2\n[capture]\nlow_water_mb = 1\n"
    )
    return file


@pytest.fixture
def settings(config: Path) -> Settings:
    """Ada and Bo agree to be recorded."""
    found = read_settings(config)
    agree(found, "Ada", "Bo")
    return found


class Analyses:
    """In place of the child: analyses here, remembers what it was asked, and does a deed before and after."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.toolboxes: list[Toolboxes] = []
        self.deed: Callable[[Request, Progress], None] = lambda request, progress: None
        self.after: Callable[[], None] = lambda: None
        self.pulse: batch.Pulse = lambda works: None
        """The one it was last given."""

    @property
    def titles(self) -> list[str | None]:
        """Which meetings, in their order."""
        return [request.title for request in self.asked]

    def __call__(
        self,
        path: Path,
        toolbox: Toolboxes,
        request: Request,
        progress: Progress,
        *,
        limits: batch.Limits,
        pulse: batch.Pulse,
    ) -> Analysis:
        self.asked.append(request)
        self.pulse = pulse
        self.toolboxes.append(toolbox)
        self.deed(request, progress)
        analysis = analyse(path, partial(hostile.toolbox, "nothing"), request)
        self.after()
        return analysis


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> Analyses:
    """What was analysed."""
    found = Analyses()
    monkeypatch.setattr(batch, "analyse_apart", found)
    return found


def once(settings: Settings) -> None:
    """Run the processor until the queue is empty; nothing temporary is left."""
    try:
        run_process(settings, once=True, pace=PACE)
    finally:
        assert not (settings.state / "processing").exists()


def failing(*errors: BaseException | None) -> Callable[[Request, Progress], None]:
    """A deed that raises one after the other; then, and where it is None, it does nothing."""
    left = list(errors)

    def deed(_: Request, __: Progress) -> None:
        error = left.pop(0) if left else None
        if error is not None:
            raise error

    return deed


def parked(reason: str) -> Parked:
    return Parked(Meeting("digest", "Desk", FIRST, 1.0), "recording.wav", reason)


def test_recordings_are_taken_in_order(settings: Settings, analyses: Analyses) -> None:
    made = [record(settings, hum(1 + hour / 10), hour=hour) for hour in (2, 0, 1)]
    once(settings)
    assert analyses.titles == ["Desk 0", "Desk 1", "Desk 2"]
    assert [state_of(settings, recording) for recording in made] == [(DONE, 1, None)] * 3
    with Store(settings.database) as store:
        assert {meeting.id for meeting in store.meetings()} == {recording.id for recording in made}
        for recording in made:
            meeting = store.load(recording.id).meeting
            assert meeting == Meeting(
                recording.id, recording.title, recording.started_at, recording.duration, meeting.language
            )


def test_nothing_stays_open(settings: Settings, analyses: Analyses) -> None:
    record(settings, hum(1))
    once(settings)
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for hour in range(1, 6):
        record(settings, hum(1), hour=hour)
    analyses.deed = failing(parked("no"), None, ZeroDivisionError(), None)
    once(settings)
    gc.collect()
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_an_empty_queue_is_nothing(settings: Settings, analyses: Analyses) -> None:
    once(settings)
    assert analyses.asked == []


def test_who_was_present_is_the_roster(settings: Settings, analyses: Analyses) -> None:
    with Store(settings.database) as store:
        store.state("Ada", Agreement.NAMED, True, "form")
        store.state("Bo", Agreement.VOICEPRINT, True, "form")
        store.state("Bo", Agreement.WEEKLY_MAIL, True, "form")
        store.state("Bo", Agreement.WEEKLY_MAIL, False, "letter")
        before = store.statements()
        store.add_person("Ada", "chair")
    recording = record(settings, hum(1))
    once(settings)
    roster = analyses.asked[0].roster
    assert (roster.title, roster.started_at) == (recording.title, recording.started_at)
    assert {p.name: p.agreed for p in roster.participants} == {
        "Ada": frozenset({Agreement.RECORDING, Agreement.NAMED}),
        "Bo": frozenset(
            {Agreement.RECORDING, Agreement.VOICEPRINT, Agreement.NAMED}
        ),  # a voiceprint is for naming
    }
    assert [person.role for person in roster.participants] == ["chair", None]
    with Store(settings.database) as store:
        assert store.statements() == before  # to save a meeting states nothing in anybody's name


def test_who_agrees_to_a_voiceprint_but_not_to_be_named_stays_a_label(
    settings: Settings, analyses: Analyses
) -> None:
    with Store(settings.database) as store:
        store.state("Bo", Agreement.VOICEPRINT, True, "form")
        store.state("Bo", Agreement.NAMED, False, "form")
    record(settings, hum(1), people=("Bo",))
    once(settings)
    assert [p.shown_name for p in analyses.asked[0].roster.participants] == [None]


@pytest.mark.parametrize("refused", [False, True])
def test_words_only_where_nobody_refuses(settings: Settings, analyses: Analyses, refused: bool) -> None:
    with Store(settings.database) as store:
        store.state("Ada", Agreement.TRANSCRIPTION, True, "form")
        if refused:
            store.state("Bo", Agreement.TRANSCRIPTION, False, "form")
    record(settings, hum(1))
    once(settings)
    assert isinstance(analyses.toolboxes[0], WithoutWords) == refused


def test_who_was_deleted_may_have_refused_words(config: Path, analyses: Analyses) -> None:
    """By a policy, their meeting is analysed still."""
    digest = "0" * 64
    (config.parent / "policy.txt").write_text("x")
    policy = f'[policy]\ntext = "{config.parent}/policy.txt"\nsha256 = "{digest}"\n'
    config.write_text(config.read_text() + policy)
    settings = read_settings(config)
    record(settings, hum(1), basis=Basis(BasisKind.POLICY, ("Ada",), digest))
    with Store(settings.database) as store:
        store.state("Ada", Agreement.TRANSCRIPTION, False, "form")
        store.forget_person("Ada")
    once(settings)
    assert [type(toolbox) for toolbox in analyses.toolboxes] == [WithoutWords]


def test_a_toolbox_without_words() -> None:
    closed = WithoutWords(hostile.open_harmless)()
    assert (closed.transcriber, closed.without_words) == (None, NO_WORDS)
    assert closed.diarizer is not None


def test_what_the_settings_say_of_the_meetings(config: Path, analyses: Analyses) -> None:
    config.write_text('language = "de"\nspeakers = "roster"\n' + config.read_text())
    settings = read_settings(config)
    agree(settings, "Ada", "Bo")
    record(settings, hum(1))
    once(settings)
    (request,) = analyses.asked
    assert request.language == "de"
    assert request.speakers is not None
    assert (request.speakers.low, request.speakers.high) == (1, 2)


def test_gaps_are_silence_and_are_told(settings: Settings, analyses: Analyses) -> None:
    gaps = (
        Gap(GapKind.PAUSE, 8000, 32000),
        Gap(GapKind.RESTART, 16000, 8000),
        Gap(GapKind.MUTED, 0, 4000),
        Gap(GapKind.PAUSE, 16000, 16000),
    )
    recording = record(settings, hum(1), gaps=gaps)
    once(settings)
    with Store(settings.database) as store:
        analysis = store.load(recording.id)
    assert analysis.meeting.duration == recording.duration == 4.5
    assert analysis.notes[-2:] == (
        "3.5 s of this meeting are not in the recording (pause: 3.0 s, the recorder began again: 0.5 s); "
        "they count as silence.",
        "The microphone gave nothing but zeros for 0.2 s.",
    )


def test_what_fails_is_tried_again_and_then_waits_with_its_reason(
    settings: Settings,
    analyses: Analyses,
    call: Call,  # noqa: F811
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad, good = record(settings, hum(1)), record(settings, hum(1.1), hour=1)
    analyses.deed = failing(
        parked("it crashed; meetsense doctor may say why"), AudioError("x"), parked("full")
    )
    once(settings)
    assert analyses.titles == ["Desk 0"] * 3 + ["Desk 1"]
    assert state_of(settings, bad) == (FAILED, 3, "full")
    assert state_of(settings, good) == (DONE, 1, None)
    said = capsys.readouterr().err.splitlines()
    assert f"meetsense: {bad.id}: attempt 1 of 3 failed, to be tried again: it crashed; " in said[0]
    assert said[2] == f"meetsense: {bad.id}: attempt 3 of 3 failed, given up: full"
    assert "Desk" not in "".join(said)
    shown = call("meetings", "--config", config).stderr
    assert f"failed: {bad.id}" in shown
    assert "full" in shown
    call("run", "process", "--again", bad.id[:-1], "--config", config)
    assert state_of(settings, bad) == (QUEUED, 0, None)
    once(settings)
    assert state_of(settings, bad) == (DONE, 1, None)


def test_an_attempt_that_succeeds_ends_it(settings: Settings, analyses: Analyses) -> None:
    recording = record(settings, hum(1))
    analyses.deed = failing(parked("killed"))
    once(settings)
    assert state_of(settings, recording) == (DONE, 2, None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("by nought"), "ZeroDivisionError: by nought"),
        (ChildBug("in the child process:\nTraceback\nKeyError: 'x'"), "KeyError: 'x'"),
    ],
)
def test_a_bug_keeps_its_traceback_and_the_next_goes_on(
    settings: Settings,
    analyses: Analyses,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    bad, good = record(settings, hum(1)), record(settings, hum(1.1), hour=1)
    analyses.deed = failing(error, error, error)
    once(settings)
    state, _, reason = state_of(settings, bad)
    assert state is FAILED
    assert reason == f"a bug, whose traceback the log has: {said}"
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert state_of(settings, good)[0] is DONE


def test_what_no_failed_recording_is_called(settings: Settings, analyses: Analyses) -> None:
    made = [record(settings, hum(1), hour=hour) for hour in range(3)]
    analyses.deed = failing(*[parked("no")] * 6)
    once(settings)
    for wrong in ("x", made[2].id):
        with pytest.raises(StoreError, match=r"^no failed recording begins with .+; list them with: "):
            put_back(settings, wrong)
    with pytest.raises(StoreError, match=r"^2 failed recordings begin with "):
        put_back(settings, "2026")
    assert put_back(settings, made[1].id) == made[1].id


def withdraw(settings: Settings) -> None:
    """Bo no longer agrees to be recorded."""
    with Store(settings.database) as store:
        store.state("Bo", Agreement.RECORDING, False, "letter")


def sound_of(settings: Settings, recording: Recording) -> list[str]:
    """Files of a recording that hold sound."""
    folder = settings.state / "recordings" / recording.id
    return sorted(path.name for path in folder.iterdir() if path.suffix not in (".json", ".jsonl"))


def test_consent_withdrawn_before(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither that which waits nor that which failed before keeps its sound, though the disk be full."""
    failed, waits, other = (record(settings, hum(1), hour=hour) for hour in range(3))
    bystander = record(settings, hum(1.1), hour=3, people=("Ada",))
    with Store(settings.database) as store:
        store.fail(failed.id, "damaged")
    withdraw(settings)
    shutil.rmtree(settings.state / "recordings" / other.id)
    free(monkeypatch, 0)
    with pytest.raises(NoRoom):  # for the bystander's
        once(settings)
    assert analyses.asked == []
    for recording in (failed, waits, other):
        assert state_of(settings, recording)[::2] == (FAILED, REMOVED)
        with Store(settings.database) as store:
            assert store.recording(recording.id).samples == 0
    assert sound_of(settings, failed) == sound_of(settings, waits) == []
    assert sound_of(settings, bystander)
    assert state_of(settings, bystander) == (QUEUED, 0, None)


@pytest.mark.parametrize("told", [True, False])
def test_consent_withdrawn_while_it_is_analysed(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """The analysis is ended when it tells how far it is, else its result is dropped."""
    monkeypatch.setattr(processor, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(processor, "CONSENT_SECONDS", 0.0)
    recording = record(settings, hum(1))
    went_on: list[str] = []

    def deed(_: Request, progress: Progress) -> None:
        progress("words", 0.25)
        withdraw(settings)
        if told:
            progress("words", 0.5)
        went_on.append("to the end")

    analyses.deed = deed
    once(settings)
    assert went_on == ([] if told else ["to the end"])
    assert state_of(settings, recording)[::2] == (FAILED, REMOVED)
    assert sound_of(settings, recording) == []
    with Store(settings.database) as store:
        assert store.meetings() == ()


def test_sound_that_the_disk_does_not_let_go(
    settings: Settings,
    analyses: Analyses,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is tried again at each turn and said once; the next recording does not wait for it."""
    recording, next_one = record(settings, hum(1)), record(settings, hum(1.1), hour=1, people=("Ada",))
    withdraw(settings)

    def refuse(*_: Any) -> None:
        raise CaptureError("the disk fails")

    with monkeypatch.context() as patch:
        patch.setattr("meetsense.capture.forget.cut", refuse)
        once(settings)
    assert state_of(settings, recording)[::2] == (FAILED, WITHDRAWN)
    assert state_of(settings, next_one)[0] is DONE
    said = f"meetsense: {recording.id}: consent was withdrawn, but its sound is still there: the disk fails\n"
    assert capsys.readouterr().err.count(said) == 1
    assert sound_of(settings, recording) == ["000000.wav"]
    once(settings)
    assert state_of(settings, recording)[::2] == (FAILED, REMOVED)
    assert sound_of(settings, recording) == []


def test_sound_goes_though_the_database_is_not_told(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk, which has room for the rows afterwards; or after a crash in between."""
    recording = record(settings, hum(1))
    withdraw(settings)

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "fail", full)
        with pytest.raises(StoreError):
            once(settings)
    assert sound_of(settings, recording) == []
    assert state_of(settings, recording)[0] is QUEUED
    once(settings)
    assert (analyses.asked, state_of(settings, recording)[::2]) == ([], (FAILED, REMOVED))


def test_a_result_whose_deletions_failed_is_kept(
    settings: Settings,
    analyses: Analyses,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The meeting is saved, and what it deletes is not gone for good yet: that is said, and no more."""
    recording = record(settings, hum(1))
    save = Store.save

    def half(store: Store, *arguments: Any, **options: Any) -> None:
        save(store, *arguments, **options)
        raise StoreError("done, but the file may still hold what was deleted")

    monkeypatch.setattr(Store, "save", half)
    once(settings)
    assert (len(analyses.asked), state_of(settings, recording)) == (1, (DONE, 1, None))
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "meetsense: done, but the file may still hold what was deleted"
    assert said[1].startswith(f"meetsense: {recording.id}: done in ")


def test_forgotten_in_part_while_it_is_analysed(settings: Settings, analyses: Analyses) -> None:
    """What is left of it is analysed anew."""
    recording = record(settings, hum(3))
    folder = Folder(settings.state / "recordings" / recording.id)

    def forgetting(_: Request, __: Progress) -> None:
        if len(analyses.asked) == 1:
            with Store(settings.database) as store:
                store.fail(recording.id, "somebody is forgetting a part of it")
                forget(folder, 1.0)
                store.put_recording(folder.read())
                store.requeue(recording.id)

    analyses.deed = forgetting
    once(settings)
    assert len(analyses.asked) == 2
    assert state_of(settings, recording) == (DONE, 1, None)
    with Store(settings.database) as store:
        analysis = store.load(recording.id)
    assert analysis.notes[-1] == (
        "1.0 s of this meeting are not in the recording (forgotten: 1.0 s); they count as silence."
    )


def test_taken_away_while_it_is_analysed(
    settings: Settings, analyses: Analyses, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = record(settings, hum(1))

    def take(_: Request, __: Progress) -> None:
        with Store(settings.database) as store:
            store.fail(recording.id, "somebody took it away")

    analyses.deed = take
    once(settings)
    assert state_of(settings, recording)[::2] == (FAILED, "somebody took it away")
    with Store(settings.database) as store:
        assert store.meetings() == ()
    said = "was changed or taken away while it was analysed; nothing is kept of that"
    assert capsys.readouterr().err == f"meetsense: {recording.id}: {said}\n"


def test_a_policy_that_is_another_now(config: Path, analyses: Analyses) -> None:
    settings = read_settings(config)
    recording = record(settings, hum(1), basis=Basis(BasisKind.POLICY, text_sha256="0" * 64))
    once(settings)
    assert analyses.asked == []
    assert state_of(settings, recording)[::2] == (FAILED, LAPSED)
    assert sound_of(settings, recording)


def test_nothing_but_zeros_is_analysed_and_nothing_at_all_is_not(
    settings: Settings, analyses: Analyses
) -> None:
    nothing, zeros = record(settings, hum(0)), record(settings, hum(1) * 0, hour=1)
    once(settings)
    state, _, reason = state_of(settings, nothing)
    assert state is FAILED
    assert reason == f"{nothing.id}.wav: holds no sound"
    assert state_of(settings, zeros)[0] is DONE


def test_a_damaged_segment(settings: Settings, analyses: Analyses) -> None:
    recording = record(settings, hum(3))
    segment = settings.state / "recordings" / recording.id / "000001.wav"
    damaged = bytearray(segment.read_bytes())
    damaged[5000] ^= 1
    segment.write_bytes(damaged)
    once(settings)
    state, attempts, reason = state_of(settings, recording)
    assert (state, attempts, analyses.asked) == (FAILED, 3, [])
    assert reason is not None
    assert "000001.wav" in reason


@pytest.fixture
def sealed(settings: Settings, tmp_path: Path) -> tuple[Recording, Path]:
    """A recording whose segments are encrypted, and the folder in which systemd puts the identity."""
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    recording = record(settings, hum(2))
    folder = Folder(settings.state / "recordings" / recording.id)
    for segment in recording.segments:
        compress(folder, segment, partial(seal, recipient=str(key.to_public())))
    with Store(settings.database) as store:
        store.put_recording(folder.read())
        recording = store.recording(recording.id)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "meetsense.identity").write_text(f"{key}\n")
    return recording, credentials


def test_an_encrypted_recording(
    settings: Settings,
    analyses: Analyses,
    sealed: tuple[Recording, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording, credentials = sealed
    assert {segment.file.rpartition(".")[2] for segment in recording.segments} == {"age"}
    once(settings)
    state, _, reason = state_of(settings, recording)
    assert state is FAILED
    assert reason is not None
    assert "is encrypted; set the identity" in reason
    put_back(settings, recording.id)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    once(settings)
    assert state_of(settings, recording) == (DONE, 1, None)
    with Store(settings.database) as store:
        assert store.load(recording.id).meeting.duration == 2.0


def test_an_identity_named_by_its_path(
    config: Path, settings: Settings, analyses: Analyses, sealed: tuple[Recording, Path]
) -> None:
    recording, credentials = sealed
    identity = f'identity = "{credentials / "meetsense.identity"}"\n'
    config.write_text(config.read_text().replace("[process]\n", f"[process]\n{identity}"))
    once(read_settings(config))
    assert state_of(settings, recording) == (DONE, 1, None)


def test_somebody_present_who_was_deleted_since(config: Path, analyses: Analyses) -> None:
    """By consent, nothing is analysed; nor are they made known again."""
    settings = read_settings(config)
    agree(settings, "Ada", "Bo")
    recording = record(settings, hum(1))
    with Store(settings.database) as store:
        store.forget_person("Bo")
    once(settings)
    assert state_of(settings, recording)[::2] == (FAILED, LAPSED)
    with Store(settings.database) as store:
        assert [person.name for person in store.people()] == ["Ada"]


def free(monkeypatch: pytest.MonkeyPatch, *megabytes: float) -> None:
    """So much room is free, look by look; in the end always the last."""
    left = list(megabytes)

    def usage(_: object) -> Any:
        return SimpleNamespace(free=int((left.pop(0) if len(left) > 1 else left[0]) * batch.MB))

    monkeypatch.setattr(shutil, "disk_usage", usage)


def test_audio_has_first_claim_on_the_disk(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 MB are kept free, and 10 seconds of sound need 960 kB on the way."""
    recording = record(settings, hum(10))
    free(monkeypatch, 2.959)
    with pytest.raises(NoRoom, match=r"^3 MB are free, and 3 are needed, of which 2 are kept for recordings"):
        once(settings)
    assert (analyses.asked, state_of(settings, recording)) == ([], (QUEUED, 0, None))
    free(monkeypatch, 2.961)
    once(settings)
    assert state_of(settings, recording) == (DONE, 1, None)


def test_it_goes_on_by_itself_when_there_is_room_again(
    settings: Settings,
    analyses: Analyses,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recording = record(settings, hum(1))
    free(monkeypatch, 0.5, 0.5, 0.5, 100)
    analyses.deed = lambda *_: os.kill(os.getpid(), signal.SIGTERM)  # taken up after the job at the latest
    run_process(settings, pace=PACE)
    assert analyses.titles == ["Desk 0"]
    assert capsys.readouterr().err.count(" MB are free, ") == 1
    assert state_of(settings, recording) == (QUEUED, 0, None)


def test_a_job_gives_its_room_back(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record(settings, hum(1))
    analyses.deed = lambda _, progress: progress("words", 0.5)
    free(monkeypatch, 100, 0.9)
    with pytest.raises(NoRoom):
        once(settings)
    assert state_of(settings, recording) == (QUEUED, 0, None)
    free(monkeypatch, 100, 1.1)
    once(settings)
    assert state_of(settings, recording) == (DONE, 1, None)


def test_a_failure_for_want_of_room_does_not_count(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record(settings, hum(1))
    free(monkeypatch, 100, 0)
    analyses.deed = failing(AudioError("no room for the decoded sound"))
    with pytest.raises(NoRoom):
        once(settings)
    assert state_of(settings, recording) == (QUEUED, 0, None)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB that holds the state directory."""
    disk = tmp_path / "state"
    disk.mkdir()
    with small_disk(disk, "12M"):
        yield disk


def test_a_full_disk_and_room_again(
    small: Path, settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Little is free before one job, nothing when another has its result: none fails, none is done twice."""
    made = [record(settings, hum(1 + hour / 10), hour=hour) for hour in range(2)]
    ballast, said = small / "ballast", list[str]()

    def fill(left: int) -> None:
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while shutil.disk_usage(small).free > left:
                file.write(bytes(4096))

    def say(processor: Processor, line: str) -> None:
        """Hear it, and make room when it was said twice that there is none."""
        said.append(line)
        assert len(said) < 20, said
        if line.endswith(f": done in {line.split()[-2]} s") and made[1].id in line:
            os.kill(os.getpid(), signal.SIGTERM)
        elif said.count(line) == 2:
            ballast.unlink()

    def after() -> None:
        if analyses.titles == ["Desk 0", "Desk 1"]:
            fill(0)

    monkeypatch.setattr(Processor, "_say", say)
    analyses.after = after
    fill(batch.MB)
    run_process(settings, pace=Pace(idle=0.05, again=0.05, trouble=0.05, saving=60))
    assert [line.partition("; ")[0] for line in said[:2]] == [
        "1 MB are free, and 2 are needed, of which 2 are kept for recordings"
    ] * 2
    assert [line.rpartition(": ")[2] for line in said[3:5]] == ["the disk is full; nothing was changed"] * 2
    assert len(said) == 6
    assert analyses.titles == ["Desk 0", "Desk 1"]
    assert [state_of(settings, recording) for recording in made] == [(DONE, 1, None)] * 2


def test_a_disk_that_stays_full_is_waited_for_and_said_once(
    settings: Settings,
    analyses: Analyses,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each time that a job gives its room back, the next try is a while later."""
    recording = record(settings, hum(1))
    waited: list[float] = []

    def wait(running: Processor, seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    def deed(_: Request, __: Progress) -> None:
        raise NoRoom("nothing is free")

    monkeypatch.setattr(Processor, "_wait", wait)
    analyses.deed = deed
    run_process(settings, pace=Pace(trouble=7.0))
    assert (waited, len(analyses.asked)) == ([7.0] * 5, 5)
    assert capsys.readouterr().err == "meetsense: nothing is free\n"
    assert state_of(settings, recording)[:2] == (QUEUED, 0)


def test_what_the_database_could_not_be_told_does_not_count(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for a job, nor for the note that it waits again."""
    recording = record(settings, hum(1))
    release, refusals = Store.release, [StoreError("the disk is full")]

    def full(store: Store, *arguments: Any, **options: Any) -> RecordingState:
        if refusals:
            raise refusals.pop()
        return release(store, *arguments, **options)

    def deed(_: Request, progress: Progress) -> None:
        if len(analyses.asked) == 1:
            raise NoRoom("full")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Store, "release", full)
    analyses.deed = deed
    run_process(settings, pace=PACE)
    assert (len(analyses.asked), refusals) == (2, [])
    assert state_of(settings, recording)[:2] == (QUEUED, 0)


def test_a_database_that_is_busy_when_the_result_is_there(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record(settings, hum(1))
    save, refusals = Store.save, [StoreError("another program is writing"), StoreError("the disk is full")]

    def busy(store: Store, *arguments: Any, **options: Any) -> None:
        if refusals:
            raise refusals.pop(0)
        save(store, *arguments, **options)

    monkeypatch.setattr(Store, "save", busy)
    once(settings)
    assert (len(analyses.asked), refusals) == (1, [])
    assert state_of(settings, recording) == (DONE, 1, None)


def test_a_database_that_stays_unusable(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record(settings, hum(1))

    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("the database is damaged")

    monkeypatch.setattr(Store, "save", broken)
    once(settings)
    assert state_of(settings, recording) == (FAILED, 3, "the database is damaged")


def test_a_database_that_is_none(settings: Settings, analyses: Analyses) -> None:
    record(settings, hum(1))
    for file in settings.state.glob("meetsense.db*"):
        file.unlink()
    settings.database.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        once(settings)


def test_what_a_dead_processor_left_is_taken_up(settings: Settings, analyses: Analyses) -> None:
    recording = record(settings, hum(1))
    rubbish = settings.state / "processing" / "meetsense-x" / "sound"
    rubbish.parent.mkdir(parents=True)
    rubbish.write_bytes(b"voice")
    for attempts in (1, 2):
        with Store(settings.database) as store:
            assert store.claim() is not None
        assert state_of(settings, recording)[:2] == (PROCESSING, attempts)
        analyses.deed = failing(SystemExit(1))  # stopped at once, which counts for nothing
        once(settings)
        assert state_of(settings, recording)[:2] == (QUEUED, attempts)
    with Store(settings.database) as store:
        assert store.claim() is not None
    once(settings)
    assert state_of(settings, recording) == (FAILED, 3, processor.CUT_OFF)


def test_no_file_has_a_voice_in_it_while_it_is_analysed(settings: Settings, analyses: Analyses) -> None:
    recording = record(settings, hum(1))
    seen: list[Path] = []
    analyses.deed = lambda *_: seen.extend((settings.state / "processing").rglob("*"))
    once(settings)
    assert [path.name for path in seen] == [f"{recording.id}.wav"]
    assert all(" (deleted)" in os.readlink(path.readlink()) if path.exists() else True for path in seen)  # noqa: PTH115
    assert state_of(settings, recording)[0] is DONE


def test_a_second_processor_ends_with_one_line(settings: Settings, config: Path, call: Call) -> None:  # noqa: F811
    with hold(settings.state / processor.LOCK, "processor"):
        result = call("run", "process", "--once", "--config", config, code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("meetsense: another processor is running (")
    assert result.stderr.count("\n") == 1


def test_a_state_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "config.toml"
    config.write_text(f'state = "{tmp_path}/file/state"\n')
    with pytest.raises(MeetsenseError, match=r"cannot be made .Not a directory"):
        run_process(read_settings(config), once=True)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd listens."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listening


def told(manager: socket.socket) -> list[str]:
    """What it was told since."""
    lines = []
    try:
        while True:
            lines.append(manager.recv(4096).decode())
    except BlockingIOError:
        return lines


def test_the_watchdog_hears_of_a_job_only_when_it_gets_on(
    settings: Settings, analyses: Analyses, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(settings, hum(1))
    monkeypatch.setattr(processor, "LOOK_SECONDS", 0.0)
    before: list[str] = []
    during: list[list[str]] = []

    def deed(_: Request, progress: Progress) -> None:
        before.extend(told(manager))
        for share in (0.0, 0.25, 0.25, 0.25, 0.5):
            progress("words", share)
            during.append(told(manager))

    analyses.deed = deed
    once(settings)
    assert before[0] == "READY=1"
    assert ["WATCHDOG=1" in lines for lines in during] == [True, True, False, False, True]
    assert during[1][-1].startswith("STATUS=20261124T090000Z-00000000: recognising words, 25%")
    assert told(manager)[-1] == "STOPPING=1"


def test_the_watchdog_hears_of_a_step_that_tells_nothing_as_long_as_it_works(
    settings: Settings, analyses: Analyses, manager: socket.socket
) -> None:
    record(settings, hum(1))
    during: list[bool] = []

    def deed(_: Request, progress: Progress) -> None:
        progress("words", 0.0)
        told(manager)
        for works in (True, False, True):
            analyses.pulse(works)
            during.append("WATCHDOG=1" in told(manager))

    analyses.deed = deed
    once(settings)
    assert during == [True, False, True]


def test_consent_withdrawn_while_a_step_tells_nothing(
    settings: Settings, analyses: Analyses, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = record(settings, hum(2))
    monkeypatch.setattr(processor, "CONSENT_SECONDS", 0.0)

    def deed(_: Request, __: Progress) -> None:
        with Store(settings.database) as store:
            store.state("Bo", Agreement.RECORDING, False, "said so")
        analyses.pulse(False)
        raise AssertionError("it went on")

    analyses.deed = deed
    once(settings)
    assert state_of(settings, held)[::2] == (FAILED, REMOVED)


def test_it_is_alive_while_it_waits_and_sigterm_ends_that(
    settings: Settings, analyses: Analyses, manager: socket.socket
) -> None:
    alive = threading.Event()

    def listen() -> None:
        seen = 0
        while seen < 3:
            time.sleep(0.005)
            seen += told(manager).count("WATCHDOG=1")
        alive.set()
        os.kill(os.getpid(), signal.SIGTERM)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    before = signal.getsignal(signal.SIGTERM)
    run_process(settings, pace=PACE)
    assert alive.is_set()
    listener.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_steps_back() -> None:
    """Nice and idle I/O, for itself and for what it starts; never up again."""
    code = """
import os, subprocess, sys
from meetsense.daemon.priority import step_back
mine = os.getpriority(os.PRIO_PROCESS, 0)
step_back(mine + 2)
step_back(mine + 1)
ask = "import ctypes, os, sys; print(os.nice(0), ctypes.CDLL(None).syscall(int(sys.argv[1]), 1, 0) >> 13)"
number = {"x86_64": 252, "aarch64": 31}[os.uname().machine]
print(mine, subprocess.run([sys.executable, "-c", ask, str(number)], capture_output=True, text=True).stdout)
"""
    if os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("the number of ioprio_get is not known here")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    mine, nice, io_class = map(int, done.stdout.split())
    assert (nice, io_class) == (min(mine + 2, 19), 3)
