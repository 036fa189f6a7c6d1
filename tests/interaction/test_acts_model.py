"""The network of acts: its arithmetic against loops, the file that is shipped, the measure's tags."""

from __future__ import annotations

import io
import zipfile
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetsense.interaction import act_model, act_rules
from meetsense.interaction.act_features import NEAR, SLOTS, Features, Floats
from meetsense.interaction.act_rules import VERDICTS, Context, Verdict
from meetsense.interaction.acts import decides, label_with
from meetsense.values import ActLabel, Span, Utterance
from tests.bench.acts import icsi

FILE = resources.files("meetsense") / "models" / "acts-en" / "weights.npz"
RUNS, COLUMNS, WIDTH, SECOND, THIRD = 6, 5, 3, 4, 2


def network(rng: np.random.Generator) -> act_model.Network:
    """A small network of random weights."""
    blocks, labels = len(NEAR) + SLOTS, len(act_model.LABELS)
    shapes = {
        "dense_to_first": (COLUMNS, WIDTH),
        "first_bias": (WIDTH,),
        "first_to_second": (WIDTH, SECOND),
        "dense_to_second": (COLUMNS, SECOND),
        "around_to_second": (blocks * WIDTH, SECOND),
        "second_bias": (SECOND,),
        "second_to_third": (SECOND, THIRD),
        "around_to_third": (blocks * SECOND, THIRD),
        "third_bias": (THIRD,),
        "to_labels": (WIDTH + SECOND + THIRD, labels),
        "labels_bias": (labels,),
    }
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return act_model.Network(rng.normal(size=(RUNS, WIDTH + labels)).astype(np.float32), weights)


def features(rng: np.random.Generator, count: int) -> Features:
    """Random features of so many sentences."""
    rows = np.sort(rng.integers(0, count, 2 * count)) if count else np.zeros(0, np.int64)
    return Features(
        rows,
        rng.integers(0, RUNS, len(rows)),
        rng.normal(size=(count, COLUMNS)).astype(np.float32),
        rng.integers(0, count + 1, (count, SLOTS)),
        rng.random((count, len(NEAR))) < 0.5,
    )


def slow(net: act_model.Network, told: Features) -> Floats:
    """The same by loops over sentences and neighbours."""
    w, count = net.weights, len(told.dense)
    sums = np.zeros((count, net.bag.shape[1]))
    for row in range(count):
        runs = told.runs[told.rows == row]
        sums[row] = net.bag[runs].sum(axis=0) / np.sqrt(max(len(runs), 1))

    def near(layer: np.ndarray, row: int) -> np.ndarray:
        seen = [layer[at] if at < count else np.zeros(layer.shape[1]) for at in told.neighbours[row]]
        own = [seen[i] * told.same[row, i] for i in range(len(NEAR))]
        foreign = [seen[i] * (not told.same[row, i]) for i in range(len(NEAR))]
        return np.concatenate([*own, *foreign, *seen[len(NEAR) :]])

    first = np.maximum(sums[:, :WIDTH] + told.dense @ w["dense_to_first"] + w["first_bias"], 0)
    second = np.zeros((count, SECOND))
    for row in range(count):
        straight = (
            first[row] @ w["first_to_second"] + told.dense[row] @ w["dense_to_second"] + w["second_bias"]
        )
        second[row] = np.maximum(straight + near(first, row) @ w["around_to_second"], 0)
    third = np.zeros((count, THIRD))
    for row in range(count):
        straight = second[row] @ w["second_to_third"] + w["third_bias"]
        third[row] = np.maximum(straight + near(second, row) @ w["around_to_third"], 0)
    found = np.concatenate([first, second, third], axis=1) @ w["to_labels"] + w["labels_bias"]
    return np.asarray(found + sums[:, WIDTH:])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 4))
def test_the_network_does_what_loops_do(seed: int, count: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    net, told = network(rng), features(rng, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(act_model, "BLOCK", block)
        assert net.log_odds(told) == pytest.approx(slow(net, told), abs=1e-3)


def test_no_sentences_are_no_trouble() -> None:
    rng = np.random.default_rng(1)
    assert network(rng).log_odds(features(rng, 0)).shape == (0, len(act_model.LABELS))


def test_the_file_is_small_and_holds_numbers_only() -> None:
    content = FILE.read_bytes()
    assert len(content) < 6e6
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "iuf" for name in arrays.files)
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
        assert arrays["evidence"].shape == (2, VERDICTS, len(act_model.LABELS))


def test_the_vocabulary_has_words_of_english_and_no_names() -> None:
    model = act_model.load_model("en")
    assert model is not None
    words = set(model.known.numbers)
    assert {"we", "should", "don't", "okay"} <= words
    # Given names of the commonest, none of them taken from a corpus.
    assert not words & {
        "james",
        "mary",
        "john",
        "robert",
        "michael",
        "david",
        "linda",
        "susan",
        "peter",
        "anna",
    }
    assert not [word for word in words if word != word.lower() or "_" in word]
    assert (np.diff(model.known.runs) > 0).all()


def test_the_name_changes_with_the_weights() -> None:
    content = FILE.read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        held = {name: arrays[name] for name in arrays.files}
    held["bonus"] = held["bonus"] + 1
    other = io.BytesIO()
    np.savez(other, **held)
    names = {act_model.read_model(bytes_, "en").name for bytes_ in (content, other.getvalue())}
    assert len(names) == 2


def test_every_verdict_has_a_number_of_its_own() -> None:
    numbers = [
        Verdict(label, 0.5, bound, weak=weak).number
        for label in ActLabel
        for bound, weak in ((False, False), (False, True), (True, False))
    ]
    assert sorted(numbers) == list(range(VERDICTS))


def test_a_meeting_decides_all_along_by_its_share_of_plain_proposals() -> None:
    plain, weak = Verdict(ActLabel.PROPOSAL, 0.7), Verdict(ActLabel.PROPOSAL, 0.45, weak=True)
    other = Verdict(ActLabel.INFORMATION, 0.85)
    assert decides([other] * 99)
    assert not decides([other] * 100)
    assert decides([other] * 970 + [plain] * 30)
    assert not decides([other] * 970 + [weak] * 30)


def test_among_much_else_the_network_judges_plain_wording_and_rules_confirm() -> None:
    rules, model = act_rules.load("en"), act_model.load_model("en")
    assert rules is not None
    assert model is not None
    one = Utterance(0, "A", Span(0, 2), "I'd suggest it was a cold winter.")
    talk = [Utterance(i, "AB"[i % 2], Span(3 * i, 3 * i + 2), "It rained all day.") for i in range(1, 200)]
    last = Utterance(200, "B", Span(600, 602), "So that's decided.")
    alone, among = label_with([one], rules, model), label_with([one, *talk, last], rules, model)
    assert alone[0].label is ActLabel.PROPOSAL
    assert alone[0].confidence == rules.judge(rules.read(one.text, True), Context()).confidence
    assert among[0].confidence != alone[0].confidence
    assert among[200].label is ActLabel.CONFIRMATION


def test_the_rules_insist_against_the_network_and_doubt_gives_way() -> None:
    rules, model = act_rules.load("en"), act_model.load_model("en")
    assert rules is not None
    assert model is not None
    talk = (
        Utterance(0, "A", Span(0, 2), "The room on the second floor is painted white."),
        Utterance(1, "B", Span(3, 5), "I suggest that we paint it green."),
    )
    assert rules.judge(rules.read("I suggest that we paint it green.", True), Context()).insists
    assert label_with(talk, rules, model)[1].label is ActLabel.PROPOSAL
    assert not rules.judge(rules.read("We had a good week.", True), Context()).insists


@pytest.mark.parametrize(
    ("tag", "label"),
    [
        ("b", "backchannel"),
        ("b.%", "backchannel"),
        ("s^bk|s", "backchannel"),
        ("fh|s^bk.%-", "backchannel"),
        ("qy^bh^rt", "backchannel"),
        ("qw", "question"),
        ("s|qy^d^f^g", "question"),
        ("qy^cs^rt", "question"),
        ("s:qw", "question"),
        ("s^cs", "proposal"),
        ("fg|s^co^cs", "proposal"),
        ("s^co.%--", "directive"),
        ("s^cc|s", "commitment"),
        ("s^aa^r", "agreement"),
        ("s^ar|s^aa", "agreement"),
        ("s^ar|s^nd", "disagreement"),
        ("s.x", "other"),
        ("s^aap", "other"),
        ("s^bu", "other"),
        ("%-", "other"),
        ("", "other"),
        ("z", None),
        ("x", None),
    ],
)
def test_labels_of_tags(tag: str, label: str | None) -> None:
    assert icsi().label(tag) == label
    fine = icsi().fine_label(tag)
    assert fine == label or (label == "other" and fine in ("information", "floor", "other"))


def test_f1() -> None:
    found, true = ["a", "a", "b", "a"], ["a", "b", "b", None]
    assert icsi().f1(found, true, "a") == pytest.approx(2 / 3)
    assert icsi().f1(found, true, "c") == 0
