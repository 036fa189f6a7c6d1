"""Who was invited, what they agreed to, and what follows from it."""

from __future__ import annotations
