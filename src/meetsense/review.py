"""Correcting a meeting, and enrolling a voice: the composer of audio, speech and store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from meetsense.audio import load_audio
from meetsense.errors import EngineError
from meetsense.speech import Diarizer, Vad, VoiceSpace
from meetsense.speech.directory import COMMUNITY, Choice, choose_diarizer
from meetsense.speech.voices import ENOUGH_SECONDS, fitting, judge_again, speech_seconds
from meetsense.values import Diarization, Recognised, SpeakerRange, Turn, Voiceprint

if TYPE_CHECKING:
    from meetsense.store import Store
    from meetsense.store.voices import Correction

Made = TypeVar("Made")

MAIN_SHARE = 0.9
"""Part of the speech of a file that one voice must have, for the file to be of one person."""
SAME_SHARE = 0.7
"""Part of a speaker's turns that a voice must cover to be that speaker in another run of a diarizer."""


class Ears(Protocol):
    """What a toolbox has to hear voices with."""

    @property
    def vad(self) -> Vad:
        """Finds speech."""

    @property
    def diarizer(self) -> Diarizer:
        """Tells voices apart."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of a recording."""

    label: str
    seconds: float
    """Speech in which nobody else speaks."""
    vector: tuple[float, ...] | None
    """None where the engine has no print of it."""
    turns: tuple[Turn, ...]
    fits: tuple[str, ...] = ()
    """Enrolled people that it sounds like, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The voices of a recording."""

    space: str
    voices: tuple[Voice, ...]


@dataclass(frozen=True, slots=True)
class _Opened:
    vad: Vad
    diarizer: Diarizer


def open_ears(models: Path, mode: str = "exact", threads: int = 0) -> Ears:
    """The engines that hear voices: pyannote's, without a transcriber. Raises EngineError."""
    from meetsense.speech.pyannote import Mode, PyannoteDiarizer
    from meetsense.speech.shelf import offline
    from meetsense.speech.vad import SileroVad

    offline()
    folder = choose_diarizer(models, Choice.PYANNOTE).folder
    return _Opened(SileroVad(), PyannoteDiarizer(folder, mode=Mode(mode), threads=threads or None))


def need_voiceprints(models: Path) -> None:
    """Raise EngineError, which says what to do, where no engine with voiceprints is installed."""
    try:
        choose_diarizer(models, Choice.PYANNOTE)
    except EngineError as error:
        raise EngineError(
            "voices can't be enrolled: the embedded diarizer has no voiceprints, that needs pyannote "
            f"({error}); "
            f"meetsense doctor says what is missing, meetsense models pull {COMMUNITY} gets the models"
        ) from None


def listen(path: Path, ears: Callable[[], Ears], enrolled: Sequence[Voiceprint] = ()) -> Heard:
    """The voices of a recording and what they sound like, heard in a process of its own.

    ``ears`` is called there and is pickled. ``enrolled``: whom the voices may sound like. Raises AudioError,
    or EngineError when the engine has no voiceprints, can't be loaded, or fails.
    """
    return _apart(_listen, path, ears, tuple(enrolled))


def _apart(work: Callable[..., Made], *arguments: object) -> Made:
    """Do work in a fresh interpreter: the weights are pickles, and a library may crash."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(work, *arguments).result()
        except BrokenProcessPool:
            raise EngineError(
                "the process of the pyannote engine crashed or ran out of memory; see: meetsense doctor"
            ) from None


def _listen(path: Path, ears: Callable[[], Ears], enrolled: Sequence[Voiceprint]) -> Heard:
    audio = load_audio(path)
    opened = ears()
    space = _space(opened)
    found = opened.diarizer.diarize(audio, opened.vad.speech(audio), SpeakerRange())
    return Heard(space.space, tuple(_voice(found, label, space, enrolled) for label in found.speakers))


def _voice(found: Diarization, label: str, space: VoiceSpace, enrolled: Sequence[Voiceprint]) -> Voice:
    seconds, vector = speech_seconds(found.exclusive, label), found.voiceprints.get(label)
    turns = tuple(turn for turn in found.turns if turn.speaker == label)
    fits = fitting(vector, seconds, space, enrolled) if vector is not None and seconds else ()
    return Voice(label, seconds, vector, turns, fits)


def voice_of_file(heard: Heard, name: str, *, anyway: bool = False) -> Voiceprint:
    """The print of the one person of a recording, for ``name``.

    Raises EngineError when it has several people, too little speech, or, but for ``anyway``, a voice that
    fits somebody else who is enrolled best.
    """
    if not heard.voices:
        raise EngineError("no speech was found; name a recording of one person speaking")
    main = max(heard.voices, key=lambda voice: voice.seconds)
    total = sum(voice.seconds for voice in heard.voices)
    if main.seconds < MAIN_SHARE * total:
        raise EngineError(
            f"{len(heard.voices)} people speak there; name a recording of one person, or "
            "--from MEETING:SPEAKER"
        )
    return _print(main, heard.space, name, anyway)


def voice_of_speaker(
    heard: Heard, turns: Sequence[Turn], label: str, name: str, *, anyway: bool = False
) -> Voiceprint:
    """The print of a speaker of a stored meeting in another run over its recording.

    The voice that has most of the speaker's turns, whatever its label now. Raises EngineError when none has
    SAME_SHARE of them, and as :func:`voice_of_file` does.
    """
    own = [turn.span for turn in turns if turn.speaker == label]
    total = sum(span.duration for span in own)

    def shared(voice: Voice) -> float:
        return sum(span.overlap(turn.span) for span in own for turn in voice.turns)

    best = max(heard.voices, key=shared, default=None)
    if best is None or shared(best) < SAME_SHARE * total:
        raise EngineError(
            f"pyannote hears no one voice where {label} speaks; analyse the recording again with "
            "--diarizer pyannote and take the label from that report"
        )
    return _print(best, heard.space, name, anyway)


def _print(voice: Voice, space: str, name: str, anyway: bool) -> Voiceprint:
    if voice.seconds < ENOUGH_SECONDS or voice.vector is None:
        raise EngineError(
            f"{int(voice.seconds)} s of clear speech are too little to enrol a voice; "
            f"it takes {ENOUGH_SECONDS:.0f} s"
        )
    if voice.fits and voice.fits[0] != name and not anyway:
        raise EngineError(
            f"this voice sounds like that of {voice.fits[0]}, who is enrolled: one person under two names is "
            "known as neither; if they are two people, enrol with --anyway"
        )
    return Voiceprint(name, space, voice.vector, voice.seconds)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction changed, and what could not be judged again."""

    correction: Correction
    undone: str | None
    """Why other meetings keep names that rest on a changed voiceprint, if they do."""


def correct(
    store: Store, meeting: str, label: str, person: str | None, ears: Callable[[], Ears]
) -> Corrected:
    """A voice of a meeting is this person's, or nobody's that is known: history and voiceprints follow.

    ``ears`` is called, in a process of its own, only where other meetings must be judged again; when that
    fails they keep their names, and the result says why. An engine takes its time to load: the database is
    not locked meanwhile, and the correction is made when what it rests on is still the same. Raises
    StoreError.
    """
    judged: dict[_Case, _Verdict] = {}

    def judge(known: Sequence[Recognised], enrolled: Sequence[Voiceprint]) -> Sequence[float | None]:
        case = (tuple(known), tuple(enrolled))
        if case not in judged:
            raise _NotJudgedYet(case)
        return judged[case].chances

    while True:
        try:
            done = store.correct(meeting, label, person, judge)
        except _NotJudgedYet as need:
            judged[need.case] = _hear(need.case, ears)
            continue
        return Corrected(done, next((verdict.undone for verdict in judged.values() if verdict.undone), None))


_Case = tuple[tuple[Recognised, ...], tuple[Voiceprint, ...]]
"""Recognitions to judge again, and the prints that are enrolled."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    chances: tuple[float | None, ...]
    undone: str | None = None
    """Why nothing could be judged, if so."""


class _NotJudgedYet(Exception):
    """Ends a transaction, so that an engine can be asked outside it."""

    def __init__(self, case: _Case) -> None:
        super().__init__()
        self.case = case


def _hear(case: _Case, ears: Callable[[], Ears]) -> _Verdict:
    known, enrolled = case
    people = {voiceprint.person for voiceprint in enrolled}
    if not any(voice.heard.person in people for voice in known):
        return _Verdict((None,) * len(known))
    try:
        return _Verdict(tuple(_apart(_judge, ears, known, enrolled)))
    except EngineError as error:
        kept = (voice.probability if voice.heard.person in people else None for voice in known)
        return _Verdict(tuple(kept), str(error))


def _judge(
    ears: Callable[[], Ears], known: Sequence[Recognised], enrolled: Sequence[Voiceprint]
) -> list[float | None]:
    """A print of another space than the engine's can't be judged: it stays, unless nobody is enrolled."""
    space = _space(ears())
    people = {voiceprint.person for voiceprint in enrolled}
    return [
        voice.probability
        if voice.heard.space != space.space and voice.heard.person in people
        else judge_again(voice.heard, space, enrolled)
        for voice in known
    ]


def _space(ears: Ears) -> VoiceSpace:
    if not isinstance(ears.diarizer, VoiceSpace):
        raise EngineError(f"{ears.diarizer.name} has no voiceprints")
    return ears.diarizer
