"""The engine: one model, loaded once, for many recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.errors import EngineError, in_one_line
from meetsense.speech import Progress, silent_progress
from meetsense.speech.shelf import offline
from meetsense.speech.vad import OFF, ON
from meetsense.speech.whisper import filters, machine, plan
from meetsense.speech.whisper.folder import Folder, inspect
from meetsense.speech.whisper.language import Heard, hear, samples_of_speech, whisper_code
from meetsense.speech.whisper.machine import Machine
from meetsense.speech.whisper.plan import Mode, Plan
from meetsense.speech.whisper.prompt import Prompt, fit_prompt
from meetsense.values import SAMPLE_RATE, Audio, Span, Transcription, Word

BATCHED_SECONDS = 1200.0
"""Longest stretch in batched mode, whose features are made window by window: the fewer stretches, the fewer
batches that aren't full."""
CONTEXT = 448
"""Positions of the decoder, when the model doesn't say."""
PUBLISHED_TOKENS = 50_000
"""Whisper's published models know more tokens. One with fewer was hardly taught to be told words beforehand:
the demo's writes 4 to 14 % fewer words when it is."""
SILENCE_BETWEEN, SILENCE_BATCHED = 2000, 160
"""Milliseconds; silence this long is cut out before Whisper listens (faster-whisper's own values)."""
INVENTION_SILENCE = 2.0
"""Seconds of silence that faster-whisper steps over before what looks invented; sequential mode alone."""
ANOTHER_NGRAM = 4
"""Tokens that may not come twice when a loop is listened to again."""
FAILURES = (RuntimeError, ValueError, IndexError, OSError, MemoryError)
"""What faster-whisper, CTranslate2 and their memory raise."""
Segments = list[Any]
NO_PROMPT = Prompt()


@dataclass(frozen=True, slots=True)
class Listening:
    """How sound is listened to."""

    language: str
    """Whisper's code."""
    mode: Mode
    """Never AUTO."""
    batch: int = 1
    prompt: Prompt = NO_PROMPT
    ngram: int = 0
    """So many tokens may not come twice in a row; 0: anything may."""


class WhisperTranscriber:
    """faster-whisper, loaded from a directory and never from the network.

    A directory of the model store is verified against its ``installed.json`` before it is loaded. One given
    by its path may have none: Whisper's files hold numbers and text, and loading them runs no code.

    ``threads`` None: a thread for each physical core, at most four. ``mode``: AUTO looks at machine, model
    and length (:mod:`meetsense.speech.whisper.plan`). ``device``: ``auto`` takes a GPU that was tried and
    works, ``cpu`` never does, ``cuda`` fails without one. ``machine``: what to plan for, instead of this one.

    Decoding is by beam search at temperature 0 alone, so that the same sound gives the same words; what comes
    out as a loop, or as the prompt, is listened to once more (:meth:`_again`).

    Raises EngineError when the directory lacks files, was altered, or can't be loaded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        threads: int | None = None,
        beam_size: int = 5,
        mode: Mode = Mode.AUTO,
        device: str = "auto",
        machine: Machine | None = None,
    ) -> None:
        offline()  # before faster_whisper is imported, which imports huggingface_hub
        self._folder: Folder = inspect(folder)
        self._machine = machine or _machine(device)
        self._threads = threads or self._machine.threads
        self._beam_size = beam_size
        self._mode = mode
        self._model, self._on, self._gpu_note = _load(folder, self._machine, self._threads)
        self._prompted = self._model.hf_tokenizer.get_vocab_size() >= PUBLISHED_TOKENS
        shape = self._folder.shape
        self._model.max_length = shape.context if shape else CONTEXT

    @property
    def name(self) -> str:
        """``whisper/DIRECTORY@revision``."""
        return self._folder.name

    @property
    def languages(self) -> tuple[str, ...]:
        """Whisper's codes of the languages that it knows: what its tokenizer has; English alone, or many."""
        known = self._model.supported_languages
        return tuple(code for code in known if code in self._folder.languages) or tuple(known)

    @property
    def gpu_note(self) -> str:
        """Why no GPU is used; empty when one is."""
        return self._gpu_note

    def plan(self, seconds: float) -> Plan:
        """How so many seconds of speech are transcribed."""
        windows = ceil(seconds / self._model.feature_extractor.chunk_length)
        return plan.choose(
            self._folder.shape,
            self._machine,
            windows,
            on=self._on,
            threads=self._threads,
            mode=self._mode,
        )

    def detect_language(self, audio: Audio, speech: Sequence[Span]) -> Heard | None:
        """The language of the speech, heard in up to five windows spread over it; None without speech.

        An English-only model hears English with certainty, in no window. Raises EngineError.
        """
        if not speech:
            return None
        if not self._model.model.is_multilingual:
            return Heard("en", 1.0, 0)
        seconds = float(self._model.feature_extractor.chunk_length)
        windows = samples_of_speech(audio, speech, seconds)
        try:
            return hear(windows, self._probabilities)
        except FAILURES as error:
            raise _failed(audio, error) from error

    def _probabilities(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        _, __, found = self._model.detect_language(samples)
        known = set(self.languages)
        return {code: float(probability) for code, probability in found if code in known}

    def transcribe(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        /,
        *,
        language: str | None = None,
        names: Sequence[str] = (),
        agenda: Sequence[str] = (),
        progress: Progress = silent_progress,
    ) -> Transcription:
        """Words with times.

        ``language``: a BCP 47 code; None hears it (:meth:`detect_language`). ``names`` and items of the
        ``agenda`` are spelt as given where they are heard; a small model of one's own is told neither.
        Raises EngineError.
        """
        sure: float | None = None
        if language is None:
            heard = self.detect_language(audio, speech)
            if heard is None:
                return Transcription()
            language, sure = heard.language, heard.probability if heard.windows else None
        code = whisper_code(language, self.languages, self.name)
        chosen = self.plan(sum(span.duration for span in speech))
        prompt = (
            fit_prompt(names, agenda, self._count, self._model.max_length) if self._prompted else NO_PROMPT
        )
        listening = Listening(code, chosen.mode, chosen.batch, prompt)
        longest = BATCHED_SECONDS if chosen.mode is Mode.BATCHED else filters.WINDOW_SECONDS
        words: list[Word] = []
        for window in filters.windows(speech, audio.duration, longest):
            tell = _share(progress, window, audio.duration)
            for segments, place in self._listened(audio.cut(window), listening, tell):
                span = Span(window.start + place.start, min(window.end, window.start + place.end))
                words += filters.words_of(segments, span, speech)
            progress(min(1.0, window.end / audio.duration))
        ordered = sorted(words, key=lambda word: word.span)
        return Transcription(tuple(filters.without_loops(ordered)), language, sure)

    def _count(self, text: str) -> int:
        return len(self._model.hf_tokenizer.encode(f" {text}", add_special_tokens=False).ids)

    def _listened(
        self, audio: Audio, listening: Listening, progress: Progress
    ) -> Iterator[tuple[Segments, Span]]:
        """Segments, with the stretch of ``audio`` that their times count from: all, or what came again."""
        fine: Segments = []
        whole = Span(0.0, audio.duration)
        for segment in self._decode(audio, listening, progress):
            loop, parrot = filters.repetitive(segment), filters.parrots(segment, listening.prompt.words)
            place = _place(segment, whole) if loop or parrot else None
            if place is None:
                fine.append(segment)
                continue
            again = self._again(audio.cut(place), listening, loop=loop)
            if not loop and filters.alike([segment], again):
                fine.append(segment)
            else:
                yield again, place
        yield fine, whole

    def _again(self, audio: Audio, listening: Listening, *, loop: bool) -> Segments:
        """Listen once more, one window after the other, without prompt; after a loop, with loops forbidden.

        What the speech itself says comes out again; what only the prompt or a loop said does not.
        """
        alone = Listening(listening.language, Mode.SEQUENTIAL, ngram=ANOTHER_NGRAM if loop else 0)
        return self._decode(audio, alone, silent_progress)

    def _decode(self, audio: Audio, listening: Listening, progress: Progress) -> Segments:
        """faster-whisper's segments. A batch that memory doesn't hold is halved. Raises EngineError."""
        batch = listening.batch
        while True:
            try:
                found = []
                for segment in self._segments(audio, listening, batch):  # here it fails, not when it's called
                    found.append(segment)
                    progress(float(segment.end))
                return found
            except FAILURES as error:
                if batch == 1 or not _out_of_memory(error):
                    raise _failed(audio, error) from error
                batch //= 2

    def _segments(self, audio: Audio, listening: Listening, batch: int) -> Iterable[Any]:
        """faster-whisper's generator of segments."""
        from faster_whisper import BatchedInferencePipeline
        from faster_whisper.vad import VadOptions

        options: dict[str, Any] = {
            "language": listening.language,
            "beam_size": self._beam_size,
            "temperature": [0.0],
            "word_timestamps": True,
            "condition_on_previous_text": False,
            "hotwords": listening.prompt.text or None,
            "no_repeat_ngram_size": listening.ngram,
            "vad_filter": True,
        }
        if listening.mode is Mode.SEQUENTIAL:
            options["vad_parameters"] = VadOptions(ON, OFF, min_silence_duration_ms=SILENCE_BETWEEN)
            options["hallucination_silence_threshold"] = INVENTION_SILENCE
            segments, _ = self._model.transcribe(audio.samples, **options)
        else:
            options["vad_parameters"] = VadOptions(
                ON,
                OFF,
                max_speech_duration_s=float(self._model.feature_extractor.chunk_length),
                min_silence_duration_ms=SILENCE_BATCHED,
            )
            # a new pipeline each time: after a failure it would go on from where the last recording broke off
            pipeline = BatchedInferencePipeline(self._model)
            segments, _ = pipeline.transcribe(audio.samples, batch_size=batch, **options)
        found: Iterable[Any] = segments
        return found


def _machine(device: str) -> Machine:
    """This machine; without its GPU when the CPU was asked for."""
    if device not in ("auto", "cpu", "cuda"):
        raise EngineError(f"a device is auto, cpu or cuda, not {device!r}")
    if device == "cpu":
        return Machine(
            machine.physical_cores(), machine.free_memory(), machine.Gpu(why_not="the CPU was asked for")
        )
    found = machine.this_machine()
    if device == "cuda" and not found.gpu:
        raise EngineError(f"no GPU can be used: {found.gpu.why_not}")
    return found


def _load(folder: Path, machine: Machine, threads: int) -> tuple[Any, tuple[str, str], str]:
    """The model, its device and compute type, and why it is not on a GPU. Raises EngineError."""
    import ctranslate2

    types = frozenset(ctranslate2.get_supported_compute_types("cpu"))
    on = plan.device(machine, types)
    if on[0] == "cpu":
        return _open(folder, on, threads), on, machine.gpu.why_not
    try:
        return _open(folder, on, threads), on, ""
    except EngineError as error:  # no memory for this model, most likely; the small one of the probe went in
        on = plan.device(replace(machine, gpu=type(machine.gpu)()), types)
        return _open(folder, on, threads), on, str(error)


def _open(folder: Path, on: tuple[str, str], threads: int) -> Any:
    from faster_whisper import WhisperModel

    try:
        return WhisperModel(
            str(folder), device=on[0], compute_type=on[1], cpu_threads=threads, local_files_only=True
        )
    except Exception as error:
        if not isinstance(error, FAILURES) and type(error) is not Exception:  # what tokenizers raises
            raise
        raise EngineError(f"{folder}: cannot be loaded as a Whisper model ({in_one_line(error)})") from error


def _share(progress: Progress, window: Span, duration: float) -> Progress:
    """Progress that is told seconds of a window and passes on the share of the recording, never less."""
    best = 0.0

    def tell(seconds: float) -> None:
        nonlocal best
        best = max(best, min(window.end, window.start + max(0.0, seconds)) / duration)
        progress(best)

    return tell


def _place(segment: Any, whole: Span) -> Span | None:
    """Where a segment's sound lies; None where nothing is left to listen to."""
    words = segment.words or ()
    start = (
        min(float(segment.start), *(float(word.start) for word in words)) if words else float(segment.start)
    )
    end = max(float(segment.end), *(float(word.end) for word in words)) if words else float(segment.end)
    around = Span(max(0.0, start - filters.SPEECH_MARGIN), max(0.0, end + filters.SPEECH_MARGIN))
    place = around & whole
    return place if place and place.duration * SAMPLE_RATE >= 1 else None


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _failed(audio: Audio, error: BaseException) -> EngineError:
    return EngineError(f"Whisper failed on {audio.duration:.0f} s of sound ({in_one_line(error)})")
