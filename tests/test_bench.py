"""What of the bench needs neither data nor engines: its table, its file, its word about missing data."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.values import Span
from tests.bench import data, table, wer
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
    code = "import sys; sys.modules.update({'pyannote': None}); import tests.bench.__main__"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def said_and_heard(
    text: str, heard: str, overlapped: str = ""
) -> tuple[list[Any], list[Any], tuple[Span, ...]]:
    """Words of a letter, one a second, of which some are in overlap."""
    scripts = wer.training()
    said = [scripts.Said(c, i, i + 1.0, c in overlapped) for i, c in enumerate(text)]
    words = [scripts.Heard(c, Span(i, i + 1.0)) for i, c in enumerate(heard)]
    return said, words, tuple(Span(i, i + 1.0) for i, c in enumerate(text) if c in overlapped)


@pytest.mark.parametrize(
    ("text", "heard", "overlapped", "errors"),
    [
        ("abcd", "abcd", "", 0),
        ("abcd", "abxd", "", 1),
        ("abcd", "abd", "", 1),
        ("abcd", "abccd", "", 1),
        ("abcd", "abxd", "c", 0),  # wrong within overlap
        ("abcd", "ab", "cd", 0),  # missed within overlap
        ("abcd", "axcd", "c", 1),  # wrong beside it
        ("abcdefghi", "bcdefghix", "a", 1),  # a word missed in overlap doesn't pay for one invented elsewhere
        ("abcdefghi", "xbcdefghia", "a", 1),  # nor does it come back eight seconds later
    ],
)
def test_errors_outside_overlap_are_counted(text: str, heard: str, overlapped: str, errors: int) -> None:
    score = wer.training().score(*said_and_heard(text, heard, overlapped))
    assert score.substituted + score.deleted + score.inserted == errors
    assert score.words == len(set(text) - set(overlapped))


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_without_overlap_it_is_the_edit_distance(text: str, heard: str) -> None:
    def distance(one: str, other: str) -> int:
        if not one or not other:
            return len(one) + len(other)
        swap = distance(one[1:], other[1:]) + (one[0] != other[0])
        return min(swap, distance(one[1:], other) + 1, distance(one, other[1:]) + 1)

    score = wer.training().score(*said_and_heard(text, heard))
    assert score.substituted + score.deleted + score.inserted == distance(text, heard)
