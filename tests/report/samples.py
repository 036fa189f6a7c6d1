"""Meetings that the reports must show honestly. Everybody in them is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from meetsense.interaction import measure
from meetsense.values import (
    Act,
    ActLabel,
    Analysis,
    DecisionChain,
    DecisionStatus,
    Engines,
    LedgerEntry,
    LedgerRole,
    Meeting,
    Span,
    Speaker,
    Turn,
    Utterance,
)

LINES = (
    ("S1", "Let's start with the opening hours, the survey is back.", "directive"),
    ("S2", "Mhm.", "backchannel"),
    ("S3", "Maybe we could open one evening a week, say Thursdays.", "proposal"),
    ("S1", "The other thing is the heating in the reading room.", "information"),
    ("S2", "I suggest that we put two electric heaters there.", "proposal"),
    ("S3", "The old sockets can't take that.", "disagreement"),
    ("S1", "No heaters then, we wait for the repair.", "confirmation"),
    ("S2", "What if we stay open late on Thursdays?", "proposal"),
    ("S1", "Yes, that works.", "agreement"),
    ("S3", "That is what I said before, but fine.", "agreement"),
    ("S1", "Then it's decided, Thursdays until eight.", "confirmation"),
    ("S2", "I'll write the notice for the door.", "commitment"),
)
SPEAKERS = (Speaker("S1", "Mara", "chair"), Speaker("S2", "Jonas"), Speaker("S3", None, "caretaker"))
ENGINES = Engines("vad@1", "voices@1", "words@1", "rules@1")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "</title><iframe src='https://example.invalid/'></iframe>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\u202egnp.exe\u2066 \x1b[31mred\x07\x9b2J\r\nnew line\u2028\x00",
    "[bold red]markup[/] :smile: \\[x]",
    "مرحبا بالجميع، لنبدأ الاجتماع",
    "👩\u200d👩\u200d👧 🎉 é e\u0301 日本語のテキスト",
    "N" * 400,
)


def chain(
    number: int, status: str, topic: str, *ledger: tuple[str, str, int], back: int | None = None
) -> DecisionChain:
    """A decision with its ledger of role, speaker and utterance."""
    entries = tuple(LedgerEntry(LedgerRole(role), speaker, said) for role, speaker, said in ledger)
    span = Span(4.0 * ledger[0][2], 4.0 * ledger[-1][2] + 3.5)
    return DecisionChain(number, DecisionStatus(status), span, topic, 0.8, entries, back)


DECISIONS = (
    chain(0, "ignored", "one evening a week", ("proposed", "S3", 2)),
    chain(
        1, "rejected", "electric heaters",
        ("proposed", "S2", 4), ("objected", "S3", 5), ("confirmed", "S1", 6),
    ),
    chain(
        2, "adopted", "open late on Thursdays",
        ("proposed", "S2", 7), ("agreed", "S1", 8), ("agreed", "S3", 9), ("confirmed", "S1", 10),
        ("committed", "S2", 11), back=0,
    ),
)  # fmt: skip


def meeting(rounds: int = 1, *, sees_overlap: bool = True, people: int | None = None) -> Analysis:
    """The same talk so many times over, 4 s an utterance, with overlaps."""
    said = []
    for i in range(rounds * len(LINES)):
        speaker, text, _ = LINES[i % len(LINES)]
        said.append(Utterance(i, speaker, Span(4.0 * i, 4.0 * i + (4.5 if i % 3 else 3.0)), text))
    acts = tuple(Act(u.id, ActLabel(LINES[u.id % len(LINES)][2]), 0.5 + u.id % 5 / 10) for u in said)
    turns = tuple(Turn(u.span, u.speaker) for u in said)
    duration = 4.0 * len(said) + 5.0
    return Analysis(
        Meeting("0123456789ab", "Weekly planning", datetime(2026, 11, 23, 9, tzinfo=UTC), duration, "en"),
        ENGINES,
        SPEAKERS,
        turns,
        tuple(said),
        acts,
        DECISIONS,
        measure(
            turns,
            duration=duration,
            labels=tuple(speaker.label for speaker in SPEAKERS),
            utterances=said,
            acts=acts,
            sees_overlap=sees_overlap,
            people=people,
        ),
    )


def silence() -> Analysis:
    """Five minutes in which nobody speaks."""
    return Analysis(
        Meeting("0123456789ab", "Nobody came", datetime(2026, 11, 23, 9, tzinfo=UTC), 312.0),
        Engines("vad@1", "voices@1", "words@1"),
        measures=measure((), duration=312.0, labels=(), sees_overlap=True, people=None),
        notes=("No speech was found in this recording.",),
    )


def without_words() -> Analysis:
    """An engine that lets one person at a time speak, no words, and a roster that says otherwise."""
    talk = meeting(4, sees_overlap=False, people=5)
    return replace(
        talk,
        engines=Engines("vad@1", "voices@1"),
        utterances=(),
        acts=(),
        decisions=(),
        measures=measure(
            talk.turns,
            duration=talk.meeting.duration,
            labels=("S1", "S2", "S3"),
            sees_overlap=False,
            people=5,
        ),
        notes=("Without words: there is no model.",),
    )


def without_acts() -> Analysis:
    """Words of a language that has no acts."""
    talk = meeting()
    return replace(
        talk,
        meeting=replace(talk.meeting, language="fi"),
        acts=(),
        decisions=(),
        engines=replace(ENGINES, acts=None),
        notes=("Acts and decisions are not available in the language 'fi'.",),
    )


def alone() -> Analysis:
    """One voice."""
    talk = meeting()
    said = tuple(u for u in talk.utterances if u.speaker == "S1")
    turns = tuple(Turn(u.span, "S1") for u in said)
    figures = measure(turns, duration=60.0, labels=("S1",), sees_overlap=True, people=None)
    return replace(
        talk, speakers=SPEAKERS[:1], turns=turns, utterances=said, acts=(), decisions=(), measures=figures
    )


def crowd(people: int = 20, rounds: int = 167) -> Analysis:
    """Three hours, twenty people, two thousand utterances."""
    talk = meeting(rounds)
    labels = [f"S{i}" for i in range(1, people + 1)]
    said = tuple(
        replace(u, speaker=labels[u.id * 7 % people], span=Span(5.4 * u.id, 5.4 * u.id + 5.6))
        for u in talk.utterances
    )
    turns = tuple(Turn(u.span, u.speaker) for u in said)
    duration = 5.4 * len(said)
    return replace(
        talk,
        meeting=replace(talk.meeting, duration=duration),
        speakers=tuple(Speaker(label) for label in labels),
        turns=turns,
        utterances=said,
        measures=measure(
            turns,
            duration=duration,
            labels=tuple(labels),
            utterances=said,
            acts=talk.acts,
            sees_overlap=True,
            people=None,
        ),
    )


def hostile() -> Analysis:
    """Text from outside that would like to be more than text."""
    talk = meeting()
    speakers = tuple(Speaker(f"S{i + 1}", HOSTILE[i], HOSTILE[i + 3]) for i in range(3))
    return replace(
        talk,
        meeting=replace(talk.meeting, title=" ".join(HOSTILE[:4]), language='en"><script>'),
        engines=Engines(*HOSTILE[:4]),
        speakers=speakers,
        utterances=tuple(replace(u, text=HOSTILE[u.id % len(HOSTILE)]) for u in talk.utterances),
        decisions=tuple(replace(d, topic=HOSTILE[d.id + 5]) for d in talk.decisions),
        measures=tuple(
            replace(m, name=HOSTILE[i % len(HOSTILE)], unit=HOSTILE[i % 7], reason=HOSTILE[i % 5])
            for i, m in enumerate(talk.measures)
        ),
        notes=HOSTILE,
    )
