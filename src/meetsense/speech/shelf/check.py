"""Whether an installed model is still what was installed."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meetsense.errors import EngineError
from meetsense.speech.shelf.manifest import File, Kind, Model, matches, read_manifest
from meetsense.speech.shelf.record import (
    RECORD,
    Installed,
    Pin,
    folders,
    kind_of,
    opened,
    read_record,
)

BLOCK = 1 << 20
"""Bytes read at once."""

Progress = Callable[[str, int, int], None]
"""Called with the path of a file, the bytes of it that are done, and its size."""


def silent(_: str, __: int, ___: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file of a model."""

    file: str
    """Path inside the model's folder."""
    problem: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A model whose files are what its record says."""

    name: str
    revision: str
    pickles: bool
    """Whether the weights are pickles: loading them runs what they say."""
    pinned_by: Pin = Pin.MANIFEST


def sha256_of(path: Path, file: File, progress: Progress = silent) -> str:
    """The SHA-256 of a file on disk; ``file`` names it to ``progress``. Raises OSError."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            progress(file.path, done, file.size)
    return digest.hexdigest()


def _fault(folder: Path, file: File, full: bool, progress: Progress) -> str | None:
    path = folder / file.path
    try:
        if not path.is_file():
            return "is missing"
        if (size := path.stat().st_size) != file.size:
            return f"has {size} bytes instead of {file.size}"
        if full and (found := sha256_of(path, file, progress)) != file.sha256:
            return f"has SHA-256 {found} instead of {file.sha256}"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def _record_faults(record: Installed, manifest: tuple[Model, ...]) -> Iterator[str]:
    """What a record leaves out or states otherwise than the manifest does."""
    listed = {file.path for file in record.files}
    for pattern in record.kind.needs:
        if not any(matches(path, pattern) for path in listed):
            yield f"does not list {pattern}"
    for path in opened(record.folder, record.kind):
        if path not in listed:
            yield f"does not list {path}, which is there"
    for model in manifest:
        same = (model.name, model.kind, model.revision) == (record.name, record.kind, record.revision)
        if same and set(model.files) != set(record.files):
            yield "does not agree with meetsense's manifest"


def faults(
    folder: Path,
    *,
    full: bool = True,
    progress: Progress = silent,
    manifest: tuple[Model, ...] | None = None,
) -> tuple[Fault, ...]:
    """Everything that is wrong with an installed model; ``full`` hashes its files, otherwise sizes count.

    Raises EngineError when there is no record that says what it is.
    """
    record = read_record(folder)
    models = read_manifest() if manifest is None else manifest
    found = [Fault(RECORD, problem) for problem in _record_faults(record, models)]
    for file in record.files:
        if problem := _fault(folder, file, full, progress):
            found.append(Fault(file.path, problem))
    return tuple(found)


def verify(folder: Path, *, full: bool = True, progress: Progress = silent) -> Verified:
    """Check a model before it is loaded.

    ``full`` hashes every file; without it only the record and the sizes are looked at, in milliseconds.
    Pickles must never be loaded on less than the full check. Raises EngineError that names each bad file and
    says what to do.
    """
    record = read_record(folder)
    if found := faults(folder, full=full, progress=progress):
        bad = "; ".join(f"{fault.file} {fault.problem}" for fault in found)
        raise EngineError(f"{folder}: {bad}; not loaded, {remedy(record)}")
    return Verified(record.name, record.revision, record.kind.pickles, record.pinned_by)


def remedy(record: Installed) -> str:
    """What to do about a damaged model, as a clause."""
    if any(model.name == record.name for model in read_manifest()):
        return f"install it again with meetsense models pull {record.name}"
    source = Path(record.source)
    if record.pinned_by is Pin.USER and source.is_absolute() and source != record.folder.resolve():
        folder = shlex.quote(record.source)
        return f"import it again with meetsense models import {folder} --trust --name {record.name}"
    return "import it again from where it came from with meetsense models import DIR"


def vouched_for(record: Installed) -> str:
    """Who vouches for a model that is what its record says, where it isn't meetsense's manifest."""
    if record.pinned_by is Pin.USER:
        return "trusted by you"
    known = {(model.name, model.kind, model.revision) for model in read_manifest()}
    if (record.name, record.kind, record.revision) in known:
        return ""
    return "by its own record, not by this manifest"


def read_as(folder: Path, kind: Kind) -> Installed:
    """The record of a model that should be of a kind. Raises EngineError when it is of another, or none."""
    record = read_record(folder)
    if record.kind is not kind:
        raise EngineError(f"{folder}: its record says that it is for {record.kind}")
    return record


def loadable(
    models: Path, kind: Kind, check: Callable[[Path], object] = verify
) -> tuple[tuple[Installed, ...], tuple[str, ...]]:
    """Models on the shelf that pass a check, by name, and in one line each why others of the kind don't.

    ``check`` gets a model's folder and raises EngineError.
    """
    found, refused = [], []
    for folder in folders(models, kind):
        try:
            if not (folder / RECORD).exists() and kind_of(opened(folder, kind)) is not kind:
                continue  # no model at all
            record = read_as(folder, kind)
            check(folder)
            found.append(record)
        except EngineError as error:
            refused.append(str(error))
        except OSError as error:
            refused.append(f"{folder}: cannot be read ({error.strerror})")
    return tuple(found), tuple(refused)
