"""``meetsense models``: list, pull, import and verify engines' weights."""

from __future__ import annotations

import json as json_text
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from meetsense.cli.common import database_options, settings_of
from meetsense.errors import MeetsenseError

if TYPE_CHECKING:
    from meetsense.speech.shelf import Fault, Installed, Model
    from meetsense.speech.shelf.check import Progress


@contextmanager
def byte_bar(name: str, total: int | None = None) -> Iterator[Progress]:
    """A bar of bytes on stderr, silent when stderr is not a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def show(path: str, done: int, size: int) -> None:
            if path not in tasks:
                tasks[path] = bar.add_task(escape(f"{name}: {path}"), total=size)
            bar.update(tasks[path], completed=done)

        yield show


def _models(config: Path | None) -> Path:
    return settings_of(config).models


def _print_json(rows: list[dict[str, Any]]) -> None:
    click.echo(json_text.dumps(rows, ensure_ascii=False, indent=1))


def _print_table(rows: list[tuple[str, ...]]) -> None:
    """Rows in columns; on a terminal the last column is wrapped, so that the others stay in line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    indent = sum(widths) + 2 * len(widths)
    room = sys.maxsize
    if sys.stdout.isatty():
        room = max(24, os.get_terminal_size(sys.stdout.fileno()).columns - indent)
    for *cells, text in rows:
        start = "".join(cell.ljust(width + 2) for cell, width in zip(cells, widths, strict=True))
        lines = wrap(text, room) or [""]
        click.echo(f"\n{' ' * indent}".join((f"{start}{lines[0]}".rstrip(), *lines[1:])))


@click.group()
@database_options
def models(db: Path | None, config: Path | None) -> None:
    """List, pull, import and verify engines' weights.

    They lie in the state directory, in models/. A command that follows takes --config as well.
    """


def _config(given: Path | None) -> Path | None:
    """``--config`` of a command, or of the group before it."""
    parent = click.get_current_context().parent
    outer: Path | None = parent.params.get("config") if parent else None
    return given or outer


def _state(model: Model, here: dict[Path, Installed | None], folder: Path) -> str:
    """What became of a model of the manifest on this machine."""
    from meetsense.speech.shelf import faults

    if folder not in here:
        return "-"
    if (record := here[folder]) is None:
        return "not verified"
    if set(record.files) != set(model.files):
        return "other version"
    return "damaged" if faults(folder, full=False) else "installed"


def _row(model: Model, folder: Path, state: str) -> dict[str, Any]:
    return asdict(model) | {"size": model.size, "state": state, "folder": str(folder)}


def _foreign(record: Installed | None, folder: Path) -> dict[str, Any]:
    """A folder on the shelf that is none of the manifest's models."""
    from meetsense.speech.shelf import Model, Pin, faults
    from meetsense.speech.shelf.manifest import total

    row: dict[str, Any] = dict.fromkeys(field.name for field in fields(Model))
    row |= {"name": folder.name, "kind": folder.parent.name, "size": None, "state": "not verified"}
    if record is not None:
        row |= {
            "source": record.source,
            "revision": record.revision,
            "files": [asdict(file) for file in record.files],
            "size": total(record.files),
            "state": "damaged" if faults(folder, full=False) else "installed",
            "purpose": "imported with --trust" if record.pinned_by is Pin.USER else None,
        }
    return row | {"folder": str(folder)}


def _overview(shelf: Path) -> list[dict[str, Any]]:
    """The manifest's models and whatever else lies on the shelf."""
    from meetsense.speech.shelf import Kind, installed, read_manifest
    from meetsense.speech.shelf.install import place_of
    from meetsense.speech.shelf.record import folders

    here: dict[Path, Installed | None] = {folder: None for kind in Kind for folder in folders(shelf, kind)}
    here |= {record.folder: record for kind in Kind for record in installed(shelf, kind)}
    places = {place_of(shelf, model.kind, model.name): model for model in read_manifest()}
    rows = [_row(model, folder, _state(model, here, folder)) for folder, model in places.items()]
    return rows + [_foreign(record, folder) for folder, record in here.items() if folder not in places]


@models.command("list")
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def list_models(json: bool, db: Path | None, config: Path | None) -> None:
    """List the models that there are, and which of them are installed."""
    from meetsense.report.escape import clean
    from meetsense.speech.shelf.install import human

    rows = _overview(_models(_config(config)))
    if json:
        _print_json(rows)
        return
    _print_table(
        [("NAME", "STATE", "SIZE", "LANGUAGES", "LICENCE", "FOR")]
        + [
            (
                clean(row["name"]),
                row["state"],
                human(row["size"]) if row["size"] is not None else "",
                ", ".join(row["languages"] or ()),
                row["licence"] or "",
                row["purpose"] or "",
            )
            for row in rows
        ]
    )


def _token(file: Path | None) -> str | None:
    """The account's token: from a file, or from the environment."""
    if file is None:
        return os.environ.get("HF_TOKEN", "").strip() or None
    try:
        return file.expanduser().read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise MeetsenseError(f"{file}: cannot be read ({error.strerror})") from None


@models.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with a read token, for gated models; default: HF_TOKEN in the environment.",
)
@database_options
def pull(names: tuple[str, ...], token_file: Path | None, db: Path | None, config: Path | None) -> None:
    """Download models, verify and install them; one that fails doesn't keep the others from it.

    A download that breaks off goes on when the command is run again. HF_ENDPOINT in the environment names
    another hub than https://huggingface.co, such as a mirror.
    """
    from meetsense.speech.shelf import find, read_manifest
    from meetsense.speech.shelf.hub import Hub
    from meetsense.speech.shelf.install import human
    from meetsense.speech.shelf.pull import pull as fetch

    shelf, manifest = _models(_config(config)), read_manifest()
    wanted = [find(name, manifest) for name in dict.fromkeys(names)]
    failed = []
    for model in wanted:
        try:
            hub = Hub(token=_token(token_file) if model.gated else None)
            with byte_bar(model.name) as progress:
                folder = fetch(model, shelf, hub, progress=progress)
        except MeetsenseError as error:
            failed.append(str(error) if len(wanted) == 1 else f"{model.name}: {error}")
            continue
        click.echo(f"{model.name}: {human(model.size)}, verified, in {folder}")
        if model.attribution:
            click.echo(f"its licence asks for this line: {model.attribution}", err=True)
    if failed:
        raise MeetsenseError("; ".join(failed))


@models.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--trust", is_flag=True, help="Take it although nobody but you vouches for it; pickles can run anything."
)
@click.option("--name", help="Name for a model that is not in the manifest; default: the folder's.")
@database_options
def import_model(folder: Path, trust: bool, name: str | None, db: Path | None, config: Path | None) -> None:
    """Install a folder that was copied from another PC.

    It may be a clone of a hub repository, a snapshot of huggingface_hub's cache, or a folder that meetsense
    pulled. Which model it is, is found out; it is verified while it is copied.
    """
    from meetsense.speech.shelf import Pin, read_manifest
    from meetsense.speech.shelf.adopt import adopt
    from meetsense.speech.shelf.install import human
    from meetsense.speech.shelf.manifest import total

    with byte_bar("importing") as progress:
        record = adopt(
            folder, _models(_config(config)), read_manifest(), trust=trust, name=name, progress=progress
        )
    how = "verified" if record.pinned_by is Pin.MANIFEST else "trusted by you, not verified by the manifest"
    click.echo(f"{record.name}: {human(total(record.files))}, {how}, in {record.folder}")


def _folders(what: str | None, shelf: Path) -> list[Path]:
    """The folders to verify: all that are installed, a named one, or a directory."""
    from meetsense.speech.shelf import Kind, find, read_manifest
    from meetsense.speech.shelf.install import place_of
    from meetsense.speech.shelf.record import folders

    here = [folder for kind in Kind for folder in folders(shelf, kind)]
    if what is None:
        return here
    if named := [folder for folder in here if folder.name == what]:
        return named
    if os.sep in what or Path(what).is_dir():
        return [Path(what)]
    model = find(what, read_manifest())
    folder = place_of(shelf, model.kind, model.name)
    if folder not in here:
        raise MeetsenseError(f"{model.name} is not installed; meetsense models pull {model.name} installs it")
    return [folder]


def _check(folder: Path) -> tuple[Installed | None, tuple[Fault, ...]]:
    """The record of a folder, and what is wrong with it."""
    from meetsense.speech.shelf import Fault, faults, read_record
    from meetsense.speech.shelf.record import RECORD

    try:
        record = read_record(folder)
    except MeetsenseError as error:
        return None, (Fault(RECORD, str(error)),)
    with byte_bar(record.name) as progress:
        return record, faults(folder, progress=progress)


@models.command()
@click.argument("what", metavar="[NAME|DIR]", required=False)
@click.option("--json", is_flag=True, help="Print JSON.")
@database_options
def verify(what: str | None, json: bool, db: Path | None, config: Path | None) -> None:
    """Hash what is installed again; exit status 1 names every file that is not what it was."""
    from meetsense.report.escape import clean
    from meetsense.speech.shelf.check import vouched_for

    checked = [(folder, *_check(folder)) for folder in _folders(what, _models(_config(config)))]
    if json:
        _print_json(
            [
                {
                    "name": record.name if record else folder.name,
                    "kind": record.kind if record else None,
                    "folder": str(folder),
                    "revision": record.revision if record else None,
                    "pinned_by": record.pinned_by if record else None,
                    "vouched_for": (vouched_for(record) or "by the manifest") if record else None,
                    "ok": not faults,
                    "faults": [asdict(fault) for fault in faults],
                }
                for folder, record, faults in checked
            ]
        )
    else:
        for folder, record, faults in checked:
            count = len(record.files) if record else 0
            by_whom = f", {whom}" if record and (whom := vouched_for(record)) else ""
            click.echo(f"{clean(folder.name)}: {'BAD' if faults else f'ok, {count} files{by_whom}'}")
    if not checked:
        click.echo("no model is installed", err=True)
    bad = [
        f"{folder / fault.file} {fault.problem}" if record else fault.problem
        for folder, record, faults in checked
        for fault in faults
    ]
    if bad:
        raise MeetsenseError("; ".join(bad))
