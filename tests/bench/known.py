"""Voices known again: by prints from one simulated meeting, in another room, among strangers.

Every meeting enrols the people that the diarizer heard clearly, and every other meeting is asked who of them
is there. A voice of librispeech-dev has one recording: known again means in another room, noise and company,
not on another day with other words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from meetsense.audio import load_audio
from meetsense.speech import Diarizer, VoiceSpace
from meetsense.speech.voices import ENOUGH_SECONDS, LEAST_SECONDS, recognise, speech_seconds
from meetsense.values import Diarization, SpeakerRange, Turn, Voiceprint
from tests.bench.data import Missing, Recording, simulated
from tests.bench.table import Row

TINY = Path(__file__).resolve().parents[1] / "tiny-pyannote"
MEETINGS, MINUTES, VOICES = 12, 4, 4
PURE = 0.8
"""Part of a heard voice that must be one true person's, for the answer to be known."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A meeting as diarized, and who its voices really are."""

    found: Diarization
    people: dict[str, str]
    """Label to true person, where one person makes up most of a voice."""


def rows() -> Iterator[Row]:
    """Strangers who get a name, and people who get theirs."""
    try:
        heard, space = listen()
    except Missing as missing:
        yield Row("voices known again", "simulated meetings", None, note=str(missing))
        return
    strangers = named = present = known = wrong = 0
    for enrolling, asked in permutations(heard, 2):
        prints = enrolled(enrolling, space)
        names = {r.label: r.heard.person for r in recognise(asked.found, space, prints)}
        for label, person in asked.people.items():
            if speech_seconds(asked.found.exclusive, label) < LEAST_SECONDS:
                continue
            if person in {p.person for p in prints}:
                present += 1
                known += names.get(label) == person
                wrong += names.get(label, person) != person
            else:
                strangers += 1
                named += label in names
    where = f"{MEETINGS} simulated meetings, {MINUTES} min, tiny-pyannote"
    if strangers:
        yield Row("strangers taken for somebody", where, named / strangers, note=f"n = {strangers}")
    if present:
        yield Row("enrolled people known again", where, known / present, note=f"n = {present}")
        yield Row("enrolled people taken for another", where, wrong / present, note=f"n = {present}")


def listen() -> tuple[list[Heard], VoiceSpace]:
    """Every meeting by the tiny directory, the count given. Raises Missing."""
    try:
        from meetsense.speech.pyannote import PyannoteDiarizer

        engine = PyannoteDiarizer(TINY)
    except ImportError:
        raise Missing("not installed: the extra pyannote") from None
    return [judged(engine, meeting) for meeting in simulated(MEETINGS, MINUTES, VOICES)], engine


def judged(engine: Diarizer, meeting: Recording) -> Heard:
    """A meeting heard, and whose each voice is."""
    from meetsense.speech.vad import SileroVad

    audio = load_audio(meeting.path)
    found = engine.diarize(audio, SileroVad().speech(audio), SpeakerRange(VOICES, VOICES))
    people = {}
    for label in found.speakers:
        person, share = whose([turn for turn in found.exclusive if turn.speaker == label], meeting.truth)
        if share >= PURE:
            people[label] = person
    return Heard(found, people)


def whose(own: list[Turn], truth: tuple[Turn, ...]) -> tuple[str, float]:
    """The true person who makes up most of a voice, and what part of it."""
    seconds: dict[str, float] = {}
    for turn in own:
        for said in truth:
            shared = turn.span.overlap(said.span)
            seconds[said.speaker] = seconds.get(said.speaker, 0.0) + shared
    person = max(seconds, key=lambda name: seconds[name], default="")
    return person, seconds.get(person, 0.0) / max(sum(turn.span.duration for turn in own), 1e-9)


def enrolled(meeting: Heard, space: VoiceSpace) -> tuple[Voiceprint, ...]:
    """Prints of the people who were heard clearly and long enough."""
    made = []
    for label, person in meeting.people.items():
        seconds, vector = (
            speech_seconds(meeting.found.exclusive, label),
            meeting.found.voiceprints.get(label),
        )
        if vector is not None and seconds >= ENOUGH_SECONDS:
            made.append(Voiceprint(person, space.space, tuple(map(float, vector)), seconds))
    return tuple({print_.person: print_ for print_ in made}.values())
