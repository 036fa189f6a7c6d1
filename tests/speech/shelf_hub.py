"""A hub on loopback that misbehaves on request, and models for it to serve."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from meetsense.speech.shelf import File, Kind, Model

Contents = dict[str, bytes]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def content(seed: int, size: int) -> bytes:
    """Bytes that compress badly and differ with the seed."""
    return random.Random(seed).randbytes(size)


def whisper_files(seed: int = 1, weights: int = 300_000) -> Contents:
    """Files with the names of a CTranslate2 Whisper model."""
    return {
        "config.json": content(seed, 700 + seed),
        "model.bin": content(seed + 1, weights),
        "tokenizer.json": content(seed + 2, 5_000),
        "vocabulary.txt": content(seed + 3, 3_000),
    }


def pyannote_files(seed: int = 50) -> Contents:
    """Files with the names of community-1."""
    return {
        "config.yaml": content(seed, 400 + seed),
        "segmentation/pytorch_model.bin": content(seed + 1, 60_000),
        "embedding/pytorch_model.bin": content(seed + 2, 90_000),
        "plda/plda.npz": content(seed + 3, 1_300),
        "plda/xvec_transform.npz": content(seed + 4, 1_400),
    }


def model_of(name: str, contents: Contents, *, kind: Kind = Kind.WHISPER, **changes: Any) -> Model:
    """The manifest's entry of these files."""
    files = tuple(File(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in contents.items())
    values: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "source": f"someone/faster-{name}",
        "revision": COMMIT,
        "licence": "MIT",
        "languages": ("any",),
        "purpose": "tests",
        "files": files,
        "hashes_from": "tests",
    }
    return Model(**(values | changes))


def write(folder: Path, contents: Contents) -> Path:
    """Put files into a folder."""
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@dataclass
class Seen:
    """A request as the hub saw it."""

    path: str
    start: int
    """First byte asked for."""
    token: str | None
    sent: int = 0
    """Bytes of the body that were sent."""


@dataclass
class Answer:
    """How the hub answers one request for a file instead of well."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Close the connection after so many bytes of the body."""
    stall: float = 0.0
    """Seconds to send nothing after the headers."""
    ignores_range: bool = False
    shift: int = 0
    """Send a part that begins so many bytes later than asked for."""


class FakeHub(ThreadingHTTPServer):
    """Serves ``files[source]`` at COMMIT and ``main``; first it gives the ``answers`` for a path."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Contents] = {}
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.always: dict[str, Answer] = {}
        self.seen: list[Seen] = []
        self.token: str | None = None
        """When set, whoever doesn't send it is refused."""
        self.block = 1 << 16
        self.pause = 0.0
        """Seconds between two blocks."""
        self.moved: dict[str, str] = {}
        """Repository to the address of the one it was renamed to."""

    @property
    def endpoint(self) -> str:
        """Address without a slash at its end."""
        return f"http://127.0.0.1:{self.server_port}"

    def requests(self, path: str) -> list[Seen]:
        """Requests for a file, in order."""
        return [seen for seen in self.seen if seen.path.endswith("/" + path)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no fault of the test."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a request for a file or for a list of files."""
        self.close_connection = True
        path = unquote(urlsplit(self.path).path)
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        seen = Seen(path, start, token)
        self.server.seen.append(seen)
        found = re.fullmatch(r"/(?:api/models/)?([^/]+/[^/]+)/(resolve|revision)/([^/]+)(?:/(.+))?", path)
        if found is None:
            return self._status(404)
        source, verb, revision, name = found.groups()
        if source in self.server.moved:
            rest = self.path.partition(source)[2]
            return self._status(307, {"Location": self.server.moved[source] + rest})
        if self.server.token is not None and token != self.server.token:
            return self._status(401 if token is None else 403)
        files = self.server.files.get(source)
        if files is None or revision not in (COMMIT, "main") or (verb == "resolve" and name not in files):
            return self._status(404)
        if verb == "revision":
            return self._body(Answer(), json.dumps(listing(files)).encode(), seen)
        queue = self.server.answers[name]
        answer = queue.pop(0) if queue else self.server.always.get(name, Answer())
        if answer.status is not None:
            return self._status(answer.status, answer.headers)
        return self._body(answer, files[name], seen)

    def _status(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self, answer: Answer, data: bytes, seen: Seen) -> None:
        start = 0 if answer.ignores_range else seen.start + answer.shift
        partial = seen.start > 0 and not answer.ignores_range
        if start >= len(data) and partial:
            return self._status(416)
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        for key, value in answer.headers.items():
            self.send_header(key, value)
        self.end_headers()
        time.sleep(answer.stall)
        end = len(data) if answer.cut is None else min(len(data), start + answer.cut)
        for here in range(start, end, self.server.block):
            block = data[here : min(end, here + self.server.block)]
            self.wfile.write(block)
            seen.sent += len(block)
            time.sleep(self.server.pause)
        return None


def git_object(data: bytes) -> str:
    """The SHA-1 that git names a file's content by."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def listing(files: Contents, large: int = 50_000) -> dict[str, Any]:
    """The hub's list of a commit's files with ``blobs=true``; files from ``large`` bytes are in LFS."""
    siblings: list[dict[str, Any]] = []
    for path, data in files.items():
        entry: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": git_object(data)}
        if len(data) >= large:
            sha256 = hashlib.sha256(data).hexdigest()
            entry |= {
                "blobId": git_object(sha256.encode()),
                "lfs": {"sha256": sha256, "size": len(data), "pointerSize": 134},
            }
        siblings.append(entry)
    return {"sha": COMMIT, "siblings": siblings}


@contextmanager
def serving() -> Iterator[FakeHub]:
    """A hub that runs until the block ends."""
    hub = FakeHub()
    thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
