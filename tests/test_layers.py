"""The order of the house: values, errors < rooms < composers < batch < daemon < cli.

A room never imports another room; a composer imports rooms, never another composer; a heavy library is
imported by one room alone, and never while a module is being imported.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "meetsense"
BASE = {"values", "errors"}
ROOMS = {
    "audio",
    "capture",
    "config",
    "interaction",
    "interchange",
    "mail",
    "privacy",
    "report",
    "speech",
    "store",
}
COMPOSERS = {"pipeline", "digest", "review", "erase"}
LEVELS = {**dict.fromkeys(BASE, 0), **dict.fromkeys(ROOMS, 1), **dict.fromkeys(COMPOSERS, 2)}
LEVELS |= {"batch": 3, "daemon": 4, "cli": 5}
HEAVY = {
    "av": "audio",
    "soundfile": "audio capture",
    "soxr": "audio capture",
    "sounddevice": "capture",
    "icalendar": "capture",
    "recurring_ical_events": "capture",
    "pyrage": "privacy",
    "sdnotify": "daemon",
    "faster_whisper": "speech",
    "onnxruntime": "speech",
    "ctranslate2": "speech",
    "torch": "speech",
    "pyannote": "speech",
    "torchaudio": "speech",
    "huggingface_hub": "speech",
    "scipy": "interaction speech",
    "sqlite_utils": "store",
    "jinja2": "report",
    "rich": "report cli",
    "webvtt": "interchange",
    "pydantic_settings": "config",
}
"""Heavy library to the rooms that may import it."""
EAGER = {"sqlite_utils", "pydantic_settings"}
"""Libraries that define what a module is; the module itself is imported late."""


def sources() -> Iterator[tuple[str, str, ast.Module]]:
    """Name, room and syntax tree of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] == "models":
            continue
        room = "" if parts == ("__init__",) else parts[0]
        yield ".".join(("meetsense", *parts)), room, ast.parse(path.read_text())


def imported(node: ast.AST) -> list[str]:
    """Dotted names that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def violations(name: str, room: str, tree: ast.Module) -> list[str]:
    """Imports of a module that break the order of the house."""
    found = []
    eager = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        for target in imported(node):
            top, _, rest = target.partition(".")
            if top == "meetsense":
                other = rest.partition(".")[0]
                if other in LEVELS and other != room and LEVELS[other] >= LEVELS.get(room, 0):
                    found.append(f"{name} ({room or 'package'}) imports {target}")
            elif top in HEAVY:
                if room not in HEAVY[top].split():
                    found.append(f"{name} imports {top}, which belongs to {HEAVY[top]}")
                if id(node) in eager and top not in EAGER:
                    found.append(f"{name} imports {top} eagerly")
    return found


def test_every_module_has_a_room() -> None:
    assert {room for _, room, _ in sources() if room} <= LEVELS.keys() | {"__main__"}


def test_order_of_the_house() -> None:
    assert [v for module in sources() for v in violations(*module)] == []


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("report", "import meetsense.store"),
        ("report", "from meetsense.store import Store"),
        ("report", "from meetsense import store"),
        ("store", "def f():\n    from meetsense.pipeline import analyse"),
        ("pipeline", "from meetsense.digest import week"),
        ("values", "from meetsense.audio import load_audio"),
        ("report", "def f():\n    import soundfile"),
        ("audio", "import soundfile"),
    ],
)
def test_planted_violations_are_found(room: str, code: str) -> None:
    assert violations(f"meetsense.{room}", room, ast.parse(code))


def test_help_loads_nothing_heavy() -> None:
    run = "from meetsense.cli import main; main(['--help'], standalone_mode=False)"
    code = f"import sys; {run}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {*HEAVY, "numpy", "meetsense.pipeline"}
