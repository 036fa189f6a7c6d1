"""``models/pin.py``, run as a release manager runs it, against a hub on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meetsense.speech.shelf import File, Kind, read_manifest
from meetsense.speech.shelf.manifest import dumps
from tests.speech.shelf_hub import (
    COMMIT,
    Answer,
    FakeHub,
    model_of,
    pyannote_files,
    serving,
    whisper_files,
)

PIN = Path(__file__).parents[2] / "models" / "pin.py"
SMALL = model_of("small", whisper_files())
GATED = model_of("community", pyannote_files(), kind=Kind.PYANNOTE, gated=True, licence="CC-BY-4.0")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as server:
        server.files[SMALL.source] = whisper_files()
        server.files[GATED.source] = pyannote_files()
        yield server


def empty(file: File) -> File:
    return File(file.path, 0, "0" * 64)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest without hashes, as for models that were just added."""
    path = tmp_path / "manifest.toml"
    models = (replace(model, files=tuple(map(empty, model.files))) for model in (SMALL, GATED))
    path.write_text(dumps(models), encoding="utf-8")
    return path


def pin(hub: FakeHub, manifest: Path, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
    return subprocess.run(
        [sys.executable, str(PIN), "--manifest", str(manifest), *words],
        capture_output=True,
        text=True,
        check=False,
        env=kept | {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token},
    )


def test_it_fills_in_what_the_hub_says(hub: FakeHub, manifest: Path) -> None:
    done = pin(hub, manifest)
    assert (done.returncode, done.stderr) == (0, "")
    assert read_manifest(manifest) == tuple(replace(m, hashes_from=hub.endpoint) for m in (SMALL, GATED))
    assert done.stdout.count("\n") == len(SMALL.files) + len(GATED.files)
    assert not hub.requests("model.bin"), "weights are hashed by the hub"
    again = pin(hub, manifest)
    assert (again.returncode, again.stdout) == (0, "")


def test_a_check_writes_nothing(hub: FakeHub, manifest: Path) -> None:
    before = manifest.read_text()
    done = pin(hub, manifest, "--check")
    assert done.returncode == 1
    assert f"small: model.bin 0 {'0' * 64} -> 300000" in done.stdout
    assert manifest.read_text() == before
    pin(hub, manifest)
    assert pin(hub, manifest, "--check").returncode == 0


def test_the_latest_commit_of_one_model(hub: FakeHub, manifest: Path) -> None:
    old = replace(SMALL, revision="f" * 40)
    manifest.write_text(dumps((old, GATED)))
    gone = pin(hub, manifest, "small")
    assert gone.returncode == 1
    assert "small: " in gone.stderr
    assert "(404)" in gone.stderr
    done = pin(hub, manifest, "--latest", "small")
    assert done.stdout == f"small: commit {'f' * 40} -> {COMMIT}\n"
    assert read_manifest(manifest) == (replace(SMALL, hashes_from=hub.endpoint), GATED)


def test_gated_models_need_the_token_and_free_ones_never_get_it(hub: FakeHub, manifest: Path) -> None:
    hub.token = "hf_secret"
    done = pin(hub, manifest, token="hf_secret")
    assert done.returncode == 1
    assert "small: " in done.stderr
    assert "hf_secret" not in done.stderr + done.stdout
    assert read_manifest(manifest)[1].files == GATED.files
    assert {seen.token for seen in hub.seen if SMALL.source in seen.path} == {None}


def test_a_small_file_that_is_not_gits_is_refused(hub: FakeHub, manifest: Path) -> None:
    hub.answers["config.json"] = [Answer(cut=300)]
    done = pin(hub, manifest, "small")
    assert done.returncode == 1
    assert "config.json of someone/faster-small at 01234567 is not the file that git names" in done.stderr
    assert read_manifest(manifest)[0].files[0].size == 0


def test_a_file_that_the_hub_lacks_is_named(hub: FakeHub, manifest: Path) -> None:
    del hub.files[SMALL.source]["vocabulary.txt"]
    assert "has no vocabulary.txt" in pin(hub, manifest, "small").stderr
