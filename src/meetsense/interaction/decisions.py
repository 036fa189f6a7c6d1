"""From acts to decisions: a proposal opens a chain, and what people do with it is its ledger.

- **raised**: the question, problem or agenda move on the same topic before the proposal, or what only said
  that something is to be decided.
- **proposed**: a proposal, also one that is asked ("how about …?").
- **amended**: a later proposal on the same topic that changes the one on the table.
- **objected**, **agreed**: somebody else's disagreement or agreement; **confirmed**: anybody's, once
  somebody else has had the chance to speak; **committed**: who took on to do it.

What a "yes" answers is told from the words that it shares with a proposal or else from the *focus*:
the chain that is being talked about. The focus goes to every new proposal and is lost when somebody
speaks of something else. Words that everybody uses all the time tie nothing together.

Status: *adopted* (agreed by another or confirmed by anybody), *amended* (adopted in a changed form),
*rejected* (objected to, and nobody for it, or taken back by its author), *ignored* (nobody else said
anything on the topic within the window, though they spoke), *open* (everything else: talked about
without an outcome, contested, put off, or cut off by the end). An ignored chain whose idea somebody
else proposes later is what that later chain *returns from*. Who contradicts an objection, not the
proposal, objects to nothing here.

One pass in time order; the work for an utterance is bounded, whatever the length of the meeting.

Sources: Fernández et al. 2008 (issue, resolution, agreement); Braley & Murray 2018 (proposal,
agreement or disagreement, confirmation); the windows and the ledger are this project's own.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from meetsense.interaction.cycles import no_cycles
from meetsense.interaction.lexicon import code_of
from meetsense.interaction.topics import Topics, topics
from meetsense.values import (
    Act,
    ActLabel,
    DecisionChain,
    DecisionStatus,
    LedgerEntry,
    LedgerRole,
    Span,
    Utterance,
)

SILENT = frozenset({ActLabel.BACKCHANNEL, ActLabel.FLOOR, ActLabel.OTHER})
"""Acts that move no decision."""
PUTS_OFF = frozenset({ActLabel.PROPOSAL, ActLabel.DIRECTIVE, ActLabel.CONFIRMATION, ActLabel.COMMITMENT})
"""Acts that may put a decision off."""
REPLY_MS = 5000
"""A reply this soon after a proposal is to it, whatever was said in between."""
ON_THE_TABLE = 8
"""Nobody keeps more proposals in mind at once; the oldest one is closed."""
REMEMBERED = 8
"""Issues that a proposal may come from; ignored ideas that one word may call back."""
COMMON_USES = 6
COMMON_SHARE = 0.1
"""A word in more utterances than both says nothing about what an utterance answers."""
SAME_TOPIC = 0.34
"""Part of the shorter text's topic words that a changed proposal shares with the one before."""
SAME_IDEA = 0.5
"""The same, weighted by rarity, for an idea that comes back."""
RESTATED = 0.5
"""Part of a proposal's topic words that a confirmation repeats which says what is decided."""
UNSURE = 0.5
"""A proposal less sure than this that shares words with one on the table is talk about that."""
CORROBORATED = 0.5
"""How much people who take a stand on it corroborate that something was proposed."""
CONTESTED = 0.5
"""How much an objection takes from the confidence of a decision that stands nevertheless."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How long a proposal waits. Raises ValueError for a window that is not above 0."""

    seconds: float = 20.0
    """From the last contribution to the next one."""
    turns: int = 3
    """Changes of speaker from the last contribution to the next one, backchannels set aside."""
    issue_seconds: float = 60.0
    """How far before a proposal the question or problem may lie that it answers."""

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.turns > 0 and self.issue_seconds > 0):
            raise ValueError(f"windows are above 0, not {self}")


@no_cycles()
def link_decisions(
    utterances: Sequence[Utterance],
    acts: Sequence[Act],
    *,
    windows: Windows | None = None,
    language: str | None = None,
) -> tuple[DecisionChain, ...]:
    """The decision chains of a meeting, in the order of their proposals; none without acts.

    A chain's span is that of its ledger: from what raised the issue to the last contribution.
    Utterances may come in any order; those without words or without an act are passed over. Ids of
    chains count from 0. A ``language`` of None is read as English; another one without topic words
    has no decisions.
    """
    code = code_of(language)
    lexicon = topics(code) if code else None
    if lexicon is None or not acts:
        return ()
    talk = _Talk(windows or Windows())
    for said in _listen(utterances, acts, lexicon):
        talk.hear(said)
    return talk.chains()


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """An utterance, ready to be compared."""

    id: int
    speaker: str
    start: int
    """ms."""
    end: int
    """ms."""
    span: Span
    label: ActLabel
    confidence: float
    stems: frozenset[str]
    """What it is about, without the words that everybody uses."""
    weight: dict[str, float]
    """Rarity of every stem in this meeting."""
    rarity: float
    """Of all its stems together, for a proposal."""
    topic: str
    """For a proposal."""
    points: bool
    """Points back at what was said before."""
    raises: bool
    """A proposal to decide something, which doesn't say what."""
    problem: bool
    amends: bool
    """A proposal that speaks of a change to what is on the table."""
    drops: bool
    praises: bool
    withdraws: bool
    """Takes back what its speaker proposed."""
    postpones: bool
    """Puts a decision off."""
    rebuts: bool
    """A disagreement that contradicts what was said."""
    joins: bool
    """A disagreement of the same kind as the one before."""


def _listen(utterances: Sequence[Utterance], acts: Sequence[Act], lexicon: Topics) -> list[_Said]:
    """Utterances with words and an act that may move a decision, in time order."""
    labels: dict[int, Act] = {}
    for act in acts:
        labels.setdefault(act.utterance, act)
    heard = [said for said in utterances if said.id in labels and said.text.strip()]
    order = sorted(range(len(heard)), key=lambda i: (heard[i].span.start, i))
    read = [lexicon.read(said.text) for said in heard]
    lines, words = [found.line for found in read], [found.words for found in read]
    stems = [found.stems for found in read]
    uses = Counter(stem for found in stems for stem in found)
    most = max(COMMON_USES, COMMON_SHARE * len(heard))
    common = frozenset(stem for stem, count in uses.items() if count > most)
    weight = {stem: math.log(1 + len(heard) / count) for stem, count in uses.items()}
    told = []
    for i in order:
        said, act = heard[i], labels[heard[i].id]
        if act.label in SILENT:
            continue
        asks = act.label is ActLabel.QUESTION and lexicon.asks_for(lines[i])
        label = ActLabel.PROPOSAL if asks else act.label
        proposes = label is ActLabel.PROPOSAL
        # A proposal about what everybody talks about is still about that.
        rare = stems[i] - common
        topic = (rare or stems[i]) if proposes else rare
        told.append(
            _Said(
                id=said.id,
                speaker=said.speaker,
                start=round(said.span.start * 1000),
                end=round(said.span.end * 1000),
                span=said.span,
                label=label,
                confidence=act.confidence,
                stems=topic,
                weight=weight,
                rarity=sum(weight[stem] for stem in sorted(topic)) if proposes else 0.0,
                topic=lexicon.quote(said.text) if proposes else "",
                points=bool(words[i] & lexicon.pointing),
                raises=proposes and lexicon.raises(lines[i]),
                problem=not proposes and lexicon.states_problem(lines[i]),
                amends=proposes and lexicon.amends(lines[i]),
                drops=bool(words[i] & lexicon.dropping),
                praises=bool(words[i] & lexicon.praising),
                withdraws=lexicon.withdraws(lines[i]),
                postpones=label in PUTS_OFF and lexicon.postpones(lines[i]),
                rebuts=label is ActLabel.DISAGREEMENT and lexicon.rebuts(lines[i]),
                joins=label is ActLabel.DISAGREEMENT and lexicon.joins(lines[i]),
            )
        )
    return told


@dataclass(slots=True, eq=False)
class _Chain:
    """A proposal on its way."""

    number: int
    proposal: _Said
    turn: int
    """Turn of the last contribution."""
    author: str
    """Who made the version that is on the table."""
    end: int
    """End of the last contribution, ms."""
    stems: set[str]
    returns_from: int | None = None
    entries: list[tuple[LedgerRole, _Said]] = field(default_factory=list)
    told: dict[tuple[LedgerRole, str, int], _Said] = field(default_factory=dict)
    version: int = 0
    support: dict[str, float] = field(default_factory=dict)
    """Person to confidence, for the version on the table."""
    against: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    """Support of the versions before."""
    changed: float = 1.0
    """Confidence of the amendments."""
    confirmed: float | None = None
    dropped: float | None = None
    """Confidence that its end was confirmed, or conceded by its author."""
    settled: bool = False
    """Whether somebody said that it is decided."""
    leans: bool = True
    """Whether the last to take a side was for it."""
    objection: _Said | None = None
    """The last one to it."""
    answered: bool = False
    """Whether anybody else spoke of it."""
    chances: int = 0
    """Most changes of speaker in a row that had nothing to do with it."""
    postponed: bool = False
    """Whether it was put off, and nobody has spoken for it since."""
    withdrawn: bool = False
    """Whether its author took it back, and nobody has spoken for it since."""
    ignored: bool = False
    """Whether others spoke until its time had passed."""

    def pass_over(self, said: _Said, turn: int, windows: Windows) -> None:
        """Somebody has said something; it may have been about something else."""
        self.chances = max(self.chances, turn - self.turn)
        late = said.end - self.end > windows.seconds * 1000
        self.ignored |= self.chances >= windows.turns or (self.chances > 0 and late)

    def alive(self, said: _Said, turn: int, windows: Windows) -> bool:
        """Whether words on its topic still belong to it."""
        return turn - self.turn <= windows.turns or self._soon(said, windows)

    def waiting(self, said: _Said, turn: int, windows: Windows) -> bool:
        """Whether it can still be answered without naming it."""
        return turn - self.turn <= windows.turns and self._soon(said, windows)

    def _soon(self, said: _Said, windows: Windows) -> bool:
        return said.start - self.end <= windows.seconds * 1000

    def touch(self, said: _Said, turn: int) -> None:
        """Somebody speaks of it."""
        self.turn, self.end = turn, max(self.end, said.end)
        self.answered |= said.speaker != self.proposal.speaker
        if said.speaker == self.author or said.speaker in self.support:
            self.leans = True
        elif said.speaker in self.against:
            self.leans = False

    def enter(self, role: LedgerRole, said: _Said) -> None:
        """A contribution: its surest evidence for each role, person and version, and every task taken on."""
        key = (role, said.speaker, self.version)
        told = self.told.get(key)
        if told is None or role is LedgerRole.COMMITTED or told.confidence < said.confidence:
            if told and role is not LedgerRole.COMMITTED:
                self.entries.remove((role, told))
            self.told[key] = said
            self.entries.append((role, said))

    def agree(self, said: _Said) -> None:
        """Another person is for it; after an objection a bare yes is for the objection."""
        about = bool(said.stems & self.stems) or said.praises
        if (self.postponed or self.withdrawn) and not about:
            return  # a bare yes is for putting it off
        if said.speaker == self.author:
            self.dropped = self.dropped if self.leans or about else said.confidence
            return
        if not self.leans and not about:
            return
        self.against.pop(said.speaker, None)
        self.support[said.speaker] = max(said.confidence, self.support.get(said.speaker, 0.0))
        self.leans, self.dropped = True, None
        self.postponed = self.withdrawn = False
        self.enter(LedgerRole.AGREED, said)

    def object(self, said: _Said) -> None:
        """Somebody is against it; who stands for it is then against an objection."""
        if said.speaker == self.author:
            self.dropped = said.confidence if said.drops and self.leans else self.dropped
            return
        if said.speaker in self.support and not self.leans:
            return
        self.support.pop(said.speaker, None)
        self.against[said.speaker] = max(said.confidence, self.against.get(said.speaker, 0.0))
        self.leans, self.objection = False, said
        self.enter(LedgerRole.OBJECTED, said)

    def defended_by(self, said: _Said, turn: int) -> bool:
        """Whether a disagreement contradicts somebody's objection, made just before, and not the proposal."""
        against = self.objection
        if against is None or self.leans or against.speaker == said.speaker or turn - self.turn > 1:
            return False
        return said.rebuts or (bool(said.stems & (against.stems - self.stems)) and not said.joins)

    def amend(self, said: _Said) -> None:
        """A changed version takes its place; objections were to the old one."""
        self.version += 1
        self.before |= self.support
        self.support, self.against = {}, {}
        self.author, self.changed = said.speaker, self.changed * said.confidence
        self.stems |= said.stems
        self.leans, self.dropped = True, None
        self.postponed = self.withdrawn = False
        self.enter(LedgerRole.AMENDED, said)

    def postpone(self, said: _Said) -> None:
        """Somebody puts it off: whatever was said for it or against it, it is not decided."""
        self.postponed = True

    def withdraw(self, said: _Said) -> None:
        """Its author takes it back; an earlier version that people were for stays."""
        self.support, self.withdrawn = {}, True
        self.dropped = None if self.before else said.confidence

    def confirm(self, said: _Said) -> None:
        """Somebody says that it is decided, one way or the other."""
        if (self.postponed or self.withdrawn) and not self.restated(said):
            return  # what is settled then is that it is put off
        self.postponed = self.withdrawn = False
        self.enter(LedgerRole.CONFIRMED, said)
        self.settled = True
        if self.against and not self.support and not self.leans and (said.drops or not self.restated(said)):
            self.dropped = said.confidence
        else:
            self.confirmed, self.dropped = max(said.confidence, self.confirmed or 0.0), None

    def restated(self, said: _Said) -> bool:
        """Whether an utterance says again what was proposed."""
        return len(said.stems & self.stems) >= RESTATED * len(self.proposal.stems)

    def commit(self, said: _Said) -> None:
        """Somebody takes it on; another person than its author is for it by that."""
        if said.speaker != self.author and not (self.postponed or self.withdrawn):
            self.support.setdefault(said.speaker, said.confidence)
            self.against.pop(said.speaker, None)
            self.leans, self.dropped = True, None
        self.enter(LedgerRole.COMMITTED, said)

    def outcome(self, windows: Windows) -> tuple[DecisionStatus, float]:
        """What became of it, and the confidence of the acts that say so."""
        taken = DecisionStatus.AMENDED if self.version else DecisionStatus.ADOPTED
        against = _either(self.against.values())
        if self.confirmed is not None:
            support = _either((*self.support.values(), self.confirmed))
            return taken, self._stands(support, against)
        if self.dropped is not None:
            return DecisionStatus.REJECTED, _either((*self.against.values(), self.dropped))
        if self.postponed:
            return DecisionStatus.OPEN, CONTESTED
        if self.support and (self.leans or not self.against):
            return taken, self._stands(_either(self.support.values()), against)
        if self.against and not self.support:
            return DecisionStatus.REJECTED, against
        if self.before and not self.against:
            return DecisionStatus.ADOPTED, CONTESTED * _either(self.before.values())
        if self.answered or not self.ignored:
            return DecisionStatus.OPEN, CONTESTED
        # Silence is weak evidence; it grows with the turns that others took.
        return DecisionStatus.IGNORED, 1 - 0.5 ** min(self.chances, windows.turns)

    def _stands(self, support: float, against: float) -> float:
        """Confidence that the version on the table was taken, whatever was said against it."""
        changed = _either((self.changed, CORROBORATED * support)) if self.version else 1.0
        return changed * support * (1 - CONTESTED * against)

    def finish(self, windows: Windows) -> DecisionChain:
        """The chain as a value."""
        status, confidence = self.outcome(windows)
        proposed = self.proposal.confidence
        if status not in (DecisionStatus.IGNORED, DecisionStatus.OPEN):
            proposed = _either((proposed, CORROBORATED * confidence))
        spans = [said.span for _, said in self.entries]
        return DecisionChain(
            id=self.number,
            status=status,
            span=Span(min(span.start for span in spans), max(span.end for span in spans)),
            topic=self.proposal.topic,
            confidence=round(proposed * confidence, 3),
            ledger=tuple(LedgerEntry(role, s.speaker, s.id) for role, s in self.entries),
            returns_from=self.returns_from,
            wording=self.wording(status),
        )

    def wording(self, status: DecisionStatus) -> int | None:
        """Id of the utterance that says what was decided, where that is more than was first proposed.

        The last change of the proposal, or what confirms it in words of its own.
        """
        if status not in (DecisionStatus.ADOPTED, DecisionStatus.AMENDED):
            return None
        changed = status is DecisionStatus.AMENDED
        for role, said in reversed(self.entries):
            tells = bool(said.stems & self.stems) and (changed or not said.stems <= self.proposal.stems)
            if (role is LedgerRole.CONFIRMED and tells) or (role is LedgerRole.AMENDED and changed):
                return said.id
        return None


class _Talk:
    """The meeting as far as it has been heard."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._table: list[_Chain] = []
        """Chains that can still be answered, oldest first."""
        self._closed: list[DecisionChain] = []
        self._focus: _Chain | None = None
        self._issues: deque[_Issue] = deque(maxlen=REMEMBERED)
        self._ignored: dict[str, deque[_Chain]] = {}
        """Topic word to the latest ignored chains that have it."""
        self._turn = 0
        self._last: _Said | None = None
        self._number = 0

    def chains(self) -> tuple[DecisionChain, ...]:
        """All chains, those still on the table included."""
        for chain in self._table:
            self._close(chain)
        self._table = []
        return tuple(sorted(self._closed, key=lambda chain: chain.id))

    def hear(self, said: _Said) -> None:
        """Take in the next utterance."""
        if self._last is None or said.speaker != self._last.speaker:
            self._turn += 1
        self._clear(said)
        answer = {
            ActLabel.PROPOSAL: self._discuss if said.raises else self._propose,
            ActLabel.AGREEMENT: self._agree,
            ActLabel.DISAGREEMENT: self._object,
            ActLabel.CONFIRMATION: self._confirm,
            ActLabel.COMMITMENT: self._commit,
        }.get(said.label, self._discuss)
        if not self._set_aside(said):
            answer(said)
        for chain in self._table:
            chain.pass_over(said, self._turn, self._windows)
        self._last = said

    def _set_aside(self, said: _Said) -> bool:
        """Whether somebody takes back what they proposed, or puts off what is on the table."""
        if said.withdraws:
            own = (c for c in reversed(self._table) if c.author == said.speaker and not c.settled)
            if chain := next(own, None):
                self._take(chain, said, chain.withdraw)
                return True
        if said.postpones:
            focus = self._in_focus(said)
            # "Let's decide next week" has no other topic than when.
            due = self._named(said) or (focus if said.points or len(said.stems) <= 1 else None)
            if due and not due.settled:
                self._take(due, said, due.postpone)
                return True
        return False

    def _propose(self, said: _Said) -> None:
        chain = self._changed_by(said)
        if chain and self._comes_late(chain, said):
            self._table.remove(chain)
            self._close(chain)
            chain = None
        if chain is None:
            self._propose_anew(said)
            return
        if said.speaker == chain.author and not chain.answered:
            chain.stems |= said.stems
            self._take(chain, said)
        elif said.speaker != chain.author and said.stems <= chain.stems:
            self._take(chain, said, chain.agree)
        else:
            self._take(chain, said, chain.amend)

    def _propose_anew(self, said: _Said) -> None:
        """A proposal that changes none on the table: another one, or no proposal after all."""
        named, focus = self._named(said), self._in_focus(said)
        if named and said.confidence < UNSURE:
            self._take(named, said)
        elif said.stems:
            self._open(said)
        elif focus:
            self._take(focus, said, focus.agree)

    def _changed_by(self, said: _Said) -> _Chain | None:
        """The chain on the table that a proposal is a version of."""
        near = self._named(said, SAME_TOPIC)
        focus = self._in_focus(said)
        chain = near or (focus if said.amends else None)
        return chain if chain and (said.amends or not chain.settled) else None

    def _comes_late(self, chain: _Chain, said: _Said) -> bool:
        """Whether a chain was ignored before this proposal came to the same."""
        return not chain.answered and chain.ignored and not chain.waiting(said, self._turn, self._windows)

    def _open(self, said: _Said) -> None:
        chain = _Chain(self._number, said, self._turn, said.speaker, said.end, set(said.stems))
        origin = self._origin_of(said)
        issue = self._issue_of(said, origin)
        if issue:
            chain.enter(LedgerRole.RAISED, issue)
        chain.enter(LedgerRole.PROPOSED, said)
        chain.returns_from = origin.number if origin else None
        self._number += 1
        self._table.append(chain)
        self._focus = chain
        if len(self._table) > ON_THE_TABLE:
            self._close(self._table.pop(0))

    def _issue_of(self, said: _Said, origin: _Chain | None) -> _Said | None:
        """What raised the issue: the first on the topic, or else what was left open just before.

        An agenda move counts when no question and no problem does. An idea that comes back answers
        what it answered the first time.
        """
        window = self._windows.issue_seconds * 1000
        near = [issue for issue in self._issues if said.start - issue.said.end <= window]
        named = [issue.said for issue in near if issue.said.stems & said.stems]
        if named:
            return min(named, key=lambda issue: issue.label is ActLabel.DIRECTIVE)
        for role, raised in origin.entries if origin else ():
            if role is LedgerRole.RAISED and said.start - raised.end <= window:
                return raised
        last = near[-1] if near else None
        if last and last.said.stems and not last.answers and self._turn - last.turn <= 1:
            return last.said if last.said.label is not ActLabel.DIRECTIVE else None
        return None

    def _origin_of(self, said: _Said) -> _Chain | None:
        """The ignored chain of somebody else whose idea this is; of several the likest, then the first."""
        found = {
            chain.number: chain
            for stem in said.stems
            for chain in self._ignored.get(stem, ())
            if chain.proposal.speaker != said.speaker
        }
        best, most = None, 0.0
        for number in sorted(found):
            likeness = _likeness(said, found[number].proposal)
            if likeness > most:
                best, most = found[number], likeness
        return best

    def _agree(self, said: _Said) -> None:
        chain = self._meant(said)
        if chain:
            self._take(chain, said, chain.agree)
        else:
            self._discuss(said)

    def _object(self, said: _Said) -> None:
        chain = self._meant(said)
        if chain:
            defends = chain.defended_by(said, self._turn)
            self._take(chain, said, None if defends else chain.object)
        else:
            self._discuss(said)

    def _confirm(self, said: _Said) -> None:
        meant = self._meant(said) or self._supported(said)
        if meant is None:
            self._discuss(said)
            return
        for chain in [c for c in self._table if c is not meant and c.restated(said)] + [meant]:
            own = said.speaker == chain.author and not chain.answered and self._turn == chain.turn
            self._take(chain, said, None if own else chain.confirm)

    def _commit(self, said: _Said) -> None:
        chain = self._meant(said) or self._supported(said)
        if chain:
            self._take(chain, said, chain.commit)
        else:
            self._discuss(said)

    def _discuss(self, said: _Said) -> None:
        """A question, a statement, or what fits no chain: it may be about one, or about something else."""
        focus = self._in_focus(said)
        chain = self._named(said, SAME_TOPIC)
        if chain and chain.settled:
            chain = None
        if chain is None and focus and not focus.settled:
            reasons = said.speaker == focus.author and said.label is ActLabel.INFORMATION
            if reasons or said.points or not said.stems:
                chain = focus
        if chain:
            self._take(chain, said)
        else:
            self._focus = None
        opens = said.label in (ActLabel.QUESTION, ActLabel.DIRECTIVE) or said.raises
        if opens or (said.problem and chain is None):
            self._issues.append(_Issue(said, self._turn, answers=chain is not None))

    def _take(self, chain: _Chain, said: _Said, change: Callable[[_Said], None] | None = None) -> None:
        """Somebody contributes to a chain, which has the focus from now on."""
        if change:
            change(said)
        chain.touch(said, self._turn)
        self._focus = chain

    def _named(self, said: _Said, least: float = 0.0) -> _Chain | None:
        """The chain that shares most topic words with an utterance; of several the latest.

        ``least`` is the part of the shorter of the two that must be shared.
        """
        best, most = None, 0
        for chain in self._table:
            shared = len(said.stems & chain.stems)
            if shared >= max(1, most, least * min(len(said.stems), len(chain.stems))):
                best, most = chain, shared
        return best

    def _in_focus(self, said: _Said) -> _Chain | None:
        focus = self._focus
        return focus if focus and focus.waiting(said, self._turn, self._windows) else None

    def _meant(self, said: _Said) -> _Chain | None:
        """The chain that a reply is to: one that it names, the one in focus, or one just proposed."""
        chain = self._named(said) or self._in_focus(said)
        last = self._table[-1] if self._table else None
        bare = not said.stems and last and not last.settled
        if chain is None and last and bare and said.start - last.end <= REPLY_MS:
            return last
        return chain

    def _supported(self, said: _Said) -> _Chain | None:
        """The latest chain that somebody is for and that can still be answered without naming it."""
        ready = (c for c in reversed(self._table) if c.support and c.waiting(said, self._turn, self._windows))
        return next(ready, None)

    def _clear(self, said: _Said) -> None:
        """Take off the table what has had its time."""
        gone = [chain for chain in self._table if not chain.alive(said, self._turn, self._windows)]
        for chain in gone:
            self._table.remove(chain)
            self._close(chain)

    def _close(self, chain: _Chain) -> None:
        done = chain.finish(self._windows)
        self._closed.append(done)
        if self._focus is chain:
            self._focus = None
        if done.status is DecisionStatus.IGNORED:
            for stem in chain.proposal.stems:
                self._ignored.setdefault(stem, deque(maxlen=REMEMBERED)).append(chain)


@dataclass(frozen=True, slots=True, eq=False)
class _Issue:
    """A question or a problem that a proposal may come from."""

    said: _Said
    turn: int
    answers: bool
    """Whether it was about a chain on the table, and so left nothing open."""


def _likeness(one: _Said, other: _Said) -> float:
    """Rarity of the shared topic words over that of the shorter text, 0 when it is not the same idea."""
    shared = one.stems & other.stems
    if len(shared) < min(2, len(one.stems), len(other.stems)):
        return 0.0
    likeness = sum(one.weight[stem] for stem in sorted(shared)) / min(one.rarity, other.rarity)
    return likeness if likeness >= SAME_IDEA else 0.0


def _either(confidences: Iterable[float]) -> float:
    """Confidence that at least one of independent acts is what it seems; 0 when there is none."""
    return 1 - math.prod(1 - confidence for confidence in confidences)
