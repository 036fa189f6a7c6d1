"""Write the trunk of a trained network as trunk.onnx.

usage: export.py IN.pt OUT_DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from network import MELS, Diarizer
from torch import Tensor, nn

OPSET = 17


class Trunk(nn.Module):
    """(1, frames, 64) to features (rows, 192) and the chances of nobody, one, more at once (rows, 3)."""

    def __init__(self, net: Diarizer) -> None:
        super().__init__()
        self.trunk, self.count = net.trunk, net.count

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(mel)
        return features[0].T, self.count(features)[0].T.softmax(-1)


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    weights = torch.load(options.weights, map_location="cpu")
    net = Diarizer(len(weights["classes"]))
    net.load_state_dict(weights, strict=False)
    net.eval()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Trunk(net).eval(),
        (torch.randn(1, 400, MELS),),
        str(options.out / "trunk.onnx"),
        input_names=["mel"],
        output_names=["features", "count"],
        dynamic_axes={"mel": {1: "frames"}},
        opset_version=OPSET,
        dynamo=False,
    )


if __name__ == "__main__":
    main()
