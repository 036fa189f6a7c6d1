"""The transcriber ``whisper``: faster-whisper on a model directory, guarded against what Whisper invents."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from meetsense.errors import EngineError
from meetsense.speech import Progress, default_threads, silent_progress
from meetsense.speech.directory import missing_whisper_files, revision
from meetsense.values import Audio, Span, Transcription, Word, quantise, union

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
"""A phrase said so many times in a row in one segment is an invention."""


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


def repeats(words: Sequence[str], times: int = REPEATS, longest_phrase: int = 4) -> bool:
    """Whether a phrase of up to ``longest_phrase`` words comes ``times`` times in a row.

    >>> repeats("thank you thank you thank you thank you thank you".split())
    True
    >>> repeats("no no no we can not".split())
    False
    """
    for size in range(1, longest_phrase + 1):
        run = 1
        for here in range(size, len(words) - size + 1, size):
            run = run + 1 if words[here : here + size] == words[here - size : here] else 1
            if run >= times:
                return True
    return False


def invented(segment: Any) -> bool:
    """Whether a faster-whisper segment bears the marks of a hallucination."""
    if segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < LOG_PROBABILITY:
        return True
    return segment.compression_ratio > COMPRESSION or repeats(
        [word.word.lower() for word in segment.words or ()]
    )


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
    words = []
    for segment in segments:
        if invented(segment):
            continue
        for position, word in enumerate(segment.words or ()):
            start = min(max(0.0, float(word.start)) + window.start, window.end)
            end = min(max(start, float(word.end) + window.start), window.end)
            span = fit(Span(start, end), near, first=position == 0)
            if span is not None and word.word.strip():
                words.append(Word(span, word.word.strip(), min(1.0, max(0.0, float(word.probability)))))
    return words


class WhisperTranscriber:
    """faster-whisper, loaded from a directory and never from the network.

    Raises EngineError when the directory lacks files or can't be loaded.
    """

    def __init__(self, folder: Path, *, threads: int | None = None, beam_size: int = 5) -> None:
        if missing := missing_whisper_files(folder):
            raise EngineError(f"{folder}: not a CTranslate2 Whisper model, it lacks {', '.join(missing)}")
        os.environ["HF_HUB_OFFLINE"] = "1"
        from faster_whisper import WhisperModel

        self._beam_size = beam_size
        try:
            self._model = WhisperModel(
                str(folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads or default_threads(),
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise EngineError(f"{folder}: cannot be loaded as a Whisper model ({error})") from error
        self._name = f"whisper/{folder.name}@{revision(folder / 'model.bin')}"

    @property
    def name(self) -> str:
        """``whisper/DIRECTORY@revision``."""
        return self._name

    def transcribe(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        /,
        *,
        language: str | None = None,
        progress: Progress = silent_progress,
    ) -> Transcription:
        """Words with times. Without ``language`` the first window's speech decides it. Raises EngineError."""
        words: list[Word] = []
        if not self._model.model.is_multilingual:
            language = "en"
        for window in windows(speech, audio.duration):
            segments, detected = self._window(audio.cut(window), language)
            language = language or detected
            words += words_of(segments, window, speech)
            progress(min(1.0, window.end / audio.duration))
        ordered = sorted(words, key=lambda word: word.span)
        return Transcription(tuple(ordered), language)

    def _window(self, audio: Audio, language: str | None) -> tuple[list[Any], str]:
        try:
            segments, information = self._model.transcribe(
                audio.samples,
                language=language,
                beam_size=self._beam_size,
                vad_filter=True,
                word_timestamps=True,
                condition_on_previous_text=False,
                hallucination_silence_threshold=2.0,
            )
            return list(segments), information.language
        except (RuntimeError, ValueError, IndexError) as error:
            raise EngineError(f"Whisper failed on {audio.duration:.0f} s of sound ({error})") from error
