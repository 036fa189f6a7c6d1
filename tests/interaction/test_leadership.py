"""Measures of initiative, uptake, decisions, activities and roles: worked out, withheld, and adding up."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction import claims, initiatives, label_acts, link_decisions, measure
from meetsense.interaction.measures import DEFINITIONS, activities, decided, initiative, roles, uptake
from meetsense.interaction.measures.doubted import TOO_WIDE
from meetsense.interaction.measures.wordless import REASON
from meetsense.interaction.patterns.tracked import OF_MEETINGS, OF_PEOPLE, Kind
from meetsense.speech.directory import BUNDLED
from meetsense.values import Act, ActLabel, Grade, Measure, Span, Turn, Utterance
from tests.bench import leadership
from tests.interaction.meetings import LABELS, acts, by_key, drawn_talk, said

MINE = (initiative, uptake, decided, activities, roles)
NAMES = {item.name for family in MINE for item in family.DEFINITIONS}
Found = dict[tuple[str, str | None, str | None], Measure]

slow = settings(deadline=None, max_examples=40)


def measured(
    talk: Sequence[Utterance],
    kinds: Sequence[Act] | None = None,
    *,
    labels: tuple[str, ...] = (),
    formal: Mapping[str, str] | None = None,
    language: str | None = "en",
    people: int | None = None,
) -> Found:
    """The measures of this part's families, by name and people."""
    kinds = label_acts(talk, "en") if kinds is None else kinds
    turns = tuple(Turn(u.span, u.speaker) for u in talk)
    found = measure(
        turns,
        duration=max((u.span.end for u in talk), default=0.0),
        labels=labels,
        utterances=talk,
        acts=kinds,
        decisions=link_decisions(talk, kinds, language=language),
        roles=formal,
        language=language,
        sees_overlap=True,
        people=people,
    )
    return {key: item for key, item in by_key(found).items() if key[0] in NAMES}


def bundled() -> tuple[tuple[Utterance, ...], tuple[Act, ...]]:
    rows = json.loads((BUNDLED / "demo-meeting" / "acts.json").read_text(encoding="utf-8"))
    talk = tuple(Utterance(r["id"], r["speaker"], Span(r["start"], r["end"]), r["text"]) for r in rows)
    return talk, tuple(Act(r["id"], ActLabel(r["act"]), 1.0) for r in rows)


def meeting(**options: object) -> Found:
    """The bundled meeting by its true acts, with its chair."""
    return measured(*bundled(), formal={"Mira": "chair"}, **options)  # type: ignore[arg-type]


def parts(found: Found, name: str) -> dict[tuple[str | None, str | None], tuple[float | None, float | None]]:
    return {(who, other): (m.part, m.whole) for (key, who, other), m in found.items() if key == name}


def test_whose_proposals_were_taken_up_in_the_bundled_meeting() -> None:
    found = meeting()
    adopted = {
        who: found["proposals_adopted", who, None].value for who in ("Mira", "Jonas", "Tessa", "Anton")
    }
    assert adopted == {"Mira": 0, "Jonas": 2, "Tessa": 0, "Anton": 1}
    assert found["adoption_rate", "Jonas", None].value == pytest.approx(2.5 / 3)
    assert found["adoption_rate", "Tessa", None].value == pytest.approx(0.5 / 3)
    assert found["adoption_rate", "Mira", None].reason == "proposed nothing"
    jonas = found["adoption_rate", "Jonas", None]
    assert (jonas.part, jonas.whole) == (2, 2)  # what adds up over meetings is not shrunk
    assert found["grants", "Mira", "Jonas"].value == 2
    assert found["objections", "Mira", "Tessa"].value == 1
    assert found["grants", "Anton", "Tessa"].value == 0


def test_who_led_the_bundled_meeting_besides_its_chair() -> None:
    found = meeting()
    assert (
        found["ratification_gap", None, None].value == 1
    )  # the chair confirmed all three, and proposed none
    assert found["ratification_gap", None, None].n == 3
    expected, other = (found[name, None, None].value for name in ("role_expected_acts", "role_other_acts"))
    assert expected is not None
    assert other is not None
    assert expected > 0.8 > 0.3 > other
    co_production = found["co_production_ratio", None, None].value
    assert co_production is not None
    assert 0.3 < co_production < 0.7
    assert found["ideas_returned", None, None].value == 1
    assert found["proposals_ignored", None, None].value == 1
    assert found["decisions_made", None, None].value == 3
    assert found["decision_latency", None, None].value == pytest.approx(46.905)


def test_activities_of_the_bundled_meeting() -> None:
    found = meeting()
    procedural = {who: m.value for (name, who, _), m in found.items() if name == "procedural_acts"}
    assert procedural["Mira"] == max(v for v in procedural.values() if v is not None) > 5
    acted = [m for (name, _, _), m in found.items() if name.endswith("_acts") and m.unit == "count"]
    talk, kinds = bundled()
    floor = sum(act.label is ActLabel.FLOOR for act in kinds)
    assert sum(m.value or 0 for m in acted) == len(talk) - floor


def test_without_roles_what_rests_on_them_is_withheld() -> None:
    talk, kinds = bundled()
    names = {item.name for item in roles.DEFINITIONS}
    for formal, why in (
        (None, roles.NO_ROLES),
        ({"Mira": "note-taker"}, roles.NO_LEADING),
        (dict.fromkeys(("Mira", "Jonas", "Tessa", "Anton"), "chair"), roles.ALL_LEAD),
    ):
        found = measured(talk, kinds, formal=formal)
        for name in names:
            assert (found[name, None, None].grade, found[name, None, None].reason) == (Grade.WITHHELD, why)


def test_what_is_followed_over_meetings_has_parts_that_add_up() -> None:
    talk, kinds = bundled()
    found = measure(
        tuple(Turn(u.span, u.speaker) for u in talk),
        duration=480.0,
        labels=(),
        utterances=talk,
        acts=kinds,
        decisions=link_decisions(talk, kinds),
        roles={"Mira": "chair"},
        sees_overlap=True,
        people=None,
    )
    for tracked in (*OF_PEOPLE, *OF_MEETINGS):
        own = [m for m in found if m.name == tracked.name and m.value is not None]
        assert own, tracked.name
        if tracked.kind is not Kind.LEVEL:
            assert all(m.part is not None and m.whole for m in own), tracked.name


def test_why_nothing_can_be_told_of_a_role_is_true() -> None:
    lines = (("A", "information", "The printer is empty."), ("B", "proposal", "Let's buy a lamp."))
    talk = said(*((who, text) for who, _, text in lines), ("A", "No."))
    kinds = acts("information", "proposal", "disagreement")
    found = measured(talk, kinds, formal={"A": "chair"})
    assert found["ratification_gap", None, None].reason == "no proposal was adopted"
    assert found["grants_to_role", None, None].reason == (
        "who has the role claimed nothing that could be answered"
    )
    assert found["grants_to_others", None, None].reason == "there is nobody else without such a role"
    assert "roster" not in roles.NO_ROLES  # it may have a chair, whose voice nobody knows
    turned = measured(talk, kinds, formal={"B": "chair"})
    assert turned["objections_to_others", None, None].reason == (
        "people without the role claimed nothing that could be answered"
    )
    quiet = measured(talk[:1], kinds[:1], formal={"A": "chair"}, labels=("A", "B"))
    assert quiet["ratification_gap", None, None].reason == "no decision was found"


def test_a_share_that_may_be_nearly_anything_is_not_firm() -> None:
    proposal, yes = "We should buy lamp number {}.", "Yes."
    talk, labels = [], []
    for i in range(6):
        talk.append(Utterance(2 * i, "A", Span(100.0 * i, 100.0 * i + 2), proposal.format(i)))
        talk.append(Utterance(2 * i + 1, "B", Span(100.0 * i + 3, 100.0 * i + 5), yes))
        labels += ["proposal", "agreement" if i % 2 else "disagreement"]
    sure = acts(*labels)
    unsure = tuple(replace(act, confidence=0.5) for act in sure)
    firm, wide = (measured(talk, kinds)["adoption_rate", "A", None] for kinds in (sure, unsure))
    assert firm.grade is Grade.FIRM
    assert wide.low is not None
    assert wide.high is not None
    assert wide.high - wide.low > 2 / 3
    assert (wide.grade, wide.reason) == (Grade.TENTATIVE, TOO_WIDE)
    assert wide.value == firm.value


def test_two_people_with_roles_count_together() -> None:
    found = measured(*bundled(), formal={"Mira": "chair", "Jonas": "team lead"})
    assert found["ratification_gap", None, None].part == 1  # of three decisions Jonas proposed two
    alone = meeting()["co_production_ratio", None, None].value
    both = found["co_production_ratio", None, None].value
    assert both is not None
    assert alone is not None
    assert both < alone


def test_power_is_told_by_the_answers_of_people_without_the_role() -> None:
    lines = (
        ("A", "proposal", "We should shorten the letter."), ("B", "agreement", "Yes."),
        ("C", "agreement", "Yes."), ("B", "proposal", "Let's buy a lamp."), ("C", "disagreement", "No."),
        ("A", "agreement", "Yes."), ("C", "information", "The printer is empty."),
    )  # fmt: skip
    talk = said(*((who, text) for who, _, text in lines))
    found = measured(talk, acts(*(kind for _, kind, _ in lines)), formal={"A": "chair"})
    assert parts(found, "grants_to_role") == {(None, None): (2, 2)}
    assert parts(found, "objections_to_role") == {(None, None): (0, 2)}
    assert parts(found, "grants_to_others") == {(None, None): (0, 1)}  # the chair's yes is none of theirs
    assert parts(found, "objections_to_others") == {(None, None): (1, 1)}


def test_in_a_language_without_the_words_all_is_withheld() -> None:
    talk = said(("A", "We should open it."), ("B", "Yes."))
    found = measured(talk, acts("proposal", "agreement"), language="tlh")
    assert found
    assert {m.reason for m in found.values()} == {REASON}
    assert {name for name, _, _ in found} == {
        name for name in NAMES if DEFINITIONS[name].subject.value != "pair"
    }


def test_without_acts_each_is_withheld_once() -> None:
    found = measured(said(("A", "Bonjour."), ("B", "Oui.")), (), formal={"A": "chair"})
    assert all(m.grade is Grade.WITHHELD for m in found.values())
    assert ("co_production_ratio", None, None) in found


def test_one_person_alone_claims_but_nobody_answers() -> None:
    talk = said(("A", "We should shorten the letter."), ("A", "Let's move on."))
    found = measured(talk, acts("proposal", "directive"))
    assert found["claims", "A", None].value == 2
    assert found["initiative_share", "A", None].reason == "there was no initiative to take up"
    assert found["uptake_density", None, None].reason == "one person alone has nobody to answer"
    assert not [key for key in found if key[2]]


def test_a_rate_that_hangs_on_the_window_is_tentative() -> None:
    proposal, other, yes = "We should buy lamp number {}.", "The printer is empty.", "Yes."
    talk = []
    for i in range(6):
        start = 100.0 * i
        talk.append(Utterance(3 * i, "A", Span(start, start + 2), proposal.format(i)))
        talk.append(Utterance(3 * i + 1, "B", Span(start + 3, start + 5), other))
        talk.append(Utterance(3 * i + 2, "B", Span(start + 17, start + 19), yes))
    found = measured(talk, acts(*["proposal", "information", "agreement"] * 6))
    assert [found[f"adopted_within_{s}s", None, None].value for s in (10, 20, 40)] == [0, 1, 1]
    rate = found["adoption_rate", "A", None]
    assert rate.value == pytest.approx(6.5 / 7)
    assert rate.grade is Grade.TENTATIVE
    assert rate.reason == "it hangs on how long one waits for an answer"


@slow
@given(drawn_talk())
def test_shares_are_made_of_acts_that_can_be_shown(talk: tuple[Utterance, ...]) -> None:
    kinds = label_acts(talk, "en")
    spoken = tuple(u for u in talk if u.span.duration)
    found = measured(spoken, kinds, labels=LABELS)
    begun = [item for item in initiatives(spoken, kinds, language="en") if item.answerable]
    made = claims(spoken, kinds, language="en")
    for who in LABELS:
        taken = sum(item.speaker == who for item in begun if item.taken_up)
        share, count = found.get(("initiative_share", who, None)), found.get(("claims", who, None))
        if share and share.value is not None:
            assert (share.part, share.whole) == (taken, len(begun))
        if count and count.value is not None:
            assert count.value == sum(item.speaker == who for item in made)
    for (name, one, other), item in found.items():
        if name in ("grants", "objections"):
            answers = [
                claim.taken_up if name == "grants" else claim.objections
                for claim in made
                if claim.speaker == other
            ]
            assert item.value == sum(answer.speaker == one for own in answers for answer in own)


def test_evidence_of_the_bundled_meeting() -> None:
    shown = [
        (item.speaker, item.utterances, [(a.reply.value, a.speaker, a.utterance) for a in item.taken_up])
        for item in initiatives(*bundled(), language="en")
    ]
    assert ("Mira", (73,), [("commitment", "Tessa", 74)]) in shown
    assert ("Tessa", (37, 38), []) in shown  # nobody took her idea up when she had it
    assert initiatives(*bundled(), language="tlh") == claims(bundled()[0], ()) == ()


@slow
@given(drawn_talk())
def test_shares_add_up(talk: tuple[Utterance, ...]) -> None:
    found = measured(talk, labels=LABELS)
    control = [m for (name, _, _), m in found.items() if name == "control_share" and m.value is not None]
    assert not control or math.fsum(m.value or 0 for m in control) == pytest.approx(1.0)
    taken = [m for (name, _, _), m in found.items() if name == "initiative_share" and m.value is not None]
    assert len({m.whole for m in taken}) <= 1
    assert math.fsum(m.value or 0 for m in taken) <= 1 + 1e-9
    for (name, who, other), m in found.items():
        if name == "grant_rate":
            assert m.part == found["grants", who, other].value


@slow
@given(drawn_talk(), st.permutations(["X", "Y", "Z"]))
def test_renaming_people_renames_the_results(talk: tuple[Utterance, ...], names: list[str]) -> None:
    name = dict(zip(LABELS, names, strict=True))
    kinds = label_acts(talk, "en")
    after = measured(
        tuple(replace(u, speaker=name[u.speaker]) for u in talk), kinds, labels=("X", "Y", "Z"),
        formal={name["A"]: "chair"},
    )  # fmt: skip
    before = measured(talk, kinds, labels=LABELS, formal={"A": "chair"})
    assert len(before) == len(after)
    for (key, who, other), m in before.items():
        same = after[key, name.get(who or ""), name.get(other or "")]
        for field in ("value", "low", "high"):
            assert getattr(m, field) == pytest.approx(getattr(same, field))
        assert (m.n, m.grade, m.reason) == (same.n, same.grade, same.reason)


@slow
@given(drawn_talk())
def test_a_silent_person_changes_only_what_they_could_have_answered(talk: tuple[Utterance, ...]) -> None:
    before, after = measured(talk, labels=LABELS), measured(talk, labels=(*LABELS, "D"))
    changes = {"uptake_density", "uptake_centralisation", "co_production_ratio"}
    for key, m in before.items():
        if key[0] not in changes:
            assert (m.value, m.n) == (after[key].value, after[key].n)
    for (name, who, _), m in after.items():
        if who == "D":
            assert not m.value, name
    one, other = (found.get(("uptake_density", None, None)) for found in (before, after))
    if one and other and one.value is not None and other.value is not None:
        assert other.value == pytest.approx(one.value * 2 / 4)  # ties of 6 are spread over 12


def test_the_count_of_people_withholds_what_is_about_people() -> None:
    found = meeting(people=5)
    kept = {name for (name, _, _), m in found.items() if m.value is not None}
    assert not kept & {"initiative_share", "grants", "uptake_density", "co_production_ratio", "claims"}
    assert "initiative_shifts" in kept


def test_correlations_within_groups_worked_out() -> None:
    cue = [np.array([1.0, 2.0, 3.0]), np.array([10.0, 10.0])]
    same = [2 * one + 7 for one in cue]
    turned = [np.array([0.0, 4.0, 0.0]), np.array([1.0, -1.0])]
    item = leadership.correlation(cue, same, turned)
    assert item.r == pytest.approx(1.0)
    assert item.with_talk == pytest.approx(0.0)
    assert item.partial[0] == pytest.approx(1.0)
    assert math.isnan(leadership.correlation(cue, same, cue).partial[0])
    assert "partial" not in leadership.correlation(cue, same, cue).note
