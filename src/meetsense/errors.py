"""The errors a user can mend. Each message is one line that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class MeetsenseError(Exception):
    """A user's mistake or a condition the user can mend: one line, exit status 1."""


class AudioError(MeetsenseError):
    """A file that cannot be decoded to audio, or exceeds a limit."""


class TranscriptError(MeetsenseError):
    """A transcript file that cannot be read as the format it claims to be."""


class RosterError(MeetsenseError):
    """A roster file that is malformed or contradicts itself."""


class ConfigError(MeetsenseError):
    """A configuration with mistakes; the message lists every one of them."""

    def __init__(self, where: str, mistakes: Sequence[str] = ()) -> None:
        """``where``: the file; without ``mistakes``, with what is wrong with it as a whole."""
        super().__init__(f"{where}: {'; '.join(mistakes)}" if mistakes else where)
        self.lines = tuple(f"{where}: {mistake}" for mistake in mistakes) or (where,)
        """A line for each."""


class EngineError(MeetsenseError):
    """A speech engine that is missing, cannot be loaded, or failed while running."""


class StoreError(MeetsenseError):
    """A database that cannot be opened, is not meetsense's, or lacks what was asked for."""


class ConsentError(MeetsenseError):
    """A recording that has no legal basis, or has it no longer."""


class CaptureError(MeetsenseError):
    """A microphone that is missing, was lost or gives no samples; a disk that takes none."""


class ControlError(MeetsenseError):
    """A recorder that isn't there, is another user's, or refuses a command in its present state."""


def in_one_line(error: BaseException) -> str:
    """Kind and first line of a library's error, for a message of one line.

    >>> in_one_line(ValueError("no\\nmore"))
    'ValueError: no'
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
