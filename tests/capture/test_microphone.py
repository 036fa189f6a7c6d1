"""PortAudio, with ALSA's file device as the microphone: what it gives is what is on the disk, bit for bit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from meetsense.capture.folder import Folder
from meetsense.capture.microphone import (
    MORE_BLOCKS,
    _by_card,
    _channels,
    _find,
    open_microphone,
    without_codecs,
)
from meetsense.errors import CaptureError
from tests.capture import alsa
from tests.capture.ramp import RATE, begun, ramp, sound

LOADED_LATE = {
    "torch",
    "onnxruntime",
    "scipy",
    "faster_whisper",
    "ctranslate2",
    "sqlite_utils",
    "sqlite3",
    "soundfile",
}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "recordings").mkdir()
    return begun(tmp_path / "recordings")


@alsa.needed
def test_bit_for_bit_through_portaudio(tmp_path: Path, folder: Folder) -> None:
    env = alsa.environment(tmp_path, ramp(0, 70 * RATE))
    told = alsa.recorded(folder.path, "--fast", "--samples", 60 * RATE, "--segment", 7, env=env)
    assert told["end"] == "stopped"
    samples = sound(folder)[: 70 * RATE]
    assert len(samples) >= 60 * RATE
    assert np.array_equal(samples, ramp(0, len(samples)))
    assert told["missing"] == {}
    assert len(folder.read().segments) > 8


@alsa.needed
def test_what_the_recorder_holds_in_memory(tmp_path: Path, folder: Folder) -> None:
    env = alsa.environment(tmp_path, ramp(0, 700 * RATE))
    told = alsa.recorded(folder.path, "--fast", "--samples", 600 * RATE, env=env)
    assert told["peak"] < 80e6
    assert LOADED_LATE.isdisjoint(told["modules"])


@alsa.needed
def test_without_memory_that_is_writable_and_executable(tmp_path: Path, folder: Folder) -> None:
    env = alsa.environment(tmp_path, ramp(0, 20 * RATE))
    told = alsa.recorded(folder.path, "--fast", "--mdwe", "--samples", 10 * RATE, env=env)
    if not told["mdwe"]:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert np.array_equal(sound(folder)[: 10 * RATE], ramp(0, 10 * RATE))


@alsa.needed
def test_the_second_channel(tmp_path: Path, folder: Folder) -> None:
    both = np.stack([np.full(20 * RATE, 77, np.int16), ramp(0, 20 * RATE)], axis=1)
    env = alsa.environment(tmp_path, both)
    alsa.recorded(folder.path, "--fast", "--channel", 2, "--samples", 10 * RATE, env=env)
    assert np.array_equal(sound(folder)[: 10 * RATE], ramp(0, 10 * RATE))


@alsa.needed
def test_a_recording_resumed_by_another_process(tmp_path: Path, folder: Folder) -> None:
    env = alsa.environment(tmp_path, ramp(0, 20 * RATE))
    alsa.recorded(folder.path, "--fast", "--samples", 5 * RATE, env=env)
    first = len(sound(folder))
    told = alsa.recorded(folder.path, "--fast", "--samples", first + 5 * RATE, env=env)
    assert told["samples"] == len(sound(folder))
    assert np.array_equal(sound(folder)[first : first + 5 * RATE], ramp(0, 5 * RATE))


@alsa.needed
def test_the_microphones_that_there_are(tmp_path: Path) -> None:
    code = """
from meetsense.capture.microphone import list_devices
print(*[device.name for device in list_devices()], sep="\\n")
"""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise SystemExit('not ours')\n")
    code = f"import os; os.chdir({str(tmp_path / 'here')!r})\n{code}"
    done = alsa.python("-P", "-c", code, env=alsa.environment(tmp_path, ramp(0, RATE)))
    assert alsa.DEVICE in done.stdout.splitlines(), done.stderr


@alsa.needed
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'kitchen'", ("no microphone is called 'kitchen'", alsa.DEVICE)),
        (f"'{alsa.DEVICE}', 500", (alsa.DEVICE, "has no channel 500")),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: str, words: tuple[str, ...]) -> None:
    code = f"""
from meetsense.capture.microphone import open_microphone
from meetsense.errors import CaptureError
try: open_microphone({arguments})
except CaptureError as error: print(error)
"""
    done = alsa.python("-c", code, env=alsa.environment(tmp_path, ramp(0, RATE)))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert all(word in done.stdout for word in words)


@alsa.needed
def test_a_device_is_found_that_came_after_portaudio_was_loaded(tmp_path: Path) -> None:
    env = alsa.environment(tmp_path, ramp(0, RATE))
    configuration = Path(env["ALSA_CONFIG_PATH"])
    code = f"""
import json, pathlib
from meetsense.capture.microphone import open_microphone
from meetsense.errors import CaptureError
path = pathlib.Path({str(configuration)!r})
late = path.read_text()
path.write_text(late.replace({alsa.DEVICE!r}, 'another'))
found = []
for _ in range(2):
    try:
        microphone = open_microphone({alsa.DEVICE!r})
        found.append(microphone.name); microphone.close()
    except CaptureError: found.append(None)
    path.write_text(late)
print(json.dumps(found))
"""
    done = alsa.python("-c", code, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [None, alsa.DEVICE]


@alsa.needed
def test_no_codec_is_loaded_and_a_user_s_device_is_found(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ALSA_")}
    ramp(0, RATE).astype("<i2").tofile(tmp_path / "microphone.raw")
    own = alsa.CONFIGURATION.replace(f"<{alsa.ALSA}>", "") % (tmp_path / "microphone.raw")
    (tmp_path / ".asoundrc").write_text(own)
    code = f"""
from pathlib import Path
from meetsense.capture.microphone import open_microphone
print(open_microphone({alsa.DEVICE!r}).name)
print("libavcodec" in Path("/proc/self/maps").read_text())
"""
    done = alsa.python("-c", code, env=env | {"HOME": str(tmp_path), "PYTHONPATH": str(alsa.ROOT / "src")})
    assert done.stdout.splitlines() == [alsa.DEVICE, "False"], done.stderr


PLAIN = "@hooks [\n\t{\n\t\tfunc load\n\t\tfiles []\n\t}\n]\nx 1\n"


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("", {}),
        ("x 1\n", {}),
        (PLAIN, {"ALSA_CONFIG_PATH": "/my/own"}),
        (PLAIN.replace("]\nx", "\t{\n\t\tfunc load\n\t}\n]\nx"), {}),
        (None, {}),
    ],
)
def test_a_configuration_of_another_s_making_is_left_alone(
    text: str | None, environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "alsa.conf"
    if text is not None:
        path.write_text(text)
    assert without_codecs(environment, path) == {}
    path.write_text(PLAIN)
    assert set(without_codecs({}, path)) == {"ALSA_CONFIG_PATH", "ALSA_WITHOUT_CODECS"}


def named(*names: str) -> list[dict[str, Any]]:
    """Devices with so many inputs as the name's last letter says."""
    return [{"name": name, "max_input_channels": int(name[-1])} for name in names]


def test_a_device_by_its_name_a_part_of_it_or_its_card(tmp_path: Path) -> None:
    found = named(
        "USB Audio: one (hw:1,0)2", "USB Audio: two (hw:12,0)1", "speaker0", "pulse1", "pulse extra 1"
    )
    (tmp_path / "meetmic").symlink_to("card12")
    assert _find(found, "meetmic", tmp_path, None) == 1
    assert _find(found, "usb audio: ONE", tmp_path, None) == 0
    assert _find(found, "pulse1", tmp_path, None) == 3
    assert _find(found, None, tmp_path, 3) == 3
    assert _by_card("../x", tmp_path) == "../x"
    assert _by_card("absent", tmp_path) == "absent"


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("USB", "more than one microphone is called 'USB'; there are: 'USB one1', 'USB two1'"),
        ("speaker", "no microphone is called 'speaker'; there are: 'USB one1', 'USB two1', 'pulse1'"),
        (None, "there is no default microphone; name one of: 'USB one1', 'USB two1', 'pulse1'"),
    ],
)
def test_a_device_that_is_not_clear(device: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(CaptureError) as caught:
        _find(named("USB one1", "USB two1", "speaker0", "pulse1"), device, tmp_path, None)
    assert str(caught.value) == message


def test_no_microphone_at_all(tmp_path: Path) -> None:
    for device in (None, "USB"):
        with pytest.raises(CaptureError, match=r"^there is no microphone; connect one, "):
            _find(named("speaker0"), device, tmp_path, -1)


def test_how_many_channels_are_opened() -> None:
    assert _channels(2, "mix", "x") == 2
    assert _channels(128, "mix", "x") == 1
    assert _channels(4, 2, "x") == 4
    assert _channels(128, 2, "x") == 2
    with pytest.raises(CaptureError, match="it has 2, the first is 1"):
        _channels(2, 3, "x")
    with pytest.raises(CaptureError, match="no channel 0"):
        _channels(2, 0, "x")


class Refused(Exception):
    """As PortAudio says no."""


class PortAudio:
    """A card that has one rate, or fails."""

    PortAudioError = Refused

    def __init__(self, rate: int, *, starts: bool = True) -> None:
        self.rate, self.starts = rate, starts
        self.default = SimpleNamespace(device=(0, 0))
        self.asked: list[int] = []
        self.refreshed = 0
        self.open = 0
        self.plugged = True
        self.given = 0
        """Frames that were read."""
        self.there: int | None = 0
        """Frames that a read gives at once; None: that can't be told."""
        self.overflows = [True]
        """Whether frames were lost before a read; when the list ends: not."""

    def _terminate(self) -> None:
        self.refreshed += 1

    def _initialize(self) -> None:
        self.refreshed += 1

    def query_devices(self, index: int | None = None) -> Any:
        info = {"name": "USB (hw:1,0)", "max_input_channels": 2, "default_samplerate": float(self.rate)}
        return [info] if index is None else info

    def RawInputStream(self, *, samplerate: int, **options: Any) -> Any:
        self.asked.append(samplerate)
        if samplerate != self.rate:
            raise Refused("Error opening RawInputStream: Invalid sample rate [PaErrorCode -9997]", -9997)
        self.open += 1
        return self

    def close(self) -> None:
        self.open -= 1

    def start(self) -> None:
        if not self.starts:
            raise Refused("Error starting stream: Unanticipated host error", -9999)

    @property
    def read_available(self) -> int:
        if self.there is None:
            raise Refused("Input overflowed", -9981)
        return self.there

    def read(self, frames: int) -> tuple[bytes, bool]:
        if not self.plugged or frames % (self.rate // 10):
            raise Refused("Device unavailable", -9985)
        start, self.given = self.given, self.given + frames
        return ramp(2 * start, 2 * frames).tobytes(), bool(self.overflows) and self.overflows.pop(0)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 11_025])
def test_a_card_is_opened_at_a_rate_that_it_has(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    card = PortAudio(rate)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    microphone = open_microphone()
    assert (microphone.name, microphone.rate, microphone.channels) == ("USB (hw:1,0)", rate, 2)
    assert card.asked[-1] == rate
    assert card.refreshed == 2
    block = microphone.read()
    assert block.overflowed
    assert np.array_equal(block.samples.ravel(), ramp(0, 2 * (rate // 10)))


@pytest.mark.parametrize(
    ("there", "overflows", "tenths"),
    [
        (None, [], 1),
        (0, [], 1),
        (4_799, [], 1),
        (4_800, [], 2),
        (9_700, [True], 3),
        (9_700, [False, True], 3),
        (480_000, [], 1 + MORE_BLOCKS),
    ],
)
def test_what_a_card_gave_already_comes_with_it(
    there: int | None, overflows: list[bool], tenths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = PortAudio(48_000)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    microphone = open_microphone()
    card.there, card.overflows, lost = there, overflows, bool(overflows)
    block = microphone.read()
    assert np.array_equal(block.samples, ramp(0, 2 * 4_800 * tenths).reshape(-1, 2))
    assert block.overflowed is lost
    after = microphone.read()
    assert np.array_equal(after.samples[0], ramp(2 * 4_800 * tenths, 2))
    assert not after.overflowed


def test_a_card_that_another_program_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    card = PortAudio(48_000, starts=False)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    with pytest.raises(
        CaptureError, match=r"^USB \(hw:1,0\) can't be opened \(Unanticipated host error\); connect a"
    ):
        open_microphone()
    assert card.open == 0


def test_a_card_that_is_unplugged_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    card = PortAudio(48_000)
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    microphone = open_microphone()
    card.plugged = False
    with pytest.raises(
        CaptureError, match=r"^USB \(hw:1,0\) was lost \(Device unavailable\); connect it again$"
    ):
        microphone.read()


def test_without_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setenv("ALSA_CONFIG_PATH", "/nonexistent")
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(CaptureError, match="install it \\(Debian: apt install libportaudio2\\)"):
        open_microphone()
