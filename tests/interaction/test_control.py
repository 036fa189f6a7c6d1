"""Control after Walker & Whittaker: every rule by example, and what holds for any talk."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction.control import ShiftKind, control_of
from meetsense.interaction.measures.talk import Said
from tests.interaction.exchanges import Line, drawn_talk, exchange, later, moves, renamed
from tests.interaction.meetings import LABELS

slow = settings(deadline=None)

TELLS = ("A", "information", "The desk is closed on Mondays.")
ASKS = ("A", "question", "When is the desk open?")


def controllers(*lines: Line, step: float = 3.0) -> str:
    """Who has control after each line; ``-`` for nobody."""
    return "".join("-" if i < 0 else LABELS[i] for i in control_of(moves(*lines, step=step)).controller)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([TELLS], "A"),
        ([TELLS, ("B", "information", "The printer is empty.")], "AB"),
        ([ASKS, ("B", "information", "On Thursday.")], "AA"),
        ([ASKS, ("B", "information", "On Thursday."), ("B", "information", "And Friday.")], "AAA"),
        ([ASKS, ("B", "question", "Which desk?")], "AA"),
        ([ASKS, ("B", "information", "On Thursday."), ("C", "information", "The printer is empty.")], "AAC"),
        ([ASKS, ("B", "proposal", "We should open it daily.")], "AB"),
        ([ASKS, ("B", "directive", "Please look it up.")], "AB"),
        ([("A", "directive", "Please send the letter."), ("B", "commitment", "I will.")], "AA"),
        ([("A", "directive", "Please send the letter."), ("B", "question", "To whom?")], "AA"),
        ([TELLS, ("B", "commitment", "I will write the letter.")], "AB"),
        ([TELLS, ("B", "backchannel", "Mhm."), ("C", "agreement", "True.")], "AAA"),
        ([TELLS, ("B", "disagreement", "No, it is open.")], "AB"),
        ([("A", "backchannel", "Mhm."), ("B", "floor", "So.")], "--"),
        ([ASKS, TELLS, ("B", "information", "The printer is empty.")], "AAB"),
    ],
)
def test_who_has_control(lines: list[Line], expected: str) -> None:
    assert controllers(*lines) == expected


def test_an_answer_comes_within_twenty_seconds() -> None:
    answer = ("B", "information", "On Thursday.")
    assert controllers(ASKS, answer, step=22.0) == "AA"
    assert controllers(ASKS, answer, step=22.1) == "AB"


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (("A", "backchannel", "Mhm."), ShiftKind.ABDICATION),
        (("A", "agreement", "Right."), ShiftKind.ABDICATION),
        (("A", "information", "So we have agreed on the desk."), ShiftKind.SUMMARY),
        (("A", "information", "The desk is closed."), ShiftKind.SUMMARY),
        (("A", "information", "The cellar is wet."), ShiftKind.INTERRUPTION),
    ],
)
def test_shifts_are_typed_by_how_the_controller_left_off(last: Line, kind: ShiftKind) -> None:
    control = control_of(moves(TELLS, last, ("B", "information", "The printer is empty.")))
    (shift,) = control.shifts
    assert (shift.kind, shift.giver, shift.taker, shift.utterance) == (kind, 0, 1, 2)


def test_words_of_long_ago_are_not_repeated() -> None:
    lines = TELLS, ("A", "information", "The desk is closed."), ("B", "information", "The printer is empty.")
    assert control_of(moves(*lines, step=32.0)).shifts[0].kind is ShiftKind.SUMMARY
    assert control_of(moves(*lines, step=32.1)).shifts[0].kind is ShiftKind.INTERRUPTION


@slow
@given(drawn_talk())
def test_shifts_are_the_changes_of_the_controller(talk: tuple[Said, ...]) -> None:
    control = exchange(talk).control
    assert len(control.controller) == len(control.takes) == len(talk)
    held = [who for who in control.controller if who >= 0]
    changes = [(one, other) for one, other in pairwise(held) if one != other]
    assert [(shift.giver, shift.taker) for shift in control.shifts] == changes
    for said, takes, who in zip(talk, control.takes, control.controller, strict=True):
        assert not takes or who == said.speaker


@slow
@given(drawn_talk(), st.permutations([0, 1, 2]), st.integers(0, 10**7))
def test_names_and_the_hour_do_not_matter(talk: tuple[Said, ...], places: list[int], ms: int) -> None:
    before = exchange(talk).control
    after = exchange(later(renamed(talk, tuple(places)), ms)).control
    assert after.controller == tuple(places[i] if i >= 0 else -1 for i in before.controller)
    assert [s.kind for s in after.shifts] == [s.kind for s in before.shifts]
