"""The two networks by onnxruntime: exported from the verified weights once, compared with torch, kept."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.errors import in_one_line
from meetsense.speech.directory import revision

WEIGHTS = ("segmentation/pytorch_model.bin", "embedding/pytorch_model.bin")
SEGMENTATION, EMBEDDING, REPORT = "segmentation.onnx", "embedding.onnx", "closeness.json"
FORMAT = 1
"""Changes when the export does."""
OPSET = 17
MOST_FRAMES = 0.001
"""Share of frames that may go to other speakers than torch says."""
MOST_ANGLE = 1e-4
"""1 − cosine that a vector of a stretch of speech may differ by from torch's; people differ by 0.2."""
SAMPLE_CHUNKS = 4
"""Chunks of made-up sound that closeness is measured on."""


class NotClose(Exception):
    """The exported networks can't be made, or differ from torch by more than is allowed: one line."""


class OnnxNetworks:
    """Networks of :mod:`meetsense.speech.pyannote.steps`: filter banks by torch, the rest by onnxruntime."""

    def __init__(self, pipeline: Any, segmentation: bytes, embedding: bytes, threads: int) -> None:
        self._conversion = pipeline._segmentation.conversion
        self._model = pipeline._embedding.model_
        self._segmentation = _session(segmentation, threads)
        self._embedding = _session(embedding, threads)

    def scores(self, chunks: Any) -> NDArray[np.float32]:
        """Waveforms (chunks, 1, samples) to the segmentation network's output, (chunks, frames, classes)."""
        return np.asarray(self._segmentation.run(None, {"waveform": chunks.numpy()})[0])

    def activity(self, chunks: Any) -> NDArray[np.float32]:
        """See Networks."""
        import torch

        with torch.inference_mode():
            return np.asarray(self._conversion(torch.from_numpy(self.scores(chunks))).numpy())

    def frames(self, chunk: Any) -> Any:
        """See Networks."""
        import torch

        bank = self._model.compute_fbank(chunk).numpy()
        return torch.from_numpy(self._embedding.run(None, {"bank": bank})[0])


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def open_exported(pipeline: Any, folder: Path, threads: int, cache: Path | None) -> OnnxNetworks:
    """The networks of a verified directory, from the cache where they are there and whole.

    What the comparison with torch found stands beside them. Raises NotClose when they aren't to be used.
    """
    key = _key(folder)
    try:
        place = (cache or _user_cache()) / key
        if (kept := _kept(place)) is not None:
            return OnnxNetworks(pipeline, *kept, threads)
        models = export_segmentation(pipeline), export_embedding(pipeline)
        networks = OnnxNetworks(pipeline, *models, threads)
        report = closeness(pipeline, networks)
    except NotClose:
        raise
    except Exception as error:  # torch, onnx and onnxruntime each have their own
        raise NotClose(f"the networks cannot be exported ({in_one_line(error)})") from error
    _keep(place, models, report)
    if fault := unlike(report):
        raise NotClose(fault)
    return networks


def _user_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("meetsense") / "pyannote"


def _key(folder: Path) -> str:
    """Name of the folder of a directory's exports: its weights, and what makes and runs them."""
    weights = revision(*(folder / name for name in WEIGHTS))
    makers = [f"{name}={version(name)}" for name in ("torch", "pyannote-audio", "onnxruntime")]
    digest = hashlib.sha256("\n".join((str(FORMAT), str(OPSET), *makers)).encode()).hexdigest()
    return f"{weights}-{digest[:8]}"


def _kept(place: Path) -> tuple[bytes, bytes] | None:
    """Both networks from the cache, None where they aren't there, whole. Raises NotClose: known not to be."""
    try:
        report = json.loads((place / REPORT).read_bytes())
        models = tuple((place / name).read_bytes() for name in (SEGMENTATION, EMBEDDING))
        whole = [hashlib.sha256(model).hexdigest() for model in models] == report["sha256"]
        fault = unlike(report)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole:
        return None
    if fault:
        raise NotClose(fault)
    return models[0], models[1]


def _keep(place: Path, models: tuple[bytes, bytes], report: dict[str, float]) -> None:
    """Put both networks and the report into the cache, whole or not at all; where it can't be, go on."""
    document = {**report, "sha256": [hashlib.sha256(model).hexdigest() for model in models]}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as draft:
            for name, model in zip((SEGMENTATION, EMBEDDING), models, strict=True):
                (Path(draft) / name).write_bytes(model)
            (Path(draft) / REPORT).write_text(json.dumps(document, indent=1) + "\n")
            place.mkdir(exist_ok=True)
            for name in (SEGMENTATION, EMBEDDING, REPORT):  # the report last: without it there is nothing
                (Path(draft) / name).replace(place / name)
    except OSError:
        return


def unlike(report: dict[str, float]) -> str | None:
    """What of a report is more than is allowed, in one line."""
    frames, angle = float(report["frames"]), float(report["angle"])
    if not frames <= MOST_FRAMES:
        return f"{100 * frames:.2g} % of the frames go to others than torch says"
    if not angle <= MOST_ANGLE:
        return f"vectors turn by {angle:.1g} against torch's"
    return None


def closeness(pipeline: Any, networks: OnnxNetworks) -> dict[str, float]:
    """How far the networks are from torch's on made-up sound.

    ``frames``: share of frames with other speakers. ``angle``: largest 1 − cosine between vectors of the same
    stretch, of masks like those of people who take turns.
    """
    import torch

    inference, embedding = pipeline._segmentation, pipeline._embedding.model_
    length = inference.model.audio.get_num_samples(inference.duration)
    waves = torch.from_numpy(sample(SAMPLE_CHUNKS, length))
    own, others = inference.infer(waves), networks.activity(waves)
    angles = []
    with torch.inference_mode():
        for wave in waves[:, None]:
            frames, exported = embedding.forward_frames(wave), networks.frames(wave)
            for mask in torch.eye(3).repeat_interleave(own.shape[1] // 3, dim=1):
                one, other = (
                    embedding.forward_embedding(f, weights=mask[None])[0] for f in (frames, exported)
                )
                angles.append(1 - float(torch.nn.functional.cosine_similarity(one, other, dim=0, eps=1e-30)))
    return {"frames": float((own != others).any(axis=2).mean()), "angle": float(np.max(angles))}


def sample(chunks: int, length: int) -> NDArray[np.float32]:
    """Sound with the rise and fall of speech: noise of several colours in bursts; (chunks, 1, length)."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(3)
    made = np.zeros((chunks, 1, length), np.float32)
    for chunk in made[:, 0]:
        for start in range(0, length, 8000):
            burst = noise.standard_normal(min(8000, length - start))
            pitch, width = noise.uniform(0.1, 1.2), noise.uniform(0.85, 0.98)
            burst = lfilter([1 - width], [1, -2 * width * np.cos(pitch), width**2], burst)
            chunk[start : start + 8000] = noise.uniform(0, 0.3) * burst * np.hanning(len(burst))
    return made


def _exported(module: Any, example: Any, names: tuple[str, str], axes: dict[str, dict[int, str]]) -> bytes:
    import torch

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of itself, and of shapes that are constant here
        torch.onnx.export(
            module.eval(),
            (example,),
            file,
            dynamo=False,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes=axes,
            opset_version=OPSET,
        )
    return file.getvalue()


def export_segmentation(pipeline: Any) -> bytes:
    """The segmentation network for chunks of its own length, any number at once."""
    import torch

    model = pipeline._segmentation.model
    length = model.audio.get_num_samples(pipeline._segmentation.duration)
    axes = {"waveform": {0: "chunks"}, "scores": {0: "chunks"}}
    return _exported(model, torch.zeros(1, 1, length), ("waveform", "scores"), axes)


def export_embedding(pipeline: Any) -> bytes:
    """The embedding network from filter banks (chunks, time, bands) to the frames that are pooled."""
    import torch

    resnet = pipeline._embedding.model_.resnet

    class Frames(torch.nn.Module):  # type: ignore[misc]
        """What forward_frames does, without the view that it changes in place: the exporter loses that."""

        def __init__(self) -> None:
            super().__init__()
            self.resnet = resnet

        def forward(self, bank: Any) -> Any:
            first = torch.relu(resnet.bn1(resnet.conv1(bank.transpose(1, 2).unsqueeze(1))))
            return resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(first))))

    bank = torch.zeros(1, 200, pipeline._embedding.model_.hparams.num_mel_bins)
    axes = {"bank": {0: "chunks", 1: "time"}, "frames": {0: "chunks", 3: "time_frames"}}
    return _exported(Frames(), bank, ("bank", "frames"), axes)
