"""Meetings that the reports must show honestly. Everybody in them is invented."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import permutations

from meetsense.interaction import measure
from meetsense.values import (
    Act,
    ActLabel,
    Analysis,
    DecisionChain,
    DecisionStatus,
    Engines,
    Grade,
    LedgerEntry,
    LedgerRole,
    Measure,
    Meeting,
    Span,
    Speaker,
    Subject,
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


@dataclass(frozen=True)
class Answered:
    """Somebody's answer to an initiative."""

    speaker: str
    utterance: int
    reply: str


@dataclass(frozen=True)
class Begun:
    """An initiative with its answers."""

    speaker: str
    utterances: tuple[int, ...]
    taken_up: tuple[Answered, ...] = ()
    objections: tuple[Answered, ...] = ()
    answerable: bool = True


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


@cache
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


def _graded(
    name: str, subject: Subject, value: float, unit: str, n: int, part: float | None = None
) -> Measure:
    """A figure with a rough interval; fewer than ten events are tentative."""
    reason = None if n >= 10 else f"only {n} {name.replace('_', ' ')}; 10 make it firm"
    spread = (value + 1.0) / (n + 1) ** 0.5
    high = min(1.0, value + spread) if unit == "share" else value + spread
    grade = Grade.TENTATIVE if reason else Grade.FIRM
    whole = float(n) if part is not None else None
    return Measure(
        name, subject, value, unit, n, max(0.0, value - spread), high, grade, reason, part=part, whole=whole
    )


def _share(name: str, subject: Subject, part: int, whole: int) -> Measure:
    if not whole:
        return Measure(
            name, subject, None, "share", 0, grade=Grade.WITHHELD, reason="there was no such event"
        )
    return _graded(name, subject, part / whole, "share", whole, float(part))


def _claims(talk: Analysis) -> dict[str, list[int]]:
    """Ids of the proposals and directives of each speaker."""
    asking = {act.utterance for act in talk.acts if act.label in (ActLabel.PROPOSAL, ActLabel.DIRECTIVE)}
    claims: dict[str, list[int]] = {speaker.label: [] for speaker in talk.speakers}
    for said in talk.utterances:
        if said.id in asking:
            claims[said.speaker].append(said.id)
    return claims


@cache
def bound(talk: Analysis) -> Analysis:
    """The meeting with every measure of initiative, activities and roles that the report has words for.

    Figures follow a rule of their own, so that what the report does with them can be told.
    """
    claims = _claims(talk)
    every = sum(map(len, claims.values()))
    answered = {
        (granter, claimer): sum((number * 7 + len(granter + claimer)) % 3 > 0 for number in claims[claimer])
        for granter, claimer in permutations(claims, 2)
    }
    made = [
        _graded("uptake_density", Subject(), 0.5, "share", every),
        _graded("uptake_centralisation", Subject(), 0.2, "index", every),
        _graded("uptake_reciprocity", Subject(), 0.6, "share", every),
        _graded("initiative_shifts", Subject(), 1.4, "per minute", every),
        _share("co_production_ratio", Subject(), every // 2, every),
        _share("ratification_gap", Subject(), 1, len(talk.decisions)),
    ]
    for label, own in claims.items():
        who, taken = Subject.of(label), len(own) // 2
        made += [
            _graded("claims", who, float(len(own)), "count", len(own)),
            _share("initiative_share", who, taken, every),
            _share("control_share", who, taken, every),
            _graded("topic_introductions", who, float(len(own) // 3), "count", len(own) // 3),
            _share("topic_uptake", who, len(own) // 4, len(own) // 3),
            _graded("proposal_rate", who, len(own) / 8, "per minute", len(own)),
            _share("adoption_rate", who, taken, len(own)),
        ]
        for i, kind in enumerate(("problem_focused", "procedural", "socio_emotional", "action_oriented")):
            made.append(_graded(f"{kind}_acts", who, float(len(own) * i), "count", len(own) * i))
    for (granter, claimer), taken in answered.items():
        pair, whole = Subject.pair(granter, claimer), len(claims[claimer])
        made += [
            _graded("grants", pair, float(taken), "count", taken),
            _share("grant_rate", pair, taken, whole),
            _graded("objections", pair, float(whole // 5), "count", whole // 5),
        ]
    names = {item.name for item in made}
    return replace(talk, measures=(*(item for item in talk.measures if item.name not in names), *made))


@cache
def silence() -> Analysis:
    """Five minutes in which nobody speaks."""
    return Analysis(
        Meeting("0123456789ab", "Nobody came", datetime(2026, 11, 23, 9, tzinfo=UTC), 312.0),
        Engines("vad@1", "voices@1", "words@1"),
        measures=measure((), duration=312.0, labels=(), sees_overlap=True, people=None),
        notes=("No speech was found in this recording.",),
    )


@cache
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


@cache
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


@cache
def alone() -> Analysis:
    """One voice."""
    talk = meeting()
    said = tuple(u for u in talk.utterances if u.speaker == "S1")
    turns = tuple(Turn(u.span, "S1") for u in said)
    figures = measure(turns, duration=60.0, labels=("S1",), sees_overlap=True, people=None)
    return replace(
        talk, speakers=SPEAKERS[:1], turns=turns, utterances=said, acts=(), decisions=(), measures=figures
    )


@cache
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


@cache
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
