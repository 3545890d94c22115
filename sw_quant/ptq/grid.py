# SPDX-License-Identifier: Apache-2.0
"""Rounding to a format's grid as a differentiable function, and choosing a weight's scales by error.

These work on values, in any float type, for searching and tuning. What they find is packed by `values_to_qtensor`, by
the contract's quantizer; activations that count are quantized by the contract's quantizer too.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from sw_quant.fake import fake_quantize
from sw_quant.formats import Format, resolve, terms
from sw_quant.fp16 import to_fp16
from sw_quant.qtensor import QTensor
from sw_quant.quantizer import quantize_with_scales

__all__ = ["best_scales", "round_to_grid", "straight_through", "values_to_qtensor"]

_CLIPPING = tuple(0.5 + 0.025 * step for step in range(23))  # of absmax / fmax: 0.5 to 1.05


@cache
def _magnitudes(format: Format, term: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Magnitudes and the midpoints between them, float32."""
    table = terms(format)[term]
    values = torch.tensor(table.magnitudes, dtype=torch.float32, device=device) * 2.0**table.unit_log2
    return values, (values[1:] + values[:-1]) / 2


def round_to_grid(x: Tensor, scales: Tensor, format: str | Format) -> Tensor:
    """The nearest multiples of `scales` (broadcast against `x`) that a plain format has; zero where the scale is."""
    values, midpoints = _magnitudes(resolve(format), 0, x.device)
    ratio = (x.abs() / scales.to(x.dtype)).nan_to_num_(0.0)
    return values.to(x.dtype)[torch.bucketize(ratio, midpoints.to(x.dtype))] * scales.to(x.dtype) * x.sign()


def straight_through(x: Tensor, format: str | Format, group: int) -> Tensor:
    """`x` [..., K] as the contract quantizes it, decoded; differentiable as the identity (straight-through)."""
    found = fake_quantize(x.detach(), format, min(group, x.shape[-1]))
    return x + (found - x.detach()) if x.requires_grad else found


def best_scales(x: Tensor, importance: Tensor, format: str | Format) -> Tensor:
    """Scales that make the weighted squared error of a group least.

    Args:
        x: [rows, width], one group of each row.
        importance: [width], the weight of each column's squared error.
        format: a plain format.

    Returns:
        float16 [rows].
    """
    fmax = terms(resolve(format))[0].fmax
    base = x.abs().amax(dim=1).float() / fmax
    best = to_fp16(base)
    least = torch.full_like(base, torch.inf)
    for factor in _CLIPPING:
        scales = to_fp16(base * factor)
        error = ((round_to_grid(x, scales[:, None], format) - x).square() * importance).sum(dim=1).float()
        best = torch.where(error < least, scales, best)
        least = torch.minimum(error, least)
    return best


def values_to_qtensor(values: Tensor, scales: Tensor, format: str | Format, group: int) -> QTensor:
    """Codes of `values` [N, K] for the scales float16 [N, groups], by the contract's comparisons."""
    return quantize_with_scales(values.float(), scales, format, group)
