"""``python -m tests.bench [GROUP...]``: measure, print the table, keep it in ``.bench/results.json``."""

from __future__ import annotations

import argparse
import sys

from meetsense.errors import MeetsenseError
from tests.bench import (
    acts,
    capture,
    cost,
    der,
    floor,
    known,
    leadership,
    overhead,
    pyannote_cost,
    science,
    startup,
    wer,
    whisper_cost,
)
from tests.bench.data import CACHE
from tests.bench.table import Row, machine, save, table

GROUPS = {
    "der": der.rows,
    "floor": floor.rows,
    "wer": wer.rows,
    "cost": cost.rows,
    "overhead": overhead.rows,
    "startup": startup.rows,
    "pyannote": pyannote_cost.rows,
    "known": known.rows,
    "whisper": whisper_cost.rows,
    "acts": acts.rows,
    "leadership": leadership.rows,
    "science": science.rows,
    "capture": capture.rows,
}


def measured(group: str) -> list[Row]:
    """The rows of a group, each said on stderr as it comes; an engine that fails is a row too."""
    rows: list[Row] = []
    try:
        for row in GROUPS[group]():
            rows.append(row)
            print("  " + "  ".join(row.cells()), file=sys.stderr, flush=True)
    except MeetsenseError as error:
        rows.append(Row(group, "-", None, note=f"failed: {error}"))
    return rows


def main() -> None:
    """Measure the groups that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("group", nargs="*", choices=(*GROUPS, []), help="groups of rows; default: all")
    facts = machine()
    shown: list[Row] = []
    for group in parser.parse_args().group or GROUPS:
        print(f"measuring: {group}", file=sys.stderr, flush=True)
        rows = measured(group)
        save(group, rows, facts, CACHE / "results.json")
        shown += rows
    print(table(shown))
    print(f"\n{facts['cores']} cores of {facts['processor']}; also in {CACHE.name}/results.json")


if __name__ == "__main__":
    main()
