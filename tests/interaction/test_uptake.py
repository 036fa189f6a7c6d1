"""Initiatives, claims and their answers: every kind by example, windows, network, and what always holds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction.measures.talk import Said
from meetsense.interaction.uptake import (
    Opening,
    Reply,
    centralisation,
    claims_of,
    density,
    initiatives_of,
    network_of,
    proposals_of,
    ties,
)
from tests.interaction.exchanges import Line, drawn_talk, exchange, heard, later, moves, renamed

slow = settings(deadline=None)

DESK = ("A", "proposal", "I suggest that we open the desk on Saturdays.")
OTHER = ("C", "information", "The printer is empty.")


def answers(opening: Opening) -> list[tuple[str, int, int]]:
    return [(answer.reply.value, answer.speaker, answer.utterance) for answer in opening.answers]


def claimed(*lines: Line, step: float = 3.0) -> list[tuple[str, int, int]]:
    """Answers to the first claim."""
    return answers(claims_of(moves(*lines, step=step))[0])


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (("B", "agreement", "Yes."), Reply.AGREEMENT),
        (("B", "confirmation", "That is decided."), Reply.AGREEMENT),
        (("B", "commitment", "I will see to it."), Reply.COMMITMENT),
        (("B", "other", "That's a great idea."), Reply.CREDIT),
        (("B", "question", "What do you think?"), Reply.INVITATION),
        (("B", "information", "Saturdays are quiet at the desk."), Reply.UPTAKE),
        (("B", "question", "Is the desk warm on Saturdays?"), Reply.UPTAKE),
        (("B", "proposal", "Let's open the desk on one Saturday."), Reply.UPTAKE),
        (("B", "disagreement", "No."), Reply.OBJECTION),
        (("B", "information", "The printer is empty."), None),
        (("B", "backchannel", "Mhm."), None),
        (("B", "other", "Thank you."), None),
        (("B", "question", "What do you think about the desk?"), Reply.INVITATION),
        (("B", "question", "Anything else?"), None),
        (("B", "question", "Does anyone know the number of the printer?"), None),
        (("B", "question", "Is everybody happy with the printer?"), None),
        (("B", "agreement", "Okay, that's all for today."), None),
        (("B", "confirmation", "So we're done."), None),
        (("A", "agreement", "Yes."), None),
    ],
)
def test_how_others_answer_a_claim(line: Line, reply: Reply | None) -> None:
    expected = [] if reply is None else [(reply.value, 1, 1)]
    assert claimed(DESK, line) == expected


def test_answers_come_within_twenty_seconds_of_the_last_word_on_it() -> None:
    late = ("B", "agreement", "Yes.")
    assert claimed(DESK, late, step=22.0) == [("agreement", 1, 1)]
    assert claimed(DESK, late, step=22.1) == []
    reasons = ("A", "information", "People ask for it.")
    assert claimed(DESK, reasons, late, step=20.0) == [("agreement", 1, 2)]


def test_answers_come_within_three_changes_of_speaker() -> None:
    between = [OTHER, ("A", "information", "It is cold."), OTHER]
    assert claimed(DESK, *between[:2], ("B", "agreement", "Yes.")) == [("agreement", 1, 3)]
    assert claimed(DESK, *between, ("B", "agreement", "Yes.")) == []
    hums = [("C", "backchannel", "Mhm."), ("B", "backchannel", "Yeah.")] * 2
    assert claimed(DESK, *hums, ("B", "agreement", "Yes.")) == [("agreement", 1, 5)]


def test_windows_are_parameters() -> None:
    read = moves(DESK, OTHER, ("B", "agreement", "Yes."), step=10.0)
    assert claims_of(read)[0].grants
    assert not claims_of(read, seconds=10.0)[0].grants
    assert not claims_of(read, turns=1)[0].grants


def test_an_answer_belongs_to_one_claim() -> None:
    letter = ("B", "proposal", "We should shorten the letter.")
    first, second = claims_of(moves(DESK, letter, ("C", "agreement", "Yes.")))
    assert (answers(first), answers(second)) == ([], [("agreement", 2, 2)])
    named = ("C", "agreement", "I agree about the desk.")
    first, second = claims_of(moves(DESK, letter, named))
    assert (answers(first), answers(second)) == ([("agreement", 2, 2)], [])


def test_each_person_answers_once_by_going_along_and_once_by_objecting() -> None:
    yes, no = ("B", "agreement", "Yes."), ("B", "disagreement", "No.")
    (claim,) = claims_of(moves(DESK, yes, yes, no, no, ("C", "agreement", "Good idea.")))
    assert answers(claim) == [("agreement", 1, 1), ("objection", 1, 3), ("agreement", 2, 5)]
    assert [a.utterance for a in claim.grants] == [1, 5]
    assert [a.utterance for a in claim.objections] == [3]


def test_reasons_against_it_are_no_uptake_nor_what_is_proposed_instead() -> None:
    no = ("B", "disagreement", "No, that is too expensive.")
    reasons = ("B", "information", "Saturdays at the desk cost a lot.")
    instead = ("C", "proposal", "Let's close the desk on Saturdays.")
    assert claimed(DESK, no, reasons, instead) == [("objection", 1, 1)]


def test_a_question_to_the_others_is_about_what_was_said_just_before_or_names_it() -> None:
    between = ("A", "information", "The printer is empty.")
    assert claimed(DESK, ("C", "information", "It is cold."), ("B", "question", "What do you think?")) == []
    asked = ("B", "question", "What do you think about Saturdays?")
    assert claimed(DESK, ("C", "information", "It is cold."), between, asked) == [("invitation", 1, 3)]


def test_ending_answers_no_question() -> None:
    asked = ("A", "question", "How much is the printer?")
    ends = ("B", "information", "That's all for today.")
    assert next(found[1] for found in begun(asked, ends)) == []


STAFF = ("B", "disagreement", "But we don't have staff on Saturdays.")


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("No, that's not true.", False),
        ("We do have enough staff.", False),
        ("I disagree.", False),
        ("And the staff won't like it.", True),
        ("I don't want that either.", True),
        ("The desk is too loud.", True),
    ],
)
def test_who_contradicts_an_objection_does_not_object_to_the_claim(text: str, counts: bool) -> None:
    objected = [("objection", 1, 1), ("objection", 2, 2)]
    assert claimed(DESK, STAFF, ("C", "disagreement", text)) == objected[: 1 + counts]


def test_what_is_contradicted_is_an_objection_just_made_by_somebody_else() -> None:
    contradicts = ("disagreement", "No, that's not true.")
    assert claimed(DESK, ("C", *contradicts)) == [("objection", 2, 1)]
    assert claimed(DESK, STAFF, ("B", *contradicts)) == [("objection", 1, 1)]
    again = ("A", "information", "The desk is free on Saturdays.")
    assert claimed(DESK, STAFF, again, ("C", *contradicts)) == [("objection", 1, 1), ("objection", 2, 3)]


def test_a_bare_yes_after_an_objection_is_for_the_objection() -> None:
    no, yes = ("B", "disagreement", "No, that is too expensive."), ("C", "agreement", "Right.")
    assert claimed(DESK, no, yes) == [("objection", 1, 1)]
    assert claimed(DESK, no, ("C", "agreement", "It's a good idea."))[1:] == [("agreement", 2, 2)]
    rebutted = ("A", "information", "Saturdays are cheap at the desk.")
    assert claimed(DESK, no, rebutted, yes)[1:] == [("agreement", 2, 3)]


def test_a_confirmed_refusal_grants_nothing() -> None:
    no, settled = ("B", "disagreement", "No."), ("C", "confirmation", "So the desk stays closed.")
    assert claimed(DESK, no, settled) == [("objection", 1, 1)]
    yes = ("C", "agreement", "I like the desk on Saturdays.")
    assert claimed(DESK, no, yes, ("C", "confirmation", "That is decided."))[1:] == [("agreement", 2, 2)]


def test_what_comes_last_cannot_be_answered() -> None:
    first, last = claims_of(moves(DESK, ("B", "proposal", "We should shorten the letter.")))
    assert (first.answerable, last.answerable) == (True, False)
    hum = claims_of(moves(DESK, ("B", "backchannel", "Mhm.")))
    assert not hum[0].answerable


def begun(*lines: Line) -> list[tuple[tuple[int, ...], list[tuple[str, int, int]]]]:
    """Utterances and answers of each initiative."""
    found = exchange(heard(*lines)).initiatives
    return [(opening.utterances, answers(opening)) for opening in found]


def test_an_initiative_is_what_a_turn_says_of_its_own_accord() -> None:
    lines = (
        ("A", "information", "The desk was closed last month."),
        ("A", "floor", "So."),
        ("A", "question", "What can we do about it?"),
        ("B", "information", "Nobody works on Saturdays."),
        ("C", "proposal", "We could ask the caretaker."),
        ("B", "agreement", "Yes."),
    )
    assert begun(*lines) == [((0, 2), [("answer", 1, 3), ("answer", 2, 4)]), ((4,), [("agreement", 1, 5)])]


def test_any_answer_takes_a_question_up_and_only_just_after_it() -> None:
    question = ("A", "question", "Is the desk open?")
    assert begun(question, ("B", "disagreement", "No."))[0][1] == [("answer", 1, 1)]
    assert begun(question, ("B", "question", "Which one?"))[0][1] == []
    before = ("C", "information", "The printer is empty.")
    names_it = ("B", "information", "The printer stands there.")
    assert begun(before, question, names_it) == [((0,), []), ((1,), [("answer", 1, 2)])]


def test_objecting_takes_nothing_up() -> None:
    (first, *_) = exchange(heard(DESK, ("B", "disagreement", "No."))).initiatives
    assert first.answers
    assert not first.grants


@slow
@given(drawn_talk())
def test_initiatives_and_claims_are_made_of_acts(talk: tuple[Said, ...]) -> None:
    read = exchange(talk)
    whose = {said.id: said.speaker for said in talk}
    for openings in (read.initiatives, read.claims):
        used = [number for opening in openings for number in opening.utterances]
        assert len(used) == len(set(used))
        evidence = [answer.utterance for opening in openings for answer in opening.answers]
        assert len(evidence) == len(set(evidence))
        for opening in openings:
            assert {whose[number] for number in opening.utterances} == {opening.speaker}
            for answer in opening.answers:
                assert whose[answer.utterance] == answer.speaker != opening.speaker
            keys = Counter((a.speaker, a.reply is Reply.OBJECTION) for a in opening.answers)
            assert not keys or max(keys.values()) == 1
            assert opening.answerable or not opening.answers
    takes = [move.id for move, own in zip(read.moves, read.control.takes, strict=True) if own]
    assert sorted(n for opening in read.initiatives for n in opening.utterances) == sorted(takes)


@slow
@given(drawn_talk(), st.permutations([0, 1, 2]), st.integers(0, 10**7))
def test_names_and_the_hour_do_not_matter(talk: tuple[Said, ...], places: list[int], ms: int) -> None:
    before, after = exchange(talk), exchange(later(renamed(talk, tuple(places)), ms))
    for one, other in ((before.initiatives, after.initiatives), (before.claims, after.claims)):
        assert [
            (places[o.speaker], [(r, places[who], said) for r, who, said in answers(o)]) for o in one
        ] == [(o.speaker, answers(o)) for o in other]


@slow
@given(drawn_talk(12), drawn_talk(12))
def test_parts_of_a_meeting_add_up_to_the_whole(one: tuple[Said, ...], other: tuple[Said, ...]) -> None:
    """Words too few to be common in any of them, and a pause between the parts that nothing reaches over."""
    whole = exchange(one + later(other, 1_000_000, len(one)))
    parts = exchange(one), exchange(other)
    in_parts = network_of(parts[0].claims, 3), network_of(parts[1].claims, 3)
    added = Counter(in_parts[0].grants) + Counter(in_parts[1].grants)
    common = {stem for read in (*parts, whole) for move in read.moves for stem in move.stems}
    if all(_uses(whole, stem) == _uses(parts[0], stem) + _uses(parts[1], stem) for stem in common):
        assert Counter(network_of(whole.claims, 3).grants) == added


def _uses(read: object, stem: str) -> int:
    return sum(stem in move.stems for move in read.moves)  # type: ignore[attr-defined]


def test_the_network_worked_out() -> None:
    yes = ("B", "agreement", "Yes.")
    letter = ("B", "proposal", "We should shorten the letter.")
    lines = (
        DESK, yes, ("C", "agreement", "Yes."), letter, ("A", "disagreement", "No."),
        ("C", "proposal", "Let's buy a new lamp."), ("A", "agreement", "Good."), OTHER,
    )  # fmt: skip
    network = network_of(claims_of(moves(*lines)), 3)
    assert network.claims == (1, 1, 1)
    assert network.received == (2, 0, 1)
    assert network.grants == {(1, 0): 1, (2, 0): 1, (0, 2): 1}
    assert network.objections == {(0, 1): 1}
    assert network.dyads == (1, 2)
    tied = ties(np.array([1.0, 1.0, 1.0]), np.array([2.0, 0.0, 1.0]))
    assert tied.tolist() == [1.0, 0.0, 0.5]
    assert float(density(tied)) == pytest.approx(3 / 6)
    assert float(centralisation(tied)) == pytest.approx((0 + 1 + 0.5) / 2)


def adopted(*lines: Line) -> list[tuple[int | None, int | None]]:
    """When and by which utterance each proposal was adopted."""
    return [(p.after_ms, p.by) for p in proposals_of(moves(*lines))]


def test_what_adopts_a_proposal() -> None:
    yes, no, other = ("B", "agreement", "Yes."), ("B", "disagreement", "No."), OTHER
    assert adopted(DESK, yes) == [(1000, 1)]
    assert adopted(DESK, other, yes) == [(4000, 2)]
    assert adopted(DESK, ("A", "agreement", "Yes.")) == [(None, None)]
    assert adopted(DESK, ("A", "confirmation", "So it is decided.")) == [(1000, 1)]
    assert adopted(DESK, no, yes) == [(None, None)]
    assert adopted(DESK, ("B", "proposal", "Let's buy a lamp."), yes) == [(None, None), (None, None)]
    assert adopted(DESK, ("B", "proposal", "Let's buy a lamp."), ("A", "agreement", "Yes.")) == [
        (None, None),
        (1000, 2),
    ]
    assert adopted(yes, other) == []


def test_adoption_hangs_on_the_window() -> None:
    (proposal,) = proposals_of(moves(DESK, OTHER, OTHER, OTHER, OTHER, OTHER, ("B", "agreement", "Yes.")))
    assert proposal.after_ms == 16_000
    assert [proposal.adopted(seconds) for seconds in (10, 16, 20, 40)] == [False, True, True, True]
    assert proposal.adopted()


def test_initiatives_of_nothing() -> None:
    empty = exchange(())
    assert empty.initiatives == empty.claims == ()
    assert initiatives_of((), empty.control) == ()
