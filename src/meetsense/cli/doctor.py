"""``meetsense doctor``: what this machine has and lacks, and how to mend it."""

from __future__ import annotations

import json as json_text
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from ctypes.util import find_library
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meetsense.cli.analyze import progress_bar
from meetsense.cli.common import database_options, settings_of
from meetsense.errors import MeetsenseError

if TYPE_CHECKING:
    from meetsense.config import Settings
    from meetsense.speech.directory import Pick
    from meetsense.speech.doctor import Finding

HOUR_MB = 230
"""Decoded sound of an hour, in the temporary directory while a meeting is analysed."""
SQLITE = b"SQLite format 3\0"
"""What a database begins with."""


@click.command()
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def doctor(json: bool, db: Path | None, config: Path | None) -> None:
    """Look at everything that an analysis needs: libraries, models, machine, database.

    Nothing is downloaded or changed. Each library is imported in a process of its own, which takes some
    seconds. Exit status 0 when meetings can be analysed, 1 when they can't; what is missing besides is listed
    with the command that adds it.
    """
    settings = settings_of(config)
    findings, pick = _look(settings, db or settings.database)
    if json:
        click.echo(json_text.dumps(_document(findings, pick), ensure_ascii=False, indent=1))
    else:
        _print(findings)
        if not _blocking(findings):
            click.echo(f"\nMeetings can be analysed; {pick.engine} tells voices apart, because {pick.why}.")
    if blocking := _blocking(findings):
        causes = "; ".join(f"{one.name}: {one.detail}" for one in blocking)
        raise MeetsenseError(f"no meeting can be analysed: {causes}")


def _look(settings: Settings, database: Path) -> tuple[list[Finding], Pick]:
    from meetsense.speech.directory import Choice
    from meetsense.speech.doctor import (
        EXTRA,
        TRIED,
        check_shelf,
        diarizer_finding,
        gpu_finding,
        library_findings,
        model_findings,
        try_imports,
    )

    with progress_bar("doctor") as progress:
        progress("importing libraries, each in a process of its own", 0.0)
        imported = try_imports((*TRIED, *EXTRA))
        progress("verifying models", 0.0)
        shelf = check_shelf(settings.models)
        models = model_findings(settings.models, shelf, settings.whisper)
        progress("looking at the machine", 0.0)
        engine, pick = diarizer_finding(settings.models, Choice(settings.diarizer), imported, shelf)
        machine = [*_machine(settings), gpu_finding(), *_tools()]
    files = [_state(settings.state), _database(database)]
    return [*library_findings(imported), *models, engine, *machine, *files], pick


def _blocking(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.blocks]


def _document(findings: list[Finding], pick: Pick) -> dict[str, Any]:
    return {
        "can_analyse": not _blocking(findings),
        "diarizer": {"engine": pick.engine, "folder": str(pick.folder), "why": pick.why},
        "findings": [asdict(finding) for finding in findings],
    }


def _print(findings: list[Finding]) -> None:
    from meetsense.report.escape import clean

    width = max(len(finding.name) for finding in findings)
    topic = ""
    for one in findings:
        if one.topic != topic:
            topic = one.topic
            click.echo(f"{topic}:")
        click.echo(f"  {clean(one.name):{width}}  {one.state:7}  {clean(one.detail)}")
        if one.remedy and one.state != "ok":
            click.echo(f"  {'':{width}}  mend:    {clean(one.remedy)}")


def _machine(settings: Settings) -> list[Finding]:
    from meetsense.speech.doctor import Finding, State
    from meetsense.speech.whisper.machine import free_memory, physical_cores

    cores, free = physical_cores(), free_memory() / 1e6
    found = [Finding("machine", "processor", State.OK, f"{cores} core{'s' * (cores != 1)}")]
    memory = f"{free:.0f} MB are free, a meeting may take {settings.memory_mb} MB"
    if free < settings.memory_mb:
        remedy = (
            "close other programs, or set a smaller memory_mb in the configuration and take smaller models"
        )
        found.append(Finding("machine", "memory", State.MISSING, memory, remedy))
    else:
        found.append(Finding("machine", "memory", State.OK, memory))
    return [*found, _room("disk for sound", Path(tempfile.gettempdir()), "set TMPDIR to a larger disk")]


def _room(name: str, folder: Path, remedy: str) -> Finding:
    from meetsense.speech.doctor import Finding, State

    free = shutil.disk_usage(folder).free / 1e6
    detail = f"{free:.0f} MB in {folder}, enough for {free / HOUR_MB:.0f} h"
    state = State.OK if free >= HOUR_MB else State.BROKEN
    return Finding("machine", name, state, detail, remedy, needed=True)


def _tools() -> list[Finding]:
    from meetsense.speech.doctor import Finding, State

    found = [Finding("machine", "ffmpeg", State.OK, "not needed")]
    if find_library("portaudio"):
        return [*found, Finding("machine", "PortAudio", State.OK, "installed"), _microphones()]
    why = "not installed; only recording from a microphone needs it"
    return [*found, Finding("machine", "PortAudio", State.MISSING, why, "apt install libportaudio2")]


def _microphones() -> Finding:
    """The names that ``[capture] device`` and ``record --device`` take."""
    from meetsense.capture.microphone import list_devices
    from meetsense.errors import CaptureError
    from meetsense.speech.doctor import Finding, State

    remedy = "plug one in; a user of ALSA must be in the group audio"
    try:
        found = list_devices()
    except CaptureError as error:
        return Finding("machine", "microphones", State.MISSING, f"none can be listed: {error}", remedy)
    names = ", ".join(f"{device.name!r}{' (default)' if device.default else ''}" for device in found)
    if not names:
        return Finding("machine", "microphones", State.MISSING, "none; only recording needs one", remedy)
    return Finding("machine", "microphones", State.OK, names)


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _state(folder: Path) -> Finding:
    from meetsense.speech.doctor import Finding, State

    def found(state: State, detail: str, remedy: str | None = None, *, needed: bool = True) -> Finding:
        return Finding("files", "state directory", state, f"{folder}: {detail}", remedy, needed)

    there = _nearest(folder.absolute())
    if not there.is_dir():
        return found(
            State.BROKEN, f"{there} is no directory", "name another one as state in the configuration"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        return found(State.BROKEN, f"{there} may not be written", f"chown {os.geteuid()} {there}")
    if there != folder.absolute():
        return found(State.OK, "will be made")
    if folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return found(State.BROKEN, "is open to other users", f"chmod 700 {folder}", needed=False)
    return found(State.OK, "is yours alone")


def _database(path: Path) -> Finding:
    """Looked at, not opened: opening it would bring it up to date."""
    from meetsense.speech.doctor import Finding, State

    def found(state: State, detail: str, remedy: str | None = None, *, needed: bool = True) -> Finding:
        return Finding("files", "database", state, f"{path}: {detail}", remedy, needed)

    if not os.path.lexists(path):
        return found(State.OK, "will be made")
    try:
        with path.open("rb") as file:
            head = file.read(len(SQLITE))
    except OSError as error:
        return found(State.BROKEN, f"cannot be read ({error.strerror})", "name another one with --db")
    if head not in (SQLITE, b""):
        return found(State.BROKEN, "is no SQLite database", "name another one with --db")
    if not os.access(path, os.W_OK):
        return found(State.BROKEN, "may not be written", f"chown {os.geteuid()} {path}")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return found(State.BROKEN, "is open to other users", f"chmod 600 {path}", needed=False)
    return found(State.OK, f"{path.stat().st_size / 1e6:.1f} MB")
