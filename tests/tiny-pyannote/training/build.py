"""Put the taught networks into a directory that ``Pipeline.from_pretrained`` loads.

usage: build.py SEGMENTATION.pt EMBEDDING.pt OUT_DIR [--threshold T] [--fa A] [--fb B]

OUT_DIR has ``plda/`` already. Writes both checkpoints, ``config.yaml`` and ``installed.json``, the record by
which meetsense knows what it loads.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from networks import save
from plda import load

from meetsense.speech.shelf import File, Installed, Kind, Pin, write_record

NAME = "tiny-pyannote"


def config(threshold: float, fa: float, fb: float) -> dict[str, object]:
    """What ``config.yaml`` says: community-1's pipeline; a chunk begins every 2 s, not every 1 s."""
    return {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {
                "clustering": "VBxClustering",
                "segmentation": "$model/segmentation",
                "segmentation_batch_size": 8,
                "segmentation_step": 0.2,
                "embedding": "$model/embedding",
                "embedding_batch_size": 8,
                "embedding_exclude_overlap": True,
                "plda": "$model/plda",
            },
        },
        "params": {
            "segmentation": {"min_duration_off": 0.0},
            "clustering": {"threshold": threshold, "Fa": fa, "Fb": fb},
        },
    }


def record(folder: Path) -> Installed:
    """The record of a directory's files as they are; its revision is a hash of theirs."""
    files = []
    for path in sorted(Kind.PYANNOTE.needs):
        content = (folder / path).read_bytes()
        files.append(File(path, len(content), hashlib.sha256(content).hexdigest()))
    revision = hashlib.sha256("".join(file.sha256 for file in files).encode()).hexdigest()[:40]
    return Installed(folder, NAME, Kind.PYANNOTE, NAME, revision, tuple(files), Pin.USER)


def main() -> None:
    """Write the directory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("segmentation", type=Path)
    parser.add_argument("embedding", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threshold", type=float, default=0.6)
    parser.add_argument("--fa", type=float, default=0.07)
    parser.add_argument("--fb", type=float, default=0.8)
    options = parser.parse_args()
    names = ("segmentation", "embedding")
    for net, name in zip(load(options.segmentation, options.embedding), names, strict=True):
        save(net, options.out / name / "pytorch_model.bin")
    settings = config(options.threshold, options.fa, options.fb)
    (options.out / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    write_record(record(options.out))


if __name__ == "__main__":
    main()
