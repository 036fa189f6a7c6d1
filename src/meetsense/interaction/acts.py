"""What utterances do: one of eleven acts each, by rules and, where the language has one, a network.

Rules (``act_rules``) read the words of a sentence and what it may be answering. The network (``act_model``)
has learnt from the ICSI meetings how sentences look and what stands around them. Those seldom decide, and
nobody marked there what confirms a decision. So while people decide, plain wording is the rules' to judge
("I suggest", "that won't work"), and so is what rests on a proposal that is on the table; confirmations are
theirs everywhere. People decide where one proposal comes after another, and all through a meeting that
proposes more than the ICSI meetings do. Of everything else the network's probabilities decide, corrected by
what the rules' verdict was worth in meetings that it hadn't seen; rare labels get a head start there.

An utterance of several sentences does what the weightiest of them does: a proposal outweighs the reason
given for it. Whether a transcript is punctuated is told from all of it.

Linear in the number of utterances, once sorted, and in the length of their text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

import numpy as np

from meetsense.interaction import act_rules
from meetsense.interaction.act_features import Floats, spoken
from meetsense.interaction.act_model import LABELS, OPEN, SURE, Model, load_model
from meetsense.interaction.act_rules import DECIDING_PROPOSALS, Reading, Rules, Sentence, Table, Verdict
from meetsense.interaction.cycles import no_cycles
from meetsense.interaction.lexicon import code_of, plain_text
from meetsense.values import Act, ActLabel, Span, Utterance

UNKNOWN_LANGUAGE_FACTOR = 0.8
"""Confidence of English acts in words of a language that nobody named."""
DECIDING_SHARE = 0.03
"""With a larger share of plain proposals a meeting decides all along; 1 of the 63 ICSI meetings has it."""
_SENTENCE = re.compile(r"(?<=\w\w[.?!])[\"')]*\s+(?=\S)")
_MARK_INSIDE = re.compile(r"[.?!][\"')]*\s+\S")
"""What has none is one sentence; this is told sooner than where it could be split."""
NOTHING = Verdict(ActLabel.OTHER, 0.5)
"""What is said of an utterance without words."""
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
_WEIGHT = {label: weight for weight, label in enumerate(_WEIGHTS)}


def acts_engine(language: str | None) -> str | None:
    """Name and revision of what tells the acts of a BCP 47 code; None where nothing does.

    >>> acts_engine("tlh")
    >>> (acts_engine("en-GB") or "").split("@")[0]
    'rules-en'
    """
    code = code_of(language)
    rules = act_rules.load(code) if code else None
    if code is None or rules is None:
        return None
    model = load_model(code)
    return f"{rules.name}+{model.name}" if model else rules.name


@no_cycles()
def label_acts(utterances: Sequence[Utterance], language: str | None) -> tuple[Act, ...]:
    """One act an utterance, in the order given; none when the language has no rules.

    A language of None is read as English, with every confidence times 0.8.
    """
    code = code_of(language)
    rules = act_rules.load(code) if code else None
    if code is None or rules is None:
        return ()
    factor = UNKNOWN_LANGUAGE_FACTOR if language is None else 1.0
    return label_with(utterances, rules, load_model(code), factor)


def label_with(
    utterances: Sequence[Utterance], rules: Rules, model: Model | None, factor: float = 1.0
) -> tuple[Act, ...]:
    """One act an utterance, in the order given, by given rules and a model; confidences times a factor."""
    texts = [plain_text(said.text) for said in utterances]
    punctuated = is_punctuated(texts)
    order = sorted(range(len(utterances)), key=lambda at: (utterances[at].span.start, at))
    pieces = [sentences(utterances[at], texts[at]) for at in order]
    ruled = _ruled([utterances[at] for at in order], pieces, rules, punctuated)
    chosen = _chosen(pieces, ruled, rules, model, punctuated) if model else [_plain(r.verdict) for r in ruled]
    left = iter(chosen)
    acts: dict[int, Act] = {}
    for at, parts in zip(order, pieces, strict=True):
        label, confidence = max(islice(left, len(parts)), key=_weight, default=(ActLabel.OTHER, 0.5))
        acts[at] = Act(utterances[at].id, label, round(confidence * factor, 3))
    return tuple(acts[at] for at in range(len(utterances)))


@dataclass(frozen=True, slots=True)
class _Ruled:
    """What the rules say of a sentence."""

    verdict: Verdict
    deciding: bool
    """It was said while people decide, there or all through the meeting."""

    def stands(self, *, doubted: bool) -> bool:
        """Whether it is chosen whatever the network says; ``doubted`` where that is sure of a rarer label."""
        confirms = self.verdict.label is ActLabel.CONFIRMATION
        return self.verdict.insists and (self.deciding or (confirms and not doubted))


def _ruled(
    said: Sequence[Utterance], pieces: Sequence[Sequence[Sentence]], rules: Rules, punctuated: bool
) -> list[_Ruled]:
    """What the rules say of every sentence of utterances in time order."""
    table, readings = Table(), dict[str, Reading]()
    ruled: list[tuple[Verdict, bool]] = []
    said_so: list[Verdict] = []
    for utterance, parts in zip(said, pieces, strict=True):
        whole = parts[0] if len(parts) == 1 else Sentence(utterance.speaker, utterance.span, utterance.text)
        context = table.context(whole)
        content = frozenset[str]()
        verdicts: list[Verdict] = []
        for part in parts:
            read = readings.get(part.text)
            if read is None:
                read = readings[part.text] = rules.read(part.text, punctuated)
            verdicts.append(rules.judge(read, context))
            content |= read.content
        ruled += [(verdict, context.deciding) for verdict in verdicts]
        said_so.append(_heaviest(verdicts))
        table.hear(whole, said_so[-1].label, content, weak=said_so[-1].weak)
    all_along = decides(said_so)
    return [_Ruled(verdict, deciding or all_along) for verdict, deciding in ruled]


def decides(said: Sequence[Verdict]) -> bool:
    """Whether a meeting, given as what the rules say of its utterances, decides all along.

    A short one is taken to: fewer than a hundred utterances don't tell otherwise.
    """
    plain = sum(verdict.label is ActLabel.PROPOSAL and not verdict.weak for verdict in said)
    return plain + DECIDING_PROPOSALS > DECIDING_SHARE * len(said)


def _heaviest(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that speaks for an utterance; most have one sentence, and so no choice."""
    if len(verdicts) == 1:
        return verdicts[0]
    return max(verdicts, key=lambda verdict: _weight(_plain(verdict)), default=NOTHING)


def _plain(verdict: Verdict) -> tuple[ActLabel, float]:
    return verdict.label, verdict.confidence


def _weight(found: tuple[ActLabel, float]) -> tuple[int, float]:
    return _WEIGHT[found[0]], found[1]


def sentences(said: Utterance, text: str) -> list[Sentence]:
    """The sentences of an utterance's plain text; each takes the part of its time that its letters take."""
    pieces = _SENTENCE.split(text) if _MARK_INSIDE.search(text) else [text]
    parts = [part for part in pieces if part.strip()]
    if len(parts) < 2:
        return [Sentence(said.speaker, said.span, part) for part in parts]
    first, last = round(said.span.start * 1000), round(said.span.end * 1000)
    total = sum(map(len, parts))
    ends = [first + (last - first) * done // total for done in accumulate(map(len, parts))]
    return [
        Sentence(said.speaker, Span(start / 1000, end / 1000), part)
        for part, start, end in zip(parts, [first, *ends], ends, strict=False)
    ]


def _chosen(
    pieces: Sequence[Sequence[Sentence]],
    ruled: Sequence[_Ruled],
    rules: Rules,
    model: Model,
    punctuated: bool,
) -> list[tuple[ActLabel, float]]:
    """Label and confidence of every sentence, from what the rules say of it and the network."""
    flat = [part for parts in pieces for part in parts]
    odds = _odds(flat, rules, model, punctuated)
    deciding = np.array([each.deciding for each in ruled], dtype=np.bool_)
    numbers = np.array([each.verdict.number for each in ruled], dtype=np.int64)
    likely = model.weigh(odds, numbers, punctuated=punctuated)
    rare = np.argmax(likely * np.exp(model.bonus[punctuated]), axis=1)
    picked = np.where(deciding, np.argmax(likely, axis=1), rare)
    best = likely[np.arange(len(picked)), picked]
    sure = likely[:, [label not in OPEN for label in LABELS]].max(axis=1, initial=0) >= SURE
    return [
        _plain(each.verdict) if each.stands(doubted=doubted) else (LABELS[label], confidence)
        for each, doubted, label, confidence in zip(
            ruled, sure.tolist(), picked.tolist(), best.tolist(), strict=True
        )
    ]


def _odds(flat: Sequence[Sentence], rules: Rules, model: Model, punctuated: bool) -> Floats:
    """[sentence, label]: what the network makes of sentences, in the order given."""
    order = sorted(range(len(flat)), key=lambda at: flat[at].span.start)
    heard = {text: spoken(text, rules.spelling) for text in dict.fromkeys(part.text for part in flat)}
    told = model.log_odds(
        [flat[at] for at in order], [heard[flat[at].text] for at in order], punctuated=punctuated
    )
    odds = np.empty_like(told)
    odds[order] = told
    return odds


def is_punctuated(texts: Sequence[str]) -> bool:
    """Whether sentences end in marks: in more than a fifth of the plain texts that aren't empty."""
    ends = [stripped[-1] for text in texts if (stripped := text.rstrip(" \n\"')]"))]
    return sum(end in ".?!" for end in ends) > 0.2 * len(ends)
