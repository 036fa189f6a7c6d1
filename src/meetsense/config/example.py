"""The example file: every key with what it means, its unit and its default, commented out."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from meetsense.config import MEMORY_MB, Settings, sections

HEAD = """\
# The configuration of meetsense: every key with its default. To change one, take the # before it away.
#
# It is read from the file that --config names, else from ~/.config/meetsense/config.toml, else, by those who
# may read it, from /etc/meetsense/config.toml. A variable in the environment wins over the file:
# MEETSENSE_THREADS=1, and for a key of a section MEETSENSE_CAPTURE__CHANNEL=2. Empty text means: not given.
# Whether a file is right says: meetsense config check --config FILE
# What is in force, and where it comes from: meetsense config show
"""
WIDTH = 106
SHOWN = {"memory_mb": MEMORY_MB}
"""In place of a default that depends on the machine and can't be empty."""


def example() -> str:
    """The text of the example file."""
    kinds = sections()
    told = descriptions(Settings)
    keys = [
        _key(name, told[name], default) for name, default in defaults(Settings).items() if name not in kinds
    ]
    parts = [HEAD, *keys]
    for name, kind in kinds.items():
        told = descriptions(kind)
        parts.append(f"{_comment(inspect.getdoc(kind) or '')}[{name}]\n")
        parts += [_key(key, told[key], default) for key, default in defaults(kind).items()]
    return "\n".join(parts)


def defaults(kind: type[BaseModel]) -> Mapping[str, Any]:
    """What each key of a section is without a file; an empty text where that is nothing or computed."""
    found = {}
    for name, field in kind.model_fields.items():
        value = "" if field.default in (None, PydanticUndefined) else field.default
        found[name] = SHOWN.get(name, value)
    return found


def descriptions(kind: type[BaseModel]) -> Mapping[str, str]:
    """What each key of a section means: the docstring below it, on one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        named = isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
        if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[before.target.id] = " ".join(str(after.value.value).split())  # type: ignore[attr-defined]
    return found


def _key(name: str, told: str, default: Any) -> str:
    return f"{_comment(told)}#{name} = {_toml(default)}\n"


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(" ".join(text.split()), WIDTH))


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value}"
