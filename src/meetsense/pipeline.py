"""One recording or transcript to one analysis: the composer of audio, speech, interaction and interchange."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from meetsense import interaction
from meetsense.audio import load_audio, open_regular
from meetsense.errors import EngineError
from meetsense.interchange.transcript import Transcript, is_transcript, read_transcript
from meetsense.speech import Diarizer, Transcriber, Vad, default_threads
from meetsense.speech.attribution import UNKNOWN, attribute
from meetsense.speech.directory import BUNDLED, find_whisper
from meetsense.values import (
    Analysis,
    Audio,
    Diarization,
    Engines,
    Meeting,
    Participant,
    Roster,
    Span,
    Speaker,
    SpeakerRange,
    Transcription,
    Turn,
    Utterance,
    quantise,
)

Progress = Callable[[str, float], None]
"""Called with the name of a step and the share of it that is done, 0..1."""
NO_SPEECH = "No speech was found in this recording."


def silent_progress(_: str, __: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The engines, loaded once for many recordings."""

    vad: Vad
    diarizer: Diarizer
    transcriber: Transcriber | None = None
    without_words: str | None = None
    """Why there is no transcriber, and how to get one."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user says about a recording."""

    roster: Roster = field(default_factory=Roster)
    speakers: SpeakerRange | None = None
    language: str | None = None
    title: str | None = None
    started_at: datetime | None = None
    partial: bool = False
    """Take what is there of a truncated recording."""


def open_toolbox(models: Path, *, whisper: str | None = None, threads: int = 0) -> Toolbox:
    """Load the engines. A Whisper model that was not asked for by name may be missing.

    Raises EngineError when an engine can't be loaded, or ``whisper`` names a model that isn't there.
    """
    from meetsense.speech.embedded import EmbeddedDiarizer
    from meetsense.speech.vad import SileroVad
    from meetsense.speech.whisper import WhisperTranscriber

    threads = threads or default_threads()
    vad = SileroVad()
    diarizer = EmbeddedDiarizer(BUNDLED / "embedded-diarizer", threads=threads)
    try:
        folder = find_whisper(models, whisper)
    except EngineError as reason:
        if whisper is not None:
            raise
        return Toolbox(vad, diarizer, None, f"Without words: {reason}.")
    return Toolbox(vad, diarizer, WhisperTranscriber(folder, threads=threads))


def analyse(
    path: Path, toolbox: Callable[[], Toolbox], request: Request, progress: Progress = silent_progress
) -> Analysis:
    """Analyse an audio file, or a transcript in place of one.

    ``toolbox`` is called for audio only. Raises AudioError, TranscriptError or EngineError.
    """
    if is_transcript(path):
        transcript = read_transcript(path)
        return from_transcript(transcript, _meeting(path, transcript.duration, request, transcript), request)
    progress("decode", 0.0)
    audio = load_audio(path, partial=request.partial)
    return from_audio(audio, _meeting(path, audio.duration, request), toolbox(), request, progress)


def _meeting(path: Path, duration: float, request: Request, transcript: Transcript | None = None) -> Meeting:
    """The meeting's frame: the same file gives the same id."""
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
        notes += (f"{nobody} of {len(transcript.turns)} cues name no speaker: they count as one person.",)
    return _interpret(
        meeting,
        Engines(),
        tuple(speakers),
        transcript.turns,
        transcript.utterances,
        sees_overlap=True,
        people=len(request.roster.participants) or None,
        notes=notes,
    )


def from_audio(
    audio: Audio, meeting: Meeting, tools: Toolbox, request: Request, progress: Progress = silent_progress
) -> Analysis:
    """Analyse sound. What an engine can't do is left out and said in the notes; the rest goes on.

    Raises EngineError when no speech can be looked for, or when both diarizer and transcriber fail.
    """
    notes: list[str] = []
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
    utterances = attribute(words.words, turns)
    labels = dict.fromkeys((*turns.speakers, *(u.speaker for u in utterances)))
    notes += _absent(request.roster, set(labels))
    return _interpret(
        Meeting(meeting.id, meeting.title, meeting.started_at, meeting.duration, words.language),
        Engines(
            vad=tools.vad.name,
            diarizer=tools.diarizer.name if diarization else None,
            transcriber=tools.transcriber.name if tools.transcriber and transcription else None,
        ),
        tuple(_speaker(label, request.roster) for label in labels),
        turns.turns,
        utterances,
        sees_overlap=turns.sees_overlap,
        people=len(request.roster.participants) or None,
        notes=tuple(notes),
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
        # Not capped by the roster: voices that it doesn't have must be found, to be told.
        return tools.diarizer.diarize(audio, speech, request.speakers or SpeakerRange())
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
    try:
        return tools.transcriber.transcribe(
            audio, speech, language=request.language, progress=lambda share: progress("words", share)
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
    notes: tuple[str, ...],
) -> Analysis:
    """Acts, decisions and measures of turns and utterances."""
    acts = interaction.label_acts(utterances, meeting.language)
    acts_engine = interaction.acts_engine(meeting.language) if utterances else None
    if utterances and acts_engine is None:
        notes += (f"Acts and decisions are not available in the language {meeting.language!r}.",)
    measures = interaction.measure(
        turns,
        duration=meeting.duration,
        labels=tuple(speaker.label for speaker in speakers if speaker.label != UNKNOWN),
        utterances=utterances,
        acts=acts,
        sees_overlap=sees_overlap,
        people=people,
    )
    return Analysis(
        meeting=meeting,
        engines=Engines(engines.vad, engines.diarizer, engines.transcriber, acts_engine),
        speakers=speakers,
        turns=turns,
        utterances=utterances,
        acts=acts,
        decisions=interaction.link_decisions(utterances, acts, language=meeting.language),
        measures=measures,
        notes=notes,
    )


def _participant(label: str, roster: Roster) -> Participant | None:
    """Whose label it is: as the roster says, or the person of that name when it gives them no label."""
    by_name = (p for p in roster.participants if p.label is None and p.name == label)
    return roster.by_label(label) or next(by_name, None)


def _speaker(label: str, roster: Roster) -> Speaker:
    participant = _participant(label, roster)
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
    notes = [f"The roster names the voice {label}, which this recording does not have." for label in named]
    if any(p.voice and not p.label for p in roster.participants):
        notes.append("The roster names enrolled voices; this diarizer knows none, give labels instead.")
    return notes
