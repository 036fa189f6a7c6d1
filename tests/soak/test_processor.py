"""The processor, killed before every single statement of SQL that it executes."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.test_processor_kill import made, processed, same_after


def test_killed_before_every_statement(tmp_path: Path) -> None:
    room = tmp_path / "uninterrupted"
    settings = made(room)
    statements = processed(room, "never").stdout.splitlines()
    for number in range(1, len(statements) + 1):
        same_after(tmp_path / str(number), settings, "sql", str(number))
    print(f"processor: killed at {len(statements)} statements, 0 results differ, 0 files left over")
