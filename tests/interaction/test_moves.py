"""What utterances move: marks by example, claims by act and mark, formal roles that lead."""

from __future__ import annotations

import re

import pytest

from meetsense.interaction.lexicon import language_data
from meetsense.interaction.moves import ClaimKind, Mark, leadership, leads, read_moves
from tests.interaction.exchanges import heard, moves


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Let's move on to the next item.", {"agenda"}),
        ("Um, so, how much time do we have left?", {"agenda"}),
        ("To sum up, the desk stays closed.", {"summary"}),
        ("So we have three decisions.", {"summary"}),
        ("Anton will take the notes.", {"assignment"}),
        ("Who can write the letter?", {"assignment"}),
        ("It will take half an hour.", set()),
        ("We could write the letter.", set()),
        ("What do you think?", {"invitation"}),
        ("How about Monday then?", {"asking"}),
        ("How about you?", {"invitation"}),
        ("Does anyone object?", {"invitation"}),
        ("That's a great idea.", {"credit"}),
        ("As Jonas said, it is cheap.", {"credit"}),
        ("I will send it by Friday.", {"action"}),
        ("Thank you.", {"social"}),
        ("The printer is on the second floor.", set()),
        ("", set()),
    ],
)
def test_words_mark_what_an_utterance_does(text: str, marks: set[str]) -> None:
    words = leadership()
    assert words is not None
    assert set(words.read(text)[2]) == marks
    # One search for all of them finds what the searches for each do.
    assert bool(words.any_mark.search(words.topics.read(text).line)) >= bool(marks)


def test_every_phrase_of_a_mark_is_in_the_search_for_all() -> None:
    words, data = leadership(), language_data("en")
    assert words is not None
    assert data is not None
    assert (
        words.any_mark.pattern.count("|")
        == sum(words.marks[mark].pattern.count("|") + 1 for mark in Mark) - 1
    )


@pytest.mark.parametrize(
    ("act", "text", "claim"),
    [
        ("proposal", "We should open the desk.", ClaimKind.PROPOSAL),
        ("directive", "Please send the letter.", ClaimKind.DIRECTIVE),
        ("directive", "Let's move on to the phone.", ClaimKind.AGENDA),
        ("information", "The last item on the agenda is the letter.", ClaimKind.AGENDA),
        ("confirmation", "That is decided.", ClaimKind.SUMMARY),
        ("information", "So we have agreed on the desk.", ClaimKind.SUMMARY),
        ("information", "Anton will take the notes.", ClaimKind.ASSIGNMENT),
        ("information", "The desk is closed.", None),
        ("question", "Is the desk closed?", None),
        ("question", "How about Monday?", ClaimKind.PROPOSAL),
        ("agreement", "Yes, let's move on.", None),
        ("commitment", "I will take the notes.", None),
        ("backchannel", "Okay.", None),
        ("other", "Thank you.", None),
    ],
)
def test_claims_say_where_to_go(act: str, text: str, claim: ClaimKind | None) -> None:
    assert moves(("A", act, text))[0].claim is claim


def test_words_that_everybody_uses_are_no_topic() -> None:
    lines = [("A", "information", "The desk is closed.")] * 7 + [("B", "information", "The printer is new.")]
    read = moves(*lines)
    assert read[0].stems == set()  # both words of it are in seven of eight utterances
    assert "printer" in read[-1].stems


def test_a_language_without_the_words_has_no_moves() -> None:
    talk = heard(("A", "information", "Bonjour."))
    assert read_moves(talk, "fr") is None
    assert read_moves(talk, "../en") is None
    assert read_moves((), None) == ()


@pytest.mark.parametrize(
    ("role", "leading"),
    [
        ("chair", True), ("Chairwoman", True), ("Team Lead", True), ("Project Manager", True),
        ("co-chair", True), ("head of sales", True), ("CEO", True), ("note-taker", False), ("", False),
        ("member", False), ("leadership trainee", False), ("engineer", False),
    ],
)  # fmt: skip
def test_roles_that_lead(role: str, leading: bool) -> None:
    assert leads(role) is leading


def test_every_phrase_of_the_table_is_a_pattern() -> None:
    data = language_data("en")
    assert data is not None
    table = data["leadership"]
    assert set(table) == {*Mark, "leading", "raising"}
    for phrases in table.values():
        assert len(set(phrases)) == len(phrases)
        for phrase in phrases:
            re.compile(phrase)
            assert phrase == phrase.strip() == phrase.lower()
