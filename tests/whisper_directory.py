"""Whisper directories in CTranslate2 form, of the published shapes, without trained weights.

``build`` writes ``model.bin`` with CTranslate2's own converter classes (neither torch nor transformers is
needed), a byte-level tokenizer laid out as OpenAI's (text, specials, languages, 1,501 times), vocabulary and
preprocessor settings. All weights are drawn at random, apart from the decoder's position encodings: they
point to the token that is due at each position, so that the model *says a given text* whatever it hears. That
makes genuine faster-whisper segments of any text, sure or unsure, and an output of natural length for timing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CONTEXT, FRAMES, TIMES = 448, 1500, 1501
"""Decoder positions, encoder positions, tokens of times: the same in every size."""
LANGUAGES = re.findall(
    r"\w+",
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr "
    "bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn "
    "yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su "
    "yue ",
)
"""In the order of the tokens; only the third version has the last one."""
SAID_BEFORE = ("<|endoftext|>", "<|startoftranscript|>")
SAID_AFTER = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
TAUGHT = (
    "Thank you. Thanks for watching! Subtitles by the community. We should decide about the budget today. "
    "I agree with that. Can we move the deadline to Friday? Yes. No. So let us write it down and go on "
    "with the plan. Ana Kovač, Bruno Okafor, Chiara Lindqvist, Dmitri Pereira. Agenda: heating plan, "
    "hiring, the new office. "
)
"""What the tokenizer's merges come from."""


@dataclass(frozen=True, slots=True)
class Size:
    """A published shape."""

    width: int
    heads: int
    encoder: int
    """Layers."""
    decoder: int
    """Layers."""
    mels: int = 80
    version: int = 2
    """1 or 2: 99 languages; 3: 100."""
    english: bool = False
    """English only: a vocabulary without languages to choose from."""


SIZES: Mapping[str, Size] = {
    "tiny": Size(384, 6, 4, 4),
    "tiny.en": Size(384, 6, 4, 4, english=True),
    "base": Size(512, 8, 6, 6),
    "small": Size(768, 12, 12, 12),
    "medium": Size(1024, 16, 24, 24),
    "large-v3": Size(1280, 20, 32, 32, mels=128, version=3),
    "large-v3-turbo": Size(1280, 20, 32, 4, mels=128, version=3),
    "narrow": Size(64, 2, 2, 2),
    "narrow.en": Size(64, 2, 2, 2, english=True),
    "narrow-v3": Size(64, 2, 2, 2, mels=128, version=3),
}
"""The last three are not published: the layout of a published size, for tests that need no width."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a model says of every window."""

    text: str = ""
    strength: float = 10.0
    """How far the position outweighs all else: 10 is sure of every token, 0 leaves everything to chance."""
    language: str = "en"
    no_speech: float = 0.0
    """Weight of the token that says there is no speech, beside 1 for the language."""


def vocabulary(size: Size) -> list[str]:
    """All tokens by number: text, specials, languages, times."""
    languages = [] if size.english else LANGUAGES[: 100 if size.version == 3 else 99]
    specials = [*SAID_BEFORE, *(f"<|{word}|>" for word in (*(languages or LANGUAGES[:99]), *SAID_AFTER))]
    text = _text(50256) if size.english else [*_text(50256), ""]  # "" is what tells CTranslate2 multilingual
    return [*text, *specials, *(f"<|{step * 0.02:.2f}|>" for step in range(TIMES))]


def _text(count: int) -> list[str]:
    learned = _learned()
    return [*learned, *(f"Ġw{i}" for i in range(count - len(learned)))]


def _learned() -> list[str]:
    found = json.loads(_trained().to_str())["model"]["vocab"]
    return sorted(found, key=found.__getitem__)


def _trained() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=800, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([f" {TAUGHT}"] * 4, trainer)
    return tokenizer


def write_tokenizer(path: Path, tokens: Sequence[str]) -> None:
    """``tokenizer.json`` whose tokens have these numbers."""
    document = json.loads(_trained().to_str())
    first = tokens.index(SAID_BEFORE[0])
    document["model"]["vocab"] = {token: i for i, token in enumerate(tokens[:first])}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    document["added_tokens"] = [
        {"id": first + i, "content": token, "special": not token[2].isdigit(), **flags}
        for i, token in enumerate(tokens[first:])
    ]
    path.write_text(json.dumps(document), "utf-8")


def build(folder: Path, size: str | Size, script: Script = Script(), *, seed: int = 7) -> Path:
    """Write a directory and return it; the same arguments write the same bytes."""
    from tokenizers import Tokenizer

    shape = SIZES[size] if isinstance(size, str) else size
    folder.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary(shape)
    write_tokenizer(folder / "tokenizer.json", tokens)
    spoken = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(script.text).ids
    spec = _weights(shape, tokens, np.random.default_rng(seed))
    spec.decoder.position_encodings.encodings = _positions(
        spec.decoder.embeddings.weight, tokens, spoken, script, np.random.default_rng(seed + 1), shape
    )
    _describe(spec, shape, tokens)
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    settings = {"chunk_length": 30, "feature_size": shape.mels, "hop_length": 160, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"sampling_rate": 16000}))
    return folder


def _positions(
    embeddings: Floats,
    tokens: Sequence[str],
    spoken: Sequence[int],
    script: Script,
    draw: np.random.Generator,
    size: Size,
) -> Floats:
    """Position encodings, shape (CONTEXT, width), that make the decoder say the script and then end.

    Position 0 tells language and silence, the one before the text the time 0.00, as OpenAI's models do.
    """
    end = tokens.index(SAID_BEFORE[0])
    before = 0 if size.english else 2
    due = [end] * CONTEXT
    due[before] = tokens.index("<|0.00|>")
    due[before + 1 : before + 1 + len(spoken)] = spoken
    encodings = script.strength * embeddings[due]
    if not size.english:
        encodings[0] = script.strength * embeddings[tokens.index(f"<|{script.language}|>")]
    encodings[0] += script.strength * script.no_speech * embeddings[tokens.index("<|nospeech|>")]
    return np.asarray(encodings + 0.1 * draw.standard_normal(encodings.shape), np.float32)


def _weights(size: Size, tokens: Sequence[str], draw: np.random.Generator) -> Any:
    from ctranslate2.specs import WhisperSpec

    spec = WhisperSpec(size.encoder, size.heads, size.decoder, size.heads)
    width = size.width

    def drawn(*shape: int, scale: float = 0.02) -> Floats:
        return draw.standard_normal(shape, np.float32) * np.float32(scale)

    def linear(layer: Any, rows: int, columns: int) -> None:
        layer.weight, layer.bias = drawn(rows, columns), drawn(rows)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def attention(layer: Any, rows: Sequence[int]) -> None:
        norm(layer.layer_norm)
        for part, count in zip(layer.linear, rows, strict=True):
            linear(part, count, width)

    def forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 4 * width, width)
        linear(layer.linear_1, width, 4 * width)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = drawn(width, size.mels, 3), drawn(width)
    encoder.conv2.weight, encoder.conv2.bias = drawn(width, width, 3), drawn(width)
    encoder.position_encodings.encodings = drawn(FRAMES, width)
    decoder.embeddings.weight = drawn(len(tokens), width, scale=24 / width)
    decoder.projection.weight = decoder.embeddings.weight
    decoder.scale_embeddings = False
    for stack in (encoder, decoder):
        norm(stack.layer_norm)
        for layer in stack.layer:
            attention(layer.self_attention, (3 * width, width))
            forward(layer.ffn)
    for layer in decoder.layer:
        attention(layer.attention, (width, 2 * width, width))
    return spec


def _describe(spec: Any, size: Size, tokens: list[str]) -> None:
    spec.register_vocabulary(tokens)
    end = tokens.index(SAID_BEFORE[0])
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [220, end]
    first = tokens.index("<|en|>")
    spec.config.lang_ids = list(range(first, tokens.index("<|translate|>")))
    spec.config.alignment_heads = [[size.decoder - 1, head] for head in range(size.heads)]
