"""Transcripts in place of audio: WebVTT with voice tags, SegLST JSON, RTTM.

One cue, segment or line is one utterance and one turn, in file order, with ids 0, 1, …; the empty
ones too, so that an id is a position in the file. Speaker labels are kept as they are; a cue
without a voice belongs to :data:`UNKNOWN_SPEAKER`. RTTM has no words: turns only.

Sources: W3C WebVTT; the SegLST format of CHiME and MeetEval; NIST RT-09 evaluation plan (RTTM).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from meetsense.errors import TranscriptError
from meetsense.interchange import rttm, seglst, vtt
from meetsense.interchange.cue import UNKNOWN_SPEAKER, Cues, Fault, one_line
from meetsense.values import Turn, Utterance

MAX_BYTES = 50_000_000
"""A larger file is refused unread: an hour of talk is about 0.2 MB."""

_READERS: dict[str, Callable[[str], Cues]] = {".vtt": vtt.read, ".json": seglst.read, ".rttm": rttm.read}


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a transcript file says."""

    turns: tuple[Turn, ...] = ()
    """The cues, in file order."""
    utterances: tuple[Utterance, ...] = ()
    """One a cue, in file order; none for a format without words."""
    duration: float = 0.0
    """Seconds: the end of the last cue."""
    language: str | None = None
    """BCP 47 code, when the file says it."""
    has_words: bool = True
    """False for a format that carries times only."""
    title: str | None = None
    """The title or the session's name, when the file says it."""


def is_transcript(path: Path) -> bool:
    """Whether the suffix is one of a transcript: ``.vtt``, ``.json`` or ``.rttm``, in either case."""
    return path.suffix.lower() in _READERS


def read_transcript(path: Path) -> Transcript:
    """Read a transcript by its suffix.

    Raises TranscriptError, in one line that names the file, the line or entry and the fault, for
    a path that can't be read and for anything that isn't the format that the suffix promises.
    """
    name = one_line(path.name, limit=200)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TranscriptError(f"{name}: not a transcript; expected one of {', '.join(_READERS)}")
    text = _text(path, name)
    try:
        cues = reader(text)
    except Fault as fault:
        raise TranscriptError(f"{name}: {fault}") from None
    return _transcript(cues)


def _transcript(cues: Cues) -> Transcript:
    turns = tuple(Turn(cue.span, cue.speaker) for cue in cues.cues)
    utterances: Iterable[Utterance] = ()
    if cues.has_words:
        utterances = (Utterance(i, cue.speaker, cue.span, cue.text) for i, cue in enumerate(cues.cues))
    return Transcript(
        turns=turns,
        utterances=tuple(utterances),
        duration=max((turn.span.end for turn in turns), default=0.0),
        language=cues.language,
        has_words=cues.has_words,
        title=cues.title,
    )


def _text(path: Path, name: str) -> str:
    try:
        status = path.stat()
        if S_ISDIR(status.st_mode):
            raise TranscriptError(f"{name}: is a directory, not a transcript")
        if not S_ISREG(status.st_mode):
            raise TranscriptError(f"{name}: is not a regular file")
        if status.st_size > MAX_BYTES:
            raise TranscriptError(
                f"{name}: {status.st_size / 1e6:.0f} MB is too large for a transcript"
                f" (limit {MAX_BYTES / 1e6:.0f} MB)"
            )
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # the size may have changed since it was asked
    except FileNotFoundError:
        raise TranscriptError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else None
        raise TranscriptError(f"{name}: cannot be read: {reason or one_line(str(error))}") from None
    if len(data) > MAX_BYTES:
        raise TranscriptError(f"{name}: too large for a transcript (limit {MAX_BYTES / 1e6:.0f} MB)")
    if not data.strip():
        raise TranscriptError(f"{name}: is empty")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TranscriptError(f"{name}: line {line}: not UTF-8 text (byte {error.start})") from None


__all__ = ["MAX_BYTES", "UNKNOWN_SPEAKER", "Transcript", "is_transcript", "read_transcript"]
