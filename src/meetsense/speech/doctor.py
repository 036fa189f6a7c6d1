"""What the engines need, whether this machine has it, and the command that mends what is wrong.

Nothing is downloaded and nothing is changed. A library is imported in a process of its own under a time
limit: some end the process that imports them, some hang, and what they leave in memory is then gone.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from meetsense.errors import EngineError
from meetsense.speech.directory import (
    COMMUNITY,
    EMBEDDED,
    Choice,
    Pick,
    choose_diarizer,
    find_whisper,
    find_whispers,
    has_pyannote,
    how_to_get_words,
    instead_of_pyannote,
)

if TYPE_CHECKING:
    from meetsense.speech.shelf import Installed, Kind, Verified

IMPORT_SECONDS = 120.0
"""A library that takes longer hangs: pyannote.audio takes 6 to 11 s, from a cold disk three times as long."""
AT_ONCE = 2
"""Imports at the same time."""
TRIED = {
    "onnxruntime": "onnxruntime",
    "faster_whisper": "faster-whisper",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "av": "av",
    "scipy": "scipy",
}
"""Module to distribution: without one of these nothing can be analysed."""
EXTRA = {
    "torch": "torch",
    "torchaudio": "torchaudio",
    "torchcodec": "torchcodec",
    "pyannote.audio": "pyannote-audio",
}
"""The same for the extra ``pyannote``."""
SPARE = {"torchcodec"}
"""pyannote.audio imports without it; it reads files, and meetsense hands over samples."""
PROBE = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
cuda = getattr(getattr(module, "version", None), "cuda", None)
version = getattr(module, "__version__", None)
json.dump([str(version) if version else None, str(cuda) if cuda else None], sys.__stdout__)
"""
CUDA = re.compile(r"lib(c10_cuda|torch_cuda|cudart|nvrtc|cublas|cudnn|nvidia|npp)\w*\.so")
"""Names of libraries that only a build for CUDA is linked against."""
NOT_LOADED = re.compile(r"Could not load|cannot open shared object file|undefined symbol|libtorchcodec")
TORCH = "2.11"
"""torch and torchaudio of this version import together."""
MEND_TORCH = f"pip install --force-reinstall 'torch=={TORCH}.*' 'torchaudio=={TORCH}.*'"
"""Both at once and from one index: so they come linked alike, and run without a GPU."""
MEND_EXTRA = "pip install 'meetsense[pyannote]'"
MEND_GPU = {
    "CUDA_VISIBLE_DEVICES": "unset CUDA_VISIBLE_DEVICES",
    r"lib(cublas|cudnn)": (
        "pip install nvidia-cublas-cu12 'nvidia-cudnn-cu12==9.*', with their lib folders in LD_LIBRARY_PATH"
    ),
    "driver version is insufficient": "install a newer driver for the GPU",
}
"""What mends a GPU, by what a failure says."""


class State(StrEnum):
    """How a thing stands."""

    OK = "ok"
    MISSING = "missing"
    """Not there; the rest runs without it unless the finding says that it is needed."""
    BROKEN = "broken"
    """There, and of no use as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    name: str
    state: State
    detail: str
    """In one line."""
    remedy: str | None = None
    """A command, or what to do."""
    needed: bool = False
    """Nothing can be analysed without it."""

    @property
    def blocks(self) -> bool:
        """Whether nothing can be analysed because of it."""
        return self.needed and self.state is not State.OK


@dataclass(frozen=True, slots=True)
class Imported:
    """How importing a module went."""

    module: str
    version: str | None = None
    """The module's own, or the distribution's."""
    cuda: str | None = None
    """Version of CUDA that torch was built for."""
    error: str | None = None
    """Everything it said when it failed; None: it was imported."""
    status: int = 0
    """Exit status; negative: the signal that ended it. None of its own after a time-out, which says so."""

    @property
    def missing(self) -> bool:
        """Whether it is not installed, as opposed to one of its own needs."""
        top = self.module.partition(".")[0]
        return self.error is not None and bool(
            re.search(
                rf"ModuleNotFoundError: No module named '({re.escape(self.module)}|{top})'\s*$", self.error
            )
        )


def try_import(module: str, seconds: float = IMPORT_SECONDS) -> Imported:
    """Import a module in a process of its own, off the network."""
    from meetsense.speech.shelf.network import OFFLINE

    installed = _installed_version({**TRIED, **EXTRA}.get(module, module))
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-W", "ignore", "-c", PROBE, module],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **OFFLINE},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Imported(module, installed, error=f"it was not imported within {seconds:g} s")
    if done.returncode == 0:
        try:
            version, cuda = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            version, cuda = None, None
        return Imported(module, version or installed, cuda)
    return Imported(module, installed, error=done.stderr.strip(), status=done.returncode)


def _installed_version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def try_imports(modules: Iterable[str], seconds: float = IMPORT_SECONDS) -> dict[str, Imported]:
    """Import modules, each in a process of its own, a few at the same time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda module: try_import(module, seconds), modules)
        return {imported.module: imported for imported in found}


def library_findings(imported: Mapping[str, Imported]) -> tuple[Finding, ...]:
    """What the imports say; the extra is one finding where nothing of it is installed."""
    base = [_base_finding(imported[module]) for module in TRIED if module in imported]
    extra = [imported[module] for module in EXTRA if module in imported]
    if extra and imported["pyannote.audio"].missing:
        pyannote = Finding(
            "libraries",
            "pyannote (extra)",
            State.MISSING,
            "not installed, the embedded diarizer is used",
            MEND_EXTRA,
        )
        if all(one.missing for one in extra):
            return (*base, pyannote)
        rest = [
            _extra_finding(one, imported)
            for one in extra
            if one.module != "pyannote.audio" and not one.missing
        ]
        return (*base, *rest, pyannote)
    return (*base, *(_extra_finding(one, imported) for one in extra))


def _base_finding(one: Imported) -> Finding:
    if one.error is None:
        return Finding("libraries", one.module, State.OK, one.version or "imports", needed=True)
    again = f"pip install --force-reinstall {TRIED[one.module]}"
    state, detail = (State.MISSING, "not installed") if one.missing else (State.BROKEN, _said(one))
    return Finding("libraries", one.module, state, detail, again, needed=True)


def _extra_finding(one: Imported, imported: Mapping[str, Imported]) -> Finding:
    if one.error is None:
        cuda = (f", for CUDA {one.cuda}" if one.cuda else ", for the CPU") if one.module == "torch" else ""
        return Finding("libraries", one.module, State.OK, f"{one.version or 'imports'}{cuda}")
    unneeded = "; not needed, meetsense hands over samples" if one.module in SPARE else ""
    if one.missing:
        remedy = None if unneeded else MEND_EXTRA
        return Finding("libraries", one.module, State.MISSING, f"not installed{unneeded}", remedy)
    why, remedy = _diagnosis(one, imported)
    return Finding("libraries", one.module, State.BROKEN, why + unneeded, None if unneeded else remedy)


def _diagnosis(one: Imported, imported: Mapping[str, Imported]) -> tuple[str, str]:
    """Why a module of the extra does not import, and the command that mends it."""
    torch, audio = imported["torch"], imported["torchaudio"]
    culprit = audio if one.module == "pyannote.audio" and audio.error and not audio.missing else one
    error = culprit.error or ""
    through = "" if culprit is one else "torchaudio does not import: "
    if culprit.module != "torch" and torch.error is None and NOT_LOADED.search(error):
        if torch.cuda is None and CUDA.search(error):
            needs = CUDA.search(error)
            library = needs[0] if needs else ""
            return (
                f"{through}{culprit.module} is built for CUDA (it needs {library}), torch "
                f"{torch.version} for the CPU: they do not load together"
            ), MEND_TORCH
        if culprit is audio and _minor(torch.version) != _minor(audio.version) and audio.version:
            return (
                f"{through}torchaudio {audio.version} does not belong to torch {torch.version}: "
                f"they do not load together"
            ), MEND_TORCH
    if needs := re.search(r"ModuleNotFoundError: No module named '([^']+)'\s*$", error):
        return f"{through}it needs {needs[1]}, which is not installed", MEND_EXTRA
    return f"{through}{_said(culprit)}", f"pip install --force-reinstall {EXTRA[culprit.module]}"


def _minor(version: str | None) -> list[str]:
    return re.split(r"[.+]", version or "")[:2]


def _said(one: Imported) -> str:
    """How an import failed, in one line."""
    last = " ".join(((one.error or "").splitlines() or [""])[-1].split())[:200]
    if one.status < 0:
        from meetsense.speech.whisper.machine import signal_name

        words = f": {last}" if last else ""
        return f"importing it ends the process ({signal_name(-one.status)}{words})"
    return last or f"importing it ends with status {one.status}, without a word"


def extra_works(imported: Mapping[str, Imported]) -> bool:
    """Whether the diarizer pyannote can be imported, which :func:`need_pyannote` asks before an analysis."""
    return imported["pyannote.audio"].error is None


def need_pyannote(seconds: float = IMPORT_SECONDS) -> None:
    """Raise EngineError when the library can't be imported, or ends the process that imports it."""
    found = try_import("pyannote.audio", seconds)
    if found.error is not None:
        raise EngineError(f"{_said(found)}; meetsense doctor says how to mend it")


@dataclass(frozen=True, slots=True)
class Checked:
    """A folder on the shelf that was looked at as the engine does before it loads anything."""

    folder: Path
    kind: Kind
    record: Installed | None
    problem: str | None
    """Why it is not loaded; None: it is what it should be."""


def check_shelf(models: Path) -> dict[Path, Checked]:
    """Every folder on the shelf, with full hashes."""
    from meetsense.speech.shelf import Kind
    from meetsense.speech.shelf.record import folders

    return {folder: _checked(folder, kind) for kind in Kind for folder in folders(models, kind)}


def _checked(folder: Path, kind: Kind) -> Checked:
    from meetsense.speech.shelf import verify
    from meetsense.speech.shelf.check import read_as

    record = None
    try:
        record = read_as(folder, kind)
        _look_inside(folder, kind, verify(folder))
    except EngineError as error:
        return Checked(folder, kind, record, str(error))
    except OSError as error:
        return Checked(folder, kind, record, f"{folder}: cannot be read ({error.strerror})")
    return Checked(folder, kind, record, None)


def _look_inside(folder: Path, kind: str, verified: Verified | None = None) -> None:
    """Raise EngineError for files that are as installed and don't make a model."""
    from meetsense.speech.shelf import Kind
    from meetsense.speech.whisper.folder import inspect

    if kind == Kind.WHISPER:
        inspect(folder, verified)


def _raise_problem(folder: Path, shelf: Mapping[Path, Checked]) -> None:
    problem = shelf[folder].problem
    if problem is not None:
        raise EngineError(problem)


def model_findings(
    models: Path, shelf: Mapping[Path, Checked], whisper: str | None = None
) -> tuple[Finding, ...]:
    """Models of the project's own, those on the shelf, and where words come from.

    ``shelf``: what :func:`check_shelf` gave; ``whisper``: the model that the configuration names.
    """
    own = Finding("models", "embedded diarizer", State.OK, "comes with meetsense", needed=True)
    if not any(EMBEDDED.glob("*.onnx")):
        own = Finding(
            "models",
            "embedded diarizer",
            State.BROKEN,
            f"{EMBEDDED} has no network",
            "pip install --force-reinstall meetsense",
            needed=True,
        )
    return (own, *map(_shelf_finding, shelf.values()), _words(models, shelf, whisper))


def _shelf_finding(checked: Checked) -> Finding:
    from meetsense.speech.shelf.check import vouched_for

    name = f"{checked.kind} {checked.folder.name}"
    if checked.problem is not None:
        return Finding("models", name, State.BROKEN, checked.problem, _remedy(checked))
    assert checked.record is not None, "a model that passed has a record"
    by_whom = vouched_for(checked.record)
    detail = f"verified{by_whom and ', ' + by_whom}, revision {checked.record.revision[:12]}"
    return Finding("models", name, State.OK, detail)


def _remedy(checked: Checked) -> str:
    from meetsense.speech.shelf.check import remedy

    if checked.record is None:
        return f"meetsense models import {shlex.quote(str(checked.folder))}"
    return remedy(checked.record)


def _words(models: Path, shelf: Mapping[Path, Checked], whisper: str | None) -> Finding:
    """Which Whisper model the next analysis takes."""
    try:
        folder = _whisper(models, shelf, whisper)
    except EngineError as error:
        named = [one for one in _broken(shelf, "whisper") if whisper in (None, one.folder.name)]
        remedy = _remedy(named[0]) if named else "meetsense models pull small"
        state = State.MISSING if whisper is None else State.BROKEN
        detail = f"none are recognised: {str(error).removesuffix(f'; {how_to_get_words(models)}')}"
        return Finding("models", "words", state, detail, remedy, needed=whisper is not None)
    return Finding("models", "words", State.OK, f"recognised by {folder}")


def _broken(shelf: Mapping[Path, Checked], kind: str) -> list[Checked]:
    return [one for one in shelf.values() if one.kind == kind and one.problem is not None]


def _whisper(models: Path, shelf: Mapping[Path, Checked], whisper: str | None) -> Path:
    if whisper is None:
        found, _ = find_whispers(models, lambda folder: _raise_problem(folder, shelf))
        return found[0]
    folder = find_whisper(models, whisper)
    if folder in shelf:
        _raise_problem(folder, shelf)
    else:
        _look_inside(folder, "whisper")
    return folder


def diarizer_finding(
    models: Path, choice: Choice, imported: Mapping[str, Imported], shelf: Mapping[Path, Checked]
) -> tuple[Finding, Pick]:
    """What ``choice`` comes to, and why: what the next analysis will do."""
    try:
        pick = choose_diarizer(models, choice, lambda folder: _raise_problem(folder, shelf))
    except EngineError as error:
        asked = Pick(choice, models / "pyannote", "the configuration asks for it")
        return Finding(
            "engines", str(choice), State.BROKEN, str(error), _mend_pyannote(shelf), needed=True
        ), asked
    if pick.engine is Choice.PYANNOTE and not extra_works(imported):
        why, remedy = _diagnosis(imported["pyannote.audio"], imported)
        if choice is Choice.PYANNOTE:
            why = f"the configuration asks for it, and it does not import: {why}"
            return Finding("engines", "pyannote", State.BROKEN, why, remedy, needed=True), pick
        pick = instead_of_pyannote("it is installed and does not import")
    return Finding("engines", str(choice), State.OK, f"{pick.engine}, because {pick.why}"), pick


def _mend_pyannote(shelf: Mapping[Path, Checked]) -> str:
    """What to do where pyannote was asked for and its library or its models are not there."""
    if not has_pyannote():
        return MEND_EXTRA
    broken = sorted(_broken(shelf, "pyannote"), key=lambda one: one.folder.name != COMMUNITY)
    return _remedy(broken[0]) if broken else f"meetsense models pull {COMMUNITY}"


def gpu_finding() -> Finding:
    """The GPU, tried in a process of its own."""
    from meetsense.speech.whisper.machine import gpu

    found = gpu()
    if found:
        return Finding("machine", "GPU", State.OK, f"works ({', '.join(sorted(found.types))})")
    remedy = next((what for sign, what in MEND_GPU.items() if re.search(sign, found.why_not)), None)
    return Finding("machine", "GPU", State.MISSING, f"not used: {found.why_not}; the CPU is", remedy)
