"""Initiatives as readers see them: each act with who took it up, person by person, in the people's order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from meetsense.report.escape import clean, clip
from meetsense.report.figures import Figure, clock, figure
from meetsense.report.ledger import QUOTE, Decision, Step
from meetsense.report.network import Link, Network
from meetsense.report.people import Person
from meetsense.report.wording import ANSWERS as ANSWER_WORDS
from meetsense.values import ActLabel, Analysis, DecisionStatus, LedgerRole, Measure, Utterance

SHARE = "initiative_share"
BEGINS = (LedgerRole.PROPOSED, LedgerRole.AMENDED)
"""What in a ledger is an initiative."""
UPTAKE = (LedgerRole.AMENDED, LedgerRole.AGREED, LedgerRole.CONFIRMED, LedgerRole.COMMITTED)
"""What in a ledger takes up an initiative of somebody else; who confirms a rejection takes up nothing."""
ANSWERS = (*UPTAKE, LedgerRole.OBJECTED)
"""What others do with an initiative."""
ASKING = (ActLabel.PROPOSAL, ActLabel.DIRECTIVE)
"""Acts that ask others to go along."""
MOST = 60
"""So many initiatives of a person are shown; the transcript has all."""
LISTED = 24
"""So many acts outside the decisions are listed; the transcript has all."""


@dataclass(frozen=True, slots=True)
class Initiative:
    """One act that asked others to go along, in a decision."""

    step: Step
    decision: Decision
    answers: tuple[Step, ...]
    """What others made of it afterwards, in the ledger's order."""

    @property
    def takers(self) -> tuple[Person, ...]:
        """Those who took it up."""
        rejected = self.decision.status is DecisionStatus.REJECTED
        counted = [role for role in UPTAKE if not (rejected and role is LedgerRole.CONFIRMED)]
        return tuple(dict.fromkeys(step.person for step in self.answers if step.role in counted))

    @property
    def objectors(self) -> tuple[Person, ...]:
        """Those who spoke against it."""
        return tuple(dict.fromkeys(step.person for step in self.answers if step.role is LedgerRole.OBJECTED))


@dataclass(frozen=True, slots=True)
class Aside:
    """An act that asked others to go along, outside every decision that was found."""

    utterance: Utterance
    time: str
    label: ActLabel
    quote: str


class Answered(Protocol):
    """What one person made of somebody else's initiative."""

    @property
    def speaker(self) -> str:
        """Label."""

    @property
    def utterance(self) -> int:
        """Id of the utterance that is the evidence."""

    @property
    def reply(self) -> str:
        """A key of the wording's ``ANSWERS``."""


class Begun(Protocol):
    """One initiative that the initiative share counts, with everything that others made of it."""

    @property
    def speaker(self) -> str:
        """Label."""

    @property
    def utterances(self) -> tuple[int, ...]:
        """Ids of the utterances of one turn, at least one."""

    @property
    def answerable(self) -> bool:
        """Whether anybody else spoke after it began; the others count for nothing."""

    @property
    def taken_up(self) -> Sequence[Answered]:
        """The answers that go along."""

    @property
    def objections(self) -> Sequence[Answered]:
        """The answers that are against it; they take nothing up."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it is shown."""

    person: Person
    did: str
    evidence: Utterance | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A begun initiative as it is shown."""

    utterance: Utterance
    """The first that it is made of."""
    quote: str
    replies: tuple[Reply, ...]
    decisions: tuple[Decision, ...]
    """Those whose ledger has it as evidence."""


@dataclass(frozen=True, slots=True)
class Own:
    """What one person began."""

    person: Person
    share: Figure | None
    """The initiative share, with a reason where it is withheld; None where there is no such figure."""
    initiatives: tuple[Initiative, ...]
    asides: tuple[Aside, ...]
    """At most ``LISTED``."""
    more: int
    """So many acts beyond those listed."""
    links: tuple[Link, ...]
    """Those who could take up this person's claims, and how often they did."""
    taken_up: tuple[Opened, ...] = ()
    """What the share's numerator is made of, where it is known; at most ``MOST``."""
    left: tuple[Opened, ...] = ()
    """Initiatives that nobody took up; at most ``MOST``."""
    begun: tuple[int, int] = (0, 0)
    """How many initiatives were taken up, and how many were not."""


def initiatives(
    analysis: Analysis,
    everybody: Sequence[Person],
    found: Sequence[Decision],
    uptake: Network | None,
    begun: Iterable[Begun] = (),
) -> tuple[Own, ...]:
    """Everybody who began something or has an initiative share.

    ``begun``: what that share counts, where the caller knows it; without it the ledgers and the acts
    are all there is to show.
    """
    in_decisions = _in_decisions(found)
    used = {step.evidence.id for _, step in in_decisions if step.evidence}
    asides = _asides(analysis, used)
    shares = {m.subject.speaker: m for m in analysis.measures if m.name == SHARE}
    if shares and all(share.value is None for share in shares.values()):
        return ()  # whose they are can't be told, or there are none
    taken, left = _begun(analysis, everybody, found, begun)
    own = [
        Own(
            person,
            _figure(shares.get(person.label)),
            tuple(
                Initiative(step, decision, _answers(decision, step))
                for decision, step in in_decisions
                if step.person == person
            ),
            tuple(asides.get(person.label, ())[:LISTED]),
            max(0, len(asides.get(person.label, ())) - LISTED),
            tuple(link for link in (uptake.links if uptake else ()) if link.claimer == person),
            tuple(taken.get(person.label, ())[:MOST]),
            tuple(left.get(person.label, ())[:MOST]),
            (len(taken.get(person.label, ())), len(left.get(person.label, ()))),
        )
        for person in everybody
    ]
    return tuple(
        item
        for item in own
        if item.initiatives or item.asides or any(item.begun) or (item.share and item.share.value)
    )


def _begun(
    analysis: Analysis, everybody: Sequence[Person], found: Iterable[Decision], begun: Iterable[Begun]
) -> tuple[dict[str, list[Opened]], dict[str, list[Opened]]]:
    """What others took up and what they did not, by whose it is, in order of time."""
    by_label = {person.label: person for person in everybody}
    said = {utterance.id: utterance for utterance in analysis.utterances}
    evidence: dict[int, dict[int, Decision]] = {}
    for decision in found:
        for step in decision.steps:
            if step.evidence:
                evidence.setdefault(step.evidence.id, {})[decision.id] = decision
    taken: dict[str, list[Opened]] = {}
    left: dict[str, list[Opened]] = {}
    for item in begun:
        own = [said[i] for i in item.utterances if i in said]
        if not item.answerable or not own or item.speaker not in by_label:
            continue
        answers = sorted((*item.taken_up, *item.objections), key=lambda answer: answer.utterance)
        replies = tuple(
            Reply(by_label[a.speaker], ANSWER_WORDS.get(a.reply, clean(a.reply)), said.get(a.utterance))
            for a in answers
            if a.speaker in by_label
        )
        quote = clip(" ".join(utterance.text for utterance in own), QUOTE)
        decided = {key: d for u in own for key, d in evidence.get(u.id, {}).items()}
        opened = Opened(own[0], quote, replies, tuple(decided.values()))
        (taken if item.taken_up else left).setdefault(item.speaker, []).append(opened)
    return taken, left


def _figure(measure: Measure | None) -> Figure | None:
    return figure(measure) if measure else None


def _in_decisions(found: Iterable[Decision]) -> list[tuple[Decision, Step]]:
    return [(decision, step) for decision in found for step in decision.steps if step.role in BEGINS]


def _answers(decision: Decision, step: Step) -> tuple[Step, ...]:
    """Contributions of others after it; those before it answered something else."""
    after = decision.steps[decision.steps.index(step) + 1 :]
    return tuple(other for other in after if other.person != step.person and other.role in ANSWERS)


def _asides(analysis: Analysis, used: set[int]) -> dict[str, list[Aside]]:
    """Acts that ask others to go along and are in no ledger, by speaker, in order of time."""
    labels = {act.utterance: act.label for act in analysis.acts if act.label in ASKING}
    outside = [said for said in analysis.utterances if said.id in labels and said.id not in used]
    asides: dict[str, list[Aside]] = {}
    for said in sorted(outside, key=lambda said: said.span.start):
        item = Aside(said, clock(said.span.start), labels[said.id], clip(said.text, QUOTE))
        asides.setdefault(said.speaker, []).append(item)
    return asides
