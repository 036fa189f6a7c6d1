"""What a recording's result says beside the analysis."""

from __future__ import annotations

from datetime import UTC, datetime

from meetsense.daemon.job import recorded
from meetsense.values import Analysis, Basis, BasisKind, Engines, Gap, GapKind, Meeting, Recording, Span, Turn

BEGUN = datetime(2026, 11, 23, 9, tzinfo=UTC)


def notes(voices: int, basis: Basis, *gaps: Gap) -> tuple[str, ...]:
    turns = tuple(Turn(Span(i, i + 1), f"S{i}") for i in range(voices))
    analysis = Analysis(Meeting("x", "", BEGUN, 9.0), Engines(), turns=turns)
    told = recorded(analysis, Recording("20261123T090000Z-00000000", "", "", BEGUN, basis, gaps=gaps))
    assert told.meeting.id == "20261123T090000Z-00000000"
    return told.notes


def test_more_voices_than_people_who_agreed_are_told() -> None:
    two = Basis(BasisKind.CONSENT, ("Ada", "Bo"))
    assert notes(2, two) == ()
    assert notes(0, two) == ()
    (note,) = notes(3, two)
    assert note.startswith("3 voices were told apart, and 2 people were said to be present")
    (note,) = notes(2, Basis(BasisKind.CONSENT, ("Ada",)))
    assert "1 person was said to be present" in note
    assert notes(9, Basis(BasisKind.POLICY, (), "0" * 64)) == ()


def test_gaps_are_told_with_their_reason() -> None:
    gaps = (Gap(GapKind.PAUSE, 0, 16_000), Gap(GapKind.PAUSE, 5, 8_000), Gap(GapKind.MUTED, 9, 32_000))
    missing, muted = notes(1, Basis(BasisKind.CONSENT, ("Ada",)), *gaps)
    assert missing.startswith("1.5 s of this meeting are not in the recording (pause: 1.5 s)")
    assert muted == "The microphone gave nothing but zeros for 2.0 s."
