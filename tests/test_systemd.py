"""The units: what they may not do, one directive at a time; that they install, verify, and go again."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from meetsense.cli import main
from meetsense.config import read_settings

ROOT = Path(__file__).parents[1]
SYSTEMD = ROOT / "systemd"
NAMES = ("meetsense-capture.service", "meetsense-process.service")
UNITS = [*(SYSTEMD / name for name in NAMES), *(SYSTEMD / "user" / name for name in NAMES)]
CAPTURE, PROCESS = (SYSTEMD / name for name in NAMES)
MOST_EXPOSED = 0.5
OF_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
"""What a make that runs the tests hands down."""
PLACES = {
    "etc/systemd/system/meetsense-capture.service",
    "etc/systemd/system/meetsense-process.service",
    "etc/sysusers.d/meetsense.conf",
    "etc/tmpfiles.d/meetsense.conf",
    "etc/udev/rules.d/60-meetsense.rules.example",
    "etc/meetsense/config.toml",
    "usr/local/bin/meetsense",
}
CLOSED = {
    "NoNewPrivileges": ["yes"],
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "PrivateNetwork": ["yes"],
    "IPAddressDeny": ["any"],
    "RestrictAddressFamilies": ["AF_UNIX"],
    "PrivateTmp": ["yes"],
    "PrivateMounts": ["yes"],
    "PrivateUsers": ["yes"],
    "PrivateIPC": ["yes"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "ProtectClock": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectProc": ["invisible"],
    "LockPersonality": ["yes"],
    "RestrictNamespaces": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "RemoveIPC": ["yes"],
    "KeyringMode": ["private"],
    "SystemCallArchitectures": ["native"],
    "SystemCallErrorNumber": ["EPERM"],
    "DevicePolicy": ["closed"],
    "UMask": ["0077"],
    "StateDirectoryMode": ["0700"],
    "User": ["meetsense"],
}
"""What both of the system's units must say."""
CLOSED_FOR_USERS = (
    "NoNewPrivileges", "LockPersonality", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
    "RestrictSUIDSGID", "SystemCallArchitectures", "SystemCallErrorNumber", "UMask",
)  # fmt: skip
"""What a user's manager can do of it."""
OWN = {
    CAPTURE: {
        "SystemCallFilter": ["@system-service", "~@privileged @resources"],
        "MemoryDenyWriteExecute": ["yes"],
        "DeviceAllow": ["char-alsa rw"],
        "SupplementaryGroups": ["audio"],
        "PrivateDevices": [],
        "Restart": ["always"],
        "Type": ["notify"],
        "WatchdogSec": ["30"],
        "RuntimeDirectoryMode": ["0700"],
    },
    PROCESS: {
        "SystemCallFilter": ["@system-service", "~@privileged"],
        "PrivateDevices": ["yes"],
        "DeviceAllow": [],
        "SupplementaryGroups": [],
        "LoadCredential": ["meetsense.identity"],
        "KillMode": ["mixed"],
        "OOMPolicy": ["continue"],
        "IOSchedulingClass": ["idle"],
        "Restart": ["always"],
        "Type": ["notify"],
        "WatchdogSec": ["1800"],
    },
}
"""What each of them says besides; an empty list: nothing."""


def directives(unit: Path) -> Mapping[str, list[str]]:
    """Every directive of a unit with its values, in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            key, equals, value = line.partition("=")
            assert equals, line
            found[key].append(value)
    return found


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command with an environment of ours."""
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    mine = {key: value for key, value in os.environ.items() if key not in OF_MAKE}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=mine | environment)


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A target of the Makefile."""
    return run("make", "--silent", "-C", ROOT, *arguments, **environment)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A place where the program is."""
    folder = tmp_path / "prefix"
    program = folder / "bin" / "meetsense"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return folder


@pytest.fixture
def root(tmp_path: Path, prefix: Path) -> Path:
    """A root into which the services were installed."""
    folder = tmp_path / "root"
    done = make("install-service", f"DESTDIR={folder}", f"PREFIX={prefix}")
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("key", CLOSED)
@pytest.mark.parametrize("unit", [CAPTURE, PROCESS], ids=lambda unit: unit.stem)
def test_what_both_may_not(unit: Path, key: str) -> None:
    assert directives(unit)[key] == CLOSED[key]


@pytest.mark.parametrize(("unit", "key"), [(unit, key) for unit, own in OWN.items() for key in own])
def test_what_each_may(unit: Path, key: str) -> None:
    assert directives(unit)[key] == OWN[unit][key]


@pytest.mark.parametrize("key", CLOSED_FOR_USERS)
@pytest.mark.parametrize("name", NAMES)
def test_what_the_users_units_may_not(name: str, key: str) -> None:
    assert directives(SYSTEMD / "user" / name)[key] == CLOSED[key]


@pytest.mark.parametrize("name", NAMES)
def test_the_users_units_filter_and_behave_as_the_systems(name: str) -> None:
    mine, the_systems = directives(SYSTEMD / "user" / name), directives(SYSTEMD / name)
    alike = "Type", "Restart", "RestartSec", "WatchdogSec", "KillMode", "OOMPolicy", "SystemCallFilter"
    assert [mine[key] for key in alike] == [the_systems[key] for key in alike]


def test_the_sound_driver_is_loaded_before_its_device_is_allowed() -> None:
    """DeviceAllow=char-alsa is dropped without a word when the driver isn't there yet."""
    unit = directives(CAPTURE)
    assert "modprobe@snd.service" in " ".join(unit["Wants"]).split()
    assert "modprobe@snd.service" in " ".join(unit["After"]).split()


def test_recording_goes_first() -> None:
    capture, process = directives(CAPTURE), directives(PROCESS)
    for key in ("CPUWeight", "IOWeight"):
        assert int(capture[key][0]) >= 10 * int(process[key][0])
    assert int(capture["OOMScoreAdjust"][0]) < 0 < int(process["OOMScoreAdjust"][0])
    assert int(process["Nice"][0]) > 0
    assert capture["Nice"] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.parent.name}-{unit.stem}")
def test_it_never_gives_up(unit: Path) -> None:
    assert directives(unit)["StartLimitIntervalSec"] == ["0"]
    assert float(directives(unit)["RestartSec"][0]) <= 5


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.parent.name}-{unit.stem}")
def test_the_command_that_a_unit_starts_exists(unit: Path) -> None:
    program, *words = shlex.split(directives(unit)["ExecStart"][0])
    assert program == "/usr/local/bin/meetsense"
    command: click.Command | None = main
    while isinstance(command, click.Group) and words:
        command = command.get_command(click.Context(command), words.pop(0))
    assert isinstance(command, click.Command)
    assert not isinstance(command, click.Group)
    command.make_context("unit", words)


def exposure(unit: Path) -> float:
    """As ``systemd-analyze security`` sees it: 0 is best, 10 worst."""
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
    assert done.stderr == ""
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


@pytest.mark.parametrize("unit", [CAPTURE, PROCESS], ids=lambda unit: unit.stem)
def test_exposure(unit: Path, root: Path) -> None:
    for file in (unit, root / "etc/systemd/system" / unit.name):
        assert exposure(file) <= MOST_EXPOSED
    open_to_the_net = root / unit.name
    open_to_the_net.write_text(unit.read_text().replace("PrivateNetwork=yes\n", ""))
    assert exposure(open_to_the_net) > MOST_EXPOSED


def test_installed_units_verify_without_a_word(root: Path, prefix: Path) -> None:
    units = sorted((root / "etc/systemd/system").iterdir())
    assert [unit.name for unit in units] == list(NAMES)
    for unit in units:
        assert directives(unit)["ExecStart"][0].startswith(f"{prefix}/bin/meetsense run ")
    done = run("systemd-analyze", "verify", *units)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_verify_finds_what_is_wrong(root: Path) -> None:
    unit = root / "etc/systemd/system" / NAMES[0]
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=allways"))
    assert "allways" in run("systemd-analyze", "verify", unit).stderr


def test_installed_user_units_verify_without_a_word(tmp_path: Path, prefix: Path) -> None:
    home, runtime = tmp_path / "home", tmp_path / "run"
    runtime.mkdir()
    folder = home / ".config/systemd/user"
    place = {"HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_RUNTIME_DIR": str(runtime)}
    done = make("install-service", "SCOPE=user", f"PREFIX={prefix}", f"DESTDIR={tmp_path / 'root'}", **place)
    assert (done.returncode, done.stderr) == (0, "")
    units = sorted(Path(f"{tmp_path / 'root'}{folder}").iterdir())
    assert [unit.name for unit in units] == list(NAMES)
    done = run("systemd-analyze", "--user", "verify", *units, **place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    make("uninstall-service", "SCOPE=user", f"DESTDIR={tmp_path / 'root'}", **place)
    assert files(tmp_path / "root") == set()


def test_what_is_installed(root: Path, prefix: Path) -> None:
    assert files(root) == PLACES
    assert (root / "usr/local/bin/meetsense").readlink() == prefix / "bin" / "meetsense"
    modes = {place: stat.S_IMODE((root / place).stat().st_mode) for place in PLACES if "/bin/" not in place}
    assert {place for place, mode in modes.items() if mode != 0o644} == {"etc/meetsense/config.toml"}
    assert modes["etc/meetsense/config.toml"] == 0o640


def test_a_dry_run_says_it_and_does_nothing(tmp_path: Path, root: Path) -> None:
    nothing = tmp_path / "nothing"
    done = make("install-service", "DRY_RUN=1", f"DESTDIR={nothing}")
    assert (done.returncode, done.stderr) == (0, "")
    assert not nothing.exists()
    assert all(f"{nothing}/{place}" in done.stdout for place in PLACES)
    assert f"{ROOT}/.venv/bin/meetsense" in done.stdout  # where the program is unless PREFIX says otherwise
    gone = make("uninstall-service", "DRY_RUN=1", f"DESTDIR={root}")
    assert (gone.returncode, gone.stderr) == (0, "")
    assert files(root) == PLACES


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The programs of a machine on which the recorder's unit runs, and the processor's doesn't."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("dirname", "grep", "id", "readlink"):
        (folder / name).symlink_to(shutil.which(name) or pytest.skip(f"{name} is not installed"))
    control = folder / "systemctl"
    control.write_text('#!/bin/sh\n[ "$*" = "is-active --quiet meetsense-capture.service" ]\n')
    for tool in ("systemd-sysusers", "systemd-tmpfiles"):
        (folder / tool).write_text("#!/bin/sh\nexit 1\n")
    for program in folder.iterdir():
        program.chmod(0o755)
    return folder


def dry(machine: Path, prefix: Path, booted: Path) -> list[str]:
    """What an installation on a machine says that it would do."""
    place = {"PATH": str(machine), "PREFIX": str(prefix), "BOOTED": str(booted), "DRY_RUN": "1"}
    done = run("/bin/sh", SYSTEMD / "install.sh", "install", **place)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_runs_must_be_restarted(machine: Path, prefix: Path, tmp_path: Path) -> None:
    lines = dry(machine, prefix, tmp_path)
    (told,) = (line for line in lines if " restart " in line)
    assert told.endswith(": systemctl restart meetsense-capture.service")
    assert "systemctl daemon-reload" in lines
    (machine / "systemctl").write_text("#!/bin/sh\nexit 3\n")
    assert not [line for line in dry(machine, prefix, tmp_path) if " restart " in line]


def test_a_dry_run_makes_the_user_where_systemd_does_not_run(machine: Path, prefix: Path) -> None:
    lines = dry(machine, prefix, Path("/nowhere"))
    places = [line for line in lines if "/etc/systemd/system/" in line]
    assert all(
        line.endswith(f"  # with {prefix}/bin/meetsense for /usr/local/bin/meetsense") for line in places
    )
    assert len(places) == 2
    made = ["systemd-sysusers meetsense.conf", "systemd-tmpfiles --create meetsense.conf"]
    assert [line for line in lines if line.startswith("systemd-")] == made
    assert not [line for line in lines if "daemon-reload" in line or " restart " in line]
    (machine / "systemd-sysusers").unlink()
    (told,) = (
        line
        for line in dry(machine, prefix, Path("/nowhere"))
        if "sysusers meets" in line or "no sys" in line
    )
    assert told == "there is no systemd-sysusers: systemd makes up for it when it starts"


def test_uninstalling_keeps_what_is_the_users(root: Path, prefix: Path) -> None:
    meeting, configuration = root / "var/lib/meetsense/meetsense.db", root / "etc/meetsense/config.toml"
    meeting.parent.mkdir(parents=True)
    meeting.write_text("meetings")
    configuration.write_text('language = "en"\n')
    again = make("install-service", f"DESTDIR={root}", f"PREFIX={prefix}")
    assert (again.returncode, again.stderr) == (0, "")
    assert configuration.read_text() == 'language = "en"\n'
    gone = make("uninstall-service", f"DESTDIR={root}")
    assert (gone.returncode, gone.stderr) == (0, "")
    assert files(root) == {"etc/meetsense/config.toml", "var/lib/meetsense/meetsense.db"}


@pytest.mark.parametrize("prefix", ["/srv/my programs", "/srv/100%", "srv", "/srv/$(id)", "/srv/a|b"])
def test_a_place_that_no_unit_can_name_is_refused(prefix: str, tmp_path: Path) -> None:
    place = {"PREFIX": prefix, "DESTDIR": str(tmp_path / "root")}
    done = run("sh", SYSTEMD / "install.sh", "install", **place)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"install-service: PREFIX=.+: .+\n", done.stderr)
    assert not (tmp_path / "root").exists()


def test_a_place_that_the_services_do_not_see_is_refused() -> None:
    done = run("sh", SYSTEMD / "install.sh", "install", PREFIX="/home/ada/meetsense", DRY_RUN="1")
    assert done.returncode == 1
    assert done.stderr.startswith("install-service: the services can't see /home/ada/meetsense; ")
    assert done.stdout == ""


def test_the_services_settings_are_those_of_the_units(root: Path) -> None:
    settings = read_settings(root / "etc/meetsense/config.toml")
    assert settings.state == Path("/var/lib") / directives(PROCESS)["StateDirectory"][0]
    assert settings.capture.socket is not None
    assert settings.capture.socket.parent == Path("/run") / directives(CAPTURE)["RuntimeDirectory"][0]
    assert directives(PROCESS)["LoadCredential"] == [settings.process.identity]
    for unit in (CAPTURE, PROCESS):
        assert directives(unit)["ExecStart"][0].endswith(" --config /etc/meetsense/config.toml")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users and give files away")
def test_the_user_and_the_state_directory(root: Path) -> None:
    made = run("systemd-sysusers", f"--root={root}")
    assert made.returncode == 0, made.stderr
    users = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    number, home, shell = next((int(u[2]), u[5], u[6]) for u in users if u[0] == "meetsense")
    assert (home, shell) == ("/var/lib/meetsense", "/usr/sbin/nologin")
    groups = [line.split(":") for line in (root / "etc/group").read_text().splitlines()]
    assert [group[3] for group in groups if group[0] == "audio"] == ["meetsense"]
    made = run("systemd-tmpfiles", f"--root={root}", "--create")
    assert (made.returncode, made.stderr) == (0, "")
    state = (root / "var/lib/meetsense").stat()
    assert (stat.S_IMODE(state.st_mode), state.st_uid) == (0o700, number)
    configuration = (root / "etc/meetsense/config.toml").stat()
    assert (stat.S_IMODE(configuration.st_mode), configuration.st_uid) == (0o640, 0)
    assert configuration.st_gid == state.st_gid
