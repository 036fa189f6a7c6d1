"""The training data: espeak-ng reads the grammar, and windows are put together from what it read.

    python data.py FOLDER

reads the sentences aloud and leaves ``mel.npy`` (frames, 80; log10 of the mel power of the dry speech,
float16) and ``utterances.jsonl`` in FOLDER. :class:`Windows` then mixes windows as faster-whisper cuts them
out of a long recording: several sentences by several voices, beginning and ending anywhere, some overlapped,
with echo, noise, other microphones and other throats. Echo is added to the mel power: an exponential tail.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espeak import RATE, Espeak, Speech, Voice
from faster_whisper.feature_extractor import FeatureExtractor
from grammar import SEED, meeting_sentences, training_sentences, words
from network import PHONEMES
from numpy.typing import NDArray
from scipy.signal import lfilter
from tokenizer import END, NO_SPEECH, NO_TIMESTAMPS, PREVIOUS, START
from tokenizers import Tokenizer
from torch import Tensor

# fmt: off
VARIANTS = (
    "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f2", "+f3", "+f4", "+adam", "+Alex",
    "+Andrea", "+Andy", "+Annie", "+antonio", "+belinda", "+benjamin", "+boris", "+caleb", "+david",
    "+Denis", "+ed", "+edward", "+Gene", "+grandma", "+grandpa", "+Henrique", "+Hugo", "+iven", "+Jacky",
    "+john", "+Lee", "+linda", "+Marco", "+Mario", "+max", "+Michael", "+miguel", "+Mike", "+pablo",
    "+paul", "+pedro", "+quincy", "+rob", "+robert", "+sandro", "+shelby", "+travis", "+victor", "+zac",
    "+anika", "+klatt", "+klatt2", "+klatt4",
)
# fmt: on
BASES = ("gmw/en-US", "gmw/en")
ACCENTS = ("gmw/en-GB-scotland", "gmw/en-029", "gmw/en-US-nyc", "gmw/en-GB-x-gbclan", "gmw/en-GB-x-gbcwmd")
ACCENT_VARIANTS = ("", "+m3", "+m7", "+f2", "+f4")
TRAINING_VOICES = [base + variant for base in BASES for variant in VARIANTS] + [
    base + variant for base in ACCENTS for variant in ACCENT_VARIANTS
]
UNSEEN_VOICES = ("gmw/en-GB-x-rp+f5", "gmw/en-US+m8", "gmw/en+steph")
"""Variants, and in the first the accent too, that no training voice has."""
SPEEDS, PITCHES, MELODIES = (138, 192), (10, 85), (25, 75)

CHUNK = 250
HOP, FFT = 160, 400
FRAMES_A_SECOND = RATE // HOP
MELS = 80
FLOOR = 1e-10
WINDOW_SECONDS = 10.0
SHORT_SECONDS = 5.0

FAVOURED = ("", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4")
"""Variants that later stages hear three times as often."""
MEETING_VOICES = ("gmw/en-US+f2", "gmw/en-US+m3", "gmw/en+f4", "gmw/en-GB-scotland+m7")
"""Those of the bundled meeting: voices of the training like others, until the last stage."""

Power = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Conditions:
    """How hard it is to hear. Pairs are ranges, or a share of sentences (or windows) and a spread."""

    throats: float
    """Share of sentences whose frequencies are stretched."""
    distances: tuple[float, float]
    """Sentences through a microphone of their own, and its spread in log10 of power."""
    microphones: tuple[float, float]
    """Windows through another microphone, and its spread."""
    echoes: float
    """Share of sentences with echo."""
    echo_seconds: tuple[float, float]
    echo_energy: tuple[float, float]
    noise: tuple[float, float]
    """dB below the speech."""
    short: tuple[float, float]
    """Share of short windows in the first 30 % of the time, and after."""
    prompts: tuple[float, float]
    """Share of batches with a prompt of what was said before, likewise."""
    favour: int
    """How often the voices of FAVOURED count."""
    favour_meeting: int
    """How often those of the bundled meeting count."""
    listeners: float
    """Share of sentences during which somebody else says a word, which is not to be written down."""
    early: float
    """Share of sentences that begin before the one before has ended."""


FIRST = Conditions(
    throats=0.3,
    distances=(0.3, 0.25),
    microphones=(0.4, 0.35),
    echoes=0.75,
    echo_seconds=(0.1, 0.5),
    echo_energy=(0.03, 0.5),
    noise=(14, 45),
    short=(0.85, 0.08),
    prompts=(0.0, 0.08),
    favour=1,
    favour_meeting=1,
    listeners=0.22,
    early=0.12,
)
SECOND = Conditions(
    throats=0.08,
    distances=(0.1, 0.2),
    microphones=(0.2, 0.25),
    echoes=0.65,
    echo_seconds=(0.1, 0.45),
    echo_energy=(0.03, 0.45),
    noise=(18, 45),
    short=(0.08, 0.08),
    prompts=(0.06, 0.06),
    favour=3,
    favour_meeting=3,
    listeners=0.22,
    early=0.12,
)
THIRD = replace(SECOND, favour_meeting=16, listeners=0.32, early=0.18)
FOURTH = replace(THIRD, favour_meeting=8)


def log_mel_power(samples: NDArray[np.float32]) -> NDArray[np.float16]:
    """log10 of the mel power as faster-whisper computes it, before its scaling: (frames, 80)."""
    filters = torch.tensor(FeatureExtractor(MELS).mel_filters)
    padded = torch.from_numpy(np.concatenate([samples, np.zeros(HOP, np.float32)]))
    spectrum = torch.stft(
        padded, FFT, HOP, window=torch.hann_window(FFT), center=True, pad_mode="constant", return_complex=True
    )
    power = filters @ spectrum.abs() ** 2
    return power.clamp(min=FLOOR).log10().T.numpy().astype(np.float16)


def read_aloud(job: tuple[int, list[str]]) -> list[tuple[dict[str, Any], NDArray[np.float16]]]:
    """Read some sentences, each in a voice drawn at random."""
    seed, sentences = job
    torch.set_num_threads(1)
    espeak, draw = Espeak(), random.Random(seed)
    read = []
    for text in sentences:
        voice = Voice(
            draw.choice(TRAINING_VOICES),
            draw.randint(*SPEEDS),
            draw.randint(*PITCHES),
            draw.randint(*MELODIES),
        )
        try:
            speech = espeak.say(text, voice)
        except ValueError:
            continue
        samples = speech.samples * (0.08 / float(np.sqrt(np.mean(speech.samples**2))))
        read.append((_row(speech, voice), log_mel_power(samples)))
    return read


def _row(speech: Speech, voice: Voice) -> dict[str, Any]:
    return {
        "text": speech.text,
        "voice": voice.name,
        "seconds": round(speech.duration, 4),
        "starts": [round(start, 3) for start in speech.starts],
        "phonemes": [(name, round(at, 3)) for name, at in speech.phonemes],
    }


def synthesise(folder: Path, processes: int = 2) -> None:
    """Make the training set. Asserts that no sentence of the bundled meeting is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    sentences = training_sentences()
    assert not {words(text) for text in sentences} & meeting_sentences()
    jobs = [
        (SEED + position, sentences[position : position + CHUNK])
        for position in range(0, len(sentences), CHUNK)
    ]
    mels, total = [], 0
    with (
        multiprocessing.Pool(processes) as pool,
        (folder / "utterances.jsonl").open("w") as index,
    ):
        for read in pool.imap(read_aloud, jobs):
            for row, mel in read:
                index.write(json.dumps({**row, "first": total, "frames": len(mel)}) + "\n")
                mels.append(mel)
                total += len(mel)
    np.save(folder / "mel.npy", np.concatenate(mels))
    print(f"{len(mels)} utterances, {total / FRAMES_A_SECOND / 3600:.2f} h", flush=True)


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One sentence of the training set, encoded."""

    ids: list[int]
    word: list[int]
    """The word that each token belongs to."""
    starts: list[float]
    """Seconds; one more than there are words, the last is the end."""
    phonemes: list[tuple[int, float]]
    first: int
    frames: int

    @property
    def seconds(self) -> float:
        """Length."""
        return self.starts[-1]


@dataclass(frozen=True, slots=True)
class Row:
    """What one sentence adds to the target: a start, tokens with the time of their word, an end."""

    start: float
    tokens: list[tuple[int, tuple[float, float]]]
    end: float | None
    """None where the window ends before the sentence."""


Target = tuple[int, tuple[float, float] | None]
"""A token and the seconds of its word, where it has one."""


class Corpus:
    """The training set in memory."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, conditions: Conditions) -> None:
        self.mel: NDArray[np.float16] = np.load(folder / "mel.npy", mmap_mode="r")
        rows = [json.loads(line) for line in (folder / "utterances.jsonl").open()]
        counts = Counter(name for row in rows for name, _ in row["phonemes"] if not name.startswith("_"))
        known = {name: position + 1 for position, (name, _) in enumerate(counts.most_common(PHONEMES - 2))}
        self.utterances: list[Utterance] = []
        for row in rows:
            times = conditions.favour if row["voice"].partition("+")[2] in FAVOURED else 1
            times = conditions.favour_meeting if row["voice"] in MEETING_VOICES else times
            self.utterances += [self._utterance(row, tokenizer, known)] * times
        self.short = [utterance for utterance in self.utterances if len(utterance.starts) <= 3]

    @staticmethod
    def _utterance(row: dict[str, Any], tokenizer: Tokenizer, known: dict[str, int]) -> Utterance:
        encoded = tokenizer.encode(f" {row['text']}", add_special_tokens=False)
        word, place = [], -1
        for token in encoded.tokens:
            place += token.startswith("Ġ")
            word.append(place)
        phonemes = [(known.get(name, 0), at) for name, at in row["phonemes"]]
        starts = [*row["starts"], row["seconds"]]
        return Utterance(encoded.ids, word, starts, phonemes, row["first"], row["frames"])

    def power(self, utterance: Utterance, warp: NDArray[np.float32] | None) -> Power:
        """Mel power (80, frames) of the dry speech, in another throat if ``warp`` says so."""
        log = self.mel[utterance.first : utterance.first + utterance.frames].astype(np.float32).T
        return np.asarray(10.0 ** (log if warp is None else warp @ log), dtype=np.float32)


def throats(count: int = 17, spread: float = 0.06) -> list[NDArray[np.float32]]:
    """Matrices (80, 80) that stretch the frequencies of a log mel spectrum by up to ``spread``."""
    edge = 2595 * math.log10(1 + 8000 / 700)
    mel = np.arange(1, MELS + 1) * edge / (MELS + 1)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    matrices = []
    for factor in np.linspace(1 - spread, 1 + spread, count):
        source = np.clip(2595 * np.log10(1 + hertz * factor / 700) / edge * (MELS + 1) - 1, 0, MELS - 1)
        low = np.minimum(source.astype(int), MELS - 2)
        matrix = np.zeros((MELS, MELS), np.float32)
        matrix[np.arange(MELS), low] = 1 - (source - low)
        matrix[np.arange(MELS), low + 1] = source - low
        matrices.append(matrix)
    return matrices


class Windows(torch.utils.data.IterableDataset[tuple[Tensor, ...]]):
    """Batches without end: mel, phonemes, tokens in, tokens out, and the seconds each token attends to.

    ``until``: seconds (of ``time.monotonic``) at which training starts and ends; windows are short at first.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        conditions: Conditions,
        batch: int,
        seed: int,
        until: tuple[float, float],
    ) -> None:
        self._corpus, self._conditions, self._batch = corpus, conditions, batch
        self._seed, self._until = seed, until
        names = (END, START, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS)
        self._end, self._start, self._previous, self._no_speech, self._no_times = (
            tokenizer.token_to_id(name) for name in names
        )
        self._zero = self._no_times + 1

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        torch.set_num_threads(1)
        self._draw, self._numbers = random.Random(self._seed), np.random.default_rng(self._seed)
        self._flutter = self._numbers.standard_gamma(2.0, (MELS, 8000), dtype=np.float32) / 2
        self._throats, self._noises = throats(), self._make_noises()
        while True:
            done = (time.monotonic() - self._until[0]) / (self._until[1] - self._until[0])
            late = done > 0.3
            short = self._draw.random() < self._conditions.short[late]
            size = self._batch * 2 if short else self._batch
            seconds = SHORT_SECONDS if short else WINDOW_SECONDS
            previous = self._draw.random() < self._conditions.prompts[late]
            yield self._collate([self._window(seconds) for _ in range(size)], previous)

    # Sound

    def _make_noises(self) -> list[Power]:
        """Mel powers (80, frames) of 40 s each: white, softer, rumbling, and other people talking."""
        noises = []
        for kind in range(6):
            noise = self._numbers.standard_normal(RATE * 40)
            if kind in (1, 2):
                noise = np.convolve(noise, np.ones(8 * kind) / 8, "same")
            if kind in (3, 4):
                noise = lfilter([1], [1, -0.8 - 0.05 * kind], noise)
            power = np.asarray(10.0 ** log_mel_power(noise.astype(np.float32)).astype(np.float32).T)
            if kind == 5:
                power *= 1e-4
                for _ in range(120):
                    speech = self._corpus.power(self._draw.choice(self._corpus.utterances), None)
                    first = self._draw.randrange(power.shape[1] - speech.shape[1])
                    power[:, first : first + speech.shape[1]] += speech
            noises.append(power.astype(np.float32))
        return noises

    def _microphone(self, spread: float) -> NDArray[np.float32]:
        """A smooth random gain over the mel bands: (80, 1)."""
        bands = np.linspace(0, 1, MELS)
        order = np.arange(1, 4)[:, None]
        waves = self._numbers.normal(0, spread / (order + 1)) * np.cos(np.pi * order * bands)
        return np.asarray(10.0 ** waves.sum(0)[:, None], dtype=np.float32)

    def _heard(self, utterance: Utterance, level: float, frames: int) -> Power:
        """The power of one sentence in a room: (80, at most ``frames``)."""
        draw, conditions = self._draw, self._conditions
        warp = draw.choice(self._throats) if draw.random() < conditions.throats else None
        power = self._corpus.power(utterance, warp) * level
        if draw.random() < conditions.distances[0]:
            power *= self._microphone(conditions.distances[1])
        if draw.random() < conditions.echoes:
            power = self._echo(
                power, draw.uniform(*conditions.echo_seconds), draw.uniform(*conditions.echo_energy)
            )
        return power[:, :frames]

    def _echo(self, power: Power, seconds: float, energy: float) -> Power:
        """The power with an echo that falls by 60 dB in so many seconds; ``energy``: beside the direct."""
        keep = math.exp(-math.log(1e6) / FRAMES_A_SECOND / seconds)
        tail = np.zeros((MELS, int(seconds * FRAMES_A_SECOND)), np.float32)
        long = np.concatenate([power, tail], 1)
        echo = lfilter([0, energy * (1 - keep)], [1, -keep], long, axis=1).astype(np.float32)
        first = self._draw.randrange(self._flutter.shape[1] - echo.shape[1])
        echo *= self._flutter[:, first : first + echo.shape[1]]
        mixed: Power = long + echo
        return mixed

    # Windows

    def _window(self, seconds: float) -> tuple[Tensor, Tensor, bool, list[Target]]:
        draw, frames = self._draw, round(seconds * FRAMES_A_SECOND)
        power = np.zeros((MELS, frames), np.float32)
        phonemes = np.zeros(frames // 2, np.int64)
        rows, end = self._fill(power, phonemes, seconds)
        kept = max(10, int(end * FRAMES_A_SECOND))
        share, spread = self._conditions.microphones
        if draw.random() < share:
            power *= self._microphone(spread)
        if draw.random() < 0.92:
            noise = draw.choice(self._noises)
            first = draw.randrange(noise.shape[1] - frames)
            piece = noise[:, first : first + frames]
            loud = max(float(power[:, :kept].sum(0).mean()), 1e-2)
            power += piece * (
                loud / float(piece.sum(0).mean()) * 10 ** (-draw.uniform(*self._conditions.noise) / 10)
            )
        log = np.log10(np.maximum(power[:, :kept], FLOOR))
        log = np.maximum(log, log.max() + draw.choice([0.0, draw.uniform(0, 0.8)]) - 8)
        mel = np.zeros((MELS, frames), np.float32)
        mel[:, :kept] = (log + 4) / 4
        phonemes[int(end * 50) + 1 :] = 0
        timed = draw.random() < 0.82 or not rows
        return torch.from_numpy(mel), torch.from_numpy(phonemes), timed, self._target(rows, timed, seconds)

    def _fill(self, power: Power, phonemes: NDArray[np.int64], seconds: float) -> tuple[list[Row], float]:
        """Put sentences into a window. Returns what is said and where the sound ends."""
        draw = self._draw
        if draw.random() < 0.03:
            return [], draw.choice([seconds, draw.uniform(1, seconds)])
        full = draw.random() < 0.88
        left = 99 if full else draw.choice([1, 1, 2])
        level = draw.uniform(0.3, 1)
        at, rows, end = self._opening(power, level), [], 0.0
        while left:
            utterance = draw.choice(self._corpus.utterances)
            if not rows and utterance.seconds > seconds - max(at, 0.0) - 0.2:
                continue
            if at > seconds - 0.1:
                break
            at = round(at, 2)
            self._add(power, utterance, at, level * 10 ** draw.uniform(-0.5, 0.3))
            self._mark(phonemes, utterance, at)
            rows.append(self._row(utterance, at, 0, seconds))
            end = at + utterance.seconds
            if rows[-1].end is None:
                return rows, seconds
            if draw.random() < self._conditions.listeners:
                listener = draw.choice(self._corpus.short)
                inside = at + draw.uniform(0.1, 0.9) * max(0.1, utterance.seconds - listener.seconds)
                self._add(power, listener, round(inside, 2), level * 10 ** draw.uniform(-0.9, 0.1))
            at = end + self._pause()
            left -= 1
        return rows, seconds if full else min(seconds, end + draw.uniform(0, 0.5))

    def _opening(self, power: Power, level: float) -> float:
        """Where the first sentence begins; a window may open with the end of the sentence before."""
        draw = self._draw
        kind = draw.random()
        if kind < 0.1:
            return -draw.uniform(0, 0.07)
        if kind < 0.4:
            return draw.uniform(0, 0.3)
        if kind < 0.62:
            return draw.uniform(0.2, 0.95)
        if kind < 0.7:
            return draw.uniform(0.9, 2.2)
        before = draw.choice(self._corpus.utterances)
        tail = min(draw.uniform(0.02, 0.3), 0.6 * (before.starts[-1] - before.starts[-2]))
        self._add(power, before, round(tail - before.seconds, 2), level)
        return tail + draw.uniform(0.05, 0.7)

    def _pause(self) -> float:
        """Seconds until the next sentence; below 0 it begins before this one ends."""
        kind = self._draw.random()
        if kind < self._conditions.early:
            return -self._draw.uniform(0.1, 0.8)
        if kind < 0.45:
            return self._draw.uniform(0.03, 0.35)
        return self._draw.uniform(0.2, 1.0) if kind < 0.93 else self._draw.uniform(1.0, 2.3)

    def _add(self, power: Power, utterance: Utterance, at: float, level: float) -> None:
        first = round(at * FRAMES_A_SECOND)
        heard = self._heard(utterance, level, power.shape[1] - first)
        if first < 0:
            heard, first = heard[:, -first:], 0
        power[:, first : first + heard.shape[1]] += heard

    def _mark(self, phonemes: NDArray[np.int64], utterance: Utterance, at: float) -> None:
        ends = [begin for _, begin in utterance.phonemes[1:]] + [utterance.seconds]
        for (name, begin), until in zip(utterance.phonemes, ends, strict=True):
            phonemes[max(0, int((at + begin) * 50)) : max(0, int((at + until) * 50))] = name

    @staticmethod
    def _row(utterance: Utterance, at: float, first: int, seconds: float) -> Row:
        spans = [(at + utterance.starts[word], at + utterance.starts[word + 1]) for word in utterance.word]
        tokens = list(zip(utterance.ids, spans, strict=True))[first:]
        end = at + utterance.seconds
        if end <= seconds:
            return Row(at, tokens, end)
        return Row(at, [token for token in tokens if token[1][1] <= seconds], None)

    def _time(self, at: float, seconds: float) -> int:
        """The timestamp token, in steps of 0.1 s."""
        return self._zero + 5 * max(0, min(round(10 * seconds), round(at * 10)))

    def _target(self, rows: list[Row], timed: bool, seconds: float) -> list[Target]:
        if not rows:
            return [(self._no_speech, None), (self._end, None)]
        target: list[Target] = []
        earliest = 0.0
        for position, row in enumerate(rows):
            # Whisper may not open a window with a time above 1 s, nor go back in time.
            start = min(row.start, 1.0) if position == 0 else max(row.start, earliest)
            if timed:
                target.append((self._time(start, seconds), (row.start - 0.06, row.start + 0.12)))
            if row.end is not None or not timed:
                target += row.tokens
            if row.end is not None and timed:
                target.append((self._time(row.end, seconds), (row.end - 0.12, row.end + 0.06)))
                earliest = row.end
        last = rows[-1].end
        return [*target, (self._end, (last - 0.06, last + 0.14) if last is not None else None)]

    def _history(self) -> list[int]:
        """A prompt of what was said before: unrelated sentences with their times."""
        length = self._draw.randint(5, 120)
        said: list[int] = []
        while len(said) < length:
            start = 5 * self._draw.randint(0, 90)
            end = min(500, start + 5 * self._draw.randint(10, 50))
            said += [self._zero + start, *self._draw.choice(self._corpus.utterances).ids, self._zero + end]
        return [self._previous, *said[-length:]]

    def _collate(
        self, windows: list[tuple[Tensor, Tensor, bool, list[Target]]], previous: bool
    ) -> tuple[Tensor, ...]:
        sequences = []
        for _, _, timed, target in windows:
            history = self._history() if previous else []
            sequences.append((history + [self._start] + ([] if timed else [self._no_times]), target))
        length = max(len(prefix) + len(target) for prefix, target in sequences) - 1
        inputs = torch.full((len(windows), length), self._end)
        outputs = torch.full((len(windows), length), -100)
        spans = torch.full((len(windows), length, 2), -1.0)
        for i, (prefix, target) in enumerate(sequences):
            tokens = prefix + [token for token, _ in target]
            inputs[i, : len(tokens) - 1] = torch.tensor(tokens[:-1])
            for j, (token, span) in enumerate(target, len(prefix) - 1):
                outputs[i, j] = token
                if span:
                    spans[i, j] = torch.tensor(span)
        mel = torch.stack([window[0] for window in windows])
        return mel, torch.stack([window[1] for window in windows]), inputs, outputs, spans


if __name__ == "__main__":
    synthesise(Path(sys.argv[1]))
