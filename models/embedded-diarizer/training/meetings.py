"""Simulated meetings with exact truth, made of single-voice recordings: what the diarizer learns from.

usage: meetings.py SPEECH_DIR OUT_DIR --count N [--seed S] [--without FILE]

SPEECH_DIR holds FLAC files; the part of a name before the first ``-`` is the voice. Voices are also played
faster and slower, each speed being a voice of its own. ``--without`` names a file with one voice a line that
is left out. Writes OUT_DIR/NNNN.npz: ``mel`` (frames, 64) float16, the mean over speech removed; ``active``
(frames / 4, people) bool, 40 ms a row; ``voices`` (people,) int32.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
import soxr
from faster_whisper.vad import VadOptions, get_speech_timestamps
from scipy.signal import butter, firwin2, lfilter, oaconvolve

from meetsense.speech.features import log_mel

RATE = 16_000
SPEEDS = (0.84, 0.92, 1.0, 1.09, 1.19)
SECONDS = 100
ROW = 640
"""Samples in a row of the truth: 40 ms."""
Bank = list[tuple[int, list[np.ndarray]]]


def islands(path: Path) -> list[np.ndarray]:
    """Stretches of speech of a recording, at an even level."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    samples = samples / (np.sqrt(np.mean(samples**2)) + 1e-9) * 0.05
    options = VadOptions(min_silence_duration_ms=120, speech_pad_ms=20, min_speech_duration_ms=200)
    return [samples[s["start"] : s["end"]] for s in get_speech_timestamps(samples, options)]


def bank(folder: Path, without: set[str]) -> dict[str, list[np.ndarray]]:
    """Voice to its stretches of speech."""
    voices: dict[str, list[np.ndarray]] = {}
    for path in sorted(folder.rglob("*.flac")):
        voice = path.name.partition("-")[0]
        if voice not in without:
            voices.setdefault(voice, []).extend(islands(path))
    return {voice: stretches for voice, stretches in voices.items() if stretches}


def echo(rng: np.random.Generator, seconds: float, direct: float) -> np.ndarray:
    """A room's answer to a click: decaying noise after a direct sound."""
    n = int(seconds * RATE)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail *= 0.35 / np.sqrt((tail**2).sum())
    tail[0] = direct
    return tail.astype(np.float32)


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Room noise of power 1: filtered hiss, sometimes with a hum or slow swells."""
    cut = rng.uniform(500, 7000)
    made = lfilter(*butter(int(rng.integers(1, 3)), cut / (RATE / 2)), rng.standard_normal(n))
    if rng.random() < 0.3:
        hum = rng.uniform(45, 220)
        made += np.std(made) * rng.uniform(0.3, 1.5) * np.sin(2 * np.pi * hum * np.arange(n) / RATE)
    if rng.random() < 0.3:
        made *= 1 + 0.7 * np.sin(2 * np.pi * np.arange(n) / RATE / rng.uniform(2, 20) + rng.uniform(0, 6))
    return (made / np.sqrt(np.mean(made**2))).astype(np.float32)


def moved(rng: np.random.Generator, samples: np.ndarray, variety: float) -> np.ndarray:
    """A stretch said a little higher or lower, louder or softer, and coloured otherwise.

    People move their heads and change their tone. Without that a network tells recordings apart, not voices.
    """
    pace = 1 + variety * rng.normal(0, 0.03)
    samples = np.interp(np.arange(0, len(samples) - 1, pace), np.arange(len(samples)), samples)
    hertz = np.array([0, 150, 300, 600, 1200, 2400, 4800, RATE / 2])
    gains = 10 ** (variety * np.cumsum(rng.normal(0, 1.5, len(hertz))) / 20)
    coloured = oaconvolve(samples, firwin2(129, hertz, gains, fs=RATE), mode="same")
    return (coloured * 10 ** (variety * rng.normal(0, 4) / 20) / np.median(gains)).astype(np.float32)


def talk(
    rng: np.random.Generator, voices: list[list[np.ndarray]], n: int, variety: float
) -> tuple[list[np.ndarray], np.ndarray]:
    """One track a person, and who is active in each row: turns, pauses, overlaps, backchannels."""
    people = len(voices)
    tracks = [np.zeros(n, np.float32) for _ in voices]
    active = np.zeros((n // ROW, people), bool)
    free = [0] * people
    share = rng.dirichlet(np.full(people, rng.uniform(0.8, 4.0)))
    answers, overlap, pause = rng.uniform(0.05, 0.45), rng.normal(-0.15, 0.3), rng.uniform(0.3, 1.2)

    def say(who: int, at: int, longest: float) -> int:
        stretch = voices[who][int(rng.integers(len(voices[who])))]
        first = int(rng.integers(max(1, len(stretch) // 3))) if rng.random() < 0.5 else 0
        stretch = moved(rng, stretch[first : first + int(longest * RATE)], variety)
        at = max(at, free[who])
        if at + len(stretch) >= n:
            return 0
        tracks[who][at : at + len(stretch)] += stretch
        active[round(at / ROW) : round((at + len(stretch)) / ROW), who] = True
        free[who] = at + len(stretch) + int(0.05 * RATE)
        return len(stretch)

    time, who = int(rng.uniform(0, 2) * RATE), int(rng.integers(people))
    while time < n - RATE:
        for _ in range(int(rng.geometric(0.45))):
            start = max(time, free[who])
            length = say(who, start, rng.uniform(0.4, 6.0))
            if not length:
                break
            while people > 1 and rng.random() < answers:
                other = int(rng.choice([k for k in range(people) if k != who]))
                say(other, start + int(rng.uniform(0.1, 0.9) * length), rng.uniform(0.2, 0.9))
            time = start + length + int(rng.uniform(0.05, pause) * RATE)
        if people > 1:
            chances = share.copy()
            chances[who] = 0
            who = int(rng.choice(people, p=chances / chances.sum()))
        time = max(0, time + int(rng.normal(overlap, 0.5) * RATE))
        if rng.random() < 0.05:
            time += int(rng.uniform(1, 6) * RATE)
    return tracks, active


def record(rng: np.random.Generator, tracks: list[np.ndarray]) -> np.ndarray:
    """What one microphone in the room hears of the tracks."""
    n = len(tracks[0])
    room = rng.uniform(0.15, 0.8)
    heard = np.zeros(n, np.float32)
    spread = rng.uniform(1, 12)
    place = echo(rng, room, rng.uniform(0.2, 1.0))
    together = rng.random() < 0.4
    for track in tracks:
        near = 10 ** (rng.uniform(-spread, 3) / 20)
        answer = place if together else echo(rng, room, rng.uniform(0.2, 1.0))
        heard += near * oaconvolve(track, answer)[:n].astype(np.float32)
    heard += noise(rng, n) * np.sqrt(np.mean(heard**2)) * 10 ** (-rng.uniform(8, 35) / 20)
    if rng.random() < 0.25:
        heard = lfilter(*butter(4, rng.uniform(3000, 7000) / (RATE / 2)), heard).astype(np.float32)
    heard *= rng.uniform(0.02, 0.9) / np.abs(heard).max()
    if rng.random() < 0.1:
        heard = np.clip(heard * 3, -1, 1)
    return heard


def meeting(rng: np.random.Generator, voices: list[list[np.ndarray]]) -> dict[str, np.ndarray]:
    """One meeting's arrays, as the module says."""
    people = int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.03, 0.17, 0.25, 0.3, 0.15, 0.1]))
    chosen = rng.choice(len(voices), people, replace=False)
    speeds = rng.integers(len(SPEEDS), size=people)
    said = []
    for voice, speed in zip(chosen, speeds, strict=True):
        factor = SPEEDS[speed]
        said.append([soxr.resample(s, RATE * factor, RATE) if factor != 1 else s for s in voices[voice]])
    tracks, active = talk(rng, said, SECONDS * RATE, rng.uniform(0, 1.3))
    mel = log_mel(record(rng, tracks))
    speech = np.repeat(active.any(axis=1), 4)
    mel -= mel[speech].mean(axis=0)
    return {
        "mel": mel.astype(np.float16),
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
    parser.add_argument("--without", type=Path)
    options = parser.parse_args()
    without = set(options.without.read_text().split()) if options.without else set()
    voices = list(bank(options.speech, without).values())
    options.out.mkdir(parents=True, exist_ok=True)
    print(len(voices), "voices", flush=True)
    for i in range(options.count):
        rng = np.random.default_rng([options.seed, i])
        part = options.out / f"{i:04}.part"
        with part.open("wb") as file:
            np.savez(file, **meeting(rng, voices))
        part.rename(options.out / f"{i:04}.npz")


if __name__ == "__main__":
    main()
