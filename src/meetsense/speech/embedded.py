"""The diarizer ``embedded``: a small network that the project trained, run by onnxruntime.

No download, no token, no torch. The network turns sound into features that tell voices apart, and says how
many people speak at once. Stretches of one person are told apart by :mod:`meetsense.speech.clustering`; where
two speak at once the one who fits second best is the other. What it was trained on and what it reaches stands
in ``models/embedded-diarizer/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.errors import EngineError
from meetsense.speech import Progress, clustering, default_threads, silent_progress
from meetsense.speech.directory import revision
from meetsense.speech.features import HOP, MELS, log_mel
from meetsense.values import Audio, Diarization, Span, SpeakerRange, Turn, quantise, until

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FILES = ("trunk.onnx", "backend.npz")
ROW_FRAMES = 4
ROW_SECONDS = 0.04
"""The network's step."""
CHUNK_ROWS = 1500
"""Rows worked on at once: a minute."""
MARGIN_ROWS = 50
"""Rows beside a chunk that the network may look at: 2 s."""
NOBODY, NOBODY_CLEAR = 0.8, 0.5
"""Chance that nobody speaks, over NOBODY_ROWS, above which a row is no speech after all; the second where the
network hears silence around most speech, as in a quiet room: there it can tell."""
EDGE_SECONDS = 0.3
"""How far inside a span of speech its edge reaches: voice activity detectors pad what they find."""
NOBODY_ROWS = 5
ALONE = 0.4
"""Chance that exactly one person speaks, above which a row tells what somebody sounds like."""
TOGETHER = 0.5
"""Chance that several people speak, above which a second one is named."""
LONG_ROWS, LONG_STEP = 40, 10
"""Stretches that tell people apart: 1.6 s, every 0.4 s."""
SHORT_ROWS, SHORT_STEP = 25, 2
"""Stretches that tell when they speak: 1 s, every 80 ms."""
SHORT_EVIDENCE, SHORT_STAYS = 0.1, 0.99
"""As EVIDENCE and STAYS of the clustering, for short stretches."""
LEAST_SHARE = 0.25
"""Part of a stretch that has to be speech."""
FEW_SECONDS = 3.0
"""Somebody who is heard for less isn't counted, unless the number of people asks for it."""
FILL_ROWS = 5
"""A silence inside a turn is filled, and a turn left out, when it is shorter: 0.2 s."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What the network made of a recording."""

    features: NDArray[np.float16]
    """Shape (rows, d): the trunk's, and the mean log-mel of the row."""
    count: Floats
    """Shape (rows, 3): chance that nobody, one, several people speak."""
    speech: Bools
    """Shape (rows,): where somebody speaks."""


class EmbeddedDiarizer:
    """Who spoke when, from a directory with the network. Raises EngineError when it can't be loaded."""

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise EngineError(f"{folder}: not the embedded diarizer, it lacks {', '.join(missing)}")
        self._trunk = _session(folder / "trunk.onnx", threads or default_threads())
        self._projection, self._between = _backend(folder / "backend.npz")
        self._name = f"embedded@{revision(*(folder / name for name in FILES))}"

    @property
    def name(self) -> str:
        """``embedded@revision``."""
        return self._name

    @property
    def sees_overlap(self) -> bool:
        """True: turns of different people may overlap."""
        return True

    def diarize(
        self,
        audio: Audio,
        speech: tuple[Span, ...],
        speakers: SpeakerRange,
        /,
        *,
        progress: Progress = silent_progress,
    ) -> Diarization:
        """Turns of the speech, labelled S1, S2, … as they first speak. Raises EngineError."""
        try:
            heard = self._listen(audio, speech, progress)
        except RuntimeError as error:
            raise EngineError(f"the embedded diarizer failed ({error})") from error
        if not heard.speech.any():
            return Diarization(sees_overlap=True)
        return turns_of(*self._who(heard, speakers), heard, audio.duration)

    def _listen(self, audio: Audio, speech: tuple[Span, ...], progress: Progress) -> Heard:
        rows = -(-len(audio.samples) // HOP // ROW_FRAMES)
        spoken = rows_of(speech, rows)
        features = np.zeros((rows, len(self._projection) // 2), np.float16)
        count = np.zeros((rows, 3), np.float32)
        level = _level(audio, spoken)
        for chunk, wide in chunks(rows):
            if not spoken[chunk].any():
                continue
            mel = log_mel(sound(audio, wide)) - level
            mel = np.pad(mel, ((0, (wide.stop - wide.start) * ROW_FRAMES - len(mel)), (0, 0)))
            made, chances = self._trunk.run(None, {"mel": mel[None]})
            inside = slice(chunk.start - wide.start, chunk.stop - wide.start)
            slow = mel.reshape(-1, ROW_FRAMES, MELS).mean(axis=1)
            features[chunk] = np.concatenate((made, slow), axis=1)[inside]
            count[chunk] = chances[inside]
            progress(chunk.stop / rows)
        said = spoken & ~silent(count[:, 0], speech, spoken)
        return Heard(features, count, said if said.any() else spoken)

    def _who(self, heard: Heard, speakers: SpeakerRange) -> tuple[Ints, NDArray[np.float64]]:
        """Who speaks if one person does, (rows,), and how well each would fit, (rows, people)."""
        alone = heard.speech & (heard.count[:, 1] > ALONE) & (heard.count[:, 0] < 0.5)
        vectors, at = self._stretches(heard, alone, LONG_ROWS, LONG_STEP)
        if not len(vectors):
            return np.zeros(len(heard.speech), np.int64), np.zeros((len(heard.speech), 1))
        middle = vectors.mean(axis=0)
        least = round(FEW_SECONDS / (LONG_STEP * ROW_SECONDS))
        labels = clustering.tell_apart(vectors - middle, self._between, speakers, least)
        count = int(labels.max()) + 1
        people = clustering.model(np.eye(count)[labels], vectors - middle, self._between)
        short, when = self._stretches(heard, heard.speech, SHORT_ROWS, SHORT_STEP)
        if count == 1 or not len(short):
            return nearest(labels, at, len(heard.speech)), np.zeros((len(heard.speech), count))
        scores = clustering.log_likelihood(short - middle, self._between, people)
        even = np.full(count, 1 / count)
        chances, _, _ = clustering.smooth(SHORT_EVIDENCE * scores, even, SHORT_STAYS)
        who = nearest(chances.argmax(axis=1), when, len(heard.speech))
        for lost in set(range(count)) - set(who[heard.speech].tolist()):
            for row in at[labels == lost]:
                who[row - LONG_STEP // 2 : row + LONG_STEP // 2] = lost
        return who, nearest(scores, when, len(heard.speech))

    def _stretches(
        self, heard: Heard, used: Bools, length: int, step: int
    ) -> tuple[NDArray[np.float64], Ints]:
        """Whitened mean and spread of stretches, (n, d), and the rows at their middle, (n,)."""
        made = [
            (stretches @ self._projection, at)
            for stretches, at in windows(heard.features, used, length, step)
        ]
        return np.concatenate([m for m, _ in made]), np.concatenate([at for _, at in made])


def _session(file: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for every way a file can be damaged
        raise EngineError(f"{file}: cannot be loaded ({error})") from error


def _backend(file: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The projection that whitens, (2 features, d), and the spread of people in it, (d,)."""
    try:
        with np.load(file, allow_pickle=False) as held:
            return held["projection"].astype(np.float64), held["between"].astype(np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(f"{file}: cannot be loaded ({error})") from error


def sound(audio: Audio, rows: slice) -> Floats:
    """Samples of rows, as far as the recording goes."""
    step = HOP * ROW_FRAMES
    return np.asarray(audio.samples[rows.start * step : rows.stop * step])


def chunks(rows: int) -> Iterator[tuple[slice, slice]]:
    """Stretches of a minute that cover all rows, and each with a margin beside it."""
    for start in range(0, rows, CHUNK_ROWS):
        stop = min(rows, start + CHUNK_ROWS)
        yield slice(start, stop), slice(max(0, start - MARGIN_ROWS), min(rows, stop + MARGIN_ROWS))


def rows_of(spans: tuple[Span, ...], rows: int) -> Bools:
    """Which rows lie in one of the spans: shape (rows,)."""
    inside = np.zeros(rows, np.bool_)
    for span in spans:
        first = round(span.start / ROW_SECONDS)
        inside[first : max(first + 1, round(span.end / ROW_SECONDS))] = True
    return inside


def silent(nobody: Floats, speech: tuple[Span, ...], spoken: Bools) -> Bools:
    """Which rows the network takes for silence, from the chance that nobody speaks: shape (rows,)."""
    chance = moving_mean(nobody, NOBODY_ROWS)
    inner = tuple(
        Span(s.start + EDGE_SECONDS, s.end - EDGE_SECONDS) for s in speech if s.duration > 2 * EDGE_SECONDS
    )
    edges = spoken & ~rows_of(inner, len(spoken))
    clear = bool(edges.any()) and (chance[edges] > NOBODY_CLEAR).mean() > 0.5
    return np.asarray(chance > (NOBODY_CLEAR if clear else NOBODY))


def _level(audio: Audio, spoken: Bools) -> Floats:
    """Mean log-mel over speech, shape (64,), from ten seconds of every minute."""
    total, n = np.zeros(MELS, np.float64), 0
    for chunk, _ in chunks(len(spoken)):
        said = np.flatnonzero(spoken[chunk])
        if len(said):
            first = chunk.start + int(said[0])
            mel = log_mel(sound(audio, slice(first, first + CHUNK_ROWS // 6)))
            used = np.repeat(spoken[first : first + CHUNK_ROWS // 6], ROW_FRAMES)[: len(mel)]
            total, n = total + mel[used].sum(axis=0, dtype=np.float64), n + int(used.sum())
    return np.asarray(total / max(n, 1), np.float32)


def moving_mean(values: Floats, width: int) -> Floats:
    """Mean over so many neighbours, an odd number; the ends repeat themselves: shape (n,)."""
    padded = np.pad(values.astype(np.float64), width // 2, mode="edge") if len(values) else values
    running = np.concatenate(([0.0], np.cumsum(padded)))
    return np.asarray((running[width:] - running[:-width]) / width, np.float32)


def windows(
    features: NDArray[np.float16], used: Bools, length: int, step: int
) -> Iterator[tuple[NDArray[np.float64], Ints]]:
    """Mean and spread of the used rows of stretches, (n, 2 d), and the rows at their middle, a minute at a
    time.

    A stretch counts when a quarter of it is used. A recording that is shorter than a stretch is one stretch.
    """
    rows = len(used)
    for start in range(0, max(1, rows - length + 1), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS + length)
        own = used[part].astype(np.float64)
        wide = features[part].astype(np.float64)
        sums = np.concatenate((wide * own[:, None], wide**2 * own[:, None], own[:, None]), axis=1)
        running = np.concatenate((np.zeros((1, sums.shape[1])), np.cumsum(sums, axis=0)))
        first = np.arange(0, max(1, min(CHUNK_ROWS, len(own) - length + 1)), step)
        made = running[np.minimum(first + length, len(own))] - running[first]
        enough = made[:, -1] >= LEAST_SHARE * length
        made = made[enough] / made[enough, -1:]
        mean, square = np.split(made[:, :-1], 2, axis=1)
        spread = np.sqrt(np.maximum(square - mean**2, 1e-5))
        yield np.concatenate((mean, spread), axis=1), start + first[enough] + length // 2


def nearest(values: NDArray[Any], at: Ints, rows: int) -> NDArray[Any]:
    """The value of the stretch whose middle is nearest to each row: (n, …) to (rows, …)."""
    edges = (at[1:] + at[:-1]) / 2
    return np.asarray(values[np.searchsorted(edges, np.arange(rows))])


def runs(active: Bools) -> list[tuple[int, int]]:
    """First and end row of every run of True.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.diff(np.concatenate(([0], active.astype(np.int8), [0])))
    return list(zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True))


def smoothed(active: Bools) -> Bools:
    """Without silences and then without turns that are shorter than 0.2 s."""
    smooth = np.array(active)
    for (_, end), (start, _) in pairwise(runs(active)):
        if start - end < FILL_ROWS:
            smooth[end:start] = True
    for start, end in runs(smooth):
        if end - start < FILL_ROWS:
            smooth[start:end] = False
    return smooth


def turns_of(who: Ints, scores: NDArray[np.float64], heard: Heard, duration: float) -> Diarization:
    """Turns: in every row of speech the one person who fits best, and where several speak the second best."""
    count = scores.shape[1]
    first = np.zeros((len(who), count), np.bool_)
    first[np.arange(len(who)), who] = heard.speech
    second = np.zeros_like(first)
    if count > 1:
        others = np.where(np.arange(count) == who[:, None], -np.inf, scores)
        second[np.arange(len(who)), others.argmax(axis=1)] = heard.speech & (heard.count[:, 2] > TOGETHER)
    active = [smoothed(own | other) | own for own, other in zip(first.T, second.T, strict=True)]
    order = sorted((p for p in range(count) if active[p].any()), key=lambda p: runs(active[p])[0])
    return Diarization(
        turns=_turns([active[p] for p in order], duration),
        exclusive=_turns([first[:, p] for p in order], duration),
        sees_overlap=True,
    )


def _turns(columns: list[Bools], duration: float) -> tuple[Turn, ...]:
    made = []
    for i, column in enumerate(columns, 1):
        for start, end in runs(column):
            span = Span(quantise(start * ROW_SECONDS), until(end * ROW_SECONDS, duration))
            if span.duration > 0:
                made.append(Turn(span, f"S{i}"))
    return tuple(sorted(made, key=lambda turn: (turn.span, turn.speaker)))
