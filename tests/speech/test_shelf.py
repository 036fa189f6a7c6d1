"""The manifest that comes with the package, records, and the check before anything is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.errors import EngineError
from meetsense.speech.shelf import (
    File,
    Installed,
    Kind,
    Model,
    Pin,
    faults,
    find,
    installed,
    read_manifest,
    read_record,
    verify,
    write_record,
)
from meetsense.speech.shelf.check import remedy, vouched_for
from meetsense.speech.shelf.manifest import MANIFEST, dumps, matches
from meetsense.speech.shelf.record import RECORD
from tests.speech.shelf_hub import Contents, model_of, pyannote_files, whisper_files, write

MODELS = read_manifest()
SIZES = ("tiny", "base", "small", "medium", "large-v3", "large-v3-turbo")


def put(
    folder: Path,
    contents: Contents,
    kind: Kind = Kind.WHISPER,
    name: str = "mine",
    revision: str = "r1",
    pin: Pin = Pin.MANIFEST,
) -> Path:
    """An installed model."""
    write(folder, contents)
    files = model_of(name, contents).files
    write_record(Installed(folder, name, kind, "someone/mine", revision, files, pin))
    return folder


def test_the_manifest_has_every_size_and_community_1() -> None:
    names = [model.name for model in MODELS]
    assert len(set(names)) == len(names)
    assert {*SIZES, "speaker-diarization-community-1"} <= set(names)
    assert [model.name for model in MODELS if model.gated] == ["speaker-diarization-community-1"]


def test_the_manifest_is_what_its_writer_writes() -> None:
    assert dumps(MODELS) == MANIFEST.read_text(encoding="utf-8")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_an_entry_is_complete(model: Model) -> None:
    paths = [file.path for file in model.files]
    assert len(set(paths)) == len(paths)
    for pattern in model.kind.needs:
        assert any(matches(path, pattern) for path in paths)
    for path in paths:
        assert any(matches(path, pattern) for pattern in model.kind.opens)
    assert all(file.size > 0 for file in model.files)
    assert model.licence in ("MIT", "CC-BY-4.0")
    assert (model.attribution is not None) == (model.licence == "CC-BY-4.0")
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.source)
    assert model.languages
    assert model.purpose
    assert model.hashes_from


def test_weights_and_commits_are_all_different() -> None:
    weights = [max(model.files, key=lambda file: file.size) for model in MODELS]
    assert len({file.sha256 for file in weights}) == len(MODELS)
    assert len({model.revision for model in MODELS}) == len(MODELS)
    digits = [d for m in MODELS for d in (m.revision, *(file.sha256 for file in m.files))]
    assert all(len(set(text)) > 8 for text in digits), "a made-up hash"


def test_equal_files_of_several_models_have_equal_hashes() -> None:
    seen: dict[tuple[str, int], str] = {}
    for model in MODELS:
        for file in model.files:
            assert seen.setdefault((file.path, file.size), file.sha256) == file.sha256


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("small", "small"),
        ("turbo", "large-v3-turbo"),
        ("Systran/faster-whisper-medium.en", "medium.en"),
        ("faster-whisper-tiny", "tiny"),
        ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", "large-v3-turbo"),
        ("community-1", "speaker-diarization-community-1"),
        ("pyannote/speaker-diarization-community-1", "speaker-diarization-community-1"),
    ],
)
def test_a_model_has_several_names(said: str, name: str) -> None:
    assert find(said, MODELS).name == name


def test_no_two_models_share_a_name() -> None:
    for model in MODELS:
        for said in (model.name, model.source, model.source.partition("/")[2], *model.aliases):
            assert [m.name for m in MODELS if m.known_as(said)] == [model.name]


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(EngineError, match=r"no model 'smal'; there are tiny, .*small, "):
        find("smal", MODELS)


@pytest.mark.parametrize(
    "entry",
    [
        {"revision": "main"},
        {"name": "../up"},
        {"kind": "magic"},
        {"files": [{"path": "../x", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"path": "x", "size": 1, "sha256": "0" * 63}]},
        {"files": [{"path": "x", "size": "1", "sha256": "0" * 64}]},
    ],
)
def test_a_malformed_manifest_is_not_read(tmp_path: Path, entry: dict[str, Any]) -> None:
    text = MANIFEST.read_text().partition("\n\n")[0]
    (tmp_path / "whole.toml").write_text(text)
    assert read_manifest(tmp_path / "whole.toml") == MODELS[:1]
    for key, value in entry.items():
        if key == "files":
            inline = ", ".join(f"{k} = {json.dumps(v)}" for k, v in value[0].items())
            text = text.partition("files = [")[0] + f"files = [{{ {inline} }}]\n"
        else:
            text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {json.dumps(value)}", text)
    (tmp_path / "broken.toml").write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011
        read_manifest(tmp_path / "broken.toml")


def test_a_whole_model_is_verified(tmp_path: Path) -> None:
    found = verify(put(tmp_path, whisper_files()))
    assert (found.name, found.revision, found.pickles) == ("mine", "r1", False)
    folder = put(tmp_path / "p", pyannote_files(), Kind.PYANNOTE, pin=Pin.USER)
    assert verify(folder).pickles
    assert verify(folder).pinned_by is Pin.USER


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_found_and_named(data: st.DataObject) -> None:
    contents = {path: text[:200] for path, text in pyannote_files().items()}
    path = data.draw(st.sampled_from(sorted(contents)))
    at = data.draw(st.integers(0, len(contents[path]) - 1))
    flip = data.draw(st.integers(1, 255))
    with TemporaryDirectory() as name:
        folder = put(Path(name), contents, Kind.PYANNOTE)
        changed = bytearray(contents[path])
        changed[at] ^= flip
        (folder / path).write_bytes(changed)
        (fault,) = faults(folder)
        assert fault.file == path
        assert "SHA-256" in fault.problem
        with pytest.raises(EngineError, match=re.escape(path)):
            verify(folder)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(shorten, "bytes instead of"), (Path.unlink, "is missing"), (a_folder, "is missing")],
)
@pytest.mark.parametrize("full", [True, False])
def test_a_file_of_another_size_is_found_without_hashing(
    tmp_path: Path, damage: Callable[[Path], None], problem: str, full: bool
) -> None:
    folder = put(tmp_path, whisper_files())
    damage(folder / "model.bin")
    with pytest.raises(EngineError, match=rf"model\.bin .*{problem}") as raised:
        verify(folder, full=full)
    assert "\n" not in str(raised.value)


def test_every_bad_file_is_named(tmp_path: Path) -> None:
    folder = put(tmp_path, whisper_files())
    for path in ("config.json", "vocabulary.txt"):
        shorten(folder / path)
    assert [fault.file for fault in faults(folder)] == ["config.json", "vocabulary.txt"]
    with pytest.raises(EngineError, match=r"config\.json .*; vocabulary\.txt .*again .*DIR"):
        verify(folder)


def test_a_remedy_is_a_command_that_works(tmp_path: Path) -> None:
    def said(name: str, pin: Pin, source: str) -> str:
        return remedy(Installed(tmp_path, name, Kind.WHISPER, source, "r1", (), pin))

    assert said("small", Pin.MANIFEST, "someone/small").endswith("meetsense models pull small")
    assert "pull" not in said("mine", Pin.MANIFEST, "someone/mine")
    assert said("mine", Pin.USER, "/a b/mine").endswith("models import '/a b/mine' --trust --name mine")
    assert "pull" not in said("mine", Pin.USER, "someone/mine")


def test_who_vouches(tmp_path: Path) -> None:
    def said(name: str, revision: str, pin: Pin = Pin.MANIFEST) -> str:
        return vouched_for(Installed(tmp_path, name, Kind.WHISPER, "s", revision, (), pin))

    small = find("small", MODELS)
    assert said("small", small.revision) == ""
    assert said("small", "0" * 40) == "by its own record, not by this manifest"
    assert said("mine", small.revision) == "by its own record, not by this manifest"
    assert said("mine", "0" * 40, Pin.USER) == "trusted by you"


def test_a_record_that_leaves_a_file_out_does_not_hide_it(tmp_path: Path) -> None:
    contents = pyannote_files()
    folder = put(tmp_path, contents, Kind.PYANNOTE)
    record = json.loads((folder / RECORD).read_text())
    record["files"] = [file for file in record["files"] if "embedding" not in file["path"]]
    (folder / RECORD).write_text(json.dumps(record))
    with pytest.raises(EngineError, match=r"does not list embedding/pytorch_model\.bin"):
        verify(folder)


def test_a_record_must_list_what_the_engine_needs(tmp_path: Path) -> None:
    contents = pyannote_files()
    del contents["plda/plda.npz"]  # pyannote would ask the network for it
    with pytest.raises(EngineError, match=r"does not list plda/plda\.npz;"):
        verify(put(tmp_path, contents, Kind.PYANNOTE))


def test_a_file_that_the_engine_would_open_unseen_is_found(tmp_path: Path) -> None:
    folder = put(tmp_path, whisper_files())
    (folder / "README.md").write_text("harmless")
    verify(folder)
    (folder / "vocabulary.json").write_text("[]")
    with pytest.raises(EngineError, match=r"vocabulary\.json, which is there"):
        verify(folder)


def test_a_record_cannot_overrule_the_manifest(tmp_path: Path) -> None:
    model = find("community-1", MODELS)
    folder = put(tmp_path, pyannote_files(), Kind.PYANNOTE, model.name, model.revision)
    with pytest.raises(EngineError, match="does not agree with meetsense's manifest"):
        verify(folder)


def test_a_record_of_the_agreed_fields_is_enough(tmp_path: Path) -> None:
    folder = put(tmp_path, pyannote_files(), Kind.PYANNOTE)
    record = json.loads((folder / RECORD).read_text())
    kept = {key: record[key] for key in ("name", "source", "revision", "files")}
    (folder / RECORD).write_text(json.dumps(kept))
    assert read_record(folder).kind is Kind.PYANNOTE
    assert verify(folder).pinned_by is Pin.USER, "nobody else vouches for it"


WAYS_OUT = ("/../..", "..", "../x", "/etc", "/", ".", "", "a/../../b", "refs/pr/1", "a\nb", "a b", "r1\n")


@pytest.mark.parametrize("key", ["name", "revision"])
@pytest.mark.parametrize("value", WAYS_OUT)
def test_a_name_or_revision_that_would_be_a_path_is_refused(tmp_path: Path, key: str, value: str) -> None:
    folder = put(tmp_path, whisper_files())
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(record | {key: value}))
    with pytest.raises(EngineError, match=f"is damaged .its {key} .* is none") as raised:
        read_record(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"name": "x"}',
        '{"name": "x", "source": "y", "revision": "z", "files": []}',
        '{"name": "x", "source": "y", "revision": "z", "kind": "magic", "files": []}',
        '{"name": "x", "source": "y", "revision": "z", "files": [{"path": "../x", "size": 1, "sha256": ""}]}',
        '{"name": "x", "source": "y", "revision": "z", "files": [{"path": 1, "size": 1, "sha256": 1}]}',
        "\udcff",
    ],
)
def test_a_damaged_record_is_one_line(tmp_path: Path, text: str) -> None:
    folder = put(tmp_path, whisper_files())
    (folder / RECORD).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(EngineError, match=r"installed\.json: is damaged"):
        verify(folder)


def test_a_folder_without_a_record_says_how_to_get_one(tmp_path: Path) -> None:
    write(tmp_path, pyannote_files())
    with pytest.raises(EngineError, match=f"meetsense models import {re.escape(str(tmp_path))}"):
        verify(tmp_path)
    with pytest.raises(EngineError, match="no such folder"):
        verify(tmp_path / "none")


def test_what_is_installed_is_listed_by_kind(tmp_path: Path) -> None:
    put(tmp_path / "whisper" / "b", whisper_files(), name="b")
    put(tmp_path / "whisper" / "a", whisper_files(), name="a")
    put(tmp_path / "pyannote" / "c", pyannote_files(), Kind.PYANNOTE, name="c")
    put(tmp_path / "pyannote" / "astray", whisper_files(), Kind.WHISPER, name="astray")
    write(tmp_path / "whisper" / "bare", whisper_files())
    assert [one.name for one in installed(tmp_path, Kind.WHISPER)] == ["a", "b"]
    assert [one.name for one in installed(tmp_path, Kind.PYANNOTE)] == ["c"]
    assert installed(tmp_path / "none", Kind.WHISPER) == ()


def test_a_record_is_written_whole(tmp_path: Path) -> None:
    folder = put(tmp_path, whisper_files())
    before = (folder / RECORD).read_bytes()
    (folder / f".{RECORD}.new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_record(Installed(folder, "x", Kind.WHISPER, "s", "r", (File("a", 1, "0" * 64),)))
    assert (folder / RECORD).read_bytes() == before
