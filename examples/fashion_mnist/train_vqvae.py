# SPDX-License-Identifier: Apache-2.0
"""Train the VQVAE: pixels, perceptual features and a light adversarial term; codes that nobody uses are replaced."""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.fashion_mnist.data import Split, to_signed
from examples.fashion_mnist.loop import (
    Budget,
    Ema,
    Log,
    batches,
    compiled,
    learning_rate,
    load_state,
    mixed_precision,
    progress_bar,
    random_state,
    restore_random_state,
    save_state,
)
from examples.fashion_mnist.nets import Discriminator, FeatureNet, hinge, perceptual_loss
from examples.fashion_mnist.quantizer import TrainingQuantizer
from examples.fashion_mnist.score import reconstruction_distance
from examples.fashion_mnist.store import save_tensors
from sw_quant.evaluation.classifier import FashionClassifier
from sw_quant.evaluation.frechet import Statistics
from sw_quant.var.config import VqvaeConfig
from sw_quant.var.vqvae import Vqvae


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
    """Model, optimizers and averages of one run."""

    def __init__(self, config: VqvaeConfig, settings: VqvaeSettings, features: FeatureNet, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.features = settings, device, features.requires_grad_(False)
        self.model = Vqvae(config).to(device)
        nn.init.normal_(self.model.quantize.embedding.weight, std=0.3)
        self.quantizer = TrainingQuantizer(self.model.quantize).to(device)
        self.discriminator = Discriminator().to(device)
        self.ema = Ema(self.model, copy.deepcopy(self.model), settings.decay)
        fused = device.type == "cuda"
        codebook = self.model.quantize.embedding.weight
        rest = [p for p in self.model.parameters() if p is not codebook]
        self.optimizer = torch.optim.AdamW(
            [{"params": rest, "weight_decay": 1e-4}, {"params": [codebook], "weight_decay": 0.0}],
            betas=(0.9, 0.99), fused=fused,
        )  # fmt: skip
        self.critic_optimizer = torch.optim.AdamW(
            self.discriminator.parameters(), betas=(0.5, 0.9), weight_decay=1e-4, fused=fused
        )
        self._decode = compiled(self._decode_plain, device)
        self._distance = compiled(self._distance_plain, device)
        self._verdict = compiled(self._verdict_plain, device)
        self._critic_loss = compiled(self._critic_loss_plain, device)
        self.usage = torch.full((config.vocabulary,), 1.0, device=device)

    def _decode_plain(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        with mixed_precision(self.device):
            latents = self.model.encode(images)
            with torch.autocast(self.device.type, enabled=False):
                quantized = self.quantizer(latents)
            decoded = self.model.decoder(self.model.post_quant_conv(quantized.latents))
        return decoded.float(), quantized.loss, quantized.tokens, quantized.vectors

    def _distance_plain(self, decoded: Tensor, images: Tensor) -> Tensor:
        with mixed_precision(self.device):
            likeness = perceptual_loss(self.features, (decoded + 1) / 2, (images + 1) / 2)
        pixels = functional.l1_loss(decoded, images) + 2 * functional.mse_loss(decoded, images)
        return pixels + self.settings.perceptual * likeness

    def _verdict_plain(self, decoded: Tensor) -> Tensor:
        with mixed_precision(self.device):
            return -self.discriminator(decoded).float().mean()

    def _critic_loss_plain(self, real: Tensor, fake: Tensor) -> Tensor:
        with mixed_precision(self.device):
            return hinge(self.discriminator(real), self.discriminator(fake))

    def step(self, images: Tensor, fraction: float) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the optimizers; returns the image loss, the codebook's loss, and the vectors quantized."""
        for optimizer, share in ((self.optimizer, 1.0), (self.critic_optimizer, 0.4)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.settings.rate * share, fraction)
        decoded, code_loss, tokens, vectors = self._decode(images)
        shown = decoded.detach().requires_grad_(True)
        distance = self._distance(shown, images)
        (gradient,) = torch.autograd.grad(distance, shown)
        adversarial = self.settings.adversarial > 0 and fraction >= self.settings.adversarial_from
        if adversarial:
            # Both gradients meet at the image, where their norms can be set against each other at no extra cost.
            (push,) = torch.autograd.grad(self._verdict(shown), shown)
            gradient = gradient + push * (self.settings.adversarial * gradient.norm() / push.norm().clamp_min(1e-12))
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward([decoded, code_loss], [gradient, torch.ones_like(code_loss)])
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        if self.settings.adversarial > 0 and fraction >= self.settings.adversarial_from - 0.05:
            self.critic_optimizer.zero_grad(set_to_none=True)
            self._critic_loss(images, shown.detach()).backward()
            self.critic_optimizer.step()
        self._count(tokens)
        return distance.detach(), code_loss.detach(), vectors

    def _count(self, tokens: Tensor) -> None:
        hits = torch.zeros_like(self.usage).scatter_add_(
            0, tokens.flatten(), torch.ones((), device=self.device).expand(tokens.numel())
        )
        self.usage.lerp_(hits * (len(self.usage) / tokens.numel()), 0.02)  # 1.0 = used as often as the average code

    @torch.no_grad()
    def revive(self, vectors: Tensor) -> int:
        """Replace the codes that are hardly used by vectors of the latest batch; returns how many."""
        dead = (self.usage < 0.03).nonzero().flatten()
        if len(dead):
            pool = vectors.flatten(0, 1)
            chosen = pool[torch.randint(len(pool), (len(dead),), device=self.device)]
            weight = self.model.quantize.embedding.weight
            weight[dead] = chosen
            self.ema.average.get_parameter("quantize.embedding.weight")[dead] = chosen
            for moment in ("exp_avg", "exp_avg_sq"):
                self.optimizer.state[weight][moment][dead] = 0
            self.usage[dead] = 1.0
        return len(dead)

    def state(self) -> dict[str, object]:
        """Everything that resuming needs."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "usage": self.usage,
        }

    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        """The inverse of :meth:`state`."""
        self.model.load_state_dict(state["model"])
        self.ema.average.load_state_dict(state["ema"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
        self.usage.copy_(state["usage"])  # type: ignore[arg-type]


def train_vqvae(
    config: VqvaeConfig,
    settings: VqvaeSettings,
    budget: Budget,
    train: Split,
    test: Split,
    features: FeatureNet,
    scorer: tuple[FashionClassifier, Statistics],
    out: Path,
    log: Log,
) -> None:
    """Train and write ``out / "vqvae.safetensors"`` (averaged weights). Resumes from ``out / "vqvae.state"``.

    Args:
        scorer: only watches: the classifier, and the statistics of the test images' features.
    """
    device = train.images.device
    trainer = VqvaeTrainer(config, settings, features, device)
    path, key = out / "vqvae.state", repr((asdict(config), asdict(settings), budget))
    step, earlier = 0, 0.0
    saved = load_state(path, device, key)
    if saved is not None:
        trainer.restore(saved["trainer"])
        restore_random_state(saved["random"], device)
        step, earlier = saved["step"], saved["seconds"]
    order = batches(len(train.images), settings.batch, settings.seed, step, device)
    start = last_save = last_score = time.monotonic()
    first = step + 1
    fraction = budget.fraction(step, earlier)
    with progress_bar(log.stage) as bar:
        task = bar.add_task("", total=1.0, completed=fraction, note="")
        while fraction < 1:
            loss, code_loss, vectors = trainer.step(to_signed(train.images[next(order)]), fraction)
            step += 1
            if step == first:  # it compiled, which is not training
                start = time.monotonic()
            trainer.ema.update(step)
            if fraction < 0.8 and step % (50 if step < 1000 else 250) == 0:
                trainer.revive(vectors)
            now = time.monotonic()
            fraction = budget.fraction(step, earlier + now - start)
            if step % 100 == 0:
                bar.update(task, completed=fraction, note=f"loss {float(loss):.4f}")
            if now - last_score > 60 or fraction >= 1:
                distance = reconstruction_distance(trainer.ema.average, test.images, *scorer)
                log.write(
                    step=step, images=step * settings.batch, loss=float(loss), code_loss=float(code_loss),
                    reconstruction_distance=distance, used_codes=int((trainer.usage > 0.03).sum()),
                )  # fmt: skip
                last_score = time.monotonic()
            if now - last_save > 120 or fraction >= 1:
                save_tensors(out / "vqvae.safetensors", trainer.ema.average.state_dict())
                seconds = earlier + now - start
                state = {"settings": key, "trainer": trainer.state(), "step": step, "seconds": seconds}
                save_state(path, {**state, "random": random_state(device)})
                last_save = time.monotonic()
