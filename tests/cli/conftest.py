"""What the tests of the command line share: calls, and a small meeting as a transcript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meetsense.cli import main

Call = Callable[..., Result]

VTT = """WEBVTT Desk hours

00:00.000 --> 00:02.000
<v Ada>What shall we do about the opening hours?

00:02.500 --> 00:06.000
<v Bo>I propose that we open the desk on Saturday morning.

00:06.200 --> 00:06.900
<v Cem>

00:06.500 --> 00:08.500
<v Cem>Yes, I agree, that sounds good to me.

00:09.000 --> 00:12.000
<v Ada>Then it is decided, we open on Saturday morning.

00:12.500 --> 00:14.000
<v Bo>I will write it on the website.
"""
CUES = 6


@pytest.fixture
def call() -> Call:
    """Run ``meetsense`` in this process; a bug's exception comes through."""

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def refused(call: Call) -> Callable[..., str]:
    """Run ``meetsense`` on a user's mistake: exit status 1, nothing on stdout, one line on stderr."""

    def run(*arguments: object) -> str:
        result = call(*arguments, code=1)
        assert result.stdout == ""
        line, newline, rest = result.stderr.partition("\n")
        assert (newline, rest) == ("\n", "")
        assert line.startswith("meetsense: ")
        return line

    return run


@pytest.fixture
def vtt(tmp_path: Path) -> Path:
    """A meeting of three people as WebVTT."""
    path = tmp_path / "desk.vtt"
    path.write_text(VTT)
    return path
