# SPDX-License-Identifier: Apache-2.0
"""The Fréchet distance between two sets of feature vectors, each taken as a Gaussian.

With Inception's features this is FID; with another network's it is not, and must not be called so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sw_quant.errors import FpqvarError


@dataclass(frozen=True)
class Statistics:
    """Mean ``[D]`` and covariance ``[D, D]`` (unbiased) of ``count`` feature vectors, in float64."""

    mean: Tensor
    cov: Tensor
    count: int

    @staticmethod
    def of(features: Tensor) -> Statistics:
        """Statistics of feature vectors ``[N, D]``, N at least 2.

        Raises:
            FpqvarError: fewer than two vectors, or values that are not finite.
        """
        if features.dim() != 2 or len(features) < 2:
            raise FpqvarError(f"features of shape {list(features.shape)} have no covariance; give at least two images")
        values = features.detach().double().cpu()
        if not bool(torch.isfinite(values).all()):
            raise FpqvarError("features are not finite; check the images for NaN")
        return Statistics(values.mean(dim=0), torch.cov(values.T).reshape((values.shape[1],) * 2), len(values))


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """``|mean_a - mean_b|^2 + tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))`` (Heusel et al., 2017).

    The trace of the root is that of ``(r cov_b r)^(1/2)`` with ``r = cov_a^(1/2)``, which is symmetric, so that real
    eigenvalues suffice.

    Raises:
        FpqvarError: the feature vectors differ in width.
    """
    if a.mean.shape != b.mean.shape:
        raise FpqvarError(f"features of width {len(a.mean)} and {len(b.mean)} cannot be compared; use one classifier")
    values, vectors = torch.linalg.eigh(a.cov)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    product = root @ b.cov @ root
    trace_root = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.cov.trace() + b.cov.trace() - 2 * trace_root
    return max(float(distance), 0.0)
