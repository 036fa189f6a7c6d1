"""Words to speakers, by time, without breaking sentences.

Diarizers and recognisers disagree by some tenths of a second about where a voice changes. A word or two on
the wrong side of a change cuts a sentence in pieces, so such words are moved; a change that holds is kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby

from meetsense.values import Diarization, Span, Turn, Utterance, Word

UNKNOWN = "unknown"
"""The speaker of words when there are no turns."""
PAUSE_SECONDS = 0.8
"""A silence between two words of at least this ends an utterance."""
STRAY_WORDS = 2
STRAY_SECONDS = 0.8
"""At most so many words, together shorter than this, are moved to the sentence they stand in."""
SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")


class _Timeline:
    """Finds the turn at a time among turns that don't overlap."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.span)
        self._ends = [turn.span.end for turn in self._turns]

    def speaker(self, span: Span) -> str:
        """Who speaks most inside a span, or nearest to it."""
        if not self._turns:
            return UNKNOWN
        first = bisect_left(self._ends, span.start)
        last = first
        while last < len(self._turns) and self._turns[last].span.start < span.end:
            last += 1
        near = self._turns[max(0, first - 1) : last + 1]
        return max(near, key=lambda turn: (turn.span.overlap(span), -turn.span.distance(span))).speaker


def sentences(words: Sequence[Word], pause: float = PAUSE_SECONDS) -> Iterator[list[Word]]:
    """Cut words after sentence punctuation and at silences of ``pause`` seconds."""
    sentence: list[Word] = []
    for word in words:
        if sentence and word.span.start - sentence[-1].span.end >= pause:
            yield sentence
            sentence = []
        sentence.append(word)
        if word.text.endswith(SENTENCE_END):
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _runs(speakers: Sequence[str]) -> list[tuple[str, int, int]]:
    """Speaker, first and end position of every run of one speaker."""
    runs = []
    start = 0
    for speaker, group in groupby(speakers):
        end = start + len(list(group))
        runs.append((speaker, start, end))
        start = end
    return runs


def settle(words: Sequence[Word], speakers: Sequence[str]) -> list[str]:
    """Give stray words of a sentence to the neighbour who says more of it.

    ``words`` and ``speakers`` are parallel; so is the result.
    """
    settled = list(speakers)
    while len(runs := _runs(settled)) > 1:
        strays = [i for i, (_, start, end) in enumerate(runs) if _is_stray(words[start:end])]
        if not strays:
            break
        stray = min(strays, key=lambda i: runs[i][2] - runs[i][1])
        neighbours = [i for i in (stray - 1, stray + 1) if 0 <= i < len(runs)]
        stronger = max(neighbours, key=lambda i: runs[i][2] - runs[i][1])
        _, start, end = runs[stray]
        settled[start:end] = [runs[stronger][0]] * (end - start)
    return settled


def _is_stray(words: Sequence[Word]) -> bool:
    return len(words) <= STRAY_WORDS and words[-1].span.end - words[0].span.start < STRAY_SECONDS


def attribute(words: Sequence[Word], diarization: Diarization) -> tuple[Utterance, ...]:
    """Utterances: sentences, or what one person says between two pauses, in time order with ids from 0.

    Uses the diarization's exclusive turns. Every word is in exactly one utterance; without turns the speaker
    is ``unknown``.
    """
    timeline = _Timeline(diarization.exclusive)
    pieces: list[tuple[str, list[Word]]] = []
    for sentence in sentences(sorted(words, key=lambda word: word.span)):
        settled = settle(sentence, [timeline.speaker(word.span) for word in sentence])
        for speaker, group in groupby(zip(settled, sentence, strict=True), key=lambda pair: pair[0]):
            pieces.append((speaker, [word for _, word in group]))
    return tuple(_utterance(i, speaker, piece) for i, (speaker, piece) in enumerate(pieces))


def _utterance(position: int, speaker: str, words: list[Word]) -> Utterance:
    end = max(word.span.end for word in words)
    text = " ".join(word.text for word in words)
    return Utterance(position, speaker, Span(words[0].span.start, end), text, tuple(words))
