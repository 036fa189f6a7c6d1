"""What the database takes along into a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PANDAS = "def __getattr__(name): return type(name, (), {})\n"
"""A pandas that is installed, whichever is."""
ASK = """
import sys
from pathlib import Path
from meetsense.store import Store
Store(Path(sys.argv[1])).close()
print("pandas" in sys.modules, "sqlite_utils" in sys.modules)
import pandas
print(pandas.__name__)
"""


@pytest.mark.parametrize(("before", "loaded"), [("", False), ("import pandas", True)])
def test_pandas_stays_as_it_is(tmp_path: Path, before: str, loaded: bool) -> None:
    (tmp_path / "pandas.py").write_text(PANDAS)
    done = subprocess.run(
        [sys.executable, "-c", before + ASK, str(tmp_path / "new.db")],
        env={"PYTHONPATH": ":".join([str(tmp_path), *sys.path[1:]])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{loaded} True\npandas\n"
