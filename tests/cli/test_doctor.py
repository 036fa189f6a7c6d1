"""``meetsense doctor`` on machines that lack things: libraries that really break, each in its own process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from meetsense.cli.doctor import _database, _state
from meetsense.speech.directory import BUNDLED, Choice
from meetsense.speech.doctor import (
    EXTRA,
    TRIED,
    Finding,
    State,
    check_shelf,
    diarizer_finding,
    extra_works,
    gpu_finding,
    library_findings,
    model_findings,
    try_import,
    try_imports,
)
from meetsense.speech.shelf import File, Installed, Kind, read_manifest, write_record
from meetsense.speech.shelf.adopt import adopt
from meetsense.speech.whisper.machine import Gpu, probe
from tests.cli.test_audio import isolated

WITHOUT_EXTRA = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "torchaudio", "torchcodec", "pyannote.audio"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
"""
"""A sitecustomize: what Python says on a machine where the extra was never installed."""
TORCH = """
__version__ = "2.11.0+cpu"
class version:
    cuda = None
class Tensor:
    pass
"""
TORCHAUDIO = """
try:
    raise OSError("libc10_cuda.so: cannot open shared object file: No such file or directory")
except Exception as e:
    raise OSError(f"Could not load this library: {__file__[:-11]}lib/_torchaudio.abi3.so") from e
"""
"""What torch 2.11 for the CPU and torchaudio 2.11 for CUDA say, word for word."""
PYANNOTE = "import torchaudio\n__version__ = '4.0.7'\n"


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules are found before installed ones, in other processes."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def write(libraries: Path, **modules: str) -> None:
    """Make packages; ``__`` in a name is a dot."""
    for name, code in modules.items():
        package = libraries.joinpath(*name.split("__"))
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(code)


def extra_findings(*modules: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in library_findings(try_imports(modules or EXTRA, 60))}


def test_a_library_that_imports(libraries: Path) -> None:
    write(libraries, soxr="__version__ = '9.9'\nprint('a greeting')")
    found = try_import("soxr")
    assert (found.version, found.error) == ("9.9", None)


def test_cuda_linked_torchaudio_beside_torch_for_the_cpu(libraries: Path) -> None:
    write(libraries, torch=TORCH, torchaudio=TORCHAUDIO, torchcodec="", pyannote__audio=PYANNOTE)
    found = extra_findings()
    assert (found["torch"].state, found["torch"].detail) == (State.OK, "2.11.0+cpu, for the CPU")
    audio = found["torchaudio"]
    assert audio.state is State.BROKEN
    assert (
        "torchaudio is built for CUDA (it needs libc10_cuda.so), torch 2.11.0+cpu for the CPU" in audio.detail
    )
    assert audio.remedy is not None
    assert audio.remedy.startswith("pip install --force-reinstall 'torch==2.11.*' 'torchaudio==2.11.*'")
    pyannote = found["pyannote.audio"]
    assert pyannote.state is State.BROKEN
    assert pyannote.detail.startswith("torchaudio does not import: torchaudio is built for CUDA")
    assert pyannote.remedy == audio.remedy


def test_torchaudio_of_another_version(libraries: Path) -> None:
    symbol = "raise OSError('/x/_torchaudio.abi3.so: undefined symbol: _ZN3c104impl3cow23materialize')"
    newer = TORCH.replace("2.11.0+cpu", "2.13.0+cpu")
    write(libraries, torch=newer, torchaudio=symbol, torchcodec="", pyannote__audio=PYANNOTE)
    info = libraries / "torchaudio-2.11.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchaudio\nVersion: 2.11.0\n")
    code = """
import json
from meetsense.speech.doctor import EXTRA, library_findings, try_imports
print(json.dumps({one.name: one.detail for one in library_findings(try_imports(EXTRA, 60))}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torchaudio 2.11.0 does not belong to torch 2.13.0+cpu" in json.loads(done.stdout)["torchaudio"]


def test_what_the_extra_needs_and_lacks(libraries: Path) -> None:
    write(libraries, torch=TORCH, torchaudio="", torchcodec="", pyannote__audio="import nowhere_to_be_found")
    found = extra_findings()["pyannote.audio"]
    assert found.detail == "it needs nowhere_to_be_found, which is not installed"
    assert found.remedy == "pip install 'meetsense[pyannote]'"


def test_a_library_that_aborts(libraries: Path) -> None:
    code = "import os\nos.write(2, b'libcudnn_ops.so.9: cannot open\\n')\nos.abort()"
    write(libraries, torch=code, torchaudio="import torch", torchcodec="", pyannote__audio=PYANNOTE)
    found = extra_findings()
    expected = "importing it ends the process (SIGABRT: libcudnn_ops.so.9: cannot open)"
    assert (found["torch"].state, found["torch"].detail) == (State.BROKEN, expected)
    assert not extra_works(try_imports(EXTRA, 60))


def test_a_library_that_hangs(libraries: Path) -> None:
    write(libraries, soxr="import time\ntime.sleep(600)")
    found = try_import("soxr", 2.0)
    assert found.error == "it was not imported within 2 s"
    (finding,) = library_findings({"soxr": found})
    assert finding.blocks
    assert finding.remedy == "pip install --force-reinstall soxr"


def test_a_broken_torchcodec_is_no_matter(libraries: Path) -> None:
    broken = "raise RuntimeError('Could not load libtorchcodec. Likely causes: FFmpeg')"
    write(libraries, torch=TORCH, torchaudio="", torchcodec=broken, pyannote__audio=PYANNOTE)
    imported = try_imports(EXTRA, 60)
    assert extra_works(imported)
    (found,) = [one for one in library_findings(imported) if one.name == "torchcodec"]
    assert found.state is State.BROKEN
    assert found.detail.endswith("not needed, meetsense hands over samples")
    assert found.remedy is None


def doctor(home: Path, libraries: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, document and stderr of ``meetsense doctor --json``."""
    code = "from meetsense.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--json", *options],
        env=isolated(home) | {"PYTHONPATH": str(libraries)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in document["findings"]}


def test_a_machine_without_the_extra(tmp_path: Path, libraries: Path) -> None:
    (libraries / "sitecustomize.py").write_text(WITHOUT_EXTRA)
    status, document, stderr = doctor(tmp_path, libraries)
    assert (status, stderr) == (0, "")
    assert document["can_analyse"] is True
    assert document["diarizer"]["engine"] == "embedded"
    assert document["diarizer"]["why"] == "the extra pyannote is not installed"
    found = by_name(document)
    extra = found["pyannote (extra)"]
    assert (extra["state"], extra["remedy"]) == ("missing", "pip install 'meetsense[pyannote]'")
    assert not {"torch", "torchaudio", "torchcodec", "pyannote.audio"} & found.keys()
    assert all(found[module]["state"] == "ok" for module in TRIED)
    assert found["words"]["remedy"] == "meetsense models pull small"
    assert found["ffmpeg"]["detail"] == "not needed"
    assert {"processor", "memory", "disk for sound", "GPU", "PortAudio", "state directory"} <= found.keys()
    assert not (tmp_path / ".local").exists(), "it only reads"


def test_a_machine_where_nothing_can_be_analysed(tmp_path: Path, libraries: Path) -> None:
    write(
        libraries, soxr="import os\nos.abort()", torch=TORCH, torchaudio=TORCHAUDIO, pyannote__audio=PYANNOTE
    )
    state = tmp_path / ".local" / "state" / "meetsense"
    installed(state / "models" / "pyannote" / "speaker-diarization-community-1")
    status, document, stderr = doctor(tmp_path, libraries)
    assert status == 1
    assert document["can_analyse"] is False
    assert stderr.count("\n") == 1
    assert stderr.startswith(
        "meetsense: no meeting can be analysed: soxr: importing it ends the process (SIGABRT)"
    )
    assert "CUDA" in by_name(document)["torchaudio"]["detail"]
    assert document["diarizer"]["engine"] == "embedded"
    why = "pyannote could not be taken (it is installed and does not import)"
    assert document["diarizer"]["why"] == why


def test_the_table(tmp_path: Path, libraries: Path) -> None:
    (libraries / "sitecustomize.py").write_text(WITHOUT_EXTRA)
    code = "from meetsense.cli import main\nmain()"
    environment = isolated(tmp_path) | {"PYTHONPATH": str(libraries)}
    command = [sys.executable, "-c", code, "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "mend:    pip install 'meetsense[pyannote]'" in done.stdout
    assert done.stdout.rstrip().endswith(
        "embedded tells voices apart, because the extra pyannote is not installed."
    )


def installed(folder: Path, *, kind: Kind = Kind.PYANNOTE) -> Path:
    """A folder of the kind's files with a record that tells the truth."""
    for name in kind.needs:
        file = folder / name.replace("*", "json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    files = tuple(
        File(
            path.relative_to(folder).as_posix(),
            path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
    write_record(Installed(folder, folder.name, kind, "nowhere", "1" * 40, files))
    return folder


def whisper(folder: Path, extra: int, files: Mapping[str, bytes] | None = None) -> Path:
    """A copy of the demo's Whisper with a record, made larger by bytes that nothing reads."""
    folder.mkdir(parents=True)
    contents = {
        path.name: path.read_bytes() for path in (BUNDLED / "demo-whisper").iterdir() if path.is_file()
    }
    for name, data in {**contents, **(files or {})}.items():
        (folder / name).write_bytes(data + bytes(extra * (name == "model.bin")))
    names = sorted(path.name for path in folder.iterdir())
    record = tuple(
        File(name, (folder / name).stat().st_size, hashlib.sha256((folder / name).read_bytes()).hexdigest())
        for name in names
    )
    write_record(Installed(folder, folder.name, Kind.WHISPER, "nowhere", "1" * 40, record))
    return folder


def looked_at(models: Path, named: str | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in model_findings(models, check_shelf(models), named)}


def test_models_are_hashed(tmp_path: Path) -> None:
    folder = installed(tmp_path / "pyannote" / "mine")
    whisper(tmp_path / "whisper" / "good", 0)
    found = looked_at(tmp_path)
    assert found["pyannote mine"].state is State.OK
    assert (
        found["pyannote mine"].detail
        == "verified, by its own record, not by this manifest, revision 111111111111"
    )
    assert found["whisper good"].state is State.OK
    weights = folder / "plda" / "plda.npz"
    weights.write_bytes(b"x" * weights.stat().st_size)
    found = looked_at(tmp_path)
    assert found["pyannote mine"].state is State.BROKEN
    assert "plda/plda.npz has SHA-256" in found["pyannote mine"].detail
    assert found["pyannote mine"].remedy is not None
    assert "models pull" not in found["pyannote mine"].remedy, "the manifest has no such model"
    (folder / "installed.json").unlink()
    found = looked_at(tmp_path)
    assert found["pyannote mine"].state is State.BROKEN
    assert found["pyannote mine"].remedy == f"meetsense models import {folder}"


def test_a_whisper_model_that_is_named_and_missing_blocks(tmp_path: Path) -> None:
    assert looked_at(tmp_path, "huge")["words"].blocks
    assert not looked_at(tmp_path)["words"].blocks


def test_the_remedy_of_an_imported_model_is_its_folder(tmp_path: Path) -> None:
    """Not the repository that a record of another PC names."""
    there = installed(tmp_path / "stick" / "ours")
    folder = adopt(there, tmp_path / "models", read_manifest(), trust=True).folder
    assert looked_at(tmp_path / "models")["pyannote ours"].detail.startswith("verified, trusted by you")
    (folder / "config.yaml").unlink()
    remedy = f"import it again with meetsense models import {there} --trust --name ours"
    assert looked_at(tmp_path / "models")["pyannote ours"].remedy == remedy


def test_words_come_from_what_will_be_taken(tmp_path: Path) -> None:
    large, small = (
        whisper(tmp_path / "whisper" / name, size) for name, size in (("large", 99), ("small", 0))
    )
    assert looked_at(tmp_path)["words"].detail == f"recognised by {large}"
    weights = large / "model.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    found = looked_at(tmp_path)
    assert (found["whisper large"].state, found["words"].state) == (State.BROKEN, State.OK)
    assert found["words"].detail == f"recognised by {small}"
    named = looked_at(tmp_path, "large")["words"]
    assert named.blocks
    assert "model.bin has SHA-256" in named.detail
    assert not looked_at(tmp_path, "small")["words"].blocks
    (small / "installed.json").unlink()
    found = looked_at(tmp_path)
    assert (found["whisper small"].state, found["words"].state) == (State.BROKEN, State.MISSING)
    assert found["whisper small"].remedy == f"meetsense models import {small}"
    assert looked_at(tmp_path, "small")["words"].blocks
    assert not looked_at(tmp_path / "none", str(BUNDLED / "demo-whisper"))["words"].blocks


def test_files_that_do_not_belong_together_are_found(tmp_path: Path) -> None:
    """They hash as they should, and the engine refuses them."""
    folder = whisper(tmp_path / "whisper" / "mixed", 0, {"preprocessor_config.json": b'{"feature_size": 17}'})
    found = looked_at(tmp_path)
    assert "preprocessor_config.json has 17 bands" in found["whisper mixed"].detail
    assert found["words"].state is State.MISSING
    outside = folder.rename(tmp_path / "outside")
    assert "preprocessor_config.json has 17 bands" in looked_at(tmp_path, str(outside))["words"].detail


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("no GPU driver is loaded", None),
        ("CUDA_VISIBLE_DEVICES hides it", "unset CUDA_VISIBLE_DEVICES"),
        ("its libraries abort (SIGABRT); Unable to load libcudnn_ops.so.9", "nvidia-cudnn-cu12"),
        ("RuntimeError: Library libcublas.so.12 is not found or cannot be loaded", "nvidia-cublas-cu12"),
        ("CUDA driver version is insufficient for CUDA runtime version", "newer driver"),
    ],
)
def test_a_gpu_that_can_be_mended(monkeypatch: pytest.MonkeyPatch, said: str, remedy: str | None) -> None:
    monkeypatch.setattr("meetsense.speech.whisper.machine.gpu", lambda: Gpu(why_not=said))
    found = gpu_finding()
    assert said in found.detail
    assert (found.remedy is None) == (remedy is None)
    assert (remedy or "") in (found.remedy or "")


def test_a_signal_without_a_name(libraries: Path) -> None:
    write(libraries, soxr="import os\nos.kill(os.getpid(), 40)")
    (finding,) = library_findings({"soxr": try_import("soxr")})
    assert finding.detail == "importing it ends the process (Real-time signal 6)"
    command = (sys.executable, "-c", "import os; os.kill(os.getpid(), 40)")
    assert probe(command).why_not == "its libraries abort (Real-time signal 6); without a word"


ABORTS = "import os\nos.write(2, b'terminate called\\n')\nos.abort()"
OPEN = """
import json, sys
from pathlib import Path
from meetsense.pipeline import open_toolbox
tools = open_toolbox(Path(sys.argv[1]))
print(json.dumps([tools.diarizer.name.partition("@")[0], *tools.notes]))
"""


@pytest.mark.parametrize("code", [ABORTS, "raise SystemError('no')", "import os\nos._exit(3)"])
def test_auto_and_doctor_agree_about_a_library_that_breaks(
    tmp_path: Path, libraries: Path, code: str
) -> None:
    write(libraries, torch=TORCH, torchaudio="", pyannote__audio=code)
    models = tmp_path / ".local" / "state" / "meetsense" / "models"
    installed(models / "pyannote" / "mine")
    command = [sys.executable, "-c", OPEN, str(models)]
    environment = isolated(tmp_path) | {"PYTHONPATH": str(libraries)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    engine, note = json.loads(done.stdout)
    assert engine == "embedded"
    assert note.startswith("pyannote could not be taken, the embedded diarizer was: ")
    status, document, _ = doctor(tmp_path, libraries)
    assert (status, document["diarizer"]["engine"]) == (0, "embedded")


def test_doctor_does_not_promise_a_damaged_folder(tmp_path: Path, libraries: Path) -> None:
    write(libraries, torch=TORCH, torchaudio="", torchcodec="", pyannote__audio="")
    folder = installed(tmp_path / ".local" / "state" / "meetsense" / "models" / "pyannote" / "mine")
    status, document, _ = doctor(tmp_path, libraries)
    assert (status, document["diarizer"]["engine"]) == (0, "pyannote")
    (folder / "plda" / "plda.npz").write_bytes(b"x" * len("plda/plda.npz"))
    status, document, _ = doctor(tmp_path, libraries)
    assert (status, document["diarizer"]["engine"]) == (0, "embedded")
    (tmp_path / "config.toml").write_text('diarizer = "pyannote"\n')
    status, document, stderr = doctor(tmp_path, libraries, "--config", str(tmp_path / "config.toml"))
    assert status == 1
    assert "plda/plda.npz has SHA-256" in stderr
    assert stderr.count("\n") == 1


def test_auto_says_what_it_comes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from meetsense.speech.doctor import Imported

    good = {module: Imported(module, "1") for module in EXTRA}
    bad = good | {"pyannote.audio": Imported("pyannote.audio", "1", error="OSError: no")}
    for module in ("directory", "doctor"):
        monkeypatch.setattr(f"meetsense.speech.{module}.has_pyannote", lambda: True)
    assert "no pyannote models are installed" in diarizer_finding(tmp_path, Choice.AUTO, good, {})[0].detail
    asked, _ = diarizer_finding(tmp_path, Choice.PYANNOTE, good, {})
    assert asked.blocks
    assert asked.remedy == "meetsense models pull speaker-diarization-community-1"
    folder = installed(tmp_path / "pyannote" / "mine")
    shelf = check_shelf(tmp_path)
    finding, pick = diarizer_finding(tmp_path, Choice.AUTO, good, shelf)
    assert (pick.engine, pick.folder, finding.state) == (Choice.PYANNOTE, folder, State.OK)
    finding, pick = diarizer_finding(tmp_path, Choice.AUTO, bad, shelf)
    assert (pick.engine, finding.state) == (Choice.EMBEDDED, State.OK)
    finding, _ = diarizer_finding(tmp_path, Choice.PYANNOTE, bad, shelf)
    assert finding.blocks
    assert finding.remedy == "pip install --force-reinstall pyannote-audio"


def test_state_directory_and_database(tmp_path: Path) -> None:
    state, database = tmp_path / "state", tmp_path / "state" / "meetsense.db"
    assert _state(state).state is State.OK
    assert _database(database).state is State.OK
    state.mkdir(0o755)
    assert _state(state).remedy == f"chmod 700 {state}"
    assert not _state(state).blocks
    state.chmod(0o700)
    assert _state(state).state is State.OK
    database.write_text("minutes")
    assert _database(database).blocks
    database.write_bytes(b"SQLite format 3\0" + bytes(100))
    database.chmod(0o644)
    assert _database(database).remedy == f"chmod 600 {database}"
    database.chmod(0o600)
    assert _database(database).state is State.OK
    assert _state(database).blocks
    assert _state(database / "below").blocks
