"""Whisper at full size: directories, languages, prompts, plans, the GPU's probe, failures."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from meetsense.errors import EngineError, in_one_line
from meetsense.speech.directory import BUNDLED
from meetsense.speech.shelf import File, Installed, Kind, Pin, write_record
from meetsense.speech.whisper import Mode, WhisperTranscriber, engine, machine
from meetsense.speech.whisper.engine import Listening
from meetsense.speech.whisper.filters import COMPRESSION
from meetsense.speech.whisper.folder import Shape, inspect
from meetsense.speech.whisper.language import hear, samples_of_speech, whisper_code
from meetsense.speech.whisper.machine import Gpu, Machine, free_memory, physical_cores, probe
from meetsense.speech.whisper.plan import BATCH, FEWEST, choose, device, window_bytes
from meetsense.speech.whisper.prompt import WHOLE_SHARE, fit_prompt
from meetsense.values import SAMPLE_RATE, Audio, Span
from tests.whisper_directory import SIZES, Script, build

TEXT = "We should decide about the budget today. I agree with that."
MACHINE = Machine(cores=2, memory=8 << 30)
SHAPES = {
    name: Shape(size.width, size.encoder, size.decoder, size.mels, 1500, 448, 40_000_000)
    for name, size in SIZES.items()
}


@cache
def meeting(seconds: float = 25.0) -> Audio:
    samples, _ = soundfile.read(BUNDLED / "demo-meeting" / "meeting.flac", dtype="float32")
    return Audio(np.array(samples[: round(seconds * SAMPLE_RATE)]))


SPEECH = (Span(0.0, 25.0),)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Directories by size and script, each made once."""

    @cache
    def make(size: str, script: Script = Script(TEXT)) -> Path:  # noqa: B008
        return build(tmp_path_factory.mktemp("whisper") / size, size, script)

    return make


def copied(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def opened(folder: Path, **options: object) -> WhisperTranscriber:
    return WhisperTranscriber(folder, threads=1, machine=MACHINE, **options)  # type: ignore[arg-type]


def test_a_published_size_loads_and_is_heard(built: Callable[..., Path]) -> None:
    folder = built("tiny")
    shape = inspect(folder).shape
    assert shape is not None
    assert (shape.width, shape.encoder_layers, shape.decoder_layers, shape.mels) == (384, 4, 4, 80)
    assert (shape.frames, shape.context) == (1500, 448)
    assert 36e6 < shape.parameters < 40e6
    heard = opened(folder, beam_size=2).transcribe(meeting(), SPEECH)
    assert heard.language == "en"
    said = TEXT.split()  # once a window, and a window ends with its last word
    assert [word.text for word in heard.words] == said * (len(heard.words) // len(said)) != []


def test_large_v3_needs_its_preprocessor_settings(built: Callable[..., Path], tmp_path: Path) -> None:
    folder = built("narrow-v3", Script(TEXT, language="yue"))
    heard = opened(folder).detect_language(meeting(), SPEECH)
    assert heard is not None
    assert heard.language == "yue"
    assert heard.probability > 0.9
    broken = copied(folder, tmp_path / "large-v3")
    (broken / "preprocessor_config.json").unlink()
    with pytest.raises(
        EngineError, match=r"lacks preprocessor_config\.json, which a model of 128 bands needs"
    ):
        opened(broken)
    (broken / "preprocessor_config.json").write_text('{"feature_size": 80}')
    with pytest.raises(EngineError, match=r"has 80 bands, the model 128"):
        opened(broken)


def test_a_missing_tokenizer_is_refused_without_the_network(
    built: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: asked.append(where))
    monkeypatch.setattr(socket.socket, "connect", lambda *where: asked.append(where))
    folder = copied(built("narrow"), tmp_path / "half")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EngineError, match=r"lacks tokenizer\.json"):
        opened(folder)
    opened(built("narrow")).transcribe(meeting(), SPEECH)
    assert asked == []


@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json", "vocabulary.json"])
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[]", b"{}", b"null", b"3"])
def test_a_damaged_file_is_one_line(
    built: Callable[..., Path], tmp_path: Path, name: str, content: bytes
) -> None:
    folder = copied(built("narrow"), tmp_path / "damaged")
    (folder / name).write_bytes(content)
    if (name, content) == ("preprocessor_config.json", b"{}"):
        opened(folder)  # the defaults are right for 80 bands
        return
    with pytest.raises(EngineError, match="cannot be loaded as a Whisper model") as raised:
        opened(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_model_that_is_cut_off_is_one_line(
    built: Callable[..., Path], tmp_path: Path, share: float
) -> None:
    folder = copied(built("narrow"), tmp_path / "cut")
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EngineError, match=r"model\.bin is cut off or damaged"):
        opened(folder)


def test_the_tokenizer_of_another_size_is_refused(built: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(built("narrow"), tmp_path / "mixed")
    (folder / "tokenizer.json").write_bytes((built("narrow-v3") / "tokenizer.json").read_bytes())
    with pytest.raises(EngineError, match=r"tokenizer\.json and vocabulary don't belong together"):
        opened(folder)


def recorded(folder: Path) -> Path:
    """The folder, with the record that the model store would write."""
    files = [
        File(file.name, file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in sorted(folder.iterdir())
    ]
    write_record(Installed(folder, "narrow", Kind.WHISPER, str(folder), "f" * 40, tuple(files), Pin.USER))
    return folder


def test_an_installed_folder_is_verified(built: Callable[..., Path], tmp_path: Path) -> None:
    folder = recorded(copied(built("narrow"), tmp_path / "installed"))
    assert opened(folder).name == "whisper/narrow@ffffffff"
    weights = bytearray((folder / "model.bin").read_bytes())
    weights[-1] ^= 1  # the size stays
    (folder / "model.bin").write_bytes(weights)
    with pytest.raises(EngineError, match=r"model\.bin has SHA-256 .* not loaded, import it again") as raised:
        opened(folder)
    assert "\n" not in str(raised.value)
    (folder / "installed.json").write_text("{}")
    with pytest.raises(EngineError, match=r"installed\.json: is damaged"):
        opened(folder)


def test_the_language_is_heard_and_given(built: Callable[..., Path]) -> None:
    model = opened(built("narrow", Script(TEXT, language="de")))
    heard = model.detect_language(meeting(), SPEECH)
    assert heard is not None
    assert (heard.language, heard.windows) == ("de", 1)
    assert 0.9 < heard.probability <= 1
    assert model.transcribe(meeting(), SPEECH).language == "de"
    assert model.transcribe(meeting(), SPEECH, language="pt-BR").language == "pt-BR"
    assert model.transcribe(meeting(), ()).language is None
    assert len(model.languages) == 99
    with pytest.raises(EngineError, match="does not know the language 'tlh'; it knows af, am") as raised:
        model.transcribe(meeting(), SPEECH, language="tlh")
    assert "\n" not in str(raised.value)
    assert "yue" in opened(built("narrow-v3")).languages


def test_an_english_model_hears_english_without_listening(built: Callable[..., Path]) -> None:
    model = opened(built("narrow.en"))
    heard = model.detect_language(meeting(), SPEECH)
    assert heard is not None
    assert (heard.language, heard.windows) == ("en", 0)
    assert model.transcribe(meeting(), SPEECH, language="en-GB").words
    with pytest.raises(EngineError, match="knows English only, not 'de'"):
        model.transcribe(meeting(), SPEECH, language="de")


def test_other_names_of_languages() -> None:
    assert whisper_code("nb_NO", ["no"], "m") == "no"
    assert whisper_code("JV", ["jw"], "m") == "jw"


def test_all_windows_decide_the_language() -> None:
    windows = [np.ones(size, np.float32) for size in (100, 200, 200)]
    chances = iter([{"cy": 0.9, "en": 0.1}, {"cy": 0.2, "en": 0.8}, {"cy": 0.3, "en": 0.7}])
    heard = hear(windows, lambda _: next(chances))
    assert heard is not None
    assert (heard.language, heard.windows) == ("en", 3)
    assert heard.probability == pytest.approx((0.1 * 100 + 0.8 * 200 + 0.7 * 200) / 500)
    assert hear([], lambda _: {}) is None


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), min_size=1, max_size=8))
def test_windows_for_the_language_are_spread_over_speech_alone(lengths: list[tuple[int, int]]) -> None:
    spans, at = [], 0
    for gap, length in lengths:
        spans.append(Span(at + gap, at + gap + length))
        at += gap + length
    # each sample is its own time in seconds
    audio = Audio((np.arange(at * SAMPLE_RATE // 1000) / SAMPLE_RATE).astype(np.float32))
    scaled = [Span(s.start / 1000, s.end / 1000) for s in spans]
    total = sum(s.duration for s in scaled)
    windows = samples_of_speech(audio, scaled, 0.1)
    assert 1 <= len(windows) <= 5
    inside = np.concatenate(windows).astype(float)
    step = 2.0 / SAMPLE_RATE
    assert all(any(s.start - step <= t <= s.end + step for s in scaled) for t in inside[::7])
    assert max(len(w) for w in windows) <= 0.1 * SAMPLE_RATE + 2 * len(spans) + 2
    if total > 0.5:
        assert len(windows) == 5
        assert windows[0][0] <= scaled[0].start + total / 5 + sum(g for g, _ in lengths) / 1000
        assert inside.max() > audio.duration / 5


@given(
    st.lists(st.text(max_size=40), max_size=60),
    st.lists(st.text(max_size=80), max_size=20),
    st.integers(50, 448),
)
def test_the_prompt_fits_the_context(names: list[str], agenda: list[str], context: int) -> None:
    prompt = fit_prompt(names, agenda, len, context)  # a token a letter: the worst there is
    assert len(prompt.text) <= context * WHOLE_SHARE + 1
    assert "<" not in prompt.text
    assert prompt.text == prompt.text.strip()


def test_a_long_prompt_leaves_room_for_words(built: Callable[..., Path]) -> None:
    model = opened(built("narrow", Script()), mode=Mode.BATCHED)
    names = [f"Somebody Nonesuch the {i}th <|endoftext|>" for i in range(200)]
    seen: list[list[int]] = []
    plain_prompt = model._model.get_prompt

    def kept(*given: Any, **named: Any) -> list[int]:
        seen.append(plain_prompt(*given, **named))
        return seen[-1]

    model._model.get_prompt = kept
    model.transcribe(meeting(), SPEECH, language="en", names=names, agenda=names)
    assert seen
    end = model._model.hf_tokenizer.token_to_id("<|endoftext|>")
    for prompt in seen:
        assert len(prompt) <= 448 / 2
        assert end not in prompt
    assert max(map(len, seen)) > 100


@pytest.mark.parametrize(
    ("size", "windows", "memory", "mode"),
    [
        ("tiny", 120, 8e9, Mode.BATCHED),
        ("base", 120, 8e9, Mode.BATCHED),
        ("small", 120, 8e9, Mode.BATCHED),
        ("large-v3-turbo", 120, 32e9, Mode.SEQUENTIAL),
        ("tiny", 3, 8e9, Mode.SEQUENTIAL),
        ("small", 120, 0.5e9, Mode.SEQUENTIAL),
        ("narrow", 120, 8e9, Mode.SEQUENTIAL),
    ],
)
def test_the_mode_follows_machine_model_and_length(
    size: str, windows: int, memory: float, mode: Mode
) -> None:
    here = Machine(2, int(memory))
    plan = choose(SHAPES[size], here, windows, on=("cpu", "int8"), threads=2)
    assert plan.mode is mode
    assert plan.batch == (1 if mode is Mode.SEQUENTIAL else BATCH["cpu"])
    for wish in (Mode.SEQUENTIAL, Mode.BATCHED):
        assert choose(SHAPES[size], here, windows, on=("cpu", "int8"), threads=2, mode=wish).mode is wish


@given(
    st.sampled_from([*SHAPES.values(), None]),
    st.integers(0, 64 << 30),
    st.integers(0, 2000),
    st.sampled_from([("cpu", "int8"), ("cuda", "float16")]),
    st.sampled_from(Mode),
)
def test_a_plan_is_always_one_that_can_be_run(
    shape: Shape | None, memory: int, windows: int, on: tuple[str, str], mode: Mode
) -> None:
    plan = choose(shape, Machine(2, memory), windows, on=on, threads=2, mode=mode)
    assert (plan.device, plan.compute_type, plan.threads) == (*on, 2)
    assert plan.mode is not Mode.AUTO
    assert 1 <= plan.batch <= BATCH[on[0]]
    assert mode in (Mode.AUTO, plan.mode)
    assert plan.batch == 1 or plan.mode is Mode.BATCHED
    if mode is Mode.AUTO and plan.mode is Mode.BATCHED:
        assert shape is not None
        assert min(windows, plan.batch) >= FEWEST
        needed = shape.parameters + plan.batch * window_bytes(shape)
        assert on[0] == "cuda" or needed <= memory
    more = choose(shape, Machine(2, 2 * memory), windows, on=on, threads=2, mode=mode)
    assert more.batch >= plan.batch


def test_a_gpu_takes_batches_and_half_floats() -> None:
    here = Machine(8, 32 << 30, Gpu(frozenset({"float32", "float16", "int8"})))
    on = device(here, frozenset({"int8"}))
    assert on == ("cuda", "float16")
    plan = choose(SHAPES["large-v3-turbo"], here, 100, on=on, threads=4)
    assert (plan.mode, plan.batch) == (Mode.BATCHED, BATCH["cuda"])
    assert device(Machine(8, 1, Gpu(frozenset({"float32", "int8"}))), frozenset()) == ("cuda", "int8")
    assert device(MACHINE, frozenset({"int8", "float32"})) == ("cpu", "int8")
    assert device(MACHINE, frozenset({"float32"})) == ("cpu", "float32")
    assert Machine(16, 1).threads == 4


PROBES = {
    "good": ("print('[\"float16\"]')", True, ""),
    "abort": (
        "import os, sys; print('Unable to load libcudnn_ops.so.9', file=sys.stderr, flush=True); os.abort()",
        False,
        "abort (SIGABRT); Unable to load libcudnn_ops.so.9",
    ),
    "refusal": ("raise SystemExit('CTranslate2 finds no CUDA device')", False, "finds no CUDA device"),
    "nonsense": ("print('hello')", False, "made no sense"),
    "nothing": ("", False, "made no sense"),
    "hang": ("import time; time.sleep(600)", False, "did not answer within 1 s"),
}


@pytest.mark.parametrize("case", PROBES)
def test_a_gpu_is_tried_in_another_process(case: str) -> None:
    code, works, why = PROBES[case]
    found = probe((sys.executable, "-S", "-c", code), seconds=1.0 if case == "hang" else 60.0)
    assert bool(found) is works
    assert why in found.why_not


STUB = """
import os, sys, time

def get_cuda_device_count():
    return 1

class Whisper:
    def __init__(self, *_, **__):
        {fault}

models = sys.modules[__name__]
"""
FAULTS = {
    "print('Unable to load any of libcudnn_ops.so.9', file=sys.stderr, flush=True); os.abort()": (
        r"abort \(SIGABRT\); Unable to load any of libcudnn_ops\.so\.9"
    ),
    "time.sleep(600)": "did not answer within 3 s",
    "raise RuntimeError('CUDA driver version is insufficient')": "driver version is insufficient",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gpu_whose_libraries_fail_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Callable[..., Path], fault: str
) -> None:
    """The probe as it is, with a CTranslate2 that fails as the real one does; this process lives on."""
    (tmp_path / "ctranslate2.py").write_text(STUB.format(fault=fault))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = probe(seconds=3.0 if "sleep" in fault else 60.0)
    assert not found
    assert re.search(FAULTS[fault], found.why_not)
    model = WhisperTranscriber(built("narrow"), threads=1, machine=Machine(2, 8 << 30, found))
    assert model.gpu_note == found.why_not
    assert str(model.plan(600)).startswith("cpu int8, 1 thread, ")


def test_the_probe_imports_nothing_from_where_somebody_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ctranslate2.py").write_text("open('imported', 'w').close()")
    monkeypatch.chdir(tmp_path)
    probe()
    assert not (tmp_path / "imported").exists()


def test_the_probe_runs_a_model() -> None:
    """The probe's own code, on the CPU: it loads, encodes, decodes and prints types."""
    code = machine.PROBE.replace('"cuda"', '"cpu"').replace(
        "not ctranslate2.get_cuda_device_count()", "False"
    )
    assert "cuda" not in code
    found = probe((sys.executable, "-c", code, str(BUNDLED / "demo-whisper")))
    assert "int8" in found.types, found.why_not


def test_without_a_driver_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DEVICES", ("/dev/none",))
    monkeypatch.setattr(machine, "probe", lambda: pytest.fail("started"))
    assert machine.gpu.__wrapped__().why_not == "no GPU driver is loaded"
    monkeypatch.setattr(machine, "DEVICES", ("/dev/null",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert "CUDA_VISIBLE_DEVICES" in machine.gpu.__wrapped__().why_not


def test_a_gpu_that_holds_no_model_falls_back(
    built: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    honest = engine._open

    def cramped(folder: Path, on: tuple[str, str], threads: int) -> object:
        tried.append(on)
        if on[0] == "cuda":
            raise EngineError("CUDA failed with error out of memory")
        return honest(folder, on, threads)

    monkeypatch.setattr(engine, "_open", cramped)
    here = Machine(2, 8 << 30, Gpu(frozenset({"float16"})))
    model = WhisperTranscriber(built("narrow"), machine=here)
    assert tried == [("cuda", "float16"), ("cpu", "int8")]
    assert "out of memory" in model.gpu_note
    assert model.plan(600).device == "cpu"


def test_two_threads_of_a_core_are_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        topology = tmp_path / f"cpu{number}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{number % 2},{number % 2 + 2}\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert physical_cores(tmp_path) == 2
    assert physical_cores(tmp_path / "none") == 4


def test_a_control_group_limits_memory(tmp_path: Path) -> None:
    for file, text in {
        "proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8000000 kB\n",
        "proc/self/cgroup": "0::/unit\n",
        "proc/self/statm": "1 1 1 1\n",
        "sys/fs/cgroup/unit/memory.max": "3000000000\n",
        "sys/fs/cgroup/unit/memory.current": "1000000000\n",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert free_memory(tmp_path) == 2_000_000_000
    (tmp_path / "sys/fs/cgroup/unit/memory.stat").write_text("anon 5\ninactive_file 600000000\n")
    assert free_memory(tmp_path) == 2_600_000_000
    (tmp_path / "sys/fs/cgroup/unit/memory.max").write_text("max\n")
    assert free_memory(tmp_path) == 8_000_000 * 1024
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1500000000\n")  # of what the unit lies in
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("500000000\n")
    assert free_memory(tmp_path) == 1_000_000_000


class Failing:
    """A model whose generator fails while it is read."""

    def __init__(self, error: Exception, limit: int) -> None:
        self.error, self.limit, self.batches = error, limit, []  # type: ignore[var-annotated]

    def segments(self, _: Audio, __: object, batch: int) -> object:
        self.batches.append(batch)
        yield SimpleNamespace(end=1.0, words=[], no_speech_prob=0.0, avg_logprob=0.0, compression_ratio=1.0)
        if batch > self.limit:
            raise self.error


@pytest.mark.parametrize(
    ("error", "limit", "batches"),
    [
        (RuntimeError("CUDA out of memory"), 2, [8, 4, 2]),
        (RuntimeError("CUDA out of memory"), 0, [8, 4, 2, 1]),
        (MemoryError(), 4, [8, 4]),
        (MemoryError(), 0, [8, 4, 2, 1]),
        (RuntimeError("no\nsuch luck"), 2, [8]),
        (ValueError("no such luck"), 0, [8]),
    ],
)
def test_failures_come_while_segments_are_read(
    built: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    limit: int,
    batches: list[int],
) -> None:
    model = opened(built("narrow"), mode=Mode.BATCHED)
    failing = Failing(error, limit)
    monkeypatch.setattr(model, "_segments", failing.segments)
    if batches[-1] == limit:
        model.transcribe(meeting(), SPEECH, language="en")
    else:
        said = re.escape(f"Whisper failed on 25 s of sound ({in_one_line(error)})")
        with pytest.raises(EngineError, match=said) as raised:
            model.transcribe(meeting(), SPEECH, language="en")
        assert raised.value.__cause__ is error
    assert failing.batches == batches


def test_hearing_the_language_may_fail_too(
    built: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(built("narrow"))

    def fails(_: object) -> None:
        raise RuntimeError("CUDA failed with error unknown")

    monkeypatch.setattr(model._model, "detect_language", fails)
    with pytest.raises(EngineError, match="CUDA failed with error unknown"):
        model.transcribe(meeting(), SPEECH)


def test_the_model_is_loaded_once(built: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(built("narrow"))
    first = model.transcribe(meeting(), SPEECH)
    monkeypatch.setattr(engine, "_open", lambda *_: pytest.fail("loaded again"))
    assert model.transcribe(meeting(), SPEECH) == first


def test_nothing_is_drawn_at_random(built: Callable[..., Path]) -> None:
    """Left to itself faster-whisper listens to a loop again at higher temperatures, each time otherwise."""
    model = opened(built("narrow", Script(TEXT, strength=0.35)))
    raw = model._decode(meeting(), Listening("en", Mode.SEQUENTIAL), lambda _: None)
    assert raw[0].compression_ratio > COMPRESSION  # what it would be listened to again for
    assert {segment.temperature for segment in raw} == {0.0}


def test_both_modes_say_the_same_and_tell_progress(built: Callable[..., Path]) -> None:
    long = Audio(np.tile(meeting().samples, 4))
    spans = tuple(Span(25.0 * i + 0.2, 25.0 * i + 24.0) for i in range(4))
    for mode in (Mode.SEQUENTIAL, Mode.BATCHED):
        shares: list[float] = []
        model = opened(built("narrow"), mode=mode)
        heard = model.transcribe(long, spans, language="en", progress=shares.append)
        assert shares == sorted(shares)
        assert shares[-1] <= 1
        texts = [word.text for word in heard.words]
        assert len(texts) % len(TEXT.split()) == 0
        assert texts[: len(TEXT.split())] == TEXT.split()
        assert len(shares) > 2


def test_a_device_must_exist(built: Callable[..., Path]) -> None:
    with pytest.raises(EngineError, match="auto, cpu or cuda, not 'tpu'"):
        WhisperTranscriber(built("narrow"), device="tpu")
    assert json.loads((built("narrow") / "config.json").read_text())["lang_ids"]
