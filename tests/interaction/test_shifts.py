"""The order of turns against chance: counts by hand, shuffles against every order there is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from meetsense.interaction import measure
from meetsense.interaction import shifts as order_of
from meetsense.interaction.floor import Ints
from meetsense.interaction.shifts import MOST_PEOPLE, Against, Ring, reciprocity, shifts, shuffled
from meetsense.values import Measure, Span, Turn
from tests.interaction.meetings import by_key


def turns_of(row: Ring) -> tuple[int, ...]:
    """The order of turns of one ring: what comes after its end."""
    end = int(np.flatnonzero(row == np.iinfo(row.dtype).max)[0])
    return tuple(int(code) for code in np.roll(row, -end)[1:])


def against(value: float, drawn: Ints | NDArray[np.float64]) -> Against | None:
    """One number against those of the shuffles."""
    (found,) = order_of.against(np.array([value]), drawn[:, None])
    return found


def speakers(order: str) -> Ints:
    """People of an order such as ABA."""
    return np.array([ord(letter) for letter in order], dtype=np.int64)


def counted(order: str) -> dict[str, int]:
    """How often each pair follows, from the counts of :func:`shifts`."""
    found = shifts(speakers(order), 20)
    assert found is not None
    names = [chr(person) for person in found.people]
    return {
        a + b: int(found.found.pairs[i, j])
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if found.found.pairs[i, j]
    }


@st.composite
def orders(draw: st.DrawFn) -> str:
    """An order of turns of three people or more, nobody after themselves."""
    made = ["A", "B", "C"]
    for step in draw(st.lists(st.integers(1, 4), min_size=9, max_size=40)):
        made.append("ABCDE"[("ABCDE".index(made[-1]) + step) % 5])
    return "".join(made)


@pytest.mark.parametrize("order", ["ABABCA", "ABACADAB", "ABCABCD", "AABBC"[::2] + "AB"])
def test_every_order_without_self_repeats_is_equally_likely(order: str) -> None:
    codes = np.array(["ABCD".index(letter) for letter in order], dtype=np.int64)
    possible = {p for p in permutations(codes.tolist()) if all(a != b for a, b in pairwise(p))}
    drawn = Counter(turns_of(row) for rings in shuffled(codes, 20_000, seed=1) for row in rings)
    assert set(drawn) == possible
    expected = 20_000 / len(possible)
    # Draws of a chain are alike at short distance: their counts spread up to three times as far as free ones.
    assert max(abs(n - expected) for n in drawn.values()) < 5 * 3 * expected**0.5


@settings(deadline=None, max_examples=40)
@given(orders())
def test_shuffles_keep_everybodys_turns(order: str) -> None:
    codes = np.array(["ABCDE".index(letter) for letter in order], dtype=np.int64)
    rows = [turns_of(row) for rings in shuffled(codes, 30) for row in rings]
    assert len(rows) == 30
    for row in rows:
        assert sorted(row) == sorted(codes.tolist())
        assert all(a != b for a, b in pairwise(row))


@settings(deadline=None, max_examples=30)
@given(orders())
def test_counts_are_those_of_a_plain_loop(order: str) -> None:
    found = shifts(speakers(order), 20)
    assert found is not None
    assert counted(order) == dict(Counter(a + b for a, b in pairwise(order)))
    triples = list(zip(order, order[1:], order[2:], strict=False))
    for i, person in enumerate(map(chr, found.people)):
        assert found.found.returns[i] == sum(c == person and a == c for a, _, c in triples)
        assert found.found.entries[i] == sum(c == person and a != c for a, _, c in triples)
    pairs = Counter(pairwise(order))
    names = sorted(set(order))
    both = [(pairs[a, b], pairs[b, a]) for a in names for b in names if a < b]
    expected = sum(map(min, both)) / (sum(map(sum, both)) / 2)
    assert reciprocity(found.found.pairs) == pytest.approx(expected)


def test_an_order_that_leaves_little_room_is_forgotten() -> None:
    order = speakers("AB" * 150 + "AC" * 150 + "AD" * 60 + "BC" * 30)
    drawn, long = (shifts(order, 400, *warm_up) for warm_up in ((), (1000,)))
    assert drawn is not None
    assert long is not None
    mean, spread = long.chance.returns.mean(), long.chance.returns.std()
    assert drawn.chance.returns.mean() == pytest.approx(mean, abs=0.5 * spread)
    assert drawn.chance.returns.std() == pytest.approx(spread, rel=0.4)


def test_shuffles_of_long_orders_and_of_many_people_keep_their_turns() -> None:
    rng = np.random.default_rng(3)
    for people in (4, 300):
        steps = rng.integers(1, people, 700)
        codes = np.cumsum(steps) % people
        last = next(iter(shuffled(codes, 20)))[-1]
        assert Counter(turns_of(last)) == Counter(codes.tolist())
        assert turns_of(last) != tuple(codes.tolist())
    found = shifts(codes, 40)
    assert found is not None
    assert len(found.people) == MOST_PEOPLE


def test_too_few_people_or_turns() -> None:
    assert shifts(speakers("AB" * 20)) is None
    assert shifts(speakers("ABCABCABCAB")) is None
    assert shifts(speakers("")) is None
    assert shifts(speakers("ABCABCABCABC")) is not None


def test_what_chance_alone_does_holds_zero() -> None:
    rng = np.random.default_rng(7)
    outside = 0
    for _ in range(60):
        codes = np.array(["ABCD".index(x) for x in "ABAC" * 20 + "BDCBDCAD" * 5], dtype=np.int64)
        order = np.array(turns_of(next(iter(shuffled(codes, 1, int(rng.integers(1 << 30)))))[0]))
        found = shifts(order, 400)
        assert found is not None
        z = against(float(found.found.returns.sum()), found.chance.returns)
        assert z is not None
        outside += not z.low <= 0 <= z.high
    assert outside <= 9  # 5 % of 60 are 3; more than 9 come in one of 1000 runs


def test_a_dialogue_inside_a_meeting_shows() -> None:
    found = shifts(speakers(("ABABABABAB" + "CDCDCDCDCD" + "BABABA" + "DCDCDC") * 2))
    assert found is not None
    returns = against(float(found.found.returns.sum()), found.chance.returns)
    assert returns is not None
    assert returns.low > 0
    # Reciprocity says little even here: chance alone would have it nearly as high.
    value = float(reciprocity(found.found.pairs))
    mutual = against(value, found.chance.reciprocity)
    assert mutual is not None
    assert value > 0.85
    assert mutual.low < 0 < mutual.high


def test_a_round_robin_never_returns_and_is_one_sided() -> None:
    found = shifts(speakers("ABC" * 15))
    assert found is not None
    assert found.found.returns.sum() == 0
    assert float(reciprocity(found.found.pairs)) == 0
    returns = against(0.0, found.chance.returns)
    assert returns is not None
    assert returns.high < 0


def test_numbers_that_are_all_alike_have_no_z() -> None:
    assert against(3.0, np.array([3, 3, 3])) is None


@settings(deadline=None, max_examples=20)
@given(orders(), st.permutations("ABCDE"))
def test_names_do_not_matter(order: str, names: list[str]) -> None:
    one, other = (
        shifts(speakers(order), 40),
        shifts(speakers(order.translate(dict(zip(map(ord, "ABCDE"), names, strict=True)))), 40),
    )
    assert one is not None
    assert other is not None
    assert [names["ABCDE".index(chr(p))] for p in one.people] == [chr(p) for p in other.people]
    assert (one.found.pairs == other.found.pairs).all()
    assert (one.chance.pairs == other.chance.pairs).all()
    assert (one.chance.reciprocity == other.chance.reciprocity).all()


def measured(order: str, *labels: str) -> dict[tuple[str, str | None, str | None], Measure]:
    """Measures of turns of 2 s, one every 2.5 s."""
    turns = tuple(Turn(Span(2.5 * i, 2.5 * i + 2), who) for i, who in enumerate(order))
    return by_key(measure(turns, duration=2.5 * len(order), labels=labels, sees_overlap=True, people=None))


def test_measures_of_the_order() -> None:
    found = measured("ABABACABACBC" * 4)
    follows = found["transition_share", "A", "B"]
    assert (follows.part, follows.whole) == (12, 20)
    assert found["transition_z", "A", "B"].n == 20
    returns = found["floor_returns", None, None]
    assert (returns.part, returns.whole) == (24, 46)
    shares = [
        m.value or 0
        for (name, speaker, _), m in found.items()
        if name == "transition_share" and speaker == "A"
    ]
    assert sum(shares) == pytest.approx(1.0)
    for name in ("floor_return_z", "turn_reciprocity_z", "turn_reciprocity"):
        item = found[name, None, None]
        assert item.low is not None
        assert item.high is not None
        assert item.value is not None
        assert item.low <= item.value <= item.high


def test_two_people_have_no_order_to_tell() -> None:
    named = {name for name, _, _ in measured("AB" * 30)}
    assert not named & {
        "transition_share",
        "transition_z",
        "floor_returns",
        "turn_reciprocity",
        "return_propensity",
    }


def test_somebody_silent_changes_nothing_of_the_order() -> None:
    def order(found: dict[tuple[str, str | None, str | None], Measure]) -> dict[object, Measure]:
        kinds = ("transition", "floor_return", "turn_recip", "return_", "entry_")
        return {key: item for key, item in found.items() if key[0].startswith(kinds)}

    text = "ABABACABACBC" * 4
    assert order(measured(text)) == order(measured(text, "Z", "A", "B", "C"))


def test_with_very_many_people_shares_are_of_all_changes() -> None:
    """Those who are not followed by themselves are in the whole all the same."""
    once = "".join(chr(0x100 + i) for i in range(80))
    order = "ABAC" * 20 + "".join("A" + who for who in once) + "ABC"
    found = measured(order)
    follows = found["transition_share", "A", "B"]
    assert follows.whole == order[:-1].count("A")
    assert follows.part == order.count("AB")
