"""The two networks, of pyannote.audio's own classes, made small; and their checkpoints.

The embedding network is WeSpeaker's ResNet34 on 32 mel bands in steps of 20 ms. Only the convolutions that
:func:`unused` doesn't name are taught. All others are zero: their blocks pass on what they are given, and a
weight that is zero everywhere is stored as one number.
"""

from __future__ import annotations

from pathlib import Path

import lightning
import torch
from pyannote.audio import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import WeSpeakerResNet34
from pyannote.audio.models.segmentation import PyanNet
from torch import Tensor

CHUNK = 10.0
"""Seconds that the segmentation sees at once."""
KEPT_BLOCKS = {"layer1": (), "layer2": (0,), "layer3": (0,), "layer4": ()}
"""Blocks whose two convolutions are taught; where a layer begins with a shortcut, that is taught too."""


def segmentation() -> PyanNet:
    """Up to three people in ten seconds, two at once: seven classes."""
    net = PyanNet(
        sincnet={"stride": 20},
        lstm={"hidden_size": 64, "num_layers": 2, "bidirectional": True, "monolithic": True},
        linear={"hidden_size": 64, "num_layers": 2},
    )
    net.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=CHUNK,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    net.setup()
    return net


def embedding() -> WeSpeakerResNet34:
    """Voiceprints of 256 numbers; the blocks that aren't taught are switched off."""
    net = WeSpeakerResNet34(num_mel_bins=32, frame_shift=20)
    net.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
    )
    net.setup()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if unused(name):
                parameter.zero_()
                parameter.requires_grad_(False)
    return net


def unused(name: str) -> bool:
    """Whether a weight belongs to a block that is switched off.

    >>> unused("resnet.layer3.0.conv1.weight"), unused("resnet.layer3.1.conv1.weight")
    (False, True)
    >>> unused("resnet.layer4.0.shortcut.0.weight"), unused("resnet.conv1.weight")
    (False, False)
    """
    parts = name.split(".")
    if len(parts) < 4 or parts[1] not in KEPT_BLOCKS or parts[3] == "shortcut":
        return False
    return int(parts[2]) not in KEPT_BLOCKS[parts[1]]


def frames(net: WeSpeakerResNet34, fbank: Tensor) -> Tensor:
    """What ``forward_frames`` makes of (batch, frames, 32), without the cost of what is switched off."""
    resnet = net.resnet
    x = torch.relu(resnet.bn1(resnet.conv1(fbank.transpose(1, 2).unsqueeze(1))))
    for name, kept in KEPT_BLOCKS.items():
        for i, block in enumerate(getattr(resnet, name)):
            if i in kept:
                x = block(x)
            elif len(block.shortcut):
                x = torch.relu(block.shortcut(x))
    return x


def slim(name: str, tensor: Tensor) -> Tensor:
    """A weight as it is stored: half precision, and one number where all are the same."""
    if tensor.is_floating_point():
        tensor = tensor.half()
    if unused(name) and tensor.dim() and bool((tensor == tensor.flatten()[0]).all()):
        return tensor.flatten()[0].clone().expand(tensor.shape)
    return tensor.clone()


def save(net: Model, path: Path) -> None:
    """A checkpoint as Lightning and pyannote.audio write it, of tensors and plain values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = {
        "state_dict": {name: slim(name, tensor) for name, tensor in net.state_dict().items()},
        "hyper_parameters": {key: plain(value) for key, value in dict(net.hparams).items()},
        "pytorch-lightning_version": lightning.__version__,
        "epoch": 0,
        "global_step": 0,
        "loops": {},
    }
    net.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)


def plain(value: object) -> object:
    """A hyper-parameter without the classes of whoever made it."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return value
