"""meetsense: an open meeting sensor that shows how decisions come about between people."""

from __future__ import annotations

__version__ = "0.1.0"
