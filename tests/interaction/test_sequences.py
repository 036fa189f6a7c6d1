"""Which act follows which: quasi-independence, its residuals where nothing is there, and planted pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction.patterns import Following, followings
from meetsense.interaction.patterns.discovery import adjusted
from meetsense.interaction.patterns.records import LABELS, OTHER, SAME
from meetsense.interaction.patterns.sequences import quasi_independent
from meetsense.values import ActLabel, Grade
from tests.interaction.histories import talking

Lines = list[tuple[str, ActLabel]]
PROPOSAL, AGREEMENT, INFORMATION = ActLabel.PROPOSAL, ActLabel.AGREEMENT, ActLabel.INFORMATION
FULL = np.ones((len(LABELS), len(LABELS)), dtype=bool)


def tables(size: int = 4) -> st.SearchStrategy[np.ndarray]:
    rows = st.lists(st.integers(0, 40), min_size=size, max_size=size)
    return st.lists(rows, min_size=size, max_size=size).map(lambda found: np.array(found, dtype=np.int64))


def drawn(rng: np.random.Generator, utterances: int, people: int = 4, acts: int = 6) -> Lines:
    """Talk in which nothing depends on what was said before."""
    often = rng.dirichlet([2.0] * acts)
    who, what = rng.integers(0, people, utterances), rng.choice(acts, utterances, p=often)
    return [("ABCDEF"[w], LABELS[a]) for w, a in zip(who, what, strict=True)]


def cell(found: tuple[Following, ...], given: ActLabel, target: ActLabel, *, other: bool) -> Following:
    (one,) = (f for f in found if (f.given, f.target, f.other) == (given, target, other))
    return one


@given(tables())
def test_without_structural_zeros_it_is_the_product_of_the_margins(seen: np.ndarray) -> None:
    total = seen.sum()
    fit = quasi_independent(seen, np.ones(seen.shape, dtype=bool))
    if total:
        rows, columns = seen.sum(axis=1) / total, seen.sum(axis=0) / total
        expected = np.outer(rows, columns) * total
        assert fit.expected == pytest.approx(expected, abs=1e-6 * total)
        bakeman = expected * np.outer(1 - rows, 1 - columns)
        assert fit.variance == pytest.approx(bakeman, abs=1e-6 * total)
    else:
        assert not fit.expected.any()


@given(tables(5))
def test_the_fit_keeps_the_margins_and_the_zeros(seen: np.ndarray) -> None:
    possible = ~np.eye(5, dtype=bool)
    seen = (seen + 1) * possible
    fit = quasi_independent(seen, possible)
    assert fit.expected.sum(axis=1) == pytest.approx(seen.sum(axis=1), rel=1e-6)
    assert fit.expected.sum(axis=0) == pytest.approx(seen.sum(axis=0), rel=1e-6)
    assert not fit.expected.diagonal().any()
    ratios = fit.expected[0, 1] * fit.expected[2, 3] / (fit.expected[0, 3] * fit.expected[2, 1])
    assert ratios == pytest.approx(1.0, rel=1e-6)


def test_two_acts_that_can_only_alternate_leave_no_freedom() -> None:
    fit = quasi_independent(np.array([[0, 7], [6, 0]]), ~np.eye(2, dtype=bool))
    assert fit.expected == pytest.approx(np.array([[0, 7], [6, 0]]))
    assert fit.variance == pytest.approx(0.0, abs=1e-9)
    talk: Lines = [("A", (PROPOSAL, INFORMATION)[i % 2]) for i in range(60)]
    found = cell(followings([talking(talk)]), PROPOSAL, INFORMATION, other=False)
    assert (found.strength.n, found.strength.value) == (30, None)
    assert found.strength.reason == "the other acts leave it no freedom"


@pytest.mark.parametrize(("meetings", "utterances"), [(1, 900), (12, 120)])
def test_residuals_of_nothing_are_standard_normal(meetings: int, utterances: int) -> None:
    """Acts differ in how often they are from meeting to meeting, and depend on nothing."""
    rng = np.random.default_rng(11)
    by_table: dict[bool, list[float]] = {False: [], True: []}
    strengths: dict[bool, list[float]] = {False: [], True: []}
    claims = 0
    for _ in range(25):
        found = followings([talking(drawn(rng, utterances), week) for week in range(meetings)])
        claims += any(one.found for one in found)
        for one in found:
            if one.z is not None:
                by_table[one.other].append(one.z)
                strengths[one.other].append(one.strength.value or 0.0)
    for z in map(np.array, by_table.values()):
        assert len(z) > 200
        assert abs(z.mean()) < 0.1
        assert 0.9 < z.std() < 1.1
        assert 0.02 < (np.abs(z) > 1.96).mean() < 0.08
    assert all(abs(np.mean(q)) < 0.03 for q in strengths.values())
    assert claims <= 4  # 5 % of 25 tables expected


def test_tables_that_are_added_would_find_what_is_not_there() -> None:
    """Two meetings, one full of proposals and one of agreements: strata see that nothing follows anything."""
    rng = np.random.default_rng(3)
    talks = []
    for week, often in enumerate(((0.8, 0.1, 0.1), (0.1, 0.8, 0.1))):
        acts = rng.choice([PROPOSAL, AGREEMENT, INFORMATION], 600, p=often)
        talks.append(talking([("AB"[i % 2], ActLabel(a)) for i, a in enumerate(acts)], week))
    found = cell(followings(talks), PROPOSAL, PROPOSAL, other=True)
    assert abs(found.z or 9.0) < 3
    added = quasi_independent(talks[0].follows[OTHER] + talks[1].follows[OTHER], FULL)
    code = LABELS.index(PROPOSAL)
    naive = (found.strength.n - added.expected[code, code]) / np.sqrt(added.variance[code, code])
    assert naive > 10


def answered(rng: np.random.Generator, utterances: int, often: float) -> Lines:
    """Talk in which a proposal is agreed to by somebody else with this probability more than by chance."""
    talk = drawn(rng, utterances, people=3)
    for i in range(1, utterances):
        if talk[i - 1][1] is PROPOSAL and rng.random() < often:
            talk[i] = ("ABC"[("ABC".index(talk[i - 1][0]) + 1) % 3], AGREEMENT)
    return talk


def test_a_planted_answer_is_found_with_its_strength() -> None:
    """In 20 of 20 meetings of 600 utterances in which one proposal of three is answered so."""
    rng = np.random.default_rng(5)
    powers = []
    for _ in range(20):
        found = cell(followings([talking(answered(rng, 600, 0.35))]), PROPOSAL, AGREEMENT, other=True)
        if found.z is None:
            continue  # too few proposals in this meeting
        powers.append(found.found and found.z > 0)
        figure = found.strength
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= (figure.value or 0.0) <= figure.high
        assert figure.n > found.expected
    assert len(powers) >= 15
    assert np.mean(powers) >= 0.9


def test_yules_q_is_that_of_the_fourfold_table() -> None:
    """Of a whole table of two acts by two people in turn: Q = (ad − bc) / (ad + bc)."""
    rng = np.random.default_rng(1)
    acts = [PROPOSAL]
    for _ in range(199):
        stay = rng.random() < 0.7
        acts.append(acts[-1] if stay else ({PROPOSAL, AGREEMENT} - {acts[-1]}).pop())
    record = talking([("AB"[i % 2], act) for i, act in enumerate(acts)])
    a, b, c, d = (
        int(record.follows[OTHER, LABELS.index(given), LABELS.index(target)])
        for given in (PROPOSAL, AGREEMENT)
        for target in (PROPOSAL, AGREEMENT)
    )
    found = cell(followings([record]), PROPOSAL, PROPOSAL, other=True).strength
    assert found.value == pytest.approx((a * d - b * c) / (a * d + b * c))
    spread = np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    assert found.low == pytest.approx(np.tanh((np.log(a * d / (b * c)) - 1.959964 * spread) / 2), abs=1e-6)


def test_over_meetings_it_is_the_test_of_mantel_and_haenszel() -> None:
    """Of two acts: z² is their χ² without continuity correction, and Q is of their common odds ratio."""
    rng = np.random.default_rng(4)
    talks = []
    for week in range(4):
        acts = rng.choice([PROPOSAL, AGREEMENT], 21, p=[0.3 + 0.1 * week, 0.7 - 0.1 * week])
        talks.append(talking([("AB"[i % 2], ActLabel(act)) for i, act in enumerate(acts)], week))
    seen = expected = variance = alike = unlike = 0.0
    for record in talks:
        (a, b), (c, d) = (
            [float(record.follows[OTHER, LABELS.index(x), LABELS.index(y)]) for y in (PROPOSAL, AGREEMENT)]
            for x in (PROPOSAL, AGREEMENT)
        )
        n = a + b + c + d
        seen, expected = seen + a, expected + (a + b) * (a + c) / n
        variance += (a + b) * (c + d) * (a + c) * (b + d) / (n * n * (n - 1))
        alike, unlike = alike + a * d / n, unlike + b * c / n
    found = cell(followings(talks), PROPOSAL, PROPOSAL, other=True)
    assert found.z == pytest.approx((seen - expected) / np.sqrt(variance))
    assert found.strength.value == pytest.approx((alike - unlike) / (alike + unlike))


def test_what_an_engine_cuts_in_pieces_is_one_event() -> None:
    whole: Lines = [("A", PROPOSAL), ("B", AGREEMENT), ("A", INFORMATION)]
    cut: Lines = [("A", PROPOSAL), ("A", PROPOSAL), ("B", AGREEMENT), ("A", INFORMATION), ("A", INFORMATION)]
    assert (talking(whole).follows == talking(cut).follows).all()
    assert not talking([*whole, *cut]).follows[SAME].diagonal().any()


def test_rare_pairs_are_withheld_and_small_tables_tentative() -> None:
    rng = np.random.default_rng(2)
    found = followings([talking(drawn(rng, 120, acts=3))])
    assert len(found) == 11 * 11 + 11 * 10
    rare = cell(found, ActLabel.FLOOR, ActLabel.FLOOR, other=True).strength
    assert (rare.grade, rare.n, rare.reason) == (Grade.WITHHELD, 0, "0.0 expected; 5 are needed")
    rng = np.random.default_rng(2)
    small = followings([talking(drawn(rng, 60, people=6, acts=6))])
    grades = {one.strength.grade: one.strength.reason for one in small}
    assert Grade.FIRM not in grades
    assert "make it firm" in str(grades.get(Grade.TENTATIVE, "make it firm"))
    assert all(one.strength.grade is Grade.WITHHELD and one.q is None for one in followings([]))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(LABELS[:3])), max_size=120))
def test_names_of_speakers_change_nothing(talk: Lines) -> None:
    renamed: Lines = [({"A": "Z", "B": "A", "C": "Q"}[who], act) for who, act in talk]
    assert followings([talking(talk)]) == followings([talking(renamed)])


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(4)))
def test_the_order_of_meetings_changes_nothing(order: list[int]) -> None:
    rng = np.random.default_rng(9)
    talks = [talking(drawn(rng, 80, acts=3), week) for week in range(4)]
    for one, other in zip(followings(talks), followings([talks[i] for i in order]), strict=True):
        assert other.z == pytest.approx(one.z, abs=1e-9)
        assert (other.strength.n, other.strength.grade) == (one.strength.n, one.strength.grade)
        assert other.strength.value == pytest.approx(one.strength.value, abs=1e-9)


def test_a_meeting_counts_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        followings([talking([("A", PROPOSAL)]), talking([("A", PROPOSAL)])])


@settings(deadline=None)  # scipy.stats is imported in the first example
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_discovery_rates_are_benjamini_and_hochbergs(p: list[float]) -> None:
    from scipy.stats import false_discovery_control

    assert adjusted(np.array(p)) == pytest.approx(false_discovery_control(p))
