# SPDX-License-Identifier: Apache-2.0
"""The cases on which our VAR is held against the published one; shared by the recorder and the test."""

import zlib

import numpy as np
import torch
from torch import Tensor, nn

from sw_quant.var.config import VarConfig, VqvaeConfig

LABELS = [3, 1, 7]
SEED = 11
CASES = ((1.5, 0, 0.0), (4.0, 20, 0.95), (0.0, 5, 0.0), (2.5, 0, 0.6))  # guidance, top-k, top-p
PIXELS = 24  # values kept of each batch of images
FIXED = ("lvl_1L", "attn_bias_for_masking", "attn.zero_k_bias", "ema_vocab_hit_SV")


def small(shared_adaln: bool) -> VarConfig:
    """A model of the published shape, but small."""
    vqvae = VqvaeConfig(vocabulary=64, channels=32, patch_sizes=(1, 2, 3, 4))
    return VarConfig(depth=3, width=128, heads=2, classes=10, shared_adaln=shared_adaln, vqvae=vqvae)


def fill(module: nn.Module) -> None:
    """Give every tensor values that follow from its name and shape alone."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith(FIXED):
                continue
            noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(value.shape))
            if value.dim() == 1:
                noise = 0.1 * noise + ("norm" in name and name.endswith("weight"))
            else:
                noise /= np.sqrt(noise[0].size) / (4 if name == "head.weight" else 1)
            value.copy_(torch.tensor(noise, dtype=torch.float32))


def sample_images(config: VarConfig) -> Tensor:
    """Images in [-1, 1], one a label."""
    size = config.vqvae.image_size
    noise = np.random.default_rng(5).uniform(-1, 1, (len(LABELS), 3, size, size))
    return torch.tensor(noise, dtype=torch.float32)
