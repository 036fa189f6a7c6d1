"""Decision chains by example: every status and role, the windows, ideas that come back."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.interaction import Windows, label_acts, link_decisions
from meetsense.values import Act, ActLabel, DecisionChain, DecisionStatus, LedgerRole, Span, Utterance
from tests.interaction.meetings import acts, drawn_talk, said

Line = tuple[str, str, str]
"""Speaker, act and text."""

DESK = ("A", "proposal", "I suggest that we open the desk on Saturdays.")
OFF_TOPIC: list[Line] = [
    ("B", "information", "The printer on the second floor is empty."),
    ("C", "information", "My train was late this morning."),
    ("B", "information", "The caretaker has a new phone number."),
    ("C", "information", "Lunch is served in the garden."),
]


def decide(
    *lines: Line, windows: Windows | None = None, confidence: float = 1.0
) -> tuple[DecisionChain, ...]:
    """The chains of utterances of 2 s, one every 3 s, whose acts are given."""
    talk = said(*((who, text) for who, _, text in lines))
    return link_decisions(talk, acts(*(kind for _, kind, _ in lines), confidence=confidence), windows=windows)


def one(*lines: Line) -> DecisionChain:
    """The only chain."""
    (chain,) = decide(*lines)
    return chain


def ledger(chain: DecisionChain) -> list[tuple[str, str, int]]:
    return [(entry.role.value, entry.speaker, entry.utterance) for entry in chain.ledger]


def test_agreed_by_another_is_adopted() -> None:
    chain = one(DESK, ("B", "agreement", "Yes, good idea."))
    assert chain.status is DecisionStatus.ADOPTED
    assert ledger(chain) == [("proposed", "A", 0), ("agreed", "B", 1)]
    assert chain.span == Span(0, 5)
    assert chain.topic == "open the desk on Saturdays"


def test_confirmed_is_adopted_even_by_its_author_once_somebody_else_has_spoken() -> None:
    assert one(DESK, ("B", "confirmation", "That is decided.")).status is DecisionStatus.ADOPTED
    asked = ("B", "question", "Would that cost much?")
    chain = one(DESK, asked, ("A", "information", "It is free."), ("A", "confirmation", "So it is settled."))
    assert chain.status is DecisionStatus.ADOPTED
    assert ledger(chain)[-1] == ("confirmed", "A", 3)
    alone = one(DESK, ("A", "confirmation", "So it is settled."))
    assert alone.status is DecisionStatus.OPEN
    assert ledger(alone) == [("proposed", "A", 0)]


def test_ones_own_agreement_adopts_nothing() -> None:
    assert one(DESK, ("A", "agreement", "Yes, good idea.")).status is DecisionStatus.OPEN


def test_taken_on_by_another_is_adopted_and_by_its_author_is_not() -> None:
    other = one(DESK, ("B", "commitment", "I will do that."))
    assert (other.status, ledger(other)[1]) == (DecisionStatus.ADOPTED, ("committed", "B", 1))
    own = one(DESK, ("B", "question", "Who does it?"), ("A", "commitment", "I will do that."))
    assert (own.status, ledger(own)[1]) == (DecisionStatus.OPEN, ("committed", "A", 2))


def test_only_objected_to_is_rejected() -> None:
    chain = one(DESK, ("B", "disagreement", "No, that is too expensive."), ("C", "agreement", "That's true."))
    assert chain.status is DecisionStatus.REJECTED
    assert ledger(chain) == [("proposed", "A", 0), ("objected", "B", 1)]


def test_a_yes_after_an_objection_is_for_the_objection_unless_it_says_so() -> None:
    objection = ("B", "disagreement", "No, that is too expensive.")
    assert one(DESK, objection, ("A", "agreement", "You're right.")).status is DecisionStatus.REJECTED
    praised = one(DESK, objection, ("C", "agreement", "I like the idea of Saturdays."))
    assert praised.status is DecisionStatus.ADOPTED
    assert ledger(praised)[-1] == ("agreed", "C", 2)
    yields = one(DESK, objection, ("A", "information", "It would be free."), ("B", "agreement", "Okay then."))
    assert yields.status is DecisionStatus.ADOPTED


def test_who_contradicts_an_objection_does_not_object_to_the_proposal() -> None:
    staff = ("B", "disagreement", "But we don't have staff on Saturdays.")
    defended = one(DESK, staff, ("C", "disagreement", "No, that's not true, we do have staff."))
    assert ledger(defended) == [("proposed", "A", 0), ("objected", "B", 1)]
    joined = one(DESK, staff, ("C", "disagreement", "I don't want that either."))
    assert ledger(joined)[2:] == [("objected", "C", 2)]
    assert ledger(one(DESK, ("C", "disagreement", "No, that's not true.")))[1:] == [("objected", "C", 1)]


def test_a_confirmed_objection_is_a_rejection() -> None:
    objection = ("B", "disagreement", "No, that is too expensive.")
    closed = one(DESK, objection, ("C", "confirmation", "Then it is settled, we stay closed on Saturdays."))
    assert closed.status is DecisionStatus.REJECTED
    assert ledger(closed)[-1] == ("confirmed", "C", 2)
    against_it = one(DESK, objection, ("C", "confirmation", "Decided, we open the desk on Saturdays."))
    assert against_it.status is DecisionStatus.ADOPTED
    rebutted = ("A", "information", "It would be free for all of us.")
    answered = one(DESK, objection, rebutted, ("C", "confirmation", "That is decided."))
    assert answered.status is DecisionStatus.ADOPTED


def test_agreed_and_objected_to_without_a_last_word_is_open() -> None:
    lines = DESK, ("B", "agreement", "Yes."), ("C", "disagreement", "No, that is too expensive.")
    chain = one(*lines)
    assert chain.status is DecisionStatus.OPEN
    assert {entry.role for entry in chain.ledger} >= {LedgerRole.AGREED, LedgerRole.OBJECTED}
    assert one(*lines, ("A", "confirmation", "That is decided.")).status is DecisionStatus.ADOPTED


def test_a_changed_version_that_is_taken_is_amended() -> None:
    chain = one(
        DESK,
        ("B", "proposal", "Let's open only on the first Saturday."),
        ("A", "agreement", "Yes, fine."),
        ("C", "confirmation", "That is decided."),
    )
    assert chain.status is DecisionStatus.AMENDED
    assert ledger(chain) == [
        ("proposed", "A", 0),
        ("amended", "B", 1),
        ("agreed", "A", 2),
        ("confirmed", "C", 3),
    ]


def test_an_amendment_overcomes_the_objection_to_what_was_before() -> None:
    objection = ("B", "disagreement", "No, that is too expensive.")
    change = ("A", "proposal", "Then we could open on one Saturday a month.")
    assert one(DESK, objection, change, ("B", "agreement", "Okay.")).status is DecisionStatus.AMENDED


def test_what_was_agreed_stands_when_nobody_takes_up_the_amendment() -> None:
    lines = (
        DESK,
        ("B", "agreement", "Yes."),
        ("C", "proposal", "Perhaps the desk opens at noon on Saturdays."),
    )
    chain = one(*lines)
    assert chain.status is DecisionStatus.ADOPTED
    assert chain.confidence < one(*lines[:2]).confidence


def test_to_say_that_something_is_to_be_decided_raises_it() -> None:
    need = ("A", "proposal", "We need to decide about the desk on Saturdays.")
    opened = ("B", "proposal", "I suggest that we open the desk.")
    chain = one(need, opened, ("A", "agreement", "Yes."))
    assert ledger(chain) == [("raised", "A", 0), ("proposed", "B", 1), ("agreed", "A", 2)]


def test_a_question_that_proposes_is_a_proposal() -> None:
    asked = ("A", "question", "How about opening the desk on Saturdays?")
    chain = one(asked, ("B", "agreement", "Yes."))
    assert ledger(chain) == [("proposed", "A", 0), ("agreed", "B", 1)]


def test_an_unsure_proposal_about_what_is_on_the_table_opens_nothing() -> None:
    talk = said(("A", DESK[2]), ("B", "The desk is easy to heat when we start in May."), ("C", "Yes."))
    for confidence, chains in ((0.4, 1), (0.5, 2)):
        kinds = (
            Act(0, ActLabel.PROPOSAL, 1.0),
            Act(1, ActLabel.PROPOSAL, confidence),
            Act(2, ActLabel.AGREEMENT, 1.0),
        )
        assert len(link_decisions(talk, kinds)) == chains


def test_repeating_a_proposal_is_agreeing_with_it() -> None:
    chain = one(DESK, ("B", "proposal", "We should open the desk on Saturdays."))
    assert ledger(chain) == [("proposed", "A", 0), ("agreed", "B", 1)]
    pointing = one(DESK, ("B", "proposal", "Let's do that."))
    assert ledger(pointing) == [("proposed", "A", 0), ("agreed", "B", 1)]


def test_the_surest_evidence_of_a_contribution_is_kept() -> None:
    talk = said(("A", DESK[2]), ("B", "Yeah."), ("B", "I agree with that."), ("B", "Yeah."))
    kinds = [Act(0, ActLabel.PROPOSAL, 1.0)]
    kinds += [Act(i, ActLabel.AGREEMENT, sure) for i, sure in ((1, 0.5), (2, 0.7), (3, 0.6))]
    assert ledger(link_decisions(talk, kinds)[0]) == [("proposed", "A", 0), ("agreed", "B", 2)]


def test_another_topic_is_another_chain() -> None:
    letter = ("B", "proposal", "We should shorten the letter.")
    first, second = decide(DESK, letter, ("A", "agreement", "Yes."))
    assert (first.status, second.status) == (DecisionStatus.OPEN, DecisionStatus.ADOPTED)
    assert [first.id, second.id] == [0, 1]


def test_a_reply_goes_to_the_proposal_that_it_names() -> None:
    letter = ("B", "proposal", "We should shorten the letter.")
    first, second = decide(DESK, letter, ("C", "agreement", "I agree about the desk."))
    assert ledger(first)[-1] == ("agreed", "C", 2)
    assert len(second.ledger) == 1


def test_nobody_says_anything_on_the_topic() -> None:
    chain = one(DESK, *OFF_TOPIC)
    assert chain.status is DecisionStatus.IGNORED
    assert ledger(chain) == [("proposed", "A", 0)]
    assert chain.span == Span(0, 2)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("question", "Is the desk warm enough?"),
        ("question", "How much would that cost?"),
        ("question", "Why?"),
        ("information", "Saturdays are quiet in this street."),
        ("information", "It was like that once."),
        ("directive", "Ask the desk about that."),
    ],
)
def test_a_word_on_the_topic_is_not_ignoring_it(kind: str, text: str) -> None:
    assert one(DESK, ("B", kind, text), *OFF_TOPIC).status is DecisionStatus.OPEN


def test_hums_and_politeness_are_no_response() -> None:
    hums: list[Line] = [("B", "backchannel", "Mhm."), ("C", "other", "Thank you."), ("B", "floor", "So.")]
    assert one(DESK, *hums, *OFF_TOPIC).status is DecisionStatus.IGNORED
    assert one(DESK, *hums).status is DecisionStatus.OPEN


def test_the_end_of_the_meeting_ignores_nobody() -> None:
    assert one(DESK).status is DecisionStatus.OPEN
    assert one(DESK, *OFF_TOPIC[:2]).status is DecisionStatus.OPEN
    assert one(DESK, *OFF_TOPIC[:3]).status is DecisionStatus.IGNORED


def test_nobody_is_ignored_who_talks_alone() -> None:
    alone: list[Line] = [("A", kind, text) for _, kind, text in OFF_TOPIC * 5]
    assert one(DESK, *alone).status is DecisionStatus.OPEN


def test_a_yes_to_something_else_is_not_for_the_proposal() -> None:
    question = ("C", "question", "Is the printer repaired?")
    chain = one(DESK, *OFF_TOPIC[:1], question, ("B", "agreement", "Yes."), *OFF_TOPIC)
    assert chain.status is DecisionStatus.IGNORED


def test_a_bare_yes_within_five_seconds_is_for_the_proposal_all_the_same() -> None:
    def after(start: float, text: str) -> DecisionStatus:
        talk = at(0, "A", DESK[2], 0), at(2, "C", OFF_TOPIC[0][2], 1), at(start, "B", text, 2)
        return link_decisions(talk, acts("proposal", "information", "agreement"))[0].status

    assert after(7.0, "Yes.") is DecisionStatus.ADOPTED
    assert after(7.1, "Yes.") is DecisionStatus.OPEN
    assert after(5.0, "Yes, that printer again.") is DecisionStatus.OPEN


def test_who_is_for_it_and_says_no_to_an_objection_is_still_for_it() -> None:
    lines = DESK, ("B", "agreement", "Yes."), ("C", "disagreement", "That is too expensive.")
    chain = one(*lines, ("B", "disagreement", "No."))
    assert chain.status is DecisionStatus.ADOPTED
    assert [entry.role for entry in chain.ledger if entry.speaker == "B"] == [LedgerRole.AGREED]


def test_a_task_taken_on_soon_after_belongs_to_the_decision() -> None:
    lines = DESK, ("B", "agreement", "Yes."), ("C", "directive", "Please call the caretaker.")
    assert ledger(one(*lines, ("A", "commitment", "I will call him.")))[-1] == ("committed", "A", 3)
    later = ("C", "information", "The caretaker is in the cellar.")
    confirmed = one(*lines, later, later, ("C", "confirmation", "Then that is decided."))
    assert ledger(confirmed)[-1] == ("confirmed", "C", 5)


def test_talk_about_a_settled_decision_does_not_reopen_it() -> None:
    settled = DESK, ("B", "agreement", "Yes."), ("B", "confirmation", "That is decided.")
    chain = one(
        *settled, ("B", "information", "The desk opens on Saturdays then."), ("C", "agreement", "Yes.")
    )
    assert len(chain.ledger) == 3


def at(start: float, who: str, text: str, number: int, length: float = 2.0) -> Utterance:
    return Utterance(number, who, Span(start, start + length), text)


@pytest.mark.parametrize(
    ("start", "status"), [(22.0, DecisionStatus.ADOPTED), (22.1, DecisionStatus.IGNORED)]
)
def test_twenty_seconds_to_answer_without_naming_it(start: float, status: DecisionStatus) -> None:
    talk = at(0, "A", DESK[2], 0), at(start, "B", "Yes, good idea.", 1)
    assert link_decisions(talk, acts("proposal", "agreement"))[0].status is status
    wide = link_decisions(talk, acts("proposal", "agreement"), windows=Windows(seconds=40))
    assert wide[0].status is DecisionStatus.ADOPTED
    narrow = link_decisions(talk, acts("proposal", "agreement"), windows=Windows(seconds=10))
    assert narrow[0].status is DecisionStatus.IGNORED


def test_silence_beyond_the_window_ignores_once_others_speak() -> None:
    talk = at(0, "A", DESK[2], 0), at(30, "B", OFF_TOPIC[0][2], 1)
    assert link_decisions(talk, acts("proposal", "information"))[0].status is DecisionStatus.IGNORED
    wide = Windows(seconds=40)
    assert (
        link_decisions(talk, acts("proposal", "information"), windows=wide)[0].status is DecisionStatus.OPEN
    )


@pytest.mark.parametrize(("turns", "status"), [(3, DecisionStatus.IGNORED), (5, DecisionStatus.OPEN)])
def test_the_number_of_turns_is_a_parameter(turns: int, status: DecisionStatus) -> None:
    (chain,) = decide(DESK, *OFF_TOPIC[:3], windows=Windows(turns=turns))
    assert chain.status is status


def test_late_words_on_the_topic_count_within_either_window() -> None:
    late = ("C", "agreement", "I agree about the desk.")
    assert decide(DESK, *OFF_TOPIC[:4], late)[0].status is DecisionStatus.ADOPTED  # 5th turn, 13 s
    far = Windows(seconds=10)
    assert decide(DESK, *OFF_TOPIC[:4], late, windows=far)[0].status is DecisionStatus.IGNORED


@pytest.mark.parametrize("field", ["seconds", "turns", "issue_seconds"])
def test_windows_are_above_zero(field: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Windows(**{field: 0})


def test_an_ignored_idea_comes_back_from_somebody_else() -> None:
    again = ("C", "proposal", "Why don't we open our desk every Saturday?")
    first, second = decide(DESK, *OFF_TOPIC, again, ("B", "agreement", "Great."))
    assert (first.status, first.returns_from) == (DecisionStatus.IGNORED, None)
    assert (second.status, second.returns_from) == (DecisionStatus.ADOPTED, 0)


def test_repeating_ones_own_ignored_idea_takes_it_from_nobody() -> None:
    again = ("A", "proposal", "Why don't we open our desk every Saturday?")
    first, second = decide(DESK, *OFF_TOPIC, again, ("B", "agreement", "Great."))
    assert first.status is DecisionStatus.IGNORED
    assert second.returns_from is None


def test_an_idea_that_was_answered_does_not_come_back_from_anywhere() -> None:
    again = ("C", "proposal", "Why don't we open our desk every Saturday?")
    chains = decide(DESK, ("B", "disagreement", "No."), *OFF_TOPIC * 2, again, ("B", "agreement", "Great."))
    assert [chain.status for chain in chains] == [DecisionStatus.REJECTED, DecisionStatus.ADOPTED]
    assert chains[1].returns_from is None


def test_another_idea_with_one_word_in_common_is_another_idea() -> None:
    other = ("C", "proposal", "We should buy a wooden desk for the reading room.")
    assert [chain.returns_from for chain in decide(DESK, *OFF_TOPIC, other)] == [None, None]


def test_two_words_of_many_in_common_make_no_idea_come_back() -> None:
    first = ("A", "proposal", "We should open the wooden reading desk near the entrance on rainy Saturdays.")
    other = ("C", "proposal", "We should paint the wooden reading shelves green before the summer holidays.")
    assert [chain.returns_from for chain in decide(first, *OFF_TOPIC * 2, other)] == [None, None]


def test_one_word_of_many_in_common_changes_no_proposal() -> None:
    other = ("B", "proposal", "We should buy a wooden desk for the reading room.")
    assert len(decide(DESK, other)) == 2


def test_who_raised_the_issue() -> None:
    problem = ("B", "information", "People complain that the desk is closed at the weekend.")
    question = ("C", "question", "When could the desk be open?")
    agenda = ("B", "directive", "Let's turn to the desk.")
    assert ledger(one(problem, question, DESK))[0] == ("raised", "B", 0)
    assert ledger(one(agenda, question, DESK))[0] == ("raised", "C", 1)
    assert ledger(one(agenda, DESK))[0] == ("raised", "B", 0)


def test_the_question_before_it_raised_the_issue_even_in_other_words() -> None:
    asked = ("B", "question", "What can be done for working families?")
    assert ledger(one(asked, DESK))[0] == ("raised", "B", 0)
    assert ledger(one(asked, *OFF_TOPIC[:1], OFF_TOPIC[1], DESK))[0][0] == "proposed"


def test_a_question_about_another_proposal_raised_nothing() -> None:
    asked = ("B", "question", "How much would it cost?")
    assert (
        ledger(decide(DESK, asked, ("C", "proposal", "We should shorten the letter."))[1])[0][0] == "proposed"
    )


def test_what_lies_too_far_back_raised_nothing() -> None:
    talk = at(0, "B", "When could the desk be open?", 0), at(62.1, "A", DESK[2], 1)
    kinds = acts("question", "proposal")
    assert link_decisions(talk, kinds)[0].ledger[0].role is LedgerRole.PROPOSED
    wide = link_decisions(talk, kinds, windows=Windows(issue_seconds=90))
    assert wide[0].ledger[0].role is LedgerRole.RAISED


def test_the_whole_ledger_in_time_order() -> None:
    chain = one(
        ("C", "question", "When could the desk be open?"),
        DESK,
        ("B", "disagreement", "No, that is too expensive."),
        ("A", "proposal", "Then let's open the desk on one Saturday a month."),
        ("B", "agreement", "Okay, fine."),
        ("C", "confirmation", "That is decided."),
        ("B", "commitment", "I will tell the volunteers."),
    )
    assert ledger(chain) == [
        ("raised", "C", 0),
        ("proposed", "A", 1),
        ("objected", "B", 2),
        ("amended", "A", 3),
        ("agreed", "B", 4),
        ("confirmed", "C", 5),
        ("committed", "B", 6),
    ]
    assert chain.status is DecisionStatus.AMENDED
    assert chain.span == Span(0, 20)


def test_a_settled_decision_is_not_changed_by_the_next_proposal() -> None:
    settled = DESK, ("B", "agreement", "Yes."), ("C", "confirmation", "That is decided.")
    chains = decide(*settled, ("B", "proposal", "We should paint the desk before the first Saturday."))
    assert [chain.status for chain in chains] == [DecisionStatus.ADOPTED, DecisionStatus.OPEN]


def test_confidence_falls_with_that_of_the_acts_and_with_objections() -> None:
    sure, unsure = (decide(DESK, ("B", "agreement", "Yes."), confidence=c)[0] for c in (1.0, 0.6))
    assert (sure.confidence, unsure.confidence) == (1.0, 0.432)  # 0.6 (1 - 0.4 (1 - 0.6 / 2))
    two = decide(DESK, ("B", "agreement", "Yes."), ("C", "agreement", "Yes."), confidence=0.6)[0]
    assert two.confidence == 0.645  # with 1 - 0.4² = 0.84 for the two: 0.84 (1 - 0.4 (1 - 0.84 / 2))
    objected = one(
        DESK, ("C", "disagreement", "That is too expensive."), ("B", "agreement", "I like the idea.")
    )
    assert objected.confidence == 0.5
    assert decide(DESK, *OFF_TOPIC, confidence=0.8)[0].confidence == 0.7  # 0.8 (1 - 0.5³)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Maybe we could lend tablets to families, it is cheap.", "lend tablets to families"),
        ("What about a box next to the door because people ask?", "box next to the door"),
        ("The hall is cold. Let's move the meeting to the library.", "move the meeting to the library"),
        ("How about Friday?", "Friday"),
        ("We could put a box there too.", "put a box"),
        ("I’d suggest “the blue carpet” for the children’s corner", "blue carpet"),
        ("we should close at noon", "close at noon"),
    ],
)
def test_topics_are_quoted(text: str, topic: str) -> None:
    chain = one(("A", "proposal", text))
    assert chain.topic == topic
    assert chain.topic in text


def test_without_a_proposal_or_acts_there_are_no_decisions() -> None:
    talk = said(("A", "We should open the desk."), ("B", "Yes."))
    assert link_decisions(talk, ()) == ()
    assert link_decisions((), acts("proposal")) == ()
    assert link_decisions(talk, acts("information", "agreement")) == ()
    assert link_decisions(said(("A", " "), ("B", "Yes.")), acts("proposal", "agreement")) == ()
    assert link_decisions(said(("A", "We should."), ("B", "Yes.")), acts("proposal", "agreement")) == ()
    assert link_decisions(talk, acts("proposal", "agreement"), language="tlh") == ()


def test_cues_may_come_in_any_order() -> None:
    lines = DESK, ("B", "agreement", "Yes."), ("C", "confirmation", "That is decided.")
    talk = said(*((who, text) for who, _, text in lines))
    kinds = acts(*(kind for _, kind, _ in lines))
    assert link_decisions(talk[::-1], kinds[::-1]) == link_decisions(talk, kinds)


def test_from_text_alone() -> None:
    talk = said(
        ("M", "People complain about the long queue at the desk."),
        ("T", "I suggest we put a ticket machine at the entrance."),
        ("M", "The annual report is due on Monday."),
        ("J", "It needs two more tables."),
        ("M", "And a chapter on the budget."),
        ("J", "For the queue, we could have a ticket machine at the entrance."),
        ("M", "That's a great idea."),
        ("J", "I'll ask for prices."),
        ("M", "Good, that's decided."),
    )
    ignored, adopted = link_decisions(talk, label_acts(talk, "en"))
    assert ignored.status is DecisionStatus.IGNORED
    assert adopted.status is DecisionStatus.ADOPTED
    assert adopted.returns_from == ignored.id
    assert ledger(adopted)[-4:] == [
        ("proposed", "J", 5),
        ("agreed", "M", 6),
        ("committed", "J", 7),
        ("confirmed", "M", 8),
    ]


def from_text(*lines: tuple[str, str]) -> list[tuple[str, str, int | None]]:
    """Status, topic and origin of the chains of a transcript's text."""
    talk = said(*lines)
    return [(c.status.value, c.topic, c.returns_from) for c in link_decisions(talk, label_acts(talk, "en"))]


def test_a_counter_proposal_after_a_rejection() -> None:
    assert from_text(
        ("A", "We need to decide on the launch date."),
        ("B", "I propose we launch on Friday."),
        ("C", "I don't think so, testing isn't finished."),
        ("B", "How about Monday then?"),
        ("A", "Yes, Monday works."),
        ("C", "Agreed."),
        ("A", "Okay, Monday it is."),
    ) == [("rejected", "launch on Friday", None), ("adopted", "Monday", None)]


def test_a_compromise() -> None:
    assert from_text(
        ("A", "I'd suggest moving the reading hour to Saturday. Families have time then."),
        ("B", "I agree, Saturday is much better."),
        ("C", "But we don't have staff on Saturdays."),
        ("A", "What about doing it only once a month?"),
        ("C", "Yes, good idea."),
        ("B", "Okay, then we do the reading hour once a month. Lea, can you plan it?"),
        ("C", "Sure, I'll make a plan until Friday."),
    ) == [("amended", "moving the reading hour to Saturday", None)]


def worded(*lines: tuple[str, str]) -> list[str | None]:
    """The words in which each decision of a talk was made, where they aren't those of the proposal."""
    talk = said(*lines)
    texts = {u.id: u.text for u in talk}
    chains = link_decisions(talk, label_acts(talk, "en"))
    return [None if chain.wording is None else texts[chain.wording] for chain in chains]


def test_what_was_confirmed_of_a_compromise_is_told_in_its_words() -> None:
    proposal = ("A", "I'd suggest moving the reading hour to Saturday. Families have time then.")
    objection = ("C", "But we don't have staff on Saturdays.")
    changed, agreed = ("A", "What about doing it only once a month?"), ("C", "Yes, good idea.")
    confirmed = ("B", "Okay, then we do the reading hour once a month.")
    assert worded(proposal, objection, changed, agreed, confirmed) == [confirmed[1]]
    assert worded(proposal, objection, changed, agreed, ("B", "Okay, that's decided.")) == [changed[1]]
    assert worded(proposal, objection, changed, agreed) == [changed[1]]
    assert worded(proposal, objection, changed) == [None]


def test_a_confirmation_that_says_no_more_than_the_proposal_has_no_wording() -> None:
    proposal, agreed = ("A", "I suggest that we open the desk on Saturdays."), ("B", "Yes, good idea.")
    assert worded(proposal, agreed, ("C", "Decided: we open the desk on Saturdays.")) == [None]
    narrower = "Decided: we open the desk on Saturdays in summer."
    assert worded(proposal, agreed, ("C", narrower)) == [narrower]


@pytest.mark.parametrize(
    "taken_back", ["Okay, then I withdraw it.", "All right, I take it back.", "Forget it then."]
)
def test_who_takes_a_proposal_back_makes_no_other_one(taken_back: str) -> None:
    proposal = ("A", "I propose that we paint the hall green.")
    rejected = [("rejected", "paint the hall green", None)]
    assert from_text(proposal, ("B", "What does it cost?"), ("A", taken_back), ("B", "Okay.")) == rejected
    assert from_text(proposal, ("B", "No, that is too expensive."), ("A", taken_back)) == rejected
    taken_up = ("C", "I like the idea, let's paint the hall green.")
    again = from_text(proposal, ("B", "No, that is too expensive."), ("A", taken_back), taken_up)
    assert again == [("adopted", "paint the hall green", None)]


def test_an_amendment_that_is_taken_back_leaves_what_people_were_for() -> None:
    changed = ("C", "proposal", "Let's open the desk only on the first Saturday.")
    back = ("C", "agreement", "I withdraw that.")
    assert one(DESK, ("B", "agreement", "Yes."), changed, back).status is DecisionStatus.ADOPTED
    assert one(DESK, changed, back).status is DecisionStatus.REJECTED


@pytest.mark.parametrize(
    "put_off",
    [
        "Okay, let's decide next week.",
        "Let's postpone that.",
        "We will decide that at the next meeting.",
        "I suggest we come back to it later.",
        "Let's leave it open.",
    ],
)
def test_what_is_put_off_is_not_decided(put_off: str) -> None:
    proposal, agreed = ("A", "We should open the desk on Saturdays."), ("B", "I agree.")
    still_open = [("open", "open the desk on Saturdays", None)]
    assert from_text(proposal, ("C", put_off), ("A", "Yes.")) == still_open
    assert from_text(proposal, agreed, ("C", put_off), ("A", "Agreed.")) == still_open
    after_all = ("A", "Fine, then we open the desk on Saturdays.")
    decided = from_text(proposal, agreed, ("C", put_off), ("B", "People need an answer."), after_all)
    assert decided == [("adopted", "open the desk on Saturdays", None)]


def test_a_proposal_to_put_something_off_is_one() -> None:
    proposal = ("A", "I suggest we postpone the move to May.")
    assert from_text(proposal, ("B", "Yes, good idea.")) == [("adopted", "postpone the move", None)]


def test_one_summary_confirms_all_that_it_names() -> None:
    letter = ("B", "proposal", "We should shorten the letter.")
    summary = ("C", "confirmation", "Decided: the desk opens on Saturdays and the letter is shortened.")
    chains = decide(DESK, letter, summary)
    assert [chain.status for chain in chains] == [DecisionStatus.ADOPTED] * 2
    assert [ledger(chain)[-1] for chain in chains] == [("confirmed", "C", 2)] * 2


def test_an_idea_that_comes_back_answers_what_it_answered_before() -> None:
    asked = ("B", "question", "What can be done for working families?")
    again = ("C", "proposal", "Why don't we open our desk every Saturday?")
    first, second = decide(asked, DESK, *OFF_TOPIC, again, ("B", "agreement", "Great."))
    assert ledger(first)[0] == ledger(second)[0] == ("raised", "B", 0)


@st.composite
def labelled_talk(draw: st.DrawFn) -> tuple[tuple[Utterance, ...], tuple[Act, ...]]:
    """Talk with any acts, some missing and some twice."""
    talk = draw(drawn_talk())
    kind, sure = st.sampled_from(ActLabel), st.integers(0, 100).map(lambda n: n / 100)
    given_acts = [Act(u.id, draw(kind), draw(sure)) for u in talk if draw(st.integers(0, 9))]
    return talk, tuple(given_acts + given_acts[:2])


@given(labelled_talk())
def test_every_chain_keeps_its_promises(case: tuple[tuple[Utterance, ...], tuple[Act, ...]]) -> None:
    talk, given_acts = case
    by_id = {u.id: u for u in talk}
    chains = link_decisions(talk, given_acts)
    assert [chain.id for chain in chains] == list(range(len(chains)))
    proposals = [next(e.utterance for e in c.ledger if e.role is LedgerRole.PROPOSED) for c in chains]
    starts = [by_id[number].span.start for number in proposals]
    assert starts == sorted(starts)
    for chain in chains:
        assert 0 <= chain.confidence <= 1
        roles = [entry.role for entry in chain.ledger]
        assert roles.count(LedgerRole.PROPOSED) == 1
        evidence = [by_id[entry.utterance] for entry in chain.ledger]
        assert [u.speaker for u in evidence] == [entry.speaker for entry in chain.ledger]
        assert [u.span.start for u in evidence] == sorted(u.span.start for u in evidence)
        proposal = evidence[roles.index(LedgerRole.PROPOSED)]
        assert chain.topic
        assert chain.topic in " ".join(proposal.text.split())
        assert chain.span == Span(min(u.span.start for u in evidence), max(u.span.end for u in evidence))
        others = {e.role for e in chain.ledger if e.speaker != proposal.speaker}
        if chain.status is DecisionStatus.IGNORED:
            assert set(roles) <= {LedgerRole.RAISED, LedgerRole.PROPOSED, LedgerRole.COMMITTED}
            assert others <= {LedgerRole.RAISED}
        if chain.status is DecisionStatus.AMENDED:
            assert LedgerRole.AMENDED in roles
        in_ledger = {entry.utterance for entry in chain.ledger}
        assert chain.wording is None or chain.wording in in_ledger
        if chain.returns_from is not None:
            origin = chains[chain.returns_from]
            assert origin.id < chain.id
            assert origin.status is DecisionStatus.IGNORED
            first = next(e for e in origin.ledger if e.role is LedgerRole.PROPOSED)
            assert first.speaker != proposal.speaker


@given(labelled_talk(), st.integers(0, 1_000_000))
def test_time_is_relative(case: tuple[tuple[Utterance, ...], tuple[Act, ...]], shift: int) -> None:
    talk, given_acts = case
    later = tuple(replace(u, span=u.span.shift(shift / 1000)) for u in talk)
    moved = [replace(c, span=c.span.shift(shift / 1000)) for c in link_decisions(talk, given_acts)]
    assert list(link_decisions(later, given_acts)) == moved


@given(labelled_talk(), st.permutations(["X", "Y", "Z"]))
def test_names_do_not_matter(case: tuple[tuple[Utterance, ...], tuple[Act, ...]], names: list[str]) -> None:
    talk, given_acts = case
    name = dict(zip("ABC", names, strict=True))
    renamed = tuple(replace(u, speaker=name[u.speaker]) for u in talk)
    expected = [
        replace(c, ledger=tuple(replace(e, speaker=name[e.speaker]) for e in c.ledger))
        for c in link_decisions(talk, given_acts)
    ]
    assert list(link_decisions(renamed, given_acts)) == expected


def calls(talk: tuple[Utterance, ...], given_acts: tuple[Act, ...]) -> int:
    """How many functions are called to link the decisions of a talk."""
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        link_decisions(talk, given_acts)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("pace", [0.0, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("people", [1, 4, 10_000])
def test_work_grows_with_the_length_of_the_meeting(pace: float, people: int) -> None:
    texts = (
        "We should open the desk.",
        "I suggest a shorter letter for families.",
        "Yes.",
        "The desk is old.",
    )
    kinds = ("proposal", "proposal", "agreement", "information")

    def work(count: int) -> int:
        talk = tuple(
            Utterance(i, f"S{i % people}", Span(i * pace, i * pace + 2), texts[i % 4]) for i in range(count)
        )
        return calls(talk, acts(*(kinds[i % 4] for i in range(count))))

    work(100)
    assert work(1600) <= 2.2 * work(800)
