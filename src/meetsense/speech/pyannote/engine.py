"""The diarizer ``pyannote``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meetsense.errors import EngineError, in_one_line
from meetsense.speech import Progress, default_threads, silent_progress
from meetsense.speech.directory import revision
from meetsense.speech.pyannote.loading import (
    FILES,
    Mode,
    check,
    import_library,
    load_pipeline,
    private_copy,
    quiet,
)
from meetsense.speech.pyannote.plda import VoiceModel
from meetsense.speech.pyannote.turns import diarization_of, one_voice, tracks
from meetsense.values import SAMPLE_RATE, Audio, Diarization, Span, SpeakerRange

SHARES = {"segmentation": (0.0, 0.1), "embeddings": (0.1, 0.95)}
"""Part of the work that a step of the pipeline begins and ends at."""


class PyannoteDiarizer:
    """Who spoke when, by pyannote.audio's pipeline of a local directory (community-1's layout).

    The directory is verified against its ``installed.json`` with full hashes before anything of it is
    unpickled, nothing is looked up on the network, and nothing is reported to anybody. Where a mode can't be
    run as asked the next slower one is, ``name`` says which, and ``note`` why.

    * ``stock``: the library unchanged; for measuring against.
    * ``exact``: stock's result for recordings of up to an hour, to the bit where a convolution rounds alike
      for one chunk and for stock's batch, as at community-1's shapes on x86. Beyond an hour the people are
      found from at most 6000 evenly spaced vectors (of some 1.2 a second of speech), and every vector is then
      given to one of them as always: who speaks for less than a minute in several hours may be missed.
    * ``fast``: both networks by onnxruntime. Ten seconds in which the voice activity detector heard no speech
      at all are not looked at. Beyond an hour as in exact.

    What ``speech`` does otherwise: without any the result is empty and nothing is run. Where the network
    hears nobody in the whole recording, the speech is one person's.

    Raises EngineError when the extra is missing or the directory can't be verified or loaded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mode: Mode = Mode.EXACT,
        threads: int | None = None,
        cache: Path | None = None,
    ) -> None:
        """``cache``: where exported networks are kept; default ``meetsense/pyannote`` in the user's cache."""
        check(folder)
        import_library()
        self._folder = folder
        self._threads = threads or default_threads()
        self._steps: Any = None
        self.note: str | None = None
        """Why the mode is another than asked for, in one line."""
        with private_copy(folder) as (copy, verified):
            self._pipeline: Any = load_pipeline(copy, self._threads)
            space = revision(*(copy / name for name in FILES if _makes_space(name)))
            self._mode = self._prepare(Mode(mode), copy, cache)
        self._voices = VoiceModel(self._pipeline._plda)
        self._space = f"pyannote-embedding@{space}"
        short = verified.name.removeprefix("speaker-diarization-")
        self._name = f"pyannote-{short}@{verified.revision[:8]}+{self._mode}"

    @property
    def name(self) -> str:
        """``pyannote-MODEL@revision+mode``, such as ``pyannote-community-1@3533c8cf+exact``."""
        return self._name

    @property
    def mode(self) -> Mode:
        """The mode that is run."""
        return self._mode

    @property
    def sees_overlap(self) -> bool:
        """True: turns of different people may overlap."""
        return True

    @property
    def space(self) -> str:
        """``name@revision`` of the embedding network and its PLDA; the modes share it."""
        return self._space

    def log_odds(self, one: Sequence[float], other: Sequence[float], /) -> float:
        """See VoiceSpace. By the directory's PLDA. Raises EngineError for vectors of another network."""
        try:
            return self._voices.log_odds(one, other)
        except ValueError as error:
            raise EngineError(f"these are no voiceprints of {self._space} ({in_one_line(error)})") from error

    def diarize(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        speakers: SpeakerRange,
        /,
        *,
        progress: Progress = silent_progress,
    ) -> Diarization:
        """Turns, overlapping and exclusive, and a voiceprint of everybody who has one. Raises EngineError.

        Fewer people than ``speakers.low`` where there are fewer stretches long enough to tell voices by.
        """
        if not speech or not len(audio.samples):
            return Diarization(sees_overlap=True)
        try:
            with quiet():
                found = self._run(audio, speech, speakers, progress)
        except Exception as error:  # whatever the library raises: it has no class of its own
            raise EngineError(
                f"pyannote failed on {audio.duration:.0f} s of sound ({in_one_line(error)})"
            ) from error
        progress(1.0)
        return found if found.turns else one_voice(speech, audio.duration)

    def _run(
        self, audio: Audio, speech: tuple[Span, ...], speakers: SpeakerRange, progress: Progress
    ) -> Diarization:
        import torch

        if self._steps is not None:
            self._steps.speech = speech
        sound = {
            "waveform": torch.from_numpy(audio.samples)[None],
            "sample_rate": SAMPLE_RATE,
            "uri": "meeting",
        }
        found = self._pipeline(sound, hook=_Watch(progress), **_wanted(speakers))
        labels = found.speaker_diarization.labels()
        prints = dict(zip(labels, np.asarray(found.speaker_embeddings), strict=False))
        both, exclusive = tracks(found.speaker_diarization), tracks(found.exclusive_speaker_diarization)
        return diarization_of(both, exclusive, prints, audio.duration)

    def _prepare(self, mode: Mode, copy: Path, cache: Path | None) -> Mode:
        """Put the mode's steps into the pipeline of this copy; the mode that it came to."""
        from meetsense.speech.pyannote.steps import Networks, Steps, TorchNetworks, stackable

        if mode is Mode.STOCK:
            return mode
        try:
            with quiet():
                why = stackable(self._pipeline)
        except Exception as error:
            raise EngineError(f"{self._folder}: its networks can't be run ({in_one_line(error)})") from error
        if why is not None:
            self.note = f"{mode} mode needs another network, stock was run: {why}"
            return Mode.STOCK
        networks: Networks = TorchNetworks(self._pipeline)
        if mode is Mode.FAST:
            from meetsense.speech.pyannote.exported import NotClose, open_exported

            try:
                networks = open_exported(self._pipeline, copy, self._threads, cache)
            except NotClose as error:
                self.note = f"fast mode is not to be trusted here, exact was run: {error}"
                mode = Mode.EXACT
        self._steps = Steps(self._pipeline, networks, skip_silence=mode is Mode.FAST)
        self._steps.install()
        return mode


def _makes_space(name: str) -> bool:
    return name.startswith(("embedding/", "plda/"))


def _wanted(speakers: SpeakerRange) -> dict[str, int | None]:
    """The count as the pipeline's arguments.

    >>> _wanted(SpeakerRange(2, 2)), _wanted(SpeakerRange(2, None))
    ({'num_speakers': 2}, {'min_speakers': 2, 'max_speakers': None})
    """
    if speakers.exact is not None:
        return {"num_speakers": speakers.exact}
    return {"min_speakers": speakers.low, "max_speakers": speakers.high}


class _Watch:
    """The pipeline's hook, turned into a share of the work that only grows."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = 0.0

    def __call__(
        self, step: str, _: Any, /, *, total: int | None = None, completed: int | None = None, **__: Any
    ) -> None:
        if step in SHARES and total and completed is not None:
            start, end = SHARES[step]
            self._last = max(self._last, start + (end - start) * min(1.0, completed / total))
            self._progress(self._last)
