"""Text from outside on its way to a terminal or a page."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.report.escape import clean, clip

ANY = st.text(st.characters())
"""Every character, lone surrogates included."""


@given(ANY)
def test_one_safe_line(text: str) -> None:
    line = clean(text)
    assert not {unicodedata.category(char) for char in line.replace("\u200c", "").replace("\u200d", "")} & {
        "Cc", "Cf", "Cs", "Zl", "Zp",
    }  # fmt: skip
    assert line == line.strip()
    assert len(line.splitlines()) <= 1
    line.encode()


@given(ANY)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1))
def test_what_can_be_read_is_kept(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b]0;title\x07\x1b[2J", "]0;title [2J"),
        ("a\u202eb\u2066c\u200ed", "abcd"),
        ("line\u2028feed\x85end", "line feed end"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("\ud800", "\ufffd"),
        ("\x00\t \n", ""),
    ],
)
def test_examples(text: str, line: str) -> None:
    assert clean(text) == line


@given(ANY, st.integers(1, 20))
def test_clipping(text: str, longest: int) -> None:
    short = clip(text, longest)
    assert len(short) <= longest
    assert short == clean(text) or (short.endswith("…") and clean(text).startswith(short[:-1]))
