"""``installed.json``: what stands beside a model's weights and says what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from meetsense.errors import EngineError
from meetsense.speech.shelf.manifest import NAME, File, Kind, matches

RECORD = "installed.json"
DRAFT = f".{RECORD}.new"
SCHEMA = "meetsense.installed/1"


class Pin(StrEnum):
    """Who says that these are the right hashes."""

    MANIFEST = "manifest"
    """meetsense's manifest."""
    USER = "user"
    """The user, who imported the folder with ``--trust``."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A model on this machine, as its record describes it."""

    folder: Path
    name: str
    kind: Kind
    source: str
    """Repository on the hub; where the user pinned it, the folder that it was imported from."""
    revision: str
    files: tuple[File, ...]
    pinned_by: Pin = Pin.MANIFEST


def opened(folder: Path, kind: Kind) -> tuple[str, ...]:
    """Paths of the files in a folder that an engine would open."""
    found = {path for pattern in kind.opens for path in folder.glob(pattern) if path.is_file()}
    return tuple(sorted(path.relative_to(folder).as_posix() for path in found))


def kind_of(paths: Iterable[str]) -> Kind | None:
    """The kind whose needed files are all among these paths.

    >>> kind_of(["config.json", "model.bin", "tokenizer.json", "vocabulary.json"])
    <Kind.WHISPER: 'whisper'>
    """
    paths = list(paths)
    for kind in Kind:
        if all(any(matches(path, pattern) for path in paths) for pattern in kind.needs):
            return kind
    return None


def read_record(folder: Path) -> Installed:
    """The record of an installed model. Raises EngineError when there is none, or none that can be read."""
    path = folder / RECORD
    try:
        document = json.loads(path.read_bytes())
        return _installed(folder, document)
    except FileNotFoundError:
        if not folder.is_dir():
            raise EngineError(f"{folder}: no such folder") from None
        raise EngineError(
            f"{folder}: has no {RECORD}, so nobody knows what it is; install it with "
            f"meetsense models import {folder}"
        ) from None
    except OSError as error:
        raise EngineError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path}: is damaged ({error}); pull or import the model again") from None


def _installed(folder: Path, document: dict[str, Any]) -> Installed:
    files = tuple(File(file["path"], file["size"], file["sha256"]) for file in document["files"])
    kind = Kind(document["kind"]) if "kind" in document else kind_of(file.path for file in files)
    if kind is None:
        raise ValueError("its files are those of no engine")
    name, revision = str(document["name"]), str(document["revision"])
    for key, value in (("name", name), ("revision", revision)):
        if not NAME.fullmatch(value):
            raise ValueError(f"its {key} {value!r} is none")
    return Installed(
        folder=folder,
        name=name,
        kind=kind,
        source=str(document["source"]),
        revision=revision,
        files=files,
        pinned_by=Pin(document.get("pinned_by", Pin.USER)),
    )


def write_record(record: Installed) -> None:
    """Write ``installed.json`` into the record's folder, whole or not at all. Raises OSError."""
    document = {
        "schema": SCHEMA,
        "name": record.name,
        "kind": record.kind,
        "source": record.source,
        "revision": record.revision,
        "pinned_by": record.pinned_by,
        "files": [asdict(file) for file in record.files],
    }
    draft = record.folder / DRAFT
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(record.folder / RECORD)


def folders(models: Path, kind: Kind) -> tuple[Path, ...]:
    """The folders of a kind on the shelf, whether or not they have a record."""
    try:
        return tuple(sorted(path for path in (models / kind).iterdir() if path.is_dir()))
    except OSError:
        return ()


def installed(models: Path, kind: Kind) -> tuple[Installed, ...]:
    """The models of a kind on the shelf that have a readable record, by name; nothing is hashed."""
    found = []
    for folder in folders(models, kind):
        try:
            record = read_record(folder)
        except EngineError:
            continue
        if record.kind is kind:
            found.append(record)
    return tuple(found)
