"""Recordings as the recorder leaves them, and what becomes of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meetsense.capture.folder import Folder
from meetsense.capture.segments import SegmentWriter
from meetsense.config import Settings
from meetsense.store import Store
from meetsense.values import (
    SAMPLE_RATE,
    Agreement,
    Basis,
    BasisKind,
    Gap,
    Recording,
    RecordingState,
)

FIRST = datetime(2026, 11, 24, 9, tzinfo=UTC)
UNEQUAL = {
    "meetings": {"analysed_at"},
    "recordings": {"attempts"},
    "agreements": {"stated_at"},
    "_sqlite_migrations": {"applied_at"},
}
"""Columns that two runs may fill differently."""


def hum(seconds: float) -> NDArray[np.int16]:
    """Sound, another one for each length."""
    return (3000 * np.sin(np.arange(int(seconds * SAMPLE_RATE)) / 20)).astype(np.int16)


def agree(settings: Settings, *people: str) -> None:
    """These people agree to be recorded."""
    with Store(settings.database) as store:
        for person in people:
            store.state(person, Agreement.RECORDING, True, "signed form")


def record(
    settings: Settings,
    sound: NDArray[np.int16],
    *,
    hour: int = 0,
    people: Sequence[str] = ("Ada", "Bo"),
    basis: Basis | None = None,
    gaps: Sequence[Gap] = (),
    segment_seconds: float = 1.0,
) -> Recording:
    """A recording that waits for the processor. ``hour``: since the first one of the day."""
    started = FIRST + timedelta(hours=hour)
    basis = basis or Basis(BasisKind.CONSENT, tuple(people))
    new = Recording(f"{started:%Y%m%dT%H%M%SZ}-{hour:08x}", f"Desk {hour}", "Room 1", started, basis)
    folder = Folder.create(settings.state / "recordings", new)
    writer = SegmentWriter(folder, seconds=segment_seconds)
    for start in range(0, len(sound), SAMPLE_RATE // 10):
        writer.write(sound[start : start + SAMPLE_RATE // 10])
    writer.close()
    for gap in gaps:
        folder.append(gap)
    folder.end(started + timedelta(seconds=len(sound) / SAMPLE_RATE), "stopped")
    with Store(settings.database) as store:
        store.put_recording(folder.read())
        return store.recording(new.id)


def state_of(settings: Settings, recording: Recording) -> tuple[RecordingState, int, str | None]:
    """State, attempts and reason."""
    with Store(settings.database) as store:
        now = store.recording(recording.id)
    return now.state, now.attempts, now.reason


def rows(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything in a database but what two equal runs may fill differently, and the words' index."""
    with sqlite3.connect(database) as conn:
        tables = conn.execute("select name from sqlite_master where type = 'table' order by name").fetchall()
        found = {}
        for (table,) in tables:
            if "_fts" in table or table.startswith("sqlite_"):
                continue
            columns = [row[1] for row in conn.execute(f"pragma table_info({table})")]
            kept = ", ".join(f'"{c}"' for c in columns if c not in UNEQUAL.get(table, ()))
            found[table] = sorted(conn.execute(f"select {kept} from {table}").fetchall(), key=repr)
    conn.close()
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, by its path there."""
    return {
        str(path.relative_to(folder)): b"" if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }
