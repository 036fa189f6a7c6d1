"""The wheel: what it carries, and that the demo runs from it, outside the checkout, without the network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from meetsense import __version__

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 20_000_000
"""Bytes of the wheel."""


def build(folder: Path, *options: str) -> Path:
    """The wheel of this checkout, built without the network."""
    command = [sys.executable, "-m", "build", *options, "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, by way of the source distribution, as a release is built."""
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``meetsense`` in a fresh virtual environment that holds the wheel and borrows its dependencies."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*map(str, pip), "--disable-pip-version-check", str(wheel)], check=True)
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text("\n".join(sorted(packages)) + "\n")
    return folder / "bin" / "meetsense"


def test_the_wheel_carries_the_models_and_the_bundled_meeting(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST
    names = set(ZipFile(wheel).namelist())
    models = [
        path for path in (ROOT / "models").rglob("*") if path.is_file() and "training" not in path.parts
    ]
    assert {f"meetsense/models/{path.relative_to(ROOT / 'models')}" for path in models} <= names
    for name in ("demo-meeting/meeting.flac", "demo-whisper/model.bin", "demo-whisper/README.md"):
        assert f"meetsense/models/{name}" in names
    assert {"meetsense/py.typed", "meetsense/report/page.css"} <= names


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"meetsense", f"meetsense-{__version__}.dist-info"}
    assert not [name for name in names if "training" in name or "test" in name or name.endswith(".pyc")]


def test_the_checkout_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    direct = build(tmp_path, "--wheel")
    assert sorted(ZipFile(direct).namelist()) == sorted(ZipFile(wheel).namelist())


def test_the_demo_runs_from_the_wheel(program: Path, tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}

    def run(*command: object) -> subprocess.CompletedProcess[str]:
        words = list(map(str, command))
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=here, env=environment)

    where = run(program.with_name("python"), "-c", "import meetsense; print(meetsense.__file__)")
    assert Path(where.stdout).is_relative_to(program.parents[1])
    done = run(program, "demo", "--no-open")
    assert done.returncode == 0, done.stderr
    title = tomllib.loads((ROOT / "models" / "demo-meeting" / "roster.toml").read_text())["title"]
    assert title in done.stdout
    assert done.stderr == "report: meetsense-demo.html\n"
    assert [path.name for path in here.iterdir()] == ["meetsense-demo.html"]
    report = (here / "meetsense-demo.html").read_text()
    assert title in report
    assert "opening hours" in report
    assert not [path for path in home.rglob("*") if path.is_file()]
