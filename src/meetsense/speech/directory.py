"""Where models lie: small ones of the project in the package, downloaded ones in the state directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
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
        f"put a Whisper model into {models}/whisper (meetsense models pull small does), "
        "or name its folder with --whisper DIR"
    )


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a parent that may not be read
        return False


def find_whisper(models: Path, name: str | None = None) -> Path:
    """The directory of a Whisper model: a path, a name under ``models/whisper``, or the largest there.

    Raises EngineError, in one line that says how to get one, when there is none.
    """
    shelf = models / "whisper"
    if name is not None:
        places = [place for place in (Path(name).expanduser(), shelf / name) if _is_directory(place)]
        if not places:
            raise EngineError(f"no Whisper model {name!r}; {how_to_get_words(models)}")
        folder = places[0]
        if missing := missing_whisper_files(folder):
            raise EngineError(f"{folder}: not a CTranslate2 Whisper model, it lacks {', '.join(missing)}")
        return folder
    try:
        found = [folder for folder in sorted(shelf.glob("*")) if not missing_whisper_files(folder)]
    except OSError as error:
        raise EngineError(f"{shelf}: cannot be read ({error.strerror}); {how_to_get_words(models)}") from None
    if not found:
        raise EngineError(f"no Whisper model is installed; {how_to_get_words(models)}")
    return max(found, key=lambda folder: (folder / "model.bin").stat().st_size)


def has_pyannote() -> bool:
    """Whether the extra ``pyannote`` is installed; whether it imports, only importing it can say."""
    try:
        return find_spec("pyannote.audio") is not None
    except (ImportError, ValueError):
        return False


def find_pyannote(models: Path) -> Path:
    """The directory of an installed pyannote pipeline whose files have the sizes they should have.

    Hashes are compared by the engine, before it opens anything. Raises EngineError, in one line that says
    what to do, when there is none or it is damaged.
    """
    from meetsense.speech.shelf import Kind, installed, verify

    found = {record.name: record.folder for record in installed(models, Kind.PYANNOTE)}
    if not found:
        raise EngineError(
            f"no pyannote models are installed; meetsense models pull {COMMUNITY} gets them, "
            "meetsense models import DIR takes a folder copied from another PC"
        )
    folder = found.get(COMMUNITY) or found[min(found)]
    verify(folder, full=False)
    return folder


def choose_diarizer(models: Path, choice: Choice) -> Pick:
    """What ``choice`` comes to on this machine.

    ``auto`` never fails: what stands in pyannote's way decides for embedded. Raises EngineError when
    pyannote is asked for by name and its library or its models are missing.
    """
    if choice is Choice.EMBEDDED:
        return Pick(Choice.EMBEDDED, EMBEDDED, "it was asked for")
    if not has_pyannote():
        why = "the extra pyannote is not installed"
        if choice is Choice.PYANNOTE:
            raise EngineError(f"{why}; pip install 'meetsense[pyannote]' adds it")
        return Pick(Choice.EMBEDDED, EMBEDDED, why)
    try:
        folder = find_pyannote(models)
    except EngineError as error:
        if choice is Choice.PYANNOTE:
            raise
        is_there = any((models / "pyannote").glob("*"))
        if not is_there:
            return Pick(Choice.EMBEDDED, EMBEDDED, "no pyannote models are installed")
        note = f"pyannote could not be taken, the embedded diarizer was: {error}."
        return Pick(Choice.EMBEDDED, EMBEDDED, "the pyannote models are not what they should be", note)
    asked = choice is Choice.PYANNOTE
    return Pick(
        Choice.PYANNOTE, folder, "it was asked for" if asked else "its library and models are installed"
    )
