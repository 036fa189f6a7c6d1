"""A microphone that is a file: ALSA's ``file`` plug-in, through PortAudio, without any sound hardware."""

from __future__ import annotations

import ctypes.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
DEVICE = "meetsense_test"
ALSA = Path("/usr/share/alsa/alsa.conf")
CONFIGURATION = f"""
<{ALSA}>
pcm.{DEVICE} {{
  type file
  slave.pcm "null"
  file "/dev/null"
  infile "%s"
  format "raw"
}}
"""

needed = pytest.mark.skipif(
    not ctypes.util.find_library("portaudio") or not ALSA.exists(), reason="libportaudio2 is not installed"
)


def environment(folder: Path, samples: NDArray[Any] | Path) -> dict[str, str]:
    """The environment of a process whose microphone gives int16 samples, (n,) or (n, channels).

    Rate and channels have to be asked for as the samples have them; behind their end comes noise of one bit.
    """
    raw = samples if isinstance(samples, Path) else folder / "microphone.raw"
    if not isinstance(samples, Path):
        samples.astype("<i2").tofile(raw)
    configuration = folder / "asound.conf"
    configuration.write_text(CONFIGURATION % raw)
    return os.environ | {"ALSA_CONFIG_PATH": str(configuration), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


def python(*words: object, env: dict[str, str], timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run Python on some arguments."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=timeout)


def recorded(folder: Path, *options: object, env: dict[str, str], timeout: float = 60.0) -> dict[str, Any]:
    """Run the recorder on a folder until it ends; what it says at the end."""
    done = python("-m", "tests.capture.recorder", folder, DEVICE, *options, env=env, timeout=timeout)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
