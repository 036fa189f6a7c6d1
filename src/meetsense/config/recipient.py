"""Whether a text is an age recipient: a Bech32 string (BIP 173) of 32 bytes with the prefix ``age``.

Checked here without the library that encrypts, so that a mistyped recipient is found before the first meeting
and not at its first segment.
"""

from __future__ import annotations

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
PREFIX = "age"
KEY_BITS = 256
CHECKSUM_SYMBOLS = 6


def is_recipient(text: str) -> bool:
    """Whether a text is the public key of an X25519 age identity.

    >>> is_recipient("age15pkfrv9jvumkek4hn37c2ekdrc4kwx6u6ew8lu7t8tffw94rqajsngpxgg")
    True
    >>> is_recipient("age15pkfrv9jvumkek4hn37c2ekdrc4kwx6u6ew8lu7t8tffw94rqajsngpxgq")
    False
    """
    prefix, one, rest = text.rpartition("1")
    if prefix != PREFIX or not one or set(rest) - set(ALPHABET):
        return False
    symbols = [ALPHABET.index(letter) for letter in rest]
    payload = len(symbols) - CHECKSUM_SYMBOLS
    if payload != -(-KEY_BITS // 5):
        return False
    spare = payload * 5 - KEY_BITS
    return symbols[payload - 1] % (1 << spare) == 0 and _polymod(_expanded(prefix) + symbols) == 1


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode()
    return [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]


def _polymod(symbols: list[int]) -> int:
    """The checksum's remainder: 1 when it is right."""
    remainder = 1
    for symbol in symbols:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ symbol
        for bit, generator in enumerate(GENERATOR):
            remainder ^= generator if top >> bit & 1 else 0
    return remainder
