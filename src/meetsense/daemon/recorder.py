"""The recorder: what may begin a recording, what ends it, and what is owed to it afterwards.

It holds no sound and no loop of its own: :class:`~meetsense.capture.loop.Capture` records, the folder is the
truth, and whoever runs the recorder calls :meth:`Recorder.tick` some times a second.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from meetsense.capture import disk
from meetsense.capture.clock import Clock, SystemClock
from meetsense.capture.folder import Folder, new_id, this_boot
from meetsense.capture.forget import forget
from meetsense.capture.loop import Capture, End, Limits, State
from meetsense.capture.recovery import recover
from meetsense.capture.source import Stuck
from meetsense.daemon.ending import ENDS, Why, failed, wall_samples, words
from meetsense.daemon.forgetting import TooOld, forget_back, forget_lately
from meetsense.daemon.gate import Gate, Watch
from meetsense.daemon.indicator import PERIOD, Indicator, Screen, status_path
from meetsense.daemon.interrupted import Adoption, Waiting, made_whole
from meetsense.daemon.mirror import Mirror
from meetsense.daemon.occasion import Occasion, drop
from meetsense.daemon.room import Ear, open_ear, same_device
from meetsense.daemon.shelf import Shelf
from meetsense.errors import CaptureError, ControlError, MeetsenseError
from meetsense.values import Basis, Gap, GapKind, Recording

if TYPE_CHECKING:
    from meetsense.config import Settings

RESTART = 75
"""Exit status that asks for a restart: EX_TEMPFAIL of sysexits.h."""
BUSY_SECONDS = 20.0
"""How long a command waits for another one."""
YIELD_SECONDS = 5.0
"""How long a recording whose microphone is gone waits for a command that ends it."""
CLOSE_SECONDS = 3.0
"""How long the end of the process waits for a command; what it can't end is finished after the next start."""
RETRY_SECONDS = 2.0
"""How often a microphone that is gone is looked for."""
FIRST_SOUND_SECONDS = 6.0
"""A start that gave no sound by then has failed; capture itself gives up earlier."""
WAIT_SECONDS = 0.05
PAUSED = "paused"
"""Name of the file in a recording's folder that says, over a restart, that it is paused."""
EVER = timedelta(days=400).total_seconds()
"""Longer than any recording."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Session:
    """A recording that is under way."""

    folder: Folder
    recording: Recording
    capture: Capture
    watch: Watch
    ear: Ear
    event: Occasion | None = None
    """The calendar's event that began it."""


@dataclass(frozen=True, slots=True)
class Last:
    """The recording before."""

    folder: Folder
    why: Why
    seconds: float


class Recorder:
    """One room's recorder. Its commands may come from several threads; one is carried out at a time."""

    def __init__(
        self,
        settings: Settings,
        *,
        restarts: bool,
        clock: Clock | None = None,
        leave: Callable[[int], Any] = os._exit,
        screen: Screen | None = None,
        period: float = PERIOD,
    ) -> None:
        """``restarts``: something starts the process again when it ends with RESTART; without it, a recording
        whose microphone is lost is finished. Raises MeetsenseError where the settings can't be followed.
        """
        self._settings = settings
        self._clock = clock or SystemClock()
        self._restarts = restarts
        self._leave = leave
        self._shelf = Shelf(settings.recordings)
        self._commands = threading.Lock()
        self._starting = False
        self._session: Session | None = None
        self._waiting: Waiting | None = None
        self._owed: list[Callable[[], None]] = []
        self.last: Last | None = None
        """The recording that ended last."""
        self._ticks = 0
        self._closed = threading.Event()
        self.hangs = False
        """A thread hangs in the sound server's library, which hangs at the end of the process, too."""
        self.note: str | None = None
        """What else people should know: why an event isn't recorded."""
        self.gate = Gate(settings.database, settings.policy.stated())
        self.mirror = Mirror(settings.database, _seal(settings))
        capture = settings.capture
        self.indicator = Indicator(
            status_path(capture),
            capture.indicator,
            self._shown,
            SystemClock(),  # people live by it
            screen=screen,
            period=period,
        )
        self._adoption = Adoption(
            self._shelf, settings.database, self.gate, self.mirror, self._adopted, lambda: self.recording
        )
        self.indicator.start()

    # What can be asked at any time: no lock is taken, so that it works while a recording is stuck.

    @property
    def recording(self) -> str | None:
        """Id of the recording that is under way, or waits for its microphone."""
        held = self._session or self._waiting
        return held.folder.id if held else None

    @property
    def event(self) -> Occasion | None:
        """The event of the calendar that began the recording that is under way, or waits."""
        held = self._session or self._waiting
        return held.event if held else None

    @property
    def quiet(self) -> float:
        """Seconds since somebody was last heard in the recording that is under way, or since it waits."""
        session, waiting = self._session, self._waiting
        if session:
            return session.capture.snapshot().level.quiet
        return waiting.age(self._clock) if waiting else 0.0

    def status(self) -> dict[str, Any]:
        """What the recorder does, for who may command it."""
        session, waiting = self._session, self._waiting
        held = session.recording if session else waiting.manifest.recording if waiting else None
        told = self._shown()
        if held:
            told |= {"title": held.title, "people": len(held.basis.people), "basis": held.basis.kind.value}
        if self.last:
            last = self.last
            told["last"] = {"recording": last.folder.id, "why": last.why.value, "seconds": last.seconds}
        return told

    def progress(self) -> object:
        """Another value whenever the recorder's work got on: while it records, that is sound on the disk."""
        session = self._session
        if session is None:
            return "idle", self._ticks
        seen = session.capture.snapshot()
        if seen.paused:
            return "paused", self._ticks
        if (seen.alarm or "").startswith("disk"):
            return "disk", seen.blocks
        return "recording", seen.synced

    def _shown(self) -> dict[str, Any]:
        """What everybody in the room may know: neither names nor a title."""
        session, waiting = self._session, self._waiting
        told: dict[str, Any] = {
            "state": self.state,
            "at": self._clock.wall().isoformat(timespec="milliseconds"),
            "process": os.getpid(),
        }
        seen = session.capture.snapshot() if session else None
        if seen:
            told |= {"recording": seen.recording, **_figures(seen)}
        elif waiting:
            told |= {
                "recording": waiting.folder.id,
                "seconds": waiting.samples / waiting.manifest.recording.rate,
            }
        told["alarms"] = self._alarms(seen)
        return told

    @property
    def state(self) -> str:
        """In one word."""
        session = self._session
        if session is None:
            return "starting" if self._starting else "waiting" if self._waiting else "idle"
        seen = session.capture.snapshot()
        if seen.end not in (None, End.STOPPED):
            return str(seen.end)
        return "paused" if seen.paused else "recording"

    def _alarms(self, seen: State | None) -> list[str]:
        session = self._session
        blind = self.mirror.failing or (session is not None and session.watch.blind)
        found = (
            seen.alarm if seen else None,
            "microphone: it is gone; recording goes on when it is back" if self._waiting else None,
            self.indicator.failure,
            "database: it can't be used now; the sound is safe in its folder" if blind else None,
            "disk: what has ended can't be finished yet; see the log" if self._owed else None,
            "recovery: what a crash left can't be finished yet; see the log" if self._adoption.owed else None,
            self.note,
        )
        return [alarm for alarm in found if alarm]

    # Commands.

    def start(self, present: Sequence[str], title: str | None = None, event: Occasion | None = None) -> None:
        """Record a meeting of these people, if that may be. Returns when sound comes in.

        Raises ConsentError, ControlError, CaptureError, StoreError. Nothing is recorded then; where the
        microphone gave up only after it was opened, a recording is there that has ended.
        """
        with self._command():
            if self._session or self._waiting:
                raise ControlError("a recording is under way; end it first with: meetsense stop")
            basis = self.gate.basis(present)
            with self._begin() as ear:
                folder = self._new_folder(basis, title, ear)
                if event:
                    event.keep(folder.path)
                try:
                    self._record(folder, ear, event)
                except BaseException:
                    shutil.rmtree(folder.path, ignore_errors=True)
                    raise
            self._first_sound()
        log.info("%s: recording, %d present", folder.id, len(present))

    def stop(self, why: Why = Why.STOPPED) -> None:
        """End the recording. Returns when its sound is safe. Raises ControlError when there is none."""
        with self._command():
            if self._session:
                self._finish(self._session, why)
            elif self._waiting:
                self._give_up(self._waiting, why)
            else:
                raise ControlError("nothing is being recorded")

    def pause(self) -> None:
        """Keep nothing from here on. Raises ControlError."""
        with self._command():
            session = self._need_session()
            session.capture.pause()
            _mark(session.folder)
        log.info("%s: paused", session.folder.id)

    def resume(self) -> None:
        """Go on. Raises ControlError."""
        with self._command():
            session = self._need_session()
            with suppress(OSError):
                (session.folder.path / PAUSED).unlink(missing_ok=True)
            session.capture.resume()
        log.info("%s: resumed", session.folder.id)

    def forget(self, seconds: float) -> float:
        """Remove what was recorded in the last seconds, in recordings that ended meanwhile, too.

        Returns the seconds that were removed. Raises ControlError, also when a part of them is analysed
        already; CaptureError, StoreError.
        """
        with self._command():
            held = self._session or self._waiting
            removed = self._forget_held(seconds) if held else 0.0
            ended = [self._shelf.folder(name) for name in self._shelf.names()]
            others = reversed([folder for folder in ended if not held or folder is not held.folder])
            lately = forget_lately(others, seconds, self._clock, self._settings.database, self.mirror)
        removed += lately.seconds
        log.info("%.1f s forgotten", removed)
        if lately.refused:
            rest = f"; {removed:.0f} s of other sound were" if removed else ""
            raise ControlError(f"{lately.refused}{rest}")
        if not held and not lately.found:
            raise ControlError(f"nothing was recorded in the last {seconds:.0f} s")
        return removed

    def _forget_held(self, seconds: float) -> float:
        """Of the recording that is under way or waits for its microphone."""
        if self._session:
            folder = self._session.folder
            try:
                gap = self._session.capture.forget(seconds)
            finally:  # what the disk refuses stands in the ledger already
                self.mirror.whole(folder)
        else:
            assert self._waiting
            folder = self._waiting.folder
            try:
                gap = forget_back(folder, seconds, self._clock)
            except TooOld:
                return 0.0
            finally:
                self.mirror.whole(folder)
        return gap.samples / folder.manifest().recording.rate

    @contextmanager
    def _command(self, seconds: float = BUSY_SECONDS) -> Iterator[None]:
        if not self._commands.acquire(timeout=seconds):
            raise ControlError("the recorder is busy with another command; see: meetsense status")
        try:
            yield
        finally:
            self._commands.release()

    def _need_session(self) -> Session:
        if self._session is None:
            what = "the recording waits for its microphone" if self._waiting else "nothing is being recorded"
            raise ControlError(f"{what}; see: meetsense status")
        return self._session

    # Beginning.

    @contextmanager
    def _begin(self) -> Iterator[Ear]:
        """People see it, then the microphone is opened; both end if what follows fails."""
        self._starting = True
        ear: Ear | None = None
        try:
            self._refuse_at_the_end()
            self.indicator.begin()
            ear = self._open()
            self._refuse_at_the_end()
            yield ear
        except BaseException:
            self._starting = False
            if ear is not None and self._session is None:
                ear.close()
            if self._session is None:
                self.indicator.finish()
            raise
        finally:
            self._starting = False

    def _refuse_at_the_end(self) -> None:
        if self._closed.is_set():
            raise ControlError("the recorder is ending; start it again with: meetsense run capture")

    def _open(self) -> Ear:
        try:
            return open_ear(self._settings.capture.device, self._settings.capture.channel, self._clock)
        except Stuck:
            self._leave_soon()
            raise

    def _new_folder(self, basis: Basis, title: str | None, ear: Ear) -> Folder:
        now = self._clock.wall()
        local = now.astimezone(_zone(self._settings.room.timezone))
        recording = Recording(
            new_id(now), title or f"Meeting of {local:%Y-%m-%d %H:%M}", self._settings.room.name, now, basis
        )
        folder = Folder.create(
            self._shelf.root,
            recording,
            device=ear.device,
            utc_offset=local.utcoffset() or timedelta(0),
            boot=this_boot(),
            boottime=self._clock.boottime(),
        )
        return self._shelf.keep(folder)

    def _record(self, folder: Folder, ear: Ear, event: Occasion | None, *, paused: bool = False) -> None:
        recording = folder.manifest().recording
        capture = Capture(
            ear.source,
            folder,
            channel=self._settings.capture.channel,
            clock=self._clock,
            limits=_limits(self._settings),
            listening=ear.listening,
            closed=lambda segment: self.mirror.segment(folder, segment),
            gap=lambda gap: self.mirror.gap(folder, gap),
        )
        if paused:
            capture.pause()
        capture.start()
        self.mirror.begin(folder, recording)
        watch = Watch(self.gate, recording.basis)
        self._session = Session(folder, recording, capture, watch, ear, event)

    def _first_sound(self) -> None:
        """Wait for it. Raises CaptureError when the device gives none."""
        session = self._need_session()
        deadline = self._clock.monotonic() + FIRST_SOUND_SECONDS
        while not session.capture.snapshot().blocks and self._clock.monotonic() < deadline:
            if session.capture.wait(WAIT_SECONDS) is not None:
                break
        seen = session.capture.snapshot()
        if seen.blocks and seen.end is None:
            return
        error = session.capture.error
        self._finish(session, Why.LOST)
        raise CaptureError(str(error) if isinstance(error, CaptureError) else "the microphone gives no sound")

    # What is looked at some times a second.

    def tick(self) -> None:
        """Look whether the recording may and can go on, and do what is owed."""
        self._ticks += 1
        session = self._session
        if session is not None:
            end = session.capture.wait(0)
            if end not in (None, End.STOPPED):
                self._broke(session, end)
                return
        if not self._commands.acquire(blocking=False):
            return
        try:
            self._look()
        finally:
            self._commands.release()

    def _look(self) -> None:
        trouble = self.indicator.trouble()
        if self._session is not None:
            if (why := self._over(self._session, trouble)) is not None:
                log.warning("%s: ends (%s)", self._session.folder.id, why.value)
                self._finish(self._session, why)
        elif self._waiting is not None and self._clock.monotonic() >= self._waiting.next_try:
            self._try_again(self._waiting)
        self._pay()

    def _pay(self) -> None:
        """Try again what the disk refused."""
        owed, self._owed = self._owed, []
        for job in owed:
            job()

    def _over(self, session: Session, trouble: str | None) -> Why | None:
        """Why the recording must end now."""
        limits = self._settings.capture
        seen = session.capture.snapshot()
        if (ends := ENDS.get(session.watch.standing)) is not None:
            return ends
        if trouble is not None:
            return Why.INDICATOR
        if seen.level.quiet >= limits.stop_after_minutes * 60:
            return Why.SILENCE
        if seen.seconds >= limits.longest_hours * 3600:
            return Why.LONGEST
        return None

    def _broke(self, session: Session, end: End | None) -> None:
        """Capture ended by itself. The process begins anew, and the recording goes on, or it is finished."""
        error = session.capture.error
        if end is End.FAILED and error is not None and not isinstance(error, MeetsenseError):
            log.error("%s: capture failed", session.folder.id, exc_info=error)
        log.error("%s: the microphone is %s", session.folder.id, end)
        self.hangs = end is End.STUCK
        if self._restarts:
            # What somebody is stopping must not go on after the restart.
            with suppress(ControlError), self._command(YIELD_SECONDS):
                if self._session is not session:
                    return
            self._exit()
            return
        with self._command():
            if self._session is session:
                self._finish(session, Why.LOST)
                self.note = str(error)

    def _leave_soon(self) -> None:
        """A thread hangs: end the process after the answer to the client is out."""
        self.hangs = True
        if self._restarts and not self._closed.is_set():
            log.error("the sound server or the driver hangs; the recorder ends, to begin anew")
            timer = threading.Timer(1.0, self._exit)
            timer.daemon = True
            timer.start()

    def _exit(self) -> None:
        """At once: a thread may hang in the driver. Whoever started the process starts it again."""
        self.indicator.abandon()
        if self._session is not None:
            self._session.ear.hush()
        self._leave(RESTART)

    # Ending.

    def _finish(self, session: Session, why: Why) -> None:
        session.watch.end()
        end = session.capture.stop()
        session.ear.hush()
        why = ENDS.get(session.watch.standing) or why
        self._session = None
        self._ended(session.folder, why)
        self.indicator.finish()
        if end is End.STUCK:
            self._leave_soon()

    def _ended(self, folder: Folder, why: Why) -> None:
        """End it, and owe what the disk refuses."""
        try:
            self.last = self._end(folder, why)
        except CaptureError as error:
            log.warning("%s: can't be ended yet (%s)", folder.id, words(error))
            self._owed.append(lambda: self._ended(folder, why))
            with suppress(CaptureError):
                self.last = Last(folder, why, folder.read().duration)

    def _end(self, folder: Folder, why: Why) -> Last:
        """Say in the ledger that it is over. Raises CaptureError when the disk refuses."""
        if why is Why.CONSENT:
            forget(folder, EVER)
        recording = recover(folder, hashes=False)
        folder.end(recording.started_at + timedelta(seconds=recording.duration), why.value)
        with suppress(OSError):
            (folder.path / PAUSED).unlink(missing_ok=True)
        drop(folder.path)
        self.mirror.end(folder, failed(why, recording.samples))
        missing = wall_samples(recording) - recording.samples
        log.info("%s: ended (%s), %d samples, %d missing", folder.id, why.value, recording.samples, missing)
        return Last(folder, why, recording.duration)

    def close(self) -> None:
        """End what is under way, and do what is owed, within some seconds."""
        self._closed.set()
        self._adoption.close()
        with suppress(ControlError), self._command(CLOSE_SECONDS):
            if self._session:
                self._finish(self._session, Why.SHUTDOWN)
            elif self._waiting:
                self._give_up(self._waiting, Why.SHUTDOWN)
            self._pay()
        self.mirror.close()
        self.indicator.close()

    # After a crash.

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Commands wait, so that a stop isn't answered by "nothing is being recorded" before it goes on."""
        with self._command():
            self._starting = True
            try:
                yield
            finally:
                self._starting = False

    def take_up(self) -> None:
        """Go on with what was interrupted, or finish it. Raises CaptureError when nobody can tell."""
        folders = self._shelf.interrupted()
        if folders and self._restarts:
            waiting = made_whole(folders[-1])
            if waiting and self._left(waiting) > 0:
                folders.pop()
                self._waiting = waiting
                self._try_again(waiting)
        self._adoption.start(folders)

    def _adopted(self, folder: Folder, why: Why) -> None:
        """A crash ended it: it is the last one where none has ended that began later. Raises CaptureError."""
        found = self._end(folder, why)
        if self.last is None or self.last.folder.id < folder.id:
            self.last = found

    def _left(self, waiting: Waiting) -> float:
        """Seconds in which it may still go on."""
        return self._settings.capture.resume_minutes * 60 - waiting.age(self._clock)

    def _try_again(self, waiting: Waiting) -> None:
        if self._left(waiting) <= 0:
            self._give_up(waiting, Why.LOST)
            return
        waiting.next_try = self._clock.monotonic() + RETRY_SECONDS
        try:
            ends = ENDS.get(self.gate.standing(waiting.manifest.recording.basis))
            if ends is not None:
                self._give_up(waiting, ends)
                return
            self._go_on(waiting)
        except MeetsenseError as error:
            log.warning("%s: can't go on yet (%s)", waiting.folder.id, words(error))

    def _go_on(self, waiting: Waiting) -> None:
        """Raises MeetsenseError when it can't be now."""
        folder, manifest = waiting.folder, waiting.manifest
        with self._begin() as ear:
            if not same_device(manifest.device, ear.device):
                raise CaptureError("the microphone is another one than before")
            missing = round(waiting.age(self._clock) * manifest.recording.rate)
            if missing > 0:
                gap = Gap(GapKind.RESTART, recover(folder, hashes=False).samples, missing)
                waiting.samples += missing
                with suppress(CaptureError):  # it counts nevertheless, and is written with the next line
                    folder.append(gap)
                self.mirror.gap(folder, gap)
            self._record(folder, ear, waiting.event, paused=(folder.path / PAUSED).exists())
            self._waiting = None
        log.info("%s: goes on after %d samples without sound", folder.id, max(0, missing))

    def _give_up(self, waiting: Waiting, why: Why) -> None:
        self._waiting = None
        self._ended(waiting.folder, why)


def _mark(folder: Folder) -> None:
    """Say, for after a crash, that it is paused."""
    try:
        with disk.opened(folder.path / PAUSED, os.O_WRONLY | os.O_CREAT) as descriptor:
            os.fsync(descriptor)
        disk.sync_directory(folder.path)
    except OSError as error:
        log.warning("%s: a crash would end the pause (%s)", folder.id, error.strerror)


def _figures(seen: State) -> Mapping[str, Any]:
    rate = 16_000
    return {
        "seconds": round(seen.seconds, 3),
        "audio_seconds": round(seen.samples / rate, 3),
        "synced_seconds": round(seen.synced / rate, 3),
        "level": {
            "rms": round(seen.level.rms, 1),
            "peak": round(seen.level.peak, 1),
            "quiet": round(seen.level.quiet, 1),
            "zeros": round(seen.level.zeros, 1),
        },
        "missing_seconds": {kind.value: round(n / rate, 3) for kind, n in seen.missing.items() if n},
    }


def _limits(settings: Settings) -> Limits:
    given = settings.capture
    return Limits(
        segment_seconds=given.segment_seconds,
        sync_seconds=given.sync_seconds,
        floor_dbfs=given.floor_dbfs,
        low_water=given.low_water_mb * 1_000_000,
    )


def _seal(settings: Settings) -> Callable[[Path, Path], None] | None:
    """What encrypts a segment, where the configuration asks for it. Raises CaptureError when nothing can."""
    recipient = settings.capture.encrypt_to
    if recipient is None:
        return None
    from meetsense.privacy.seal import check, seal

    check(recipient)
    return lambda plain, target: seal(plain, target, recipient)


def _zone(name: str | None) -> ZoneInfo | None:
    return ZoneInfo(name) if name else None
