"""Run by the peer's interpreter: recordings and their speech as JSON on stdin, turns as JSON on stdout.

Voiceprints of 1.6 s every quarter of a second (Wan et al. 2018, as Resemblyzer ships it), clustered by
cosine distance with average linkage or by Ward's criterion on the unit sphere.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import resemblyzer
import soundfile
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

RATE = 4
"""Voiceprints a second."""
THRESHOLDS = {
    "average": [round(0.10 + 0.025 * i, 3) for i in range(19)],
    "ward": [round(1.0 * 1.25**i, 2) for i in range(16)],
}
"""Where clustering may stop: cosine distance; Ward distance on unit vectors."""
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Turns = list[tuple[float, float, int]]


def voiceprints(encoder: resemblyzer.VoiceEncoder, path: str) -> tuple[Floats, Floats]:
    """Middles (n,) in seconds and unit voiceprints (n, 256) of a 16 kHz recording."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == resemblyzer.sampling_rate
    loud = resemblyzer.normalize_volume(samples, -30, increase_only=True)
    _, prints, slices = encoder.embed_utterance(loud, return_partials=True, rate=RATE)
    middles = np.array([(part.start + part.stop) / 2 / rate for part in slices])
    return middles, np.asarray(prints, dtype=np.float64)


def cluster(prints: Floats, linkage: str, *, threshold: float | None, voices: int | None) -> Labels:
    """Labels (n,) of voiceprints, cut at a distance or at a number of clusters."""
    metric = "cosine" if linkage == "average" else "euclidean"
    found = AgglomerativeClustering(
        n_clusters=voices, distance_threshold=threshold, metric=metric, linkage=linkage
    )
    labels: Labels = found.fit_predict(prints)
    return labels


def turns(middles: Floats, labels: Labels, speech: list[list[float]]) -> Turns:
    """Every moment of speech gets the label of the nearest voiceprint."""
    borders = (middles[:-1] + middles[1:]) / 2
    made: Turns = []
    for start, end in speech:
        inside = borders[(borders > start) & (borders < end)]
        for left, right in zip((start, *inside), (*inside, end), strict=True):
            label = int(labels[np.searchsorted(borders, (left + right) / 2)])
            if made and made[-1][1] == left and made[-1][2] == label:
                made[-1] = (made[-1][0], float(right), label)
            else:
                made.append((float(left), float(right), label))
    return made


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording's voiceprints where somebody speaks."""

    path: str
    voices: int
    speech: list[list[float]]
    middles: Floats
    prints: Floats

    def diarize(self, linkage: str, threshold: float | None) -> Turns:
        """Turns, with the true number of voices where no threshold is given."""
        voices = self.voices if threshold is None else None
        labels = cluster(self.prints, linkage, threshold=threshold, voices=voices)
        return turns(self.middles, labels, self.speech)


def hear(encoder: resemblyzer.VoiceEncoder, path: str, voices: int, speech: list[list[float]]) -> Heard:
    """Voiceprints of the speech in a recording."""
    middles, prints = voiceprints(encoder, path)
    spoken = [any(start <= middle < end for start, end in speech) for middle in middles]
    return Heard(path, voices, speech, middles[spoken], prints[spoken])


def main() -> None:
    """Answer one request."""
    asked = json.load(sys.stdin)
    encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
    began = time.perf_counter()
    heard = [hear(encoder, **recording) for recording in asked]
    for recording in heard:
        recording.diarize("average", None)
    seconds = time.perf_counter() - began
    trials = [
        {
            "setting": f"{linkage} linkage" + (f", stops at {threshold}" if threshold else ""),
            "count_given": threshold is None,
            "turns": {recording.path: recording.diarize(linkage, threshold) for recording in heard},
        }
        for linkage, thresholds in THRESHOLDS.items()
        for threshold in (None, *thresholds)
    ]
    versions = {name: version(name) for name in ("resemblyzer", "scikit-learn", "torch")}
    print(json.dumps({"trials": trials, "seconds": seconds, "versions": versions}))


if __name__ == "__main__":
    main()
