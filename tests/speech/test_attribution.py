"""Words to speakers: nothing lost, nothing invented, sentences whole."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meetsense.speech.attribution import UNKNOWN, attribute
from meetsense.values import Diarization, Span, Turn, Word


def said(text: str, start: float, pace: float = 0.3) -> list[Word]:
    """Words of a text, one every ``pace`` seconds."""
    return [
        Word(Span(start + i * pace, start + (i + 1) * pace), word, 0.9) for i, word in enumerate(text.split())
    ]


def voices(*turns: tuple[str, float, float]) -> Diarization:
    """A diarization of exclusive turns."""
    made = tuple(Turn(Span(start, end), speaker) for speaker, start, end in turns)
    return Diarization(made, made)


def lines(words: list[Word], diarization: Diarization) -> list[tuple[str, str]]:
    return [(u.speaker, u.text) for u in attribute(words, diarization)]


def test_sentences_go_to_who_said_them() -> None:
    words = said("Shall we open on Sunday?", 0.0) + said("Yes.", 1.6) + said("Then it is agreed.", 2.0)
    turns = voices(("S1", 0, 1.5), ("S2", 1.55, 1.95), ("S1", 2, 4))
    assert lines(words, turns) == [
        ("S1", "Shall we open on Sunday?"),
        ("S2", "Yes."),
        ("S1", "Then it is agreed."),
    ]


def test_a_late_boundary_does_not_cut_a_sentence() -> None:
    words = said("I think we should wait until March.", 0.0) + said("No, we can not wait that long.", 2.2)
    turns = voices(("S1", 0, 2.6), ("S2", 2.6, 5))
    assert lines(words, turns) == [
        ("S1", "I think we should wait until March."),
        ("S2", "No, we can not wait that long."),
    ]


def test_a_change_that_holds_is_kept_inside_an_unfinished_sentence() -> None:
    words = said("what I wanted to say is", 0.0) + said("that the budget is already spent", 1.8)
    assert lines(words, voices(("S1", 0, 1.8), ("S2", 1.8, 4))) == [
        ("S1", "what I wanted to say is"),
        ("S2", "that the budget is already spent"),
    ]


def test_a_pause_ends_an_utterance_without_punctuation() -> None:
    words = said("we go on", 0.0) + said("with item two", 3.0)
    assert lines(words, voices(("S1", 0, 5))) == [("S1", "we go on"), ("S1", "with item two")]


def test_words_without_turns_belong_to_nobody() -> None:
    assert lines(said("hello", 0.0), Diarization()) == [(UNKNOWN, "hello")]
    assert attribute([], voices(("S1", 0, 1))) == ()


times = st.integers(0, 60_000).map(lambda ms: ms / 1000)


@st.composite
def words_and_turns(draw: st.DrawFn) -> tuple[list[Word], Diarization]:
    texts = st.sampled_from(["yes.", "and", "the", "budget?", "we", "agree!"])
    words = [
        Word(Span(start, start + draw(st.integers(0, 900)) / 1000), draw(texts), 0.5)
        for start in draw(st.lists(times, max_size=30))
    ]
    edges = sorted(set(draw(st.lists(times, max_size=12))))
    turns = [
        (draw(st.sampled_from(["S1", "S2", "S3"])), start, end)
        for start, end in pairwise(edges)
        if draw(st.booleans())
    ]
    return words, voices(*turns)


@given(words_and_turns())
def test_every_word_is_in_exactly_one_utterance(case: tuple[list[Word], Diarization]) -> None:
    words, diarization = case
    utterances = attribute(words, diarization)
    kept = [word for utterance in utterances for word in utterance.words]
    assert sorted(kept, key=repr) == sorted(words, key=repr)
    assert [u.id for u in utterances] == list(range(len(utterances)))
    assert {u.speaker for u in utterances} <= ({t.speaker for t in diarization.exclusive} or {UNKNOWN})
    for utterance in utterances:
        assert utterance.text == " ".join(word.text for word in utterance.words)
        assert all(utterance.span.start <= word.span.start for word in utterance.words)
        assert all(word.span.end <= utterance.span.end for word in utterance.words)


@given(words_and_turns())
def test_relabelling_voices_relabels_utterances(case: tuple[list[Word], Diarization]) -> None:
    words, diarization = case
    renamed = Diarization(exclusive=tuple(Turn(t.span, t.speaker.lower()) for t in diarization.exclusive))
    before = [(u.speaker.lower(), u.text) for u in attribute(words, diarization)]
    assert [(u.speaker, u.text) for u in attribute(words, renamed)] == before
