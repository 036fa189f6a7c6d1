"""The recorder's socket: one JSON object on a line in, one out.

Who may speak to it: the user that the recorder runs as, and root. The kernel says who is at the other end.
Nothing that comes in can hold the recorder up: each connection has its own thread, a time and a length.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from meetsense.errors import ControlError, MeetsenseError

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]

LONGEST_LINE = 64 * 1024
"""Bytes of a request."""
LONGEST_ANSWER = 1024 * 1024
"""Bytes of an answer."""
PATIENCE = 2.0
"""Seconds in which a client sends its whole request, or takes the answer."""
MOST_CLIENTS = 32
"""Connections at a time."""
QUEUE_SECONDS = 0.05
_CREDENTIALS = struct.Struct("3i")

log = logging.getLogger(__name__)


class Absent(ControlError):
    """No recorder listens."""


class Server:
    """Listens on the socket, and answers."""

    def __init__(self, path: Path, answer: Answer, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._answer = answer
        self._patience = patience
        self._places = threading.BoundedSemaphore(MOST_CLIENTS)
        self._socket: socket.socket | None = None
        self._inode: int | None = None

    def start(self) -> None:
        """Listen, for this user alone. Raises ControlError.

        A socket that a dead process left is replaced; the caller holds the recorder's lock.
        """
        _prepare(self._path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(self._path))
            self._path.chmod(0o600)
            self._inode = self._path.stat().st_ino
            listening.listen(MOST_CLIENTS)
        except OSError as error:
            listening.close()
            why = error.strerror or error
            raise ControlError(f"{self._path}: the recorder can't listen there ({why})") from None
        finally:
            os.umask(before)
        self._socket = listening
        threading.Thread(target=self._accept, args=(listening,), name="control", daemon=True).start()

    def close(self) -> None:
        """Stop listening and remove the socket, if it is still this one."""
        listening, self._socket = self._socket, None
        if listening is None:
            return
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()

    def _accept(self, listening: socket.socket) -> None:
        while self._socket is listening:
            try:
                connection, _ = listening.accept()
            except OSError:
                # Closed, or out of descriptors, which passes.
                time.sleep(0.1)
                continue
            if not self._places.acquire(blocking=False):
                connection.close()
                continue
            try:
                threading.Thread(target=self._serve, args=(connection,), name="client", daemon=True).start()
            except RuntimeError:  # no more threads
                self._places.release()
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                connection.settimeout(self._patience)
                answer = self._answered(connection)
                connection.settimeout(self._patience)
                connection.sendall(json.dumps(answer).encode() + b"\n")
        finally:
            self._places.release()

    def _answered(self, connection: socket.socket) -> Mapping[str, Any]:
        try:
            check_peer(connection)
            request = parse(read_line(connection, LONGEST_LINE, time.monotonic() + self._patience))
        except ControlError as error:
            return {"error": str(error)}
        try:
            return self._answer(request)
        except MeetsenseError as error:
            return {"error": " ".join(str(error).split())}
        except Exception as error:
            log.exception("a command failed")
            return {"error": f"the recorder has a bug ({type(error).__name__}); its log has the traceback"}


def _prepare(path: Path) -> None:
    """A directory that is this user's alone, without a socket of that name. Raises ControlError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory = path.parent.stat()
    except OSError as error:
        raise ControlError(f"{path.parent}: cannot be made ({error.strerror})") from None
    if directory.st_uid != os.geteuid() or stat.S_IMODE(directory.st_mode) & 0o077:
        raise ControlError(
            f"{path.parent}: others may enter it, and the recorder's socket must be its user's alone; "
            f"give the directory to that user and chmod 700 it, or set capture.socket"
        )
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlError(f"{path}: is there and is no socket; set capture.socket to another path")
        if _alive(path):
            raise ControlError(f"{path}: another recorder listens there; stop it, or set capture.socket")
        path.unlink()


def _alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def check_peer(connection: socket.socket) -> None:
    """Raise ControlError unless the process at the other end is this user's or root's.

    Source: SO_PEERCRED in unix(7).
    """
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    if user not in (os.geteuid(), 0):
        raise ControlError("only the recorder's own user and root may command it")


def read_line(connection: socket.socket, longest: int, deadline: float) -> bytes:
    """The bytes up to the first line end or the end of the stream.

    Raises ControlError when there are more than ``longest``, or the monotonic clock passes the deadline.
    """
    line = bytearray()
    while b"\n" not in line[-4096:]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ControlError("the line did not end in time")
        connection.settimeout(left)
        try:
            got = connection.recv(4096)
        except TimeoutError:
            raise ControlError("the line did not end in time") from None
        if not got:
            break
        line += got
        if len(line) > longest:
            raise ControlError(f"the line is longer than {longest} bytes")
    return bytes(line.partition(b"\n")[0])


def parse(line: bytes) -> dict[str, Any]:
    """The JSON object on a line. Raises ControlError.

    >>> parse(b'{"command": "status"}')
    {'command': 'status'}
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("not a line of JSON") from None
    if not isinstance(value, dict):
        raise ControlError("not a JSON object")
    return value


def call(path: Path, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Send a request to the recorder: its answer.

    Raises Absent when no recorder is there, ControlError when it may not be spoken to, it does not answer in
    time, or it answers with an error.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            _connect(connection, path, time.monotonic() + seconds)
        except PermissionError:
            raise ControlError(f"{path}: the recorder is another user's; use its user, or root") from None
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise Absent(
                "no recorder runs here; start it with: meetsense run capture (as a service: "
                "systemctl start meetsense-capture), or record in the foreground with: meetsense record"
            ) from None
        except OSError as error:
            raise ControlError(f"{path}: cannot be reached ({error.strerror or error})") from None
        answer = _exchange(connection, request, seconds)
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer


def _connect(connection: socket.socket, path: Path, deadline: float) -> None:
    """Connect, and wait while others queue for it. Raises OSError."""
    while True:
        try:
            connection.connect(str(path))
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(QUEUE_SECONDS)


def _exchange(connection: socket.socket, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    try:
        with suppress(BrokenPipeError):  # it may have answered, and hung up, without reading all
            connection.sendall(json.dumps(request).encode() + b"\n")
        line = read_line(connection, LONGEST_ANSWER, time.monotonic() + seconds)
    except ControlError:
        raise ControlError(
            f"the recorder does not answer within {seconds:.0f} s; see its log, or restart it"
        ) from None
    except OSError as error:
        raise ControlError(f"the recorder hung up ({error.strerror or error}); see its log") from None
    if not line:
        raise ControlError("the recorder hung up without an answer; try again, or see its log")
    return parse(line)
