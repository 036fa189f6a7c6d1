"""The child that is measured: VAD and diarizer on one recording, its cost as JSON on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from meetsense.audio import load_audio
from meetsense.pipeline import open_toolbox
from meetsense.values import SpeakerRange

CORES = 2


def peak_bytes() -> int:
    """Most memory that this process has held; getrusage would count what its parent held at the fork."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


def main(path: Path) -> None:
    """Diarize a recording on two cores; decoding and loading the engines are not in the time."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    tools = open_toolbox(Path("/nonexistent"), threads=CORES)
    audio = load_audio(path)
    wall, processor = time.perf_counter(), time.process_time()
    speech = tools.vad.speech(audio)
    after_vad = time.perf_counter()
    found = tools.diarizer.diarize(audio, speech, SpeakerRange())
    cost = {
        "seconds": time.perf_counter() - wall,
        "vad_seconds": after_vad - wall,
        "processor_seconds": time.process_time() - processor,
        "audio_seconds": audio.duration,
        "peak_bytes": peak_bytes(),
        "voices": len(found.speakers),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
