"""What a CTranslate2 Whisper directory holds, read before the model is loaded.

faster-whisper asks the network when a file is missing, takes a default when one can't be parsed, and fails in
the middle of a meeting when two don't fit together. All of that is found here, from the directory alone.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from meetsense.errors import EngineError
from meetsense.speech.directory import missing_whisper_files, revision
from meetsense.speech.shelf import Verified, verify

INSTALLED = "installed.json"
"""The record of the model store."""
BINARY_VERSION = 6
"""Version of CTranslate2's ``model.bin`` whose header is read here; others are left to CTranslate2."""
TIMES_AFTER = "<|notimestamps|>"
"""The token that times follow: its number must be the same in tokenizer and vocabulary."""
PLAIN_MELS = 80
"""Mel bands that faster-whisper assumes without a preprocessor_config.json."""
LANGUAGE_LETTERS = (2, 3)


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a network."""

    width: int
    encoder_layers: int
    decoder_layers: int
    mels: int
    """Bands of its spectrogram: 128 in large-v3 and its kin, 80 in all others."""
    frames: int
    """Positions of the encoder: 1,500 in 30 s."""
    context: int
    """Positions of the decoder: prompt and output together."""
    parameters: int

    @property
    def decoder_parameters(self) -> int:
        """Weights that are read for every token, without the vocabulary: 16 width² a layer."""
        return 16 * self.decoder_layers * self.width**2


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory that was looked through and may be loaded."""

    path: Path
    name: str
    """``whisper/NAME@revision``."""
    shape: Shape | None
    """None for a ``model.bin`` of another version."""
    languages: tuple[str, ...]
    """Codes of the tokenizer's languages, in its order."""


def inspect(path: Path, verified: Verified | None = None) -> Folder:
    """Look through a directory. Raises EngineError, in one line, for what faster-whisper would stumble over.

    A directory with an ``installed.json`` is verified against it, hashes included, unless it was
    (``verified``). One without is taken as it is where the user named it, which the caller sees to: the files
    hold numbers and text, no code (pyannote's pickles are another matter).
    """
    if missing := missing_whisper_files(path):
        raise EngineError(f"{path}: not a CTranslate2 Whisper model, it lacks {', '.join(missing)}")
    if verified is None and (path / INSTALLED).is_file():
        verified = verify(path)
    if verified is not None:
        name = f"whisper/{verified.name}@{verified.revision[:8]}"
    else:
        name = f"whisper/{path.name}@{revision(path / 'model.bin')}"
    tokenizer = _json(path, "tokenizer.json")
    numbers = _numbers(tokenizer)
    shape = _shape(path)
    _check_mels(path, shape)
    _check_vocabulary(path, numbers)
    return Folder(path, name, shape, _languages(numbers))


def _refuse(path: Path, why: str) -> EngineError:
    return EngineError(f"{path}: cannot be loaded as a Whisper model ({why})")


def _json(path: Path, name: str) -> Any:
    try:
        return json.loads(_text(path, name))
    except (ValueError, RecursionError):
        raise _refuse(path, f"{name} is not JSON") from None


def _text(path: Path, name: str) -> str:
    try:
        return (path / name).read_text("utf-8")
    except UnicodeDecodeError:
        raise _refuse(path, f"{name} is not UTF-8") from None
    except OSError as error:
        raise _refuse(path, f"{name} cannot be read, {error.strerror}") from None


def _numbers(tokenizer: Any) -> dict[str, int]:
    """Number of every token."""
    try:
        added = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
        numbers = {**tokenizer["model"]["vocab"], **added}
    except (KeyError, TypeError):
        return {}  # another kind of tokenizer: nothing to compare
    return {token: n for token, n in numbers.items() if isinstance(token, str) and isinstance(n, int)}


def _languages(numbers: dict[str, int]) -> tuple[str, ...]:
    found = [token[2:-2] for token in sorted(numbers, key=numbers.__getitem__) if token.startswith("<|")]
    return tuple(code for code in found if len(code) in LANGUAGE_LETTERS and code.isalpha())


def _vocabulary(path: Path) -> list[Any] | None:
    """Tokens by number; None where the vocabulary is in neither of the usual forms."""
    if (path / "vocabulary.json").is_file():
        tokens = _json(path, "vocabulary.json")
        return tokens if isinstance(tokens, list) else []
    if (path / "vocabulary.txt").is_file():
        return _text(path, "vocabulary.txt").split("\n")
    return None


def _check_vocabulary(path: Path, numbers: dict[str, int]) -> None:
    """Refuse the tokenizer of another size: with it, times and languages would be other tokens."""
    tokens = _vocabulary(path)
    if tokens is None or TIMES_AFTER not in numbers:
        return
    if TIMES_AFTER not in tokens or tokens.index(TIMES_AFTER) != numbers[TIMES_AFTER]:
        raise _refuse(path, "tokenizer.json and vocabulary don't belong together")


def _check_mels(path: Path, shape: Shape | None) -> None:
    """Refuse settings for another number of bands; large-v3 and its kin have no use for the default."""
    there = (path / "preprocessor_config.json").is_file()
    settings = _json(path, "preprocessor_config.json") if there else {}
    mels = settings.get("feature_size", PLAIN_MELS) if isinstance(settings, dict) else None
    if shape is None or mels == shape.mels:
        return
    if there:
        raise _refuse(path, f"preprocessor_config.json has {mels} bands, the model {shape.mels}")
    raise _refuse(path, f"it lacks preprocessor_config.json, which a model of {shape.mels} bands needs")


def _shape(path: Path) -> Shape | None:
    try:
        with (path / "model.bin").open("rb") as file:
            return _read_shape(file)
    except (struct.error, EOFError, KeyError, ValueError, IndexError):
        raise _refuse(path, "model.bin is cut off or damaged") from None
    except OSError as error:
        raise _refuse(path, f"model.bin cannot be read, {error.strerror}") from None


def _read_shape(file: BinaryIO) -> Shape | None:
    """Shape of a network from the names and sizes in ``model.bin``; the weights are skipped."""
    (version,) = struct.unpack("<I", file.read(4))
    if version != BINARY_VERSION:
        return None
    sizes = dict(_variables(file))
    width, mels, _ = sizes["encoder/conv1/weight"]
    return Shape(
        width=width,
        encoder_layers=_layers(sizes, "encoder"),
        decoder_layers=_layers(sizes, "decoder"),
        mels=mels,
        frames=sizes["encoder/position_encodings/encodings"][0],
        context=sizes["decoder/position_encodings/encodings"][0],
        parameters=sum(prod(size) for name, size in sizes.items() if name.endswith("weight")),
    )


def _layers(sizes: dict[str, tuple[int, ...]], half: str) -> int:
    parts = [name.split("/") for name in sizes]
    return len({part[1] for part in parts if part[0] == half and part[1].removeprefix("layer_").isdigit()})


def _variables(file: BinaryIO) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and size of every variable. Raises EOFError where the file ends too early."""
    end = file.seek(0, 2)
    file.seek(4)
    _string(file)
    _, count = struct.unpack("<II", file.read(8))
    for _ in range(count):
        name = _string(file)
        (rank,) = struct.unpack("<B", file.read(1))
        size = struct.unpack(f"<{rank}I", file.read(4 * rank))
        _, length = struct.unpack("<BI", file.read(5))
        if file.seek(length, 1) > end:
            raise EOFError
        yield name, size


def _string(file: BinaryIO) -> str:
    (length,) = struct.unpack("<H", file.read(2))
    return file.read(length)[:-1].decode()
