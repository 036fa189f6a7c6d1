"""Make what faster-whisper loads from a trained network.

    python convert.py TRAINED OUT

TRAINED is what train.py left. OUT gets ``config.json``, ``model.bin`` (CTranslate2, int8),
``tokenizer.json``, ``preprocessor_config.json`` and ``vocabulary.json``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import ctranslate2
import torch
from data import WINDOW_SECONDS
from network import DECODER_LAYERS, ENCODER_LAYERS, HEADS, INNER, MELS, POSITIONS, TOKENS, WIDTH
from tokenizer import END, START
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperForConditionalGeneration

ALIGNMENT_HEADS = [[1, 0], [1, 1]]
"""(decoder layer, head): those that train.py guided."""
PREPROCESSOR = {
    "chunk_length": int(WINDOW_SECONDS),
    "feature_size": MELS,
    "hop_length": 160,
    "n_fft": 400,
    "sampling_rate": 16000,
}
SHIPPED = ("config.json", "model.bin", "tokenizer.json", "preprocessor_config.json", "vocabulary.json")


def as_transformers(state: dict[str, torch.Tensor], tokenizer: Tokenizer) -> WhisperForConditionalGeneration:
    """The trained weights in the class that the converter reads. The phoneme reader is left out."""
    end, start = tokenizer.token_to_id(END), tokenizer.token_to_id(START)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            num_mel_bins=MELS,
            d_model=WIDTH,
            encoder_layers=ENCODER_LAYERS,
            decoder_layers=DECODER_LAYERS,
            encoder_attention_heads=HEADS,
            decoder_attention_heads=HEADS,
            encoder_ffn_dim=INNER,
            decoder_ffn_dim=INNER,
            max_source_positions=POSITIONS,
            max_target_positions=TOKENS,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            decoder_start_token_id=start,
            suppress_tokens=[],
            begin_suppress_tokens=[end],
        )
    )
    weights = {name: value for name, value in state.items() if not name.startswith("phonemes.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert set(missing) <= {"proj_out.weight"}, missing
    assert not unexpected, unexpected
    model.tie_weights()
    settings = model.generation_config
    settings._from_model_config = False  # otherwise saving drops what is set below
    settings.suppress_tokens, settings.begin_suppress_tokens = [], [end]
    settings.alignment_heads = ALIGNMENT_HEADS
    settings.lang_to_id = {"<|en|>": tokenizer.token_to_id("<|en|>")}
    return model


def convert(trained: Path, out: Path) -> None:
    """Write the directory that faster-whisper loads."""
    tokenizer_file = trained / "tokenizer.json"
    state = torch.load(trained / "network.pt", map_location="cpu")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "transformers", Path(folder) / "ctranslate2"
        as_transformers(state, Tokenizer.from_file(str(tokenizer_file))).save_pretrained(source)
        PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file)).save_pretrained(source)
        shutil.copy(tokenizer_file, source)
        (source / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")
        copied = ["tokenizer.json", "preprocessor_config.json"]
        ctranslate2.converters.TransformersConverter(str(source), copy_files=copied).convert(
            str(target), quantization="int8"
        )
        config = json.loads((target / "config.json").read_text())
        config["alignment_heads"] = ALIGNMENT_HEADS  # the converter has dropped them in some versions
        (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        out.mkdir(parents=True, exist_ok=True)
        for name in SHIPPED:
            shutil.copyfile(target / name, out / name)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
