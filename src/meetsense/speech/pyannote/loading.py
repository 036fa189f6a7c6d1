"""Loading pyannote.audio and a directory of weights: verified, off the network, without its noise."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from meetsense.errors import EngineError, in_one_line
from meetsense.speech.shelf import Kind, Verified, offline, verify
from meetsense.speech.shelf.record import RECORD, read_record

FILES = Kind.PYANNOTE.needs
"""What pyannote.audio opens in a directory; for what is missing it would ask the network."""
PIPELINE = "pyannote.audio.pipelines.SpeakerDiarization"


class Mode(StrEnum):
    """How the pipeline is run."""

    STOCK = "stock"
    """As the library does it."""
    EXACT = "exact"
    """The same result, with the embedding network run once a chunk."""
    FAST = "fast"
    """Both networks by onnxruntime."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what the library warns of and prints: stdout belongs to meetsense's own output.

    What it warns of is a missing torchcodec, which nothing here needs, a number of people that could not be
    kept, which the result shows, statistics of nothing, which are no voiceprint, and an array that nobody may
    write to, which nobody does.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        for module in ("pyannote", "torch", "torchaudio", "lightning", "asteroid_filterbanks"):
            for category in (UserWarning, DeprecationWarning, FutureWarning):
                warnings.filterwarnings("ignore", category=category, module=rf"{module}(\.|$)")
        warnings.filterwarnings("ignore", message="(?s).*torchcodec", category=UserWarning)
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        warnings.filterwarnings("ignore", message="Mean of empty slice", category=RuntimeWarning)
        warnings.filterwarnings("ignore", message="(?s).*detected number of speakers", category=UserWarning)
        warnings.filterwarnings("ignore", message="invalid value encountered", category=RuntimeWarning)
        yield


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """OpenMP as torch loads it lets waiting threads sleep, unless the user said otherwise.

    By default they spin, and beside another busy process two threads then take four times the processor time.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    try:
        yield
    finally:
        del os.environ["OMP_WAIT_POLICY"]  # torch has read it; what else is loaded may decide for itself


def check(folder: Path) -> Verified:
    """Verify a directory with full hashes: nothing of it has been opened otherwise when this returns.

    Raises EngineError that names what is missing or differs.
    """
    if folder.is_dir() and (missing := [name for name in FILES if not (folder / name).is_file()]):
        raise EngineError(f"{folder}: not a pyannote diarization directory, it lacks {', '.join(missing)}")
    return verify(folder, full=True)


@contextlib.contextmanager
def private_copy(folder: Path) -> Iterator[tuple[Path, Verified]]:
    """A directory's files where nobody else writes, verified there: what is loaded is what was verified.

    Importing torch takes seconds, in which the directory itself might change. Raises EngineError.
    """
    check(folder)
    with tempfile.TemporaryDirectory(prefix="meetsense-weights-") as made:
        copy = Path(made) / folder.name
        try:
            for name in (RECORD, *(file.path for file in read_record(folder).files)):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, copy / name)
        except OSError as error:
            raise EngineError(f"{folder}: cannot be copied to {made} ({error.strerror})") from error
        yield copy, check(copy)


def import_library() -> None:
    """Import torch and pyannote.audio, which takes seconds. Raises EngineError whatever that raises."""
    offline()
    try:
        with quiet(), patient():
            import torch  # noqa: F401
            from pyannote.audio import Pipeline  # noqa: F401
    except Exception as error:  # an extension module built for another numpy raises ValueError, and so on
        raise EngineError(
            f"pyannote.audio cannot be imported ({in_one_line(error)}); install meetsense[pyannote], "
            "or let meetsense doctor say what is wrong"
        ) from error


def load_pipeline(folder: Path, threads: int) -> Any:
    """pyannote.audio's SpeakerDiarization of a directory that :func:`check` passed.

    Unpickles the weights: what they say is run. Raises EngineError.
    """
    import_library()
    import torch
    from pyannote.audio import Pipeline

    torch.set_num_threads(threads)
    try:
        with quiet():
            pipeline: Any = Pipeline.from_pretrained(folder)
            name = f"{type(pipeline).__module__}.{type(pipeline).__qualname__}"
    except Exception as error:  # the library has no class of its own for what can be wrong with a directory
        raise EngineError(f"{folder}: cannot be loaded by pyannote.audio ({in_one_line(error)})") from error
    if type(pipeline).__qualname__ != PIPELINE.rpartition(".")[2]:
        raise EngineError(f"{folder}: is a {name}, not a {PIPELINE}")
    pipeline.legacy = False
    return pipeline
