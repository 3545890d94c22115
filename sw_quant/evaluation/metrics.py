# SPDX-License-Identifier: Apache-2.0
"""Inception Score, Precision and Recall, on the features and probabilities of whatever network scores the images.

With Inception's they are the metrics of those names; with another network's they are the same formulas on other
features, and their values cannot be compared with published ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sw_quant.errors import FpqvarError

__all__ = ["NEIGHBOURS", "inception_score", "precision_recall"]

NEIGHBOURS = 3
_SPLIT = 5000  # images of which one Inception Score is made; the mean of the splits counts
_ROWS = 2000


def inception_score(probabilities: Tensor) -> float:
    """exp of the mean Kullback-Leibler divergence of p(class | image) from p(class) (Salimans et al., 2016).

    Args:
        probabilities: [N, classes]. Like OpenAI's evaluator, splits of 5000 images are scored and averaged.

    Raises FpqvarError when there are none, or they are not finite.
    """
    if len(probabilities) == 0 or not bool(torch.isfinite(probabilities).all()):
        raise FpqvarError("class probabilities are missing or not finite; check the images for NaN")
    scores = []
    for part in probabilities.double().split(_SPLIT):
        marginal = part.mean(dim=0, keepdim=True)
        divergence = torch.special.xlogy(part, part) - torch.special.xlogy(part, marginal)
        scores.append(divergence.sum(dim=1).mean().exp())
    return float(torch.stack(scores).mean())


def precision_recall(generated: Tensor, reference: Tensor, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """The share of generated images among the reference's, and of the reference's among the generated ones.

    A set's manifold is the union of balls around its features, each as wide as the distance to the `neighbours`-th
    nearest of the others (Kynkäänniemi et al., 2019).

    Args:
        generated, reference: features [N, D] and [M, D].
        neighbours: k, 3 in the paper.

    Raises FpqvarError when a set has no more than `neighbours` images.
    """
    for name, features in (("generated", generated), ("reference", reference)):
        if len(features) <= neighbours:
            raise FpqvarError(
                f"Precision and Recall with {neighbours} neighbours need more than {neighbours} images, but there are "
                f"{len(features)} {name} ones; draw more"
            )
    return _covered(generated, reference, neighbours), _covered(reference, generated, neighbours)


def _covered(points: Tensor, manifold: Tensor, neighbours: int) -> float:
    """The share of points within a ball of the manifold."""
    radii = _radii(manifold, neighbours)
    inside = [(_distances(part, manifold) <= radii).any(dim=1) for part in points.split(_ROWS)]
    return float(torch.cat(inside).double().mean())


def _radii(features: Tensor, neighbours: int) -> Tensor:
    """Of each, the squared distance to its k-th nearest other one."""
    parts = [_distances(part, features).kthvalue(neighbours + 1, dim=1).values for part in features.split(_ROWS)]
    return torch.cat(parts)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances [N, M]."""
    a, b = a.float(), b.float()
    squares = a.square().sum(dim=1, keepdim=True) + b.square().sum(dim=1)
    return torch.addmm(squares, a, b.T, alpha=-2).clamp_(min=0)
