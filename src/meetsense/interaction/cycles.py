"""A rest for the collector of reference cycles while values are made that are in none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycles() -> Iterator[None]:
    """Make many values without looking for cycles among them; also a decorator.

    Utterances, acts and measures never refer to each other in a circle, so the collector, which goes through
    all that is alive each time that much has been made, finds nothing: a sixth of the time of a long meeting.
    What finds the collector at rest leaves it so, whether a caller or another thread put it there.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
