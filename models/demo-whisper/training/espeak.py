"""espeak-ng as a library: speech with the exact times of its words and phonemes.

The shared library ``libespeak-ng.so.1`` is called through ctypes. Its callback reports events with the
sample positions at which words (type 1) and phonemes (type 7) begin.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

RATE = 16_000
"""Samples per second of everything that comes out of here."""
ESPEAK_RATE = 22_050
QUIET = 0.004
"""Samples below this are silence before and after the speech."""
MARGIN = 160
"""Samples kept around the speech: 10 ms."""

_PLAYBACK_NONE = 2
_PHONEME_EVENTS = 1
_UTF8 = 1
_SPEED, _PITCH, _RANGE = 1, 3, 4
_END, _WORD, _PHONEME = 0, 1, 7


class _Identifier(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class Voice:
    """How somebody speaks."""

    name: str
    """An espeak-ng voice with a variant, such as ``gmw/en-US+f2``."""
    speed: int = 165
    """Words a minute."""
    pitch: int = 50
    """0..99."""
    melody: int = 50
    """Range of the pitch, 0..99."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """One text as it was read."""

    text: str
    samples: NDArray[np.float32]
    """Shape (n,), -1..1, 16 kHz, without silence around it."""
    starts: tuple[float, ...]
    """Seconds at which each word of ``text.split()`` begins."""
    ends: tuple[float, ...]
    """Seconds at which each word ends: where the next begins, or the pause before it."""
    phonemes: tuple[tuple[str, float], ...]
    """Each phoneme with the second at which it begins; pauses begin with an underscore."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / RATE


class Espeak:
    """The synthesiser; one a process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        if self._library.espeak_Initialize(_PLAYBACK_NONE, 0, None, _PHONEME_EVENTS) != ESPEAK_RATE:
            raise RuntimeError("espeak-ng did not start at 22,050 Hz")
        self._callback = _Callback(self._hear)  # kept: the library holds only a pointer to it
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self._pieces: list[NDArray[np.int16]] = []
        self._words: list[tuple[int, float]] = []
        self._phonemes: list[tuple[str, float]] = []

    def _hear(self, wave: object, count: int, events: object) -> int:
        if count > 0:
            self._pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())  # type: ignore[arg-type]
        position = 0
        while events[position].type != _END:  # type: ignore[index]
            event = events[position]  # type: ignore[index]
            seconds = event.audio_position / 1000
            if event.type == _WORD:
                self._words.append((event.text_position - 1, seconds))
            elif event.type == _PHONEME:
                name = bytes(event.id.string).split(b"\0")[0].decode(errors="replace")
                self._phonemes.append((name, seconds))
            position += 1
        return 0

    def say(self, text: str, voice: Voice) -> Speech:
        """Read a text of plain ASCII. Raises ValueError for an unknown voice or when nothing is heard.

        espeak-ng accepts an unknown variant (what follows the ``+``) without a word.
        """
        self._pieces, self._words, self._phonemes = [], [], []
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"no voice {voice.name!r}")
        for parameter, value in ((_SPEED, voice.speed), (_PITCH, voice.pitch), (_RANGE, voice.melody)):
            self._library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode("ascii")
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        wave = np.concatenate(self._pieces).astype(np.float32) / 32768
        wave = resample_poly(wave, 320, 441).astype(np.float32)
        loud = np.flatnonzero(np.abs(wave) > QUIET)
        if not len(loud):
            raise ValueError(f"{voice.name} says nothing for {text!r}")
        first, last = max(0, loud[0] - MARGIN), min(len(wave), loud[-1] + MARGIN)
        return self._speech(text, wave[first:last], first / RATE)

    def _speech(self, text: str, samples: NDArray[np.float32], offset: float) -> Speech:
        duration = len(samples) / RATE
        events = [(place, min(duration, max(0.0, at - offset))) for place, at in self._words]
        phonemes = tuple((name, min(duration, max(0.0, at - offset))) for name, at in self._phonemes)
        starts = word_starts(text, events, duration)
        return Speech(text, samples, starts, word_ends(starts, phonemes, duration), phonemes)


def word_starts(text: str, events: list[tuple[int, float]], duration: float) -> tuple[float, ...]:
    """Seconds at which each word of ``text.split()`` begins, from (place in the text, seconds) events.

    espeak-ng reads some words as one ("of the"): those share the time in proportion to their letters.
    """
    places = [match.span() for match in re.finditer(r"\S+", text)]
    starts: list[float | None] = [None] * len(places)
    for place, seconds in events:
        for position, (begin, end) in enumerate(places):
            if begin <= place < end and starts[position] is None:
                starts[position] = seconds
    starts[0] = starts[0] if starts[0] is not None else 0.0
    letters = [end - begin for begin, end in places]
    known = [position for position, start in enumerate(starts) if start is not None]
    filled: list[float] = []
    for here, after in zip(known, [*known[1:], len(places)], strict=True):
        begin = starts[here]
        assert begin is not None
        until = starts[after] if after < len(places) else duration
        assert until is not None
        shares = np.cumsum([0, *letters[here:after]]) / sum(letters[here:after])
        filled += [begin + (until - begin) * float(share) for share in shares[:-1]]
    return tuple(filled)


def word_ends(
    starts: tuple[float, ...], phonemes: tuple[tuple[str, float], ...], duration: float
) -> tuple[float, ...]:
    """Seconds at which each word ends: where the next word begins, or the pause before it if there is one."""
    pauses = [at for name, at in phonemes if name.startswith("_")]
    ends = []
    for start, following in zip(starts, [*starts[1:], duration], strict=True):
        inside = [at for at in pauses if start + 0.05 < at < following]
        ends.append(min(inside, default=following))
    return tuple(ends)
