# SPDX-License-Identifier: Apache-2.0
"""Train the VQVAE: pixels, perceptual features and a light adversarial term; codes that nobody uses are replaced."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.fashion_mnist.data import Split, to_signed
from examples.fashion_mnist.loop import Budget, CapturedStep, Ema, adamw, learning_rate, mixed_precision, set_rate
from examples.fashion_mnist.nets import Discriminator, FeatureNet, hinge, perceptual_loss
from examples.fashion_mnist.quantizer import TrainingQuantizer
from examples.fashion_mnist.run import Log, Plan, run
from examples.fashion_mnist.score import score_reconstructions
from sw_quant.evaluation.scorer import Scorer
from sw_quant.var.config import VqvaeConfig
from sw_quant.var.vqvae import Vqvae

RARE = 0.03  # a code used less than this, against the average code, is replaced


@dataclass(frozen=True)
class VqvaeSettings:
    """Hyper-parameters; the run's state file belongs to them.

    Attributes:
        perceptual: weight of the perceptual loss against the pixels' L1 and L2.
        adversarial: norm of the adversarial gradient at the images, relative to the other losses' gradient.
        adversarial_from: the fraction of the budget at which the adversarial term begins.
    """

    seed: int = 0
    batch: int = 512
    rate: float = 8e-4
    decay: float = 0.999
    perceptual: float = 1.0
    adversarial: float = 0.2
    adversarial_from: float = 0.3


class VqvaeTrainer:
    """Model, optimizers and averages of one run.

    On a GPU, encoder and decoder run in a bfloat16 working copy of the weights, refreshed before every step.

    Args:
        features: of the perceptual loss.
        train, test: the images.
        scorer: only watches.
    """

    def __init__(
        self,
        config: VqvaeConfig,
        settings: VqvaeSettings,
        features: FeatureNet,
        train: Split,
        test: Split,
        scorer: Scorer,
    ) -> None:
        torch.manual_seed(settings.seed)
        device = train.images.device
        self.settings, self.device, self.train, self.test, self.scorer = settings, device, train, test, scorer
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.features = copy.deepcopy(features).requires_grad_(False).to(self.dtype)
        self.model = Vqvae(config).to(device)
        self.codebook = self.model.quantize.embedding.weight
        nn.init.normal_(self.codebook, std=0.3)
        self.working = copy.deepcopy(self.model).to(self.dtype)
        self.quantizer = TrainingQuantizer(self.model.quantize).to(device)
        self.discriminator = Discriminator().to(device)
        self.ema = Ema(self.model, copy.deepcopy(self.model), settings.decay)
        pairs = zip(self.model.named_parameters(), self.working.parameters(), strict=True)
        self.copies = [(mine, copied) for (name, mine), copied in pairs if not name.startswith("quantize.")]
        rest = [p for p in self.model.parameters() if p is not self.codebook]
        groups = [{"params": rest, "weight_decay": 1e-4}, {"params": [self.codebook], "weight_decay": 0.0}]
        self.optimizer = adamw(groups, device, (0.9, 0.99))
        critic = [{"params": self.discriminator.parameters(), "weight_decay": 1e-4}]
        self.critic_optimizer = adamw(critic, device, (0.5, 0.9))
        self.usage = torch.ones(config.vocabulary, device=device)
        self.strength = torch.zeros((), device=device)  # of the adversarial gradient, at present
        self._run = CapturedStep(self._step, device)

    def step(self, index: Tensor, step: int, fraction: float) -> Tensor:
        """One step of both optimizers, and now and then a look after unused codes."""
        set_rate(self.optimizer, learning_rate(self.settings.rate, fraction))
        set_rate(self.critic_optimizer, learning_rate(self.settings.rate * 0.4, fraction))
        begun = fraction >= self.settings.adversarial_from
        self.strength.fill_(self.settings.adversarial if begun else 0.0)
        loss, vectors = self._run(to_signed(self.train.images[index]))
        if fraction < 0.8 and (step + 1) % (50 if step < 1000 else 250) == 0:
            self._revive(vectors)
        return loss

    def report(self) -> dict[str, Any]:
        """How well the averaged model rebuilds the test images."""
        score = score_reconstructions(self.ema.average, self.test, self.scorer)
        return {"reconstruction_distance": score.frechet_distance, "used_codes": int((self.usage > RARE).sum())}

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | Tensor]:
        """Everything that resuming needs."""
        return {
            "model": self.model,
            "ema": self.ema.average,
            "discriminator": self.discriminator,
            "optimizer": self.optimizer,
            "critic_optimizer": self.critic_optimizer,
            "usage": self.usage,
        }

    def _step(self, images: Tensor) -> tuple[Tensor, Tensor]:
        for optimizer in (self.optimizer, self.critic_optimizer):
            optimizer.zero_grad(set_to_none=True)
        mine: list[Tensor] = [m for m, _ in self.copies]
        copies: list[Tensor] = [c for _, c in self.copies]
        for copied in copies:
            copied.grad = None
        with torch.no_grad():
            torch._foreach_copy_(copies, mine)

        quantized = self.quantizer(self.working.encode(images.to(self.dtype)))
        hidden = self.working.post_quant_conv(quantized.latents.to(self.dtype))
        decoded = self.working.decoder(hidden).float()

        shown = decoded.detach().requires_grad_(True)
        distance = self._distance(shown, images)
        (gradient,) = torch.autograd.grad(distance, shown)
        if self.settings.adversarial > 0:
            # Both gradients meet at the image, where their norms can be set against each other at no extra cost.
            with mixed_precision(self.device):
                verdict = -self.discriminator(shown).float().mean()
            (push,) = torch.autograd.grad(verdict, shown)
            gradient = gradient + push * (self.strength * gradient.norm() / push.norm().clamp_min(1e-12))
        torch.autograd.backward([decoded, quantized.loss], [gradient, torch.ones_like(quantized.loss)])
        for own, copied in self.copies:
            own.grad = copied.grad.float() if copied.grad is not None else None
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

        if self.settings.adversarial > 0:
            with mixed_precision(self.device):
                critic_loss = hinge(self.discriminator(images), self.discriminator(shown.detach()))
            critic_loss.backward()
            self.critic_optimizer.step()
        self._count(quantized.tokens)
        return distance.detach(), quantized.vectors

    def _distance(self, decoded: Tensor, images: Tensor) -> Tensor:
        pixels = functional.l1_loss(decoded, images) + 2 * functional.mse_loss(decoded, images)
        unit = [((value + 1) / 2).to(self.dtype) for value in (decoded, images)]
        return pixels + self.settings.perceptual * perceptual_loss(self.features, *unit)

    def _count(self, tokens: Tensor) -> None:
        flat = tokens.flatten()
        hits = torch.zeros_like(self.usage).scatter_add_(0, flat, torch.ones_like(flat, dtype=torch.float32))
        self.usage.lerp_(hits * (len(self.usage) / len(flat)), 0.02)  # 1.0 = used as often as the average code

    @torch.no_grad()
    def _revive(self, vectors: Tensor) -> None:
        """Replace the codes that are hardly used by vectors of the latest batch."""
        dead = (self.usage < RARE).nonzero().flatten()
        if len(dead) == 0:
            return
        pool = vectors.flatten(0, 1)
        chosen = pool[torch.randint(len(pool), (len(dead),), device=self.device)]
        self.codebook[dead] = chosen
        self.ema.average.quantize.embedding.weight[dead] = chosen
        for moment in ("exp_avg", "exp_avg_sq"):
            self.optimizer.state[self.codebook][moment][dead] = 0
        self.usage[dead] = 1.0


def train_vqvae(
    config: VqvaeConfig,
    settings: VqvaeSettings,
    budget: Budget,
    train: Split,
    test: Split,
    features: FeatureNet,
    scorer: Scorer,
    out: Path,
    log: Log,
) -> None:
    """Train and write ``out / "vqvae.safetensors"`` (averaged weights). Resumes from ``out / "vqvae.state"``."""
    trainer = VqvaeTrainer(config, settings, features, train, test, scorer)
    asked = repr((asdict(config), asdict(settings), budget))
    run(
        trainer,
        Plan("vqvae", asked, budget, len(train.images), settings.batch, settings.seed, out),
        train.images.device,
        log,
    )
