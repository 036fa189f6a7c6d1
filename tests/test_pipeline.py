"""The pipeline with engines that fail, hint and know voices again; the choice of engines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from meetsense.errors import EngineError
from meetsense.pipeline import ALIKE, Request, Toolbox, from_audio, open_toolbox
from meetsense.speech import Progress, silent_progress
from meetsense.speech.directory import BUNDLED, Choice, choose_diarizer, has_pyannote
from meetsense.values import (
    SAMPLE_RATE,
    Agreement,
    Analysis,
    Audio,
    Diarization,
    Meeting,
    Participant,
    Recognised,
    Roster,
    Span,
    SpeakerRange,
    Transcription,
    Turn,
    Voiceprint,
    Word,
)
from tests.cli.test_doctor import installed

AUDIO = Audio(np.zeros(10 * SAMPLE_RATE, np.float32))
MEETING = Meeting("m", "m", datetime(2026, 11, 24, tzinfo=UTC), 10.0)
TURNS = (Turn(Span(0.0, 4.0), "S1"), Turn(Span(4.0, 6.0), "S2"), Turn(Span(6.0, 9.0), "S3"))
SPACE = "net@1"


class Ears:
    name = "ears@1"

    def speech(self, audio: Audio, /) -> tuple[Span, ...]:
        return (Span(0.0, 9.0),)


class Diarizer:
    """Hears three people."""

    name = "three@1"
    sees_overlap = True
    asked: SpeakerRange | None = None

    def diarize(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        speakers: SpeakerRange,
        /,
        *,
        progress: Progress = silent_progress,
    ) -> Diarization:
        self.asked = speakers
        progress(0.5)
        return Diarization(TURNS, TURNS, {turn.speaker: (1.0,) for turn in TURNS}, sees_overlap=True)


class Knowing(Diarizer):
    """Knows voices again."""

    space = SPACE

    def log_odds(self, one: Sequence[float], other: Sequence[float], /) -> float:
        return 0.0


class Transcriber:
    """Understands one word."""

    name = "word@1"
    hints: tuple[Sequence[str], Sequence[str]] | None = None

    def transcribe(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        /,
        *,
        language: str | None = None,
        progress: Progress = silent_progress,
        names: Sequence[str] = (),
        agenda: Sequence[str] = (),
    ) -> Transcription:
        self.hints = names, agenda
        return Transcription((Word(Span(1.0, 2.0), "Hello.", 1.0),), language or "en")


class BrokenDiarizer(Diarizer):
    def diarize(self, *_: Any, **__: Any) -> Diarization:
        raise EngineError("the voices are too many")


class BrokenTranscriber(Transcriber):
    def transcribe(self, *_: Any, **__: Any) -> Transcription:
        raise EngineError("the words are too long")


def heard(tools: Toolbox, **request: Any) -> Analysis:
    return from_audio(AUDIO, MEETING, tools, Request(**request))


def test_a_failed_diarizer_yields_a_transcript() -> None:
    found = heard(Toolbox(Ears(), BrokenDiarizer(), Transcriber()))
    assert [said.text for said in found.utterances] == ["Hello."]
    assert found.turns == ()
    assert found.engines.diarizer is None
    assert "Who spoke could not be told: the voices are too many." in found.notes


def test_a_failed_transcriber_yields_turns() -> None:
    found = heard(Toolbox(Ears(), Diarizer(), BrokenTranscriber()))
    assert found.turns == TURNS
    assert found.utterances == ()
    assert found.engines.transcriber is None
    assert "Words could not be recognised: the words are too long." in found.notes


def test_when_both_fail_the_meeting_does() -> None:
    with pytest.raises(EngineError, match=r"too many.*too long"):
        heard(Toolbox(Ears(), BrokenDiarizer(), BrokenTranscriber()))


def test_the_roster_gives_hints_and_never_a_limit() -> None:
    diarizer, transcriber = Diarizer(), Transcriber()
    roster = Roster((Participant("Ada"), Participant("Bo")), title="Opening hours")
    heard(Toolbox(Ears(), diarizer, transcriber), roster=roster)
    assert diarizer.asked == SpeakerRange()
    assert transcriber.hints == (("Ada", "Bo"), ("Opening hours",))
    heard(Toolbox(Ears(), diarizer, transcriber), roster=roster, speakers=SpeakerRange(1, 2))
    assert diarizer.asked == SpeakerRange(1, 2)


def test_a_name_that_is_not_to_be_shown_is_no_hint() -> None:
    transcriber = Transcriber()
    people = (Participant("Ada", agreed=frozenset({Agreement.RECORDING})), Participant("Bo"))
    heard(Toolbox(Ears(), Diarizer(), transcriber), roster=Roster(people))
    assert transcriber.hints == (("Bo",), ())


def test_a_language_that_was_heard_is_told_with_how_sure_it_is() -> None:
    class Polyglot(Transcriber):
        def transcribe(self, *_: Any, **__: Any) -> Transcription:
            return Transcription(language="de", language_probability=0.874)

    found = heard(Toolbox(Ears(), Diarizer(), Polyglot()))
    assert found.meeting.language == "de"
    assert "Language heard: de, 87% sure." in found.notes
    assert not any(
        "Language heard" in note for note in heard(Toolbox(Ears(), Diarizer(), Transcriber())).notes
    )


def test_a_diarizer_that_tells_how_far_it_is() -> None:
    told: list[tuple[str, float]] = []
    from_audio(AUDIO, MEETING, Toolbox(Ears(), Diarizer()), Request(), lambda *step: told.append(step))
    assert ("speakers", 0.5) in told


def known(monkeypatch: pytest.MonkeyPatch, *, like: bool = False, **people: str) -> tuple[Voiceprint, ...]:
    """Have labels known to be people; the voiceprints that they enrolled."""
    found = tuple(
        Recognised(label, 0.9, Voiceprint(person, SPACE, (1.0,), 4.0)) for label, person in people.items()
    )
    asked: list[tuple[Voiceprint, ...]] = []

    def recognise(_: Diarization, __: object, enrolled: tuple[Voiceprint, ...]) -> tuple[Recognised, ...]:
        asked.append(enrolled)
        return found

    voices = SimpleNamespace(recognise=recognise, alike=lambda *_: like)
    monkeypatch.setitem(sys.modules, "meetsense.speech.voices", voices)
    return tuple(voice.heard for voice in found)


def names(found: Analysis) -> dict[str, str | None]:
    return {speaker.label: speaker.name for speaker in found.speakers}


@pytest.mark.parametrize("like", [False, True])
def test_names_that_are_held_back_are_told(monkeypatch: pytest.MonkeyPatch, like: bool) -> None:
    enrolled = known(monkeypatch, like=like, S2="Bo")
    assert (ALIKE in heard(Toolbox(Ears(), Knowing()), enrolled=enrolled).notes) is like
    assert ALIKE not in heard(Toolbox(Ears(), Diarizer()), enrolled=enrolled).notes


def test_a_voice_that_is_known_again_gets_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled = known(monkeypatch, S2="Bo")
    found = heard(Toolbox(Ears(), Knowing()), enrolled=enrolled)
    assert names(found) == {"S1": None, "S2": "Bo", "S3": None}
    assert [voice.label for voice in found.recognised] == ["S2"]


def test_the_roster_says_more_of_a_voice_that_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled = known(monkeypatch, S1="Ada L.", S2="Bo", S3="Cem")
    people = (
        Participant("Ada", role="chair", voice="Ada L."),
        Participant("Bo", agreed=frozenset({Agreement.VOICEPRINT})),
        Participant("Cem", agreed=frozenset({Agreement.NAMED})),
    )
    found = heard(Toolbox(Ears(), Knowing()), enrolled=enrolled, roster=Roster(people))
    assert names(found) == {"S1": "Ada", "S2": None, "S3": "Cem"}
    assert found.speakers[0].role == "chair"


@pytest.mark.parametrize("person", [Participant("Ada", label="S2"), Participant("Bo", label="S1")])
def test_the_rosters_labels_win(monkeypatch: pytest.MonkeyPatch, person: Participant) -> None:
    enrolled = known(monkeypatch, S2="Bo")
    found = heard(Toolbox(Ears(), Knowing()), enrolled=enrolled, roster=Roster((person,)))
    expected: dict[str, str | None] = dict.fromkeys(("S1", "S2", "S3"))
    assert names(found) == expected | {str(person.label): person.name}
    assert found.recognised == ()


def test_a_diarizer_without_voiceprints_knows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled = known(monkeypatch, S2="Bo")
    roster = Roster((Participant("Bo", voice="Bo"),))
    found = heard(Toolbox(Ears(), Diarizer()), enrolled=enrolled, roster=roster)
    assert set(names(found).values()) == {None}
    assert found.recognised == ()
    assert any("knows none" in note for note in found.notes)


def test_enrolled_voices_of_the_roster_that_were_not_heard_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = Voiceprint("Ada", SPACE, (1.0,), 4.0)
    enrolled = (*known(monkeypatch, S2="Bo"), ada)
    roster = Roster(tuple(Participant(name, voice=name) for name in ("Ada", "Bo", "Cem")))
    notes = heard(Toolbox(Ears(), Knowing()), enrolled=enrolled, roster=roster).notes
    assert "The roster names the enrolled voice Ada, which was not known again here." in notes
    assert "The roster names the enrolled voice Cem, which nobody has enrolled." in notes
    assert not any("voice Bo" in note for note in notes)


def test_auto_takes_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetsense.speech.directory.has_pyannote", lambda: False)
    assert choose_diarizer(tmp_path, Choice.AUTO).engine is Choice.EMBEDDED
    with pytest.raises(EngineError, match=r"pip install 'meetsense\[pyannote\]'"):
        choose_diarizer(tmp_path, Choice.PYANNOTE)
    monkeypatch.setattr("meetsense.speech.directory.has_pyannote", lambda: True)
    assert choose_diarizer(tmp_path, Choice.AUTO).engine is Choice.EMBEDDED
    with pytest.raises(EngineError, match="meetsense models pull speaker-diarization-community-1"):
        choose_diarizer(tmp_path, Choice.PYANNOTE)
    folder = installed(tmp_path / "pyannote" / "mine")
    pick = choose_diarizer(tmp_path, Choice.AUTO)
    assert (pick.engine, pick.folder, pick.note) == (Choice.PYANNOTE, folder, None)
    preferred = installed(tmp_path / "pyannote" / "speaker-diarization-community-1")
    assert choose_diarizer(tmp_path, Choice.AUTO).folder == preferred
    assert choose_diarizer(tmp_path, Choice.EMBEDDED).engine is Choice.EMBEDDED
    (preferred / "config.yaml").write_bytes(b"longer than it was")
    pick = choose_diarizer(tmp_path, Choice.AUTO)
    assert (pick.engine, pick.folder) == (Choice.PYANNOTE, folder)
    assert pick.note is not None
    assert "config.yaml has 18 bytes" in pick.note


def test_auto_says_when_pyannote_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files have the right sizes and hashes and are no weights, or its library is not there at all."""
    monkeypatch.setattr("meetsense.speech.directory.has_pyannote", lambda: True)
    installed(tmp_path / "pyannote" / "mine")
    tools = open_toolbox(tmp_path)
    assert tools.diarizer.name.startswith("embedded@")
    (note,) = tools.notes
    assert note.startswith("pyannote could not be taken, the embedded diarizer was: ")
    with pytest.raises(EngineError):
        open_toolbox(tmp_path, diarizer="pyannote")


def test_a_damaged_whisper_model_costs_the_words_alone(tmp_path: Path) -> None:
    installed_whisper(tmp_path / "whisper" / "small")
    tools = open_toolbox(tmp_path)
    assert tools.transcriber is None
    assert tools.without_words is not None
    assert "small" in tools.without_words
    with pytest.raises(EngineError, match="small"):
        open_toolbox(tmp_path, whisper="small")


def installed_whisper(folder: Path) -> None:
    """A Whisper directory whose weights are cut off."""
    folder.mkdir(parents=True)
    for file in (BUNDLED / "demo-whisper").glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "model.bin").write_bytes((BUNDLED / "demo-whisper" / "model.bin").read_bytes()[:5000])


@pytest.mark.skipif(not has_pyannote(), reason="the extra pyannote is not installed")
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_auto_runs_pyannote_where_it_is_installed(tmp_path: Path, mode: str) -> None:
    from tests.pyannote_directory import SMALL, build, sound

    build(tmp_path / "pyannote" / "random", SMALL)
    tools = open_toolbox(tmp_path, pyannote_mode=mode)
    assert tools.diarizer.name.endswith(f"+{mode}")
    found = from_audio(Audio(sound(20.0)), MEETING, tools, Request())
    assert found.engines.diarizer == tools.diarizer.name
