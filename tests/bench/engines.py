"""The engines under measure, opened once for all rows."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from meetsense.pipeline import Toolbox, open_toolbox
from meetsense.speech.directory import BUNDLED

DEMO_WHISPER = BUNDLED / "demo-whisper"


@cache
def toolbox() -> Toolbox:
    """VAD and diarizer, as ``meetsense analyze`` opens them, without words."""
    return open_toolbox(Path("/nonexistent"))
