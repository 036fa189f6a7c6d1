"""What there is to run on: cores, memory, and a GPU that was tried.

A GPU is tried in a process of its own: where cuDNN or cuBLAS is missing or of another version, CTranslate2
does not raise, it aborts the process, at the first convolution.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from meetsense.speech.directory import BUNDLED

MOST_THREADS = 4
"""More don't help: they wait for one another."""
PROBE_SECONDS = 60.0
"""A driver that hangs is no GPU."""
DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""One of these stands where a driver for a GPU is loaded (NVIDIA, under Windows, AMD)."""
UNLIMITED = 1 << 60
"""Bytes; control groups write about this where there is no limit."""
PROBE = """
import json, sys
import ctranslate2, numpy
if not ctranslate2.get_cuda_device_count():
    sys.exit("CTranslate2 finds no CUDA device")
model = ctranslate2.models.Whisper(sys.argv[1], device="cuda", compute_type="default")
sound = numpy.zeros((1, model.n_mels, 3000), numpy.float32)
encoded = model.encode(ctranslate2.StorageView.from_array(sound))
model.generate(encoded, [["<|startoftranscript|>"]], max_length=4)
print(json.dumps(sorted(ctranslate2.get_supported_compute_types("cuda"))))
"""
"""Loads a small model, and runs encoder (cuDNN) and decoder (cuBLAS)."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """Whether there is a GPU that works."""

    types: frozenset[str] = frozenset()
    """Compute types it has; empty: none works."""
    why_not: str = ""
    """Why none works."""

    def __bool__(self) -> bool:
        """Whether it works."""
        return bool(self.types)


@dataclass(frozen=True, slots=True)
class Machine:
    """What one process may use."""

    cores: int
    """Physical ones."""
    memory: int
    """Free bytes."""
    gpu: Gpu = Gpu()

    @property
    def threads(self) -> int:
        """Threads for one network."""
        return min(MOST_THREADS, self.cores)


def this_machine() -> Machine:
    """The machine, as this process finds it now; the GPU is tried once a process."""
    return Machine(physical_cores(), free_memory(), gpu())


def physical_cores(system: Path = Path("/sys/devices/system/cpu")) -> int:
    """Cores that this process may run on; two threads of one core count once."""
    allowed = os.sched_getaffinity(0)
    siblings = (system / f"cpu{number}" / "topology" / "thread_siblings_list" for number in allowed)
    try:
        return len({file.read_text().strip() for file in siblings}) or 1
    except OSError:
        return len(allowed)


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still take: the machine's, its control group's, or its own limit's."""
    found = [_available(root / "proc/meminfo"), _group(root)]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        found.append(limit - _mapped(root / "proc/self/statm"))
    return max(0, min(amount for amount in found if amount is not None))


def _available(meminfo: Path) -> int:
    with suppress(OSError):
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return UNLIMITED


def _mapped(statm: Path) -> int:
    return int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _group(root: Path) -> int:
    """What the control group (the second version, or the first) and those that it lies in leave."""
    left = UNLIMITED
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "memory":
                for folder in _upwards(root / "sys/fs/cgroup/memory", path):
                    left = min(left, _left(folder, "memory.limit_in_bytes", "memory.usage_in_bytes"))
            elif not controllers:
                for folder in _upwards(root / "sys/fs/cgroup", path):
                    left = min(left, _left(folder, "memory.max", "memory.current"))
    return left


def _upwards(top: Path, group: str) -> Iterator[Path]:
    """The folder of a control group, of the one that it lies in, and so on up to ``top``."""
    here = top / group.lstrip("/")
    while here != top:
        yield here
        here = here.parent
    yield top


def _left(folder: Path, limit: str, used: str) -> int:
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        return int((folder / limit).read_text()) - int((folder / used).read_text()) + _idle(folder)
    return UNLIMITED


def _idle(folder: Path) -> int:
    """Bytes of files that a control group counts as its own and gives up when asked for memory."""
    with suppress(OSError, ValueError):
        fields = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(fields.get("total_inactive_file", fields.get("inactive_file", "0")))
    return 0


@cache
def gpu() -> Gpu:
    """The GPU, tried once. Where no driver's device stands, nothing is started."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return Gpu(why_not="CUDA_VISIBLE_DEVICES hides it")
    if not any(Path(device).exists() for device in DEVICES):
        return Gpu(why_not="no GPU driver is loaded")
    return probe()


def probe(command: Sequence[str] = (), seconds: float = PROBE_SECONDS) -> Gpu:
    """Try the GPU in another process, which is killed after ``seconds``.

    ``command`` prints a JSON list of compute types when all went well; left out, it is PROBE on the demo's
    model, which imports nothing from the directory that somebody happens to stand in (``-P``).
    """
    command = command or (sys.executable, "-P", "-c", PROBE, str(BUNDLED / "demo-whisper"))
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Gpu(why_not=f"it did not answer within {seconds:g} s")
    except OSError as error:
        return Gpu(why_not=f"it could not be tried, {error.strerror}")
    if done.returncode < 0:
        return Gpu(why_not=f"its libraries abort ({signal_name(-done.returncode)}); {_last(done.stderr)}")
    if done.returncode:
        return Gpu(why_not=_last(done.stderr))
    try:
        types = json.loads(done.stdout.splitlines()[-1])
        return Gpu(frozenset(map(str, types)))
    except (ValueError, IndexError, TypeError):
        return Gpu(why_not="its answer made no sense")


def signal_name(number: int) -> str:
    """What a signal is called; most of those for real-time use have no name of their own.

    >>> signal_name(6), signal_name(40)
    ('SIGABRT', 'Real-time signal 6')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return signal.strsignal(number) or f"signal {number}"


def _last(text: str) -> str:
    """The last line of what a process said."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "without a word")
