"""The gate: closed unless everything that opens it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetsense.errors import ConsentError
from meetsense.privacy.consent import basis, still_holds
from meetsense.values import Basis, BasisKind


@dataclass(frozen=True, slots=True)
class Stated:
    text: Path
    sha256: str


@pytest.fixture
def policy(tmp_path: Path) -> Stated:
    """A policy whose text is the one that was agreed on."""
    text = tmp_path / "policy.txt"
    text.write_text("Meetings in the library are recorded.")
    return Stated(text, hashlib.sha256(text.read_bytes()).hexdigest())


def refused(present: tuple[str, ...], agreed: Mapping[str, bool], policy: Stated | None = None) -> str:
    with pytest.raises(ConsentError) as raised:
        basis(present, agreed, policy)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_everyone_said_yes() -> None:
    assert basis(("Ada", " Bo ", "Ada"), {"Ada": True, "Bo": True, "Cem": False}, None) == Basis(
        BasisKind.CONSENT, ("Ada", "Bo")
    )


def test_nobody_is_named() -> None:
    assert "name everyone with --with NAME" in refused((), {"Ada": True})
    assert "somebody present has no name" in refused(("Ada", " "), {"Ada": True, "": True})


def test_who_never_said_anything() -> None:
    line = refused(("Ada", "Bo O'Neil"), {"Ada": True})
    assert line.startswith("Bo O'Neil never agreed to be recorded")
    assert line.endswith("""meetsense consent grant 'Bo O'"'"'Neil' recording --basis TEXT""")
    line = refused(("Ada", "Bo", "Cem"), {})
    assert line.startswith("Ada, Bo and Cem never agreed")
    assert line.endswith("meetsense consent grant NAME recording --basis TEXT")


def test_who_said_no(policy: Stated) -> None:
    for given_policy in (None, policy):
        line = refused(("Ada", "Bo"), {"Ada": True, "Bo": False}, given_policy)
        assert line.startswith("Bo does not agree to be recorded")
        assert line.endswith("meetsense consent grant Bo recording --basis TEXT")


def test_the_rooms_policy(policy: Stated) -> None:
    assert basis((), {}, policy) == Basis(BasisKind.POLICY, (), policy.sha256)
    assert basis(("Ada",), {}, policy) == Basis(BasisKind.POLICY, ("Ada",), policy.sha256)


def test_a_policy_that_says_something_else_now(policy: Stated) -> None:
    policy.text.write_text("Everything is recorded.")
    everyone = {"Ada": True}
    assert "is not the text that was agreed on" in refused(("Ada",), everyone, policy)
    policy.text.unlink()
    line = refused(("Ada",), everyone, policy)
    assert "cannot be read (No such file or directory)" in line
    assert line.endswith("meetsense config check")


def test_a_consent_holds_until_somebody_takes_it_back(policy: Stated) -> None:
    stated = Basis(BasisKind.CONSENT, ("Ada", "Bo"))
    everyone = {"Ada": True, "Bo": True}
    assert still_holds(stated, everyone, None)
    assert still_holds(stated, everyone, policy)
    assert not still_holds(stated, {"Ada": True, "Bo": False}, None)
    assert not still_holds(stated, {"Ada": True}, None)  # Bo was deleted
    assert not still_holds(stated, {"Ada": True}, policy)


def test_a_policy_holds_while_it_is_the_rooms(policy: Stated) -> None:
    stated = basis(("Ada",), {}, policy)
    assert still_holds(stated, {}, policy)
    assert still_holds(stated, {"Ada": True}, policy)
    assert not still_holds(stated, {"Ada": False}, policy)
    assert not still_holds(stated, {}, None)
    assert not still_holds(stated, {"Ada": True}, replace(policy, sha256="0" * 64))
    policy.text.write_text("Everything is recorded.")
    assert still_holds(stated, {}, policy)
    assert "not the text" in refused((), {}, policy)


NAMES = st.sampled_from(["Ada", "Bo", "Cem", "", " "])


@given(st.lists(NAMES).map(tuple), st.dictionaries(NAMES, st.booleans()))
def test_only_when_all_of_them_agree(present: tuple[str, ...], agreed: dict[str, bool]) -> None:
    named = {name.strip() for name in present}
    may = bool(named) and "" not in named and all(agreed.get(name) is True for name in named)
    if may:
        found = basis(present, agreed, None)
        assert set(found.people) == named
        assert still_holds(found, agreed, None)
    else:
        refused(present, agreed)
