"""Whether a meeting may be recorded. Closed unless everything that opens it is there.

A room with a standing policy records by it; without one, everyone present must be named and have agreed. Who
last said no is recorded by neither.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from meetsense.errors import ConsentError
from meetsense.values import Basis, BasisKind

GRANT = "meetsense consent grant {} recording --basis TEXT"
MEND = "the room's policy is set by text and sha256 in [policy]; see: meetsense config check"


class Policy(Protocol):
    """A room's standing policy, as its configuration states it."""

    @property
    def text(self) -> Path:
        """File that holds its text."""
        ...

    @property
    def sha256(self) -> str:
        """Of the text that was agreed on, in hex."""
        ...


def basis(present: Sequence[str], agreed: Mapping[str, bool], policy: Policy | None) -> Basis:
    """Why a meeting of these people may be recorded.

    ``agreed``: what each last said about being recorded; who never did isn't in it. Raises ConsentError,
    which says what is missing and how to mend it.
    """
    people = tuple(dict.fromkeys(name.strip() for name in present))
    if "" in people:
        raise ConsentError("somebody present has no name; name everyone with --with NAME")
    _need_no_refusal(people, agreed)
    if policy is not None:
        return Basis(BasisKind.POLICY, people, _checked(policy))
    if not people:
        raise ConsentError(
            "nobody present is named; name everyone with --with NAME, or give the room a [policy]"
        )
    if silent := [name for name in people if agreed.get(name) is not True]:
        raise ConsentError(
            f"{_listed(silent)} never agreed to be recorded; for each who does: {_command(silent)}"
        )
    return Basis(BasisKind.CONSENT, people)


def still_holds(stated: Basis, agreed: Mapping[str, bool], policy: Policy | None) -> bool:
    """Whether a recording that was begun on a basis may go on, be kept and be analysed.

    Nobody present said no since, and all still agree, or the room's policy is still the one of the basis. A
    text that changes under a recording counts from the next one on.
    """
    if any(agreed.get(name) is False for name in stated.people):
        return False
    if stated.kind is BasisKind.POLICY:
        return policy is not None and policy.sha256 == stated.text_sha256
    return all(agreed.get(name) is True for name in stated.people)


def _need_no_refusal(people: Sequence[str], agreed: Mapping[str, bool]) -> None:
    if refused := [name for name in people if agreed.get(name) is False]:
        does = "does not agree" if len(refused) == 1 else "do not agree"
        raise ConsentError(
            f"{_listed(refused)} {does} to be recorded; for each who changed their mind: {_command(refused)}"
        )


def _checked(policy: Policy) -> str:
    """The hash of a policy's text, when it is the one that was agreed on. Raises ConsentError."""
    try:
        found = hashlib.sha256(policy.text.read_bytes()).hexdigest()
    except OSError as error:
        raise ConsentError(f"{policy.text} cannot be read ({error.strerror}); {MEND}") from None
    if found != policy.sha256:
        raise ConsentError(f"{policy.text} is not the text that was agreed on; {MEND}")
    return found


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _command(names: Sequence[str]) -> str:
    return GRANT.format(shlex.quote(names[0]) if len(names) == 1 else "NAME")
