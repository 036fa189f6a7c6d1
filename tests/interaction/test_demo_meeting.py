"""The bundled meeting: its decisions come out of its true acts, and of the rules' acts of its true text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from meetsense.interaction import label_acts, link_decisions
from meetsense.speech.directory import BUNDLED
from meetsense.values import Act, ActLabel, Span, Utterance

FOLDER = BUNDLED / "demo-meeting"


def rows(name: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return content


def talk(*, punctuated: bool = True) -> tuple[Utterance, ...]:
    return tuple(
        Utterance(
            row["id"],
            row["speaker"],
            Span(row["start"], row["end"]),
            row["text"] if punctuated else re.sub(r"[.,?!]", "", row["text"]).lower(),
        )
        for row in rows("acts.json")
    )


def true_acts() -> tuple[Act, ...]:
    return tuple(Act(row["id"], ActLabel(row["act"]), 1.0) for row in rows("acts.json"))


def outline(acts: tuple[Act, ...], said: tuple[Utterance, ...]) -> list[tuple[str, str, int, int | None]]:
    """Status, proposer, proposal and origin of every chain."""
    found = []
    for chain in link_decisions(said, acts):
        (proposal,) = (entry for entry in chain.ledger if entry.role == "proposed")
        found.append((chain.status.value, proposal.speaker, proposal.utterance, chain.returns_from))
    return found


def expected() -> list[tuple[str, str, int, int | None]]:
    found = []
    for row in rows("decisions.json"):
        (proposal,) = (entry for entry in row["ledger"] if entry["role"] == "proposed")
        found.append((row["status"], proposal["speaker"], proposal["utterance"], row["returns_from"]))
    return found


def test_true_acts_give_the_true_decisions() -> None:
    assert outline(true_acts(), talk()) == expected()


def test_true_acts_give_the_true_ledgers() -> None:
    for chain, row in zip(link_decisions(talk(), true_acts()), rows("decisions.json"), strict=True):
        found = {(entry.role.value, entry.speaker, entry.utterance) for entry in chain.ledger}
        true = {(entry["role"], entry["speaker"], entry["utterance"]) for entry in row["ledger"]}
        assert found == true
        assert (chain.span.start, chain.span.end) == (row["start"], row["end"])


@pytest.mark.parametrize("punctuated", [True, False])
def test_own_acts_give_the_true_decisions(punctuated: bool) -> None:
    said = talk(punctuated=punctuated)
    assert outline(label_acts(said, "en"), said) == expected()


@pytest.mark.parametrize("punctuated", [True, False])
def test_own_acts_are_mostly_the_true_ones(punctuated: bool) -> None:
    said = talk(punctuated=punctuated)
    right = [own.label is true.label for own, true in zip(label_acts(said, "en"), true_acts(), strict=True)]
    assert sum(right) >= 0.85 * len(right)
