# SPDX-License-Identifier: Apache-2.0
"""Train the transformer on the VQVAE's tokens."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.fashion_mnist.data import Split, to_signed
from examples.fashion_mnist.loop import (
    Budget,
    CapturedStep,
    Ema,
    adamw,
    compiled,
    learning_rate,
    mixed_precision,
    set_rate,
)
from examples.fashion_mnist.run import Log, Plan, run
from examples.fashion_mnist.score import exact_float32, generate_set, score_generated
from sw_quant.evaluation.scorer import Scorer
from sw_quant.var.config import VarConfig
from sw_quant.var.transformer import Var
from sw_quant.var.vqvae import Vqvae


@dataclass(frozen=True)
class VarSettings:
    """Hyper-parameters; the run's state file belongs to them.

    Attributes:
        no_class: share of images trained without their class, for classifier-free guidance.
        dropout: on what each block adds, against learning the images by heart.
    """

    seed: int = 0
    batch: int = 512
    rate: float = 1e-3
    weight_decay: float = 0.05
    decay: float = 0.9995
    no_class: float = 0.1
    dropout: float = 0.2


@dataclass(frozen=True)
class TokenSet:
    """A data set as the transformer sees it: tokens ``[N, L]``, teacher-forcing inputs ``[N, L - 1, C]``, labels."""

    tokens: Tensor
    inputs: Tensor
    labels: Tensor

    @staticmethod
    @torch.no_grad()
    def of(split: Split, vqvae: Vqvae) -> TokenSet:
        """Tokenize all images of ``split`` once."""
        tokens, inputs = [], []
        with exact_float32():
            for images in split.images.split(1000):
                maps = vqvae.tokenize(to_signed(images))
                tokens.append(torch.cat(maps, dim=1))
                inputs.append(vqvae.quantize.transformer_inputs(maps))
        return TokenSet(torch.cat(tokens), torch.cat(inputs), split.labels)


def initialise(var: Var) -> None:
    """Starting weights as VAR's: small, residual branches scaled by depth, gates nearly closed."""
    width, depth = var.config.width, var.config.depth
    std = math.sqrt(1 / width / 3)
    for module in var.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.trunc_normal_(module.weight, std=std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    nn.init.trunc_normal_(var.pos_start, std=std)
    nn.init.trunc_normal_(var.pos_1LC, std=std)
    with torch.no_grad():
        for name, value in var.named_parameters():
            if name.endswith(("attn.proj.weight", "ffn.fc2.weight")):
                value.div_(math.sqrt(2 * depth))
            elif name == "head.weight":
                value.mul_(0.02)
            elif name.endswith("ada_lin.1.weight"):
                value.mul_(0.5)
                if name.startswith("blocks."):
                    value[: 2 * width].mul_(1e-5)  # the gates


class VarTrainer:
    """Model, optimizer and average of one run.

    Args:
        vqvae: trained, on the data's device.
        train, test: the images.
        scorer: only watches.
        preview: images of each class to generate for the log now and then.
    """

    def __init__(
        self,
        config: VarConfig,
        settings: VarSettings,
        vqvae: Vqvae,
        train: Split,
        test: Split,
        scorer: Scorer,
        preview: int,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.scorer, self.preview = settings, train.images.device, scorer, preview
        self.train, self.test = TokenSet.of(train, vqvae), TokenSet.of(test, vqvae)
        self.model = Var(config, vqvae).to(self.device)
        initialise(self.model)
        average = Var(config, vqvae).to(self.device)
        self.ema = Ema(self.model, average, settings.decay)
        for block in self.model.each_block():
            block.dropout.p = settings.dropout
        decays = {name: p.dim() == 2 and "emb" not in name for name, p in self.model.named_parameters()}
        matrices, others = (
            [p for name, p in self.model.named_parameters() if decays[name] is kind] for kind in (True, False)
        )
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = adamw(groups, self.device, (0.9, 0.95))
        self._loss = compiled(self._plain_loss, self.device)
        self._run = CapturedStep(self._step, self.device)

    def step(self, index: Tensor, step: int, fraction: float) -> Tensor:
        """One step of the optimizer; the loss is in nats per token."""
        set_rate(self.optimizer, learning_rate(self.settings.rate, fraction))
        dropped = torch.rand(len(index), device=self.device) < self.settings.no_class
        labels = torch.where(dropped, self.model.config.classes, self.train.labels[index])
        return self._run(labels, self.train.inputs[index], self.train.tokens[index])[0]

    def report(self) -> dict[str, Any]:
        """Surprise at training and test images, and the score of a few images."""
        images, labels = generate_set(self.ema.average, self.preview, 1, cfg=3.0, top_k=0, top_p=0.0)
        score = score_generated(images, labels, self.scorer)
        return {
            "train_surprise": self._surprise(self.train),
            "test_surprise": self._surprise(self.test),
            "cfg": 3.0,
            "generated": score.images,
            "accuracy": score.class_accuracy,
            "distance": score.frechet_distance,
        }

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | Tensor]:
        """Everything that resuming needs."""
        return {"model": self.model, "ema": self.ema.average, "optimizer": self.optimizer}

    def _step(self, labels: Tensor, inputs: Tensor, tokens: Tensor) -> tuple[Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(labels, inputs, tokens)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return (loss.detach(),)

    def _plain_loss(self, labels: Tensor, inputs: Tensor, tokens: Tensor) -> Tensor:
        with mixed_precision(self.device):
            logits = self.model(labels, inputs)
        return functional.cross_entropy(logits.float().flatten(0, 1), tokens.flatten())

    @torch.no_grad()
    def _surprise(self, data: TokenSet, images: int = 10_000) -> float:
        """The averaged model's loss on the first ``images`` of ``data``, classes given, in nats per token."""
        total = 0.0
        parts = (part[:images].split(1000) for part in (data.labels, data.inputs, data.tokens))
        for labels, inputs, tokens in zip(*parts, strict=True):
            logits = self.ema.average(labels, inputs).flatten(0, 1)
            total += float(functional.cross_entropy(logits, tokens.flatten(), reduction="sum"))
        return total / data.tokens[:images].numel()


def train_var(
    config: VarConfig,
    settings: VarSettings,
    budget: Budget,
    train: Split,
    test: Split,
    vqvae: Vqvae,
    scorer: Scorer,
    out: Path,
    log: Log,
    preview: int,
) -> None:
    """Train and write ``out / "var.safetensors"`` (averaged weights). Resumes from ``out / "var.state"``."""
    trainer = VarTrainer(config, settings, vqvae, train, test, scorer, preview)
    asked = repr((asdict(config), asdict(settings), budget))
    run(
        trainer,
        Plan("var", asked, budget, len(train.images), settings.batch, settings.seed, out, report_every=90),
        train.images.device,
        log,
    )
