"""What Whisper says that nobody said, and how it is told: pure functions of faster-whisper's segments.

Known inventions: words in silence, with high confidence too; subtitle credits and thanks learned from videos;
one phrase again and again; the prompt read out; a word stretched over the silence beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Any

from meetsense.values import Span, Word, quantise, union

WINDOW_SECONDS = 600.0
"""Longest stretch handed to Whisper at once: its features take 6 times the memory of the sound."""
WORD_SECONDS = 1.5
"""Whisper stretches a word over silence beside it; no word is longer."""
SPEECH_MARGIN = 0.5
"""Seconds around speech in which a word is still believed."""
NO_SPEECH = 0.6
"""A segment at least so surely without speech, and as unsure of its words as LOG_PROBABILITY, is dropped."""
LOG_PROBABILITY = -1.0
COMPRESSION = 2.4
"""A segment whose text compresses better than this repeats itself."""
REPEATS = 5
"""A phrase said so many times in a row is an invention."""
CROWDED_SECONDS = 0.04
"""Nobody says CROWDED_WORDS words or more in less than this a word."""
CROWDED_WORDS = 4
DOUBT_NO_SPEECH, DOUBT_PROBABILITY = 0.3, 0.5
"""A stock phrase is an invention when there is more chance of silence than the first, or when its words have
less probability than the second: people do say "thank you"."""
DOUBT_COVER = 0.5
"""Or when less of it than this lies in speech."""
PARROT_WORDS, PARROT_SHARE = 4, 0.8
"""So many words of the prompt in a row, or two that make so much of a segment, may be the prompt read out."""
ALIKE = 0.6
"""Two texts with so much in common (difflib's ratio of letters) are the same speech heard twice."""

CREDITS = re.compile(
    r"subtitle[sd]? (?:by|made)|caption(?:s|ed) by|transcri(?:bed|ption) by|untertitel|sous titr|sottotitoli|"
    r"subtitulos|subtítulos|legendas? (?:por|pela)|ondertitel|napisy|субтитры|редактор субтитров|字幕|"
    r"thank(?:s| you)(?: so much| very much)? for (?:watching|listening)|"
    r"see you (?:in the )?next (?:time|video)|(?:please |don t forget to )(?:like and )?subscribe|"
    r"ご視聴ありがとう|продолжение следует|시청해 ?주셔서"
)
"""What captions of videos say at the start of a segment, and hardly anybody in a meeting."""
STOCK = frozenset(
    {"thank you", "thanks", "thank you very much", "bye", "bye bye", "you", "the end", "so", "oh"}
)
"""Whole segments that Whisper likes to hear in noise; people say them as well."""


def windows(speech: Sequence[Span], duration: float, longest: float = WINDOW_SECONDS) -> tuple[Span, ...]:
    """Cut a recording at silences into stretches that hold all speech, each at most ``longest`` seconds.

    Speech without a silence for longer than that is cut where it reaches the limit.

    >>> windows([Span(1, 4), Span(6, 9)], 10.0, longest=6.0)
    (Span(start=0.5, end=4.5), Span(start=5.5, end=9.5))
    """
    cut: list[Span] = []
    margin = SPEECH_MARGIN
    for span in union(Span(max(0.0, s.start - margin), min(duration, s.end + margin)) for s in speech):
        start = span.start
        while span.end - start > longest:
            cut.append(Span(start, start + longest))
            start += longest
        if cut and span.end - cut[-1].start <= longest:
            cut[-1] = Span(cut[-1].start, span.end)
        else:
            cut.append(Span(start, span.end))
    return tuple(cut)


def plain(text: str) -> list[str]:
    """Words of a text in lower case, without punctuation.

    >>> plain(" Thank you, Ana!")
    ['thank', 'you', 'ana']
    """
    return re.findall(r"\w+", text.lower())


def repeats(words: Sequence[str], times: int = REPEATS, longest_phrase: int = 4) -> bool:
    """Whether a phrase of up to ``longest_phrase`` words comes ``times`` times in a row.

    >>> repeats("thank you thank you thank you thank you thank you".split())
    True
    >>> repeats("no no no we can not".split())
    False
    """
    for size in range(1, longest_phrase + 1):
        for first in range(size):
            run = 1
            for here in range(first + size, len(words) - size + 1, size):
                run = run + 1 if words[here : here + size] == words[here - size : here] else 1
                if run >= times:
                    return True
    return False


def repetitive(segment: Any) -> bool:
    """Whether a segment says one thing again and again."""
    return segment.compression_ratio > COMPRESSION or repeats(plain(_said(segment)))


def invented(segment: Any, speech: Sequence[Span] | None = None) -> bool:
    """Whether a faster-whisper segment bears the marks of a hallucination.

    ``speech``, in the segment's own time, helps to tell thanks from thanks heard in noise.
    """
    if segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < LOG_PROBABILITY:
        return True
    return repetitive(segment) or crowded(segment) or (stock(segment) and doubtful(segment, speech))


def crowded(segment: Any) -> bool:
    """Whether its words come faster than anybody speaks."""
    words = list(segment.words or ())
    if len(words) < CROWDED_WORDS:
        return False
    return float(words[-1].end) - float(words[0].start) < CROWDED_SECONDS * len(words)


def stock(segment: Any) -> bool:
    """Whether it is a phrase that Whisper knows from videos, and often hears in noise."""
    said = " ".join(plain(_said(segment)))
    return said in STOCK or CREDITS.match(said) is not None


def doubtful(segment: Any, speech: Sequence[Span] | None) -> bool:
    """Whether something speaks against it, beside what it says."""
    words = list(segment.words or ())
    if segment.no_speech_prob > DOUBT_NO_SPEECH:
        return True
    if words and sum(float(word.probability) for word in words) / len(words) < DOUBT_PROBABILITY:
        return True
    if speech is None or not words:
        return False
    start = max(0.0, float(words[0].start))
    said = Span(start, max(start, float(words[-1].end)))
    return sum(said.overlap(span) for span in speech) < DOUBT_COVER * said.duration


def parrots(segment: Any, prompt: Sequence[str]) -> bool:
    """Whether a segment may be the prompt read out: ``prompt`` are its plain words.

    The prompt is what people are likely to say, so this is a reason to listen again, not to drop.
    """
    said = plain(_said(segment))
    run = SequenceMatcher(None, list(prompt), said, autojunk=False).find_longest_match().size
    return run >= PARROT_WORDS or (run >= 2 and run >= PARROT_SHARE * len(said))


def alike(one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether two lists of segments say about the same.

    Letters count: a name that is heard without the prompt is spelt otherwise.
    """
    first, second = ("".join(plain(" ".join(map(_said, heard)))) for heard in (one, other))
    return bool(first) and SequenceMatcher(None, first, second, autojunk=False).ratio() >= ALIKE


def without_loops(words: Sequence[Word], times: int = REPEATS, longest_phrase: int = 4) -> list[Word]:
    """Words, where a phrase that comes ``times`` times in a row, over segments, stays once.

    Within a segment :func:`repetitive` finds them; a loop in silence is often one segment a phrase.
    """
    kept, texts = list(words), [plain(word.text) for word in words]
    for size in range(1, longest_phrase + 1):
        here = 0
        while here + size * times <= len(kept):
            phrase, run = texts[here : here + size], 1
            while any(phrase) and texts[here + run * size : here + (run + 1) * size] == phrase:
                run += 1
            if run >= times:
                del kept[here + size : here + size * run], texts[here + size : here + size * run]
            here += 1
    return kept


def fit(span: Span, speech: Sequence[Span], *, first: bool) -> Span | None:
    """A word's span without the silence that Whisper stretched it over; None where nobody spoke.

    ``first``: the first word of a segment is stretched at its start, others at their end.
    """
    near = [s for s in speech if s.distance(span) <= SPEECH_MARGIN]
    if not near:
        return None
    best = max(near, key=lambda s: (s.overlap(span), -s.distance(span)))
    start, end = max(span.start, best.start - SPEECH_MARGIN), min(span.end, best.end + SPEECH_MARGIN)
    if end < start:  # no length is fine: short words at the start of a segment often have none
        return None
    if end - start > WORD_SECONDS:
        start, end = (end - WORD_SECONDS, end) if first else (start, start + WORD_SECONDS)
    return Span(quantise(start), quantise(end))


def words_of(segments: Iterable[Any], window: Span, speech: Sequence[Span]) -> list[Word]:
    """The words of one window's segments that stand up, in the recording's time."""
    near = [s for s in speech if s.distance(window) == 0]
    inside = [Span(max(0.0, s.start - window.start), max(0.0, s.end - window.start)) for s in near]
    words = []
    for segment in segments:
        if invented(segment, inside):
            continue
        for position, word in enumerate(segment.words or ()):
            start = min(max(0.0, float(word.start)) + window.start, window.end)
            end = min(max(start, float(word.end) + window.start), window.end)
            span = fit(Span(start, end), near, first=position == 0)
            if span is not None and word.word.strip():
                words.append(Word(span, word.word.strip(), min(1.0, max(0.0, float(word.probability)))))
    return words


def _said(segment: Any) -> str:
    return " ".join(word.word for word in segment.words or ())
