"""Downloads: the genuine code against a hub on loopback that cuts, lies, refuses and dawdles."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.errors import EngineError
from meetsense.speech.shelf import (
    File,
    Installed,
    Kind,
    Model,
    faults,
    install,
    installed,
    read_record,
    verify,
)
from meetsense.speech.shelf.adopt import adopt
from meetsense.speech.shelf.hub import Hub, _Redirects
from meetsense.speech.shelf.install import staging
from meetsense.speech.shelf.pull import ATTEMPTS, LONGEST_WAIT, WORTHWHILE, pull
from tests.speech.shelf_hub import (
    COMMIT,
    Answer,
    Contents,
    FakeHub,
    model_of,
    pyannote_files,
    serving,
    whisper_files,
    write,
)

FILES = whisper_files()
MODEL = model_of("small", FILES)
GATED = model_of("community", pyannote_files(), kind=Kind.PYANNOTE, gated=True)


@pytest.fixture(autouse=True)
def _nobody_elses_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as server:
        server.files[MODEL.source] = dict(FILES)
        server.files[GATED.source] = pyannote_files()
        yield server


class Waits(list[float]):
    """A sleep that takes no time and remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetch(server: FakeHub, shelf: Path, model: Model = MODEL, **options: Any) -> Path:
    token = options.pop("token", None)
    timeout = options.pop("timeout", 5.0)
    options.setdefault("sleep", Waits())
    return pull(model, shelf, Hub(server.endpoint, token, timeout), **options)


def refused(server: FakeHub, shelf: Path, model: Model = MODEL, **options: Any) -> str:
    """The message of a pull that must fail and install nothing."""
    with pytest.raises(EngineError) as raised:
        fetch(server, shelf, model, **options)
    assert not (shelf / model.kind / model.name).exists()
    line = str(raised.value)
    assert "\n" not in line
    return line


def test_a_pull_installs_the_files_and_a_record_that_verifies(hub: FakeHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path)
    assert folder == tmp_path / "whisper" / "small"
    assert {p.name for p in folder.iterdir()} == {*FILES, "installed.json"}
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert verify(folder).revision == COMMIT
    expected = Installed(folder, "small", Kind.WHISPER, MODEL.source, COMMIT, MODEL.files)
    assert installed(tmp_path, Kind.WHISPER) == (expected,)
    assert [p for p in (tmp_path / ".staging").iterdir() if p.is_dir()] == []
    asked = [f"/{MODEL.source}/resolve/{COMMIT}/{file.path}" for file in MODEL.files]
    assert [seen.path for seen in hub.seen] == asked
    assert all(seen.token is None for seen in hub.seen)


def test_folders_inside_a_model_are_kept(hub: FakeHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path, GATED)
    assert (folder / "plda" / "plda.npz").read_bytes() == pyannote_files()["plda/plda.npz"]
    assert verify(folder).pickles


def test_a_cut_connection_goes_on_where_it_broke(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(cut=100_000), Answer(cut=50_000)]
    verify(fetch(hub, tmp_path))
    requests = hub.requests("model.bin")
    assert [seen.start for seen in requests] == [0, 100_000, 150_000]
    assert sum(seen.sent for seen in requests) == len(FILES["model.bin"])


def test_a_pull_that_was_given_up_goes_on_at_the_next(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(cut=120_000)]
    hub.always["model.bin"] = Answer(status=503)
    waits = Waits()
    line = refused(hub, tmp_path, sleep=waits)
    assert "120000 of 300000 bytes are kept" in line
    assert "model.bin" in line
    assert len(waits) < 2 * ATTEMPTS
    hub.seen.clear()
    hub.always.clear()
    verify(fetch(hub, tmp_path))
    assert [seen.start for seen in hub.requests("model.bin")] == [120_000]
    assert hub.requests("config.json") == []


def test_an_interrupt_keeps_what_was_fetched(hub: FakeHub, tmp_path: Path) -> None:
    def stop(path: str, done: int, _: int) -> None:
        if path == "model.bin" and done > 100_000:
            raise KeyboardInterrupt

    hub.answers["model.bin"] = [Answer(cut=200_000)]
    with pytest.raises(KeyboardInterrupt):
        fetch(hub, tmp_path, progress=stop)
    assert installed(tmp_path, Kind.WHISPER) == ()
    hub.seen.clear()
    verify(fetch(hub, tmp_path))
    assert [seen.start > 100_000 for seen in hub.requests("model.bin")] == [True]


def test_a_server_without_ranges_sends_the_whole_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(cut=100_000), Answer(ignores_range=True)]
    verify(fetch(hub, tmp_path))


def test_another_part_than_asked_for_is_not_taken(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(cut=100_000), Answer(shift=1000)]
    verify(fetch(hub, tmp_path))
    assert [seen.start for seen in hub.requests("model.bin")] == [0, 100_000, 100_000]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 9000), max_size=ATTEMPTS - 1),
    ignores=st.lists(st.booleans(), min_size=ATTEMPTS, max_size=ATTEMPTS),
)
def test_however_it_is_cut_the_file_is_whole(hub: FakeHub, cuts: list[int], ignores: list[bool]) -> None:
    contents = whisper_files(7, weights=9000)
    model = model_of("cut", contents)
    hub.files[model.source] = contents
    hub.answers["model.bin"] = [
        Answer(cut=cut, ignores_range=ignore) for cut, ignore in zip(cuts, ignores, strict=False)
    ]
    with TemporaryDirectory() as shelf:
        folder = fetch(hub, Path(shelf), model)
        assert (folder / "model.bin").read_bytes() == contents["model.bin"]
    hub.answers.clear()


def test_attempts_are_bounded_when_a_server_keeps_cutting(hub: FakeHub, tmp_path: Path) -> None:
    hub.always["model.bin"] = Answer(cut=100_000, ignores_range=True)
    refused(hub, tmp_path)
    assert len(hub.requests("model.bin")) == ATTEMPTS


def test_a_long_download_outlives_many_cuts(hub: FakeHub, tmp_path: Path) -> None:
    contents = whisper_files(9, weights=(2 * ATTEMPTS + 1) * WORTHWHILE)
    model = model_of("long", contents)
    hub.files[model.source] = contents
    hub.always["model.bin"] = Answer(cut=WORTHWHILE)
    verify(fetch(hub, tmp_path, model))
    assert len(hub.requests("model.bin")) == 2 * ATTEMPTS + 1


def wrong(path: str) -> Contents:
    """The files with one that has another content and the same size."""
    return FILES | {path: FILES[path][:-1] + bytes([FILES[path][-1] ^ 1])}


@pytest.mark.parametrize("path", FILES)
def test_a_wrong_hash_is_refused_and_named(hub: FakeHub, tmp_path: Path, path: str) -> None:
    hub.files[MODEL.source] = wrong(path)
    line = refused(hub, tmp_path)
    assert line.startswith(f"{path} of small from {hub.endpoint} has SHA-256 ")
    assert next(file.sha256 for file in MODEL.files if file.path == path) in line
    assert "nothing was installed" in line
    hub.files[MODEL.source] = dict(FILES)
    verify(fetch(hub, tmp_path))


def test_a_wrong_hash_leaves_the_installed_model_alone(hub: FakeHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path)
    newer = replace(model_of("small", whisper_files(20)), revision="f" * 40)
    hub.files[MODEL.source] = whisper_files(20)
    with pytest.raises(EngineError):  # the fake has no such commit
        fetch(hub, tmp_path, newer)
    newer = replace(newer, revision=COMMIT)
    hub.files[MODEL.source] = whisper_files(20) | {"model.bin": FILES["model.bin"]}
    with pytest.raises(EngineError, match=r"model\.bin"):
        fetch(hub, tmp_path, newer)
    verify(folder)
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES


def test_a_new_revision_replaces_the_old(hub: FakeHub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    contents = whisper_files(20)
    hub.files[MODEL.source] = contents
    folder = fetch(hub, tmp_path, model_of("small", contents))
    assert {path: (folder / path).read_bytes() for path in contents} == contents
    assert [p for p in (tmp_path / ".staging").iterdir() if p.is_dir()] == []


def test_a_damaged_partial_file_is_fetched_anew(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(cut=100_000)]
    hub.always["model.bin"] = Answer(status=503)
    refused(hub, tmp_path)
    hub.always.clear()
    (part,) = (tmp_path / ".staging").rglob("model.bin.part")
    part.write_bytes(bytes(100_000))
    hub.seen.clear()
    verify(fetch(hub, tmp_path))
    assert [seen.start for seen in hub.requests("model.bin")] == [100_000, 0]


def test_what_else_lies_in_the_staged_folder_is_not_installed(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(status=503)] * ATTEMPTS
    refused(hub, tmp_path)
    (staged,) = (path for path in (tmp_path / ".staging").iterdir() if path.is_dir())
    (staged / "preprocessor_config.json").write_text("{}")
    folder = fetch(hub, tmp_path)
    assert {p.name for p in folder.iterdir()} == {*FILES, "installed.json"}


@pytest.mark.parametrize("change", [-1000, 1000])
def test_another_size_on_the_server_is_refused_at_once(hub: FakeHub, tmp_path: Path, change: int) -> None:
    data = (FILES["model.bin"] + bytes(1000))[: len(FILES["model.bin"]) + change]
    hub.files[MODEL.source]["model.bin"] = data
    line = refused(hub, tmp_path)
    assert f"model.bin has {len(data)} bytes on the server instead of {len(FILES['model.bin'])}" in line
    assert len(hub.requests("model.bin")) == 1


def test_a_gated_model_says_how_to_be_allowed(hub: FakeHub, tmp_path: Path) -> None:
    hub.token = "hf_secret"
    line = refused(hub, tmp_path, GATED)
    for part in ("gated", "no token was given", f"{hub.endpoint}/{GATED.source}", "HF_TOKEN", "--token-file"):
        assert part in line
    assert "meetsense models import DIR" in line
    line = refused(hub, tmp_path, GATED, token="hf_another")
    assert "the token was refused" in line
    assert "hf_another" not in line
    verify(fetch(hub, tmp_path, GATED, token="hf_secret"))


def test_a_refusal_of_a_free_model_does_not_speak_of_gates(hub: FakeHub, tmp_path: Path) -> None:
    hub.token = "hf_secret"
    line = refused(hub, tmp_path)
    assert "(401)" in line
    assert "gated" not in line


def test_a_file_that_is_gone_is_named(hub: FakeHub, tmp_path: Path) -> None:
    del hub.files[MODEL.source]["tokenizer.json"]
    assert f"has no tokenizer.json of {MODEL.source} at {COMMIT[:8]} (404)" in refused(hub, tmp_path)
    assert len(hub.requests("tokenizer.json")) == 1


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("9000", LONGEST_WAIT), ("soon", 1.0)])
def test_a_busy_server_is_asked_again_when_it_says(
    hub: FakeHub, tmp_path: Path, asked: str, waited: float
) -> None:
    hub.answers["config.json"] = [Answer(status=429, headers={"Retry-After": asked})]
    waits = Waits()
    verify(fetch(hub, tmp_path, sleep=waits))
    assert waits == [waited]


def test_a_renamed_repository_keeps_the_token_on_the_same_host(hub: FakeHub, tmp_path: Path) -> None:
    hub.token = "hf_secret"
    hub.moved["someone/former"] = f"/{GATED.source}"
    verify(fetch(hub, tmp_path, replace(GATED, source="someone/former"), token="hf_secret"))


def test_what_is_here_and_longer_than_the_servers_file_is_dropped_once(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(cut=250_000), Answer(status=416)]
    waits = Waits()
    verify(fetch(hub, tmp_path, sleep=waits))
    assert [seen.start for seen in hub.requests("model.bin")] == [0, 250_000, 0]
    assert len(waits) == 1, "there is nothing to wait for"


def test_a_file_that_is_too_short_on_the_server_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(cut=250_000), *[Answer(status=503)] * ATTEMPTS]
    refused(hub, tmp_path)
    hub.seen.clear()
    hub.answers.clear()
    hub.files[MODEL.source]["model.bin"] = FILES["model.bin"][:200_000]
    assert "model.bin has 200000 bytes on the server instead of 300000" in refused(hub, tmp_path)
    assert [seen.start for seen in hub.requests("model.bin")] == [250_000, 0]


def test_a_server_that_always_answers_416_is_left(hub: FakeHub, tmp_path: Path) -> None:
    hub.always["model.bin"] = Answer(status=416)
    assert "is shorter on" in refused(hub, tmp_path)
    assert len(hub.requests("model.bin")) == 2


def test_a_proxy_sees_nothing_of_a_hub_on_this_machine(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hub.token = "hf_secret"
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        verify(fetch(hub, tmp_path, GATED, token="hf_secret"))
        assert proxy.seen == []
        with pytest.raises(EngineError, match=r"\(404\)"):  # what the proxy itself says
            pull(MODEL, tmp_path, Hub("http://hub.example"), sleep=Waits())
        assert proxy.seen


def test_another_host_gets_the_range_but_not_the_token(hub: FakeHub, tmp_path: Path) -> None:
    with serving() as store:
        store.files[GATED.source] = pyannote_files()
        hub.moved[GATED.source] = f"{store.endpoint}/{GATED.source}"
        store.answers["config.yaml"] = [Answer(cut=100)]
        verify(fetch(hub, tmp_path, GATED, token="hf_secret"))
    assert [seen.start for seen in store.requests("config.yaml")] == [0, 100]
    assert {seen.token for seen in hub.seen} == {"hf_secret"}
    assert {seen.token for seen in store.seen} == {None}


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("https://hub.example/elsewhere", "Bearer hf_secret"),
        ("https://hub.example:8443/elsewhere", None),
        ("https://cdn.example/elsewhere", None),
    ],
)
def test_the_token_stays_with_its_origin(to: str, kept: str | None) -> None:
    request = Request(
        "https://hub.example/a", headers={"Authorization": "Bearer hf_secret", "Range": "bytes=1-"}
    )
    new = _Redirects().redirect_request(request, BytesIO(), 302, "Found", HTTPMessage(), to)
    assert new is not None
    assert new.get_header("Authorization") == kept
    assert new.get_header("Range") == "bytes=1-"


@pytest.mark.parametrize("to", ["http://hub.example/a", "ftp://hub.example/a"])
def test_encryption_is_not_given_up(to: str) -> None:
    with pytest.raises(EngineError, match="unencrypted"):
        _Redirects().redirect_request(
            Request("https://hub.example/a"), BytesIO(), 302, "Found", HTTPMessage(), to
        )


def test_redirects_that_go_in_circles_end(hub: FakeHub, tmp_path: Path) -> None:
    hub.moved[MODEL.source] = f"/{MODEL.source}"
    refused(hub, tmp_path)


def test_a_slow_server_is_waited_for(hub: FakeHub, tmp_path: Path) -> None:
    hub.block, hub.pause = 30_000, 0.03
    verify(fetch(hub, tmp_path, timeout=2.0))
    assert len(hub.requests("model.bin")) == 1


def test_a_server_that_falls_silent_is_left(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["model.bin"] = [Answer(stall=3.0)]
    verify(fetch(hub, tmp_path, timeout=0.3))
    hub.always["model.bin"] = Answer(stall=3.0)
    shutil.rmtree(tmp_path / "whisper")
    assert "sent nothing for" in refused(hub, tmp_path, timeout=0.1)


def test_no_network_is_said_with_what_to_do(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    line = refused(hub, tmp_path)
    assert "is there a network?" in line
    assert "meetsense models import DIR" in line


def test_a_closed_port_is_said(tmp_path: Path) -> None:
    with serving() as server:
        pass
    assert "Connection refused" in refused(server, tmp_path)


def test_not_http_at_all(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        port = listener.getsockname()[1]

        def answer(_: float) -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"220 mail\r\n")

        with pytest.raises(EngineError, match=r"sent nothing|connection broke"):
            pull(MODEL, tmp_path, Hub(f"http://127.0.0.1:{port}", timeout=0.2), sleep=answer)


def test_a_full_disk_is_seen_before_the_download(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=64 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "309 kB are needed and 0 B are free" in refused(hub, tmp_path)
    assert hub.seen == []


def test_a_disk_that_fills_up_is_said_and_the_rest_kept(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.open

    def full(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "model.bin.part":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return whole(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        assert "the disk is full" in refused(hub, tmp_path)
    hub.seen.clear()
    verify(fetch(hub, tmp_path))
    assert hub.requests("config.json") == []


def test_a_model_that_is_there_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path)
    hub.seen.clear()
    assert fetch(hub, tmp_path) == folder
    assert hub.seen == []


def test_a_damaged_model_is_installed_anew(hub: FakeHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path)
    (folder / "model.bin").write_bytes(bytes(len(FILES["model.bin"])))
    verify(fetch(hub, tmp_path))


def test_a_folder_of_the_user_is_not_replaced(hub: FakeHub, tmp_path: Path) -> None:
    mine = tmp_path / "whisper" / "small" / "model.bin"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(EngineError, match="was not installed by meetsense"):
        fetch(hub, tmp_path)
    assert mine.read_text() == "mine"
    assert hub.seen == []


def test_a_second_pull_of_the_same_model_waits_its_turn(hub: FakeHub, tmp_path: Path) -> None:
    said = []

    def again(path: str, *_: Any) -> None:
        if path == "config.json":
            with pytest.raises(EngineError) as raised:
                fetch(hub, tmp_path)
            said.append(str(raised.value))

    verify(fetch(hub, tmp_path, progress=again))
    assert said[0].startswith("small is being installed by another process")


def test_a_move_that_fails_brings_the_old_model_back(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fetch(hub, tmp_path)
    contents = whisper_files(20)
    hub.files[MODEL.source] = contents
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if target == folder and ".old" not in path.name:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    monkeypatch.setattr(install, "_exchange", lambda *_: False)
    with pytest.raises(EngineError, match="Input/output error"):
        fetch(hub, tmp_path, model_of("small", contents))
    assert {file.path: (folder / file.path).read_bytes() for file in MODEL.files} == FILES
    assert read_record(folder).files == MODEL.files


def dying_at_a_rename(nth: int, exchange: bool, job: Callable[[], object]) -> int:
    """Exit status of a process that ends right after its nth rename of a folder: 9 when it came so far."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        left, rename = [nth], Path.rename

        def last(path: Path, target: Path) -> Path:
            rename(path, target)
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            return Path(target)

        Path.rename = last  # type: ignore[assignment,method-assign]
        if not exchange:
            install._exchange = lambda *_: False
        job()
        os._exit(0)
    except BaseException:
        os._exit(1)


def whole(folder: Path, *versions: Contents) -> bool:
    """Whether a folder holds one of the versions, with a record that it keeps to."""
    found = {path: (folder / path).read_bytes() for path in FILES if (folder / path).is_file()}
    return found in versions and not faults(folder)


def other_version(folder: Path, seed: int) -> tuple[Path, Contents]:
    contents = whisper_files(seed)
    return write(folder, contents), contents


@pytest.mark.parametrize("nth", [1, 2])
def test_a_model_is_replaced_in_one_step(tmp_path: Path, nth: int) -> None:
    (first, old), (second, new) = (other_version(tmp_path / str(seed), seed) for seed in (1, 20))
    folder = adopt(first, tmp_path / "shelf", [model_of("small", old)]).folder
    dying_at_a_rename(nth, True, lambda: adopt(second, tmp_path / "shelf", [model_of("small", new)]))
    assert whole(folder, old, new)


@pytest.mark.parametrize(("nth", "status"), [(1, 9), (2, 9), (3, 0)])
@pytest.mark.parametrize("third", [1, 33])
def test_a_crash_between_two_steps_is_undone(tmp_path: Path, nth: int, status: int, third: int) -> None:
    """Where the filesystem can't exchange folders; also when the next attempt is for another revision."""
    (first, old), (second, new) = (other_version(tmp_path / str(seed), seed) for seed in (1, 20))
    shelf = tmp_path / "shelf"
    folder = adopt(first, shelf, [model_of("small", old)]).folder
    entry = model_of("small", new)
    assert dying_at_a_rename(nth, False, lambda: adopt(second, shelf, [entry])) == status
    assert folder.exists() == (nth > 1)
    with staging(shelf, Kind.WHISPER, "small", "f" * third):
        assert whole(folder, old if nth == 1 else new)
    assert not list((shelf / ".staging").glob("*.old"))


def test_progress_reaches_the_end_of_every_file(hub: FakeHub, tmp_path: Path) -> None:
    seen: dict[str, list[int]] = {}
    fetch(hub, tmp_path, progress=lambda path, done, size: seen.setdefault(path, []).append(done))
    for file in MODEL.files:
        assert seen[file.path] == sorted(seen[file.path])
        assert seen[file.path][-1] == file.size


def test_the_environment_names_another_hub(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint + "/")
    verify(pull(MODEL, tmp_path, Hub()))


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_the_environment_may_forbid_the_network(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    with pytest.raises(EngineError, match="HF_HUB_OFFLINE"):
        Hub()


@pytest.mark.parametrize("endpoint", ["ftp://host", "host", "http://"])
def test_an_endpoint_is_an_address(endpoint: str) -> None:
    with pytest.raises(EngineError, match="no http address"):
        Hub(endpoint)


@pytest.mark.parametrize("token", ["", "two words", "hf_x\r\nX-Header: 1", "hf_ü"])
def test_a_token_is_one_word_and_never_shown(token: str) -> None:
    with pytest.raises(EngineError, match="the token is no token") as raised:
        Hub("https://hub.example", token)
    assert "hf_" not in str(raised.value)


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(EngineError, match="not encrypted"):
        Hub("http://mirror.example", "hf_secret")
    Hub("http://mirror.example")


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../b", "a//b", "./a", "a\\b", "a/"])
def test_a_file_stays_in_its_folder(path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        File(path, 1, "0" * 64)
