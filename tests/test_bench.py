"""What of the bench needs neither data nor engines: its table, its file, its word about missing data."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import data, table
from tests.bench.data import Missing
from tests.bench.table import Row

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("module", [data, table])
def test_examples(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]
    assert results.attempted > 0
    assert results.failed == 0


def test_the_table_is_aligned_and_whole() -> None:
    rows = [Row("DER", "four meetings", 0.15, 0.2), Row("a longer name", "-", None, note="data missing: x")]
    lines = table.table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 4
    assert "| yes " in lines[2]
    assert "not measured" in lines[3]


def test_results_of_other_groups_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results" / "results.json"
    for group, value in (("der", 0.3), ("wer", 0.1), ("der", 0.2)):
        table.save(group, [Row(group, "x", value, 0.15)], {"cores": 2}, path)
    kept = json.loads(path.read_text())
    assert {
        group: (rows["rows"][0]["value"], rows["rows"][0]["reached"]) for group, rows in kept.items()
    } == {
        "der": (0.2, False),
        "wer": (0.1, True),
    }


@pytest.mark.parametrize("source", [data.ami, data.gap, lambda: data.simulated(1, 1, 2)])
def test_missing_data_is_said(
    source: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETSENSE_BENCH_DATA", str(tmp_path))
    with pytest.raises(Missing, match=r"data missing: .* under MEETSENSE_BENCH_DATA"):
        source()


def test_the_bench_starts_without_the_evaluation_libraries() -> None:
    code = "import sys; sys.modules.update({'jiwer': None, 'pyannote': None}); import tests.bench.__main__"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
