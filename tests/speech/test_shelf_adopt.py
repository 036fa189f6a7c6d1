"""Imports: what people copy from another PC, in the forms in which it lies there."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from meetsense.errors import EngineError
from meetsense.speech.shelf import Installed, Kind, Model, Pin, read_record, verify, write_record
from meetsense.speech.shelf.adopt import adopt
from meetsense.speech.shelf.install import staging
from tests.speech.shelf_hub import (
    COMMIT,
    Contents,
    git_object,
    model_of,
    pyannote_files,
    whisper_files,
    write,
)

SMALL, TINY, COMMUNITY = whisper_files(1), whisper_files(30, weights=90_000), pyannote_files()
MANIFEST = (
    model_of("tiny", TINY),
    model_of("small", SMALL),
    model_of("community", COMMUNITY, kind=Kind.PYANNOTE, gated=True),
)


def clone(folder: Path, contents: Contents) -> Path:
    """A git clone of the hub's repository."""
    write(folder, contents | {"README.md": b"# A model\n", ".gitattributes": b"*.bin filter=lfs\n"})
    return write(folder, {".git/HEAD": b"ref: refs/heads/main\n", ".git/lfs/objects/model.bin": b"x"})


def cache(folder: Path, contents: Contents, commit: str = COMMIT) -> Path:
    """The folder of a repository in huggingface_hub's cache; gives the snapshot."""
    root = folder / "models--someone--faster"
    snapshot = root / "snapshots" / commit
    write(root, {"refs/main": commit.encode()})
    for path, data in contents.items():
        blob = root / "blobs" / (hashlib.sha256(data).hexdigest() if len(data) > 50_000 else git_object(data))
        write(root, {blob.relative_to(root).as_posix(): data})
        link = snapshot / path
        link.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * (len(link.relative_to(root).parts) - 1)
        link.symlink_to(f"{up}blobs/{blob.name}")
    return snapshot


def shelf_of_another_pc(folder: Path, model: Model, contents: Contents) -> Path:
    write(folder, contents)
    write_record(Installed(folder, model.name, model.kind, model.source, model.revision, model.files))
    return folder


def test_a_clone(tmp_path: Path) -> None:
    record = adopt(clone(tmp_path / "there", SMALL), tmp_path / "here", MANIFEST)
    assert record.folder == tmp_path / "here" / "whisper" / "small"
    assert (record.name, record.revision, record.pinned_by) == ("small", COMMIT, Pin.MANIFEST)
    assert {p.name for p in record.folder.iterdir()} == {*SMALL, "installed.json"}
    assert read_record(record.folder) == record
    verify(record.folder)


@pytest.mark.parametrize("whole", [True, False])
def test_a_snapshot_of_the_cache_with_its_links(tmp_path: Path, whole: bool) -> None:
    snapshot = cache(tmp_path, COMMUNITY)
    record = adopt(snapshot.parents[1] if whole else snapshot, tmp_path / "here", MANIFEST)
    assert record.name == "community"
    copied = [path for path in record.folder.rglob("*") if path.name != "installed.json"]
    assert not any(path.is_symlink() for path in copied)
    shutil.rmtree(snapshot.parents[1])
    assert verify(record.folder).pickles


def test_of_several_snapshots_the_manifests_is_taken(tmp_path: Path) -> None:
    cache(tmp_path, SMALL, "a" * 40)
    newer = cache(tmp_path, whisper_files(99, weights=300_001), "b" * 40)
    record = adopt(newer.parents[1], tmp_path / "here", MANIFEST)
    assert (record.folder / "model.bin").read_bytes() == SMALL["model.bin"]


def test_a_folder_of_another_shelf(tmp_path: Path) -> None:
    there = shelf_of_another_pc(tmp_path / "there", MANIFEST[1], SMALL)
    assert adopt(there, tmp_path / "here", MANIFEST).name == "small"


def test_the_folder_where_it_belongs_is_given_a_record(tmp_path: Path) -> None:
    mine = write(tmp_path / "whisper" / "small", SMALL | {"notes.txt": b"mine"})
    verify(adopt(mine, tmp_path, MANIFEST).folder)
    assert {path: (mine / path).read_bytes() for path in SMALL} == SMALL


@pytest.mark.parametrize("how", ["itself", "link", "linked shelf"])
@pytest.mark.parametrize("trust", [True, False])
def test_importing_in_place_leaves_everything_else(tmp_path: Path, how: str, trust: bool) -> None:
    contents = whisper_files(60) if trust else SMALL
    others = {"notes.txt": b"mine", "fine-tuned/model.bin": b"years of work"}
    mine = write(tmp_path / "here" / "whisper" / "small", contents | others)
    if how == "linked shelf":
        mine = mine.rename(tmp_path / "elsewhere")
        (tmp_path / "here" / "whisper" / "small").symlink_to(mine)
    (tmp_path / "link").symlink_to(mine)
    manifest = MANIFEST[2:] if trust else MANIFEST
    folder = tmp_path / "link" if how == "link" else mine
    name = "small" if trust else None
    record = adopt(folder, tmp_path / "here", manifest, trust=trust, name=name)
    assert record.folder == tmp_path / "here" / "whisper" / "small"
    assert verify(record.folder).name == "small"
    assert {path: (mine / path).read_bytes() for path in contents | others} == contents | others
    before = mine.stat().st_ino
    adopt(folder, tmp_path / "here", manifest, trust=trust, name=name)
    assert mine.stat().st_ino == before
    assert [p for p in (tmp_path / "here" / ".staging").iterdir() if p.is_dir()] == []


def test_what_lies_beside_an_installed_model_is_not_lost_later(tmp_path: Path) -> None:
    """A pull or an import replaces the folder: the user's files in it are named and stay."""
    shelf = tmp_path / "here"
    mine = write(shelf / "whisper" / "small", SMALL | {"fine-tuned/model.bin": b"years of work"})
    adopt(mine, shelf, MANIFEST)
    there = clone(tmp_path / "there", SMALL)
    assert "fine-tuned/model.bin in it was not installed by meetsense" in refused(there, shelf)
    (mine / "fine-tuned" / "model.bin").rename(tmp_path / "kept")
    verify(adopt(there, shelf, MANIFEST).folder)
    record = adopt(write(shelf / "whisper" / "mine", whisper_files(60)), shelf, MANIFEST, trust=True)
    (record.folder / "config.json").unlink()
    with pytest.raises(EngineError, match="import it again from where it came from"):
        verify(record.folder)  # it was imported from where it lies


def test_in_place_a_damaged_file_or_one_too_many_is_refused(tmp_path: Path) -> None:
    mine = write(tmp_path / "whisper" / "small", SMALL | {"vocabulary.json": b"[]"})
    assert "the engine would open vocabulary.json" in refused(mine, tmp_path)
    (mine / "vocabulary.json").unlink()
    (mine / "model.bin").write_bytes(bytes(len(SMALL["model.bin"])))
    assert f"{mine / 'model.bin'}: has SHA-256" in refused(mine, tmp_path)


@pytest.mark.parametrize("key", ["name", "revision"])
@pytest.mark.parametrize("value", ["/../..", "..", "/../../../victim", "refs/pr/1", "/etc", "/{tmp}/victim"])
def test_a_record_that_came_along_leads_nowhere_else(tmp_path: Path, key: str, value: str) -> None:
    """What was copied from another PC names neither the staging folder nor anything outside it."""
    adopt(clone(tmp_path / "there", SMALL), tmp_path / "here", MANIFEST)
    write(tmp_path / "victim", {"thesis.txt": b"mine"})
    contents = whisper_files(60)
    foreign = shelf_of_another_pc(tmp_path / "foreign", model_of("foreign", contents), contents)
    document = json.loads((foreign / "installed.json").read_text())
    document[key] = value.format(tmp=str(tmp_path).strip("/"))
    (foreign / "installed.json").write_text(json.dumps(document))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "installed.json: is damaged" in refused(foreign, tmp_path / "here", trust=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_staging_stays_in_its_folder(tmp_path: Path) -> None:
    with staging(tmp_path, Kind.WHISPER, "small", "/../../..") as folder:
        assert folder.resolve().parent == (tmp_path / ".staging").resolve()


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    there = clone(tmp_path / "there", SMALL)
    first = adopt(there, tmp_path / "here", MANIFEST)
    assert adopt(there, tmp_path / "here", MANIFEST) == first
    verify(first.folder)


def refused(folder: Path, shelf: Path, **options: bool | str) -> str:
    before = sorted(p for p in shelf.rglob("*") if p.is_file() and p.suffix != ".lock")
    with pytest.raises(EngineError) as raised:
        adopt(folder, shelf, MANIFEST, **options)  # type: ignore[arg-type]
    assert sorted(p for p in shelf.rglob("*") if p.is_file() and p.suffix != ".lock") == before
    line = str(raised.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("path", COMMUNITY)
@pytest.mark.parametrize("trust", [True, False])
def test_a_tampered_file_is_refused_and_named(tmp_path: Path, path: str, trust: bool) -> None:
    there = clone(tmp_path / "community", COMMUNITY)
    data = bytearray(COMMUNITY[path])
    data[17] ^= 4
    (there / path).write_bytes(data)
    line = refused(there, tmp_path / "here", trust=trust)
    if trust:  # under a name of its own, never under that of the model it resembles
        assert "give it a --name" in line
    else:
        assert f"{there / path}: has SHA-256 {hashlib.sha256(data).hexdigest()}" in line
        assert "nothing was installed" in line


def test_a_refused_import_leaves_the_installed_model_alone(tmp_path: Path) -> None:
    record = adopt(clone(tmp_path / "there", SMALL), tmp_path / "here", MANIFEST)
    (tmp_path / "there" / "model.bin").write_bytes(bytes(len(SMALL["model.bin"])))
    refused(tmp_path / "there", tmp_path / "here")
    verify(record.folder)


def test_pointers_of_git_lfs_are_told(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 300000\n"
    there = clone(tmp_path / "there", SMALL | {"model.bin": pointer})
    line = refused(there, tmp_path / "here")
    assert "looks like small" in line
    assert "model.bin is a pointer" in line
    assert "git lfs pull" in line
    assert "--trust" not in line
    line = refused(there, tmp_path / "here", trust=True)
    assert "model.bin is a pointer" in line


def test_links_without_what_they_point_to_are_told(tmp_path: Path) -> None:
    snapshot = cache(tmp_path, SMALL)
    shutil.rmtree(snapshot.parents[1] / "blobs")
    line = refused(snapshot, tmp_path / "here")
    assert "is a link to ../../blobs/" in line
    assert "cp -rL" in line


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    there = clone(tmp_path / "there", SMALL)
    (there / "tokenizer.json").unlink()
    assert "looks like small at 01234567, but tokenizer.json is missing" in refused(there, tmp_path / "here")


def test_the_likeliest_model_is_named(tmp_path: Path) -> None:
    shared = {path: SMALL[path] for path in ("tokenizer.json", "vocabulary.txt")}
    there = write(tmp_path / "there", shared | {"config.json": b"{}", "model.bin": bytes(299_000)})
    assert "looks like small at 01234567, but config.json has 2 bytes" in refused(there, tmp_path / "here")


@pytest.mark.parametrize("thing", ["none", "empty", "file", "other"])
def test_what_is_no_model(tmp_path: Path, thing: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    write(tmp_path / "other", {"a.txt": b"a", "b/c.bin": b"b"})
    line = refused(tmp_path / thing, tmp_path / "here")
    assert ("no such folder" in line) == (thing in ("none", "file"))
    assert "--trust" not in line
    assert refused(tmp_path / thing, tmp_path / "here", trust=True)


def test_a_state_directory_that_is_made_is_open_to_nobody_else(tmp_path: Path) -> None:
    there = clone(tmp_path / "there", SMALL)
    adopt(there, tmp_path / "state" / "models", MANIFEST)
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_what_the_manifest_lacks_needs_trust(tmp_path: Path) -> None:
    mine = write(tmp_path / "kb-small", whisper_files(60, weights=310_000) | {"README.md": b"x"})
    line = refused(mine, tmp_path / "here")
    assert "--trust installs it" in line
    assert "pickles" not in line
    record = adopt(mine, tmp_path / "here", MANIFEST, trust=True)
    assert (record.name, record.pinned_by) == ("kb-small", Pin.USER)
    assert {p.name for p in record.folder.iterdir()} == {*SMALL, "installed.json"}
    assert verify(record.folder).pinned_by is Pin.USER
    (record.folder / "config.json").write_bytes(bytes(760))
    with pytest.raises(EngineError, match=r"config\.json has SHA-256 .* models import .*kb-small --trust"):
        verify(record.folder)


def test_pickles_that_the_manifest_lacks_are_called_so(tmp_path: Path) -> None:
    there = write(tmp_path / "mine", pyannote_files(70))
    assert "programs that run when they are loaded" in refused(there, tmp_path / "here")
    there = shelf_of_another_pc(there, model_of("mine", pyannote_files(70), kind=Kind.PYANNOTE), {})
    assert "programs that run when they are loaded" in refused(there, tmp_path / "here")
    record = adopt(there, tmp_path / "here", MANIFEST, trust=True, name="ours")
    assert record.folder == tmp_path / "here" / "pyannote" / "ours"
    assert record.source == str(there)
    assert read_record(record.folder).source == str(there)


def test_a_trusted_model_does_not_become_another_unnoticed(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", whisper_files(60))
    record = adopt(mine, tmp_path / "here", MANIFEST, trust=True)
    assert adopt(mine, tmp_path / "here", MANIFEST, trust=True) == record
    before = (record.folder / "model.bin").read_bytes()
    (mine / "model.bin").write_bytes(before[::-1])
    line = refused(mine, tmp_path / "here", trust=True)
    assert "mine is installed, with other files; give this one another --name" in line
    assert (record.folder / "model.bin").read_bytes() == before
    assert adopt(mine, tmp_path / "here", MANIFEST, trust=True, name="newer").name == "newer"


def test_trust_does_not_override_a_record_that_came_along(tmp_path: Path) -> None:
    contents = pyannote_files(70)
    there = shelf_of_another_pc(tmp_path / "mine", model_of("mine", contents, kind=Kind.PYANNOTE), contents)
    (there / "plda" / "plda.npz").write_bytes(bytes(len(contents["plda/plda.npz"])))
    assert "plda/plda.npz has SHA-256" in refused(there, tmp_path / "here", trust=True)


@pytest.mark.parametrize("name", ["small", "someone/faster-small", "../up", "a b", ""])
def test_a_trusted_model_takes_no_name_that_is_taken_or_none(tmp_path: Path, name: str) -> None:
    there = write(tmp_path / "small", whisper_files(60))
    assert "give it a --name" in refused(there, tmp_path / "here", trust=True, name=name)


def test_a_trusted_folder_of_the_manifest_is_the_manifests(tmp_path: Path) -> None:
    record = adopt(clone(tmp_path / "there", SMALL), tmp_path / "here", MANIFEST, trust=True, name="mine")
    assert (record.name, record.pinned_by) == ("small", Pin.MANIFEST)


def test_a_folder_of_the_user_is_not_replaced(tmp_path: Path) -> None:
    mine = write(tmp_path / "here" / "whisper" / "small", {"model.bin": b"mine"})
    line = refused(clone(tmp_path / "there", SMALL), tmp_path / "here")
    assert "was not installed by meetsense" in line
    assert (mine / "model.bin").read_bytes() == b"mine"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = clone(tmp_path / "there", SMALL)
    whole = Path.open

    def closed(path: Path, mode: str = "r") -> object:
        if path == there / "model.bin":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, mode)

    monkeypatch.setattr(Path, "open", closed)
    assert refused(there, tmp_path / "here") == f"{there / 'model.bin'}: Permission denied"


def test_a_shelf_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("a file")
    with pytest.raises(EngineError, match="Not a directory"):
        adopt(clone(tmp_path / "there", SMALL), tmp_path / "here", MANIFEST)


def test_progress_counts_every_byte(tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    adopt(
        clone(tmp_path / "there", SMALL),
        tmp_path / "here",
        MANIFEST,
        progress=lambda path, done, size: seen.update({path: size - done}),
    )
    assert seen == dict.fromkeys(SMALL, 0)
