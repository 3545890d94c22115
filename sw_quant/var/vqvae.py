# SPDX-License-Identifier: Apache-2.0
"""The VQVAE: an encoder and a decoder of convolutions around the multi-scale quantizer.

The networks are those of VQGAN (Esser et al., 2021) as VAR uses them. Attribute names are dictated by the published
checkpoints: they are the state dict's keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw_quant.var.config import VqvaeConfig
from sw_quant.var.multiscale import MultiScaleQuantizer


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each after group normalisation and SiLU, around a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, groups: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels_in, groups)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = _norm(channels_out, groups)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        same = channels_in == channels_out
        self.nin_shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, channels_in, H, W] -> [B, channels_out, H, W]``."""
        h = self.conv1(functional.silu(self.norm1(x)))
        h = self.conv2(functional.silu(self.norm2(h)))
        return self.nin_shortcut(x) + h  # type: ignore[no-any-return]


class AttentionBlock(nn.Module):
    """Single-head self-attention over all positions of a map."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = _norm(channels, groups)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W] -> [B, C, H, W]``."""
        channels = x.shape[1]
        query, key, value = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)  # each [B, C, H*W]
        weights = torch.bmm(query.transpose(1, 2), key) * channels**-0.5
        attended = torch.bmm(value, weights.softmax(dim=2).transpose(1, 2))
        return x + self.proj_out(attended.view_as(x))  # type: ignore[no-any-return]


class _Downsample(nn.Module):
    """Halve height and width. Padding at the right and bottom only, as the checkpoints were trained."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))  # type: ignore[no-any-return]


class _Upsample(nn.Module):
    """Double height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))  # type: ignore[no-any-return]


class _Level(nn.Module):
    """The blocks at one resolution: residual blocks, each with attention at the lowest resolution."""

    def __init__(self, channels_in: int, channels_out: int, blocks: int, groups: int, attention: bool) -> None:
        super().__init__()
        widths = [channels_in] + [channels_out] * (blocks - 1)
        self.block = nn.ModuleList(ResidualBlock(width, channels_out, groups) for width in widths)
        self.attn = nn.ModuleList(AttentionBlock(channels_out, groups) for _ in widths if attention)
        self.downsample: nn.Module | None = None
        self.upsample: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[i](x)
        for resample in (self.downsample, self.upsample):
            if resample is not None:
                x = resample(x)
        return x


class _Middle(nn.Module):
    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels, groups)
        self.attn_1 = AttentionBlock(channels, groups)
        self.block_2 = ResidualBlock(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Image to latent map."""

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        lowest = len(widths) - 1
        groups = config.norm_groups
        self.conv_in = nn.Conv2d(config.image_channels, config.channels, 3, padding=1)
        self.down = nn.ModuleList()
        channels = config.channels
        for i, width in enumerate(widths):
            level = _Level(channels, width, config.res_blocks, groups, attention=i == lowest)
            if i != lowest:
                level.downsample = _Downsample(width)
            self.down.append(level)
            channels = width
        self.mid = _Middle(channels, groups)
        self.norm_out = _norm(channels, groups)
        self.conv_out = nn.Conv2d(channels, config.latent_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``[B, image channels, S, S] -> [B, latent channels, P, P]``."""
        x = self.conv_in(images)
        for level in self.down:
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(self.mid(x))))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Latent map to image."""

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        lowest = len(widths) - 1
        groups = config.norm_groups
        self.conv_in = nn.Conv2d(config.latent_channels, widths[lowest], 3, padding=1)
        self.mid = _Middle(widths[lowest], groups)
        self.up = nn.ModuleList()
        for i, width in enumerate(widths):  # stored from full resolution down, run from the lowest up
            channels = widths[min(i + 1, lowest)]
            level = _Level(channels, width, config.res_blocks + 1, groups, attention=i == lowest)
            if i != 0:
                level.upsample = _Upsample(width)
            self.up.append(level)
        self.norm_out = _norm(widths[0], groups)
        self.conv_out = nn.Conv2d(widths[0], config.image_channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """``[B, latent channels, P, P] -> [B, image channels, S, S]``."""
        x = self.mid(self.conv_in(latents))
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
        return self.conv_out(functional.silu(self.norm_out(x)))  # type: ignore[no-any-return]


class Vqvae(nn.Module):
    """Images to token maps and back. Images are in [-1, 1] here, as in the published code."""

    def __init__(self, config: VqvaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantize = MultiScaleQuantizer(config)
        self.quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 3, padding=1)
        self.post_quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 3, padding=1)

    def encode(self, images: Tensor) -> Tensor:
        """``[B, C, S, S]`` in [-1, 1] to the latent map before quantization, ``[B, latent channels, P, P]``."""
        return self.quant_conv(self.encoder(images))  # type: ignore[no-any-return]

    def decode(self, latents: Tensor) -> Tensor:
        """Quantized latents ``[B, latent channels, P, P]`` to images ``[B, C, S, S]`` in [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents)).clamp(-1, 1)  # type: ignore[no-any-return]

    @torch.no_grad()
    def tokenize(self, images: Tensor) -> list[Tensor]:
        """Images in [-1, 1] to one map of token indices a scale, ``[B, size * size]`` each, coarsest first."""
        tokens, _ = self.quantize.quantize(self.encode(images))
        return tokens

    @torch.no_grad()
    def detokenize(self, tokens: Sequence[Tensor]) -> Tensor:
        """The inverse of :meth:`tokenize`, as far as the codebook reaches: images in [-1, 1]."""
        return self.decode(self.quantize.latents(tokens))

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] through the codebook and back."""
        _, latents = self.quantize.quantize(self.encode(images))
        return self.decode(latents)
