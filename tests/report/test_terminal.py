"""The summary for the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from rich.cells import cell_len

from meetsense.report.escape import clean
from meetsense.report.figures import quantity
from meetsense.report.people import people
from meetsense.report.terminal import summary
from meetsense.report.terms import term
from meetsense.report.wording import BRIEF, NOT_FOR, OF_PEOPLE
from meetsense.values import Analysis, Grade
from tests.report import samples
from tests.strategies import analyses

MANY = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
SECRET = 987_654_321
ALL = (samples.meeting, samples.silence, samples.without_words, samples.without_acts, samples.alone)


@MANY
@given(analyses())
def test_any_meeting_fits_the_width_and_is_plain_text(analysis: Analysis) -> None:
    for width in (40, 60, 80, 120):
        text = summary(analysis, width=width)
        assert text.endswith("\n")
        for line in text.split("\n"):
            assert cell_len(line) <= width
            assert clean(line).split() == line.split()


@MANY
@given(analyses())
def test_nobody_and_no_note_is_lost(analysis: Analysis) -> None:
    text = "".join(summary(analysis, width=400).split())
    for shown in (*(person.name for person in people(analysis)), *map(clean, analysis.notes)):
        assert "".join(shown.split()) in text


@MANY
@given(analyses())
def test_a_withheld_figure_has_no_number(analysis: Analysis) -> None:
    hidden = tuple(replace(m, n=SECRET) if m.grade is Grade.WITHHELD else m for m in analysis.measures)
    assert str(SECRET) not in summary(replace(analysis, measures=hidden), width=200)


def test_the_whole_story() -> None:
    text = summary(samples.meeting(4), width=80)
    assert "Mara (chair)" in text
    assert "S3 (caretaker)" in text
    assert re.search(r"^ 3  adopted   open late on Thursdays +00:28$", text, re.MULTILINE)
    assert "Jonas proposed 00:28" in text
    assert "comes back from 1: S3 had it first" in text
    assert "1 adopted, 1 rejected, 1 ignored" in text
    assert "--html" in text


def test_a_decision_stands_with_the_words_in_which_it_was_made() -> None:
    talk = samples.meeting()
    assert "as confirmed" not in summary(talk)
    made = (*talk.decisions[:2], replace(talk.decisions[2], wording=10))
    lines = summary(replace(talk, decisions=made)).splitlines()
    at = next(i for i, line in enumerate(lines) if "open late on Thursdays" in line)
    assert lines[at + 1] == "    as confirmed: “Then it's decided, Thursdays until eight.”"


def test_figures_have_value_interval_n_and_grade() -> None:
    talk = samples.meeting(20)
    shares = [m for m in talk.measures if m.name == "talk_share"]
    lines = summary(talk, width=80).splitlines()
    for m, name in zip(shares, ("Mara", "Jonas", "S3"), strict=True):
        line = next(line for line in lines if line.startswith(name))
        assert re.search(rf"{m.value:.0%}".replace("%", " %"), line)
        assert re.search(rf"\d+ to \d+ %  n = {m.n} +firm$", line)
    wide = summary(talk, width=120).splitlines()
    for m in talk.measures:
        if m.subject.speaker is None and m.value is not None:
            title = re.escape(term(m.name).title)
            (line,) = (line for line in wide if re.match(rf"{title}  .* n = \d+ +\w+$", line))
            assert f"n = {m.n} " in line
            assert line.endswith(str(m.grade))


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.__name__)
@pytest.mark.parametrize("width", [60, 80])
def test_reasons_stand_there_in_words(sample: Callable[[], Analysis], width: int) -> None:
    talk = sample()
    text = " ".join(summary(talk, width=width).split())
    for m in talk.measures:
        if m.grade is Grade.WITHHELD:
            assert m.reason is not None
            assert m.reason in text
    assert all(note in text for note in talk.notes)


@pytest.mark.parametrize(
    ("confidence", "told"), [(0.8, None), (0.6, "the program is unsure"), (0.2, "the program is guessing")]
)
def test_an_unsure_reading_says_so(confidence: float, told: str | None) -> None:
    talk = samples.meeting()
    chains = tuple(replace(chain, confidence=confidence) for chain in talk.decisions)
    text = summary(replace(talk, decisions=chains), width=100)
    assert text.count("the program is") == (len(chains) if told else 0)
    assert told is None or text.count(told) == len(chains)


def test_silence_is_an_honest_report() -> None:
    text = summary(samples.silence())
    assert "Nobody was heard" in text
    assert "No decisions can be found without words." in text
    assert "100 %" in text


def test_hostile_text_stays_text() -> None:
    for colour in (False, True):
        text = summary(samples.hostile(), width=100, colour=colour)
        without_own = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert "\x1b" not in without_own
        assert not set("\u202e\u2066\x07\x9b\r\x00") & set(without_own)
        assert "[bold red]markup[/] :smile:" in without_own


def test_colour_only_when_asked_for() -> None:
    talk = samples.meeting()
    plain, coloured = summary(talk), summary(talk, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert [
        line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()
    ] == plain.splitlines()


def test_twenty_people_and_three_hours() -> None:
    text = summary(samples.crowd(), width=80)
    assert all(re.search(rf"^S{i} ", text, re.MULTILINE) for i in range(1, 21))


def crowded(people: int, name: str) -> Analysis:
    """A meeting of people whose names begin alike."""
    talk = samples.bound(samples.crowd(people, 10))
    named = tuple(replace(s, name=f"{name}{i}") for i, s in enumerate(talk.speakers))
    return replace(talk, speakers=named)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("people", [2, 4, 6, 9, 30])
@pytest.mark.parametrize("name", ["P", "Speaker number ", "参加者", "e\u0301\u200d" * 20])
def test_the_uptake_matrix_fits_and_has_every_pair(width: int, people: int, name: str) -> None:
    talk = crowded(people, name)
    text = summary(talk, width=width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Who takes up whose claims"))
    last = next(i for i, line in enumerate(lines) if i > first and line.startswith("4/9: "))
    cells = re.findall(r"(\d+)/(\d+)([●◐])", " ".join(lines[first:last]))
    rates = [m for m in talk.measures if m.name == "grant_rate" and m.part is not None]
    wanted = [(f"{m.part:.0f}", str(m.n), "●" if m.grade is Grade.FIRM else "◐") for m in rates]
    assert sorted(cells) == sorted(wanted)
    assert len(wanted) > 0


def test_a_crowd_has_its_matrix_in_the_page() -> None:
    text = summary(crowded(31, "P"))
    assert "31 people: pair by pair in the page" in text
    assert "4/9: " not in text


@pytest.mark.parametrize("width", [40, 120])
def test_every_figure_of_a_small_meeting_is_there(width: int) -> None:
    talk = samples.bound(samples.meeting(8))
    text = " ".join(summary(talk, width=width).split())
    for m in talk.measures:
        if m.subject.other is None and m.value is not None:
            assert term(m.name).title in text or m.name == "talk_share"
            if m.subject.speaker is None:
                assert quantity(m.value, m.unit) in text
                assert f"n = {m.n}" in text


def test_side_by_side_figures_say_how_sure() -> None:
    lines = summary(samples.bound(samples.meeting(8)), width=120).splitlines()
    (line,) = (line for line in lines if line.startswith(f"{term('initiative_share').title} "))
    assert re.findall(r"(\d+) % ([●◐]) n=(\d+)", line) == [
        ("12", "●", "32"),
        ("25", "●", "32"),
        ("12", "●", "32"),
    ]
    below = lines[lines.index(line) + 1]
    assert len(re.findall(r"\d+ to \d+ %", below)) == 3


def test_figures_of_people_say_how_to_read_them_side_by_side() -> None:
    flat = " ".join(summary(samples.bound(samples.meeting())).split())
    for note in OF_PEOPLE.values():
        assert flat.count(note) == 1
    assert not [note for note in OF_PEOPLE.values() if note in summary(samples.without_words())]


def test_what_figures_must_not_be_used_for_stands_in_every_report() -> None:
    for talk in (samples.meeting(), samples.silence()):
        for brief in (True, False):
            assert NOT_FOR in " ".join(summary(talk, width=80, brief=brief).split())


def test_doubts_are_a_line_a_reason() -> None:
    talk = samples.bound(samples.crowd(rounds=40))
    lines = summary(talk, width=200).splitlines()
    start = lines.index("Tentative")
    assert len([m for m in talk.measures if m.grade is not Grade.FIRM]) > 300
    assert 2 <= len([line for line in lines[start:] if line.startswith("-")]) <= 15


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = samples.meeting()
    before = summary(talk), summary(talk, colour=True)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    assert (summary(talk), summary(talk, colour=True)) == before


def test_a_brief_summary_says_where_the_rest_is() -> None:
    talk = samples.bound(samples.meeting(4))
    whole, brief = summary(talk, width=100), summary(talk, width=100, brief=True)
    assert len(brief.splitlines()) < len(whole.splitlines())
    assert f"Every figure: meetsense show {talk.meeting.id}" in brief
    assert "Every figure: " not in summary(talk, width=100, brief=True, stored=False)
    for name in {measure.name for measure in talk.measures} & BRIEF - {"talk_share", "claims"}:
        assert term(name).title.split()[0] in brief
