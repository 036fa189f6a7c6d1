"""The words of a language, as data: ``languages/<code>.toml``, and text made comparable with them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any
from unicodedata import normalize

DEFAULT = "en"
"""What words of a language that nobody named are read as."""

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*-?")
PLAIN = str.maketrans("’‘ʼ´`“”‐‑", "'''''\"\"--")
"""Apostrophes, quotes and hyphens made plain, one character for one."""


def code_of(language: str | None) -> str | None:
    """File name of a BCP 47 code's language; None for what is no code.

    >>> code_of("en-GB"), code_of(None), code_of("../en")
    ('en', 'en', None)
    """
    code = DEFAULT if language is None else re.split("[-_]", language.lower())[0]
    return code if re.fullmatch("[a-z]{2,3}", code) else None


@cache
def language_data(code: str) -> Mapping[str, Any] | None:
    """What is known of a language; None when it has no file."""
    file = resources.files("meetsense.interaction") / "languages" / f"{code}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def plain_text(text: str) -> str:
    """The text composed (NFKC), with plain apostrophes, quotes and hyphens.

    >>> plain_text("Let’s wait…")
    "Let's wait..."
    """
    return text if text.isascii() else normalize("NFKC", text.translate(PLAIN))


@lru_cache(maxsize=1 << 14)
def tokens(text: str) -> tuple[str, ...]:
    """The words of plain text, lower case; a word broken off keeps its hyphen, a stammer is one word.

    >>> tokens("I-I think we sh- we should, don't you?")
    ('i', 'think', 'we', 'sh-', 'we', 'should', "don't", 'you')
    """
    found = _TOKEN.findall(text.lower())
    return tuple([_once(token) for token in found] if "-" in text else found)


def _once(token: str) -> str:
    parts = token.split("-")
    return parts[0] if len(parts) > 1 and len(set(parts)) == 1 else token


def either(phrases: Iterable[str]) -> str:
    """A pattern of one of the phrases, the longest first."""
    return "|".join(sorted(phrases, key=len, reverse=True))
