"""Sound that only who has the identity can hear: files encrypted with age (age-encryption.org/v1).

The recorder has the public key alone. What it sealed it can't open.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from meetsense.errors import CaptureError, in_one_line

if TYPE_CHECKING:
    from types import ModuleType

MISSING = "encryption takes the extra encryption: pip install 'meetsense[encryption]'"
IDENTITY = "AGE-SECRET-KEY-1"
"""How the line of a file begins that is an identity; age-keygen writes comments around it."""
IDENTITY_BYTES = 65536
"""Most of a file of identities."""


def check(recipient: str) -> None:
    """Raise CaptureError when nothing could be sealed for a recipient: before anything is recorded."""
    _recipient(recipient)


def seal(plain: Path, target: Path, recipient: str) -> None:
    """Encrypt a file into a new one, 0600, for who has the recipient's identity. Both are streamed.

    Raises CaptureError when the library is missing or the recipient is none, OSError when the disk refuses;
    then there is no ``target``.
    """
    age, key = _age(), _recipient(recipient)
    with plain.open("rb") as source:
        descriptor = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            with os.fdopen(descriptor, "wb") as out:
                age.encrypt_io(source, out, [key])
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def open_sealed(path: Path, identity: Path) -> BinaryIO:
    """The content of a sealed file, in memory: nothing of it comes to lie on the disk. Seekable.

    ``identity``: file that holds the age identity, as age-keygen writes it. Raises CaptureError when it is
    missing or another one than the file was sealed for, and when the file was damaged.
    """
    age, keys = _age(), _identities(identity)
    opened = io.BytesIO()
    try:
        with path.open("rb") as source:
            age.decrypt_io(source, opened, keys)
    except age.DecryptError as error:
        raise CaptureError(
            f"{path.name}: can't be opened with {identity.name} ({error}); it was sealed for another "
            "identity, or is damaged"
        ) from None
    except OSError as error:
        if error.errno is None:  # the library's own: the sound isn't what was sealed
            raise CaptureError(f"{path.name}: is damaged ({error}); restore it from a backup") from None
        raise CaptureError(f"{path}: cannot be read ({error.strerror})") from None
    opened.seek(0)
    return opened


def _age() -> ModuleType:
    try:
        import pyrage
    except ImportError:
        raise CaptureError(MISSING) from None
    module: ModuleType = pyrage
    return module


def _recipient(recipient: str) -> Any:
    age = _age()
    try:
        return age.x25519.Recipient.from_str(recipient)
    except age.RecipientError as error:
        raise CaptureError(
            f"{recipient!r} is not an age recipient ({error}); age-keygen -y IDENTITY prints an identity's"
        ) from None


def _identities(file: Path) -> list[Any]:
    age = _age()
    try:
        with file.open("rb") as stream:
            text = stream.read(IDENTITY_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise CaptureError(f"{file}: the identity cannot be read ({error.strerror})") from None
    lines = [line.strip() for line in text.splitlines()]
    try:
        found = [age.x25519.Identity.from_str(line) for line in lines if line.upper().startswith(IDENTITY)]
    except age.IdentityError as error:
        raise CaptureError(f"{file}: holds a damaged identity ({in_one_line(error)})") from None
    if not found:
        raise CaptureError(f"{file}: holds no age identity; age-keygen makes one")
    return found
