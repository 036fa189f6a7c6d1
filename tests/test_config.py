"""Configuration: file, environment, and every mistake in one message."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetsense.config import MEMORY_MB, Settings, default_file, default_memory_mb, read_settings, sections
from meetsense.config.example import example
from meetsense.config.sections import default_state
from meetsense.errors import ConfigError

EXAMPLE = Path(__file__).parents[1] / "docs" / "meetsense.example.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_file_and_defaults(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, f'state = "{tmp_path}"\nspeakers = "2-6"\n'))
    assert settings.database == tmp_path / "meetsense.db"
    assert settings.models == tmp_path / "models"
    assert (settings.speakers, settings.language, settings.threads) == ("2-6", None, 0)


def test_what_one_meeting_may_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = read_settings(write(tmp_path, ""))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    assert 0 < defaults.memory_mb <= min(6000, total)
    assert defaults.time_factor > 1
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 250_000}.__getitem__)
    assert read_settings(write(tmp_path, "")).memory_mb == 768
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2_500_000_000}.__getitem__)
    assert default_memory_mb() <= MEMORY_MB
    given = read_settings(write(tmp_path, "memory_mb = 9000\ntime_factor = 1.5\n"))
    assert (given.memory_mb, given.time_factor) == (9000, 1.5)
    with pytest.raises(ConfigError, match=r"memory_mb.*time_factor"):
        read_settings(write(tmp_path, "memory_mb = 0\ntime_factor = 0\n"))


def test_the_diarizer_and_the_roster_as_a_count(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, 'speakers = "roster"\npyannote_mode = "fast"\n'))
    assert (settings.speakers, settings.diarizer, settings.pyannote_mode) == ("roster", "auto", "fast")
    with pytest.raises(ConfigError, match="diarizer"):
        read_settings(write(tmp_path, 'diarizer = "best"\n'))


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETSENSE_THREADS", "3")
    assert read_settings(write(tmp_path, "threads = 1")).threads == 3


def test_systemd_names_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("MEETSENSE_STATE", raising=False)
    assert read_settings(write(tmp_path, "")).state == tmp_path


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_settings(
            write(tmp_path, 'colour = 1\nthreads = "many"\nspeakers = "6-2"\nlanguage = "English"\n')
        )
    line = str(raised.value)
    for mistake in ("colour: unknown key", "threads: ", "speakers: ", "language: "):
        assert mistake in line


@pytest.mark.parametrize("text", ["x = [", "\udcff"])
def test_not_toml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match="not TOML"):
        read_settings(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")


def test_sections_and_their_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[room]\nname = "library"\n[capture]\nchannel = 2\nlongest_hours = 3\n'
    monkeypatch.setenv("MEETSENSE_CAPTURE__CHANNEL", "mix")
    monkeypatch.setenv("meetsense_process__Attempts", "5")
    settings = read_settings(write(tmp_path, text))
    assert (settings.room.name, settings.capture.channel, settings.capture.longest_hours) == (
        "library",
        "mix",
        3,
    )
    assert settings.process.attempts == 5
    monkeypatch.setenv("MEETSENSE_CAPTURE__CHANNEL", "1")
    assert read_settings(write(tmp_path, text)).capture.channel == 1


def test_what_is_empty_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_settings(write(tmp_path, ""))
    monkeypatch.setenv("MEETSENSE_CAPTURE__DEVICE", " ")
    text = 'db = ""\nlanguage = ""\n[capture]\ndevice = "USB"\nsocket = ""\n'
    text += '[room]\nname = ""\n[policy]\ntext = ""\n'
    assert read_settings(write(tmp_path, text)) == plain
    assert plain.policy.stated() is None


def test_where_the_socket_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    usual, own = write(tmp_path, ""), tmp_path / "own.toml"
    own.write_text(f'state = "{tmp_path}"\n')

    def sockets() -> tuple[Path, Path]:
        return read_settings(usual).capture.socket, read_settings(own).capture.socket

    assert sockets() == (default_state() / "run" / "control.sock", tmp_path / "run" / "control.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert sockets() == (Path("/run/user/1/meetsense/control.sock"), tmp_path / "run" / "control.sock")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/meetsense:/run/other")
    assert sockets() == (Path("/run/meetsense/control.sock"),) * 2
    own.write_text(f'state = "{tmp_path}"\n[capture]\nsocket = "/run/s"\n')
    assert sockets()[1] == Path("/run/s")


def mistakes(folder: Path, text: str, *, files: bool = False) -> list[str]:
    """The mistakes of a text, one each."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as raised:
        read_settings(path, files=files)
    line = str(raised.value)
    assert "\n" not in line
    return line.removeprefix(f"{path}: ").split("; ")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "[capture]\nsegment_second = 1\n",
            "capture.segment_second: unknown key; did you mean segment_seconds?",
        ),
        ("[capture]\ntimezone = 1\n", "capture.timezone: unknown key; did you mean room.timezone?"),
        ("segment_seconds = 1\n", "segment_seconds: unknown key; did you mean capture.segment_seconds?"),
        ("thread = 1\n", "thread: unknown key; did you mean threads?"),
        ("[captur]\nx = 1\n", "captur: unknown section; did you mean capture?"),
        ("[[capture]]\nx = 1\n", "capture: must be a section: [capture]"),
        ("capture = 1\n", "capture: must be a section: [capture]"),
        ("xyzzy = 1\n", "xyzzy: unknown key"),
        ('_env_prefix = "X"\n', "_env_prefix: unknown key"),
        ("_thread = 1\n", "_thread: unknown key; did you mean threads?"),
        ("self = 1\n", "self: unknown key"),
        (
            '[room]\ntimezone = "Europe/Berlim"\n',
            "room.timezone: no timezone of the IANA database is called ",
        ),
        (
            '[room]\ntimezone = "../etc/passwd"\n',
            "room.timezone: no timezone of the IANA database is called ",
        ),
        ('[room]\ntimezone = "Europe"\n', "room.timezone: no timezone of the IANA database is called "),
        ("[room]\ntimezone = 1\n", "room.timezone: "),
        ("[capture]\nchannel = 0\n", "capture.channel: must be mix or a channel's number"),
        ("[capture]\nchannel = true\n", "capture.channel: must be mix or a channel's number"),
        ("[capture]\nchannel = 1.0\n", "capture.channel: must be mix or a channel's number"),
        ('[capture]\nchannel = "left"\n', "capture.channel: must be mix or a channel's number"),
        (
            "[capture]\nsegment_seconds = 61\n",
            "capture.segment_seconds: Input should be less than or equal to 60",
        ),
        ("[capture]\nsegment_seconds = nan\n", "capture.segment_seconds: "),
        ("[capture]\nlongest_hours = inf\n", "capture.longest_hours: "),
        ("[capture]\nsync_seconds = true\n", "capture.sync_seconds: must be a number, not true or false"),
        ("threads = true\n", "threads: must be a number, not true or false"),
        ("[process]\nnice = 1.5\n", "process.nice: "),
        ("[process]\nnice = 2026-11-24\n", "process.nice: "),
        ("[process]\nnice = [1]\n", "process.nice: "),
        ('[process]\nidentity = "a/b"\n', "process.identity: must be a credential's name"),
        ('[process]\nidentity = ""\n', "process.identity: must be a credential's name"),
        ('[capture]\nencrypt_to = "age1abc"\n', "capture.encrypt_to: not an age recipient"),
        ("[capture]\nindicator = '\"light'\n", "capture.indicator: not a command: no closing quotation"),
        (f'[capture]\nsocket = "/{"x" * 107}"\n', "capture.socket: longer than 107 bytes"),
        ("[capture]\nsocket = 3\n", "capture.socket: "),
        ('[policy]\nsha256 = "ABC"\n', "policy.sha256: must be 64 hex digits"),
        ('[policy]\ntext = "/p"\n', "policy.sha256: is missing"),
        (f'[policy]\nsha256 = "{"a" * 64}"\n', "policy.text: is missing"),
        ('[calendar]\nfile = "/c.ics"\n', "calendar.file: needs [policy]"),
        ('[calendar]\nroom = "library"\n', "calendar.room: needs calendar.file"),
        (
            "[capture]\nsegment_seconds = 1\nsync_seconds = 2\n",
            "capture.sync_seconds: is more than segment_seconds (1)",
        ),
        (
            "[capture]\nlongest_hours = 0.1\n",
            "capture.stop_after_minutes: is more than longest_hours (0.1), so that it never counts",
        ),
        (
            "[process]\nkeep_free_mb = 399\n",
            "process.keep_free_mb: must be at least twice capture.low_water_mb (200)",
        ),
    ],
)
def test_a_mistake(tmp_path: Path, text: str, mistake: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        read_settings(path)
    line = str(raised.value)
    assert line.startswith(f"{path}: {mistake}")
    assert "\n" not in line
    assert line.count(mistake) == 1


def test_mistakes_of_every_kind_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETSENSE_ROOM__TIMEZONE", "Mars")
    monkeypatch.setenv("MEETSENSE_CAPTUR__DEVICE", "x")
    monkeypatch.setenv("MEETSENSE_PROCESS__ATTEMPT", "2")
    text = (
        'threads = "many"\n[capture]\nsync_seconds = 9\nsegment_seconds = 5\nlow_water_mb = 0\n'
        f'[policy]\ntext = "/nowhere"\nsha256 = "{"a" * 64}"\n'
        '[process]\nkeep_free_mb = 1\n[calendar]\nrom = "x"\n'
    )
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        read_settings(path, files=True)
    line = str(raised.value)
    for mistake in (
        "threads: Input should be a valid integer",
        "room.timezone (MEETSENSE_ROOM__TIMEZONE): no timezone",
        "captur.device (MEETSENSE_CAPTUR__DEVICE): unknown key; did you mean capture.device?",
        "process.attempt (MEETSENSE_PROCESS__ATTEMPT): unknown key; did you mean attempts?",
        "capture.low_water_mb: ",
        "capture.sync_seconds: is more than segment_seconds (5)",
        "policy.text: /nowhere cannot be read (No such file or directory)",
        "calendar.rom: unknown key; did you mean room?",
    ):
        assert line.count(mistake) == 1, mistake
    assert "keep_free_mb" not in line  # what it is compared with is wrong itself


def test_files_that_are_named(tmp_path: Path) -> None:
    text, ics = tmp_path / "policy.txt", tmp_path / "room.ics"
    text.write_text("Meetings are recorded.")
    right = hashlib.sha256(text.read_bytes()).hexdigest()
    said = f'[policy]\ntext = "{text}"\nsha256 = "{right}"\n[calendar]\nfile = "{ics}"\n'
    assert mistakes(tmp_path, said, files=True) == [
        f"calendar.file: {ics} cannot be read (No such file or directory)"
    ]
    ics.write_text("")
    stated = read_settings(write(tmp_path, said), files=True).policy.stated()
    assert stated is not None
    assert (stated.text, stated.sha256) == (text, right)
    text.write_text("Everything is recorded.")
    (mistake,) = mistakes(tmp_path, said, files=True)
    assert mistake.startswith(f"policy.sha256: isn't that of {text}, which is now ")
    assert read_settings(write(tmp_path, said)).policy.stated() == stated


def test_the_services_configuration_is_for_who_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, own = tmp_path / "system.toml", tmp_path / "home" / "meetsense" / "config.toml"
    monkeypatch.setattr("meetsense.config.SYSTEM_CONFIG", system)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    assert default_file() is None
    assert read_settings().threads == 0
    system.write_text("threads = 2\n")
    assert (default_file(), read_settings().threads) == (system, 2)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert default_file() is None
    own.parent.mkdir(parents=True)
    own.write_text("threads = 3\n")
    assert (default_file(), read_settings().threads) == (own, 3)


def test_the_home_of_another_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after runuser, which leaves HOME as it was."""
    system = tmp_path / "system.toml"
    system.write_text("threads = 2\n")
    monkeypatch.setattr("meetsense.config.SYSTEM_CONFIG", system)

    def refused(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refused)
    assert (default_file(), read_settings().threads) == (system, 2)


def test_paths_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_settings(write(tmp_path, 'state = "~/meetings"\n')).state == tmp_path / "meetings"


def uncommented() -> str:
    return re.sub(r"^#(?=\w+ = )", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def test_the_example_is_what_is_printed() -> None:
    assert EXAMPLE.read_text() == example()


def test_the_example_loads_as_it_is_and_uncommented(tmp_path: Path) -> None:
    plain = read_settings(write(tmp_path, ""))
    assert read_settings(EXAMPLE) == plain
    whole = read_settings(write(tmp_path, uncommented() + "\n"))
    assert whole.model_copy(update={"memory_mb": plain.memory_mb}) == plain


def test_the_example_has_every_key_with_what_it_means() -> None:
    values = tomllib.loads(uncommented())
    assert values.keys() == Settings.model_fields.keys()
    for name, kind in sections().items():
        assert values[name].keys() == kind.model_fields.keys()
    told = re.findall(r"((?:^# .*\n)+)#(\w+) = ", EXAMPLE.read_text(), re.MULTILINE)
    keys = [key for value in values.values() if isinstance(value, dict) for key in value]
    top = [key for key, value in values.items() if not isinstance(value, dict)]
    assert [key for _, key in told] == top + keys
    for text, key in told:
        words = " ".join(text.replace("#", " ").split()).lower()
        given = [table[key] for table in (values, *map(values.__getitem__, sections())) if key in table]
        if "" in given and key != "sha256":
            assert "when empty: " in words, key
        if match := re.search(r"_(seconds|minutes|hours|mb|dbfs)$", key):
            unit = {"mb": "MB", "dbfs": "dB"}.get(match[1], match[1])
            assert unit in text, key


TEXTS = st.text(max_size=8) | st.sampled_from(["mix", "Europe/Berlin", "/x", "a" * 64, "0", "-1", "2.5"])
VALUES = st.recursive(
    TEXTS | st.integers(-3, 3000) | st.floats() | st.booleans() | st.dates(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)
NESTED = [key for kind in sections().values() for key in kind.model_fields]
KEYS = st.sampled_from([*Settings.model_fields, *NESTED])
TABLES = st.dictionaries(KEYS | TEXTS, VALUES, max_size=4)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.dictionaries(KEYS | TEXTS, VALUES | TABLES, max_size=5))
def test_any_values_load_or_are_told_in_one_line(values: dict[str, object]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("meetsense.config.read_toml", lambda _: values)
        try:
            found = read_settings(Path("any.toml"), files=True)
        except ConfigError as error:
            line = str(error)
        else:
            line = ""
            assert values.keys() <= Settings.model_fields.keys()
            assert found.process.keep_free_mb >= 2 * found.capture.low_water_mb
        assert line.startswith("any.toml: ") or not line


def test_any_environment_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("", "__", "CAPTURE__", "CAPTURE", "ROOM__A__B"):
        monkeypatch.setenv(f"MEETSENSE_{variable}", '{"x": 1}')
    with pytest.raises(ConfigError) as raised:
        read_settings()
    assert "room.a__b (MEETSENSE_ROOM__A__B): unknown key" in str(raised.value)
