# SPDX-License-Identifier: Apache-2.0
"""GPTQ (Frantar et al., 2023) on the contract's grids: the columns after it make good each column's rounding error.

Plain GPTQ keeps W x for the inputs x of the float model. Here x reaches the weight quantized, as x^, so the target is
W x from Q x^: first W is fitted to x^ by least squares (which also takes off what quantizing x shrinks or tilts), then
rounded column by column. Scales are chosen by error where the column loop reaches their group, not by absmax.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sw_quant.formats import Format
from sw_quant.ptq.grid import best_scales, round_to_grid

__all__ = ["Moments", "compensate", "fitted", "nearest", "output_error"]

DAMPING = 0.01


@dataclass(frozen=True)
class Moments:
    """Second moments of a layer's input about its mean, float64 [K, K], over the calibration rows.

    Attributes:
        plain: of the float model's input x with itself.
        mixed: of x with x^, the input that the quantized layer gets.
        quantized: of x^ with itself.
    """

    plain: Tensor
    mixed: Tensor
    quantized: Tensor

    @staticmethod
    def of(x: Tensor, quantized: Tensor) -> Moments:
        """Moments of inputs [rows, K]."""
        x, quantized = (v - v.mean(dim=0) for v in (x.float(), quantized.float()))
        return Moments(*((a.T @ b).double() / len(x) for a, b in ((x, x), (x, quantized), (quantized, quantized))))


def _damped(matrix: Tensor) -> Tensor:
    diagonal = matrix.diagonal()
    least = diagonal.mean().clamp_min(torch.finfo(torch.float32).tiny) * DAMPING
    return matrix + torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device) * least


def fitted(weight: Tensor, moments: Moments) -> Tensor:
    """float64 [N, K]: the weight that gives W x from x^ with the least squared error, damped towards W."""
    hessian = _damped(moments.quantized)
    change: Tensor = torch.linalg.solve(hessian, (moments.mixed - moments.quantized).T).T
    return weight.double() + weight.double() @ change


def compensate(weight: Tensor, moments: Moments, format: str | Format, group: int) -> tuple[Tensor, Tensor]:
    """Round a weight [N, K] to the grid of `format`, the errors compensated.

    Returns:
        The values, float64 [N, K], and their scales, float16 [N, groups].
    """
    n, k = weight.shape
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(_damped(moments.quantized)))
    upper = torch.linalg.cholesky(inverse, upper=True)
    rest, values, scales = weight.double().clone(), torch.empty_like(weight, dtype=torch.float64), []
    importance = 1 / upper.diagonal().square()
    for start in range(0, k, group):
        stop = min(start + group, k)
        chosen = best_scales(rest[:, start:stop], importance[start:stop], format)
        scales.append(chosen)
        errors = torch.empty((n, stop - start), dtype=torch.float64, device=weight.device)
        for i in range(start, stop):
            values[:, i] = round_to_grid(rest[:, i], chosen, format)
            errors[:, i - start] = (rest[:, i] - values[:, i]) / upper[i, i]
            rest[:, i + 1 : stop] -= errors[:, i - start, None] * upper[i, i + 1 : stop]
        rest[:, stop:] -= errors @ upper[start:stop, stop:]
    return values, torch.stack(scales, dim=1)


def output_error(weight: Tensor, quantized: Tensor, moments: Moments) -> float:
    """Mean squared error of the outputs, W x against Q x^ about their means, over that of W x."""
    w, q = weight.double(), quantized.double()
    plain = (w @ moments.plain * w).sum()
    error = plain - 2 * (w @ moments.mixed * q).sum() + (q @ moments.quantized * q).sum()
    return float(error / plain)


def nearest(target: Tensor, moments: Moments, format: str | Format, group: int) -> tuple[Tensor, Tensor]:
    """As `compensate`, but each element to the nearest: much faster, for comparing."""
    importance = moments.quantized.diagonal()
    parts, scales = [], []
    for part, weight in zip(target.split(group, dim=1), importance.split(group), strict=True):
        scales.append(best_scales(part, weight, format))
        parts.append(round_to_grid(part, scales[-1][:, None], format))
    return torch.cat(parts, dim=1), torch.stack(scales, dim=1)
