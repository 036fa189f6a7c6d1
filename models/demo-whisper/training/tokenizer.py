"""The tokenizer of the demo's Whisper: byte-level BPE over the grammar, then Whisper's special tokens.

faster-whisper needs the ids in this order: text, ``<|endoftext|>``, the other specials, ``<|notimestamps|>``,
then ``<|0.00|>`` to ``<|30.00|>`` without a gap and last.
"""

from __future__ import annotations

from pathlib import Path

from grammar import SEED, Grammar
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT_TOKENS = 1100
"""At most; the 256 bytes are among them."""
SAMPLE = 30_000
"""Sentences it is made from."""
END, START, PREVIOUS = "<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>"
NO_SPEECH, NO_TIMESTAMPS = "<|nospeech|>", "<|notimestamps|>"
SPECIAL = [
    END,
    START,
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    PREVIOUS,
    NO_SPEECH,
    NO_TIMESTAMPS,
]
TIMESTAMPS = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]


def build(path: Path) -> Tokenizer:
    """Make the tokenizer and save it as ``tokenizer.json``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    grammar = Grammar(SEED + 1)
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((f" {grammar.sentence()}" for _ in range(SAMPLE)), trainer)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL + TIMESTAMPS]
    )
    tokenizer.save(str(path))
    return tokenizer
