"""A directory laid out like pyannote's community-1, with random weights: it proves loading and cost.

``python -m tests.pyannote_directory FOLDER [--small]`` writes one. The true shapes are those of community-1:
PyanNet with four LSTM layers of 128 both ways and seven classes (three speakers, two at once), WeSpeaker's
ResNet34 to 256 numbers. The small ones put out the same, for a fiftieth of the work.

Random weights as they come say the same of any sound. Here the last layers are moved to where the sound at
hand lies, so that all classes occur and vectors differ: what the engine does to real results shows.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetsense.speech.shelf import File, Installed, Kind, Pin, write_record
from meetsense.values import SAMPLE_RATE

NAME = "random"
REVISION = "0" * 40
BATCH = 32
"""What community-1 asks for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the networks are."""

    lstm_layers: int
    lstm_width: int
    bands: int
    """Filter banks that the embedding network looks at, a multiple of 8: its work grows with them."""


TRUE = Shape(lstm_layers=4, lstm_width=128, bands=80)
SMALL = Shape(lstm_layers=1, lstm_width=16, bands=8)


def installed() -> bool:
    """Whether the extra is there; nothing of it is imported."""
    try:
        return all(find_spec(name) is not None for name in ("pyannote.audio", "torch", "onnx"))
    except ModuleNotFoundError:  # not even pyannote
        return False


def build(folder: Path, shape: Shape = TRUE, *, batch: int = BATCH, seed: int = 0) -> Path:
    """Write the five files and ``installed.json``; returns the folder. Needs the extra."""
    from meetsense.speech.shelf import offline

    offline()
    import torch

    torch.manual_seed(seed)
    save(segmentation(shape), folder / "segmentation" / "pytorch_model.bin")
    save(embedding(shape), folder / "embedding" / "pytorch_model.bin")
    write_plda(folder / "plda", np.random.default_rng(seed))
    (folder / "config.yaml").write_text(CONFIG.format(batch=batch))
    record(folder)
    return folder


CONFIG = """\
dependencies:
  pyannote.audio: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: {batch}
    embedding: $model/embedding
    embedding_batch_size: {batch}
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering:
    threshold: 0.6
    Fa: 0.07
    Fb: 0.8
  segmentation:
    min_duration_off: 0.0
"""


def record(folder: Path) -> None:
    """Write ``installed.json`` for the files as they are."""
    files = tuple(
        File(name, (folder / name).stat().st_size, hashlib.sha256((folder / name).read_bytes()).hexdigest())
        for name in Kind.PYANNOTE.needs
    )
    write_record(Installed(folder, NAME, Kind.PYANNOTE, "made by a test", REVISION, files, Pin.USER))


def sound(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Made-up voices that take turns: noise of a colour each, in bursts of 2 to 5 s with pauses; (n,)."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed)
    made = np.zeros(int(seconds * SAMPLE_RATE), np.float32)
    at = 0
    while at < len(made):
        length = min(int(noise.uniform(2, 5) * SAMPLE_RATE), len(made) - at)
        pitch = (0.15, 0.4, 0.8, 1.3)[noise.integers(4)]
        burst = lfilter([0.1], [1, -1.8 * np.cos(pitch), 0.81], noise.standard_normal(length))
        beat = np.abs(np.sin(np.arange(length) * 2 * np.pi * noise.uniform(1, 3) / SAMPLE_RATE))
        made[at : at + length] = 0.2 * burst * beat
        at += length + int(noise.uniform(0, 1.5) * SAMPLE_RATE)
    return made


def sample(chunks: int = 8) -> Any:
    """Chunks of ten seconds of it, a tensor (chunks, 1, samples)."""
    import torch

    return torch.from_numpy(sound(10.0 * chunks, seed=99)).reshape(chunks, 1, -1)


def segmentation(shape: Shape) -> Any:
    """A PyanNet of three speakers, two at once, whose classes all occur."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    model: Any = PyanNet(lstm={"num_layers": shape.lstm_layers, "hidden_size": shape.lstm_width})
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.setup()
    model.eval()
    found = []
    hook = model.classifier.register_forward_hook(lambda _, __, out: found.append(out))
    with torch.no_grad():
        model(sample())
        hook.remove()
        logits = found[0].reshape(-1, found[0].shape[-1])
        scale = 3 / logits.std(dim=0)
        model.classifier.weight *= scale[:, None]
        model.classifier.bias.copy_(scale * (model.classifier.bias - logits.mean(dim=0)))
        model.classifier.bias[4:] -= 2.0  # two at once is rarer than one
    return model


def embedding(shape: Shape) -> Any:
    """A ResNet34 to 256 numbers, centred on the sound."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    model: Any = WeSpeakerResNet34(num_mel_bins=shape.bands)
    model.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
    )
    model.setup()
    model.eval()
    with torch.no_grad():
        vectors = model(sample())
        scale = 1 / vectors.std(dim=0).mean()
        model.resnet.seg_1.weight *= scale
        model.resnet.seg_1.bias.copy_(scale * (model.resnet.seg_1.bias - vectors.mean(dim=0)))
    return model


def save(model: Any, path: Path) -> None:
    """Write a checkpoint as Lightning does."""
    import lightning
    import torch

    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": lightning.__version__,
        "epoch": 0,
        "global_step": 0,
        "loops": {},
    }
    model.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)


def write_plda(folder: Path, noise: np.random.Generator) -> None:
    """The two files of a PLDA of 256 numbers reduced to 128."""
    folder.mkdir(parents=True, exist_ok=True)
    lda = np.linalg.qr(noise.standard_normal((256, 128)))[0]
    np.savez(folder / "xvec_transform.npz", mean1=np.zeros(256), mean2=np.zeros(128), lda=lda)
    np.savez(folder / "plda.npz", mu=np.zeros(128), tr=np.eye(128), psi=np.linspace(10, 0.1, 128))


def main() -> None:
    """Write a directory."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    build(arguments.folder, SMALL if arguments.small else TRUE)


if __name__ == "__main__":
    main()
