"""The uptake network, initiatives, and doubts gathered by reason."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.interaction.measures import DEFINITIONS
from meetsense.report.charts import sections
from meetsense.report.doubts import doubts, summed, together
from meetsense.report.escape import clean
from meetsense.report.families import FAMILIES, OTHER, family, place
from meetsense.report.initiative import LISTED, MOST, initiatives
from meetsense.report.ledger import decisions
from meetsense.report.network import DRAWN, GRID, HEIGHT, WIDTH, drawing, grid, network
from meetsense.report.people import people
from meetsense.report.terms import term
from meetsense.values import Analysis, Grade, Measure, Subject
from tests.report import samples
from tests.report.samples import Answered, Begun
from tests.strategies import analyses, measures

MANY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
NAMES = [name for family in FAMILIES for name in family.measures]


def test_every_measure_has_one_family() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len({item.key for item in (*FAMILIES, OTHER)}) == len(FAMILIES) + 1
    assert all(item.lead.endswith(".") for item in (*FAMILIES, OTHER))
    assert family("never heard of") is OTHER
    assert sorted([*NAMES[::-1], "zzz", "aaa"], key=place) == [*NAMES, "aaa", "zzz"]


def test_every_measure_that_can_be_made_has_its_family_and_its_words() -> None:
    assert [name for name in DEFINITIONS if family(name) is OTHER] == []
    assert [name for name in DEFINITIONS if not term(name).meaning.endswith(".")] == []


@MANY
@given(analyses(), st.lists(st.sampled_from([*NAMES, "unknown"]), min_size=5, max_size=5))
def test_no_figure_is_lost_between_families(analysis: Analysis, called: list[str]) -> None:
    renamed = tuple(replace(m, name=name) for m, name in zip(analysis.measures, called, strict=False))
    found = sections(renamed, people(analysis))
    shown = [row.figure.measure for s in found for table in (*s.persons, *s.pairs) for row in table.rows]
    shown += [item.measure for s in found for item in s.meeting]
    assert sorted(map(repr, shown)) == sorted(repr(m) for m in renamed if m.value is not None)
    assert sorted(repr(m) for s in found for m in s.measures) == sorted(map(repr, renamed))


@MANY
@given(st.lists(measures(["S1", "S2"]), max_size=8), st.sampled_from(Grade))
def test_every_reason_is_told_and_counted_once(items: list[Measure], grade: Grade) -> None:
    talk = replace(samples.meeting(), measures=tuple(items))
    found = doubts(items, people(talk), grade)
    assert sum(doubt.figures for doubt in found) == sum(
        m.grade is grade and (m.value is None or clean(m.reason or "") != "") for m in items
    )
    assert sum(doubt.figures for doubt in summed(found)) == sum(doubt.figures for doubt in found)


def test_reasons_that_differ_by_numbers_are_one() -> None:
    assert together(["only 1 turn; 10 make it firm", "only 8 turns; 10 make it firm"]) == (
        "only 1 to 8 turns; 10 make it firm"
    )
    assert together(["1.5 % of it", "12 % of it"]) == "1.5 to 12 % of it"
    talk = samples.meeting()
    items = [
        Measure("turns", Subject.of(who), 1.0, "count", n, grade=Grade.TENTATIVE, reason=why)
        for who, n, why in (
            ("S1", 1, "only 1 turn; 10 make it firm"),
            ("S3", 4, "only 4 turns; 10 make it firm"),
            ("S2", 4, "S1 and S2 sound alike"),
            ("S3", 4, "S1 and S3 sound alike"),
        )
    ]
    found = doubts(items, people(talk), Grade.TENTATIVE)
    assert [doubt.caveat for doubt in found] == [
        "only 1 to 4 turns; 10 make it firm (Mara and S3)",
        "S1 and S2 sound alike (Jonas)",
        "S1 and S3 sound alike (S3)",
    ]
    assert summed(found)[0].reason == "fewer than 10 events"


def test_pairs_are_counted_and_not_listed() -> None:
    talk = samples.bound(samples.crowd(rounds=10))
    hidden = [
        replace(m, value=None, low=None, high=None, grade=Grade.WITHHELD, reason="no claims were heard")
        for m in talk.measures
        if m.name == "grant_rate"
    ]
    (doubt,) = doubts(hidden, people(talk), Grade.WITHHELD)
    assert len(hidden) == doubt.figures == 380
    assert [item.whom for item in doubt.doubted] == ["380 pairs"]
    assert network(hidden, people(talk)) is None


@pytest.mark.parametrize("count", [2, 3, 5, 8, 9, 24, 25])
def test_a_drawing_for_few_a_grid_for_many_a_table_for_more(count: int) -> None:
    talk = samples.bound(samples.crowd(count, 12))
    everybody = people(talk)
    found = network(talk.measures, everybody)
    assert found is not None
    rates = {(m.subject.speaker, m.subject.other): m for m in talk.measures if m.name == "grant_rate"}
    assert found.by_pair().keys() == {pair for pair, m in rates.items() if m.value is not None}
    drawn, dots = drawing(found), grid(found)
    assert (drawn is not None) == (count <= DRAWN)
    assert (dots is not None) == (DRAWN < count <= GRID)
    if drawn:
        assert [point.person for point in drawn.points] == list(everybody)
        assert len(drawn.arrows) == sum(bool(m.part) for m in rates.values())
        places = [(arrow.text_x, arrow.text_y) for arrow in drawn.arrows if arrow.text]
        assert all(math.dist(a, b) > 12 for a, b in combinations(places, 2)), "numbers cover each other"
        for arrow in drawn.arrows:
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", arrow.path + arrow.head)]
            assert all(-1 <= x <= WIDTH + 1 for x in numbers[::2])
            assert all(-1 <= y <= HEIGHT + 1 for y in numbers[1::2])
    if dots:
        assert all(0 < dot.radius <= 10 for dot in dots.dots)
        assert len(dots.dots) == len(found.links)


def test_a_network_does_not_hang_on_the_order_of_measures() -> None:
    talk = samples.bound(samples.meeting(8))
    assert network(talk.measures[::-1], people(talk)) == network(talk.measures, people(talk))


def test_counts_alone_make_a_network() -> None:
    talk = samples.bound(samples.meeting(8))
    found = network([m for m in talk.measures if m.name == "grants"], people(talk))
    assert found is not None
    assert {link.text for link in found.links} == {f"{link.taken:g}" for link in found.links}
    assert len(found.links) == 6


def test_a_rate_that_is_withheld_leaves_its_pair_out() -> None:
    talk = samples.bound(samples.meeting(8))
    hidden = [
        replace(m, value=None, low=None, high=None, grade=Grade.WITHHELD, reason="no claims")
        if m.name == "grant_rate" and m.subject.speaker == "S1"
        else m
        for m in talk.measures
    ]
    found = network(hidden, people(talk))
    assert found is not None
    assert {link.granter.label for link in found.links} == {"S2", "S3"}


@MANY
@given(analyses())
def test_initiatives_are_the_ledgers_and_the_acts(analysis: Analysis) -> None:
    everybody = people(analysis)
    found = decisions(analysis, everybody)
    everything = initiatives(analysis, everybody, found, None)
    steps = [step for d in found for step in d.steps if step.role in {"proposed", "amended"}]
    assert sum(len(own.initiatives) for own in everything) == len(steps)
    for own in everything:
        for item in own.initiatives:
            assert own.person not in {step.person for step in item.answers}
            assert set(item.takers) | set(item.objectors) <= {step.person for step in item.answers}


def test_acts_outside_the_decisions_are_listed_up_to_a_limit() -> None:
    talk = replace(samples.meeting(60), measures=())
    everybody = people(talk)
    mara, jonas, other = initiatives(talk, everybody, decisions(talk, everybody), None)
    assert len(mara.asides) == LISTED
    assert mara.more == 60 - LISTED
    assert mara.share is None
    assert {item.utterance.id for item in jonas.asides}.isdisjoint({4, 7})
    assert [item.label for item in other.asides] == ["proposal"] * LISTED


def test_what_the_share_counts_is_shown_with_every_answer() -> None:
    talk = samples.meeting(60)
    everybody = people(talk)
    begun = [
        Begun("S2", (7,), (Answered("S1", 8, "agreement"),), (Answered("S3", 9, "objection"),)),
        Begun("S2", (4,), (), (Answered("S3", 5, "objection"),)),
        Begun("S2", (11,), (Answered("S1", 12, "agreement"),), answerable=False),
        *(Begun("S1", (12 * i, 12 * i + 3)) for i in range(60)),
        Begun("nobody", (1,)),
        Begun("S3", (99_999,)),
    ]
    mara, jonas, other = initiatives(talk, everybody, decisions(talk, everybody), None, begun)
    assert mara.begun == (0, 60)
    assert len(mara.left) == MOST
    assert "survey" in mara.left[0].quote
    assert "heating" in mara.left[0].quote
    assert jonas.begun == (1, 1)
    (taken,) = jonas.taken_up
    assert [(reply.person.name, reply.did) for reply in taken.replies] == [
        ("Mara", "agreed"),
        ("S3", "objected"),
    ]
    assert [decision.number for decision in taken.decisions] == [3]
    assert other.begun == (0, 0)
