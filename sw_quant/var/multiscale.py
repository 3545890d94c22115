# SPDX-License-Identifier: Apache-2.0
"""The multi-scale residual quantizer: one codebook, token maps from 1x1 up to the latent's size.

Scale after scale, what is left of the latent map is pooled to the scale's size, every pooled vector is replaced by
the nearest code, and the codes, brought back to full size, are taken off the rest (VAR, algorithms 1 and 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw_quant.var.config import VqvaeConfig, phi_index


class Phi(nn.Conv2d):
    """A 3x3 convolution blended with its input: it mends what bicubic upsampling loses."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__(channels, channels, 3, padding=1)
        self.ratio = ratio

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, P, P] -> [B, C, P, P]``."""
        return x * (1 - self.ratio) + super().forward(x) * self.ratio


class _PhiList(nn.Module):
    """Only here because the checkpoints' keys have this level in them."""

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        self.qresi_ls = nn.ModuleList(Phi(config.latent_channels, config.phi_ratio) for _ in range(config.phi_count))


class MultiScaleQuantizer(nn.Module):
    """Latent maps to token maps and back.

    Works in float32 whatever the caller's precision: nearest-code decisions hang on small differences.
    """

    ema_vocab_hit_SV: Tensor

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_sizes = config.patch_sizes
        self.embedding = nn.Embedding(config.vocabulary, config.latent_channels)
        self.quant_resi = _PhiList(config)
        # How often each code was used in training. Part of the published checkpoints, without effect on results.
        self.register_buffer("ema_vocab_hit_SV", torch.zeros(len(self.patch_sizes), config.vocabulary))
        scales = len(self.patch_sizes)
        self.phi_of_scale = [phi_index(scale, scales, config.phi_count) for scale in range(scales)]

    def phi(self, scale: int) -> nn.Module:
        """The convolution that follows the upsampling at ``scale``."""
        return self.quant_resi.qresi_ls[self.phi_of_scale[scale]]

    def nearest(self, vectors: Tensor) -> Tensor:
        """Index of the code nearest to each vector, ``[N, channels] -> [N]``."""
        codes = self.embedding.weight
        distances = vectors.square().sum(dim=1, keepdim=True) + codes.square().sum(dim=1)
        return torch.addmm(distances, vectors, codes.T, alpha=-2).argmin(dim=1)

    def expand(self, scale: int, tokens: Tensor) -> Tensor:
        """What the token map of one scale adds to the latent map: ``[B, size * size] -> [B, channels, P, P]``."""
        size = self.patch_sizes[scale]
        codes = self.embedding(tokens).transpose(1, 2).reshape(len(tokens), -1, size, size)
        if size != self.config.latent_size:
            codes = functional.interpolate(codes, size=(self.config.latent_size,) * 2, mode="bicubic")
        return self.phi(scale)(codes)  # type: ignore[no-any-return]

    def pool(self, latents: Tensor, scale: int) -> Tensor:
        """Latent maps averaged down to the size of ``scale``: ``[B, channels, P, P] -> [B, size * size, channels]``."""
        size = self.patch_sizes[scale]
        if size != self.config.latent_size:
            latents = functional.interpolate(latents, size=(size, size), mode="area")
        return latents.flatten(2).transpose(1, 2)

    def quantize(self, latents: Tensor) -> tuple[list[Tensor], Tensor]:
        """Latent maps to tokens.

        Args:
            latents: ``[B, channels, P, P]`` float32.

        Returns:
            One ``[B, size * size]`` map of indices a scale, and the quantized latents ``[B, channels, P, P]``.
        """
        rest = latents.detach().clone()
        total = torch.zeros_like(rest)
        tokens = []
        for scale in range(len(self.patch_sizes)):
            vectors = self.pool(rest, scale)
            indices = self.nearest(vectors.reshape(-1, vectors.shape[-1])).view(len(latents), -1)
            part = self.expand(scale, indices)
            total += part
            rest -= part
            tokens.append(indices)
        return tokens, total

    def latents(self, tokens: Sequence[Tensor]) -> Tensor:
        """Token maps of all scales to quantized latents ``[B, channels, P, P]``."""
        total = self.expand(0, tokens[0])
        for scale in range(1, len(tokens)):
            total = total + self.expand(scale, tokens[scale])
        return total

    def transformer_inputs(self, tokens: Sequence[Tensor]) -> Tensor:
        """What the transformer sees of the scales before it, for every scale but the first (teacher forcing).

        Returns:
            ``[B, tokens of an image minus the first scale's, channels]`` float32.
        """
        total = torch.zeros((), device=tokens[0].device)
        inputs = []
        for scale in range(len(self.patch_sizes) - 1):
            total = total + self.expand(scale, tokens[scale])
            inputs.append(self.pool(total, scale + 1))
        return torch.cat(inputs, dim=1)
