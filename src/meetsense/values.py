"""Every value that crosses a room.

All values are frozen and slotted. Times are seconds (float) from the start of the recording,
quantised to 1 ms once, in the engine adapters, by :func:`quantise`. Dates are UTC-aware.

>>> Span(1.0, 3.0) & Span(2.0, 4.0)
Span(start=2.0, end=3.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second of every :class:`Audio`."""


def quantise(seconds: float) -> float:
    """Round a time in seconds to 1 ms.

    >>> quantise(0.12349)
    0.123
    """
    return round(float(seconds), 3)


def until(seconds: float, duration: float) -> float:
    """Round a time to 1 ms, but not beyond the end of a recording.

    >>> until(20.5, 20.0009375), until(3.14159, 20.0009375)
    (20.0, 3.142)
    """
    return min(quantise(seconds), math.floor(duration * 1000) / 1000)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time [start, end) in seconds, 0 <= start <= end < inf.

    Raises ValueError for a span that is reversed, negative or not finite.
    """

    start: float
    """Seconds from the start of the recording."""
    end: float
    """Seconds from the start of the recording."""

    def __post_init__(self) -> None:
        if not (0 <= self.start <= self.end < math.inf):
            raise ValueError(f"a span needs 0 <= start <= end < inf, not [{self.start}, {self.end})")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    @property
    def middle(self) -> float:
        """Centre in seconds."""
        return (self.start + self.end) / 2

    def __and__(self, other: Span) -> Span | None:
        """The intersection, or None when the two don't overlap."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def overlap(self, other: Span) -> float:
        """Seconds shared with another span, 0 when there are none."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def distance(self, other: Span) -> float:
        """Seconds of silence between two spans, 0 when they touch or overlap."""
        return max(0.0, self.start - other.end, other.start - self.end)

    def shift(self, seconds: float) -> Span:
        """The span moved by so many seconds, quantised."""
        return Span(quantise(self.start + seconds), quantise(self.end + seconds))


def union(spans: Iterable[Span], gap: float = 0.0) -> tuple[Span, ...]:
    """Merge spans that overlap, touch or lie at most ``gap`` seconds apart, in time order.

    >>> union([Span(2, 3), Span(0, 1), Span(0.5, 1.5)])
    (Span(start=0, end=1.5), Span(start=2, end=3))
    """
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end + gap:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Mono sound: float32 (n,), -1..1, 16 kHz, read-only. May be a memory map of hours."""

    samples: NDArray[np.float32]
    """Shape (n,), float32."""

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(
                f"audio is float32 of shape (n,), not {self.samples.dtype} of {self.samples.shape}"
            )
        view = self.samples.view()
        view.flags.writeable = False
        object.__setattr__(self, "samples", view)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE

    def cut(self, span: Span) -> Audio:
        """The sound inside a span: a view, no copy."""
        return Audio(self.samples[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)])


@dataclass(frozen=True, slots=True)
class SpeakerRange:
    """How many people may be speaking: low <= count <= high; ``high`` None means no upper limit.

    Raises ValueError for a range that is empty or below 1.

    >>> SpeakerRange.parse("2-6")
    SpeakerRange(low=2, high=6)
    >>> SpeakerRange.parse("3").exact
    3
    """

    low: int = 1
    """At least so many people."""
    high: int | None = None
    """At most so many people, or None."""

    def __post_init__(self) -> None:
        if self.low < 1 or (self.high is not None and self.high < self.low):
            raise ValueError(f"speakers need 1 <= low <= high, not {self.low}-{self.high}")

    @classmethod
    def parse(cls, text: str) -> SpeakerRange:
        """Read ``N`` or ``LOW-HIGH``. Raises ValueError for anything else."""
        low, dash, high = text.partition("-")
        try:
            return cls(int(low), int(high) if dash else int(low))
        except ValueError:
            raise ValueError(f"speakers are a number or a range such as 2-6, not {text!r}") from None

    @property
    def exact(self) -> int | None:
        """The count, when only one is possible."""
        return self.low if self.low == self.high else None


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of one person's speech, as diarized."""

    span: Span
    speaker: str
    """Label local to the recording, such as S1."""


def _no_voiceprints() -> Mapping[str, tuple[float, ...]]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who spoke when."""

    turns: tuple[Turn, ...] = ()
    """Sorted by time; turns of different people may overlap."""
    exclusive: tuple[Turn, ...] = ()
    """The same voices with at most one at a time: what words are assigned by."""
    voiceprints: Mapping[str, tuple[float, ...]] = field(default_factory=_no_voiceprints)
    """Speaker to embedding, where the engine has one."""
    sees_overlap: bool = False
    """Whether the engine can tell that two people spoke at once."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Labels in order of first appearance."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))


@dataclass(frozen=True, slots=True)
class Voiceprint:
    """What somebody sounds like to one engine."""

    person: str
    """Name of the person who enrolled."""
    space: str
    """``name@revision`` of the network that made the vector: only vectors of one space compare."""
    vector: tuple[float, ...]
    seconds: float
    """Speech that it rests on."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A voice of a recording that an enrolled person was known again by."""

    label: str
    """Speaker label in the recording."""
    probability: float
    """0..1, that the voice is that person's."""
    heard: Voiceprint
    """The person, and what they sounded like in this recording."""


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word."""

    span: Span
    text: str
    """As written, with its punctuation, without surrounding space."""
    probability: float
    """0..1, the recogniser's own."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was said, by nobody yet."""

    words: tuple[Word, ...] = ()
    """Sorted by time."""
    language: str | None = None
    """BCP 47 code, given or detected."""
    language_probability: float | None = None
    """0..1, how sure the engine is of a language that it detected among several."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one person said without a break: a sentence, or a transcript's cue."""

    id: int
    """Position in the meeting, from 0."""
    speaker: str
    span: Span
    text: str
    words: tuple[Word, ...] = ()
    """Empty when a transcript gave no word times."""


class ActLabel(StrEnum):
    """What an utterance does."""

    QUESTION = "question"
    PROPOSAL = "proposal"
    AGREEMENT = "agreement"
    DISAGREEMENT = "disagreement"
    CONFIRMATION = "confirmation"
    COMMITMENT = "commitment"
    DIRECTIVE = "directive"
    INFORMATION = "information"
    BACKCHANNEL = "backchannel"
    FLOOR = "floor"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Act:
    """The label of one utterance."""

    utterance: int
    """Id of the utterance."""
    label: ActLabel
    confidence: float
    """0..1."""


class DecisionStatus(StrEnum):
    """What became of a proposal."""

    ADOPTED = "adopted"
    AMENDED = "amended"
    REJECTED = "rejected"
    IGNORED = "ignored"
    OPEN = "open"


class LedgerRole(StrEnum):
    """What a person did for a decision."""

    RAISED = "raised"
    PROPOSED = "proposed"
    AMENDED = "amended"
    OBJECTED = "objected"
    AGREED = "agreed"
    CONFIRMED = "confirmed"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One contribution to a decision."""

    role: LedgerRole
    speaker: str
    utterance: int
    """Id of the utterance that is the evidence."""


@dataclass(frozen=True, slots=True)
class DecisionChain:
    """A proposal and everything people did with it. It has contributors, never one owner."""

    id: int
    """Position in the meeting, from 0."""
    status: DecisionStatus
    span: Span
    topic: str
    """A short phrase."""
    confidence: float
    """0..1."""
    ledger: tuple[LedgerEntry, ...]
    """In time order."""
    returns_from: int | None = None
    """Id of an ignored chain whose idea comes back here from somebody else."""
    wording: int | None = None
    """Id of the utterance of the ledger that says what was decided, where the first proposal doesn't: the
    last amendment, or a confirmation in words of its own."""


class SubjectKind(StrEnum):
    """What a measure is about."""

    MEETING = "meeting"
    SPEAKER = "speaker"
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class Subject:
    """The meeting, a speaker, or an ordered pair of speakers."""

    kind: SubjectKind = SubjectKind.MEETING
    speaker: str | None = None
    other: str | None = None
    """The second of an ordered pair: from ``speaker`` to ``other``."""

    @classmethod
    def of(cls, speaker: str) -> Subject:
        """A measure of one speaker."""
        return cls(SubjectKind.SPEAKER, speaker)

    @classmethod
    def pair(cls, speaker: str, other: str) -> Subject:
        """A measure of an ordered pair."""
        return cls(SubjectKind.PAIR, speaker, other)


class Grade(StrEnum):
    """How far a measure may be trusted."""

    FIRM = "firm"
    TENTATIVE = "tentative"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure with what it rests on.

    Raises ValueError when a withheld measure has a value or no reason, or another one has no value.
    """

    name: str
    subject: Subject
    value: float | None
    unit: str
    n: int
    """Events the figure rests on."""
    low: float | None = None
    """Lower end of the 95 % interval, in the measure's unit."""
    high: float | None = None
    """Upper end of the 95 % interval, in the measure's unit."""
    grade: Grade = Grade.FIRM
    reason: str | None = None
    """Why it is tentative or withheld."""
    part: float | None = None
    """Numerator of a share or rate (seconds or count): what adds up over meetings."""
    whole: float | None = None
    """Denominator of a share or rate."""

    def __post_init__(self) -> None:
        if (self.value is None) != (self.grade is Grade.WITHHELD):
            raise ValueError(f"{self.name}: a measure has a value unless it is withheld")
        if self.grade is Grade.WITHHELD and not self.reason:
            raise ValueError(f"{self.name}: a withheld measure needs a reason")


class Agreement(StrEnum):
    """What a participant can agree to, each on its own."""

    RECORDING = "recording"
    TRANSCRIPTION = "transcription"
    NAMED = "named"
    VOICEPRINT = "voiceprint"
    WEEKLY_MAIL = "weekly_mail"
    CLI_REVIEW = "cli_review"


@dataclass(frozen=True, slots=True)
class Participant:
    """A person who was invited, whether or not they spoke."""

    name: str
    role: str | None = None
    """Formal role, such as chair: an input, never inferred."""
    label: str | None = None
    """The speaker label in this recording that is theirs."""
    voice: str | None = None
    """Name of an enrolled voice."""
    agreed: frozenset[Agreement] | None = None
    """What they agreed to; None when the roster doesn't say."""

    @property
    def shown_name(self) -> str | None:
        """The name, unless the roster says that they did not agree to be named."""
        return self.name if self.agreed is None or Agreement.NAMED in self.agreed else None


@dataclass(frozen=True, slots=True)
class Roster:
    """Who was invited to a meeting."""

    participants: tuple[Participant, ...] = ()
    title: str | None = None
    started_at: datetime | None = None

    def by_label(self, label: str) -> Participant | None:
        """The participant whose label this is."""
        return next((person for person in self.participants if person.label == label), None)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice in the meeting, or an invited person who stayed silent under a label of the roster."""

    label: str
    name: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Engines:
    """What produced the result, as name@revision; None where a step did not run."""

    vad: str | None = None
    diarizer: str | None = None
    transcriber: str | None = None
    acts: str | None = None


@dataclass(frozen=True, slots=True)
class Meeting:
    """The recording that was analysed."""

    id: str
    title: str
    started_at: datetime
    """UTC-aware."""
    duration: float
    """Seconds."""
    language: str | None = None
    """BCP 47 code of the speech, or None when it is not known."""

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ValueError("started_at must be timezone-aware")


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that is known about one meeting: what the analysis document carries."""

    meeting: Meeting
    engines: Engines
    speakers: tuple[Speaker, ...] = ()
    turns: tuple[Turn, ...] = ()
    """As diarized, overlap kept; a transcript's cues."""
    utterances: tuple[Utterance, ...] = ()
    acts: tuple[Act, ...] = ()
    """At most one an utterance."""
    decisions: tuple[DecisionChain, ...] = ()
    measures: tuple[Measure, ...] = ()
    notes: tuple[str, ...] = ()
    """What the reader should know: steps that did not run, and why."""
    recognised: tuple[Recognised, ...] = ()
    """Voices that enrolled people were known again by; of nobody else is a voiceprint kept."""

    def act_of(self, utterance: int) -> Act | None:
        """The act of an utterance, by its id."""
        return next((act for act in self.acts if act.utterance == utterance), None)


class BasisKind(StrEnum):
    """Why a meeting may be recorded."""

    CONSENT = "consent"
    """Everyone present said yes."""
    POLICY = "policy"
    """The room's standing policy, such as a works agreement."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The legal basis of a recording, as it stood when the recording began."""

    kind: BasisKind
    people: tuple[str, ...] = ()
    """Who was said to be present; each agreed to be recorded where the kind is consent."""
    text_sha256: str | None = None
    """SHA-256 of the policy's text, where the kind is policy."""

    def __post_init__(self) -> None:
        if self.kind is BasisKind.CONSENT and not self.people:
            raise ValueError("consent needs the people who gave it")
        if self.kind is BasisKind.POLICY and not self.text_sha256:
            raise ValueError("a policy needs the hash of its text")


class GapKind(StrEnum):
    """Why sound of the wall clock's time is not in the recording, or is there but silent."""

    OVERFLOW = "overflow"
    """The device or the disk was too slow: samples came and were lost."""
    RESTART = "restart"
    """The recorder ended (killed, power cut, device lost) and began again."""
    PAUSE = "pause"
    """People asked for a pause."""
    SUSPEND = "suspend"
    """The machine slept."""
    DISK = "disk"
    """There was no room on the disk, or it failed."""
    FORGOTTEN = "forgotten"
    """People asked to forget what was there."""
    MUTED = "muted"
    """Exact zeros came: the sound is there and is silent. The only kind that misses nothing."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a recording's time that has no sound."""

    kind: GapKind
    position: int
    """Samples that the recording holds before it."""
    samples: int
    """Its length, at the recording's rate."""

    @property
    def missing(self) -> int:
        """Samples of wall time that are not in the audio."""
        return 0 if self.kind is GapKind.MUTED else self.samples


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a recording, closed and hashed."""

    index: int
    """From 0, in the order of time."""
    file: str
    """Name in the recording's folder: ``000000.wav`` or ``000000.flac``; with ``.age`` when encrypted."""
    samples: int
    sha256: str
    """Of the file's bytes as they lie there."""


class RecordingState(StrEnum):
    """What is owed to a recording."""

    RECORDING = "recording"
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    """Parked: it was tried several times; the reason says what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What the room recorded of one meeting. The audio lies in the folder named by its id."""

    id: str
    """``20261124T090000Z-1f2e3d4c``: the start in UTC and eight random hex digits."""
    title: str
    room: str
    started_at: datetime
    """UTC-aware; from the wall clock, once. All lengths are in samples of the monotonic clock."""
    basis: Basis
    rate: int = 16_000
    """Samples a second."""
    state: RecordingState = RecordingState.RECORDING
    segments: tuple[Segment, ...] = ()
    gaps: tuple[Gap, ...] = ()
    attempts: int = 0
    """How often its analysis began."""
    reason: str | None = None
    """Why it failed."""

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ValueError("started_at must be timezone-aware")

    @property
    def samples(self) -> int:
        """Samples of audio that it holds."""
        return sum(segment.samples for segment in self.segments)

    @property
    def duration(self) -> float:
        """Seconds of wall time from its start: the audio and what is missing from it."""
        return quantise((self.samples + sum(gap.missing for gap in self.gaps)) / self.rate)
