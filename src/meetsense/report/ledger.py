"""Decisions as readers see them: who did what, with the words that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meetsense.report.escape import clean, clip
from meetsense.report.people import Person
from meetsense.values import Analysis, DecisionChain, DecisionStatus, LedgerEntry, LedgerRole, Utterance

QUOTE = 280
"""Characters of a quote; the transcript has the rest."""
WORDING = 120
"""Characters of what was decided, beside the topic."""
FAIRLY_SURE = 0.75
"""Confidence from which a decision is called so."""
UNSURE = 0.5
"""Confidence from which it is called so; below, the program is guessing."""
SURE = "fairly sure"
WORDED = frozenset({LedgerRole.AMENDED, LedgerRole.CONFIRMED})
"""What may say in other words what was decided."""


@dataclass(frozen=True, slots=True)
class Step:
    """One contribution to a decision."""

    role: LedgerRole
    person: Person
    evidence: Utterance | None
    """What was said; None when the transcript lacks it."""
    quote: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and everything people did with it."""

    id: int
    number: int
    """As people count: from 1."""
    chain: DecisionChain
    topic: str
    steps: tuple[Step, ...]
    """In the ledger's order."""
    missing: tuple[LedgerRole, ...]
    """Roles in which nobody was heard."""
    earlier: Decision | None
    """The ignored proposal that comes back here."""
    returns_as: tuple[int, ...]
    """Numbers of the decisions in which this idea comes back."""
    wording: Step | None = None
    """The contribution that says what was decided, where that is not what was proposed first."""

    @property
    def status(self) -> DecisionStatus:
        """What became of it."""
        return self.chain.status

    @property
    def sureness(self) -> str:
        """How sure the program is of its reading, in words: it is no measurement, so it has no number."""
        if self.chain.confidence >= FAIRLY_SURE:
            return SURE
        return "unsure" if self.chain.confidence >= UNSURE else "guessing"

    @property
    def worded(self) -> str | None:
        """``as confirmed: “…”``: what was decided in the words of those who did."""
        step = self.wording
        return f"as {step.role}: “{clip(step.quote, WORDING)}”" if step and step.quote else None

    @property
    def contributions(self) -> str:
        """What it rests on: ``1 contribution``, ``5 contributions``."""
        return f"{len(self.steps)} contribution{'s' if len(self.steps) != 1 else ''}"

    def those_who(self, role: LedgerRole) -> tuple[Person, ...]:
        """People in one role, in the ledger's order."""
        return tuple(dict.fromkeys(step.person for step in self.steps if step.role is role))

    @property
    def origin(self) -> str | None:
        """Who had the idea before it came back, in a sentence; None when it didn't come back."""
        if self.earlier is None:
            return None
        before = self.earlier.those_who(LedgerRole.PROPOSED) or self.earlier.those_who(LedgerRole.RAISED)
        here = self.those_who(LedgerRole.PROPOSED)
        text = f"comes back from {self.earlier.number}"
        if before:
            text += f": {names(before)} had it first, and nobody took it up"
        if here:
            text += f"; here it is {names(here)} who proposed it"
        return text


def decisions(analysis: Analysis, everybody: Sequence[Person]) -> tuple[Decision, ...]:
    """The decisions in the order of their numbers: where an old issue is settled late, numbers still rise."""
    by_label = {person.label: person for person in everybody}
    said = {utterance.id: utterance for utterance in analysis.utterances}
    chains = sorted(analysis.decisions, key=lambda chain: chain.id)
    known = {chain.id: chain for chain in chains}
    return tuple(_decision(chain, known, by_label, said) for chain in chains)


def _decision(
    chain: DecisionChain,
    known: Mapping[int, DecisionChain],
    by_label: Mapping[str, Person],
    said: Mapping[int, Utterance],
) -> Decision:
    earlier = known.get(chain.returns_from) if chain.returns_from is not None else None
    present = {entry.role for entry in chain.ledger}
    steps = tuple(_step(entry, by_label, said) for entry in chain.ledger)
    return Decision(
        id=chain.id,
        number=chain.id + 1,
        chain=chain,
        topic=clean(chain.topic) or "(no topic)",
        steps=steps,
        missing=tuple(role for role in LedgerRole if role not in present),
        # One step back is enough; a chain that names itself, or two that name each other, end here.
        earlier=_decision(earlier, {}, by_label, said) if earlier and earlier.id != chain.id else None,
        returns_as=tuple(
            other.id + 1 for other in known.values() if other.returns_from == chain.id != other.id
        ),
        wording=next((s for s in steps if s.role in WORDED and _is(s, chain.wording)), None),
    )


def _is(step: Step, utterance: int | None) -> bool:
    return step.evidence is not None and step.evidence.id == utterance


def _step(entry: LedgerEntry, by_label: Mapping[str, Person], said: Mapping[int, Utterance]) -> Step:
    evidence = said.get(entry.utterance)
    return Step(entry.role, by_label[entry.speaker], evidence, clip(evidence.text, QUOTE) if evidence else "")


def why_none(analysis: Analysis) -> str:
    """Why there are no decisions, in a sentence."""
    if not analysis.utterances:
        return "No decisions can be found without words."
    if not analysis.acts:
        return "No decisions can be found: what the utterances do was not read."
    return "No decision was found in what was said."


def names(persons: Sequence[Person]) -> str:
    """Names in a sentence: ``Ada``, ``Ada and Bo``, ``Ada, Bo and Cem``."""
    shown = [person.name for person in persons]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))
