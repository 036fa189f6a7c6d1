"""The pyannote engine with the genuine library, on networks with random weights."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from meetsense.errors import EngineError
from meetsense.speech import Diarizer, VoiceSpace
from meetsense.speech.pyannote import Mode, PyannoteDiarizer, exported, steps
from meetsense.values import SAMPLE_RATE, Audio, Diarization, Span, SpeakerRange, quantise
from tests.pyannote_directory import SMALL, TRUE, build, installed, record, sound

if not installed():
    pytest.skip("the extra pyannote is not installed", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SECONDS = 24.3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small networks; stock takes one stretch at a time, so that its convolutions round as exact's do."""
    return build(tmp_path_factory.mktemp("pyannote") / "small", SMALL, batch=1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of the exported networks."""
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def stock(folder: Path) -> PyannoteDiarizer:
    return PyannoteDiarizer(folder, mode=Mode.STOCK, threads=1)


@pytest.fixture(scope="module")
def exact(folder: Path) -> PyannoteDiarizer:
    return PyannoteDiarizer(folder, mode=Mode.EXACT, threads=1)


@pytest.fixture(scope="module")
def fast(folder: Path, kept: Path) -> PyannoteDiarizer:
    return PyannoteDiarizer(folder, mode=Mode.FAST, threads=1, cache=kept)


@cache
def talk(seconds: float = SECONDS, seed: int = 0) -> Audio:
    return Audio(sound(seconds, seed))


def whole(audio: Audio) -> tuple[Span, ...]:
    return (Span(0.0, quantise(audio.duration)),)


def run(engine: PyannoteDiarizer, audio: Audio, low: int = 1, high: int | None = None) -> Diarization:
    return engine.diarize(audio, whole(audio), SpeakerRange(low, high))


def window_of(feature: Any) -> tuple[float, float, float]:
    window = feature.sliding_window
    return window.start, window.duration, window.step


def heard(found: Diarization, seconds: float) -> dict[str, NDArray[np.bool_]]:
    """Who speaks in each hundredth of a second."""
    made = {speaker: np.zeros(int(100 * seconds) + 1, np.bool_) for speaker in found.speakers}
    for turn in found.turns:
        made[turn.speaker][round(100 * turn.span.start) : round(100 * turn.span.end)] = True
    return made


def test_the_protocols_are_kept(exact: PyannoteDiarizer, fast: PyannoteDiarizer) -> None:
    engine: Diarizer = exact
    assert isinstance(engine, VoiceSpace)
    assert exact.name == "pyannote-random@00000000+exact"
    assert fast.name == "pyannote-random@00000000+fast"
    assert (exact.note, fast.note) == (None, None)
    assert exact.space == fast.space
    assert exact.space.partition("@")[2]
    assert exact.sees_overlap


@pytest.mark.parametrize(("low", "high"), [(1, None), (1, 1), (3, 3), (2, 4)])
def test_exact_is_stock(stock: PyannoteDiarizer, exact: PyannoteDiarizer, low: int, high: int | None) -> None:
    plain, same = run(stock, talk(), low, high), run(exact, talk(), low, high)
    assert same == plain
    assert same.voiceprints
    assert low <= len(same.speakers) <= (high or 20)


@pytest.mark.parametrize("seed", [1, 2])
def test_fast_says_who_spoke_as_exact_does(
    exact: PyannoteDiarizer, fast: PyannoteDiarizer, seed: int
) -> None:
    one, other = run(exact, talk(seed=seed), 3, 3), run(fast, talk(seed=seed), 3, 3)
    assert one.speakers == other.speakers
    before, after = heard(one, SECONDS), heard(other, SECONDS)
    changed = np.any([before[speaker] != after[speaker] for speaker in one.speakers], axis=0).mean()
    assert changed <= 0.005
    for speaker in one.voiceprints:
        assert np.allclose(one.voiceprints[speaker], other.voiceprints[speaker], atol=0.01, rtol=0)


def test_exact_is_stock_at_the_true_shapes(tmp_path: Path) -> None:
    """As community-1 is configured, stock in batches of 32: a convolution may round a batch otherwise."""
    made = build(tmp_path / "true", TRUE)
    audio = talk(11.0, 5)
    engines = [PyannoteDiarizer(made, mode=mode, threads=1) for mode in (Mode.STOCK, Mode.EXACT)]
    plain, same = (run(engine, audio) for engine in engines)
    assert (same.turns, same.exclusive) == (plain.turns, plain.exclusive)
    assert same.voiceprints.keys() == plain.voiceprints.keys() != set()
    for speaker, expected in plain.voiceprints.items():
        assert np.allclose(same.voiceprints[speaker], expected, rtol=0, atol=1e-5 * max(map(abs, expected)))


@pytest.mark.parametrize("samples", [1, 1000, 159_999, 160_000, 160_001, 176_000, 200_123])
def test_chunks_are_those_of_the_library(
    stock: PyannoteDiarizer, exact: PyannoteDiarizer, samples: int
) -> None:
    import torch

    file = {"waveform": torch.from_numpy(sound(15.0)[None, :samples]), "sample_rate": SAMPLE_RATE, "uri": "x"}
    expected = stock._pipeline.get_segmentations(file)
    found = exact._pipeline.get_segmentations(file)
    assert np.array_equal(found.data, expected.data)
    assert window_of(found) == window_of(expected)


@pytest.mark.parametrize("exclude", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_vectors_are_those_of_the_library(
    stock: PyannoteDiarizer, exact: PyannoteDiarizer, seed: int, exclude: bool
) -> None:
    """With silent speakers, silent chunks, overlap all through, and too little speech alone."""
    import torch
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    draw = np.random.default_rng(seed)
    masks = (draw.random((6, 589, 3)) < draw.random((6, 1, 3))).astype(np.float32)
    masks[1] = 0
    masks[2, :, 1] = 0
    masks[3] = 1
    masks[4, :, 2] = 0
    masks[4, 7:9, 2] = 1
    activity = SlidingWindowFeature(masks, SlidingWindow(start=0.0, duration=10.0, step=1.0))
    file = {"waveform": torch.from_numpy(talk().samples.copy())[None], "sample_rate": SAMPLE_RATE, "uri": "x"}
    expected = stock._pipeline.get_embeddings(file, activity, exclude_overlap=exclude)
    found = exact._pipeline.get_embeddings(file, activity, exclude_overlap=exclude)
    assert np.array_equal(found, expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 6), st.integers(0, 3))
def test_reconstruction_is_the_library_s(seed: int, chunks: int, people: int, most: int) -> None:
    from pyannote.audio.pipelines import SpeakerDiarization
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    draw = np.random.default_rng(seed)
    active = (draw.random((chunks, 589, 3)) < draw.random((chunks, 1, 3))).astype(np.float32)
    clusters = draw.integers(-2, people, (chunks, 3)).astype(np.int8)
    clusters[clusters == -1] = -2
    clusters[0, 0] = people - 1
    segmentations = SlidingWindowFeature(active, SlidingWindow(start=0.0, duration=10.0, step=1.0))
    frame = SlidingWindow(start=0.0, duration=0.0619375, step=0.016875)
    count = SpeakerDiarization.speaker_count(segmentations, frame, warm_up=(0.0, 0.0))
    count.data = np.minimum(count.data, most).astype(np.int8)
    library: Any = SpeakerDiarization.reconstruct
    expected = library(SpeakerDiarization.__new__(SpeakerDiarization), segmentations, clusters.copy(), count)
    found = steps.reconstruct(segmentations, clusters, count)
    assert np.array_equal(found.data, expected.data)
    assert window_of(found) == window_of(expected)


def vectors_of(voices: int, chunks: int, seed: int = 0) -> tuple[NDArray[np.float32], Any, NDArray[np.int64]]:
    """Vectors of chunks in which one of some voices speaks, (chunks, 3, 256), activity, whose they are."""
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    draw = np.random.default_rng(seed)
    means = draw.standard_normal((voices, 256))
    whose = draw.integers(voices, size=chunks)
    vectors = np.zeros((chunks, 3, 256), np.float32)
    vectors[:, 0] = means[whose] + 0.2 * draw.standard_normal((chunks, 256))
    vectors[:, 1:] = 0.01
    active = np.zeros((chunks, 40, 3), np.float32)
    active[:, :, 0] = 1
    return vectors, SlidingWindowFeature(active, SlidingWindow(start=0.0, duration=10.0, step=1.0)), whose


def clusters_of(engine: PyannoteDiarizer, vectors: Any, activity: Any, **count: Any) -> tuple[Any, Any]:
    hard, _, centroids = engine._pipeline.clustering(embeddings=vectors, segmentations=activity, **count)
    return hard, centroids


def test_an_hour_is_clustered_whole_and_more_from_a_part(
    exact: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, activity, whose = vectors_of(4, 500)
    monkeypatch.setattr(steps, "LONG_SECONDS", 499.0)
    monkeypatch.setattr(steps, "LONG_VECTORS", 100)
    everything = lambda *_, **__: (vectors[:, 0], np.arange(500), np.zeros(500, int))  # noqa: E731
    choose = steps.thinned(everything)
    assert len(choose(vectors, activity)[0]) == 500
    before, _ = clusters_of(exact, vectors, activity, min_clusters=1, max_clusters=np.inf)
    monkeypatch.setattr(steps, "LONG_SECONDS", 498.0)
    part, chunk, _ = choose(vectors, activity)
    assert np.array_equal(part, vectors[chunk, 0])
    assert len(part) == len(set(chunk.tolist())) == 100
    assert np.ptp(np.diff(chunk)) <= 1
    after, centroids = clusters_of(exact, vectors, activity, min_clusters=1, max_clusters=np.inf)
    assert len(centroids) == 4
    for hard in (before, after):
        named = {(person, cluster) for person, cluster in zip(whose, hard[:, 0], strict=True)}
        assert len(named) == 4


def test_no_more_people_are_asked_for_than_there_are_vectors(exact: PyannoteDiarizer) -> None:
    vectors, activity, _ = vectors_of(2, 2)
    hard, centroids = clusters_of(exact, vectors, activity, num_clusters=4, min_clusters=4, max_clusters=4)
    assert len(centroids) <= 2
    assert hard.max() <= 1
    activity.data[:] = 0
    hard, centroids = clusters_of(exact, vectors, activity, min_clusters=1, max_clusters=np.inf)
    assert not np.any(centroids)


def test_vectors_that_are_one_are_one_persons(exact: PyannoteDiarizer) -> None:
    """Sound that repeats to the sample: more people were asked for than there are different vectors."""
    vectors, activity, whose = vectors_of(2, 12)
    vectors[:, 0] = np.eye(2, 256)[whose]
    hard, centroids = clusters_of(exact, vectors, activity, num_clusters=3, min_clusters=3, max_clusters=3)
    assert np.isfinite(centroids).all()
    assert len(set(zip(whose, hard[:, 0], strict=True))) == 2


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.0, 2.5])
def test_short_sound_is_somebody_s(exact: PyannoteDiarizer, seconds: float) -> None:
    found = run(exact, talk(seconds), 4, 4)
    assert 1 <= len(found.speakers) <= 4
    assert all(turn.span.end <= seconds for turn in found.turns)


def test_without_speech_nothing_is_run(exact: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_pipeline", None)
    for audio in (talk(), Audio(np.zeros(0, np.float32))):
        assert exact.diarize(audio, (), SpeakerRange(2, 2)) == Diarization(sees_overlap=True)


def test_where_the_network_hears_nobody_the_speech_is_one_voice(
    fast: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = lambda chunks: np.zeros((len(chunks), 589, 3), np.float32)  # noqa: E731
    monkeypatch.setattr(fast._steps._networks, "activity", nobody)
    found = fast.diarize(talk(), (Span(1.0, 2.0), Span(4.0, 9.5)), SpeakerRange())
    assert [turn.span for turn in found.turns] == [Span(1.0, 2.0), Span(4.0, 9.5)]
    assert found.speakers == ("S1",)


def test_fast_looks_only_where_there_is_speech(
    fast: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of ten seconds every second: speech in [30, 31] lies in those that begin between 20 and 31."""
    seen: list[int] = []
    networks = fast._steps._networks
    activity = networks.activity

    def watched(chunks: Any) -> Any:
        seen.append(len(chunks))
        return activity(chunks)

    monkeypatch.setattr(networks, "activity", watched)
    audio = Audio(sound(60.0, 3))
    found = fast.diarize(audio, (Span(30.0, 31.0),), SpeakerRange())
    assert 11 <= sum(seen) <= 13
    assert all(18.9 <= turn.span.start <= turn.span.end <= 42.1 for turn in found.turns)
    assert found.turns


def test_progress_only_grows_to_one(fast: PyannoteDiarizer) -> None:
    shares: list[float] = []
    fast.diarize(talk(), whole(talk()), SpeakerRange(), progress=shares.append)
    assert shares == sorted(shares)
    assert (len(shares) > 5, shares[-1]) == (True, 1.0)


@pytest.mark.parametrize(
    "error", [RuntimeError("boom\nmore"), MemoryError("no room"), KeyError("x"), ValueError()]
)
def test_a_failure_of_the_library_is_one_line(
    exact: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Any) -> Any:
        raise error

    monkeypatch.setattr(exact._steps._networks, "activity", fail)
    with pytest.raises(EngineError, match=type(error).__name__) as raised:
        run(exact, talk())
    assert "\n" not in str(raised.value)


def test_interrupting_is_not_a_failure(exact: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(exact._steps._networks, "activity", stop)
    with pytest.raises(KeyboardInterrupt):
        run(exact, talk())


def test_the_sound_is_not_changed_and_nothing_is_printed(
    exact: PyannoteDiarizer, capfd: pytest.CaptureFixture[str]
) -> None:
    samples = sound(12.0)
    before = samples.copy()
    first = run(exact, Audio(samples))
    assert np.array_equal(samples, before)
    assert run(exact, Audio(samples)) == first
    assert capfd.readouterr().out == ""


def test_voiceprints_compare(exact: PyannoteDiarizer) -> None:
    found = run(exact, talk(), 3, 3)
    one, other = found.voiceprints["S1"], found.voiceprints["S2"]
    assert exact.log_odds(one, other) == pytest.approx(exact.log_odds(other, one))
    assert exact.log_odds(one, one) > exact.log_odds(one, other)
    for wrong in ((1.0, 2.0), tuple(np.full(256, np.nan)), ()):
        with pytest.raises(EngineError, match=exact.space):
            exact.log_odds(one, wrong)


def test_a_recorded_directory_of_something_else_is_one_line(folder: Path, tmp_path: Path) -> None:
    """The user vouched for it, so it is unpickled: the trap shows that the refusals elsewhere matter."""
    from tests.speech.test_pyannote import Planted

    other = shutil.copytree(folder, tmp_path / "other")
    trap = tmp_path / "trap"
    (other / "segmentation" / "pytorch_model.bin").write_bytes(pickle.dumps(Planted(trap)))
    with pytest.raises(EngineError, match="instead of"):
        PyannoteDiarizer(other)
    assert not trap.exists()
    record(other)
    with pytest.raises(EngineError, match="cannot be loaded") as raised:
        PyannoteDiarizer(other)
    assert "\n" not in str(raised.value)


def test_exported_networks_are_kept_and_mended(folder: Path, kept: Path, fast: PyannoteDiarizer) -> None:
    (place,) = kept.iterdir()
    report = json.loads((place / exported.REPORT).read_text())
    assert report["frames"] <= exported.MOST_FRAMES
    assert report["angle"] <= exported.MOST_ANGLE
    model = place / exported.EMBEDDING
    whole_model = model.read_bytes()
    model.write_bytes(whole_model[: len(whole_model) // 2])
    again = PyannoteDiarizer(folder, mode=Mode.FAST, threads=1, cache=kept)
    assert again.mode is Mode.FAST
    assert len(model.read_bytes()) == len(whole_model)
    assert [path.name for path in kept.iterdir()] == [place.name]


def test_networks_that_differ_are_not_used(
    folder: Path, tmp_path: Path, exact: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that they differ is remembered: they aren't exported again."""
    frames = exported.OnnxNetworks.frames
    monkeypatch.setattr(exported.OnnxNetworks, "frames", lambda self, chunk: frames(self, chunk).square())
    engine = PyannoteDiarizer(folder, mode=Mode.FAST, threads=1, cache=tmp_path)
    assert engine.mode is Mode.EXACT
    assert engine.name == exact.name
    assert engine.note is not None
    assert "turn" in engine.note
    assert run(engine, talk()) == run(exact, talk())
    monkeypatch.setattr(exported, "export_embedding", None)
    assert PyannoteDiarizer(folder, mode=Mode.FAST, threads=1, cache=tmp_path).mode is Mode.EXACT


def test_networks_that_give_no_numbers_are_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = exported.OnnxNetworks.frames
    monkeypatch.setattr(exported.OnnxNetworks, "frames", lambda self, chunk: frames(self, chunk) * np.nan)
    for _ in range(2):  # made, and then from the cache
        engine = PyannoteDiarizer(folder, mode=Mode.FAST, threads=1, cache=tmp_path)
        assert engine.mode is Mode.EXACT
        assert "vectors turn by nan" in str(engine.note)


def test_without_the_exporter_exact_is_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    engine = PyannoteDiarizer(folder, mode=Mode.FAST, threads=1, cache=tmp_path)
    assert engine.mode is Mode.EXACT
    assert engine.note is not None
    assert "cannot be exported" in engine.note
    assert "\n" not in engine.note


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = PyannoteDiarizer(folder, mode=Mode.FAST, threads=1, cache=tmp_path / "file")
    assert engine.mode is Mode.FAST


def test_a_network_that_cannot_be_shared_is_run_as_it_is(
    folder: Path, stock: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "ROUNDING", -1.0)
    engine = PyannoteDiarizer(folder, mode=Mode.EXACT, threads=1)
    assert engine.name == stock.name
    assert engine.note is not None
    assert run(engine, talk(12.0)) == run(stock, talk(12.0))


WATCHED = """
import json, socket, sys
asked = []
def ask(*arguments, **_):
    asked.append(str(arguments[0]))
    raise OSError("no network")
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, ask)
socket.socket.connect = lambda self, address: ask(address)
socket.socket.connect_ex = lambda self, address: ask(address)
from pathlib import Path
import numpy as np
from meetsense.speech.pyannote import PyannoteDiarizer
from meetsense.values import Audio, Span, SpeakerRange
from tests.pyannote_directory import sound
audio = Audio(sound(12.0))
said = {}
for mode in sys.argv[3:]:
    engine = PyannoteDiarizer(Path(sys.argv[1]), mode=mode, threads=1, cache=Path(sys.argv[2]))
    said[engine.name] = len(engine.diarize(audio, (Span(0.0, 12.0),), SpeakerRange()).turns)
print(json.dumps({"asked": asked, "said": said}))
"""


def child(command: list[str], folder: Path, kept: Path, *modes: str) -> Any:
    """What a process says in which the network is watched and telemetry is asked for by the environment."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    environment |= {"PYANNOTE_METRICS_ENABLED": "1", "HF_HUB_OFFLINE": "0"}
    command = [*command, sys.executable, "-c", WATCHED, str(folder), str(kept), *modes]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_no_name_is_ever_looked_up(folder: Path, kept: Path) -> None:
    found = child([], folder, kept, *Mode)
    assert found["asked"] == []
    assert len(found["said"]) == 3
    assert all(found["said"].values())


def test_it_runs_with_the_network_cut(folder: Path, kept: Path) -> None:
    cut = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*cut, "true"], check=False).returncode:
        pytest.skip("unshare may not cut the network here")
    assert all(child(cut, folder, kept, Mode.FAST)["said"].values())
