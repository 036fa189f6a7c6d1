"""The rules of acts by example: every label with and without punctuation, and what the neighbours decide."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from meetsense.interaction import act_rules
from meetsense.interaction.acts import label_with
from meetsense.interaction.lexicon import language_data
from meetsense.values import Act, ActLabel, Span, Utterance
from tests.interaction.meetings import said

RULES = act_rules.load("en")


def by_rules(talk: tuple[Utterance, ...], _: str = "en") -> tuple[Act, ...]:
    """The acts that the rules of English see alone."""
    assert RULES is not None
    return label_with(talk, RULES, None)


FILLING = ("Z", "The room on the second floor is painted white.")
"""Something that asks and proposes nothing."""


def label(text: str, *, punctuated: bool = True) -> str:
    """The label of an utterance after nothing of note, in a transcript with or without punctuation."""
    talk = said(FILLING, FILLING, ("A", text))
    if not punctuated:
        talk = tuple(replace(u, text=bare(u.text)) for u in talk)
    return by_rules(talk, "en")[-1].label


def bare(text: str) -> str:
    """As a recogniser without punctuation writes it."""
    return re.sub(r"[.,?!;:]", "", text).lower()


def reply(text: str, to: str, *, speaker: str = "B", after: float = 1.0) -> str:
    """The label of what is said so many seconds after an utterance of A has ended."""
    first = Utterance(0, "A", Span(0, 4), to)
    second = Utterance(1, speaker, Span(4 + after, 5 + after), text)
    return by_rules((first, second), "en")[1].label


EXAMPLES = {
    "question": [
        "How many people came last week?",
        "What is the budget for this?",
        "Does anybody know when the library closes?",
        "Is there a room for that?",
        "Why did the printer stop?",
        "How often do they clean the windows?",
    ],
    "proposal": [
        "I suggest that we close at noon on Fridays.",
        "Maybe we should ask the neighbours first.",
        "Let's move the shelves to the other wall.",
        "Why don't we print the form in two languages?",
        "We could put a box next to the door.",
        "How about a second counter in the hall?",
        "Shall we begin with the garden?",
        "Well, it would be good to train the new volunteers.",
    ],
    "agreement": [
        "I agree with that.",
        "That's a good idea.",
        "Sounds good to me.",
        "Exactly.",
        "Yes, absolutely.",
        "You're right.",
        "That works for me.",
        "I think so too.",
    ],
    "disagreement": [
        "No.",
        "I don't think so.",
        "I disagree with that.",
        "No, it's far away from the station.",
        "That won't work.",
        "I'm not convinced that it helps.",
        "Well, not really.",
    ],
    "confirmation": [
        "That's decided.",
        "Okay, then it's settled.",
        "So we are all agreed.",
        "We'll go with the blue one.",
        "Good, that is agreed then.",
    ],
    "commitment": [
        "I'll send you the figures tomorrow.",
        "I will write to the city council.",
        "Leave it to me.",
        "Okay, I can prepare the slides.",
        "I'm going to ask the caretaker.",
    ],
    "directive": [
        "Please send me the list.",
        "Could you please write that down?",
        "Let's move on to the next item.",
        "Go ahead.",
        "Don't forget the keys.",
        "Anna, please call the caretaker.",
    ],
    "information": [
        "We had forty visitors in the first week.",
        "The invoice came on Tuesday.",
        "What people want is a place to sit.",
        "When the heating fails the caretaker comes.",
        "I went there with my sister.",
    ],
    "backchannel": ["Mhm.", "Yeah.", "Uh-huh.", "Right.", "Oh, I see.", "Okay.", "Oh.", "Yeah, right."],
    "floor": ["So...", "And then.", "Um.", "I mean.", "But, well."],
    "other": ["Thank you.", "Sorry.", "Good morning everyone.", "Hello."],
}


def test_there_are_examples_of_every_label() -> None:
    assert EXAMPLES.keys() == {str(kind) for kind in ActLabel}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in EXAMPLES.items() for text in texts]
)
def test_examples(kind: str, text: str) -> None:
    assert label(text) == kind
    assert label(bare(text), punctuated=False) == kind


@pytest.mark.parametrize("word", ["Yeah.", "Okay.", "Right.", "Sure."])
def test_a_yeah_answers_a_proposal_and_a_question(word: str) -> None:
    proposal, question, story = "We should paint the door.", "Is it open?", "The door is green."
    assert reply(word, proposal) == "agreement"
    assert reply(word, question) == "agreement"
    assert reply(word, story) == "backchannel"
    assert reply(word, proposal, speaker="A") == "backchannel"
    assert reply("Mhm.", proposal) == "backchannel"


def test_an_answer_comes_within_five_seconds_or_as_the_next_thing() -> None:
    proposal = Utterance(0, "A", Span(0, 4), "We should paint the door.")
    story = Utterance(1, "C", Span(4.5, 6), "The paint is in the cellar.")

    def then(at: float, *before: Utterance) -> str:
        talk = (*before, Utterance(9, "B", Span(at, at + 0.5), "Yeah."))
        return by_rules(talk, "en")[-1].label

    assert then(9.0, proposal, story) == "agreement"
    assert then(9.1, proposal, story) == "backchannel"
    assert then(14.0, proposal) == "agreement"


def test_in_the_middle_of_a_sentence_a_yeah_is_a_backchannel() -> None:
    proposal = "We should paint the door and the fence before the summer."
    assert reply("Yeah.", proposal, after=-1.5) == "backchannel"
    assert reply("Yeah.", proposal, after=-1.4) == "agreement"


def test_what_begins_with_yes_agrees_only_while_the_talk_is_about_the_proposal() -> None:
    proposal, story = ("A", "We should paint the door."), ("C", "The paint is in the cellar.")
    answer = ("B", "Yes, the green one.")
    assert by_rules(said(proposal, answer), "en")[-1].label is ActLabel.AGREEMENT
    assert by_rules(said(proposal, ("A", story[1]), answer), "en")[-1].label is ActLabel.AGREEMENT
    assert by_rules(said(proposal, story, answer), "en")[-1].label is ActLabel.INFORMATION


def test_a_no_refuses_whatever_softens_it() -> None:
    for text in ("No.", "Oh no.", "Well, no.", "No, no, not really.", "Okay, but no."):
        assert reply(text, "We should paint the door.") == "disagreement"
    for text in ("Oh.", "Well.", "I mean.", "Actually."):
        assert reply(text, "We should paint the door.") != "disagreement"


def test_yes_but_objects_and_yes_but_only_changes_the_proposal() -> None:
    assert reply("Yes, but the paint is expensive.", "We should paint the door.") == "disagreement"
    assert reply("Yes, but only on the inside.", "We should paint the door.") == "proposal"


def test_what_will_be_done_confirms_while_a_proposal_is_on_the_table() -> None:
    talk = said(("A", "We should paint the door."), ("B", "Good idea."), ("C", "Then it's green."))
    assert by_rules(talk, "en")[2].label is ActLabel.CONFIRMATION
    assert label("Then it's green.") == "information"


def test_the_weightiest_sentence_speaks_for_the_utterance() -> None:
    assert label("The door looks bad. We should paint it. It is old.") == "proposal"
    assert label("Yes. I will do it.") == "commitment"
    assert label("The door is old. Who has the key?") == "question"
    assert label("Mhm. The door is old.") == "information"


def test_questions_are_told_from_words_only_without_punctuation() -> None:
    assert label("How long does it take.") == "information"
    assert label("how long does it take", punctuated=False) == "question"
    assert label("what we want is a door", punctuated=False) == "information"


@pytest.mark.parametrize("punctuated", [True, False])
def test_a_request_may_be_told_to_somebody_by_name(punctuated: bool) -> None:
    for text in (
        "Ruben, you write them down.",
        "Lea, you call the school tomorrow.",
        "You book the room, please.",
    ):
        assert label(text, punctuated=punctuated) == "directive"
    for text in (
        "If you write them down, they stay.",
        "Actually you call the school.",
        "There you take the bus.",
    ):
        assert label(text, punctuated=punctuated) != "directive"


@pytest.mark.parametrize("punctuated", [True, False])
def test_putting_off_is_a_move_of_the_agenda(punctuated: bool) -> None:
    for text in (
        "Okay, let's decide next week.",
        "We'll come back to that later.",
        "Let's not decide that now.",
    ):
        assert label(text, punctuated=punctuated) == "directive"
    assert label("I suggest we postpone the move to May.", punctuated=punctuated) == "proposal"


def test_praise_with_a_let_us_confirms_and_so_does_what_holds_from_now_on() -> None:
    proposal = "I suggest we shorten the meeting to thirty minutes."
    assert reply("That's a great idea, let's do that.", proposal) == "confirmation"
    assert reply("Okay, so it is thirty minutes from now on.", proposal) == "confirmation"
    assert label("It is thirty degrees from now on.") == "information"


def test_taking_back_is_no_proposal_and_dropping_somebody_elses_objects() -> None:
    proposal = "I suggest we paint the hall green."
    assert label("Okay, then I withdraw it.") == label("All right, I take that back.") == "agreement"
    assert reply("Okay, forget it then.", proposal, speaker="A") == "agreement"
    assert reply("Okay, forget it then.", proposal) == "disagreement"


@pytest.mark.parametrize("apostrophe", "'’‘ʼ")
def test_apostrophes_quotes_case_and_composition_do_not_matter(apostrophe: str) -> None:
    assert label(f"LET{apostrophe}S MOVE THE SHELVES.") == "proposal"
    assert label(f"“That won{apostrophe}t work.”") == "disagreement"
    assert label("ＹＥＳ， ＡＢＳＯＬＵＴＥＬＹ．") == "agreement"


def test_stammers_and_broken_words_are_read_through() -> None:
    assert label("I-I th- I suggest we we close at noon.") == "proposal"
    assert label("Yeah-yeah.") == "backchannel"
    assert label("Um, uh, mm-hmm.") == "backchannel"


def test_words_that_only_begin_like_others_are_not_them() -> None:
    assert label("Wellington is a city.") == "information"
    assert label("No-one came to the door.") == "information"
    assert label("Sofas are expensive there.") == "information"


def patterns(table: Any) -> list[str]:
    """Every string in the lists of a table."""
    if isinstance(table, str):
        return [table]
    inner = table.values() if isinstance(table, dict) else table if isinstance(table, list) else ()
    return [text for item in inner for text in patterns(item)]


def test_patterns_match_whole_words_in_lower_case() -> None:
    data = dict(language_data("en") or {})
    listed = patterns({name: table for name, table in data.items() if name != "name"})
    assert len(listed) > 300
    for text in listed:
        assert text == text.strip(), "a space at an edge never matches"
        assert text == text.lower()
        assert not re.search(r"[’,.!]", re.sub(r"\(\?<?!|\{.,.\}", "", text)), (
            "these are not in what is compared"
        )
        re.compile(text)
