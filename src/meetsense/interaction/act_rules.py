"""What sentences do by rules over their words and what they may be answering.

The rules of a language are data: ``languages/<code>.toml``. They read punctuated and unpunctuated text:
without question marks a question has to be told from its words.

A "yeah" is a backchannel to a story and in the middle of somebody else's sentence, an agreement after
a proposal (within 5 s or as the next thing said) and an answer after a question: the neighbours decide.
Whoever says a proposal's words again agrees with it, or, once it was agreed to, confirms it. The label
set follows the dialogue acts of Dhillon et al. 2004 (MRDA) and the decision acts of Braley & Murray 2018
(GAP).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from meetsense.interaction.lexicon import either, language_data, tokens
from meetsense.values import ActLabel, Span

REPLY_SECONDS = 5.0
"""How long a proposal or question waits for its answer."""
TABLE_SECONDS = 20.0
"""How long a proposal stays on the table for a confirmation."""
DECIDING_PROPOSALS, DECIDING_SECONDS = 3, 120.0
"""So many proposals in so long a time: people decide, and what they say is about that."""
GOES_ON_SECONDS = 0.5
"""Who speaks on for so long after a "yeah" was not answered by it."""
OPENERS = 6
"""Words or phrases such as "well" that may come before what counts."""
RESPONSE_WORDS = 6
"""A longer sentence is more than a response."""
ANSWERS = ("refuses", "denies", "accepts")
"""Ways of answering, by the lists of a language that hold their beginnings."""
WORD_EDGE = "(?:^|(?<= ))"
REPEAT_WORDS = 8
"""A longer sentence is more than a repetition of a proposal."""

_STANCES = {
    ActLabel.AGREEMENT,
    ActLabel.DISAGREEMENT,
    ActLabel.CONFIRMATION,
    ActLabel.COMMITMENT,
    ActLabel.FLOOR,
    ActLabel.OTHER,
}
"""What others say to a proposal and that leaves it to be answered by more people."""

_NUMBERS = {label: number for number, label in enumerate(ActLabel)}
VERDICTS = 3 * len(_NUMBERS)
"""How many verdicts there are: plain, weak and bound ones of each label."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, who says it and when."""

    speaker: str
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a sentence may be answering."""

    asked: bool = False
    """Somebody else has just asked."""
    proposed: bool = False
    """Somebody else has just proposed."""
    pending: bool = False
    """A proposal, anybody's, is still on the table."""
    agreed: bool = False
    """Somebody has agreed to that proposal."""
    foreign: bool = False
    """The proposal on the table is somebody else's, and plainly one."""
    moved_on: bool = False
    """Somebody has spoken of something else since the last proposal."""
    listening: bool = False
    """Somebody else is still speaking, and goes on."""
    deciding: bool = False
    """One proposal comes after another: people decide."""
    content: frozenset[str] = frozenset()
    """What the proposal on the table speaks of."""


class Table:
    """What was asked and proposed last. It keeps two proposals, whatever the number of people."""

    def __init__(self) -> None:
        self._question: Sentence | None = None
        self._proposal: Sentence | None = None
        self._others: Sentence | None = None
        self._fresh: Sentence | None = None
        self._message: Sentence | None = None
        self._moved_on = False
        self._agreed = False
        self._weak = False
        self._content: frozenset[str] = frozenset()
        self._latest: deque[float] = deque(maxlen=DECIDING_PROPOSALS)
        """When the latest proposals began."""

    def hear(self, said: Sentence, label: ActLabel, content: frozenset[str], *, weak: bool = False) -> None:
        """Take note of a sentence; a message from the asker's partner closes a question."""
        if label is ActLabel.BACKCHANNEL:
            return
        self._fresh = None
        self._message = said
        if label is ActLabel.PROPOSAL:
            self._propose(said, content, weak)
        elif label is ActLabel.CONFIRMATION and self._proposal:
            self._confirm(said, content)
        elif label in _STANCES:
            self._agreed |= label is ActLabel.AGREEMENT
        elif self._proposal and said.speaker != self._proposal.speaker:
            self._moved_on = True
        if label is ActLabel.QUESTION:
            self._question = said
        elif label not in _STANCES and self._question and said.speaker != self._question.speaker:
            self._question = None

    def _propose(self, said: Sentence, content: frozenset[str], weak: bool) -> None:
        self._moved_on = self._agreed = False
        self._content = content
        self._weak = weak
        if not weak:
            self._latest.append(said.span.start)
        self._put(said)

    def _confirm(self, said: Sentence, content: frozenset[str]) -> None:
        """What confirms a proposal is there to be agreed with as well."""
        self._moved_on = False
        self._content |= content
        self._put(said)

    def _put(self, said: Sentence) -> None:
        self._fresh = said
        if self._proposal and self._proposal.speaker != said.speaker:
            self._others = self._proposal
        self._proposal = said

    def context(self, said: Sentence) -> Context:
        """What a sentence that has not been heard yet may be answering."""
        last, fresh = self._proposal, self._fresh
        foreign = last if last and last.speaker != said.speaker else self._others
        pending = last is not None and said.span.start - last.span.end <= TABLE_SECONDS
        return Context(
            asked=_answers(said, self._question),
            proposed=_answers(said, foreign) or bool(fresh and fresh.speaker != said.speaker),
            pending=pending,
            agreed=pending and self._agreed,
            foreign=bool(pending and last and last.speaker != said.speaker and not self._weak),
            moved_on=self._moved_on,
            listening=self._listens(said),
            deciding=self._decides(said),
            content=self._content if pending else frozenset(),
        )

    def _decides(self, said: Sentence) -> bool:
        latest = self._latest
        return len(latest) == DECIDING_PROPOSALS and said.span.start - latest[0] <= DECIDING_SECONDS

    def _listens(self, said: Sentence) -> bool:
        message = self._message
        if message is None or message.speaker == said.speaker:
            return False
        return said.span.end <= message.span.end - GOES_ON_SECONDS


def _answers(said: Sentence, opening: Sentence | None) -> bool:
    """Whether it comes soon enough after somebody else's opening."""
    if opening is None or opening.speaker == said.speaker:
        return False
    return said.span.start - opening.span.end <= REPLY_SECONDS


@dataclass(frozen=True, slots=True)
class _Rule:
    label: ActLabel
    confidence: float
    near: bool
    """Fits only while a proposal is on the table."""
    settles: bool
    """Fits only while a proposal that was agreed to is on the table."""
    foreign: bool
    """Fits only while somebody else's proposal is on the table."""
    asks: bool
    """Fits what has the form of a question as well."""
    weak: bool
    """Its words say other things as well: where there is a network it is only evidence."""
    deciding: bool
    """Where there is a network it stands only while people decide."""
    start: re.Pattern[str] | None
    any: re.Pattern[str] | None

    @property
    def always(self) -> bool:
        """Whether it fits whatever was said before."""
        return not (self.near or self.settles or self.foreign)

    def ready(self, context: Context) -> bool:
        """Whether what was said before lets it fit."""
        return (
            (context.pending or not self.near)
            and (context.agreed or not self.settles)
            and (context.foreign or not self.foreign)
        )

    def fits(self, words: str, heads: Sequence[int], *, anywhere: bool = True) -> bool:
        """Whether the words say so at the start, after some of their openers, or anywhere."""
        if self.start and any(self.start.match(words, head) for head in heads):
            return True
        return bool(anywhere and self.any and self.any.search(words))


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a language writes one word, and which words carry nothing."""

    spellings: Mapping[str, str]
    fillers: frozenset[str]
    openers: re.Pattern[str]
    """What may come before what counts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a sentence."""

    label: ActLabel
    confidence: float
    bound: bool = False
    """It rests on a proposal that is on the table."""
    insists: bool = False
    """Where people decide it stands whatever a network says; elsewhere it is evidence, unless it confirms."""
    weak: bool = False
    """Its words say other things as well."""

    @property
    def number(self) -> int:
        """Which of the VERDICTS it is."""
        return 3 * _NUMBERS[self.label] + (2 if self.bound else int(self.weak))


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of a sentence say, whatever was said before."""

    response: str | None
    """The kind of response that it is as a whole."""
    marked: bool
    """It ends in a question mark."""
    unmarked: bool
    """It has the words of a question, and marks can't tell."""
    rules: tuple[_Rule, ...]
    """The rules that fit, up to the first that fits always."""
    begins: frozenset[str]
    """The ways of answering that it begins with."""
    content: frozenset[str]
    """Its words that carry a topic."""
    count: int
    """Words."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one language, compiled."""

    name: str
    spelling: Spelling
    stopwords: frozenset[str]
    responses: Mapping[str, re.Pattern[str]]
    """Whole sentences, by kind."""
    answers: Mapping[str, re.Pattern[str]]
    """Beginnings of sentences, by kind."""
    answering: re.Pattern[str]
    """Any of these beginnings."""
    rules: tuple[_Rule, ...]
    starts: re.Pattern[str]
    """Where any of the rules fits at the start."""
    anywhere: re.Pattern[str]
    """Where any of them fits anywhere."""
    questions: _Rule

    def read(self, text: str, punctuated: bool) -> Reading:
        """What the words of a sentence say by themselves."""
        found = tokens(text)
        words = self.words(found)
        marked = text.rstrip(" \"')]=.!-").endswith("?")
        count = words.count(" ") + 1 if words else 0
        response = self._response(words, marked, count, bool(found))
        if response:
            return Reading(response, marked, False, (), frozenset(), frozenset(), count)
        heads = self._heads(words)
        unmarked = not punctuated and self.questions.fits(words, heads)
        fitting = self._fitting(words, heads, asks=marked or unmarked)
        begins = frozenset[str]()
        if self.answering.match(words):
            begins = frozenset(kind for kind, pattern in self.answers.items() if pattern.match(words))
        content = frozenset(words.split()) - self.stopwords
        return Reading(None, marked, unmarked, fitting, begins, content, count)

    def _fitting(self, words: str, heads: Sequence[int], *, asks: bool) -> tuple[_Rule, ...]:
        """The rules that fit, up to the first that fits always."""
        heads = [head for head in heads if self.starts.match(words, head)]
        anywhere = self.anywhere.search(words) is not None
        fitting: list[_Rule] = []
        for rule in self.rules if heads or anywhere else ():
            if (rule.asks or not asks) and rule.fits(words, heads, anywhere=anywhere):
                fitting.append(rule)
                if rule.always:
                    break
        return tuple(fitting)

    def judge(self, read: Reading, context: Context) -> Verdict:
        """The act of a sentence."""
        if read.response:
            return _responds(read.response, context)
        if said_again := _repeats(read, context):
            return said_again
        for rule in read.rules:
            if rule.ready(context):
                insists = not rule.weak and (context.deciding or not rule.deciding)
                return Verdict(rule.label, rule.confidence, not rule.always, insists, rule.weak)
        if read.marked:
            return Verdict(ActLabel.QUESTION, 0.95)
        if read.unmarked:
            return Verdict(ActLabel.QUESTION, self.questions.confidence)
        return _states(read, context)

    def words(self, found: Sequence[str]) -> str:
        """Words in one spelling, without fillers, broken-off words and immediate repeats."""
        spellings, fillers, last = self.spelling.spellings, self.spelling.fillers, ""
        kept: list[str] = []
        for token in found:
            for word in spellings[token].split() if token in spellings else (token,):
                if word != last and word not in fillers and word[-1] != "-":
                    kept.append(word)
                    last = word
        return " ".join(kept)

    def _heads(self, words: str) -> list[int]:
        """Where what counts may begin: at the start, and after each opener."""
        heads = [0]
        while len(heads) < OPENERS and (opener := self.spelling.openers.match(words, heads[-1])):
            heads.append(opener.end())
        return heads

    def _response(self, words: str, marked: bool, count: int, spoken: bool) -> str | None:
        """The kind of a whole sentence of response words."""
        if not words:
            return "floor" if spoken else "nothing"
        if marked or count > RESPONSE_WORDS:
            return None
        return next((kind for kind, pattern in self.responses.items() if pattern.fullmatch(words)), None)


def _responds(kind: str, context: Context) -> Verdict:
    answers = context.proposed or context.asked
    match kind:
        case "refusing":
            return Verdict(ActLabel.DISAGREEMENT, 0.75 if answers else 0.55, insists=True)
        case "listening":
            return Verdict(ActLabel.BACKCHANNEL, 0.9)
        case "continuing":
            agrees = answers and not context.listening
            if not agrees:
                return Verdict(ActLabel.BACKCHANNEL, 0.75)
            return Verdict(ActLabel.AGREEMENT, 0.5, True, context.deciding and context.proposed)
        case "agreeing":
            return Verdict(ActLabel.AGREEMENT, 0.75, insists=not context.deciding)
        case "floor":
            return Verdict(ActLabel.FLOOR, 0.8)
        case "social":
            return Verdict(ActLabel.OTHER, 0.8, insists=True)
        case _:
            return Verdict(ActLabel.OTHER, 0.5, insists=True)


def _repeats(read: Reading, context: Context) -> Verdict | None:
    """What it is to say a proposal's words again: the first time an agreement, then a confirmation."""
    if not read.content <= context.content or read.count > REPEAT_WORDS:
        return None
    if not read.content and (context.agreed or "accepts" not in read.begins):
        return None
    if context.agreed:
        return Verdict(ActLabel.CONFIRMATION, 0.55, True, True)
    refuses = "refuses" in read.begins
    if context.proposed and not (read.marked or read.unmarked or refuses):
        return Verdict(ActLabel.AGREEMENT, 0.55, True, context.deciding)
    return None


def _states(read: Reading, context: Context) -> Verdict:
    if context.proposed or context.asked:
        if "refuses" in read.begins:
            return Verdict(ActLabel.DISAGREEMENT, 0.6, insists=True)
        if context.proposed and not context.moved_on and "accepts" in read.begins:
            return Verdict(ActLabel.AGREEMENT, 0.4, True, context.deciding)
    if "denies" in read.begins:
        return Verdict(ActLabel.DISAGREEMENT, 0.5)
    return Verdict(ActLabel.INFORMATION, 0.85 if read.count > 2 else 0.7)


@cache
def load(code: str) -> Rules | None:
    """The rules of a language; None where it has none."""
    data = language_data(code)
    if data is None:
        return None
    responses = data["responses"]
    listening = responses["listening"]
    continuing = listening + responses["continuing"]
    softeners, refusing = responses["softeners"], responses["refusing"]
    softened = rf"(?:(?:{either(softeners)}) )*"
    sets = data["sets"]
    return Rules(
        name=data["name"],
        spelling=Spelling(
            spellings={**dict.fromkeys(data["hums"], "mhm"), **data["spellings"]},
            fillers=frozenset(data["fillers"]),
            openers=re.compile(_uncaptured(rf"(?:{either(data['openers'])}) ")),
        ),
        stopwords=frozenset(data["decisions"]["stopwords"]),
        responses={
            "refusing": _among(refusing, softeners),
            "listening": _run(listening),
            "continuing": _run(continuing),
            "agreeing": _among(responses["agreeing"], softeners + continuing),
            "social": _among(data["social"], data["openers"]),
            "floor": _run(data["floor"] + data["openers"]),
        },
        answers={kind: _pattern([either(responses[kind])], softened, {}) for kind in ANSWERS},
        answering=_pattern([either(responses[kind]) for kind in ANSWERS], softened, {}),
        rules=tuple(_rule(rule, sets) for rule in data["rules"]),
        starts=_pattern([p for rule in data["rules"] for p in rule.get("start", ())], "", sets),
        anywhere=_pattern([p for rule in data["rules"] for p in rule.get("any", ())], WORD_EDGE, sets),
        questions=_rule({"label": "question", "confidence": 0.6, "asks": True, **data["questions"]}, sets),
    )


def _rule(rule: Mapping[str, Any], sets: Mapping[str, list[str]]) -> _Rule:
    return _Rule(
        label=ActLabel(rule["label"]),
        confidence=rule["confidence"],
        near=rule.get("near", False),
        settles=rule.get("settles", False),
        foreign=rule.get("foreign", False),
        asks=rule.get("asks", False),
        weak=rule.get("weak", False),
        deciding=rule.get("deciding", False),
        start=_pattern(rule["start"], "", sets) if "start" in rule else None,
        any=_pattern(rule["any"], WORD_EDGE, sets) if "any" in rule else None,
    )


def _pattern(phrases: Iterable[str], before: str, sets: Mapping[str, list[str]]) -> re.Pattern[str]:
    """Any of the phrases as whole words, with what they name put in; nothing is captured, for speed."""
    text = "|".join(phrases)
    for name, members in sets.items():
        text = text.replace(f"<{name}>", f"(?:{either(members)})")
    return re.compile(_uncaptured(rf"{before}(?:{text})(?= |$)"))


def _uncaptured(pattern: str) -> str:
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)


def _run(phrases: Iterable[str]) -> re.Pattern[str]:
    """One or more of the phrases."""
    return re.compile(_uncaptured(rf"(?:(?:{either(phrases)})(?: |$))+"))


def _among(phrases: Sequence[str], others: Sequence[str]) -> re.Pattern[str]:
    """At least one of the phrases, among others."""
    return re.compile(
        _uncaptured(
            rf"(?:(?:{either(others)}) )*(?:{either(phrases)})(?: (?:{either([*phrases, *others])}))*"
        )
    )
