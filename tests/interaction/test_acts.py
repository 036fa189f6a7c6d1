"""Acts by rules and network together: plain examples, and what holds whatever is said."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction import act_model, acts_engine, label_acts
from meetsense.interaction.acts import UNKNOWN_LANGUAGE_FACTOR
from meetsense.values import ActLabel, Span, Utterance
from tests.interaction.meetings import drawn_talk, said
from tests.interaction.test_acts_rules import EXAMPLES, FILLING, bare

act_model.load_model("en")  # so that no example of hypothesis pays for it

PLAIN = (
    "question",
    "proposal",
    "agreement",
    "disagreement",
    "confirmation",
    "commitment",
    "directive",
    "other",
)
"""Labels whose examples are plain enough for anybody; the others depend more on who speaks when."""


def label(text: str, *, punctuated: bool = True) -> str:
    """The label of an utterance after nothing of note, in a transcript with or without punctuation."""
    talk = said(FILLING, FILLING, ("A", text))
    if not punctuated:
        talk = tuple(replace(u, text=bare(u.text)) for u in talk)
    return label_acts(talk, "en")[-1].label


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_examples(kind: str) -> None:
    for text in EXAMPLES[kind]:
        assert label(text) == kind, text


@pytest.mark.parametrize("kind", ["proposal", "disagreement", "confirmation", "commitment", "directive"])
def test_plain_examples_without_punctuation(kind: str) -> None:
    for text in EXAMPLES[kind]:
        assert label(bare(text), punctuated=False) == kind, text


def test_listeners_are_heard_through_a_story() -> None:
    talk = said(
        ("A", "We had forty visitors in the first week."), ("B", "Mhm."),
        ("A", "They came from all over the county."), ("B", "Uh-huh."),
        ("A", "And most of them stayed until the evening."),
    )  # fmt: skip
    found = [act.label for act in label_acts(talk, "en")]
    assert found[1::2] == [ActLabel.BACKCHANNEL] * 2
    assert ActLabel.INFORMATION in found


def test_confidence_is_that_of_the_label() -> None:
    """What is plain has a higher confidence than what could be either."""
    talk = said(FILLING, ("A", "Where is the key?"), ("B", "Mhm."))
    asked = label_acts(talk, "en")[1]
    assert asked.label is ActLabel.QUESTION
    assert asked.confidence > 0.9


def test_the_model_comes_with_the_package() -> None:
    rules, _, model = (acts_engine("en") or "").partition("+")
    assert rules.startswith("rules-en@")
    assert model.startswith("acts-en@")
    assert act_model.load_model("de") is None


@pytest.mark.parametrize("text", ["", "   ", "…", "?!", "--", "\n", "[noise]", "12", "你好。", "¿"])
def test_anything_gets_an_act(text: str) -> None:
    assert label_acts(said(("A", text)), "en")[0].label in ActLabel


@pytest.mark.parametrize(
    "part",
    ["so and ", "yeah so okay ", "a'", "I-", "i'll just ", "not really so ", "'", "? ", "that's a very "],
)
def test_endless_text_does_not_hang(part: str) -> None:
    talk = said(("A", part * 20_000), ("B", part * 20_000 + "?"), ("A", part * 7 + "x"))
    assert len(label_acts(talk, "en")) == 3


def test_languages() -> None:
    talk = said(("A", "I agree."))
    assert label_acts(talk, "de") == ()
    assert acts_engine("de") is None
    assert acts_engine("../languages/en") is None
    assert label_acts(talk, "EN_gb") == label_acts(talk, "en")
    unnamed, named = label_acts(talk, None)[0], label_acts(talk, "en")[0]
    assert unnamed.label is named.label
    assert unnamed.confidence == round(named.confidence * UNKNOWN_LANGUAGE_FACTOR, 3)


@settings(deadline=None)
@given(drawn_talk())
def test_one_act_an_utterance_in_the_order_given(talk: tuple[Utterance, ...]) -> None:
    found = label_acts(talk, "en")
    assert [act.utterance for act in found] == [u.id for u in talk]
    assert all(0 < act.confidence <= 1 for act in found)


@settings(deadline=None)
@given(drawn_talk())
def test_the_order_in_the_file_and_the_names_do_not_matter(talk: tuple[Utterance, ...]) -> None:
    starts = {u.span.start for u in talk}
    if len(starts) < len(talk):
        return  # of two who start together the first in the file comes first
    renamed = tuple(replace(u, speaker=u.speaker.lower()) for u in reversed(talk))
    assert set(label_acts(renamed, "en")) == set(label_acts(talk, "en"))


@settings(deadline=None)
@given(drawn_talk(), st.integers(0, 1_000_000))
def test_time_is_relative(talk: tuple[Utterance, ...], shift: int) -> None:
    later = tuple(replace(u, span=u.span.shift(shift / 1000)) for u in talk)
    assert label_acts(later, "en") == label_acts(talk, "en")


def calls(talk: tuple[Utterance, ...]) -> int:
    """How many functions are called to label a talk."""
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        label_acts(talk, "en")
    finally:
        sys.setprofile(None)
    return count


def test_work_grows_with_the_length_of_the_meeting_whoever_speaks() -> None:
    def crowd(count: int) -> tuple[Utterance, ...]:
        texts = ("We should paint the door.", "Yeah.", "What for?")
        return tuple(Utterance(i, f"S{i}", Span(0, 1), texts[i % 3]) for i in range(count))

    calls(crowd(300))
    assert calls(crowd(600)) <= 2.1 * calls(crowd(300))
