"""Train the demo's Whisper from scratch.

    python train.py DATA FIRST --stage first --minutes 81.6 --stop 36
    python train.py DATA SECOND --stage second --minutes 50.7 --start FIRST
    python train.py DATA THIRD --stage third --minutes 12.7 --start SECOND --resume
    python train.py DATA FOURTH --stage fourth --minutes 80 --start THIRD --resume

DATA is what data.py left; the last folder gets ``tokenizer.json``, ``network.pt`` (a checkpoint every two
minutes, the result at the end) and ``optimiser.pt``. The rate of a stage falls along one cosine of so many
minutes. The first stage was stopped on its way, since easier conditions and another optimiser promised more.
Where the processor multiplies bfloat16 itself, so does the training.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from data import FIRST, FOURTH, SECOND, THIRD, Conditions, Corpus, Windows
from grammar import SEED
from network import Network
from optimiser import Muon
from tokenizer import END, build
from torch import Tensor
from torch.nn import functional as F

LOWEST = 0.02
"""Share of the rate that is left at the end."""
GUIDED = ((0, 0), (1, 0), (1, 1))
"""(decoder layer, head): these learn to look at the word that comes next. Layer 1's give the word times."""
MARGIN = 0.03
"""Seconds around a word in which attention counts as its own."""
CHECKPOINT = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """How one part of the training goes."""

    conditions: Conditions
    batch: int
    """Windows of 10 s, or twice as many of 5 s."""
    rate: float
    warm_up: int
    """Steps."""
    disturbed: float
    """Share of the time in which words already said are disturbed."""
    muon: bool
    """Whether the matrices inside the layers are updated by Muon."""
    aided: float
    """Share of the time in which the two auxiliary losses count double."""
    seed: int


STAGES = {
    "first": Stage(FIRST, 4, 1.1e-3, 300, 0.5, False, 0.5, SEED),
    "second": Stage(SECOND, 5, 1.0e-3, 60, 0.3, True, 0.5, SEED + 5),
    "third": Stage(THIRD, 5, 4.5e-4, 40, 0.0, True, 0.0, SEED + 9),
    "fourth": Stage(FOURTH, 5, 8e-4, 100, 0.2, True, 0.0, SEED + 13),
}


def guide(weights: list[Tensor], spans: Tensor, length: int) -> Tensor:
    """Mean of -log of the attention that falls inside the word, over the guided heads.

    ``weights``: per layer (batch, heads, tokens, positions). ``spans``: (batch, tokens, 2) seconds; an end
    below 0 means that the token has none. ``length``: positions of the window, 20 ms each.
    """
    position = torch.arange(length) / 50
    known = spans[..., 1] > 0
    inside = (position >= spans[..., :1] - MARGIN) & (position <= spans[..., 1:] + MARGIN) & known[..., None]
    loss = torch.zeros(())
    for layer, head in GUIDED:
        attended = (weights[layer][:, head, :, :length] * inside).sum(-1)
        loss = loss - ((attended + 1e-4).log() * known).sum() / known.sum().clamp(min=1)
    return loss / len(GUIDED)


def rate(stage: Stage, step: int, done: float) -> float:
    """Learning rate at a step and a share of the time that is done."""
    cosine = LOWEST + (1 - LOWEST) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return stage.rate * min(1.0, (step + 1) / stage.warm_up) * cosine


def disturb(mel: Tensor, tokens: Tensor, words: bool, text_tokens: int, draw: random.Random) -> Tensor:
    """Hide some mel bands, in place, and replace some of the words already said: listen, don't guess."""
    if draw.random() < 0.25:
        band = draw.randint(0, 70)
        mel[:, band : band + draw.randint(1, 8)] = 0
    if not words:
        return tokens
    wrong = (torch.rand(tokens.shape) < 0.1) & (tokens < text_tokens)
    return torch.where(wrong, torch.randint_like(tokens, 256, text_tokens), tokens)


class Meter:
    """Running means for the log."""

    def __init__(self) -> None:
        self._sum: dict[str, float] = {}
        self._count = 0

    def add(self, **values: float) -> None:
        self._count += 1
        for name, value in values.items():
            self._sum[name] = self._sum.get(name, 0.0) + value

    def take(self) -> str:
        text = " ".join(f"{name} {value / self._count:.3f}" for name, value in self._sum.items())
        self._sum, self._count = {}, 0
        return text


def optimisers(network: Network, stage: Stage) -> tuple[torch.optim.AdamW, Muon]:
    """AdamW for all that Muon doesn't take."""
    named = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    matrices = {
        name: weight for name, weight in named if stage.muon and weight.dim() == 2 and "layers" in name
    }
    others = [weight for name, weight in named if name not in matrices]
    adam = torch.optim.AdamW(others, lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    return adam, Muon(matrices.values())


def train(
    folder: Path,
    out: Path,
    stage: Stage,
    seconds: float,
    stop: float,
    start: Path | None = None,
    resume: bool = False,
    log: Path | None = None,
) -> None:
    """Train along a cosine of so many seconds, until ``stop`` of them are over."""
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    draw = random.Random(SEED)
    tokenizer = build(out / "tokenizer.json")
    text_tokens = tokenizer.token_to_id(END)
    network = Network(tokenizer.get_vocab_size())
    if start:
        network.load_state_dict(torch.load(start / "network.pt"))
    fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    begin = time.monotonic()
    corpus = Corpus(folder, tokenizer, stage.conditions)
    windows = Windows(corpus, tokenizer, stage.conditions, stage.batch, stage.seed, (begin, begin + seconds))
    batches = iter(torch.utils.data.DataLoader(windows, batch_size=None, num_workers=1, prefetch_factor=4))
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    adam, muon = optimisers(network, stage)
    if start and resume:
        memory, momentum = torch.load(start / "optimiser.pt")
        adam.load_state_dict(memory)
        muon.momentum = momentum
    meter, step, saved = Meter(), 0, begin
    _tell(log, f"{sum(p.numel() for p in network.parameters())} parameters, bfloat16 {fast}")
    while (now := time.monotonic()) - begin < min(seconds, stop):
        done = (now - begin) / seconds
        mel, phonemes, tokens, targets, spans = next(batches)
        waited = time.monotonic() - now
        tokens = disturb(mel, tokens, done < stage.disturbed, text_tokens, draw)
        for group in adam.param_groups:
            group["lr"] = rate(stage, step, done)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            logits, heard, weights = network(mel, tokens)
        logits, heard = logits.float(), heard.float()
        words = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
        sounds = F.cross_entropy(heard.flatten(0, 1), phonemes.flatten())
        looks = guide([w.float() for w in weights], spans, mel.shape[2] // 2)
        aid = 2.0 if done < stage.aided else 1.0
        loss = words + 0.3 * aid * sounds + 0.15 * aid * looks
        network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()
        muon.step(rate(stage, step, done))
        step += 1
        is_text = (targets >= 0) & (targets < text_tokens)
        right = (logits.argmax(-1) == targets)[is_text].float().mean()
        meter.add(
            words=words.item(), sounds=sounds.item(), looks=looks.item(), right=right.item(), waited=waited
        )
        if step in (5, 20) or step % 100 == 0:
            place = f"{time.monotonic() - begin:.0f} s step {step} rate {rate(stage, step, done):.1e}"
            _tell(log, f"{place} {meter.take()}")
        if time.monotonic() - saved > CHECKPOINT:
            torch.save(network.state_dict(), out / "network.pt")
            saved = time.monotonic()
    torch.save(network.state_dict(), out / "network.pt")
    torch.save((adam.state_dict(), muon.momentum), out / "optimiser.pt")
    _tell(log, f"done after {step} steps, {time.monotonic() - begin:.0f} s")


def _tell(log: Path | None, line: str) -> None:
    print(line, flush=True)
    if log:
        with log.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="length of the cosine")
    parser.add_argument("--stop", type=float, default=math.inf, help="minutes after which to stop on the way")
    parser.add_argument("--start", type=Path, help="folder of the stage before")
    parser.add_argument("--resume", action="store_true", help="take over its optimisers as well")
    parser.add_argument("--log", type=Path)
    a = parser.parse_args()
    train(a.data, a.out, STAGES[a.stage], a.minutes * 60, a.stop * 60, a.start, a.resume, a.log)
