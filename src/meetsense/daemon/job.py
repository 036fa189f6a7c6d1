"""One recording as a job: what is asked of the pipeline, and what its answer means for the recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from meetsense.batch import speaker_range
from meetsense.pipeline import Request, Toolbox
from meetsense.store import Statement
from meetsense.values import (
    Agreement,
    Analysis,
    BasisKind,
    GapKind,
    Participant,
    Recording,
    RecordingState,
    Roster,
    Voiceprint,
)

if TYPE_CHECKING:
    from meetsense.store import Store

NO_WORDS = "Without words: somebody present does not agree to transcription."
WITHDRAWN = "somebody present withdrew their consent"
"""Why a recording is given up, for people."""
REMOVED = f"{WITHDRAWN}; its sound was removed"
MISSING = {
    GapKind.OVERFLOW: "the machine was too slow",
    GapKind.RESTART: "the recorder began again",
    GapKind.PAUSE: "pause",
    GapKind.SUSPEND: "the machine slept",
    GapKind.DISK: "no room on the disk",
    GapKind.FORGOTTEN: "forgotten",
}
"""Why sound is missing, as people say it."""


@dataclass(frozen=True, slots=True)
class WithoutWords:
    """Opens a toolbox whose words nobody may recognise."""

    toolbox: Callable[[], Toolbox]

    def __call__(self) -> Toolbox:
        """The toolbox without its transcriber."""
        return replace(self.toolbox(), transcriber=None, without_words=NO_WORDS)


def roster_of(recording: Recording, statements: Iterable[Statement], roles: Mapping[str, str]) -> Roster:
    """Who was present, with their usual role and what each of them last stated.

    ``statements`` are in the order of time; ``roles``: role by name, of who has one.

    Somebody who agrees to a voiceprint and never spoke of being named agrees to it: that is what a voiceprint
    is for. Somebody who was deleted since is not in it.
    """
    last = {(s.person, s.purpose): s.agreed for s in statements}

    def agreed(person: str) -> frozenset[Agreement]:
        yes = {purpose for purpose in Agreement if last.get((person, purpose))}
        if Agreement.VOICEPRINT in yes and (person, Agreement.NAMED) not in last:
            yes.add(Agreement.NAMED)
        return frozenset(yes)

    present = (name for name in recording.basis.people if name)
    people = tuple(Participant(name, roles.get(name), agreed=agreed(name)) for name in present)
    return Roster(people, recording.title, recording.started_at)


def may_have_words(recording: Recording, statements: Iterable[Statement]) -> bool:
    """Whether nobody who was present last refused transcription. Who was deleted since may have done so."""
    last = {s.person: s.agreed for s in statements if s.purpose is Agreement.TRANSCRIPTION}
    return all(person and last.get(person, True) for person in recording.basis.people)


def request_of(
    roster: Roster, enrolled: tuple[Voiceprint, ...], speakers: str | None, language: str | None
) -> Request:
    """What is asked of the pipeline; ``speakers`` and ``language`` as the settings have them."""
    return Request(
        roster=roster,
        enrolled=enrolled,
        speakers=speaker_range(speakers, roster),
        language=language,
        title=roster.title,
        started_at=roster.started_at,
    )


def recorded(analysis: Analysis, recording: Recording) -> Analysis:
    """The analysis as that of a recording: under its id, with notes of what readers should know of it."""
    meeting = replace(analysis.meeting, id=recording.id)
    notes = (*analysis.notes, *crowd_notes(analysis, recording), *gap_notes(recording))
    return replace(analysis, meeting=meeting, notes=notes)


def crowd_notes(analysis: Analysis, recording: Recording) -> tuple[str, ...]:
    """A warning where more voices were told apart than people were said to be present."""
    voices, present = len({turn.speaker for turn in analysis.turns}), len(recording.basis.people)
    if recording.basis.kind is not BasisKind.CONSENT or voices <= present:
        return ()
    people = "1 person was" if present == 1 else f"{present} people were"
    return (
        f"{voices} voices were told apart, and {people} said to be present: one voice may count as several, "
        "or somebody was recorded who was never asked.",
    )


def gap_notes(recording: Recording) -> tuple[str, ...]:
    """What a reader should know about the gaps of a recording."""
    missing: Counter[str] = Counter()
    for gap in recording.gaps:
        if gap.missing:
            missing[MISSING[gap.kind]] += gap.missing
    notes = []
    if missing:
        kinds = ", ".join(f"{why}: {_seconds(n, recording)}" for why, n in missing.items())
        whole = _seconds(missing.total(), recording)
        notes.append(f"{whole} of this meeting are not in the recording ({kinds}); they count as silence.")
    if muted := sum(gap.samples for gap in recording.gaps if gap.kind is GapKind.MUTED):
        notes.append(f"The microphone gave nothing but zeros for {_seconds(muted, recording)}.")
    return tuple(notes)


def _seconds(samples: int, recording: Recording) -> str:
    return f"{samples / recording.rate:.1f} s"


def unstated(roster: Roster) -> Roster:
    """The roster without what people agree to: saving a meeting makes no statement in anybody's name."""
    return replace(roster, participants=tuple(replace(p, agreed=None) for p in roster.participants))


def remove_sound(store: Store, recordings: Path, recording: Recording) -> None:
    """Remove the sound of a recording that is queued or failed, and give it up. It may be done again.

    ``recordings``: directory of the folders. Raises CaptureError when the disk refuses; StoreError.
    """
    from meetsense.capture.folder import Folder
    from meetsense.capture.forget import cut

    folder, left = Folder(recordings / recording.id), replace(recording, segments=())
    if folder.path.exists():  # else somebody deleted it
        cut(folder, 0)  # first, for on a full disk the database has no room before
        left = folder.read()
    if recording.state is RecordingState.FAILED:
        store.requeue(recording.id)
    store.fail(recording.id, REMOVED)
    store.put_recording(left)
