"""Where models lie: small ones of the project in the package, downloaded ones in the state directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from meetsense.errors import EngineError

BUNDLED = Path(__file__).resolve().parents[1] / "models"
"""Models that the project trained itself; they come with the package."""
WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json")
"""What faster-whisper opens; without the tokenizer it asks the network for one."""
EMBEDDED = BUNDLED / "embedded-diarizer"
"""The diarizer that needs no download."""
COMMUNITY = "speaker-diarization-community-1"
"""The pyannote directory that is taken where several are installed."""
Check = Callable[[Path], object]
"""Raises EngineError, which says what is wrong, for a directory that can't be loaded."""


class Choice(StrEnum):
    """Which diarizer is asked for."""

    AUTO = "auto"
    """pyannote where it can run, else embedded."""
    EMBEDDED = "embedded"
    PYANNOTE = "pyannote"


@dataclass(frozen=True, slots=True)
class Pick:
    """The diarizer that a choice comes to on this machine."""

    engine: Choice
    """Never AUTO."""
    folder: Path
    """Where its weights lie."""
    why: str
    """What decided, as a clause."""
    note: str | None = None
    """What the reader of a result should know: something that is installed could not be taken."""


def revision(*files: Path) -> str:
    """Eight hexadecimal digits of the SHA-256 of files: which weights these are."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:8]


def missing_whisper_files(folder: Path) -> list[str]:
    """Names of the files that a CTranslate2 Whisper directory lacks."""
    missing = [name for name in WHISPER_FILES if not (folder / name).is_file()]
    return missing if any(folder.glob("vocabulary.*")) else [*missing, "vocabulary.json"]


def how_to_get_words(models: Path) -> str:
    """One sentence that says what to do about a missing Whisper model."""
    return (
        f"put a Whisper model into {models}/whisper with meetsense models pull small or import DIR, "
        "or name a folder of your own with --whisper DIR"
    )


def _is_empty(folder: Path) -> bool:
    """Whether there is nothing in a folder; one that may not be read has something."""
    try:
        return not any(folder.iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a parent that may not be read
        return False


def find_whisper(models: Path, name: str) -> Path:
    """The directory of a Whisper model: the one installed under this name, or a path.

    A name with a separator is a path. Raises EngineError, in one line that says what to do, when there is
    none, or when it lies on the shelf without a record of what it should be.
    """
    from meetsense.speech.shelf import read_record

    shelf = models / "whisper"
    folder = next(filter(_is_directory, _places(shelf, name)), None)
    if folder is None:
        raise EngineError(f"no Whisper model {name!r}; {how_to_get_words(models)}")
    try:
        missing = missing_whisper_files(folder)
    except OSError as error:
        raise EngineError(f"{folder}: cannot be read ({error.strerror})") from None
    if missing:
        raise EngineError(f"{folder}: not a CTranslate2 Whisper model, it lacks {', '.join(missing)}")
    if shelf.resolve() in (*folder.resolve().parents, folder.absolute().parent.resolve()):
        read_record(folder)
    return folder


def _places(shelf: Path, name: str) -> tuple[Path, ...]:
    """Where a model that is called so may lie, in the order to look there."""
    from meetsense.speech.shelf.manifest import NAME
    from meetsense.speech.shelf.record import RECORD

    own, installed = Path(name).expanduser(), shelf / name
    if not NAME.fullmatch(name):
        return (own,)
    is_installed = _is_directory(installed) and (installed / RECORD).is_file()
    return (installed, own) if is_installed else (own, installed)


def find_whispers(models: Path, check: Check | None = None) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Directories of the installed Whisper models, the largest first, and why others can't be taken.

    ``check``: of a directory, left out: its record and the sizes of its files; hashes are compared by the
    engine. Raises EngineError, in one line that says how to get one, when there is none that passes.
    """
    from meetsense.speech.shelf import Kind, loadable, verify
    from meetsense.speech.shelf.manifest import total

    shelf = models / "whisper"
    try:
        any(shelf.iterdir())
    except FileNotFoundError:
        pass
    except OSError as error:
        raise EngineError(f"{shelf}: cannot be read ({error.strerror}); {how_to_get_words(models)}") from None
    found, refused = loadable(models, Kind.WHISPER, check or partial(verify, full=False))
    if not found:
        why = "; ".join(refused) or f"no Whisper model is installed; {how_to_get_words(models)}"
        raise EngineError(why)
    return tuple(one.folder for one in sorted(found, key=lambda one: -total(one.files))), refused


def has_pyannote() -> bool:
    """Whether the extra ``pyannote`` is installed; whether it imports, only importing it can say."""
    try:
        return find_spec("pyannote.audio") is not None
    except Exception:  # whatever stands where the library should be
        return False


def find_pyannote(models: Path, check: Check | None = None) -> tuple[Path, tuple[str, ...]]:
    """The directory of an installed pyannote pipeline that passes a check, and why others don't.

    ``check``: left out, record and hashes. Raises EngineError, in one line that says what to do, when there
    is none or none passes.
    """
    from meetsense.speech.shelf import Kind, loadable, verify

    try:
        found, refused = loadable(models, Kind.PYANNOTE, check or verify)
    except OSError as error:
        raise EngineError(f"{error.filename or models}: cannot be read ({error.strerror})") from None
    if found:
        return min(found, key=lambda one: (one.name != COMMUNITY, one.name)).folder, refused
    raise EngineError(
        "; ".join(refused)
        or f"no pyannote models are installed; meetsense models pull {COMMUNITY} gets them, "
        "meetsense models import DIR takes a folder copied from another PC"
    )


def passed_over(refused: Sequence[str]) -> str | None:
    """What the reader of a result should know about models that could not be taken, in one line."""
    return f"Models were passed over: {'; '.join(refused)}." if refused else None


def instead_of_pyannote(reason: str) -> Pick:
    """The embedded diarizer where ``auto`` would have taken pyannote."""
    note = f"pyannote could not be taken, the embedded diarizer was: {reason}."
    return Pick(Choice.EMBEDDED, EMBEDDED, f"pyannote could not be taken ({reason})", note)


def choose_diarizer(models: Path, choice: Choice, check: Check | None = None) -> Pick:
    """What ``choice`` comes to on this machine, as far as its files say; nothing is imported.

    ``auto`` never fails: what stands in pyannote's way decides for embedded. ``check``: of a directory of
    pyannote's, left out: record and hashes. Raises EngineError when pyannote is asked for by name and its
    library or its models are missing.
    """
    if choice is Choice.EMBEDDED:
        return Pick(Choice.EMBEDDED, EMBEDDED, "it was asked for")
    if not has_pyannote():
        why = "the extra pyannote is not installed"
        if choice is Choice.PYANNOTE:
            raise EngineError(f"{why}; pip install 'meetsense[pyannote]' adds it")
        return Pick(Choice.EMBEDDED, EMBEDDED, why)
    try:
        folder, refused = find_pyannote(models, check)
    except EngineError as error:
        if choice is Choice.PYANNOTE:
            raise
        if _is_empty(models / "pyannote"):
            why = f"no pyannote models are installed; meetsense models pull {COMMUNITY} gets them"
            return Pick(Choice.EMBEDDED, EMBEDDED, why)
        return instead_of_pyannote(str(error))
    why = "it was asked for" if choice is Choice.PYANNOTE else "its library and models are installed"
    return Pick(Choice.PYANNOTE, folder, why, passed_over(refused))
