"""What the pyannote engine does around the library; none of this needs the extra."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from meetsense.errors import EngineError, in_one_line
from meetsense.speech.pyannote import FILES, PyannoteDiarizer, engine
from meetsense.speech.pyannote.loading import check, patient, private_copy, quiet
from meetsense.speech.pyannote.plda import VoiceModel, two_covariance_log_odds
from meetsense.speech.pyannote.turns import diarization_of, one_voice
from meetsense.speech.shelf.record import RECORD
from meetsense.values import Span, quantise
from tests.pyannote_directory import record

LABELS = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory whose files have a record, and hold nothing of use."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    record(tmp_path)
    return tmp_path


class Planted:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def tampered(folder: Path, file: str, trap: Path) -> None:
    (folder / file).write_bytes(pickle.dumps(Planted(trap)))


def test_a_whole_folder_passes(folder: Path) -> None:
    assert (check(folder).name, check(folder).pickles) == ("random", True)


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(EngineError, match=file) as raised:
        PyannoteDiarizer(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("file", FILES)
def test_a_tampered_file_is_refused_before_it_is_unpickled(folder: Path, tmp_path: Path, file: str) -> None:
    trap = tmp_path / "trap"
    tampered(folder, file, trap)
    with pytest.raises(EngineError, match=file):
        PyannoteDiarizer(folder)
    assert not trap.exists()
    pickle.loads((folder / file).read_bytes())
    assert trap.exists(), "the trap itself works"


def test_a_changed_bit_of_the_same_size_is_refused(folder: Path) -> None:
    file = folder / "embedding" / "pytorch_model.bin"
    held = bytearray(file.read_bytes())
    held[-1] ^= 1
    file.write_bytes(held)
    with pytest.raises(EngineError, match="SHA-256"):
        PyannoteDiarizer(folder)


def test_a_folder_without_a_record_says_what_to_do(folder: Path) -> None:
    (folder / RECORD).unlink()
    with pytest.raises(EngineError, match="meetsense models import"):
        PyannoteDiarizer(folder)


def test_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no such folder"):
        PyannoteDiarizer(tmp_path / "none")


def test_a_missing_extra_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match=r"meetsense\[pyannote\]") as raised:
        PyannoteDiarizer(folder)
    assert "\n" not in str(raised.value)


class Incompatible(MetaPathFinder):
    """An extension module built for another numpy: importing torch raises what nobody expects."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "torch":
            raise ValueError("numpy.dtype size changed,\nmay indicate binary incompatibility")


def test_a_library_that_raises_anything_at_import_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Incompatible(), *sys.meta_path])
    with pytest.raises(EngineError, match=r"numpy\.dtype size changed") as raised:
        PyannoteDiarizer(folder)
    assert "\n" not in str(raised.value)


def test_what_changes_while_the_library_is_imported_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap, file = tmp_path / "trap", "segmentation/pytorch_model.bin"
    monkeypatch.setattr(engine, "import_library", lambda: tampered(folder, file, trap))
    with pytest.raises(EngineError, match=file):
        PyannoteDiarizer(folder)
    assert not trap.exists()


def test_what_changes_once_it_is_copied_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    with private_copy(folder) as (copy, verified):
        tampered(folder, FILES[0], tmp_path / "trap")
        assert check(copy) == verified
        assert copy.parent.stat().st_mode & 0o077 == 0
    assert not copy.exists()


def test_quiet_keeps_stdout_for_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("WARNING: Value of auxiliary function has decreased!")
    print("mine")
    assert capsys.readouterr().out == "mine\n"


@pytest.mark.parametrize("user", [None, "ACTIVE", "PASSIVE"])
def test_threads_wait_asleep_unless_the_user_says_otherwise(
    user: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if user is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", user)
    with patient():
        assert os.environ["OMP_WAIT_POLICY"] == (user or "PASSIVE")
    assert os.environ.get("OMP_WAIT_POLICY") == user


@given(st.text())
def test_errors_are_one_line(text: str) -> None:
    assert len(in_one_line(RuntimeError(text)).splitlines()) == 1


times = st.floats(-1, 12, allow_nan=False)
tracks = st.lists(st.tuples(times, times, st.sampled_from(LABELS)), max_size=12)


@given(tracks, tracks)
def test_turns_keep_the_contract(
    both: list[tuple[float, float, str]], alone: list[tuple[float, float, str]]
) -> None:
    duration = 10.00049
    prints = {"SPEAKER_00": np.ones(4), "SPEAKER_01": np.zeros(4), "SPEAKER_02": np.full(4, np.nan)}
    found = diarization_of(both, alone, prints, duration)
    assert list(found.speakers) == [f"S{i + 1}" for i in range(len(found.speakers))]
    assert {turn.speaker for turn in found.exclusive} <= set(found.speakers)
    for turn in (*found.turns, *found.exclusive):
        assert 0 <= turn.span.start < turn.span.end <= 10.0
        assert (quantise(turn.span.start), quantise(turn.span.end)) == (turn.span.start, turn.span.end)
    assert list(found.turns) == sorted(found.turns, key=lambda turn: (turn.span, turn.speaker))
    assert all(a.span.end <= b.span.start for a, b in pairwise(found.exclusive))
    for speaker in found.speakers:
        own = [turn.span for turn in found.turns if turn.speaker == speaker]
        assert all(a.end < b.start for a, b in pairwise(own))
    assert len(found.voiceprints) <= 1


def test_rows_of_zeros_are_no_voiceprints_and_labels_follow_first_words() -> None:
    both = [(5.0, 6.0, "SPEAKER_00"), (0.5, 2.0, "SPEAKER_01"), (1.0, 3.0, "SPEAKER_02")]
    prints = {
        "SPEAKER_00": np.array([3.0, 0.0]),
        "SPEAKER_01": np.array([1.0, 2.0]),
        "SPEAKER_02": np.zeros(2),
    }
    found = diarization_of(both, both[:1], prints, 10.0)
    assert [(turn.speaker, turn.span.start) for turn in found.turns] == [
        ("S1", 0.5),
        ("S2", 1.0),
        ("S3", 5.0),
    ]
    assert [turn.speaker for turn in found.exclusive] == ["S3"]
    assert dict(found.voiceprints) == {"S1": (1.0, 2.0), "S3": (3.0, 0.0)}


def test_speech_that_the_network_does_not_hear_is_one_voice() -> None:
    found = one_voice((Span(0.2, 1.0), Span(3.0, 5.5)), 5.0)
    assert [turn.span for turn in found.turns] == [Span(0.2, 1.0), Span(3.0, 5.0)]
    assert found.exclusive == found.turns
    assert (found.speakers, found.sees_overlap) == (("S1",), True)


vectors = st.lists(st.floats(-5, 5), min_size=3, max_size=3).map(np.array)
spreads = st.lists(st.floats(0.01, 20), min_size=3, max_size=3).map(np.array)


@settings(deadline=None)  # scipy is imported in the first
@given(vectors, vectors, spreads)
def test_log_odds_are_those_of_two_gaussians(
    one: NDArray[np.float64], other: NDArray[np.float64], between: NDArray[np.float64]
) -> None:
    from scipy.stats import multivariate_normal, norm

    expected = 0.0
    for x, y, b in zip(one, other, between, strict=True):
        together = multivariate_normal([0, 0], [[b + 1, b], [b, b + 1]]).logpdf([x, y])
        expected += together - norm(0, np.sqrt(b + 1)).logpdf([x, y]).sum()
    assert two_covariance_log_odds(one, other, between) == pytest.approx(expected, abs=1e-6)
    assert two_covariance_log_odds(other, one, between) == two_covariance_log_odds(one, other, between)


def test_log_odds_tell_people_of_the_model_apart() -> None:
    """Drawn from the model itself: 0 is then the threshold that errs least, in 30 numbers rarely."""

    class Plda:
        phi = np.linspace(8, 1, 30)

        def __call__(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
            return vectors

    draw = np.random.default_rng(2)
    model = VoiceModel(Plda())
    people = draw.standard_normal((200, 30)) * np.sqrt(Plda.phi)
    heard = people[:, None] + draw.standard_normal((200, 2, 30))
    same = np.array([model.log_odds(one, other) for one, other in heard])
    different = np.array([model.log_odds(heard[i, 0], heard[i - 1, 1]) for i in range(200)])
    assert (same > 0).mean() > 0.95
    assert (different < 0).mean() > 0.95
    with pytest.raises(ValueError, match="no voice"):
        model.log_odds(np.full(30, np.nan), heard[0, 0])
