"""A name that comes from an enrolled voice says so, and how sure it is; others don't."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from meetsense.report.html import page
from meetsense.report.terminal import summary
from meetsense.values import Analysis, Recognised, Voiceprint
from tests.report.samples import meeting


def known(*voices: tuple[str, float]) -> Analysis:
    return replace(
        meeting(),
        recognised=tuple(
            Recognised(label, sure, Voiceprint("Somebody", "x@1", (0.25,), 60.0)) for label, sure in voices
        ),
    )


def one_line(analysis: Analysis) -> str:
    return " ".join(summary(analysis, width=120).split())


@pytest.mark.parametrize("report", [one_line, page])
def test_only_names_from_a_voice_say_so(report: Callable[[Analysis], str]) -> None:
    assert "by voice" not in report(meeting())
    shown = report(known(("S2", 0.9666)))
    assert shown.count("known by voice, 96 % sure") == 1
    assert "known by voice, 99 % sure" in report(known(("S1", 1.0)))


@pytest.mark.parametrize("report", [one_line, page])
def test_who_is_known_but_not_named_is_not_told(report: Callable[[Analysis], str]) -> None:
    shown = report(known(("S3", 0.99)))
    assert "by voice" not in shown
    assert "Somebody" not in shown
