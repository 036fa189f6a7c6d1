"""One recording or transcript to one analysis: the composer of audio, speech, interaction and interchange."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from meetsense import interaction
from meetsense.audio import Limits, load_audio, open_regular
from meetsense.errors import EngineError, TranscriptError, in_one_line
from meetsense.interaction.doubt import NONE, Doubt
from meetsense.interchange.transcript import Transcript, is_transcript, read_transcript
from meetsense.speech import Diarizer, Transcriber, Vad, VoiceSpace
from meetsense.speech.attribution import UNKNOWN, attribute
from meetsense.speech.directory import (
    Choice,
    Pick,
    choose_diarizer,
    find_whisper,
    find_whispers,
    instead_of_pyannote,
    passed_over,
)
from meetsense.values import (
    Analysis,
    Audio,
    Diarization,
    Engines,
    Meeting,
    Participant,
    Recognised,
    Roster,
    Span,
    Speaker,
    SpeakerRange,
    Transcription,
    Turn,
    Utterance,
    Voiceprint,
    quantise,
)

Progress = Callable[[str, float], None]
"""Called with the name of a step and the share of it that is done, 0..1."""
STEPS = {
    "decode": "reading the sound",
    "load": "loading the engines",
    "speech": "finding speech",
    "speakers": "telling voices apart",
    "words": "recognising words",
}
"""Names of steps, and what people call them."""
NO_SPEECH = "No speech was found in this recording."
ALIKE = (
    "Different people sound alike to the diarizer here: somebody who enrolled is named only where the "
    "likeness is greater than theirs."
)

VOICE_DOUBTS = {
    "embedded": Doubt(confused=0.2, jitter_ms=200.0, missed_short=0.5, missed_overlap=0.65),
    "pyannote": Doubt(confused=0.1, jitter_ms=100.0, missed_short=0.4, missed_overlap=0.4),
}
"""What to expect of a diarizer, by the beginning of its name; of another one, as of the embedded one.

Measured of the embedded one on 4 simulated meetings, 10 excerpts of AMI and a GAP meeting: .05, .07 and .25
of the speech went to a wrong person; borders were off by 50 to 180 ms (robust standard deviation); .50, .85
and .68 of the stretches under a second were lost to their speaker, about half of them to somebody else;
where two people spoke one was heard in .62, .97 and .57 of the time. The confusion is near the worst of
these, the others near what more than one has. Of community-1 only the error rate is published, .199 on
AMI's single distant microphone: half of it is taken to be confusion, and the rest to be somewhat better
than the embedded one's.
"""
WORD_ERRORS = {
    "tiny": 0.24, "base": 0.21, "small": 0.18, "medium": 0.17, "large-v3-turbo": 0.16, "large-v3": 0.16,
}  # fmt: skip
"""Word error rate of each size of Whisper on AMI, close microphones (Open ASR Leaderboard, March 2026; up to
medium of the English models); of another recogniser the largest. In a room it is worse: there the words' own
probabilities count instead, being lower.
"""


def silent_progress(_: str, __: float) -> None:
    """Progress that nobody watches."""


def nobody_waits(_: Meeting) -> None:
    """Nobody wants to know which meeting it is before the result is there."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The engines, loaded once for many recordings."""

    vad: Vad
    diarizer: Diarizer
    transcriber: Transcriber | None = None
    without_words: str | None = None
    """Why there is no transcriber, and how to get one."""
    notes: tuple[str, ...] = ()
    """What the reader of a result should know about the choice of engines."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user says about a recording."""

    roster: Roster = field(default_factory=Roster)
    """Who was invited. Their number never limits how many voices are told apart, whichever the engine:
    somebody who isn't on the list must be found, to be told. Who knows that nobody else spoke says so in
    ``speakers``.
    """
    enrolled: tuple[Voiceprint, ...] = ()
    """Voices that may be known again."""
    speakers: SpeakerRange | None = None
    language: str | None = None
    title: str | None = None
    started_at: datetime | None = None
    partial: bool = False
    """Take what is there of a truncated recording."""


def open_toolbox(
    models: Path,
    *,
    whisper: str | None = None,
    diarizer: str = Choice.AUTO,
    pyannote_mode: str = "exact",
    threads: int = 0,
    memory_bytes: int | None = None,
) -> Toolbox:
    """Load the engines, none of which reaches for the network.

    What was not asked for by name may be missing or broken: then the next best engine is taken, or none, and
    the notes say so. Raises EngineError when no voice activity detector or no diarizer can be loaded, or not
    the one that was asked for: ``whisper`` a directory or name, ``diarizer`` another :class:`Choice` than
    ``auto``. ``threads`` 0: what each engine takes by itself. ``memory_bytes``: what this process is held to.
    """
    from meetsense.speech.shelf import offline
    from meetsense.speech.vad import SileroVad

    offline()
    vad = SileroVad()
    told_apart, notes = _open_diarizer(models, Choice(diarizer), pyannote_mode, threads or None)
    if whisper is not None:
        transcriber = _open_whisper(find_whisper(models, whisper), threads or None, memory_bytes)
        return Toolbox(vad, told_apart, transcriber, None, notes)
    try:
        transcriber, refused = _open_largest(models, threads or None, memory_bytes)
    except EngineError as reason:
        return Toolbox(vad, told_apart, None, f"Without words: {reason}.", notes)
    note = passed_over(refused)
    return Toolbox(vad, told_apart, transcriber, None, (*notes, note) if note else notes)


def _open_largest(
    models: Path, threads: int | None, memory_bytes: int | None
) -> tuple[Transcriber, tuple[str, ...]]:
    """The largest installed Whisper model that can be loaded, and why others can't be.

    Raises EngineError, which says it of each, when none can.
    """
    found, refused = find_whispers(models)
    for folder in found:
        try:
            return _open_whisper(folder, threads, memory_bytes), refused
        except EngineError as error:
            refused = (*refused, str(error))
    raise EngineError("; ".join(refused))


def _open_whisper(folder: Path, threads: int | None, memory_bytes: int | None) -> Transcriber:
    from meetsense.speech.whisper import WhisperTranscriber
    from meetsense.speech.whisper.machine import this_machine

    machine = this_machine()
    memory = machine.memory if memory_bytes is None else min(machine.memory, memory_bytes)
    return WhisperTranscriber(folder, threads=threads, machine=replace(machine, memory=memory))


def _open_diarizer(
    models: Path, choice: Choice, pyannote_mode: str, threads: int | None
) -> tuple[Diarizer, tuple[str, ...]]:
    """The diarizer of a choice, and what there is to say about it.

    ``auto`` imports pyannote in a process of its own first: some of its libraries end the one they are in.
    """
    from meetsense.speech.doctor import need_pyannote

    pick = choose_diarizer(models, choice)
    if pick.engine is Choice.PYANNOTE:
        try:
            if choice is Choice.AUTO:
                need_pyannote()
            return _open_pyannote(pick, pyannote_mode, threads)
        except Exception as error:  # auto never fails, whatever a library of others raises
            if choice is Choice.PYANNOTE:
                raise
            pick = instead_of_pyannote(str(error) if isinstance(error, EngineError) else in_one_line(error))
    from meetsense.speech.embedded import EmbeddedDiarizer

    return EmbeddedDiarizer(pick.folder, threads=threads), (pick.note,) if pick.note else ()


def _open_pyannote(pick: Pick, mode: str, threads: int | None) -> tuple[Diarizer, tuple[str, ...]]:
    from meetsense.speech.pyannote import Mode, PyannoteDiarizer

    diarizer = PyannoteDiarizer(pick.folder, mode=Mode(mode), threads=threads)
    own = f"{diarizer.note[0].upper()}{diarizer.note[1:]}." if diarizer.note else None
    return diarizer, tuple(note for note in (pick.note, own) if note)


def analyse(
    path: Path,
    toolbox: Callable[[], Toolbox],
    request: Request,
    progress: Progress = silent_progress,
    *,
    limits: Limits | None = None,
    began: Callable[[Meeting], None] = nobody_waits,
) -> Analysis:
    """Analyse an audio file, or a transcript in place of one.

    ``toolbox`` is called for audio only, ``began`` as soon as a recording is decoded and so its length known;
    ``limits`` are what decoding may cost. Raises AudioError, TranscriptError or EngineError.
    """
    if is_transcript(path):
        transcript = read_transcript(path)
        if not transcript.turns:
            raise TranscriptError(f"{path.name}: has no cues, so there is nothing to analyse")
        return from_transcript(transcript, frame(path, transcript.duration, request, transcript), request)
    progress("decode", 0.0)
    audio = load_audio(path, limits=limits, partial=request.partial)
    meeting = frame(path, audio.duration, request)
    began(meeting)
    progress("load", 0.0)
    return from_audio(audio, meeting, toolbox(), request, progress)


def frame(path: Path, duration: float, request: Request, transcript: Transcript | None = None) -> Meeting:
    """Which meeting a file of ``duration`` seconds is: the same file gives the same id.

    Raises AudioError when it can't be read.
    """
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    written = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    title = request.title or request.roster.title or (transcript.title if transcript else None) or path.stem
    return Meeting(
        id=digest[:12],
        title=title,
        started_at=request.started_at or request.roster.started_at or written,
        duration=quantise(duration),
        language=request.language or (transcript.language if transcript else None),
    )


def from_transcript(transcript: Transcript, meeting: Meeting, request: Request) -> Analysis:
    """Analyse what a transcript says: its cues are the turns and the utterances."""
    labels = dict.fromkeys(turn.speaker for turn in transcript.turns)
    speakers = [_speaker(label, request.roster) for label in labels]
    speakers += _silent(request.roster, set(labels))
    notes: tuple[str, ...] = () if transcript.has_words else ("The transcript has times but no words.",)
    if nobody := sum(turn.speaker == UNKNOWN for turn in transcript.turns):
        notes += (_unnamed(nobody, len(transcript.turns)),)
    if refused := refused_names(labels, request.roster):
        notes += (refused,)
    return _interpret(
        meeting,
        Engines(),
        tuple(speakers),
        transcript.turns,
        transcript.utterances,
        sees_overlap=True,
        people=len(request.roster.participants) or None,
        unnamed=UNKNOWN if nobody else None,
        notes=notes,
    )


def _unnamed(cues: int, every: int) -> str:
    if cues == every:
        return "The transcript names nobody: who spoke, and who answered whom, can't be told."
    return f"{cues} of {every} cues name no speaker: nothing is said of whoever spoke there."


def _named_by(labels: Iterable[str], person: Participant) -> bool:
    """Whether a transcript's own labels name somebody who did not agree to be named: in full or in part."""
    if person.shown_name is not None:
        return False
    name = frozenset(person.name.casefold().split())
    return any(words <= name or name <= words for label in labels if (words := _words(label)))


def _words(label: str) -> frozenset[str]:
    return frozenset(label.casefold().split())


def refused_names(labels: Iterable[str], roster: Roster) -> str | None:
    """What to say where a transcript's own labels name people who did not agree to be named; else None."""
    people = sum(_named_by(labels, person) for person in roster.participants)
    if not people:
        return None
    who = "1 person" if people == 1 else f"{people} people"
    return (
        f"{who} of the roster did not agree to be named, but the transcript's own labels are names, and are "
        "shown and stored as they stand: put other labels into the transcript before you pass it on."
    )


def from_audio(
    audio: Audio, meeting: Meeting, tools: Toolbox, request: Request, progress: Progress = silent_progress
) -> Analysis:
    """Analyse sound. What an engine can't do is left out and said in the notes; the rest goes on.

    Raises EngineError when no speech can be looked for, or when both diarizer and transcriber fail.
    """
    notes: list[str] = list(tools.notes)
    if request.partial:
        notes.append("Analysed with --partial: what a cut recording lacks is in no figure.")
    progress("speech", 0.0)
    speech = tools.vad.speech(audio)
    if not speech:
        notes.append(NO_SPEECH)
    diarization = _diarize(audio, speech, tools, request, notes, progress)
    transcription = _transcribe(audio, speech, tools, request, notes, progress)
    if diarization is None and transcription is None:
        raise EngineError("; ".join(notes))
    turns = diarization or Diarization()
    words = transcription or Transcription(language=request.language)
    if words.language_probability is not None:
        notes.append(f"Language heard: {words.language}, {words.language_probability:.0%} sure.")
    utterances = attribute(words.words, turns)
    labels = dict.fromkeys((*turns.speakers, *(u.speaker for u in utterances)))
    recognised = _recognise(turns, tools.diarizer, request, notes)
    notes += _absent(request.roster, set(labels))
    notes += _not_recognised(request, tools.diarizer, recognised)
    return _interpret(
        Meeting(meeting.id, meeting.title, meeting.started_at, meeting.duration, words.language),
        Engines(
            vad=tools.vad.name,
            diarizer=tools.diarizer.name if diarization else None,
            transcriber=tools.transcriber.name if tools.transcriber and transcription else None,
        ),
        tuple(_speaker(label, request.roster, recognised) for label in labels),
        turns.turns,
        utterances,
        sees_overlap=turns.sees_overlap,
        people=len(request.roster.participants) or None,
        doubt=_expected(tools, words),
        notes=tuple(notes),
        recognised=recognised,
    )


def _diarize(
    audio: Audio,
    speech: tuple[Span, ...],
    tools: Toolbox,
    request: Request,
    notes: list[str],
    progress: Progress,
) -> Diarization | None:
    progress("speakers", 0.0)
    try:
        return tools.diarizer.diarize(
            audio,
            speech,
            request.speakers or SpeakerRange(),
            progress=lambda share: progress("speakers", share),
        )
    except EngineError as error:
        notes.append(f"Who spoke could not be told: {error}.")
        return None


def _transcribe(
    audio: Audio,
    speech: tuple[Span, ...],
    tools: Toolbox,
    request: Request,
    notes: list[str],
    progress: Progress,
) -> Transcription | None:
    if tools.transcriber is None:
        if tools.without_words:
            notes.append(tools.without_words)
        return None
    progress("words", 0.0)
    title = request.title or request.roster.title
    names = tuple(name for person in request.roster.participants if (name := person.shown_name))
    try:
        return tools.transcriber.transcribe(
            audio,
            speech,
            language=request.language,
            names=names,
            agenda=(title,) if title else (),
            progress=lambda share: progress("words", share),
        )
    except EngineError as error:
        notes.append(f"Words could not be recognised: {error}.")
        return None


def _interpret(
    meeting: Meeting,
    engines: Engines,
    speakers: tuple[Speaker, ...],
    turns: tuple[Turn, ...],
    utterances: tuple[Utterance, ...],
    *,
    sees_overlap: bool,
    people: int | None,
    unnamed: str | None = None,
    notes: tuple[str, ...],
    doubt: Doubt = NONE,
    recognised: tuple[Recognised, ...] = (),
) -> Analysis:
    """Acts, decisions and measures of turns and utterances."""
    acts = interaction.label_acts(utterances, meeting.language)
    acts_engine = interaction.acts_engine(meeting.language) if utterances else None
    if utterances and acts_engine is None:
        notes += (f"Acts and decisions are not available in the language {meeting.language!r}.",)
    decisions = interaction.link_decisions(utterances, acts, language=meeting.language)
    roles = {speaker.label: speaker.role for speaker in speakers if speaker.role}
    measures = interaction.measure(
        turns,
        duration=meeting.duration,
        labels=tuple(speaker.label for speaker in speakers if speaker.label != UNKNOWN),
        utterances=utterances,
        acts=acts,
        decisions=decisions,
        roles=roles,
        language=meeting.language,
        sees_overlap=sees_overlap,
        people=people,
        unnamed=unnamed,
        doubt=doubt,
    )
    return Analysis(
        meeting=meeting,
        engines=Engines(engines.vad, engines.diarizer, engines.transcriber, acts_engine),
        speakers=speakers,
        turns=turns,
        utterances=utterances,
        acts=acts,
        decisions=decisions,
        measures=measures,
        notes=notes,
        recognised=recognised,
    )


def _expected(tools: Toolbox, words: Transcription) -> Doubt:
    """What the engines that heard a meeting are expected to get wrong."""
    name = tools.diarizer.name.partition("@")[0].partition("-")[0]
    model = tools.transcriber.name.partition("@")[0].rpartition("/")[2] if tools.transcriber else ""
    size = model.removeprefix("faster-whisper-").removesuffix(".en")
    return replace(
        VOICE_DOUBTS.get(name, VOICE_DOUBTS["embedded"]),
        word_error=WORD_ERRORS.get(size, max(WORD_ERRORS.values())),
        language=1.0 if words.language_probability is None else words.language_probability,
    )


def _recognise(
    found: Diarization, diarizer: Diarizer, request: Request, notes: list[str]
) -> tuple[Recognised, ...]:
    """Voices of enrolled people. A label that the roster gives to somebody is that person's."""
    if not request.enrolled or not isinstance(diarizer, VoiceSpace):
        return ()
    from meetsense.speech.voices import alike, recognise

    known = recognise(found, diarizer, request.enrolled)
    if alike(found, diarizer, request.enrolled):
        notes.append(ALIKE)
    return tuple(voice for voice in known if _agrees(voice, request.roster))


def _agrees(voice: Recognised, roster: Roster) -> bool:
    """Whether the roster leaves room for this: it gives neither the label nor the person another one."""
    holder, person = roster.by_label(voice.label), _by_voice(voice.heard.person, roster)
    if holder is not None:
        return holder is person
    return person is None or person.label is None


def _by_voice(name: str, roster: Roster) -> Participant | None:
    """Whose enrolled voice has this name: as the roster says, or the person of that name."""
    by_name = (p for p in roster.participants if p.voice is None and p.name == name)
    return next((p for p in roster.participants if p.voice == name), None) or next(by_name, None)


def _participant(label: str, roster: Roster) -> Participant | None:
    """Whose label it is: as the roster says, or the person of that name when it gives them no label."""
    by_name = (p for p in roster.participants if p.label is None and p.name == label)
    return roster.by_label(label) or next(by_name, None)


def _speaker(label: str, roster: Roster, recognised: tuple[Recognised, ...] = ()) -> Speaker:
    """A voice with its name: of the roster's label, else of the enrolled person who was known again."""
    voice = next((voice for voice in recognised if voice.label == label), None)
    participant = _participant(label, roster)
    if participant is None and voice is not None:
        participant = _by_voice(voice.heard.person, roster) or Participant(voice.heard.person)
    if participant is None:
        return Speaker(label)
    return Speaker(label, participant.shown_name, participant.role)


def _silent(roster: Roster, labels: set[str]) -> list[Speaker]:
    """Invited people who said nothing in a transcript; they count."""
    heard = {p.name for label in labels if (p := _participant(label, roster))}
    silent = [p for p in roster.participants if p.name not in heard]
    free = (label for i in count(1) if (label := f"silent {i}") not in labels)
    return [Speaker(next(free), p.shown_name, p.role) for p in silent]


def _absent(roster: Roster, labels: set[str]) -> list[str]:
    """What a roster names that the recording doesn't have."""
    named = [p.label for p in roster.participants if p.label and p.label not in labels]
    return [f"The roster names the voice {label}, which this recording does not have." for label in named]


def _not_recognised(request: Request, diarizer: Diarizer, recognised: tuple[Recognised, ...]) -> list[str]:
    """Enrolled voices of the roster that no voice of the recording was known to be, and why."""
    voices = [p.voice for p in request.roster.participants if p.voice and not p.label]
    if voices and not isinstance(diarizer, VoiceSpace):
        return ["The roster names enrolled voices; this diarizer knows none, give labels instead."]
    enrolled = {voiceprint.person for voiceprint in request.enrolled}
    heard = {voice.heard.person for voice in recognised}
    return [
        f"The roster names the enrolled voice {voice}, which "
        + ("was not known again here." if voice in enrolled else "nobody has enrolled.")
        for voice in voices
        if voice not in heard
    ]
