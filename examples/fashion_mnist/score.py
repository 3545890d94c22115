# SPDX-License-Identifier: Apache-2.0
"""Scores: the Fréchet distance of reconstructions and of generated images to the test set, and class accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from examples.fashion_mnist.data import to_signed, to_unit
from sw_quant.evaluation.classifier import FashionClassifier
from sw_quant.evaluation.frechet import Statistics, frechet_distance
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


def to_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] as they are stored, in 256 steps."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


@torch.no_grad()
def classify(images: Tensor, classifier: FashionClassifier) -> tuple[Tensor, Tensor]:
    """Classes ``[N]`` and features ``[N, 128]`` of uint8 images."""
    parts = [classifier.classify(to_unit(batch)) for batch in images.split(BATCH)]
    return torch.cat([classes for classes, _ in parts]), torch.cat([features for _, features in parts])


@torch.no_grad()
def reconstruction_distance(
    vqvae: nn.Module, images: Tensor, classifier: FashionClassifier, reference: Statistics
) -> float:
    """Fréchet distance of ``vqvae``'s reconstructions of uint8 ``images`` to ``reference``."""
    assert isinstance(vqvae, Vqvae)
    with exact_float32():
        rebuilt = torch.cat(
            [to_bytes((vqvae.reconstruct(to_signed(batch)) + 1) / 2) for batch in images.split(BATCH)]
        )
        return frechet_distance(Statistics.of(classify(rebuilt, classifier)[1]), reference)


@torch.no_grad()
def generate_set(var: Var, per_class: int, seed: int, cfg: float, top_k: int, top_p: float) -> tuple[Tensor, Tensor]:
    """``per_class`` images of every class (uint8, ``[N, 1, S, S]``), and their labels."""
    labels = torch.arange(var.config.classes, device=var.lvl_1L.device).repeat(per_class)
    images = [
        to_bytes(var.generate(batch, seed=seed + i, cfg=cfg, top_k=top_k, top_p=top_p))
        for i, batch in enumerate(labels.split(BATCH))
    ]
    return torch.cat(images), labels


@torch.no_grad()
def score_images(
    images: Tensor, labels: Tensor, classifier: FashionClassifier, reference: Statistics
) -> tuple[float, float]:
    """Class accuracy, and Fréchet distance to ``reference``, of uint8 images."""
    with exact_float32():
        classes, features = classify(images, classifier)
    accuracy = float((classes == labels).double().mean())
    return accuracy, frechet_distance(Statistics.of(features), reference)
