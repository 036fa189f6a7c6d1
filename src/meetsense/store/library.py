"""sqlite-utils, without what it takes along."""

from __future__ import annotations

import sys
from importlib import import_module


def load() -> None:
    """Import what the database needs, without pandas.

    sqlite-utils imports it where it is installed, to know the type of its timestamps: 35 MB and two seconds
    for nothing. For everybody else in the process pandas stays as it was.
    """
    if "sqlite_utils" in sys.modules:
        return
    absent = "pandas" not in sys.modules
    if absent:
        sys.modules["pandas"] = None  # type: ignore[assignment]  # its import fails, as if it weren't there
    try:
        import_module("sqlite_utils")
    finally:
        if absent:
            del sys.modules["pandas"]
