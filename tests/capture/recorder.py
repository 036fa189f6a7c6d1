"""A recorder that is a process of its own: ``python -m tests.capture.recorder FOLDER DEVICE [options]``.

It prints ``go`` when sound comes, and at the end a line of JSON. It ends after ``--samples`` of audio, or
when its standard input does; with status 75 when the device or the sound server hangs.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

from meetsense.capture.clock import Clock, FrameClock, SystemClock
from meetsense.capture.folder import Folder
from meetsense.capture.loop import Capture, End, Limits
from meetsense.capture.microphone import open_microphone
from meetsense.capture.pulse import Listener
from meetsense.capture.source import Paced, Source, Stuck
from meetsense.values import SAMPLE_RATE

PR_SET_MDWE, PR_GET_MDWE, NO_GAIN = 65, 66, 1
"""From linux/prctl.h: memory that is writable never becomes executable, Linux 6.3."""


def forbid_executable_memory() -> bool:
    """Do what MemoryDenyWriteExecute= does; whether the kernel can."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(PR_SET_MDWE, NO_GAIN, 0, 0, 0) == 0 and libc.prctl(PR_GET_MDWE, 0, 0, 0, 0) == 1)


def stall(seconds: float, after: int) -> None:
    """Have a call of fdatasync, the one after so many, take its time."""
    real, calls = os.fdatasync, iter(range(after + 1))

    def slow(fd: Any) -> None:
        if next(calls, None) == after:
            time.sleep(seconds)
        real(fd)

    os.fdatasync = slow


def memory(name: str) -> int:
    """Bytes, from /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def watch(capture: Capture, samples: int | None, every: float) -> list[list[float]]:
    """Wait for the end of capture, of so many samples, or of standard input.

    Returns hours of sound, bytes of memory, descriptors and threads, taken once an hour of sound; of the
    descriptors the median of that hour: a segment has one more or one fewer while it is closed or begun.
    """
    closed = threading.Event()

    def wait_for_input() -> None:
        sys.stdin.read()
        closed.set()

    if samples is None:
        threading.Thread(target=wait_for_input, daemon=True).start()
    taken: list[list[float]] = []
    looks: list[int] = []
    said = False
    while capture.wait(every) is None and not closed.is_set():
        state = capture.snapshot()
        if state.blocks and not said:
            said = True
            print("go", flush=True)
        hours = state.seconds / 3600
        if hours >= len(taken):
            looks = []
            taken.append([hours, memory("VmRSS"), 0, threading.active_count()])
        looks.append(len(list(Path("/proc/self/fd").iterdir())))
        taken[-1][2] = statistics.median_high(looks)
        if samples is not None and state.samples >= samples:
            break
    return taken


def record(options: argparse.Namespace) -> tuple[dict[str, Any], End]:
    """Record as the options say; what came of it."""
    clock: Clock = FrameClock(SAMPLE_RATE) if options.fast else SystemClock()
    microphone = open_microphone(options.device, options.channel, clock)
    source: Source = Paced(microphone, clock) if isinstance(clock, FrameClock) else microphone
    listener = Listener() if options.pulse else None
    named = listener() if listener else None
    limits = Limits(low_water=0, segment_seconds=options.segment)
    capture = Capture(
        source,
        Folder(options.folder),
        channel=options.channel,
        clock=clock,
        limits=limits,
        listening=listener if named else None,
    )
    began = time.monotonic()
    processor = time.process_time()
    capture.start()
    taken = watch(capture, options.samples, 0.005 if options.fast else 0.25)
    end = capture.wait(0) or capture.stop()
    state = capture.snapshot()
    told = {
        "end": end,
        "error": str(capture.error or ""),
        "elapsed": time.monotonic() - began,
        "processor": time.process_time() - processor,
        "seconds": state.seconds,
        "samples": state.samples,
        "synced": state.synced,
        "missing": {kind: count for kind, count in state.missing.items() if count},
        "alarm": state.alarm,
        "source": named or microphone.name,
        "hours": taken,
    }
    return told, end


def main() -> int:
    """Record; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("device")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--segment", type=float, default=60.0)
    parser.add_argument("--channel", default="mix", type=lambda text: text if text == "mix" else int(text))
    parser.add_argument("--fast", action="store_true", help="time follows the frames")
    parser.add_argument("--pulse", action="store_true", help="watch which source the sound server gives")
    parser.add_argument("--mdwe", action="store_true", help="forbid memory that is writable and executable")
    parser.add_argument("--stall", type=float, default=0.0, help="seconds that the disk takes for one sync")
    options = parser.parse_args()
    if options.stall:
        stall(options.stall, after=2)
    told: dict[str, Any] = {"mdwe": forbid_executable_memory() if options.mdwe else None}
    try:
        found, end = record(options)
    except Stuck as error:
        print(json.dumps(told | {"end": End.STUCK, "error": str(error)}), flush=True)
        os._exit(75)
    told |= found | {
        "peak": memory("VmHWM"),
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    print(json.dumps(told), flush=True)
    if end is End.STUCK:
        os._exit(75)
    return 0


if __name__ == "__main__":
    sys.exit(main())
