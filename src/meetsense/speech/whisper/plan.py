"""How to run a Whisper model on a machine: where, in which numbers, and how many windows at once.

Decoding reads all of a decoder's weights for every token, so several windows at once share that reading;
encoding is arithmetic alone and shares nothing. On two cores, in int8, batches of 8 took 1/2.1 of the time
with tiny, 1/2.0 with base, 1/1.5 with small, and gained nothing with large-v3-turbo, whose decoder has 4
layers to its encoder's 32. One window after the other has its own virtue: only then does faster-whisper step
back over silence before what looks invented (``hallucination_silence_threshold``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from meetsense.speech.whisper.folder import Shape
from meetsense.speech.whisper.machine import Machine

BATCH = {"cpu": 8, "cuda": 16}
"""Windows at once, at most."""
FEWEST = 4
"""Fewer windows at once gain too little."""
CACHED_PARAMETERS = 8_000_000
"""A decoder up to this size stays in the processor's cache: nothing to share (measured on the demo's model,
0.65 million: 1.4 times the time in batches)."""
DEEP_ENOUGH = 0.5
"""Layers of the decoder for each of the encoder, from which on decoding is what takes the time."""
WINDOW_BYTES = 40e6
"""Memory of one more window in a batch, beside its keys and values (measured in all: tiny 74 MB, base 90,
small 140, large-v3-turbo 85)."""
MEMORY_SHARE = 0.5
"""Of the free memory, for model and batch."""
GPU_TYPES = ("float16", "int8_float16", "int8", "float32")
"""In the order in which they are tried; "int8" before "float32" where the GPU has no fast float16."""


class Mode(StrEnum):
    """How windows follow one another."""

    AUTO = "auto"
    SEQUENTIAL = "sequential"
    """One after the other."""
    BATCHED = "batched"
    """Several at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a recording is transcribed."""

    device: str
    """``cpu`` or ``cuda``."""
    compute_type: str
    threads: int
    mode: Mode
    """Never AUTO."""
    batch: int
    """Windows at once; 1 when sequential."""
    why: str
    """What decided the mode, for people."""

    def __str__(self) -> str:
        """One line, such as ``cpu int8, 2 threads, batched by 8 (…)``."""
        how = f"batched by {self.batch}" if self.mode is Mode.BATCHED else "sequential"
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"{self.device} {self.compute_type}, {threads}, {how} ({self.why})"


def device(machine: Machine, cpu_types: frozenset[str]) -> tuple[str, str]:
    """Device and compute type: the GPU if it works, else int8 on the CPU (float32 where it has no int8)."""
    if machine.gpu:
        return "cuda", next((kind for kind in GPU_TYPES if kind in machine.gpu.types), "default")
    return "cpu", "int8" if "int8" in cpu_types else "float32"


def window_bytes(shape: Shape) -> float:
    """Memory that one more window in a batch takes: keys and values of what it hears, in float32."""
    return WINDOW_BYTES + 2 * 4 * shape.decoder_layers * shape.frames * shape.width


def largest_batch(shape: Shape, machine: Machine, device: str) -> int:
    """Windows at once that memory holds, at most BATCH. A GPU's memory is found out by trying."""
    if device != "cpu":
        return BATCH[device]
    room = MEMORY_SHARE * machine.memory - 1.3 * shape.parameters
    return max(1, min(BATCH[device], int(room / window_bytes(shape))))


def choose(
    shape: Shape | None,
    machine: Machine,
    windows: int,
    *,
    on: tuple[str, str],
    threads: int,
    mode: Mode = Mode.AUTO,
) -> Plan:
    """Plan for so many windows of speech.

    ``on``: device and compute type that the model is loaded with. ``mode`` other than AUTO is obeyed.
    """
    batch = BATCH[on[0]] if shape is None else largest_batch(shape, machine, on[0])
    chosen, why = (mode, "as asked for") if mode is not Mode.AUTO else _mode(shape, windows, batch, on[0])
    return Plan(*on, threads, chosen, batch if chosen is Mode.BATCHED else 1, why)


def _mode(shape: Shape | None, windows: int, batch: int, device: str) -> tuple[Mode, str]:
    if shape is None:
        return Mode.SEQUENTIAL, "the model's shape is not known"
    if windows < FEWEST:
        return Mode.SEQUENTIAL, "too short to fill a batch"
    if batch < FEWEST:
        return Mode.SEQUENTIAL, "memory holds no batch"
    if device == "cuda":
        return Mode.BATCHED, "a GPU idles otherwise"
    if shape.decoder_parameters < CACHED_PARAMETERS:
        return Mode.SEQUENTIAL, "the decoder is small enough for the cache"
    if shape.decoder_layers < DEEP_ENOUGH * shape.encoder_layers:
        return Mode.SEQUENTIAL, "the encoder takes the time, and gains nothing"
    return Mode.BATCHED, "decoding takes the time"
