"""What utterances do: one of eleven acts each, by rules over words and their neighbours.

The rules of a language are data: ``languages/<code>.toml``. A language without that file has no
acts. They read punctuated and unpunctuated text; whether a transcript is punctuated is told from
all of it, since without question marks a question has to be told from its words. An utterance of
several sentences does what the weightiest of them does: a proposal outweighs the reason given for it.

A "yeah" is a backchannel to a story and in the middle of somebody else's sentence, an agreement after
a proposal (within 5 s or as the next thing said) and an answer after a question: the neighbours
decide. The label set follows the dialogue acts of Dhillon et al. 2004 (MRDA) and the decision acts of
Braley & Murray 2018 (GAP).

Linear in the number of utterances, once sorted, and in the length of their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from meetsense.interaction.lexicon import code_of, either, language_data, plain_text, tokens
from meetsense.values import Act, ActLabel, Utterance

UNKNOWN_LANGUAGE_FACTOR = 0.8
"""Confidence of English rules on words of a language that nobody named."""
REPLY_SECONDS = 5.0
"""How long a proposal or question waits for its answer."""
TABLE_SECONDS = 20.0
"""How long a proposal stays on the table for a confirmation."""
GOES_ON_SECONDS = 0.5
"""Who speaks on for so long after a "yeah" was not answered by it."""
OPENERS = 6
"""Words or phrases such as "well" that may come before what counts."""
RESPONSE_WORDS = 6
"""A longer utterance is more than a response."""

_SENTENCE = re.compile(r"(?<=[.?!])[\"')]*\s+")
_WEIGHTS = (
    ActLabel.FLOOR,
    ActLabel.BACKCHANNEL,
    ActLabel.OTHER,
    ActLabel.INFORMATION,
    ActLabel.AGREEMENT,
    ActLabel.QUESTION,
    ActLabel.DIRECTIVE,
    ActLabel.COMMITMENT,
    ActLabel.DISAGREEMENT,
    ActLabel.CONFIRMATION,
    ActLabel.PROPOSAL,
)
"""Which sentence of several speaks for the utterance: what moves a decision weighs more."""


_STANCES = {
    ActLabel.AGREEMENT,
    ActLabel.DISAGREEMENT,
    ActLabel.CONFIRMATION,
    ActLabel.COMMITMENT,
    ActLabel.FLOOR,
    ActLabel.OTHER,
}
"""What others say to a proposal and that leaves it to be answered by more people."""


def acts_engine(language: str | None) -> str | None:
    """Name and revision of the rules for a BCP 47 code; None where there are none.

    >>> acts_engine("en-GB"), acts_engine("tlh")
    ('rules-en@1', None)
    """
    rules = _rules_of(language)
    return rules.name if rules else None


def label_acts(utterances: Sequence[Utterance], language: str | None) -> tuple[Act, ...]:
    """One act an utterance, in the order given; none when the language has no rules.

    A language of None is read as English, with every confidence times 0.8.
    """
    rules = _rules_of(language)
    if rules is None:
        return ()
    factor = UNKNOWN_LANGUAGE_FACTOR if language is None else 1.0
    punctuated = _is_punctuated(utterances)
    table = _Table()
    acts: dict[int, Act] = {}
    for position in sorted(range(len(utterances)), key=lambda i: (utterances[i].span.start, i)):
        said = utterances[position]
        label, confidence = rules.label(said.text, punctuated, table.context(said))
        acts[position] = Act(said.id, label, round(confidence * factor, 3))
        table.hear(said, label)
    return tuple(acts[position] for position in range(len(utterances)))


@dataclass(frozen=True, slots=True)
class _Context:
    """What an utterance may be answering."""

    asked: bool = False
    """Somebody else has just asked."""
    proposed: bool = False
    """Somebody else has just proposed."""
    pending: bool = False
    """A proposal, anybody's, is still on the table."""
    moved_on: bool = False
    """Somebody has spoken of something else since the last proposal."""
    listening: bool = False
    """Somebody else is still speaking, and goes on."""


class _Table:
    """What was asked and proposed last. It keeps two proposals, whatever the number of people."""

    def __init__(self) -> None:
        self._question: Utterance | None = None
        self._proposal: Utterance | None = None
        self._others: Utterance | None = None
        self._fresh: Utterance | None = None
        self._message: Utterance | None = None
        self._moved_on = False

    def hear(self, said: Utterance, label: ActLabel) -> None:
        """Take note of an utterance; a message from the asker's partner closes a question."""
        if label is ActLabel.BACKCHANNEL:
            return
        self._fresh = None
        self._message = said
        if label in _STANCES:
            pass
        elif label is ActLabel.PROPOSAL:
            self._moved_on = False
        elif self._proposal and said.speaker != self._proposal.speaker:
            self._moved_on = True
        if label is ActLabel.QUESTION:
            self._question = said
        elif label is ActLabel.PROPOSAL:
            self._fresh = said
            if self._proposal and self._proposal.speaker != said.speaker:
                self._others = self._proposal
            self._proposal = said
        elif self._question and said.speaker != self._question.speaker:
            self._question = None

    def context(self, said: Utterance) -> _Context:
        """What an utterance that has not been heard yet may be answering."""
        last, fresh = self._proposal, self._fresh
        foreign = last if last and last.speaker != said.speaker else self._others
        return _Context(
            asked=_answers(said, self._question),
            proposed=_answers(said, foreign) or bool(fresh and fresh.speaker != said.speaker),
            moved_on=self._moved_on,
            pending=last is not None and said.span.start - last.span.end <= TABLE_SECONDS,
            listening=self._listens(said),
        )

    def _listens(self, said: Utterance) -> bool:
        message = self._message
        if message is None or message.speaker == said.speaker:
            return False
        return said.span.end <= message.span.end - GOES_ON_SECONDS


def _answers(said: Utterance, opening: Utterance | None) -> bool:
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
    asks: bool
    """Fits what has the form of a question as well."""
    start: re.Pattern[str] | None
    any: re.Pattern[str] | None

    def fits(self, words: str, heads: Sequence[int]) -> bool:
        """Whether the words say so at the start, after some of their openers, or anywhere."""
        begins = self.start and any(self.start.match(words, head) for head in heads)
        return bool(begins or (self.any and self.any.search(words)))


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules of one language, compiled."""

    name: str
    fillers: frozenset[str]
    spellings: Mapping[str, str]
    openers: re.Pattern[str]
    floor: re.Pattern[str]
    social: re.Pattern[str]
    responses: Mapping[str, re.Pattern[str]]
    rules: tuple[_Rule, ...]
    questions: _Rule

    def label(self, text: str, punctuated: bool, context: _Context) -> tuple[ActLabel, float]:
        """The act of an utterance and its confidence: those of its weightiest sentence."""
        sentences = [part for part in _SENTENCE.split(plain_text(text)) if part.strip()]
        labelled = [self._sentence(part, punctuated, context) for part in sentences]
        default = (ActLabel.OTHER, 0.5)
        return max(labelled, key=lambda found: (_WEIGHTS.index(found[0]), found[1]), default=default)

    def _sentence(self, text: str, punctuated: bool, context: _Context) -> tuple[ActLabel, float]:
        words = self.words(text)
        if not words:
            return (ActLabel.FLOOR, 0.8) if tokens(text) else (ActLabel.OTHER, 0.5)
        asks = text.rstrip(" \"')]=.!-").endswith("?")
        response = None if asks else self._response(words, context)
        if response:
            return response
        heads = self._heads(words)
        unmarked = not punctuated and self.questions.fits(words, heads)
        question = asks or unmarked
        for rule in self.rules:
            ready = (rule.asks or not question) and (context.pending or not rule.near)
            if ready and rule.fits(words, heads):
                return rule.label, rule.confidence
        if asks:
            return ActLabel.QUESTION, 0.95
        if unmarked:
            return ActLabel.QUESTION, self.questions.confidence
        return self._statement(words, context)

    def words(self, text: str) -> str:
        """Lower-case words of plain text, without fillers, broken-off words and immediate repeats."""
        kept: list[str] = []
        for found in tokens(text):
            for word in self.spellings.get(found, found).split():
                if word not in self.fillers and not word.endswith("-") and (not kept or kept[-1] != word):
                    kept.append(word)
        return " ".join(kept)

    def _heads(self, words: str) -> list[int]:
        """Where what counts may begin: at the start, and after each opener."""
        heads = [0]
        while len(heads) < OPENERS and (opener := self.openers.match(words, heads[-1])):
            heads.append(opener.end())
        return heads

    def _response(self, words: str, context: _Context) -> tuple[ActLabel, float] | None:
        """A whole utterance of response words."""
        if words.count(" ") >= RESPONSE_WORDS:
            return None
        answers = context.proposed or context.asked
        kinds = self.responses
        if kinds["refusing"].fullmatch(words):
            return ActLabel.DISAGREEMENT, 0.75 if answers else 0.55
        if kinds["listening"].fullmatch(words):
            return ActLabel.BACKCHANNEL, 0.9
        if kinds["continuing"].fullmatch(words):
            agrees = answers and not context.listening
            return (ActLabel.AGREEMENT, 0.5) if agrees else (ActLabel.BACKCHANNEL, 0.75)
        if kinds["agreeing"].fullmatch(words):
            return ActLabel.AGREEMENT, 0.75
        if self.social.fullmatch(words):
            return ActLabel.OTHER, 0.8
        if self.floor.fullmatch(words):
            return ActLabel.FLOOR, 0.8
        return None

    def _statement(self, words: str, context: _Context) -> tuple[ActLabel, float]:
        if context.proposed or context.asked:
            if self.responses["refuses"].match(words):
                return ActLabel.DISAGREEMENT, 0.6
            accepts = context.proposed and not context.moved_on
            if accepts and self.responses["accepts"].match(words):
                return ActLabel.AGREEMENT, 0.4
        if self.responses["denies"].match(words):
            return ActLabel.DISAGREEMENT, 0.5
        return ActLabel.INFORMATION, 0.85 if words.count(" ") >= 2 else 0.7


def _is_punctuated(utterances: Sequence[Utterance]) -> bool:
    """Whether sentences end in marks: in more than a fifth of the utterances with words."""
    ends = [text[-1] for said in utterances if (text := plain_text(said.text).rstrip(" \n\"')]"))]
    return sum(end in ".?!" for end in ends) > 0.2 * len(ends)


def _rules_of(language: str | None) -> _Rules | None:
    code = code_of(language)
    return _load(code) if code else None


@cache
def _load(code: str) -> _Rules | None:
    data = language_data(code)
    if data is None:
        return None
    responses = data["responses"]
    listening = responses["listening"]
    continuing = listening + responses["continuing"]
    softeners, refusing = responses["softeners"], responses["refusing"]
    softened = rf"(?:(?:{either(softeners)}) )*"
    return _Rules(
        name=data["name"],
        fillers=frozenset(data["fillers"]),
        spellings={**dict.fromkeys(data["hums"], "mhm"), **data["spellings"]},
        openers=re.compile(rf"(?:{either(data['openers'])}) "),
        floor=_run(data["floor"] + data["openers"]),
        social=_among(data["social"], data["openers"]),
        responses={
            "listening": _run(listening),
            "continuing": _run(continuing),
            "agreeing": _among(responses["agreeing"], softeners + continuing),
            "refusing": _among(refusing, softeners),
            "refuses": re.compile(rf"{softened}(?:{either(responses['refuses'])})(?= |$)"),
            "denies": re.compile(rf"{softened}(?:{either(responses['denies'])})(?= |$)"),
            "accepts": re.compile(rf"{softened}(?:{either(responses['accepts'])})(?= |$)"),
        },
        rules=tuple(
            _Rule(
                ActLabel(rule["label"]),
                rule["confidence"],
                rule.get("near", False),
                rule.get("asks", False),
                *_patterns(rule),
            )
            for rule in data["rules"]
        ),
        questions=_Rule(ActLabel.QUESTION, 0.6, False, True, *_patterns(data["questions"])),
    )


def _run(phrases: Iterable[str]) -> re.Pattern[str]:
    """One or more of the phrases."""
    return re.compile(rf"(?:(?:{either(phrases)})(?: |$))+")


def _among(phrases: Sequence[str], others: Sequence[str]) -> re.Pattern[str]:
    """At least one of the phrases, among others."""
    return re.compile(
        rf"(?:(?:{either(others)}) )*(?:{either(phrases)})(?: (?:{either([*phrases, *others])}))*"
    )


def _patterns(rule: Mapping[str, list[str]]) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    """The patterns at the start and anywhere: whole words both."""
    start, anywhere = rule.get("start"), rule.get("any")
    return (
        re.compile(rf"(?:{'|'.join(start)})(?= |$)") if start else None,
        re.compile(rf"(?:^|(?<= ))(?:{'|'.join(anywhere)})(?= |$)") if anywhere else None,
    )
