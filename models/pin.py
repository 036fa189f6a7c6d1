"""Fill the manifest in from the hub: commits, sizes and SHA-256 of every file. For whoever makes a release.

    python models/pin.py --check            does the hub say what the manifest says?
    python models/pin.py                    sizes and hashes of the commits that the manifest names
    python models/pin.py --latest small     ... of the commit that main is at now

HF_TOKEN in the environment is needed for gated models, HF_ENDPOINT names another hub. Large files are hashed
by the hub (large file storage); small ones are fetched, checked against their git object and hashed here.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

from meetsense.errors import MeetsenseError
from meetsense.speech.shelf.hub import Hub, HubError, Listed
from meetsense.speech.shelf.manifest import File, Model, dumps, find, read_manifest

MANIFEST = Path(__file__).with_name("manifest.toml")
LARGEST_SMALL = 64 << 20
"""Bytes up to which a file that is not in large file storage is fetched."""


def git_object(content: bytes) -> str:
    """The SHA-1 that git names a file's content by."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def pinned(model: Model, hub: Hub, revision: str) -> Model:
    """A model as the hub has it at a revision. Raises HubError when a file is gone or isn't what git says."""
    commit, listing = hub.listing(model.source, revision)
    listed = {entry.path: entry for entry in listing}
    if gone := [file.path for file in model.files if file.path not in listed]:
        raise HubError(f"{model.source} at {commit[:8]} has no {', '.join(gone)}")
    files = tuple(_file(hub, model.source, commit, listed[file.path]) for file in model.files)
    return replace(model, revision=commit, files=files, hashes_from=hub.endpoint)


def _file(hub: Hub, source: str, commit: str, entry: Listed) -> File:
    if entry.sha256 is not None:
        return File(entry.path, entry.size, entry.sha256)
    if entry.size > LARGEST_SMALL:
        raise HubError(f"{entry.path} of {source} is large, and the hub has no SHA-256 of it")
    with hub.open_file(source, commit, entry.path) as response:
        try:
            content = response.read(entry.size + 1)
        except (OSError, HTTPException) as error:
            raise hub.trouble(error) from None
    if git_object(content) != entry.blob:
        raise HubError(
            f"{entry.path} of {source} at {commit[:8]} is not the file that git names {entry.blob}"
        )
    return File(entry.path, len(content), hashlib.sha256(content).hexdigest())


def differences(old: Model, new: Model) -> list[str]:
    """What changed between two states of a model, a line each."""
    lines = [] if old.revision == new.revision else [f"commit {old.revision} -> {new.revision}"]
    for before, after in zip(old.files, new.files, strict=True):
        if before != after:
            lines.append(f"{before.path} {before.size} {before.sha256} -> {after.size} {after.sha256}")
    return lines


def main(arguments: list[str]) -> int:
    """Check or rewrite the manifest; exit status 1 when a check finds a difference or a model fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="models; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    parser.add_argument("--latest", action="store_true", help="take the commit that main is at")
    parser.add_argument("--manifest", type=Path, default=MANIFEST)
    options = parser.parse_args(arguments)
    models = read_manifest(options.manifest)
    wanted = {find(name, models).name for name in options.names} or {model.name for model in models}
    token = os.environ.get("HF_TOKEN", "").strip() or None
    status, states = 0, []
    for model in models:
        state = model
        if model.name in wanted:
            try:
                hub = Hub(token=token if model.gated else None)
                state = pinned(model, hub, "main" if options.latest else model.revision)
            except MeetsenseError as error:
                print(f"{model.name}: {error}", file=sys.stderr)
                status = 1
        changed = differences(model, state)
        for line in changed:
            print(f"{model.name}: {line}")
        status = status or int(options.check and bool(changed))
        states.append(state)
    if not options.check:
        draft = options.manifest.with_suffix(".new")
        draft.write_text(dumps(states), encoding="utf-8")
        draft.replace(options.manifest)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
