"""Trends over meetings: what is planted is found, what is not is not claimed, and too few meetings say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction.measures import DEFINITIONS
from meetsense.interaction.patterns import Context, Record, Trend, over_meetings, record, sequences, trends
from meetsense.interaction.patterns.tracked import OF_MEETINGS, OF_PEOPLE, Kind
from meetsense.values import Grade, Measure, SubjectKind
from tests.interaction import histories
from tests.interaction.histories import (
    asking,
    drawn_shares,
    level,
    meeting,
    rate,
    share,
    sharing,
    talk_share,
)

counts = st.lists(st.lists(st.integers(0, 12), min_size=3, max_size=3), min_size=1, max_size=9)


def of(found: tuple[Trend, ...], name: str, person: str | None, context: str | None = None) -> Trend:
    (one,) = (t for t in found if (t.name, t.person, t.context) == (name, person, context))
    return one


def of_people(found: tuple[Trend, ...]) -> list[Trend]:
    return [one for one in found if one.person is not None]


@pytest.mark.parametrize(("meetings", "people"), [(6, 3), (10, 4), (24, 5)])
def test_nothing_is_claimed_where_nothing_moves(meetings: int, people: int) -> None:
    """Shares that vary as in the ICSI series: a nominal 5 % of t tests, hardly a claim."""
    rng = np.random.default_rng(meetings)
    found, deviations = [], []
    for _ in range(60):
        shares = drawn_shares(rng, meetings, people)
        deviations.append(shares.std(axis=0, ddof=1).mean())
        found += of_people(trends(sharing(shares)))
    assert 0.07 < np.mean(deviations) < 0.12
    tests = np.array([one.p is not None and one.p < 0.05 for one in found])
    assert len(tests) == 60 * people
    assert 0.01 < tests.mean() < 0.085
    assert np.mean([one.found for one in found]) < 0.02


def test_meetings_that_resemble_the_one_before_claim_little_more() -> None:
    """Autocorrelation .3, as one of the ICSI series has: 13 % of t tests would be false without widening."""
    rng = np.random.default_rng(4)
    false = []
    for _ in range(60):
        noise = rng.normal(size=(20, 4))
        for i in range(1, 20):
            noise[i] = 0.3 * noise[i - 1] + np.sqrt(1 - 0.09) * noise[i]
        talk = np.exp(np.log(rng.dirichlet([4.0] * 4)) + 0.5 * noise)
        found = of_people(trends(sharing(talk / talk.sum(axis=1, keepdims=True))))
        false += [one.p is not None and one.p < 0.05 for one in found]
    assert np.mean(false) < 0.1


def test_a_planted_trend_is_found() -> None:
    """A share that rises from about 16 to 48 % over 30 meetings is called a trend in 4 of 5 series."""
    rng = np.random.default_rng(8)
    series = [sharing(drawn_shares(rng, 30, 4, rise=2.0)) for _ in range(50)]
    found = [of(trends(records), "talk_share", "Ada") for records in series]
    assert np.mean([one.found and (one.change.value or 0.0) > 0 for one in found]) >= 0.8
    assert np.mean([one.p is not None and one.p < 0.05 for one in found]) >= 0.95
    assert all(one.change.grade is Grade.FIRM for one in found)
    assert 0.2 < np.mean([(one.end or 0.0) - (one.start or 0.0) for one in found]) < 0.4


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_pooling_errs_less_and_covers(spread: float) -> None:
    """Where people's slopes are alike, or differ by half a logit, in series of 8 meetings."""
    rng = np.random.default_rng(12)
    alone, pooled, covered = [], [], []
    for seed in rng.integers(0, 2**32, 50).tolist():
        shares, still = (
            drawn_shares(np.random.default_rng(seed), 8, 5, spread=spread, dispersion=dispersion)
            for dispersion in (histories.DISPERSION, 1e-12)
        )
        truth = still[-1] - still[0]
        for one, moved in zip(of_people(trends(sharing(shares))), truth.tolist(), strict=True):
            assert one.alone.value is not None
            assert one.change.value is not None
            assert one.change.low is not None
            assert one.change.high is not None
            alone.append((one.alone.value - moved) ** 2)
            pooled.append((one.change.value - moved) ** 2)
            covered.append(one.change.low <= moved <= one.change.high)
    assert np.mean(pooled) < 0.75 * np.mean(alone)
    assert np.mean(covered) > 0.91


def test_events_that_a_busy_meeting_gives_to_all_are_not_claimed() -> None:
    """Question counts with shocks common to everybody, more than Poisson's variance, some people quiet."""
    rng = np.random.default_rng(21)
    people, team = [], []
    for _ in range(40):
        mean = 4 * np.exp(
            0.4 * rng.normal(size=4) + 0.3 * rng.normal(size=(10, 4)) + 0.3 * rng.normal(size=(10, 1))
        )
        found = trends(asking(rng.poisson(mean).tolist()))
        people += [one.p < 0.05 for one in of_people(found) if one.p is not None]
        team.append((of(found, "question_rate", None).p or 1.0) < 0.05)
    assert len(people) > 120
    assert np.mean(people) < 0.09
    assert np.mean(team) < 0.15


def test_a_rate_that_doubles_is_found_for_the_team_and_lends_people_its_slope() -> None:
    rng = np.random.default_rng(2)
    mean = 3 * np.exp(np.log(2) * np.linspace(0, 1, 24))[:, None] * np.ones(4)
    found = trends(asking(rng.poisson(mean).tolist()))
    team = of(found, "question_rate", None)
    assert team.found
    assert (team.end or 0.0) / (team.start or 1.0) == pytest.approx(2.0, rel=0.3)
    for one in of_people(found):
        assert one.change.value is not None
        assert one.alone.value is not None
        assert one.change.value > 0
    both = [(one.change, one.alone) for one in of_people(found)]
    spread = [np.std([m.value for m in side]) for side in zip(*both, strict=True)]
    assert spread[0] < 0.6 * spread[1]
    pooled, alone = (np.mean([m.value for m in side]) for side in zip(*both, strict=True))
    assert pooled > 0.9 * alone


def test_levels_move_as_they_are_and_never_add_up() -> None:
    rng = np.random.default_rng(6)
    people = {"A": None, "B": None}
    records = [
        meeting(week, [level("floor_transfer_offset", 150 + 10 * week + rng.normal(0, 20), "ms", 15)], people)
        for week in range(20)
    ]
    (one,) = trends(records)
    assert (one.person, one.total.value, one.total.grade) == (None, None, Grade.WITHHELD)
    assert one.found
    assert one.change.value == pytest.approx(190, rel=0.2)
    assert one.change.low is not None
    assert one.change.high is not None
    assert one.change.low < 190 < one.change.high
    assert one.start == pytest.approx(150, abs=25)


@pytest.mark.parametrize(
    ("meetings", "grade", "reason"),
    [
        (1, Grade.WITHHELD, "1 meeting; a trend needs 5"),
        (4, Grade.WITHHELD, "4 meetings; a trend needs 5"),
        (5, Grade.TENTATIVE, "provisional: 5 meetings; 20 make it firm"),
        (19, Grade.TENTATIVE, "provisional: 19 meetings; 20 make it firm"),
        (20, Grade.FIRM, None),
    ],
)
def test_too_few_meetings_is_an_answer(meetings: int, grade: Grade, reason: str | None) -> None:
    found = of(trends(sharing(drawn_shares(np.random.default_rng(1), meetings, 3))), "talk_share", "Bo")
    assert (found.change.grade, found.change.reason, found.change.n) == (grade, reason, meetings)
    assert (found.alone.grade, found.meetings) == (grade, meetings)
    assert found.total.value is not None
    assert (found.total.grade is Grade.FIRM) == (meetings >= 5)
    assert (found.p is None) == (found.q is None) == (found.start is None) == (grade is Grade.WITHHELD)


def test_too_few_events_is_an_answer() -> None:
    found = trends(asking([[1, 9, 0], [2, 9, 0], [3, 9, 0], [2, 9, 0], [1, 9, 0]]))
    few, none = (of(found, "question_rate", name).change for name in ("Ada", "Cem"))
    assert (few.value, few.reason) == (None, "only 9 questions; a trend needs 10")
    assert (none.value, none.reason) == (None, "no questions in these meetings")
    assert of(found, "question_rate", "Bo").change.value is not None
    adopted = [meeting(w, [share("adoption_rate", "A", 1, 1)], {"A": "Ada", "B": "Bo"}) for w in range(5)]
    assert of(trends(adopted), "adoption_rate", "Ada").change.grade is Grade.TENTATIVE


def test_meetings_of_one_date_show_no_trend() -> None:
    people = {"A": "Ada", "B": None}
    records = [meeting(0, [talk_share("A", 600, 1000)], people) for _ in range(6)]
    records = [replace(r, meeting=replace(r.meeting, id=f"m{i}")) for i, r in enumerate(records)]
    assert of(trends(records), "talk_share", "Ada").change.reason == "all the meetings have the same date"


def test_labels_of_a_recording_link_nothing() -> None:
    records = [
        meeting(week, [talk_share("S1", 600, 1000), talk_share("S2", 400, 1000)], {"S1": None, "S2": "Bo"})
        for week in range(6)
    ]
    found = trends(records)
    assert [one.person for one in found] == ["Bo"]


def test_keys_may_be_given() -> None:
    analyses = [
        histories.analysis(week, [talk_share("S1", 600, 1000)], {"S1": None, "S2": None}) for week in range(5)
    ]
    found = trends([record(one, keys={"S1": "someone"}) for one in analyses])
    assert of(found, "talk_share", "someone").meetings == 5


def test_two_voices_of_one_person_are_added() -> None:
    parts = [talk_share("S1", 300, 1000), talk_share("S3", 200, 1000), talk_share("S2", 500, 1000)]
    rates = [rate("question_rate", "S1", 3, 5.0), rate("question_rate", "S3", 2, 5.0)]
    people = {"S1": "Ada", "S3": "Ada", "S2": "Bo"}
    found = trends([meeting(week, [*parts, *rates], people) for week in range(5)])
    assert of(found, "talk_share", "Ada").total.value == pytest.approx(0.5)
    assert not [one for one in found if one.name == "question_rate" and one.person]
    assert of(found, "question_rate", None).total.value == pytest.approx(0.5)


def test_more_people_are_no_trend() -> None:
    """From three equal talkers to six: everybody's share falls, nobody's part beside the others does."""
    rng = np.random.default_rng(10)
    records = []
    for week in range(20):
        names = histories.NAMES[: 3 if week < 10 else 6]
        talk = np.exp(0.2 * rng.normal(size=len(names)))
        people = dict(zip("ABCDEF", names, strict=False))
        own = (talk / talk.sum()).tolist()
        records.append(
            meeting(week, [talk_share(a, 2400 * x, 2400) for a, x in zip(people, own, strict=True)], people)
        )
    found = trends(records)
    for name in histories.NAMES[:3]:
        one = of(found, "talk_share", name)
        assert abs(one.change.value or 1.0) < 0.08
        assert not one.found


def in_contexts(roles: list[str | None], titles: list[str], rooms: list[str | None]) -> list[Record]:
    rng = np.random.default_rng(3)
    records = []
    for week, (role, title, room) in enumerate(zip(roles, titles, rooms, strict=True)):
        own = float(rng.uniform(0.3, 0.5))
        measures = [talk_share("A", 1000 * own, 1000), talk_share("B", 1000 * (1 - own), 1000)]
        measures.append(rate("lapses", None, 30, 50.0))
        people = {"A": "Ada", "B": "Bo"}
        given = {"A": role} if role else {}
        records.append(meeting(week, measures, people, roles=given, title=title, room=room))
    return records


def test_contexts_stand_alone_and_say_when_they_are_small() -> None:
    records = in_contexts(
        ["chair"] * 6 + [None] * 3, ["Weekly"] * 7 + ["Review"] * 2, ["North"] * 5 + [None] * 4
    )
    by_role = trends(records, Context.ROLE)
    assert {one.person for one in by_role} == {"Ada", "Bo"}
    assert of(by_role, "talk_share", "Ada", "chair").meetings == 6
    rest = of(by_role, "talk_share", "Ada", "not given")
    assert (rest.meetings, rest.change.reason) == (3, "3 meetings; a trend needs 5")
    assert of(by_role, "talk_share", "Bo", "not given").meetings == 9
    assert of(trends(records, Context.CHAIR), "lapses", None, "Ada").meetings == 6
    by_title = trends(records, Context.TITLE)
    assert of(by_title, "lapses", None, "Weekly").change.value is not None
    assert of(by_title, "lapses", None, "Review").change.reason == "2 meetings; a trend needs 5"
    by_room = trends(records, Context.ROOM)
    assert [one.context for one in by_room] == sorted(one.context or "" for one in by_room)
    assert {one.context for one in by_room} == {"North", "not given"}


def test_a_context_is_what_its_meetings_are_without_the_others() -> None:
    """Meetings of two months among others of two years."""
    rng = np.random.default_rng(7)
    reviews = asking(rng.poisson(5, (8, 3)).tolist())
    others = [
        replace(
            one, meeting=replace(one.meeting, id=f"w{i}", title="Other"), contexts={Context.TITLE: "Other"}
        )
        for i, one in enumerate(asking(rng.poisson(5, (100, 3)).tolist()))
    ]
    together = [one for one in trends([*others, *reviews], Context.TITLE) if one.context == "Weekly"]
    alone = trends(reviews)
    assert len(alone) == 4
    assert [replace(one, context=None, q=None) for one in together] == [replace(one, q=None) for one in alone]


def test_a_change_of_role_is_a_doubt() -> None:
    found = trends(in_contexts(["chair"] * 6 + [None] * 3, ["Weekly"] * 9, [None] * 9))
    assert "their role changed" in str(of(found, "talk_share", "Ada").change.reason)
    assert "role" not in str(of(found, "talk_share", "Bo").change.reason)


def test_doubts_about_most_meetings_are_a_doubt_of_the_trend() -> None:
    shares = drawn_shares(np.random.default_rng(1), 21, 3)
    records = sharing(shares)

    def doubted(item: Measure) -> Measure:
        return replace(item, grade=Grade.TENTATIVE, reason="the words are doubtful")

    some = [
        replace(r, figures={k: tuple(map(doubted, v)) for k, v in r.figures.items()}) if i < 11 else r
        for i, r in enumerate(records)
    ]
    found = of(trends(some), "talk_share", "Ada").change
    assert (found.grade, found.reason) == (
        Grade.TENTATIVE,
        "in most of the meetings: the words are doubtful",
    )
    assert (
        of(trends([*records[:11], *some[:0], *records[11:]]), "talk_share", "Ada").change.grade is Grade.FIRM
    )


def test_wider_meetings_weigh_less() -> None:
    """The same shares; those that contradict a rise are of meetings that hardly know them."""
    values = [0.3, 0.35, 0.4, 0.1, 0.45, 0.5, 0.1, 0.55, 0.6, 0.65]
    people = {"A": "Ada", "B": "Bo"}

    def series(reach: float) -> tuple[Record, ...]:
        made = []
        for week, value in enumerate(values):
            own = replace(talk_share("A", value * 1000, 1000), low=0.0, high=min(1.0, value + reach))
            made.append(meeting(week, [own if value == 0.1 else talk_share("A", value * 1000, 1000)], people))
        return tuple(made)

    sure, unsure = (of(trends(series(reach)), "talk_share", "Ada").change.value for reach in (0.1, 0.9))
    assert sure is not None
    assert unsure is not None
    assert unsure > sure + 0.02


def test_errors_an_engine_always_makes_stay_in_the_sum() -> None:
    """Every meeting's interval lies above its value: so does that of the sum, however many meetings."""
    people = {"A": "Ada", "B": "Bo"}
    biased = replace(talk_share("A", 400, 1000), low=0.4, high=0.6)
    found = of(trends([meeting(week, [biased], people) for week in range(40)]), "talk_share", "Ada").total
    assert found.value == pytest.approx(0.4)
    assert found.low is not None
    assert found.high == pytest.approx(0.5)


@settings(deadline=None, max_examples=40)
@given(counts)
def test_sums_are_of_parts(rows: list[list[int]]) -> None:
    found = trends(asking(rows))
    for i, name in enumerate(histories.NAMES[:3]):
        total = of(found, "question_rate", name).total
        n = sum(row[i] for row in rows)
        assert (total.part, total.whole, total.n) == (n, 10.0 * len(rows), n)
        assert total.value == pytest.approx(n / (10.0 * len(rows)))
        assert total.low is not None
        assert total.high is not None
        assert total.low <= (total.value or 0.0) <= total.high
    team = of(found, "question_rate", None).total
    assert (team.part, team.whole) == (sum(map(sum, rows)), 30.0 * len(rows))


@settings(deadline=None, max_examples=40)
@given(counts, st.randoms(use_true_random=False))
def test_the_order_and_the_time_zone_of_records_change_nothing(rows: list[list[int]], random: object) -> None:
    records = list(asking(rows))
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert trends(records) == trends(shuffled)


@settings(deadline=None, max_examples=40)
@given(counts)
def test_names_change_nothing_but_names(rows: list[list[int]]) -> None:
    records = asking(rows)
    swapped = [
        replace(
            r, people=tuple(replace(p, person={"Ada": "Zoe"}.get(str(p.person), p.person)) for p in r.people)
        )
        for r in records
    ]
    one, other = of(trends(records), "question_rate", "Ada"), of(trends(swapped), "question_rate", "Zoe")
    assert one.p == pytest.approx(other.p)
    assert one.change.value == pytest.approx(other.change.value)
    assert one.total.value == other.total.value


@settings(deadline=None, max_examples=30)
@given(counts, st.integers(0, 8))
def test_a_meeting_in_two_parts_adds_up_to_the_same(rows: list[list[int]], cut: int) -> None:
    whole = asking(rows)
    week = min(cut, len(rows) - 1)
    first = [n // 3 for n in rows[week]]
    halves = [first, [n - m for n, m in zip(rows[week], first, strict=True)]]
    people = {p.label: p.person for p in whole[week].people}
    parts = [
        meeting(
            week + 0.1 * i,
            [rate("question_rate", a, n, 5.0) for a, n in zip("ABC", half, strict=True)],
            people,
        )
        for i, half in enumerate(halves)
    ]
    split = trends([*whole[:week], *parts, *whole[week + 1 :]])
    for one in trends(whole):
        other = of(split, one.name, one.person)
        assert one.total.part == other.total.part
        assert one.total.whole == pytest.approx(other.total.whole)
        assert one.total.value == pytest.approx(other.total.value)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=5, max_size=7), st.booleans())
def test_every_figure_is_finite_and_inside_its_interval(rows: list[list[int]], seconds: bool) -> None:
    """Silent people, meetings of one talker, events at one end only."""
    if seconds:
        people = dict(zip("ABC", histories.NAMES[:3], strict=True))
        records = tuple(
            meeting(
                week,
                [talk_share(a, float(n), float(sum(row))) for a, n in zip("ABC", row, strict=True)],
                people,
            )
            for week, row in enumerate(rows)
            if sum(row)
        )
    else:
        records = asking(rows)
    for one in trends(records):
        for figure in (one.total, one.change, one.alone):
            if figure.value is None:
                assert figure.reason
                continue
            assert figure.low is not None
            assert figure.high is not None
            assert np.isfinite([figure.low, figure.high]).all()
            assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9
        assert one.p is None or 0 <= one.p <= 1
        assert one.p is None or one.q is None or one.q >= one.p - 1e-12


def test_a_silent_person_changes_nobody_else() -> None:
    shares = drawn_shares(np.random.default_rng(5), 12, 3)
    records = sharing(shares)
    with_one = []
    for item in records:
        silent = replace(item.people[0], label="Z", person="Zoe", heard=False)
        figures = {**item.figures, "talk_share": (*item.figures["talk_share"], talk_share("Z", 0.0, 2400.0))}
        with_one.append(replace(item, people=(*item.people, silent), figures=figures))
    found = trends(with_one)
    zoe = of(found, "talk_share", "Zoe")
    assert (zoe.total.value, zoe.change.value) == (0.0, None)
    for before in of_people(trends(records)):
        after = of(found, "talk_share", before.person)
        assert after.total == before.total
        assert after.change.value == pytest.approx(before.change.value, abs=1e-6)


def test_nothing_gives_nothing_and_a_meeting_counts_once() -> None:
    assert trends([]) == ()
    (one,) = asking([[1, 2, 3]])
    with pytest.raises(ValueError, match="twice"):
        trends([one, one])
    assert all(m.subject.kind is SubjectKind.SPEAKER for m in one.figures["question_rate"])


def test_definitions_are_complete() -> None:
    for item in (*over_meetings.DEFINITIONS, *sequences.DEFINITIONS):
        told = (item.name, item.unit, item.formula, item.inputs, item.limits, item.source, item.not_for)
        assert all(told), item.name
        assert not any("\n" in text for text in told)


def test_what_is_tracked_has_a_definition() -> None:
    for tracked in OF_PEOPLE:
        assert DEFINITIONS[tracked.name].subject is SubjectKind.SPEAKER, tracked.name
    for tracked in OF_MEETINGS:
        assert DEFINITIONS[tracked.name].subject is SubjectKind.MEETING, tracked.name
    for tracked in (*OF_PEOPLE, *OF_MEETINGS):
        unit = DEFINITIONS[tracked.name].unit
        assert (unit == "per minute") == (tracked.kind is Kind.RATE), tracked.name
        assert tracked.kind in (Kind.RATE, Kind.LEVEL) or unit == "share", tracked.name


def test_a_rate_of_the_meeting_counts_its_minutes_once() -> None:
    people = {"A": "Ada", "B": "Bo"}
    proposals = [rate("proposal_rate", label, 4, 30.0) for label in people]
    questions = [rate("question_rate", label, 4, 30.0) for label in people]
    found = trends([meeting(week, [*proposals, *questions], people) for week in range(2)])
    assert of(found, "proposal_rate", None).total.value == pytest.approx(16 / 60)
    assert of(found, "question_rate", None).total.value == pytest.approx(16 / 120)
