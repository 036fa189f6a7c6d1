"""Sealed files: only who has the identity opens them, and nothing half-done stays."""

from __future__ import annotations

import builtins
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.errors import CaptureError
from meetsense.privacy.seal import MISSING, check, open_sealed, seal

PLAIN = b"fLaC" + bytes(range(256)) * 1000


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """A file as age-keygen writes it."""
    return written(tmp_path / "identity")


def written(file: Path) -> Path:
    made = pyrage.x25519.Identity.generate()
    file.write_text(f"# created: 2026-11-24T09:00:00Z\n# public key: {made.to_public()}\n{made}\n")
    return file


def recipient_of(identity: Path) -> str:
    return identity.read_text().partition("public key: ")[2].split()[0]


def sealed(folder: Path, identity: Path, plain: bytes = PLAIN) -> Path:
    (folder / "plain").write_bytes(plain)
    seal(folder / "plain", folder / "000000.flac.age", recipient_of(identity))
    return folder / "000000.flac.age"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain=st.binary(max_size=200) | st.integers(65_530, 65_545).map(bytes))
def test_sealed_and_opened(tmp_path: Path, identity: Path, plain: bytes) -> None:
    path = sealed(tmp_path, identity, plain)
    with open_sealed(path, identity) as opened:
        assert opened.read() == plain
        assert opened.seek(0) == 0
    assert path.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert len(plain) < 20 or plain not in path.read_bytes()


def test_for_its_owner_alone(tmp_path: Path, identity: Path) -> None:
    before = os.umask(0)
    try:
        path = sealed(tmp_path, identity)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_identity(tmp_path: Path, identity: Path) -> None:
    path = sealed(tmp_path, identity)
    with pytest.raises(
        CaptureError, match=r"^000000\.flac\.age: can't be opened with other .*another identity"
    ):
        open_sealed(path, written(tmp_path / "other"))


def test_one_identity_of_several(tmp_path: Path, identity: Path) -> None:
    path = sealed(tmp_path, identity)
    both = tmp_path / "both"
    both.write_text(written(tmp_path / "other").read_text() + identity.read_text())
    assert open_sealed(path, both).read() == PLAIN


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.booleans(), share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_damage_is_found(tmp_path: Path, identity: Path, cut: bool, share: float, flip: int) -> None:
    path = sealed(tmp_path, identity)
    whole = path.read_bytes()
    at = int(share * len(whole))
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
    path.write_bytes(damaged)
    with pytest.raises(CaptureError, match=r"^000000\.flac\.age: .*damaged") as raised:
        open_sealed(path, identity)
    assert "\n" not in str(raised.value)


def test_mistaken_recipients_and_identities(tmp_path: Path, identity: Path) -> None:
    path = sealed(tmp_path, identity)
    with pytest.raises(CaptureError, match=r"'age1x' is not an age recipient .*age-keygen -y"):
        check("age1x")
    check(recipient_of(identity))
    (tmp_path / "empty").write_text("# nothing\n")
    (tmp_path / "damaged").write_text(identity.read_text().strip()[:-1] + "\n")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    for name, line in (
        ("none", "the identity cannot be read"),
        ("empty", "holds no age identity"),
        ("binary", "holds no age identity"),
        ("damaged", "holds a damaged identity"),
    ):
        with pytest.raises(CaptureError, match=f"{name}: {line}"):
            open_sealed(path, tmp_path / name)
    with pytest.raises(CaptureError, match="gone: cannot be read"):
        open_sealed(tmp_path / "gone", identity)


def test_nothing_stays_when_the_disk_refuses(tmp_path: Path, identity: Path) -> None:
    (tmp_path / "plain").write_bytes(PLAIN)
    code = (
        "import resource, signal, sys; from pathlib import Path; from meetsense.privacy.seal import seal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999))\n"
        "seal(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])"
    )
    target = tmp_path / "target"
    words = [sys.executable, "-c", code, str(tmp_path / "plain"), str(target), recipient_of(identity)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27]" in done.stderr
    assert not target.exists()


def test_no_link_is_followed(tmp_path: Path, identity: Path) -> None:
    (tmp_path / "plain").write_bytes(PLAIN)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        seal(tmp_path / "plain", tmp_path / "link", recipient_of(identity))
    assert not (tmp_path / "elsewhere").exists()


def test_without_the_library(tmp_path: Path, identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = sealed(tmp_path, identity), builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pyrage":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for act in (
        lambda: check(recipient_of(identity)),
        lambda: seal(tmp_path / "plain", tmp_path / "target", recipient_of(identity)),
        lambda: open_sealed(path, identity),
    ):
        with pytest.raises(CaptureError) as raised:
            act()
        assert str(raised.value) == MISSING
    assert not (tmp_path / "target").exists()
