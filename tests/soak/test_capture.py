"""Eight hours of sound through PortAudio and ALSA to the disk, at full speed: nothing grows or is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meetsense.capture import wav
from tests.capture import alsa
from tests.capture.ramp import RATE, begun, ramp

HOURS = 8
MEGABYTE = 1 << 20
AFTER_HOURS = 1.0
"""Memory is warm by then."""


@alsa.needed
def test_eight_hours(tmp_path: Path) -> None:
    root = tmp_path / "recordings"
    root.mkdir()
    folder = begun(root)
    raw = tmp_path / "day.raw"
    with raw.open("wb") as file:
        for second in range(HOURS * 3600 + 120):
            file.write(ramp(second * RATE, RATE).tobytes())
    samples = HOURS * 3600 * RATE
    env = alsa.environment(tmp_path, raw)
    told = alsa.recorded(folder.path, "--fast", "--samples", samples, env=env, timeout=3600)
    raw.unlink()

    assert told["end"] == "stopped"
    assert told["missing"] == {}
    recording = folder.read()
    assert recording.gaps == ()
    assert len(recording.segments) >= HOURS * 60
    place = 0
    for segment in recording.segments:
        heard = wav.read(folder.path / segment.file, RATE)
        within = max(0, min(len(heard), samples - place))
        assert np.array_equal(heard[:within], ramp(place, within))
        place += len(heard)
    assert place >= samples

    warm = [taken for taken in told["hours"] if taken[0] >= AFTER_HOURS]
    hours, memory, descriptors, threads = map(np.array, zip(*warm, strict=True))
    growth = np.polyfit(hours, memory, 1)[0] / MEGABYTE
    print(
        f"{HOURS} h of sound in {told['elapsed']:.0f} s: memory grows {growth:.3f} MB an hour, "
        f"peak {told['peak'] / 1e6:.1f} MB; {descriptors.max():.0f} descriptors, {threads.max():.0f} threads"
        f"; {len(recording.segments)} segments, 0 gaps"
    )
    assert growth <= 1.0
    assert len(set(descriptors)) == 1
    assert len(set(threads)) == 1
