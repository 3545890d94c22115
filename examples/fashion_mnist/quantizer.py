# SPDX-License-Identifier: Apache-2.0
"""The multi-scale quantizer as training needs it: fast, and with gradients.

Pooling and bicubic upsampling are linear maps on 64-vectors, so that here they are two small matrices a scale. The
results differ from :class:`MultiScaleQuantizer`'s in the last bits only; tokens for keeps come from that one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw_quant.var.multiscale import MultiScaleQuantizer

COMMITMENT = 0.25  # weight of the encoder's side of the loss against the codebook's (as VQGAN and VAR)


class Quantized(NamedTuple):
    """Latents with straight-through gradients ``[B, C, P, P]``, the loss, and per image all scales' tokens ``[B, L]``
    and the vectors that they stand for ``[B, L, C]``."""

    latents: Tensor
    loss: Tensor
    tokens: Tensor
    vectors: Tensor


class TrainingQuantizer(nn.Module):
    """Wraps a :class:`MultiScaleQuantizer`, whose parameters it trains."""

    def __init__(self, inner: MultiScaleQuantizer) -> None:
        super().__init__()
        self.inner = inner
        size = inner.config.latent_size
        for scale, patch in enumerate(inner.patch_sizes[:-1]):
            unit = torch.eye(size * size).view(-1, 1, size, size)
            pool = functional.interpolate(unit, size=(patch, patch), mode="area").flatten(1)  # [P*P, p*p]
            unit = torch.eye(patch * patch).view(-1, 1, patch, patch)
            grow = functional.interpolate(unit, size=(size, size), mode="bicubic").flatten(1)  # [p*p, P*P]
            self.register_buffer(f"pool_{scale}", pool)
            self.register_buffer(f"grow_{scale}", grow)

    def forward(self, latents: Tensor) -> Quantized:
        """Quantize ``[B, C, P, P]``."""
        batch, channels, size, _ = latents.shape
        latents = latents.float()
        target = latents.detach()
        rest = target.flatten(2)  # [B, C, P*P]
        total = torch.zeros_like(rest)
        loss = latents.new_zeros(())
        tokens, vectors = [], []
        scales = len(self.inner.patch_sizes)
        for scale in range(scales):
            last = scale == scales - 1
            pooled = rest if last else rest @ self.get_buffer(f"pool_{scale}")
            pooled = pooled.transpose(1, 2)  # [B, p*p, C]
            with torch.no_grad():
                indices = self.inner.nearest(pooled.reshape(-1, channels)).view(batch, -1)
            codes = self.inner.embedding(indices).transpose(1, 2)
            codes = codes if last else codes @ self.get_buffer(f"grow_{scale}")
            part = self.inner.phi(scale)(codes.reshape(batch, channels, size, size)).flatten(2)
            total = total + part
            rest = rest - part.detach()
            loss = loss + functional.mse_loss(total, target.flatten(2))
            loss = loss + COMMITMENT * functional.mse_loss(total.detach(), latents.flatten(2))
            tokens.append(indices)
            vectors.append(pooled)
        straight_through = latents + (total.view_as(latents) - latents).detach()
        return Quantized(straight_through, loss / scales, torch.cat(tokens, 1), torch.cat(vectors, 1).detach())
