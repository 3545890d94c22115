# SPDX-License-Identifier: Apache-2.0
"""The VQVAE's way back, from tokens to images, in numpy (`sw_quant.var.vqvae` and `multiscale` in torch)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from host.cpu.ops import Array, area_matrix, bicubic_matrix, conv, group_norm, resize, silu, softmax, upsample
from sw_quant.errors import FpqvarError
from sw_quant.var.config import VqvaeConfig, phi_index

__all__ = ["NumpyDecoder", "Weights"]

Tokens = npt.NDArray[np.int64]


class Weights:
    """Tensors by checkpoint key, in single precision when they are asked for; raises FpqvarError for a missing one."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]], file: str) -> None:
        self._tensors, self._file = tensors, file

    def __contains__(self, key: str) -> bool:
        return key in self._tensors

    def __getitem__(self, key: str) -> Array:
        try:
            return self._tensors[key].astype(np.float32)
        except KeyError:
            raise FpqvarError(f"{self._file}: tensor {key!r} is missing; make it anew with `fpqvar quantize`") from None


class NumpyDecoder:
    """Token maps to latents, and latents to images in [-1, 1]."""

    def __init__(self, config: VqvaeConfig, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self.config = config
        self._weights = Weights(tensors, "vqvae.safetensors")
        self._codes = self._weights["quantize.embedding.weight"]

    def expand(self, scale: int, tokens: Tokens) -> Array:
        """What a scale's token map [B, size * size] adds to the latents: [B, channels, P, P]."""
        config = self.config
        size = config.patch_sizes[scale]
        codes = np.moveaxis(self._codes[tokens], 2, 1).reshape(len(tokens), -1, size, size)
        if size != config.latent_size:
            codes = resize(codes, bicubic_matrix(size, config.latent_size))
        phi = phi_index(scale, len(config.patch_sizes), config.phi_count)
        mended = self._conv(codes, f"quantize.quant_resi.qresi_ls.{phi}")
        ratio = np.float32(config.phi_ratio)
        return np.asarray(codes * (1 - ratio) + mended * ratio)

    def pool(self, latents: Array, scale: int) -> Array:
        """Latents averaged down to a scale's size: [B, size * size, channels]."""
        size = self.config.patch_sizes[scale]
        if size != self.config.latent_size:
            latents = resize(latents, area_matrix(self.config.latent_size, size))
        return np.moveaxis(latents.reshape(*latents.shape[:2], -1), 1, 2)

    def decode(self, latents: Array) -> Array:
        """Latents [B, channels, P, P] to images [B, C, S, S] in [-1, 1]."""
        config = self.config
        x = self._conv(latents, "post_quant_conv")
        x = self._conv(x, "decoder.conv_in")
        x = self._residual(x, "decoder.mid.block_1")
        x = self._attention(x, "decoder.mid.attn_1")
        x = self._residual(x, "decoder.mid.block_2")
        lowest = len(config.multipliers) - 1
        for level in reversed(range(lowest + 1)):
            prefix = f"decoder.up.{level}"
            for block in range(config.res_blocks + 1):
                x = self._residual(x, f"{prefix}.block.{block}")
                if level == lowest:
                    x = self._attention(x, f"{prefix}.attn.{block}")
            if level:
                x = self._conv(upsample(x), f"{prefix}.upsample.conv")
        x = self._conv(silu(self._norm(x, "decoder.norm_out")), "decoder.conv_out")
        return np.clip(x, -1, 1)

    def _conv(self, x: Array, key: str) -> Array:
        return conv(x, self._weights[f"{key}.weight"], self._weights[f"{key}.bias"])

    def _norm(self, x: Array, key: str) -> Array:
        return group_norm(x, self.config.norm_groups, self._weights[f"{key}.weight"], self._weights[f"{key}.bias"])

    def _residual(self, x: Array, key: str) -> Array:
        h = self._conv(silu(self._norm(x, f"{key}.norm1")), f"{key}.conv1")
        h = self._conv(silu(self._norm(h, f"{key}.norm2")), f"{key}.conv2")
        shortcut = f"{key}.nin_shortcut"
        return np.asarray((self._conv(x, shortcut) if f"{shortcut}.weight" in self._weights else x) + h)

    def _attention(self, x: Array, key: str) -> Array:
        batch, channels = x.shape[:2]
        qkv = self._conv(self._norm(x, f"{key}.norm"), f"{key}.qkv").reshape(batch, 3, channels, -1)
        query, keys, value = qkv[:, 0], qkv[:, 1], qkv[:, 2]
        weights = softmax(np.matmul(np.swapaxes(query, 1, 2), keys) * np.float32(channels**-0.5))
        attended = np.matmul(value, np.swapaxes(weights, 1, 2)).reshape(x.shape)
        return np.asarray(x + self._conv(attended, f"{key}.proj_out"))
