"""Importing a folder that came from another PC: recognised, verified while it is copied, installed whole.

It may be a clone of a hub repository, a snapshot in huggingface_hub's cache (links into ``blobs``), the cache
folder of the repository itself, or a folder of another shelf. Nothing in it is opened but the named files.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from meetsense.errors import EngineError
from meetsense.speech.shelf.check import BLOCK, Progress, faults, sha256_of, silent
from meetsense.speech.shelf.install import need_room, place_of, put, refuse_to_replace, says, staging
from meetsense.speech.shelf.manifest import NAME, File, Kind, Model, total
from meetsense.speech.shelf.record import RECORD, Installed, Pin, kind_of, opened, read_record, write_record

POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that git left in place of a large one."""
LEFT_OUT = "is a pointer that git left in place of the file; run git lfs pull in the clone and copy it again"
TRUST = (
    "--trust installs it as it is, for good: the hashes of today are kept and nothing else is loaded later, "
    "but nobody vouches that it is what it says"
)
PICKLES = "; these weights are pickles, programs that run when they are loaded, so trust only who made them"


class WrongHash(EngineError):
    """A file of the right name and size that is another."""


def roots(folder: Path) -> Iterator[Path]:
    """Where a model may lie in a folder: it, or the snapshots of a cache folder, that of ``main`` first."""
    yield folder
    snapshots = folder / "snapshots"
    if snapshots.is_dir():
        main = folder / "refs" / "main"
        current = main.read_text(errors="replace").strip() if main.is_file() else ""
        found = [path for path in snapshots.iterdir() if path.is_dir()]
        yield from sorted(found, key=lambda path: (path.name != current, path.name))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _likeness(root: Path, model: Model) -> tuple[int, int, int]:
    """How alike a folder and a model are: files of the right size, dangling links, how near the weights."""
    sizes = {file: _size(root / file.path) for file in model.files}
    links = sum((root / file.path).is_symlink() and size < 0 for file, size in sizes.items())
    weights = max(model.files, key=lambda file: file.size)
    return sum(size == file.size for file, size in sizes.items()), links, -abs(sizes[weights] - weights.size)


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(POINTER)) == POINTER


def _why_not(root: Path, model: Model) -> str | None:
    """What makes a folder other than a model, as far as names and sizes say."""
    for file in model.files:
        path = root / file.path
        if path.is_symlink() and not path.exists():
            return (
                f"{file.path} is a link to {path.readlink()}, which was not copied; "
                "copy the folder with its links followed (cp -rL)"
            )
        if (size := _size(path)) < 0:
            return f"{file.path} is missing"
        if size != file.size:
            if _is_pointer(path):
                return f"{file.path} {LEFT_OUT}"
            return f"{file.path} has {size} bytes instead of {file.size}"
    return None


def recognise(folder: Path, manifest: Sequence[Model]) -> tuple[Path, Model]:
    """The model of the manifest that a folder holds, and where in it, going by names and sizes.

    Raises EngineError that says which model it resembles and what differs; OSError.
    """
    pairs = [(root, model) for root in roots(folder) for model in manifest]
    root, model = max(pairs, key=lambda pair: _likeness(*pair))
    if not any(_likeness(root, model)[:2]):
        raise EngineError(
            f"{folder}: holds no model of the manifest; meetsense models list shows what there is"
        )
    if why := _why_not(root, model):
        raise EngineError(f"{root}: looks like {model.name} at {model.revision[:8]}, but {why}")
    return root, model


def adopt(
    folder: Path,
    models: Path,
    manifest: Sequence[Model],
    *,
    trust: bool = False,
    name: str | None = None,
    progress: Progress = silent,
) -> Installed:
    """Install a copy of a folder and give its record.

    ``trust`` also takes what the manifest doesn't have, under ``name`` (its folder's name, unless given).
    Raises EngineError, and then nothing is installed or replaced.
    """
    if not folder.is_dir():
        raise EngineError(f"{folder}: no such folder")
    try:
        try:
            root, model = recognise(folder, manifest)
        except EngineError as unknown:
            if trust:
                return _adopt_unknown(folder, models, manifest, name, progress)
            raise EngineError("; ".join(filter(None, (str(unknown), _hint(folder))))) from None
        record = Installed(root, model.name, model.kind, model.source, model.revision, model.files)
        try:
            return _install(record, models, progress)
        except WrongHash:
            if not trust:
                raise
        return _adopt_unknown(folder, models, manifest, name, progress)
    except OSError as error:
        raise EngineError(f"{error.filename or folder}: {error.strerror}") from None


def _kind(folder: Path) -> Kind | None:
    return kind_of(path for kind in Kind for path in opened(folder, kind))


def _hint(folder: Path) -> str:
    """What ``--trust`` would do for a folder that an engine can load, or nothing."""
    for root in roots(folder):
        kind = _kind(root)
        if kind is not None and not any(_is_pointer(root / path) for path in opened(root, kind)):
            return TRUST + (PICKLES if kind.pickles else "")
    return ""


def _adopt_unknown(
    folder: Path, models: Path, manifest: Sequence[Model], name: str | None, progress: Progress
) -> Installed:
    """Install what the user vouches for; a record that came with it must be kept to."""
    if (folder / RECORD).is_file():
        if found := faults(folder, progress=progress, manifest=tuple(manifest)):
            bad = "; ".join(f"{fault.file} {fault.problem}" for fault in found)
            raise EngineError(f"{folder}: {bad}; copy it again")
        record = read_record(folder)
        if not folder.resolve().is_relative_to(models.resolve()):
            record = replace(record, source=str(folder.resolve()))
    else:
        record = _record_of(folder, progress)
    name = name or record.name
    if any(model.known_as(name) for model in manifest):
        raise EngineError(f"{name} is a model of the manifest, and {folder} is another; give it a --name")
    if not NAME.fullmatch(name):
        raise EngineError(f"{name!r} is no name for a model; give it a --name of letters, digits, - . _")
    _refuse_another_content(place_of(models, record.kind, name), record)
    return _install(replace(record, name=name, pinned_by=Pin.USER), models, progress)


def _refuse_another_content(target: Path, record: Installed) -> None:
    """Raise EngineError where a model that the user vouched for would become another one unnoticed."""
    if not (target / RECORD).exists():
        return
    if target.exists() and record.folder.exists() and target.samefile(record.folder):
        return
    if set(read_record(target).files) != set(record.files):
        raise EngineError(
            f"{target.name} is installed, with other files; give this one another --name, or remove {target}"
        )


def _record_of(folder: Path, progress: Progress) -> Installed:
    """A record of a folder that has none, made from its files as they are."""
    root = next((root for root in roots(folder) if _kind(root)), folder)
    kind = _kind(root)
    if kind is None:
        needs = "; ".join(f"{kind}: {', '.join(kind.needs)}" for kind in Kind)
        raise EngineError(f"{folder}: has not the files that an engine needs ({needs})")
    files = []
    for path in opened(root, kind):
        if _is_pointer(root / path):
            raise EngineError(f"{root}: {path} {LEFT_OUT}")
        draft = File(path, (root / path).stat().st_size, "0" * 64)
        files.append(replace(draft, sha256=sha256_of(root / path, draft, progress)))
    whole = hashlib.sha256("".join(file.sha256 for file in files).encode()).hexdigest()
    where = folder.resolve()
    return Installed(root, where.name, kind, str(where), whole[:40], tuple(files))


def _install(source: Installed, models: Path, progress: Progress) -> Installed:
    """Copy the files of a record and install them; those that lie in their place already stay as they are.

    Raises WrongHash, EngineError.
    """
    target = place_of(models, source.kind, source.name)
    refuse_to_replace(target, source.folder)
    with staging(models, source.kind, source.name, source.revision) as partial:
        folder = partial.with_name(f"{partial.name}.import")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            if target.exists() and target.samefile(source.folder):
                _vouch(replace(source, folder=target), progress)
            else:
                folder.mkdir()
                need_room(folder, total(source.files))
                for file in source.files:
                    _copy(source, file, folder, progress)
                put(replace(source, folder=folder), target)
        except OSError as error:
            raise says(error, folder) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)  # a download of the same model that broke off
    return replace(source, folder=target)


def _vouch(record: Installed, progress: Progress) -> None:
    """Write the record of a folder that holds its files, among others.

    Raises WrongHash, EngineError when the engine would open another file, OSError.
    """
    listed = {file.path for file in record.files}
    if astray := [path for path in opened(record.folder, record.kind) if path not in listed]:
        raise EngineError(
            f"{record.folder}: the engine would open {', '.join(astray)}, which {record.name} has not; "
            "move it away"
        )
    for file in record.files:
        _refuse_another(record, file, sha256_of(record.folder / file.path, file, progress))
    write_record(record)


def _copy(source: Installed, file: File, folder: Path, progress: Progress) -> None:
    """Copy a file of a record. Raises WrongHash when what was read is another; OSError."""
    target, digest, done = folder / file.path, hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with (source.folder / file.path).open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(BLOCK):
            digest.update(block)
            writer.write(block)
            done += len(block)
            progress(file.path, done, file.size)
    _refuse_another(source, file, digest.hexdigest())


def _refuse_another(source: Installed, file: File, found: str) -> None:
    if found != file.sha256:
        raise WrongHash(
            f"{source.folder / file.path}: has SHA-256 {found}, but that of {source.name} at "
            f"{source.revision[:8]} is {file.sha256}: refused, nothing was installed"
        )
