"""The Whisper architecture, named as transformers names it, with two helps for training.

- Whisper runs on 30 s, most of them padding. Here the padding is sampled: ``PADDING`` of the positions
  behind the window stand for all of them, their attention raised by the log of how many each stands for.
- A linear layer reads phonemes off the encoder (an auxiliary loss); it is left out of the shipped model.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, INNER = 192, 3, 768
ENCODER_LAYERS, DECODER_LAYERS = 3, 2
MELS, POSITIONS, TOKENS = 80, 1500, 448
PADDING = 48
PHONEMES = 100


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, WIDTH)
        self.k_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.v_proj = nn.Linear(WIDTH, WIDTH)
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        q, k, v = (self._heads(f(x)) for f in (self.q_proj, self.k_proj, self.v_proj))
        heard = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)
        return self.out_proj(heard.transpose(1, 2).reshape(x.shape))

    def cross(self, x: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to the encoder, and its weights (batch, heads, tokens, positions)."""
        q, k, v = (
            self._heads(self.q_proj(x)),
            self._heads(self.k_proj(memory)),
            self._heads(self.v_proj(memory)),
        )
        weights = (q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + bias).softmax(-1)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(x.shape)), weights


class EncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention()
        self.self_attn_layer_norm = nn.LayerNorm(WIDTH)
        self.fc1 = nn.Linear(WIDTH, INNER)
        self.fc2 = nn.Linear(INNER, WIDTH)
        self.final_layer_norm = nn.LayerNorm(WIDTH)

    def _inner(self, x: Tensor) -> Tensor:
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return self._inner(x + self.self_attn(self.self_attn_layer_norm(x), bias=bias))


class DecoderLayer(EncoderLayer):
    def __init__(self) -> None:
        super().__init__()
        self.encoder_attn = Attention()
        self.encoder_attn_layer_norm = nn.LayerNorm(WIDTH)

    def decode(self, x: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        x = x + self.self_attn(self.self_attn_layer_norm(x), causal=True)
        heard, weights = self.encoder_attn.cross(self.encoder_attn_layer_norm(x), memory, bias)
        return self._inner(x + heard), weights


def sinusoids(length: int, channels: int) -> Tensor:
    """Whisper's fixed positions: (length, channels), sines then cosines."""
    step = math.log(10000) / (channels // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(channels // 2))[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(POSITIONS, WIDTH)
        self.embed_positions.weight = nn.Parameter(sinusoids(POSITIONS, WIDTH), requires_grad=False)
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(ENCODER_LAYERS))
        self.layer_norm = nn.LayerNorm(WIDTH)

    def _convolve(self, mel: Tensor) -> Tensor:
        return F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mel (batch, 80, frames) to memory (batch, frames / 2 + PADDING, width) and its attention bias."""
        x = self._convolve(mel)
        length = x.shape[1]
        places = self.embed_positions.weight
        padding = self._convolve(mel.new_zeros(1, MELS, 24))[:, 6:7]  # the same at every padded position
        chosen = length + torch.randperm(POSITIONS - length)[:PADDING]
        padded = (padding + places[chosen]).expand(len(x), -1, -1)
        x = torch.cat([x + places[:length], padded], 1)
        bias = x.new_zeros(x.shape[1])
        bias[length:] = math.log((POSITIONS - length) / PADDING)
        bias = bias[None, None, None]
        wide = bias.expand(1, 1, x.shape[1], -1)
        for layer in self.layers:
            x = layer(x, wide)
        return self.layer_norm(x), bias


class Decoder(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, WIDTH)
        self.embed_positions = nn.Embedding(TOKENS, WIDTH)
        self.layers = nn.ModuleList(DecoderLayer() for _ in range(DECODER_LAYERS))
        self.layer_norm = nn.LayerNorm(WIDTH)
        nn.init.normal_(self.embed_tokens.weight, std=WIDTH**-0.5)
        nn.init.normal_(self.embed_positions.weight, std=0.02)

    def forward(self, tokens: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = self.embed_tokens(tokens) + self.embed_positions.weight[: tokens.shape[1]]
        weights = []
        for layer in self.layers:
            x, attended = layer.decode(x, memory, bias)
            weights.append(attended)
        return self.layer_norm(x), weights


class Core(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder(vocabulary)


class Network(nn.Module):
    """Whisper, and the phoneme reader beside it."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.model = Core(vocabulary)
        self.phonemes = nn.Linear(WIDTH, PHONEMES)

    def forward(self, mel: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Logits of the next token, of the phonemes at 50 Hz, and each decoder layer's attention weights."""
        memory, bias = self.model.encoder(mel)
        hidden, weights = self.model.decoder(tokens, memory, bias)
        logits = hidden @ self.model.decoder.embed_tokens.weight.T
        return logits, self.phonemes(memory[:, : mel.shape[2] // 2]), weights
