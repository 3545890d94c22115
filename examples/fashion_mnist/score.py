# SPDX-License-Identifier: Apache-2.0
"""Scores of reconstructions and of generated images, and whether the latter are copies of training images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from examples.fashion_mnist.data import Split, to_signed
from sw_quant.evaluation.scorer import Score, Scorer
from sw_quant.var.transformer import Var
from sw_quant.var.vqvae import Vqvae

BATCH = 1000


@contextmanager
def exact_float32() -> Iterator[None]:
    """Turn off the GPU's shortened float32, which nearest-code decisions do not bear."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def score_reconstructions(vqvae: Vqvae, split: Split, scorer: Scorer) -> Score:
    """Score ``split``'s images after their way through the codebook."""
    with exact_float32():
        rebuilt = [(vqvae.reconstruct(to_signed(batch)) + 1) / 2 for batch in split.images.split(BATCH)]
        return scorer.score(torch.cat(rebuilt), split.labels.tolist())


def generate_set(var: Var, per_class: int, seed: int, cfg: float, top_k: int, top_p: float) -> tuple[Tensor, Tensor]:
    """``per_class`` images of every class, ``[N, 1, S, S]`` in [0, 1], and their labels."""
    labels = torch.arange(var.config.classes, device=var.lvl_1L.device).repeat(per_class)
    with exact_float32():
        images = [
            var.generate(batch, seed=seed + i, cfg=cfg, top_k=top_k, top_p=top_p)
            for i, batch in enumerate(labels.split(BATCH))
        ]
    return torch.cat(images), labels


def score_generated(images: Tensor, labels: Tensor, scorer: Scorer) -> Score:
    """Score generated images."""
    with exact_float32():
        return scorer.score(images, labels.tolist())


def nearest_distances(images: Tensor, others: Tensor) -> Tensor:
    """Root mean square difference of each of ``images`` to its nearest among ``others``, both in [0, 1]; ``[N]``."""
    with exact_float32():
        known = others.flatten(1)
        nearest = [torch.cdist(batch.flatten(1), known).amin(dim=1) for batch in images.split(BATCH)]
    return torch.cat(nearest).div(known.shape[1] ** 0.5)
