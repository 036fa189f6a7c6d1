"""The manifest: which models there are, where they come from, and what each of their files hashes to."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from meetsense.errors import EngineError
from meetsense.speech.directory import BUNDLED

MANIFEST = BUNDLED / "manifest.toml"
NAME = re.compile(r"\w[\w.-]*")
"""What a model's name or revision is: it becomes part of a path."""


class Kind(StrEnum):
    """What loads a model; also the name of the folder that it is installed in."""

    WHISPER = "whisper"
    PYANNOTE = "pyannote"

    @property
    def pickles(self) -> bool:
        """Whether the weights are Python pickles: loading them runs what they say."""
        return self is Kind.PYANNOTE

    @property
    def needs(self) -> tuple[str, ...]:
        """Files without which the engine loads nothing or asks the network; ``*`` for any ending."""
        return _NEEDS[self]

    @property
    def opens(self) -> tuple[str, ...]:
        """Every file that the engine opens when it is there."""
        return _OPENS[self]


_NEEDS = {
    Kind.WHISPER: ("config.json", "model.bin", "tokenizer.json", "vocabulary.*"),
    Kind.PYANNOTE: (
        "config.yaml",
        "segmentation/pytorch_model.bin",
        "embedding/pytorch_model.bin",
        "plda/plda.npz",
        "plda/xvec_transform.npz",
    ),
}
_OPENS = {
    Kind.WHISPER: (*_NEEDS[Kind.WHISPER], "preprocessor_config.json"),
    Kind.PYANNOTE: _NEEDS[Kind.PYANNOTE],
}


def matches(path: str, pattern: str) -> bool:
    """Whether a file of a model is the one that a pattern of :attr:`Kind.needs` means.

    >>> matches("vocabulary.txt", "vocabulary.*"), matches("plda/plda.npz", "plda.npz")
    (True, False)
    """
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^/]*"), path) is not None


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model. Raises ValueError for a path that leaves the folder or a hash that is none."""

    path: str
    """Relative to the model's folder, with ``/``."""
    size: int
    """Bytes."""
    sha256: str
    """64 hexadecimal digits."""

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or self.path != "/".join(parts) or {"/", "..", "."} & set(parts) or "\\" in self.path:
            raise ValueError(f"{self.path!r} is no path inside a model's folder")
        if type(self.size) is not int or self.size < 0:
            raise ValueError(f"{self.path}: {self.size!r} is no size")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.path}: {self.sha256!r} is no SHA-256")


def total(files: Iterable[File]) -> int:
    """Bytes of all files."""
    return sum(file.size for file in files)


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the manifest."""

    name: str
    """Also the name of the folder that it is installed in."""
    kind: Kind
    source: str
    """Repository on the hub, ``OWNER/NAME``."""
    revision: str
    """Commit of the repository, 40 hexadecimal digits."""
    licence: str
    """SPDX identifier."""
    languages: tuple[str, ...]
    """BCP 47 codes, or ``multilingual``, or ``any``."""
    purpose: str
    """What it is for, in one line."""
    files: tuple[File, ...]
    aliases: tuple[str, ...] = ()
    gated: bool = False
    """Whether the hub gives it only to accounts that accepted its conditions."""
    attribution: str | None = None
    """The line that the licence asks for."""
    hashes_from: str = ""
    """Who said what the files hash to."""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return total(self.files)

    def known_as(self, name: str) -> bool:
        """Whether somebody who says ``name`` means this model."""
        return name in (self.name, self.source, self.source.partition("/")[2], *self.aliases)


def _model(entry: dict[str, Any]) -> Model:
    model = Model(
        name=entry["name"],
        kind=Kind(entry["kind"]),
        source=entry["source"],
        revision=entry["revision"],
        licence=entry["licence"],
        languages=tuple(entry["languages"]),
        purpose=entry["purpose"],
        files=tuple(File(**file) for file in entry["files"]),
        aliases=tuple(entry.get("aliases", ())),
        gated=entry.get("gated", False),
        attribution=entry.get("attribution"),
        hashes_from=entry["hashes_from"],
    )
    if not NAME.fullmatch(model.name):
        raise ValueError(f"{model.name!r} is no name of a model")
    if not re.fullmatch("[0-9a-f]{40}", model.revision):
        raise ValueError(f"{model.name}: {model.revision!r} is no commit")
    return model


def read_manifest(path: Path = MANIFEST) -> tuple[Model, ...]:
    """The models of a manifest. Raises ValueError or KeyError when it is malformed, which is a bug."""
    return tuple(_model(entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["model"])


def find(name: str, models: Sequence[Model]) -> Model:
    """The model of a name, alias or repository. Raises EngineError that lists the names."""
    for model in models:
        if model.known_as(name):
            return model
    raise EngineError(f"no model {name!r}; there are {', '.join(model.name for model in models)}")


def _toml(value: object) -> str:
    """A string, number, boolean or list of strings as TOML, which these share with JSON."""
    return json.dumps(value, ensure_ascii=False)


def dumps(models: Iterable[Model]) -> str:
    """The text of a manifest: what :func:`read_manifest` reads back to the same models."""
    return "\n".join(_entry(model) for model in models)


def _entry(model: Model) -> str:
    lines = ["[[model]]"]
    for key in ("name", "kind", "source", "revision", "licence", "languages", "purpose"):
        value = getattr(model, key)
        lines.append(f"{key} = {_toml(list(value) if isinstance(value, tuple) else value)}")
    if model.aliases:
        lines.append(f"aliases = {_toml(list(model.aliases))}")
    if model.gated:
        lines.append("gated = true")
    if model.attribution is not None:
        lines.append(f"attribution = {_toml(model.attribution)}")
    lines += [f"hashes_from = {_toml(model.hashes_from)}", "files = ["]
    for file in model.files:
        lines.append(f"  {{ path = {_toml(file.path)}, size = {file.size}, sha256 = {_toml(file.sha256)} }},")
    return "\n".join([*lines, "]", ""])
