"""Where models lie: small ones of the project in the package, downloaded ones in the state directory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from meetsense.errors import EngineError

BUNDLED = Path(__file__).resolve().parents[1] / "models"
"""Models that the project trained itself; they come with the package."""
WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json")
"""What faster-whisper opens; without the tokenizer it asks the network for one."""


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
        f"put a Whisper model in CTranslate2 form (such as faster-whisper-small) as a folder into "
        f"{models}/whisper, or name its folder with --whisper DIR"
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
