# SPDX-License-Identifier: Apache-2.0
"""A model small enough for tests that need a whole one: two blocks of width 128, random weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sw_quant.packed import PackedModel, Source
from sw_quant.quantize import quantize_model
from sw_quant.recipe import Recipe, load_recipe
from sw_quant.smoothing import SMOOTHED, Factors
from sw_quant.var import Var, VarConfig, Vqvae, VqvaeConfig
from sw_quant.var.checkpoint import LoadedModel

CONFIG = VarConfig(
    depth=2,
    width=128,
    heads=2,
    classes=3,
    vqvae=VqvaeConfig(
        vocabulary=32,
        latent_channels=4,
        channels=8,
        multipliers=(1, 2),
        res_blocks=1,
        image_channels=1,
        norm_groups=4,
        patch_sizes=(1, 2, 3),
    ),
)

SOURCE = Source(name="tiny", sha256="0" * 64)


def tiny_model(shared_adaln: bool = False, seed: int = 0, **changes: Any) -> LoadedModel:
    """A model with random weights."""
    config = replace(CONFIG, shared_adaln=shared_adaln, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vqvae = Vqvae(config.vqvae).eval()
        var = Var(config, vqvae).eval().requires_grad_(False)
    return LoadedModel(
        config=config,
        var=var,
        vqvae=vqvae,
        class_names=("Top", "Coat", "Bag"),
        defaults={"cfg": 2.0, "top_k": 0, "top_p": 0.0},
        sha256="0" * 64,
        folder=Path(),
    )


def tiny_factors(recipe: Recipe) -> Factors | None:
    """Random smoothing factors for a recipe that asks for a model's own, which this one has not; None for others."""
    if recipe.factors is None:
        return None
    generator = torch.Generator().manual_seed(0)
    names = [f"{block}.{kind}" for block in range(CONFIG.depth) for kind in SMOOTHED]
    return Factors({name: torch.exp(torch.randn(CONFIG.width, generator=generator)) for name in names})


def tiny_packed(recipe: str = "fpqvar-fp4", **model: Any) -> PackedModel:
    """The tiny model, quantized."""
    return quantize_model(tiny_model(**model), load_recipe(recipe), SOURCE)
