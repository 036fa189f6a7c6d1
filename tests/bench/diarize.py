"""The child that is measured: VAD and diarizer on one recording, its cost as JSON on stdout."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from meetsense.audio import load_audio
from meetsense.pipeline import open_toolbox
from meetsense.values import SpeakerRange

CORES = 2


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
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "voices": len(found.speakers),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
