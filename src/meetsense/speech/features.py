"""Log-mel features of sound: what the networks of the project hear.

Filters are triangles on the mel scale of Stevens, Volkmann & Newman 1937 in O'Shaughnessy's form,
m = 2595 log10(1 + f / 700).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from meetsense.values import SAMPLE_RATE

Floats = NDArray[np.float32]

HOP = 160
"""Samples from one frame to the next: 10 ms."""
WINDOW = 400
"""Samples in a frame: 25 ms."""
FFT = 512
MELS = 64
LOW_HZ, HIGH_HZ = 40.0, 7600.0
FLOOR = 1e-7
"""Added to the power of each band before the logarithm."""
BLOCK = 6000
"""Frames transformed at once: a minute."""


@cache
def mel_filters() -> Floats:
    """Triangular filters, shape (257, 64), from power spectrum to bands."""
    edges_mel = np.linspace(2595 * np.log10(1 + LOW_HZ / 700), 2595 * np.log10(1 + HIGH_HZ / 700), MELS + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)


def frame_count(samples: int) -> int:
    """Frames of so many samples: one every 10 ms, the last one whole."""
    return samples // HOP


def log_mel(samples: Floats) -> Floats:
    """Natural log of mel power, shape (n // 160, 64), float32; frame i is centred on sample 160 i + 80.

    ``samples`` has shape (n,), -1..1 at 16 kHz; beyond its ends there is silence.
    """
    frames = frame_count(len(samples))
    side = (WINDOW - HOP) // 2
    padded = np.concatenate((np.zeros(side, np.float32), samples, np.zeros(WINDOW, np.float32)))
    view = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    hann = np.hanning(WINDOW).astype(np.float32)
    filters = mel_filters()
    mel = np.empty((frames, MELS), np.float32)
    for start in range(0, frames, BLOCK):
        spectrum = np.fft.rfft(view[start : start + BLOCK] * hann, FFT)
        power = spectrum.real**2 + spectrum.imag**2
        mel[start : start + BLOCK] = np.log(power.astype(np.float32) @ filters + FLOOR)
    return mel
