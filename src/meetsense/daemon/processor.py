"""The processor: queued recordings, one after the other, into meetings in the database.

Each recording is put together into a file without a name, analysed in a process of its own by
:func:`meetsense.batch.analyse_apart`, and saved in the transaction that also marks it as done. So this
process may be killed anywhere: what it leaves is a recording marked as being processed and perhaps a scratch
directory, and the next processor takes both back.

Audio has first claim on the disk: nothing is begun while less is free than ``keep_free_mb`` and what the job
itself needs, and a job gives its room back when half of ``keep_free_mb`` is gone while it runs.

Who withdraws their consent stops the analysis, and the sound of what is not analysed yet is removed.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO, Protocol

from meetsense import batch
from meetsense.daemon.gate import Gate, Standing
from meetsense.daemon.job import (
    WITHDRAWN,
    WithoutWords,
    may_have_words,
    recorded,
    remove_sound,
    request_of,
    roster_of,
    unstated,
)
from meetsense.daemon.lock import hold
from meetsense.daemon.notify import Notifier
from meetsense.daemon.priority import step_back
from meetsense.errors import CaptureError, ConsentError, MeetsenseError, StoreError, in_one_line
from meetsense.pipeline import STEPS
from meetsense.values import Analysis, Recording, RecordingState, Roster

if TYPE_CHECKING:
    from meetsense.config import Settings
    from meetsense.store import Store

LOCK = "process.lock"
"""File in the state directory that the one processor holds."""
WORKPLACE = "processing"
"""Directory in the state directory for what is temporary; emptied when a processor starts."""
BYTES_A_SAMPLE = 6
"""Of the disk, while a recording is analysed: 16-bit sound put together, and decoded to 32 bits."""
GIVE_BACK = 0.5
"""A job ends, to be done again, when less than this share of what is to be kept free is left."""
LOOK_SECONDS = 2.0
"""How often a job looks at the free room and tells how far it is."""
CONSENT_SECONDS = 10.0
"""How often a job looks whether it may still be done."""
CUT_OFF = "the processor was killed, or the power failed, while it was being analysed"
STOPPED = "the processor was stopped"
LAPSED = "what allowed the recording (everybody's consent, or the policy) can't be found any more"
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the processor waits, in seconds."""

    idle: float = 5.0
    """For something in the queue."""
    again: float = 30.0
    """After an attempt that failed, times the attempts so far."""
    trouble: float = 30.0
    """For room on the disk, or for a database that can't be used."""
    saving: float = 600.0
    """At most, for a database that can't be used when a result is there to be saved."""


class NoRoom(MeetsenseError):
    """Less is free on the disk than is to be kept free for recordings."""


class Void(MeetsenseError):
    """The recording was changed or taken away while it was analysed: the result is another's."""


def run_process(settings: Settings, *, once: bool = False, pace: Pace | None = None) -> None:
    """Take recordings from the queue until SIGTERM, SIGINT or SIGHUP; with ``once`` until it is empty.

    Call it from the main thread. Raises ControlError when another processor is running, and with ``once``
    StoreError or NoRoom where it otherwise waits.
    """
    with _workplace(settings.state) as workplace:
        step_back(settings.process.nice)
        Processor(settings, workplace, pace or Pace()).run(once=once)


def put_back(settings: Settings, recording: str) -> str:
    """Put a recording that failed into the queue again; a beginning of its id is enough. Returns the id.

    Raises StoreError when no failed recording has such an id, or more than one.
    """
    with _open(settings) as store:
        ids = [r.id for r in store.recordings(RecordingState.FAILED) if r.id.startswith(recording)]
        if len(ids) != 1 and recording not in ids:
            many = f"{len(ids)} failed recordings begin" if ids else "no failed recording begins"
            raise StoreError(f"{many} with {recording!r}; list them with: meetsense meetings")
        found = recording if recording in ids else ids[0]
        store.requeue(found)
    return found


class Processor:
    """One processor. It relies on being the only one."""

    def __init__(self, settings: Settings, workplace: Path, pace: Pace) -> None:
        self._settings = settings
        self._workplace = workplace
        self._pace = pace
        self._gate = Gate(settings.database, settings.policy.stated())
        self._notifier = Notifier()
        self._stopping = False
        self._endable = False
        """Whether a signal ends what is going on at once, and not only what would come after it."""
        self._last = ""
        self._owed: dict[str, str] = {}
        """Recordings that wait again, and why, though the database could not be told."""
        self._kept: set[str] = set()
        """Recordings whose sound is to be removed, and the disk refuses it."""

    def run(self, *, once: bool) -> None:
        """Until a signal; with ``once`` until the queue is empty. See :func:`run_process`."""
        with self._on_signals(), closing(self._notifier):
            self._notifier.ready()
            while not self._stopping and (seconds := self._turn(once)) is not None:
                self._wait(seconds)
            self._notifier.stopping()

    def _turn(self, once: bool) -> float | None:
        """Take one recording, if there is one. Seconds to wait before the next turn; None when it is done."""
        try:
            seconds = self._next()
        except (StoreError, NoRoom) as error:
            if once:
                raise
            self._say(str(error))
            return self._pace.trouble
        if once:
            return 0.0 if seconds is not None else None
        if seconds is None:
            self._notifier.status("waiting for a recording")
        return self._pace.idle if seconds is None else seconds

    def _next(self) -> float | None:
        """Take the next recording. Seconds to wait after it; None when there is none.

        Raises StoreError and NoRoom.
        """
        with _open(self._settings) as store:
            for left in store.recordings(RecordingState.PROCESSING):
                if reason := self._owed.get(left.id):
                    self._put_back(left, reason)
                else:  # by a processor that is no more
                    self._give_up(store, left, CUT_OFF)
            self._remove_withdrawn(store)
            queued = store.recordings(RecordingState.QUEUED)
            if not queued:
                return None
            self._need_room(self._needed(queued[0]))
            recording = store.claim()
        return None if recording is None else self._job(recording)

    def _job(self, recording: Recording) -> float:
        """Analyse a claimed recording and note what became of it. Seconds to wait before the next one."""
        began = time.monotonic()
        self._notifier.status(f"{recording.id}: putting the sound together")
        try:
            analysis, roster = self._analysed(recording)
            self._save(analysis, roster, recording)
        except SystemExit:
            self._stopping = True
            self._put_back(recording, STOPPED)
            self._say(f"{recording.id}: waits again: {STOPPED}")
        except NoRoom as error:
            self._put_back(recording, str(error))
            raise
        except ConsentError as error:
            with _open(self._settings) as store:
                store.fail(recording.id, str(error))
                self._say(f"{recording.id}: not analysed: {error}")
                self._remove_withdrawn(store)
        except Void as error:
            self._say(f"{recording.id}: {error}")
        except Exception as error:
            return self._failed(recording, error)
        else:
            self._say(f"{recording.id}: done in {time.monotonic() - began:.0f} s")
        return 0.0

    def _analysed(self, recording: Recording) -> tuple[Analysis, Roster]:
        """The analysis of a recording, and who was present.

        Raises SystemExit on a signal, NoRoom, ConsentError when it may no longer be analysed, and whatever
        putting it together and analysing it raise.
        """
        settings = self._settings
        with _open(settings) as store:
            self._need_basis(store, recording)
            statements, enrolled = store.statements(), store.enrolled()
            roster = roster_of(recording, statements, store.roles(recording.basis.people))
        toolbox = batch.toolbox_of(settings)
        if not may_have_words(recording, statements):
            toolbox = WithoutWords(toolbox)
        request = request_of(roster, enrolled, settings.speakers, settings.language)
        with self._may_be_ended(), self._put_together(recording) as sound:
            teller = _Teller(recording, self._notifier, self._look)
            analysis = batch.analyse_apart(
                sound, toolbox, request, teller, limits=batch.limits_of(settings), pulse=teller.pulse
            )
        return recorded(analysis, recording), roster

    def _save(self, analysis: Analysis, roster: Roster, recording: Recording) -> None:
        """Save a result; a database that can't be used is waited for.

        Raises Void when the recording is no longer being processed, ConsentError when the basis holds no
        longer, SystemExit on a signal while it waits, and StoreError when the database still can't be used
        after ``pace.saving`` seconds.
        """
        end = time.monotonic() + self._pace.saving
        while True:
            try:
                with _open(self._settings) as store:
                    if recording.id not in _ids(store, RecordingState.PROCESSING):
                        if recording.id in _ids(store, RecordingState.DONE):  # all but what deletes for good
                            return
                        raise Void("was changed or taken away while it was analysed; nothing is kept of that")
                    self._need_basis(store, recording)
                    store.save(analysis, unstated(roster), recording=recording.id)
                return
            except StoreError as error:
                if time.monotonic() >= end:
                    raise
                self._say(str(error))
            self._wait(self._pace.trouble)
            if self._stopping:
                raise SystemExit

    def _need_basis(self, store: Store, recording: Recording) -> None:
        """Raise ConsentError when what allowed the recording allows it no longer."""
        standing = self._gate.standing_by(store, recording.basis)
        if standing is not Standing.HOLDS:
            raise ConsentError(WITHDRAWN if standing is Standing.REFUSED else LAPSED)

    def _remove_withdrawn(self, store: Store) -> None:
        """Remove the sound of what is not analysed yet and somebody present no longer allows.

        What the disk refuses is tried again at the next turn. Raises StoreError.
        """
        waiting = (*store.recordings(RecordingState.QUEUED), *store.recordings(RecordingState.FAILED))
        for recording in waiting:
            if not recording.samples:
                continue
            if self._gate.standing_by(store, recording.basis) is not Standing.REFUSED:
                continue
            try:
                remove_sound(store, self._settings.recordings, recording)
            except CaptureError as error:
                if recording.id not in self._kept:
                    self._say(f"{recording.id}: consent was withdrawn, but its sound is still there: {error}")
                self._kept.add(recording.id)
            else:
                self._kept.discard(recording.id)
                self._say(f"{recording.id}: consent was withdrawn, its sound is removed")

    def _failed(self, recording: Recording, error: Exception) -> float:
        """Note a failed attempt. Seconds to wait before the next one.

        Raises NoRoom when there was too little room for it: then it isn't the recording's failure.
        """
        if isinstance(error, MeetsenseError):
            try:
                self._need_room(self._needed(recording))
            except NoRoom as full:
                self._put_back(recording, str(full))
                raise
        reason = error.reason if isinstance(error, batch.Parked) else str(error)
        if not isinstance(error, MeetsenseError):  # a bug keeps its traceback; the next recording goes on
            sys.stderr.write("".join(traceback.format_exception(error)))
            last = str(error).strip().rpartition("\n")[2]
            what = last if isinstance(error, batch.ChildBug) else in_one_line(error)
            reason = f"a bug, whose traceback the log has: {what}"
        with _open(self._settings) as store:
            state = self._give_up(store, recording, reason)
        return 0.0 if state is RecordingState.FAILED else self._pace.again * recording.attempts

    def _give_up(self, store: Store, recording: Recording, reason: str) -> RecordingState:
        """Note an attempt that failed: the recording is queued again, or has failed."""
        limit = self._settings.process.attempts
        state = store.release(recording.id, reason, limit=limit)
        fate = "given up" if state is RecordingState.FAILED else "to be tried again"
        self._say(f"{recording.id}: attempt {recording.attempts} of {limit} failed, {fate}: {reason}")
        return state

    def _put_back(self, recording: Recording, reason: str) -> None:
        """Queue a recording as if it had never been taken."""
        self._owed[recording.id] = reason
        with _open(self._settings) as store:
            store.release(recording.id, reason, limit=self._settings.process.attempts, counted=False)
        del self._owed[recording.id]

    @contextmanager
    def _put_together(self, recording: Recording) -> Iterator[Path]:
        """The sound of a recording in a file that has no name: nothing of a voice outlives this process.

        Raises NoRoom, and CaptureError when the recording is damaged.
        """
        from meetsense.capture.assemble import assemble
        from meetsense.capture.folder import Folder

        folder = Folder(self._settings.recordings / recording.id)
        path = self._workplace / f"{recording.id}.wav"
        with _full_is_no_room(), tempfile.TemporaryFile() as file:
            path.symlink_to(f"/proc/{os.getpid()}/fd/{file.fileno()}")
            try:
                assemble(folder, recording, path, self._opener())
                yield path
            finally:
                path.unlink(missing_ok=True)

    def _opener(self) -> Callable[[Path], BinaryIO] | None:
        """What opens an encrypted segment; None where this processor has no identity to do so."""
        from meetsense.privacy.seal import open_sealed

        name, folder = self._settings.process.identity, os.environ.get("CREDENTIALS_DIRECTORY")
        identity = Path(folder, name) if folder else Path(name)
        if identity.is_absolute() and identity.is_file():
            return partial(open_sealed, identity=identity)
        return None

    @property
    def _kept_free(self) -> int:
        """Bytes that are kept free for recordings."""
        return self._settings.process.keep_free_mb * batch.MB

    def _needed(self, recording: Recording) -> int:
        """Bytes that are free before a recording is taken."""
        samples = recording.samples + sum(gap.missing for gap in recording.gaps)
        return self._kept_free + samples * BYTES_A_SAMPLE

    def _need_room(self, least: float) -> None:
        """Raise NoRoom when less than so many bytes are free."""
        free = shutil.disk_usage(self._settings.state).free
        if free < least:
            raise NoRoom(
                f"{free / batch.MB:.0f} MB are free, and {least / batch.MB:.0f} are needed, of which "
                f"{self._kept_free / batch.MB:.0f} are kept for recordings; recordings wait"
            )

    def _look(self, recording: Recording, *, ask: bool) -> None:
        """Raise NoRoom, and, where it is asked, ConsentError when it may no longer be analysed."""
        self._need_room(self._kept_free * GIVE_BACK)
        if ask:
            with suppress(StoreError), _open(self._settings) as store:  # it is asked again at the end
                self._need_basis(store, recording)

    def _wait(self, seconds: float) -> None:
        """Wait, and be alive; a signal ends it."""
        self._notifier.alive()
        with suppress(SystemExit), self._may_be_ended():
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, self._pace.idle))
                self._notifier.alive()

    @contextmanager
    def _on_signals(self) -> Iterator[None]:
        """Let SIGTERM, SIGINT and SIGHUP stop this processor; nohup ignores the last."""
        numbers = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self._stopping = True
        if self._endable:
            raise SystemExit(128 + number)

    @contextmanager
    def _may_be_ended(self) -> Iterator[None]:
        """A signal ends what goes on in here with SystemExit; one that came before ends it at once."""
        try:
            self._endable = True
            if self._stopping:
                raise SystemExit
            yield
        finally:
            self._endable = False

    def _say(self, line: str) -> None:
        """One line for the log; the same one is not said twice in a row."""
        if line != self._last:
            sys.stderr.write(f"meetsense: {line}\n")
            sys.stderr.flush()
        self._last = line


class _Look(Protocol):
    """Whether a job may go on: what it raises ends it."""

    def __call__(self, recording: Recording, /, *, ask: bool) -> None:
        """``ask``: whether consent is asked about, too."""


class _Teller:
    """Tells systemd how far a job is, and looks now and then whether it may go on.

    The watchdog hears only of a job that has moved, or that works: one that hangs is ended by it.
    """

    def __init__(self, recording: Recording, notifier: Notifier, look: _Look) -> None:
        self._recording = recording
        self._notifier = notifier
        self._look = look
        self._before: tuple[str, float] = ("", 0.0)
        self._next_look = self._next_question = 0.0

    def __call__(self, step: str, share: float, /) -> None:
        """It has got so far. Raises what the look raises."""
        if time.monotonic() < self._next_look or (step, share) == self._before:
            return
        self._before = step, share
        self._notifier.alive()
        self._notifier.status(f"{self._recording.id}: {STEPS.get(step, step)}, {share:.0%}")
        self._see()

    def pulse(self, works: bool, /) -> None:
        """It may have told nothing for long. Raises what the look raises."""
        if works:
            self._notifier.alive()
        self._see()

    def _see(self) -> None:
        now = time.monotonic()
        self._next_look, ask = now + LOOK_SECONDS, now >= self._next_question
        if ask:
            self._next_question = now + CONSENT_SECONDS
        self._look(self._recording, ask=ask)


def _open(settings: Settings) -> Store:
    from meetsense.store import Store

    return Store(settings.database)


def _ids(store: Store, state: RecordingState) -> set[str]:
    return {recording.id for recording in store.recordings(state)}


@contextmanager
def _workplace(state: Path) -> Iterator[Path]:
    """Hold the lock, and have an empty directory that everything temporary goes to.

    Raises ControlError when another processor holds the lock, and MeetsenseError when there can be none.
    """
    _make_folder(state)
    with hold(state / LOCK, "processor"):
        folder = state / WORKPLACE
        shutil.rmtree(folder, ignore_errors=True)
        _make_folder(folder)
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = before
            shutil.rmtree(folder, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MeetsenseError(f"{folder}: cannot be made ({error.strerror}); check its permissions") from None


@contextmanager
def _full_is_no_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise NoRoom(f"the disk is full ({error.strerror}); recordings wait") from error
        raise
