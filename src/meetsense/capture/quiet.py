"""Sound libraries that print what they also return: while a microphone is gone, that is all a log would hold.

What they return is told by whoever called them. Where the C library isn't GNU's, nothing happens.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

ALSA = "libasound.so.2"


@cache
def _library() -> Any:
    """The C library; None where it is not GNU's, whose stderr is a variable."""
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


@cache
def _nowhere() -> int | None:
    """A stream of the C library's to nowhere, for the life of the process."""
    opening = _library().fopen
    opening.restype = ctypes.c_void_p
    found: int | None = opening(b"/dev/null", b"we")
    return found


def silence_alsa() -> None:
    """Let ALSA's library report its errors to nobody.

    Its handler becomes a function that looks at no argument: one of Python's takes memory that is writable
    and executable at once. Source: snd_lib_error_set_handler of alsa-lib's error.h.
    """
    with suppress(OSError, AttributeError):
        alsa, library = ctypes.CDLL(ALSA), _library()
        alsa.snd_lib_error_set_handler(ctypes.cast(library.getpid, ctypes.c_void_p))


@contextmanager
def quiet() -> Iterator[None]:
    """Meanwhile no C library of this process prints on stderr; Python, whose stderr is another one, does.

    PortAudio prints every function that failed on its way out, and can't be told not to.
    """
    library = _library()
    if library is None or _nowhere() is None:
        yield
        return
    stderr = ctypes.c_void_p.in_dll(library, "stderr")
    before, stderr.value = stderr.value, _nowhere()
    try:
        yield
    finally:
        stderr.value = before
