"""The socket: what comes in, from whomever and however, can't hurt who listens."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.daemon import control
from meetsense.daemon.control import MOST_CLIENTS, Server, call, check_peer
from meetsense.errors import ConsentError, ControlError

PATIENCE = 0.5


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path: a socket's may have no more than 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ms-") as name:
        yield Path(name)


class Echo:
    """Answers with the request; "wait" holds an answer up, "bug" and "refuse" raise."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.waiting = threading.Event()

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        command = request.get("command")
        if command == "wait":
            self.waiting.set()
            self.free.wait(30)
        if command == "bug":
            raise KeyError("private")
        if command == "disk":
            raise PermissionError(13, "Permission denied", "/private")
        if command == "refuse":
            raise ConsentError("Ada has\nnot agreed")
        return {"got": request}


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def path(directory: Path, echo: Echo) -> Iterator[Path]:
    """The socket of a server that echoes."""
    server = Server(directory / "run" / "control.sock", echo, patience=PATIENCE)
    server.start()
    yield directory / "run" / "control.sock"
    echo.free.set()
    server.close()


def raw(path: Path, data: bytes, *, shut: bool = True) -> bytes:
    """What comes back for any bytes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        with suppress(OSError):
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):
            while got := connection.recv(65536):
                answer += got
        return answer


def test_a_request_is_answered(path: Path) -> None:
    assert call(path, {"command": "status", "n": 1}, 5) == {"got": {"command": "status", "n": 1}}


def test_the_socket_and_its_directory_are_their_users_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_socket_goes_with_the_server(directory: Path, echo: Echo) -> None:
    path = directory / "control.sock"
    server = Server(path, echo)
    server.start()
    server.close()
    assert not path.exists()
    with pytest.raises(ControlError, match="no recorder runs here; start it with: meetsense run capture"):
        call(path, {}, 1)


def test_what_a_user_can_mend_comes_back_as_one_line(path: Path) -> None:
    with pytest.raises(ControlError, match=r"^Ada has not agreed$"):
        call(path, {"command": "refuse"}, 5)


@pytest.mark.parametrize(("command", "error"), [("bug", "KeyError"), ("disk", "PermissionError")])
def test_a_bug_is_told_without_what_it_was_about(
    path: Path, caplog: pytest.LogCaptureFixture, command: str, error: str
) -> None:
    with pytest.raises(ControlError, match=rf"has a bug \({error}\)") as told:
        call(path, {"command": command}, 5)
    assert "private" not in str(told.value)
    assert "Traceback" in caplog.text
    assert call(path, {}, 5) == {"got": {}}


MALFORMED = [
    b"",
    b"\n",
    b"{",
    b"[]\n",
    b"null\n",
    b"\xff\xfe\n",
    b"{}" + b"\0" * 10 + b"\n",
    b"[" * 60_000 + b"\n",
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"\n",
    b'{"n": ' + b"9" * 20_000 + b"}\n",
]


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_lines_get_an_error_and_the_next_client_an_answer(path: Path, data: bytes) -> None:
    answer = json.loads(raw(path, data))
    assert "JSON" in answer["error"]
    assert call(path, {}, 5) == {"got": {}}


def test_an_oversized_line_is_not_read_to_its_end(path: Path) -> None:
    began = time.monotonic()
    raw(path, b'{"command": "' + b"x" * 5_000_000)
    assert time.monotonic() - began < 10
    assert call(path, {}, 5) == {"got": {}}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300) | st.text(max_size=100).map(lambda text: json.dumps(text).encode()))
def test_any_bytes_get_one_line_of_json(path: Path, data: bytes) -> None:
    answer = raw(path, data + b"\n")
    assert answer.count(b"\n") == 1
    told = json.loads(answer)
    assert set(told) <= {"error", "got"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=st.dictionaries(st.text(), values, max_size=4))
def test_any_object_comes_through_whole(path: Path, request: dict[str, Any]) -> None:
    request.pop("command", None)
    assert json.dumps(call(path, request, 5)["got"]) == json.dumps(request)


def test_a_client_that_sends_slowly_or_nothing_is_let_go(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as slow:
        slow.settimeout(10)
        slow.connect(str(path))
        slow.sendall(b'{"command"')
        assert call(path, {}, 5) == {"got": {}}
        assert json.loads(slow.recv(1000)) == {"error": "the line did not end in time"}


def test_a_client_that_drips_bytes_does_not_live_longer(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as slow:
        slow.settimeout(10)
        slow.connect(str(path))
        with suppress(OSError):
            for _ in range(int(10 * PATIENCE / 0.05)):
                slow.sendall(b" ")
                time.sleep(0.05)
            pytest.fail("it was listened to for ten times its time")


def test_a_client_that_takes_no_answer_is_let_go(path: Path) -> None:
    request = json.dumps({"text": "x" * 60_000}).encode() + b"\n"
    with ExitStack() as silent:
        for _ in range(MOST_CLIENTS + 4):
            connection = silent.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connect(connection, path)
            with suppress(OSError):
                connection.sendall(request)
        assert answered_soon(path)


def connect(connection: socket.socket, path: Path) -> None:
    """Connect, as soon as there is a place in the queue."""
    connection.settimeout(10)
    while True:
        with suppress(BlockingIOError):
            connection.connect(str(path))
            return
        time.sleep(0.01)


def answered_soon(path: Path) -> bool:
    """Whether a call gets through in a few times the patience, however many clients are there now."""
    for _ in range(40):
        with suppress(ControlError):
            return bool(call(path, {}, 5))
        time.sleep(PATIENCE / 4)
    return False


def test_a_crowd_is_turned_away_and_the_door_opens_again(path: Path) -> None:
    with ExitStack() as crowd:
        for _ in range(3 * MOST_CLIENTS):
            connection = crowd.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connect(connection, path)
        assert answered_soon(path)


def test_an_answer_that_takes_long_holds_no_other_up(path: Path, echo: Echo) -> None:
    waits = threading.Thread(target=lambda: call(path, {"command": "wait"}, 20))
    waits.start()
    assert echo.waiting.wait(5)
    assert call(path, {}, 5) == {"got": {}}
    with pytest.raises(ControlError, match="does not answer within 0 s; see its log"):
        call(path, {"command": "wait"}, 0.2)
    echo.free.set()
    waits.join()


def test_a_stale_socket_is_replaced(directory: Path, echo: Echo) -> None:
    path = directory / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    server = Server(path, echo)
    server.start()
    assert call(path, {}, 5) == {"got": {}}
    server.close()


def test_a_living_one_is_not(directory: Path, path: Path, echo: Echo) -> None:
    with pytest.raises(ControlError, match="another recorder listens there"):
        Server(path, echo).start()
    assert call(path, {}, 5) == {"got": {}}


def test_a_server_removes_no_socket_but_its_own(directory: Path, echo: Echo) -> None:
    path = directory / "control.sock"
    first, second = Server(path, echo), Server(path, echo)
    first.start()
    path.unlink()
    second.start()
    first.close()
    assert call(path, {}, 5) == {"got": {}}
    second.close()


def test_a_file_that_is_no_socket_stays(directory: Path, echo: Echo) -> None:
    path = directory / "control.sock"
    path.write_text("mine")
    with pytest.raises(ControlError, match=r"is no socket; set capture\.socket"):
        Server(path, echo).start()
    assert path.read_text() == "mine"


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
def test_a_directory_that_others_enter_is_refused(directory: Path, echo: Echo, mode: int) -> None:
    directory.chmod(mode)
    with pytest.raises(ControlError, match="chmod 700"):
        Server(directory / "control.sock", echo).start()


def test_a_path_that_is_too_long_is_told(directory: Path, echo: Echo) -> None:
    path = directory / ("x" * 120)
    with pytest.raises(ControlError, match=r"can't listen there \(AF_UNIX path too long"):
        Server(path, echo).start()
    with pytest.raises(ControlError, match="cannot be reached"):
        call(path, {}, 1)


class Peer:
    """The end of a connection, with the credentials that the kernel would give."""

    def __init__(self, user: int) -> None:
        self._user = user

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
        return struct.pack("3i", 1, self._user, 0)[:size]


@pytest.mark.parametrize(("user", "may"), [(0, True), (1000, True), (1001, False), (65534, False)])
def test_own_user_and_root_may_speak(monkeypatch: pytest.MonkeyPatch, user: int, may: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if may:
        check_peer(Peer(user))  # type: ignore[arg-type]
    else:
        with pytest.raises(ControlError, match="only the recorder's own user and root"):
            check_peer(Peer(user))  # type: ignore[arg-type]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_turned_away_by_the_kernels_word(path: Path) -> None:
    path.parent.chmod(0o755)
    path.parent.parent.chmod(0o755)
    path.chmod(0o666)
    assert "own user and root" in as_user(65534, lambda: raw(path, b'{"command": "status"}\n').decode())
    path.chmod(0o600)

    def refused() -> str:
        try:
            return str(call(path, {}, 5))
        except ControlError as error:
            return str(error)

    assert "the recorder is another user's" in as_user(65534, refused)


def as_user(user: int, job: Callable[[], str]) -> str:
    """What a job gives in a process of another user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(user)
            os.write(writer, job().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as told:
        text = told.read()
    os.waitpid(child, 0)
    return text


class Rude:
    """A server that does as it's told, once."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._answer = answer
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        connection, _ = self._socket.accept()
        with connection, suppress(OSError):
            connection.recv(1000)
            connection.sendall(self._answer)
        self._socket.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [(b"", "hung up without an answer"), (b"tea?\n", "not a line of JSON"), (b"[1]\n", "not a JSON object")],
)
def test_a_caller_copes_with_a_rude_server(directory: Path, answer: bytes, told: str) -> None:
    path = directory / "rude.sock"
    Rude(path, answer)
    with pytest.raises(ControlError, match=re.escape(told)):
        call(path, {}, 5)


def test_an_answer_without_end_is_not_read_for_ever(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LONGEST_ANSWER", 10_000)
    path = directory / "rude.sock"
    Rude(path, b"x" * 100_000)
    with pytest.raises(ControlError):
        call(path, {}, 5)
