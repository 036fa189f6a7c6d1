"""Many recordings on this machine, one child process a meeting.

A model may crash, hang or eat all memory; a meeting must not take the others with it. So each is analysed in
a process of its own, under a limit of memory and one of time, and this process, which imports no engine,
watches. A child that crashes, is killed or goes beyond a limit raises :class:`Parked` with the reason, within
a second of its death, and the caller goes on with the next meeting. A bug raises :class:`ChildBug` with its
traceback.

The child leads a process group, which is killed as a whole when the result is there, when a limit is reached,
when this process is interrupted, and (on Linux) when this process dies. What an engine starts in a session of
its own leaves the group; none of ours does.
"""

from __future__ import annotations

import ctypes
import io
import os
import pickle
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO

from meetsense import audio, errors, pipeline
from meetsense.errors import MeetsenseError
from meetsense.pipeline import STEPS, Progress, Request, Toolbox, analyse, frame, silent_progress
from meetsense.values import Analysis, Meeting, Roster, SpeakerRange

if TYPE_CHECKING:
    from meetsense.config import Settings

MB = 1_000_000
LOOK_SECONDS = 0.2
"""How often memory and time are looked at."""
START_SECONDS = 120.0
"""Beside what the recording's length allows: imports, and models from a slow disk."""
LAST_SECONDS = 2.0
"""A child that has nothing more to tell may take so long to end by itself, so that its status says why."""
PULSE_SECONDS = 10.0
"""How often it is told whether the child works, which within a long step may be all that can be told."""
LEAST_WORK = 0.01
"""Share of a core that a child uses which works. One that waits for what never comes wakes for less."""
SHOW_SECONDS = 0.1
"""Progress within a step is told at most so often."""
DATA_FACTOR = 2
DATA_SPARE = 2 << 30
"""The kernel's limit is this multiple of the memory limit, and so many bytes more."""
LIKELY_VICTIM = 500
"""The child's badness (0..1000) to the kernel's out-of-memory killer: it goes first, not a recorder."""
PR_SET_PDEATHSIG = 1
LONGEST_MESSAGE = 1 << 29
"""Bytes of one message of a child. The analysis of a day of talk has a tenth of it."""
WAITING_MESSAGES = 64
"""Messages that are read ahead."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the analysis of one meeting may cost."""

    memory_bytes: int
    """Memory that the child and its children hold, without pages that the kernel can take back."""
    time_factor: float
    """Time, as a multiple of the recording's length; START_SECONDS come on top."""
    decoding: audio.Limits = field(default_factory=audio.Limits)
    """What decoding alone may cost."""


def limits_of(settings: Settings) -> Limits:
    """What one meeting may cost."""
    return Limits(settings.memory_mb * MB, settings.time_factor)


def toolbox_of(
    settings: Settings,
    whisper: str | None = None,
    diarizer: str | None = None,
    pyannote_mode: str | None = None,
) -> Callable[[], Toolbox]:
    """How the child opens the engines: what is named here wins over the settings."""
    return partial(
        pipeline.open_toolbox,
        settings.models,
        whisper=whisper or settings.whisper,
        diarizer=diarizer or settings.diarizer,
        pyannote_mode=pyannote_mode or settings.pyannote_mode,
        threads=settings.threads,
        memory_bytes=settings.memory_mb * MB,
    )


def speaker_range(asked: str | None, roster: Roster) -> SpeakerRange | None:
    """How many people speak; of ``roster`` at most as many as it names, for some may say nothing."""
    from meetsense.config import FROM_ROSTER

    if asked == FROM_ROSTER:
        return SpeakerRange(1, len(roster.participants)) if roster.participants else None
    return SpeakerRange.parse(asked) if asked else None


class Parked(MeetsenseError):
    """A meeting whose analysis was ended: by a crash, by the kernel, or by a limit."""

    def __init__(self, meeting: Meeting, name: str, reason: str) -> None:
        super().__init__(f"{name}: parked, {reason}")
        self.meeting = meeting
        """Which meeting; its duration is 0 when it isn't known."""
        self.reason = reason
        """In one line, for people."""


class ChildBug(RuntimeError):
    """A bug in the child; the message is its traceback."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What the child is told."""

    path: Path
    toolbox: Callable[[], Toolbox]
    request: Request
    limits: Limits
    parent: int
    """Process that the child must not outlive."""


_ERRORS = {
    kind.__name__: kind for kind in MeetsenseError.__subclasses__() if kind.__module__ == errors.__name__
}
Cause = tuple[str, str]
"""What a child did, and what to do about it, as clauses."""
# What the child tells is a pair of a word and a value:
_PROGRESS, _BEGAN, _RESULT, _REFUSED, _OUT_OF_MEMORY, _BUG = range(6)


Pulse = Callable[[bool], None]
"""Is told whether the child worked since the last time."""


def _unfelt(_: bool, /) -> None:
    """Nobody asks."""


def analyse_apart(
    path: Path,
    toolbox: Callable[[], Toolbox],
    request: Request,
    progress: Progress = silent_progress,
    *,
    limits: Limits,
    pulse: Pulse = _unfelt,
) -> Analysis:
    """:func:`meetsense.pipeline.analyse` in a process of its own; ``toolbox`` is called there and is pickled.

    ``pulse`` is called every PULSE_SECONDS; what it raises ends the child, as with ``progress``.
    Call it from a thread that outlives the meeting: on Linux the child dies with the thread that started it.
    Raises what ``analyse`` raises, Parked, and ChildBug.
    """
    audio.open_regular(path).close()  # what isn't there needs no child to be told
    ours, theirs = Pipe()
    job = _Job(path, toolbox, request, limits, os.getpid())
    with ours, theirs, _ending_on_signals(), _files(job) as (scratch, stdin, stderr):
        try:
            with theirs:
                child = _start(theirs, stdin, stderr, scratch)
        except OSError as error:
            reason = f"it could not be started ({error.strerror}); free some memory, and try again"
            raise Parked(frame(path, 0.0, request), path.name, reason) from None
        told = _Told(ours)
        watch = _Watch(child, told, limits, progress, pulse)
        try:
            watch.until_told()
        finally:
            _end(child)
            told.close()
        return _outcome(watch, path, request, _text_of(stderr))


@contextmanager
def _files(job: _Job) -> Iterator[tuple[str, BinaryIO, BinaryIO]]:
    """A temporary directory of the child's own, its stdin with the job, and what it says; gone afterwards.

    Raises MeetsenseError when there is no room for them.
    """
    with ExitStack() as stack:
        try:
            folder = tempfile.TemporaryDirectory(prefix="meetsense-", ignore_cleanup_errors=True)
            scratch = stack.enter_context(folder)
            stdin, stderr = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
            stdin.write(pickle.dumps(job))
            stdin.seek(0)
        except OSError as error:
            raise MeetsenseError(
                f"no temporary file can be made ({error.strerror}); free some space, or set TMPDIR"
            ) from None
        yield scratch, stdin, stderr


def _start(told: Connection, stdin: BinaryIO, stderr: BinaryIO, scratch: str) -> subprocess.Popen[bytes]:
    code = f"from meetsense.batch import child; child({told.fileno()})"
    return subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        [sys.executable, "-P", "-c", code],
        stdin=stdin,
        stdout=stderr,
        stderr=stderr,
        pass_fds=[told.fileno()],
        start_new_session=True,
        env=os.environ | {"TMPDIR": scratch},
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's group and reap the child. Its children that outlive it are reaped by init."""
    with suppress(ProcessLookupError, PermissionError):  # PermissionError: what macOS says of zombies
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child is dead. It isn't reaped: its number stays its group's until the group is dead, too."""
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # SIGCHLD is ignored here: the kernel has reaped it
        return True


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that what is open is closed. Only a main thread can.

    Whoever started this process with SIGHUP ignored (nohup) wants it to go on. SIGCHLD must not be ignored:
    nobody could tell how a child died.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    handlers: dict[int, Any] = {signal.SIGTERM: end}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        handlers[signal.SIGHUP] = end
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        handlers[signal.SIGCHLD] = signal.SIG_DFL
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


class _Told:
    """What a child tells, read by a thread: a child that stops in the middle of a word keeps nobody."""

    def __init__(self, told: Connection) -> None:
        self._connection = told
        self._messages: queue.Queue[bytes | None] = queue.Queue(WAITING_MESSAGES)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while True:
                self._messages.put(self._connection.recv_bytes(LONGEST_MESSAGE))
        except (EOFError, OSError):  # it is ending, perhaps in the middle of a word, or tells too much
            self._messages.put(None)

    def next(self, seconds: float) -> bytes | None:
        """The next message; None when there is none to come. Raises queue.Empty after so many seconds."""
        return self._messages.get(timeout=max(seconds, 1e-3))

    def close(self) -> None:
        """Let the reader end, once the child is dead."""
        end = time.monotonic() + LAST_SECONDS
        while self._reader.is_alive() and time.monotonic() < end:
            with suppress(queue.Empty):
                self._messages.get(timeout=0.01)


class _Watch:
    """What the child told so far, and whether it keeps within its limits."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        told: _Told,
        limits: Limits,
        progress: Progress,
        pulse: Pulse,
    ) -> None:
        self.meeting: Meeting | None = None
        self.answer: tuple[int, Any] | None = None
        """The last thing a child tells."""
        self.step = "decode"
        self.exceeded: Cause | None = None
        """The limit that it went beyond."""
        self.child = child
        self.limits = limits
        self._told = told
        self._progress = progress
        self._pulse = pulse
        self._felt = (time.monotonic(), 0.0)
        self._deadline = time.monotonic() + limits.decoding.wall_seconds + START_SECONDS

    def until_told(self) -> None:
        """Return when the child has given its answer, is dead, or went beyond a limit."""
        look = 0.0
        while self.answer is None and self.exceeded is None:
            ended = False
            if time.monotonic() >= look:
                ended = _has_ended(self.child)
                self.exceeded = None if ended else self._beyond()
                self._feel()
                look = time.monotonic() + LOOK_SECONDS
            try:
                message = self._told.next(look - time.monotonic())
            except queue.Empty:
                if ended:
                    return
                continue
            if message is None:
                return self._let_end()
            self._take(message)

    def _feel(self) -> None:
        """Tell from time to time whether the child works."""
        now, (before, used) = time.monotonic(), self._felt
        if now - before < PULSE_SECONDS:
            return
        self._felt = now, work_of_group(self.child.pid)
        self._pulse(self._felt[1] - used >= LEAST_WORK * (now - before))

    def _let_end(self) -> None:
        end = time.monotonic() + LAST_SECONDS
        while not _has_ended(self.child) and time.monotonic() < end:
            time.sleep(0.01)

    def _take(self, message: bytes) -> None:
        try:
            word, value = _Values(message).load()
        except Exception:  # the bytes of a child that a library has damaged; pickle raises what it likes
            self.answer = _BUG, traceback.format_exc()
            return
        if word == _PROGRESS:
            self.step = value[0]
            self._progress(*value)
        elif word == _BEGAN:
            self.meeting = value
            allowed = self.limits.time_factor * value.duration + START_SECONDS
            self._deadline = time.monotonic() + allowed
        else:
            self.answer = word, value

    def _beyond(self) -> Cause | None:
        if time.monotonic() > self._deadline:
            return _too_slow(self.limits, self.meeting)
        if (held := memory_of_group(self.child.pid)) > self.limits.memory_bytes:
            return _too_large(held, self.limits)
        return None


def _too_slow(limits: Limits, meeting: Meeting | None) -> Cause:
    if meeting is None:
        seconds = limits.decoding.wall_seconds + START_SECONDS
        return f"took more than {seconds:.0f} s", "convert it to WAV or FLAC first"
    most = f"{limits.time_factor:g} times the recording's length"
    return f"took more than {most}", "a larger time_factor in the configuration allows more"


def _too_large(held: int, limits: Limits) -> Cause:
    most = f"{limits.memory_bytes / 1e6:.0f} MB of memory"
    what = f"held {held / 1e6:.0f} MB, more than the {most} that it may,"
    return what, "a larger memory_mb in the configuration allows more, smaller models need less"


def _outcome(watch: _Watch, path: Path, request: Request, said: str) -> Analysis:
    """The result, or what became of it. ``said``: what the child wrote on stdout and stderr."""
    if watch.answer is not None:
        word, value = watch.answer
        if word == _RESULT:
            sys.stderr.write(said)
            analysis: Analysis = value
            return analysis
        if word == _REFUSED:
            name, message = value
            raise _ERRORS.get(name, MeetsenseError)(message)
        if word == _BUG:
            raise ChildBug(f"in the child process:\n{said}{value}")
    status = watch.child.returncode
    if watch.exceeded is None and watch.answer is None and status >= 0:
        raise ChildBug(f"in the child process, which ended with status {status}:\n{said}")
    what, advice = _cause(watch, said)
    reason = f"it {what} while {STEPS.get(watch.step, watch.step)}; {advice}"
    raise Parked(watch.meeting or frame(path, 0.0, request), path.name, reason)


def _cause(watch: _Watch, said: str) -> Cause:
    if watch.exceeded is not None:
        return watch.exceeded
    if watch.answer is not None or watch.child.returncode == -signal.SIGKILL:
        return "ran out of memory or was killed", "free some memory or take smaller models, and try again"
    name = _signal_name(-watch.child.returncode)
    words = "".join(c if c.isprintable() else " " for c in said.strip().rpartition("\n")[2]).strip()[:200]
    return f"crashed ({name}{': ' if words else ''}{words})", "meetsense doctor may say why"


def _signal_name(number: int) -> str:
    """What a signal is called; those for real-time use have numbers only.

    >>> _signal_name(6), _signal_name(40)
    ('SIGABRT', 'signal 40')
    """
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _text_of(file: BinaryIO) -> str:
    """The end of what was written into a file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 65536))
    return file.read().decode(errors="replace")


def memory_of_group(group: int) -> int:
    """Bytes that the processes of a group hold and only they can give back: anonymous, shared, swapped.

    Pages of files on a disk (weights and sound that are mapped) are left out: the kernel takes them back when
    it needs them. Those of a file in memory (tmpfs) count. Where there is no /proc, 0.
    """
    return sum(map(_held, _members(group)))


def _members(group: int) -> Iterator[int]:
    with suppress(FileNotFoundError):
        for entry in Path("/proc").iterdir():
            with suppress(OSError):  # it ended meanwhile
                if entry.name.isdecimal() and os.getpgid(int(entry.name)) == group:
                    yield int(entry.name)


def _held(process: int) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return sum(int(fields[key].split()[0]) << 10 for key in _HELD if key in fields)
    return 0


_HELD = ("RssAnon", "RssShmem", "VmSwap")


def work_of_group(group: int) -> float:
    """Seconds of processor time that the processes of a group used so far, with children they waited for.

    Where there is no /proc, 0. Source: utime, stime, cutime and cstime of proc_pid_stat(5).
    """
    return sum(map(_used, _members(group))) / os.sysconf("SC_CLK_TCK")


def _used(process: int) -> int:
    """Ticks of the clock."""
    with suppress(OSError):
        # What is behind the name, which may hold blanks and brackets itself.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0


class _Values(pickle.Unpickler):
    """Reads what the child tells. It ran engines on who knows what: only values come in, no code."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))

    def find_class(self, module: str, name: str) -> Any:
        """Classes of values, and what they consist of; a dotted name would lead out of the module."""
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module == "meetsense.values" and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no value")


_PLAIN = {
    ("datetime", "datetime"),
    ("datetime", "timezone"),
    ("datetime", "timedelta"),
    ("numpy", "dtype"),  # a number of numpy's that slipped in is no reason to lose a meeting
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
}


def child(descriptor: int) -> None:
    """Be the child: take the job from stdin, tell the parent over a descriptor, and end."""
    os.set_inheritable(descriptor, False)
    told = Connection(descriptor)
    job: _Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - our parent's
    _die_with(job.parent)
    _confine(job.limits)
    _tell(told, _answer(job, told))
    os._exit(0)  # the answer is there: no library may crash while it cleans up


def _answer(job: _Job, told: Connection) -> tuple[int, Any]:
    """Do the job; what there is to tell in the end."""
    try:
        analysis = analyse(
            job.path,
            job.toolbox,
            job.request,
            _Teller(told),
            limits=job.limits.decoding,
            began=lambda meeting: _tell(told, (_BEGAN, meeting)),
        )
    except MeetsenseError as error:
        return _REFUSED, (type(error).__name__, str(error))
    except MemoryError:
        return _OUT_OF_MEMORY, None
    except BaseException:
        return _BUG, traceback.format_exc()
    return _RESULT, analysis


def _tell(told: Connection, what: tuple[int, Any]) -> None:
    told.send_bytes(pickle.dumps(what, pickle.HIGHEST_PROTOCOL))


class _Teller:
    """Progress that goes to the parent."""

    def __init__(self, told: Connection) -> None:
        self._told = told
        self._step = ""
        self._next = 0.0

    def __call__(self, step: str, share: float, /) -> None:
        if step == self._step and time.monotonic() < self._next:
            return
        self._step, self._next = step, time.monotonic() + SHOW_SECONDS
        _tell(self._told, (_PROGRESS, (step, float(share))))


def _die_with(parent: int) -> None:
    """End this process group when the parent ends.

    Linux sends a signal then; a thread waits for it, for the main one may be busy in a library for minutes.
    """
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)

    def wait() -> None:
        while os.read(awake, 1)[0] != signal.SIGTERM:
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before that
        os.killpg(0, signal.SIGKILL)


def _confine(limits: Limits) -> None:
    """Set the kernel's limits: a back-stop for what grows faster than the parent looks.

    RLIMIT_DATA counts private writable memory whether or not it is used: engines reserve more than they
    fill (arenas, thread stacks), so it is set well above the limit that the parent holds them to. RLIMIT_AS
    would also count mapped weights and the address space that CUDA reserves, hundreds of GB.
    """
    ceiling = DATA_FACTOR * limits.memory_bytes + DATA_SPARE
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or ceiling < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(LIKELY_VICTIM))
