"""Small meetings read for initiative: lines of speaker, act and text, and drawn ones."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from meetsense.interaction.measures.talk import Said
from meetsense.interaction.moves import Move, read_moves
from meetsense.interaction.uptake import Exchange, read_exchange
from meetsense.values import ActLabel
from tests.interaction.meetings import LABELS

Line = tuple[str, str, str]
"""Speaker, act and text."""


def heard(*lines: Line, step: float = 3.0, length: float = 2.0, start: float = 0.0) -> tuple[Said, ...]:
    """Utterances of ``length`` seconds, one every ``step`` seconds; speakers count by their place in ABC."""
    return tuple(
        Said(
            id=i,
            speaker=LABELS.index(who),
            start=round((start + i * step) * 1000),
            end=round((start + i * step + length) * 1000),
            label=ActLabel(act),
            confidence=1.0,
            text=text,
        )
        for i, (who, act, text) in enumerate(lines)
    )


def moves(*lines: Line, step: float = 3.0) -> tuple[Move, ...]:
    """Such utterances, read."""
    found = read_moves(heard(*lines, step=step), "en")
    assert found is not None
    return found


def exchange(said: tuple[Said, ...]) -> Exchange:
    """Utterances in any order, read in that of time."""
    found = read_exchange(sorted(said, key=lambda one: one.start), "en")
    assert found is not None
    return found


SAYINGS = (
    ("proposal", "I suggest we open the desk on Saturday."),
    ("proposal", "Let's buy a new printer."),
    ("agreement", "Yes, good idea."),
    ("agreement", "Yeah."),
    ("disagreement", "No, the desk is too expensive."),
    ("question", "What do you think?"),
    ("question", "How much is the printer?"),
    ("information", "The desk is open on Thursday."),
    ("information", "The next item is the printer."),
    ("information", "So we have agreed on the desk."),
    ("confirmation", "That is decided, we open the desk."),
    ("commitment", "I will write the letter."),
    ("directive", "Please send the letter to me."),
    ("backchannel", "Mhm."),
    ("floor", "So."),
    ("other", "Thank you."),
)


@st.composite
def drawn_talk(draw: st.DrawFn, most: int = 24) -> tuple[Said, ...]:
    """Utterances of meeting talk in order of time, some of them overlapping."""
    time, made = 0, []
    for i in range(draw(st.integers(0, most))):
        time += draw(st.integers(0, 8000))
        length = draw(st.integers(0, 4000))
        act, text = draw(st.sampled_from(SAYINGS))
        made.append(Said(i, draw(st.integers(0, 2)), time, time + length, ActLabel(act), 1.0, text))
    return tuple(made)


def later(said: tuple[Said, ...], ms: int, first_id: int = 0) -> tuple[Said, ...]:
    """The same talk so much later, its ids counted from another one."""
    return tuple(replace(u, id=u.id + first_id, start=u.start + ms, end=u.end + ms) for u in said)


def renamed(said: tuple[Said, ...], places: tuple[int, ...]) -> tuple[Said, ...]:
    """The same talk by other people: whoever was ``i`` is ``places[i]``."""
    return tuple(replace(u, speaker=places[u.speaker]) for u in said)
