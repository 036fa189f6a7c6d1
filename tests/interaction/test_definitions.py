"""Definitions: every measure has one, complete, and docs/metrics.md is made of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from meetsense.interaction.measures import DEFINITIONS, FAMILIES, Definition
from meetsense.interaction.measures.reference import page

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_names_are_told_once() -> None:
    assert len(DEFINITIONS) == sum(len(family.DEFINITIONS) for family in FAMILIES)


@pytest.mark.parametrize("item", DEFINITIONS.values(), ids=str)
def test_definitions_are_complete(item: Definition) -> None:
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        assert value or isinstance(value, bool | tuple), f"{item.name} has no {field.name}"
        assert "\n" not in str(value)


def test_docs_are_made_of_the_definitions() -> None:
    assert DOCS.read_text(encoding="utf-8") == page(), "run: make docs"
