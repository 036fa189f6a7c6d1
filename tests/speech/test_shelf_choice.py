"""Which installed model an analysis takes: a damaged or unknown one neither runs nor hides another."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from meetsense.errors import EngineError
from meetsense.pipeline import open_toolbox
from meetsense.speech.directory import (
    BUNDLED,
    COMMUNITY,
    Choice,
    choose_diarizer,
    find_whisper,
    find_whispers,
)
from meetsense.speech.shelf import File, Installed, Kind, Pin, write_record
from tests.speech.shelf_hub import pyannote_files, whisper_files, write

DEMO = BUNDLED / "demo-whisper"
SIZES = (("a", 100), ("b", 9000), ("c", 500))


def recorded(folder: Path, kind: Kind = Kind.WHISPER) -> Path:
    """Give a folder a record that tells the truth."""
    files = tuple(
        File(
            path.relative_to(folder).as_posix(),
            path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
    write_record(Installed(folder, folder.name, kind, "nowhere", "1" * 40, files, Pin.USER))
    return folder


def demo(folder: Path, extra: int = 0) -> Path:
    """A copy of the demo's Whisper; ``extra`` bytes, which nothing reads, make it larger."""
    shutil.copytree(DEMO, folder)
    with (folder / "model.bin").open("ab") as file:
        file.write(bytes(extra))
    return folder


def damage(path: Path) -> None:
    """Change a byte and not the size."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_largest_comes_first(tmp_path: Path) -> None:
    folders = [recorded(write(tmp_path / "whisper" / name, whisper_files(1, size))) for name, size in SIZES]
    found, refused = find_whispers(tmp_path)
    assert (found, refused) == ((folders[1], folders[2], folders[0]), ())


def test_a_folder_without_a_record_is_passed_over_and_said(tmp_path: Path) -> None:
    good = recorded(write(tmp_path / "whisper" / "good", whisper_files(1, 100)))
    bare = write(tmp_path / "whisper" / "bare", whisper_files(2, 9000))
    write(tmp_path / "whisper" / "notes", {"README.md": b"no model"})
    found, (why,) = find_whispers(tmp_path)
    assert found == (good,)
    assert f"meetsense models import {bare}" in why


@pytest.mark.parametrize("how", ["name", "path", "link", "relative"])
def test_on_the_shelf_a_record_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    folder = write(tmp_path / "whisper" / "small", whisper_files())
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    named = {
        "name": "small",
        "path": str(folder),
        "link": str(tmp_path / "link"),
        "relative": "whisper/small",
    }
    with pytest.raises(EngineError, match=r"has no installed\.json.* meetsense models import ") as raised:
        find_whisper(tmp_path, named[how])
    assert "\n" not in str(raised.value)
    recorded(folder)
    assert find_whisper(tmp_path, named[how]).samefile(folder)


def test_a_folder_that_is_linked_to_the_shelf_needs_one_too(tmp_path: Path) -> None:
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "small").symlink_to(write(tmp_path / "elsewhere", whisper_files()))
    with pytest.raises(EngineError, match=r"has no installed\.json"):
        find_whisper(tmp_path, str(tmp_path / "whisper" / "small"))


def test_the_shelf_comes_before_the_folder_that_somebody_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, here = tmp_path / "shelf", tmp_path / "here"
    own = write(here / "small", whisper_files())
    monkeypatch.chdir(here)
    assert find_whisper(shelf, "small").samefile(own), "it is no installed name"
    installed = recorded(write(shelf / "whisper" / "small", whisper_files()))
    assert find_whisper(shelf, "small") == installed
    for path in ("./small", str(own), "../here/small"):
        assert find_whisper(shelf, path).samefile(own)
    monkeypatch.chdir(own)
    assert find_whisper(shelf, ".").samefile(own)


def test_a_damaged_large_model_does_not_hide_a_small_one(tmp_path: Path) -> None:
    large = recorded(demo(tmp_path / "whisper" / "large", 999))
    recorded(demo(tmp_path / "whisper" / "small"))
    tools = open_toolbox(tmp_path, diarizer="embedded", threads=1)
    assert (tools.transcriber and tools.transcriber.name, tools.notes) == ("whisper/large@11111111", ())
    damage(large / "model.bin")
    tools = open_toolbox(tmp_path, diarizer="embedded", threads=1)
    assert tools.transcriber is not None
    assert tools.transcriber.name == "whisper/small@11111111"
    (note,) = tools.notes
    assert note.startswith(f"Models were passed over: {large}: model.bin has SHA-256 ")
    with pytest.raises(EngineError, match=r"large: model\.bin"):
        open_toolbox(tmp_path, diarizer="embedded", whisper="large")
    damage(tmp_path / "whisper" / "small" / "model.bin")
    tools = open_toolbox(tmp_path, diarizer="embedded")
    assert tools.transcriber is None
    assert tools.without_words is not None
    assert tools.without_words.count("model.bin has SHA-256") == 2


def test_the_users_own_folder_needs_no_record(tmp_path: Path) -> None:
    own = demo(tmp_path / "own")
    tools = open_toolbox(tmp_path / "models", diarizer="embedded", whisper=str(own), threads=1)
    assert tools.transcriber is not None
    assert tools.transcriber.name.startswith("whisper/own@")


def test_a_damaged_pyannote_folder_does_not_hide_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetsense.speech.directory.has_pyannote", lambda: True)
    mine, preferred = (
        recorded(write(tmp_path / "pyannote" / name, pyannote_files()), Kind.PYANNOTE)
        for name in ("mine", COMMUNITY)
    )
    for choice in (Choice.AUTO, Choice.PYANNOTE):
        pick = choose_diarizer(tmp_path, choice)
        assert (pick.folder, pick.note) == (preferred, None)
    damage(preferred / "plda" / "plda.npz")
    for choice in (Choice.AUTO, Choice.PYANNOTE):
        pick = choose_diarizer(tmp_path, choice)
        assert pick.folder == mine
        assert pick.note is not None
        assert f"{preferred}: plda/plda.npz has SHA-256" in pick.note
    (mine / "config.yaml").unlink()
    pick = choose_diarizer(tmp_path, Choice.AUTO)
    assert pick.engine is Choice.EMBEDDED
    assert pick.note is not None
    for part in ("plda/plda.npz has SHA-256", "config.yaml is missing"):
        assert part in pick.note
    with pytest.raises(EngineError, match=r"config\.yaml is missing"):
        choose_diarizer(tmp_path, Choice.PYANNOTE)


@pytest.mark.parametrize("error", [EngineError("no"), ValueError("no\nmore"), TypeError(), MemoryError()])
def test_auto_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whatever the library raises when it is opened."""

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("meetsense.speech.directory.has_pyannote", lambda: True)
    monkeypatch.setattr("meetsense.speech.doctor.need_pyannote", lambda: None)
    monkeypatch.setattr("meetsense.speech.pyannote.PyannoteDiarizer", broken)
    recorded(write(tmp_path / "pyannote" / "mine", pyannote_files()), Kind.PYANNOTE)
    tools = open_toolbox(tmp_path)
    assert tools.diarizer.name.startswith("embedded@")
    (note,) = tools.notes
    assert note.startswith("pyannote could not be taken, the embedded diarizer was: ")
    assert "\n" not in note
    with pytest.raises(type(error)):
        open_toolbox(tmp_path, diarizer="pyannote")
