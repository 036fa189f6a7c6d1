"""Hypothesis strategies for whole analyses: what the store and the documents must carry unchanged."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

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
    Recognised,
    Span,
    Speaker,
    Subject,
    Turn,
    Utterance,
    Voiceprint,
    Word,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = texts.map(str.strip).filter(bool)
seconds = st.integers(0, 3_600_000).map(lambda ms: ms / 1000)
shares = st.integers(0, 1000).map(lambda n: n / 1000)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A span inside the first hour."""
    return Span(*sorted((draw(seconds), draw(seconds))))


@st.composite
def utterance_lists(draw: st.DrawFn, labels: list[str], *, words: bool) -> tuple[Utterance, ...]:
    """Utterances numbered from 0, some with words."""
    word = st.builds(Word, spans(), names, shares)
    return tuple(
        Utterance(
            i,
            draw(st.sampled_from(labels)),
            draw(spans()),
            draw(texts),
            tuple(draw(st.lists(word, max_size=3))) if words else (),
        )
        for i in range(draw(st.integers(0, 5)) if labels else 0)
    )


@st.composite
def measures(draw: st.DrawFn, labels: list[str]) -> Measure:
    """A measure of the meeting, a speaker or a pair."""
    subjects = [st.just(Subject())]
    if labels:
        label = st.sampled_from(labels)
        subjects += [st.builds(Subject.of, label), st.builds(Subject.pair, label, label)]
    grade = draw(st.sampled_from(Grade))
    number = st.none() | st.floats(-1e6, 1e6)
    return Measure(
        draw(names),
        draw(st.one_of(subjects)),
        None if grade is Grade.WITHHELD else draw(st.floats(-1e6, 1e6)),
        draw(st.sampled_from(["share", "s", "ms", "count"])),
        draw(st.integers(0, 1000)),
        draw(number),
        draw(number),
        grade,
        draw(names) if grade is Grade.WITHHELD else draw(st.none() | names),
        draw(number),
        draw(number),
    )


@st.composite
def recognitions(draw: st.DrawFn, labels: list[str]) -> tuple[Recognised, ...]:
    """Some of the voices known again, in any order, each as somebody."""
    vectors = st.lists(st.floats(allow_nan=False), max_size=4, min_size=1).map(tuple)
    known = draw(st.lists(st.sampled_from(labels), unique=True, max_size=3)) if labels else []
    prints = st.builds(Voiceprint, names, names, vectors, st.floats(0.001, 1e5))
    return tuple(Recognised(label, draw(shares), draw(prints)) for label in known)


@st.composite
def analyses(draw: st.DrawFn, *, words: bool = True, voices: bool = False) -> Analysis:
    """Any analysis that the values allow; with ``voices``, with some that were known again."""
    labels = draw(st.lists(names, unique=True, max_size=4))
    speakers = tuple(
        Speaker(label, draw(st.none() | names), draw(st.none() | st.sampled_from(["chair", "member"])))
        for label in labels
    )
    utterances = draw(utterance_lists(labels, words=words))
    engine = st.none() | names
    turns = st.lists(st.builds(Turn, spans(), st.sampled_from(labels)), max_size=5) if labels else st.just([])
    numbers = [u.id for u in utterances]
    ledgers: st.SearchStrategy[list[LedgerEntry]] = st.just([])
    if utterances:
        parts = st.sampled_from(LedgerRole), st.sampled_from(labels), st.sampled_from(numbers)
        ledgers = st.lists(st.builds(LedgerEntry, *parts), max_size=4)
    decisions = tuple(
        DecisionChain(
            i,
            draw(st.sampled_from(DecisionStatus)),
            draw(spans()),
            draw(texts),
            draw(shares),
            tuple(draw(ledgers)),
            draw(st.none() | st.integers(0, 3)),
            draw(st.none() | st.sampled_from(numbers)) if numbers else None,
        )
        for i in range(draw(st.integers(0, 3)))
    )
    return Analysis(
        meeting=Meeting(
            draw(st.text("0123456789abcdef", min_size=12, max_size=12)),
            draw(names),
            datetime.fromtimestamp(draw(st.integers(0, 4_000_000_000)), UTC),
            draw(seconds),
            draw(st.none() | st.sampled_from(["en", "de"])),
        ),
        engines=Engines(*(draw(engine) for _ in range(4))),
        speakers=speakers,
        turns=tuple(draw(turns)),
        utterances=utterances,
        acts=tuple(
            Act(u.id, draw(st.sampled_from(ActLabel)), draw(shares))
            for u in utterances
            if draw(st.booleans())
        ),
        decisions=decisions,
        measures=tuple(draw(st.lists(measures(labels), max_size=5))),
        notes=tuple(draw(st.lists(texts, max_size=2))),
        recognised=draw(recognitions(labels)) if voices else (),
    )
