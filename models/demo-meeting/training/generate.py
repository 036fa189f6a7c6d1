"""Read meeting.toml aloud: the sound of the bundled meeting and the exact truth about it.

    python models/demo-meeting/training/generate.py [OUT]

writes ``meeting.flac`` (16 kHz mono, 16 bit) and ``meeting.rttm``, ``words.json``, ``acts.json``,
``decisions.json`` and ``roster.toml`` beside it. It needs espeak-ng, numpy, scipy and soundfile. The
same script and seed with the same espeak-ng give the same files.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "demo-whisper" / "training"))

from espeak import RATE, Espeak, Speech, Voice  # noqa: E402

TAIL = 0.8
"""Seconds of room noise after the last word."""
STRETCH_SILENCE = 0.2
"""Seconds of a person's own silence that end a stretch in the RTTM."""
STARTED_AT = "2026-11-23T09:00:00Z"

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance, placed."""

    id: int
    speaker: str
    text: str
    act: str
    parts: tuple[tuple[str, str], ...]
    speech: Speech
    start: float
    """Seconds from the start of the recording."""

    @property
    def end(self) -> float:
        """Seconds at which the last word ends."""
        return self.start + self.speech.ends[-1]

    def words(self) -> list[dict[str, Any]]:
        """Its words with times in seconds."""
        timed = zip(self.text.split(), self.speech.starts, self.speech.ends, strict=True)
        return [
            {
                "word": word,
                "start": round(self.start + start, 3),
                "end": round(self.start + end, 3),
                "speaker": self.speaker,
                "utterance": self.id,
            }
            for word, start, end in timed
        ]


def place(script: dict[str, Any]) -> list[Line]:
    """Read every line aloud and put it in time; sorted by start."""
    espeak = Espeak()
    voices = {
        voice["name"]: Voice(voice["espeak"], voice["speed"], voice["pitch"], voice["melody"])
        for voice in script["voices"]
    }
    placed: list[tuple[float, dict[str, Any], Speech]] = []
    floor_start = floor_end = 0.0
    for entry in script["lines"]:
        speech = espeak.say(entry["says"], voices[entry["who"]])
        if "inside" in entry:
            start = floor_start + entry["inside"] * (floor_end - floor_start)
        else:
            start = floor_end + entry["gap"]
            floor_start, floor_end = start, start + speech.ends[-1]
        placed.append((round(start, 3), entry, speech))
    placed.sort(key=lambda item: item[0])
    return [
        Line(
            position,
            entry["who"],
            entry["says"],
            entry["act"],
            tuple((decision, part) for decision, part in entry.get("part", [])),
            speech,
            start,
        )
        for position, (start, entry, speech) in enumerate(placed)
    ]


def echo(seconds: float, energy: float, generator: np.random.Generator) -> Samples:
    """A room's response: the direct sound, then noise that falls by 60 dB in so many seconds.

    ``energy``: of the echo beside that of the direct sound. It begins 4 ms after the direct sound.
    """
    length = int(seconds * RATE)
    tail = generator.standard_normal(length) * np.exp(-np.log(1000) * np.arange(length) / length)
    tail[: int(0.004 * RATE)] = 0.0
    tail *= np.sqrt(energy / np.sum(tail**2))
    tail[0] = 1.0
    return tail


def sound(lines: Sequence[Line], script: dict[str, Any]) -> Samples:
    """The meeting as one microphone hears it: shape (n,), -1..1."""
    generator = np.random.default_rng(script["seed"])
    total = int((max(line.end for line in lines) + TAIL) * RATE)
    mixture = np.zeros(total)
    for voice in script["voices"]:
        dry = np.zeros(total)
        for line in lines:
            if line.speaker == voice["name"]:
                _add(dry, line.speech.samples * level(line.speech, voice["loudness"]), line.start)
                hiss = generator.standard_normal(len(line.speech.samples)) * voice["noise"]
                _add(dry, hiss, line.start)
        mixture += fftconvolve(dry, echo(voice["echo"], voice["distance"], generator))[:total]
    return mixture + room(total, script["noise"], generator)


def _add(track: Samples, piece: NDArray[Any], start: float) -> None:
    first = round(start * RATE)
    piece = piece[: len(track) - first]
    track[first : first + len(piece)] += piece


def level(speech: Speech, rms: float) -> float:
    """The factor that brings a line to that loudness."""
    return rms / float(np.sqrt(np.mean(speech.samples**2)))


def room(length: int, noise: dict[str, float], generator: np.random.Generator) -> Samples:
    """The sound of an empty room: low-passed noise and the hum of the mains."""
    low, high = butter(1, 600, fs=RATE)
    rumble = lfilter(low, high, generator.standard_normal(length))
    rumble *= noise["level"] / np.sqrt(np.mean(rumble**2))
    hum = noise["hum"] * np.sin(2 * np.pi * 50 * np.arange(length) / RATE)
    result: Samples = rumble + hum
    return result


def stretches(words: Sequence[dict[str, Any]]) -> list[tuple[float, float, str]]:
    """Who speaks when: each person's words joined over silences below 0.2 s; sorted."""
    found: list[tuple[float, float, str]] = []
    for speaker in dict.fromkeys(word["speaker"] for word in words):
        mine = sorted((word["start"], word["end"]) for word in words if word["speaker"] == speaker)
        start, end = mine[0]
        for begin, until in mine[1:]:
            if begin - end >= STRETCH_SILENCE:
                found.append((start, end, speaker))
                start = begin
            end = max(end, until)
        found.append((start, end, speaker))
    return sorted(found)


def rttm(words: Sequence[dict[str, Any]]) -> str:
    """RTTM, one line a stretch."""
    return "".join(
        f"SPEAKER meeting 1 {start:.3f} {end - start:.3f} <NA> <NA> {speaker} <NA> <NA>\n"
        for start, end, speaker in stretches(words)
    )


def acts(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Every utterance with its act."""
    return [
        {
            "id": line.id,
            "speaker": line.speaker,
            "start": line.start,
            "end": round(line.end, 3),
            "text": line.text,
            "act": line.act,
        }
        for line in lines
    ]


def decisions(lines: Sequence[Line], script: dict[str, Any]) -> list[dict[str, Any]]:
    """Every decision chain with its ledger, in the order of their first evidence."""
    chains = []
    for entry in script["decisions"]:
        ledger = [(part, line) for line in lines for key, part in line.parts if key == entry["key"]]
        chains.append((entry, ledger))
    chains.sort(key=lambda chain: chain[1][0][1].start)
    ids = {entry["key"]: position for position, (entry, _) in enumerate(chains)}
    return [
        {
            "id": ids[entry["key"]],
            "status": entry["status"],
            "start": ledger[0][1].start,
            "end": round(max(line.end for _, line in ledger), 3),
            "topic": entry["topic"],
            "ledger": [
                {"role": part, "speaker": line.speaker, "utterance": line.id} for part, line in ledger
            ],
            "returns_from": ids.get(entry.get("returns_from")),
        }
        for entry, ledger in chains
    ]


def roster(script: dict[str, Any]) -> str:
    """The roster file: who was invited. No labels: which voice is whose is not known before the analysis."""
    people = [f'title = "{script["title"]}"\nstarted_at = {STARTED_AT}\n']
    for voice in script["voices"]:
        role = f'role = "{voice["role"]}"\n' if "role" in voice else ""
        people.append(
            f'[[people]]\nname = "{voice["name"]}"\n{role}agreed = ["recording", "transcription", "named"]\n'
        )
    return "\n".join(people)


def _write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def main(out: Path) -> None:
    """Write the sound and the truth into a directory."""
    script = tomllib.loads((HERE / "meeting.toml").read_text())
    lines = place(script)
    words = sorted((word for line in lines for word in line.words()), key=lambda word: word["start"])
    out.mkdir(parents=True, exist_ok=True)
    soundfile.write(out / "meeting.flac", sound(lines, script), RATE, subtype="PCM_16")
    (out / "meeting.rttm").write_text(rttm(words))
    _write_json(out / "words.json", words)
    _write_json(out / "acts.json", acts(lines))
    _write_json(out / "decisions.json", decisions(lines, script))
    (out / "roster.toml").write_text(roster(script))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
