"""Diarization error rate: missed + false alarm + confused speech over all speech, no collar, overlap scored.

The peer is what people without a token use: Resemblyzer's voiceprints and agglomerative clustering, on
regions of the same voice activity detector.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from meetsense.audio import load_audio
from meetsense.pipeline import Toolbox
from meetsense.values import SAMPLE_RATE, Span, SpeakerRange, Turn, union
from tests.bench import data, peer
from tests.bench.data import Missing, Recording
from tests.bench.engines import toolbox
from tests.bench.table import Row

SIMULATED = "4 simulated meetings of 8 min, 4 voices, seed 11"
PARTS = ("missed detection", "false alarm", "confusion", "total")
"""What pyannote calls the seconds that the rate is made of."""
Hypothesis = Callable[[Recording], Iterable[Turn]]


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of several recordings, pooled."""

    rate: float
    """Diarization error rate."""
    missed: float
    """Share of the speech that nobody was given."""
    false_alarm: float
    """Speech that nobody spoke, over the speech."""
    confused: float
    """Share of the speech that somebody else was given."""
    voices: tuple[tuple[int, int], ...]
    """Found and true number of voices of each recording."""

    @property
    def note(self) -> str:
        """The parts of the rate and how often the number of voices was right."""
        right = sum(found == true for found, true in self.voices)
        parts = f"missed {self.missed:.3f}, false alarm {self.false_alarm:.3f}, confused {self.confused:.3f}"
        return f"{parts}; number of voices right in {right} of {len(self.voices)}"


def annotation(turns: Iterable[Turn]) -> object:
    """Turns as pyannote knows them; a person's turns that overlap are one."""
    from pyannote.core import Annotation, Segment

    spans: dict[str, list[Span]] = defaultdict(list)
    for turn in turns:
        spans[turn.speaker].append(turn.span)
    annotation = Annotation()
    for speaker, own in spans.items():
        for span in union(own):
            annotation[Segment(span.start, span.end), speaker] = speaker
    return annotation


def score(recordings: Sequence[Recording], hypothesis: Hypothesis) -> Score:
    """The errors of what an engine says about recordings, pooled over their speech."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    metric: Any = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    voices = []
    for recording in recordings:
        turns = tuple(hypothesis(recording))
        whole = Timeline([Segment(0.0, recording.duration)])
        metric(annotation(recording.truth), annotation(turns), uem=whole)
        voices.append((len({turn.speaker for turn in turns}), recording.voices))
    missed, false_alarm, confused, speech = (metric[part] for part in PARTS)
    return Score(abs(metric), missed / speech, false_alarm / speech, confused / speech, tuple(voices))


def diarizer(tools: Toolbox, *, count_given: bool = False) -> Hypothesis:
    """What the project's engine says, with the true number of voices or without."""

    def run(recording: Recording) -> tuple[Turn, ...]:
        audio = load_audio(recording.path)
        wanted = SpeakerRange(recording.voices, recording.voices) if count_given else SpeakerRange()
        return tools.diarizer.diarize(audio, tools.vad.speech(audio), wanted).turns

    return run


def rows() -> Iterator[Row]:
    """Rows of the diarization error rate."""
    tools = toolbox()
    name = tools.diarizer.name
    for given, target in ((False, 0.20), (True, 0.17)):
        what = f"DER, count {'given' if given else 'unknown'}: {name}"
        yield _row(what, SIMULATED, target, _simulated, diarizer(tools, count_given=given))
    yield from _peers()
    what = f"DER, count unknown: {name}"
    yield _row(what, "ami-excerpts, 10 excerpts", 0.37, data.ami, diarizer(tools))
    yield _row(what, "gap/group-02.mp3, 143 s, 2 people", None, lambda: [data.gap()], diarizer(tools))


@cache
def _simulated() -> list[Recording]:
    return data.simulated(4, 8)


def _row(
    what: str, on: str, target: float | None, source: Callable[[], list[Recording]], hypothesis: Hypothesis
) -> Row:
    try:
        found = score(source(), hypothesis)
    except Missing as missing:
        return Row(what, on, None, target, note=str(missing))
    return Row(what, on, found.rate, target, note=found.note, details={"voices": found.voices})


def _close_regions(recording: Recording) -> tuple[Span, ...]:
    """Silero's regions close around the speech: the peer can't trim what the project's engine is given."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_silence_duration_ms=100, speech_pad_ms=30)
    found = get_speech_timestamps(np.array(load_audio(recording.path).samples), options)
    return tuple(Span(each["start"] / SAMPLE_RATE, each["end"] / SAMPLE_RATE) for each in found)


def _peers() -> Iterator[Row]:
    """The peer on the simulated meetings, with its best linkage and, count unknown, its best threshold."""
    what = "DER, peer Resemblyzer + agglomerative clustering"
    try:
        recordings = _simulated()
        speech = [_close_regions(recording) for recording in recordings]
        found = peer.run(recordings, speech)
    except Missing as missing:
        yield Row(what, SIMULATED, None, note=str(missing))
        return
    seconds = sum(recording.duration for recording in recordings)
    for given in (False, True):
        scores = {
            trial.setting: score(recordings, trial.hypothesis)
            for trial in found.trials
            if trial.count_given == given
        }
        best = min(scores, key=lambda setting: scores[setting].rate)
        asked = "count given" if given else "count unknown, best of its thresholds"
        cost = f"{found.seconds / seconds:.3f} × real time without VAD"
        yield Row(
            f"{what}, {asked}",
            SIMULATED,
            scores[best].rate,
            note=f"{best}; {scores[best].note}; {cost}",
            details={"rates": {setting: each.rate for setting, each in scores.items()}, **found.versions},
        )
