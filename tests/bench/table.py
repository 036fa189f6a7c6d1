"""A row of the bench, and the table and the file that rows go into."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "ctranslate2",
    "faster-whisper",
    "numpy",
    "onnxruntime",
    "pyannote.metrics",
    "scipy",
)
HEADER = ("what", "on", "measured", "must reach", "reached", "note")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and what it has to be."""

    what: str
    on: str
    """The data."""
    value: float | None
    """None: not measured, and the note says why."""
    target: float | None = None
    """The largest value that will do; None: reported only."""
    unit: str = ""
    digits: int = 3
    """Decimals to print."""
    note: str = ""
    details: dict[str, object] = field(default_factory=dict)
    """Further figures, for the file."""

    @property
    def reached(self) -> bool | None:
        """Whether the figure is good enough; None when it wasn't measured or nothing is asked of it."""
        return None if self.value is None or self.target is None else self.value <= self.target

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of HEADER.

        >>> Row("DER", "a meeting", 0.25, 0.2).cells()
        ('DER', 'a meeting', '0.250', '≤ 0.2', 'NO', '')
        >>> Row("DER", "a meeting", None, note="data missing").cells()[2:5]
        ('not measured', 'report it', '-')
        """
        unit = f" {self.unit}" if self.unit else ""
        measured = "not measured" if self.value is None else f"{self.value:.{self.digits}f}{unit}"
        asked = "report it" if self.target is None else f"≤ {self.target:g}{unit}"
        reached = {None: "-", True: "yes", False: "NO"}[self.reached]
        return self.what, self.on, measured, asked, reached, self.note


def table(rows: Sequence[Row]) -> str:
    """Rows as a table in Markdown, its columns aligned."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    shown = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join((shown[0], rule, *shown[1:]))


def _version(library: str) -> str | None:
    """The version that is installed; None where it isn't."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "load": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _first(file: str, key: str) -> str | None:
    """The value of the first ``key : value`` line of a file under /proc."""
    lines = Path(file).read_text().splitlines() if Path(file).exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def save(group: str, rows: Sequence[Row], facts: dict[str, object], path: Path) -> None:
    """Put the rows of a group, with the machine's facts, into a file of JSON; other groups stay in it."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    made = datetime.now(UTC).isoformat(timespec="seconds")
    found = [asdict(row) | {"reached": row.reached} for row in rows]
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps(kept | {group: {"made": made, "machine": facts, "rows": found}}, indent=1) + "\n"
    )
