"""What a device gives, as the recording holds it: mono, 16 kHz, 16 bits."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meetsense.values import SAMPLE_RATE

Channel = int | Literal["mix"]
"""Which channel of the device is recorded, the first being 1; or the mean of all."""
FULL_SCALE = 32_768


def to_mono(samples: NDArray[np.int16], channel: Channel) -> NDArray[np.int16]:
    """One channel, or the mean of all. Frames of shape (n, channels) to (n,).

    >>> to_mono(np.array([[1, 3], [-4, -8]], np.int16), "mix")
    array([ 2, -6], dtype=int16)
    """
    if channel != "mix":
        return np.ascontiguousarray(samples[:, channel - 1])
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    mean: NDArray[np.int16] = np.rint(samples.mean(axis=1)).astype(np.int16)
    return mean


class Conditioner:
    """Frames of a device to int16 mono at 16 kHz; bit for bit what came in where nothing needs changing."""

    def __init__(self, rate: int, channels: int, channel: Channel = "mix") -> None:
        """Raises ValueError for a channel that the device lacks."""
        if channel != "mix" and not 1 <= channel <= channels:
            raise ValueError(f"no channel {channel} among {channels}")
        self._rate = rate
        self._channel = channel
        self._stream: Any = None

    def take(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Frames of shape (n, channels) to samples of shape (m,); a resampler holds some back until flush."""
        mono = to_mono(samples, self._channel)
        if self._rate == SAMPLE_RATE:
            return mono
        return self._resampled(mono, last=False)

    def flush(self) -> NDArray[np.int16]:
        """What was held back, shape (m,). What is taken next begins anew."""
        if self._stream is None:
            return np.zeros(0, np.int16)
        tail = self._resampled(np.zeros(0, np.int16), last=True)
        self._stream = None
        return tail

    def _resampled(self, mono: NDArray[np.int16], *, last: bool) -> NDArray[np.int16]:
        """Through the stream in float: soxr's 16-bit output adds noise, and zeros have to stay zeros."""
        import soxr

        if self._stream is None:
            self._stream = soxr.ResampleStream(self._rate, SAMPLE_RATE, 1, dtype="float32")
        out = self._stream.resample_chunk(mono.astype(np.float32), last=last)
        rounded: NDArray[np.int16] = np.clip(np.rint(out), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
        return rounded


def slip(samples: NDArray[np.int16], count: int) -> NDArray[np.int16]:
    """The same sound with samples repeated (count > 0) or left out (< 0), where two neighbours differ least.

    So the sound follows the machine's clock, though the device's is some parts in a million off.

    >>> slip(np.array([0, 9, 9, 4], np.int16), 1)
    array([0, 9, 9, 9, 4], dtype=int16)
    >>> slip(np.array([0, 9, 9, 4], np.int16), -1)
    array([0, 9, 4], dtype=int16)
    """
    for _ in range(abs(count)):
        if len(samples) < 2:
            break
        at = int(np.abs(np.diff(samples.astype(np.int32))).argmin())
        repeated = (samples[: at + 1], samples[at:]) if count > 0 else (samples[: at + 1], samples[at + 2 :])
        samples = np.concatenate(repeated)
    return samples
