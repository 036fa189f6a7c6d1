"""Simulated meetings with exact truth, made of single-voice recordings: what the two networks learn from.

usage: meetings.py SPEECH_DIR OUT_DIR --count N [--seed S] [--seconds T] [--held]

SPEECH_DIR holds FLAC files at 16 kHz; the part of a name before the first ``-`` is the voice. Every twelfth
voice is held out: ``--held`` makes meetings of those alone. Voices are also played faster and slower, each
speed being a voice of its own. Writes OUT_DIR/NNNN.npz: ``sound`` (samples,) int16 at 16 kHz; ``active``
(rows, people) bool, 10 ms a row; ``voices`` (people,) int32.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
import soxr
from faster_whisper.vad import VadOptions, get_speech_timestamps
from scipy.signal import butter, firwin2, lfilter, oaconvolve

RATE = 16_000
SPEEDS = (0.84, 0.92, 1.0, 1.09, 1.19)
ROW = 160
"""Samples in a row of the truth: 10 ms."""
HELD = 12
"""One voice in so many is held out."""


def islands(path: Path) -> list[np.ndarray]:
    """Stretches of speech of a recording, at an even level."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    samples = samples / (np.sqrt(np.mean(samples**2)) + 1e-9) * 0.05
    options = VadOptions(min_silence_duration_ms=120, speech_pad_ms=20, min_speech_duration_ms=200)
    return [samples[s["start"] : s["end"]] for s in get_speech_timestamps(samples, options)]


def bank(folder: Path, held: bool) -> list[list[np.ndarray]]:
    """The stretches of speech of each voice."""
    voices: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.flac")):
        voices.setdefault(path.name.partition("-")[0], []).append(path)
    chosen = [paths for i, paths in enumerate(voices.values()) if (i % HELD == HELD - 1) == held]
    made = [[stretch for path in paths for stretch in islands(path)] for paths in chosen]
    return [stretches for stretches in made if stretches]


def echo(rng: np.random.Generator, seconds: float, direct: float) -> np.ndarray:
    """A room's answer to a click: decaying noise after a direct sound."""
    n = int(seconds * RATE)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail *= 0.35 / np.sqrt((tail**2).sum())
    tail[0] = direct
    return tail.astype(np.float32)


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Room noise of power 1: filtered hiss, sometimes with a hum."""
    cut = rng.uniform(500, 7000)
    low_pass = butter(int(rng.integers(1, 3)), cut / (RATE / 2))
    made = np.asarray(lfilter(*low_pass, rng.standard_normal(n)), float)
    if rng.random() < 0.3:
        hum = rng.uniform(45, 220)
        made += np.std(made) * rng.uniform(0.3, 1.5) * np.sin(2 * np.pi * hum * np.arange(n) / RATE)
    return np.asarray(made / np.sqrt(np.mean(made**2)), np.float32)


def moved(rng: np.random.Generator, samples: np.ndarray, variety: float) -> np.ndarray:
    """A stretch said a little higher or lower, louder or softer, and coloured otherwise.

    Without that a network tells recordings apart, not voices: there is one recording of each.
    """
    pace = 1 + variety * rng.normal(0, 0.02)
    samples = np.interp(np.arange(0, len(samples) - 1, pace), np.arange(len(samples)), samples)
    hertz = np.array([0, 150, 300, 600, 1200, 2400, 4800, RATE / 2])
    gains = 10 ** (variety * np.cumsum(rng.normal(0, 1.0, len(hertz))) / 20)
    coloured = oaconvolve(samples, firwin2(129, hertz, gains, fs=RATE), mode="same")
    return np.asarray(coloured * 10 ** (variety * rng.normal(0, 3) / 20) / np.median(gains), np.float32)


def talk(
    rng: np.random.Generator, voices: list[list[np.ndarray]], n: int, variety: float
) -> tuple[list[np.ndarray], np.ndarray]:
    """One track a person, and who is active in each row: turns, pauses, overlaps, backchannels."""
    people = len(voices)
    tracks = [np.zeros(n, np.float32) for _ in voices]
    active = np.zeros((n // ROW, people), bool)
    free = [0] * people
    share = rng.dirichlet(np.full(people, rng.uniform(1.0, 4.0)))
    answers, overlap, pause = rng.uniform(0.05, 0.4), rng.normal(-0.1, 0.25), rng.uniform(0.2, 0.8)

    def say(who: int, at: int, longest: float) -> int:
        stretch = voices[who][int(rng.integers(len(voices[who])))]
        first = int(rng.integers(max(1, len(stretch) // 3))) if rng.random() < 0.3 else 0
        stretch = moved(rng, stretch[first : first + int(longest * RATE)], variety)
        at = max(at, free[who])
        if at + len(stretch) >= n:
            return 0
        tracks[who][at : at + len(stretch)] += stretch
        active[round(at / ROW) : round((at + len(stretch)) / ROW), who] = True
        free[who] = at + len(stretch) + int(0.05 * RATE)
        return len(stretch)

    time, who = int(rng.uniform(0, 1.5) * RATE), int(rng.integers(people))
    while time < n - RATE:
        for _ in range(int(rng.geometric(0.45))):
            start = max(time, free[who])
            length = say(who, start, rng.uniform(0.5, 6.0))
            if not length:
                break
            while people > 1 and rng.random() < answers:
                other = int(rng.choice([k for k in range(people) if k != who]))
                say(other, start + int(rng.uniform(0.1, 0.9) * length), rng.uniform(0.25, 0.8))
            time = start + length + int(rng.uniform(0.05, pause) * RATE)
        if people > 1:
            chances = share.copy()
            chances[who] = 0
            who = int(rng.choice(people, p=chances / chances.sum()))
        time = max(0, time + int(rng.normal(overlap, 0.45) * RATE))
        if rng.random() < 0.05:
            time += int(rng.uniform(1, 5) * RATE)
    return tracks, active


def record(rng: np.random.Generator, tracks: list[np.ndarray]) -> np.ndarray:
    """What one microphone in the room hears of the tracks."""
    n = len(tracks[0])
    room = rng.uniform(0.15, 0.7)
    heard = np.zeros(n, np.float32)
    spread = rng.uniform(0, 9)
    for track in tracks:
        near = 10 ** (rng.uniform(-spread, 3) / 20)
        heard += near * oaconvolve(track, echo(rng, room, rng.uniform(0.4, 1.0)))[:n].astype(np.float32)
    heard += noise(rng, n) * np.sqrt(np.mean(heard**2)) * 10 ** (-rng.uniform(12, 35) / 20)
    return np.asarray(heard * rng.uniform(0.1, 0.9) / np.abs(heard).max(), np.float32)


def meeting(rng: np.random.Generator, voices: list[list[np.ndarray]], seconds: int) -> dict[str, np.ndarray]:
    """One meeting's arrays, as the module says."""
    people = int(rng.choice([1, 2, 3, 4, 5], p=[0.04, 0.2, 0.28, 0.3, 0.18]))
    chosen = rng.choice(len(voices), people, replace=False)
    speeds = rng.integers(len(SPEEDS), size=people)
    said = []
    for voice, speed in zip(chosen, speeds, strict=True):
        factor = SPEEDS[speed]
        said.append([soxr.resample(s, RATE * factor, RATE) if factor != 1 else s for s in voices[voice]])
    tracks, active = talk(rng, said, seconds * RATE, rng.uniform(0, 1.0))
    return {
        "sound": np.round(record(rng, tracks) * 32767).astype(np.int16),
        "active": active,
        "voices": (chosen * len(SPEEDS) + speeds).astype(np.int32),
    }


def main() -> None:
    """Write the meetings."""
    parser = argparse.ArgumentParser()
    parser.add_argument("speech", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--held", action="store_true")
    options = parser.parse_args()
    voices = bank(options.speech, options.held)
    options.out.mkdir(parents=True, exist_ok=True)
    print(len(voices), "voices", flush=True)
    for i in range(options.count):
        part = options.out / f"{i:04}.part"
        with part.open("wb") as file:
            made = meeting(np.random.default_rng([options.seed, i]), voices, options.seconds)
            np.savez(file, sound=made["sound"], active=made["active"], voices=made["voices"])
        part.rename(options.out / f"{i:04}.npz")


if __name__ == "__main__":
    main()
