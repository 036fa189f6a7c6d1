"""Whether a recording may go on is looked at all the while, whatever goes wrong with the look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meetsense.daemon import gate as gate_module
from meetsense.daemon.gate import Gate, Standing, Watch
from meetsense.store import Store
from meetsense.values import Agreement
from tests.waiting import soon


def state(database: Path, agreed: bool) -> None:
    """Let Ada say whether she agrees."""
    with Store(database) as store:
        store.state("Ada", Agreement.RECORDING, agreed, "a test")


class Broken(Gate):
    """A gate that has a bug for a while."""

    broken = True

    def open(self) -> Store:
        if self.broken:
            raise KeyError("private")
        return super().open()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Broken:
    monkeypatch.setattr(gate_module, "PERIOD", 0.02)
    state(tmp_path / "meetsense.db", agreed=True)
    return Broken(tmp_path / "meetsense.db", None)


@pytest.fixture
def watch(gate: Broken) -> Iterator[Watch]:
    watch = Watch(gate, gate.basis(["Ada"]))
    yield watch
    watch.end()


def test_a_bug_is_told_once_and_the_watch_goes_on(
    gate: Broken, watch: Watch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert soon(lambda: watch.blind)
    state(tmp_path / "meetsense.db", agreed=False)
    assert watch.standing is Standing.HOLDS
    gate.broken = False
    assert soon(lambda: watch.standing is Standing.REFUSED)
    assert not watch.blind
    told = (*caplog.get_records("setup"), *caplog.get_records("call"))  # it begins before the test
    assert sum(record.exc_info is not None for record in told) == 1
