"""Fetching a model of the manifest: resumed where it broke off, verified, and installed whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from meetsense.errors import EngineError
from meetsense.speech.shelf.check import BLOCK, Progress, faults, sha256_of, silent
from meetsense.speech.shelf.hub import Hub, HubError, NotAllowed, TooShort, how_to_be_allowed
from meetsense.speech.shelf.install import need_room, place_of, put, refuse_to_replace, says, staging
from meetsense.speech.shelf.manifest import File, Model
from meetsense.speech.shelf.record import Installed, read_record

ATTEMPTS = 5
"""Attempts in a row that bring less than WORTHWHILE before a download is given up."""
WORTHWHILE = 1 << 20
"""Bytes that make an attempt count as progress."""
LONGEST_WAIT = 30.0
"""Seconds between two attempts at most."""

Sleep = Callable[[float], None]


def pull(
    model: Model, models: Path, hub: Hub, *, progress: Progress = silent, sleep: Sleep = time.sleep
) -> Path:
    """Install a model from the hub and give its folder; one that is there and whole stays as it is.

    Only the manifest's files of the manifest's commit are fetched. A download that breaks off is kept and
    goes on at the next call; a file with another hash is thrown away and named. Raises EngineError, and then
    nothing is installed or replaced.
    """
    target = place_of(models, model.kind, model.name)
    if _is_there(model, target, progress):
        return target
    refuse_to_replace(target)
    with staging(models, model.kind, model.name, model.revision) as folder:
        try:
            need_room(folder, sum(file.size - _have(folder, file) for file in model.files))
            for file in model.files:
                _obtain(hub, model, file, folder, progress, sleep)
            _tidy(folder, model)
        except NotAllowed as error:
            raise EngineError(how_to_be_allowed(model, hub) if model.gated else str(error)) from None
        except OSError as error:
            raise says(error, folder) from None
        put(Installed(folder, model.name, model.kind, model.source, model.revision, model.files), target)
    return target


def _is_there(model: Model, target: Path, progress: Progress) -> bool:
    try:
        same = set(read_record(target).files) == set(model.files)
    except EngineError:
        return False
    return same and not faults(target, progress=progress)


def _part(folder: Path, file: File) -> Path:
    return folder / f"{file.path}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _have(folder: Path, file: File) -> int:
    """Bytes of a file that an earlier call left, at most its size."""
    return min(file.size, max(_size(folder / file.path), _size(_part(folder, file))))


def _tidy(folder: Path, model: Model) -> None:
    """Remove from a staged folder what the manifest doesn't name."""
    named = {folder / file.path for file in model.files}
    for path in folder.rglob("*"):
        if path.is_file() and path not in named:
            path.unlink()


def _obtain(hub: Hub, model: Model, file: File, folder: Path, progress: Progress, sleep: Sleep) -> None:
    """A whole, verified file in the staged folder. Raises EngineError; OSError when the disk fails."""
    whole, part = folder / file.path, _part(folder, file)
    whole.parent.mkdir(parents=True, exist_ok=True)
    if whole.is_file():
        whole.replace(part)  # of an earlier call: hashed again below
    resumed = _size(part) > 0
    found = _fetched(hub, model, file, part, progress, sleep)
    if found != file.sha256 and resumed:  # what lay there may be the fault; once more from the start
        part.unlink()
        found = _fetched(hub, model, file, part, progress, sleep)
    if found != file.sha256:
        part.unlink()
        raise EngineError(
            f"{file.path} of {model.name} from {hub.endpoint} has SHA-256 {found} instead of {file.sha256}: "
            "refused, nothing was installed"
        )
    part.replace(whole)


def _fetched(hub: Hub, model: Model, file: File, part: Path, progress: Progress, sleep: Sleep) -> str:
    """Download what is missing of a file and give the SHA-256 of the whole."""
    part.touch()
    if _size(part) > file.size:
        part.write_bytes(b"")
    idle, most, anew = 0, _size(part), False
    while _size(part) < file.size:
        trouble = HubError(f"{hub.endpoint}: {file.path} broke off", passing=True)
        try:
            _fetch_some(hub, model, file, part, progress)
        except TooShort:  # what is here belongs to another file
            if anew:
                raise
            part.write_bytes(b"")
            most, anew = 0, True
            continue
        except HubError as error:
            if not error.passing:
                raise
            trouble = error
        if (now := _size(part)) >= file.size:
            break
        idle, most = 0 if now - most >= WORTHWHILE else idle + 1, max(now, most)
        if idle >= ATTEMPTS:
            raise HubError(
                f"{trouble}; given up after {ATTEMPTS} attempts, "
                f"{now} of {file.size} bytes are kept: run the command again to go on"
            )
        sleep(min(LONGEST_WAIT, max(trouble.wait, 2.0**idle / 2)))
    return sha256_of(part, file, lambda name, done, size: progress(f"checking {name}", done, size))


def _fetch_some(hub: Hub, model: Model, file: File, part: Path, progress: Progress) -> None:
    """Append to a partial file what one connection brings. Raises HubError; OSError when the disk fails."""
    start = _size(part)
    with hub.open_file(model.source, model.revision, file.path, start) as response:
        start = _check_range(response, file, start)
        with part.open("r+b") as stream:
            stream.truncate(start)
            stream.seek(start)
            while start < file.size:
                try:
                    block = response.read1(min(BLOCK, file.size - start))
                except (OSError, HTTPException, ValueError) as error:
                    raise hub.trouble(error) from None
                if not block:
                    return
                stream.write(block)
                start += len(block)
                progress(file.path, start, file.size)


def _check_range(response: HTTPResponse, file: File, start: int) -> int:
    """Where a response begins: ``start``, or 0 when it is whole. Raises HubError for another size."""
    if response.status == 206:
        first, _, whole = (response.headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
        if first.partition("-")[0] != str(start):
            raise HubError(f"{file.path}: the server sent another part than asked for", passing=True)
    else:
        start, whole = 0, response.headers.get("Content-Length") or ""
    if whole.isdecimal() and int(whole) != file.size:
        raise HubError(
            f"{file.path} has {whole} bytes on the server instead of {file.size}: refused, "
            "nothing was installed"
        )
    return start
