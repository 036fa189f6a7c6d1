"""Small meetings to measure: written by hand, or drawn."""

from __future__ import annotations

from hypothesis import strategies as st

from meetsense.interaction.floor import Stretches, merge, segments
from meetsense.values import Act, ActLabel, Measure, Span, Turn, Utterance

LABELS = ("A", "B", "C")
"""The people of the drawn meetings."""


def turns(*lines: str) -> tuple[Turn, ...]:
    """Turns from lines such as ``A 0-2.5``, seconds."""
    made = []
    for line in lines:
        speaker, times = line.split()
        start, end = map(float, times.split("-"))
        made.append(Turn(Span(start, end), speaker))
    return tuple(made)


def stretches(*lines: str) -> Stretches:
    """The stretches of such turns; a speaker's number is their place in ``LABELS``."""
    return merge(segments(turns(*lines), LABELS))


def listed(pieces: Stretches) -> list[tuple[int, int, int]]:
    """Speaker, start and end in ms of each stretch."""
    return list(zip(pieces.speaker.tolist(), pieces.start.tolist(), pieces.end.tolist(), strict=True))


def said(*lines: tuple[str, str]) -> tuple[Utterance, ...]:
    """Utterances of 2 s, one every 3 s, from pairs of speaker and text."""
    return tuple(Utterance(i, who, Span(3.0 * i, 3.0 * i + 2), text) for i, (who, text) in enumerate(lines))


def acts(*labels: str, confidence: float = 1.0) -> tuple[Act, ...]:
    """Acts of utterances 0, 1, …"""
    return tuple(Act(i, ActLabel(label), confidence) for i, label in enumerate(labels))


def by_key(measures: tuple[Measure, ...]) -> dict[tuple[str, str | None, str | None], Measure]:
    """Measures by name and people; each must be there once."""
    keyed = {(m.name, m.subject.speaker, m.subject.other): m for m in measures}
    assert len(keyed) == len(measures)
    return keyed


ms = st.integers(0, 20_000)


@st.composite
def drawn_turns(draw: st.DrawFn, most: int = 14) -> tuple[Turn, ...]:
    """Unsorted turns within 20 s, some empty, some the same; times on a grid of 50 ms meet often."""
    grid = draw(st.sampled_from([1, 50, 500]))
    pieces = []
    for _ in range(draw(st.integers(0, most))):
        start, length = draw(ms), draw(st.integers(0, 4000))
        start, end = start // grid * grid, (start + length) // grid * grid
        pieces.append(Turn(Span(start / 1000, end / 1000), draw(st.sampled_from(LABELS))))
    return tuple(pieces)


TEXTS = (
    "", "yeah", "okay", "mhm", "no", "So", "I suggest we open the desk on Saturday.", "Yes, good idea.",
    "What about the phone list?", "I don't think that works.", "That is decided.", "Please send it to me.",
    "I will write the letter.", "The market is open on Thursday.", "Let's move the desk to the hall.",
)  # fmt: skip


@st.composite
def drawn_talk(draw: st.DrawFn, most: int = 16) -> tuple[Utterance, ...]:
    """Unsorted utterances of meeting talk within a minute."""
    made = []
    for i in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, 60_000))
        span = Span(start / 1000, (start + draw(st.integers(0, 4000))) / 1000)
        made.append(Utterance(i, draw(st.sampled_from(LABELS)), span, draw(st.sampled_from(TEXTS))))
    return tuple(made)
