# SPDX-License-Identifier: Apache-2.0
"""Launching the exact product, and a whole linear layer: the engine's bits on a GPU."""

from typing import NamedTuple

import torch
from torch import Tensor

from sw_quant.formats import Format, resolve

from .product_kernel import product_kernel
from .quantize import fused_quantize

__all__ = ["exact_linear", "exact_product"]

_K_STEPS = (128, 64, 32)


class Tiling(NamedTuple):
    """Tile of Y, warps of a program, stages of the loads' pipeline."""

    rows: int
    columns: int
    warps: int
    stages: int


def exact_product(
    units: Tensor, scales: Tensor, format: Format, w_units: Tensor, w_steps: Tensor, bias: Tensor, flag: Tensor
) -> Tensor:
    """Y of contract section 1.5.

    Args:
        units: int8 [terms, M, K], signed magnitudes of the activations.
        scales: float16 [M, groups, terms].
        format: of the activations.
        w_units: int8 [N, K], contiguous.
        w_steps: float32 [groups, N], scale times unit.
        bias: float32 [N].
        flag: int32 [1]; set to 1 when a result saturates.

    Returns:
        float16 [M, N].
    """
    (_, m, k), (groups, n) = units.shape, w_steps.shape
    group = k // groups
    step = next(size for size in _K_STEPS if group % size == 0)
    tiling = choose(m, groups, format.kind == "dual")
    y = torch.empty((m, n), dtype=torch.float16, device=units.device)
    tiles = -(-m // tiling.rows) * -(-n // tiling.columns)
    product_kernel[(tiles,)](
        units,
        scales,
        w_units,
        w_steps,
        bias,
        y,
        flag,
        m,
        n,
        k,
        UNIT=2.0**format.positive.unit_log2,
        NEGATIVE_UNIT=2.0**format.negative.unit_log2,
        DUAL=format.kind == "dual",
        GROUPS=groups,
        PARTS=group // step,
        K_STEP=step,
        ROWS=tiling.rows,
        COLUMNS=tiling.columns,
        BAND=8,
        num_warps=tiling.warps,
        num_stages=tiling.stages,
        enable_fp_fusion=False,  # the contract rounds after the product and after the sum
    )
    return y


def exact_linear(
    x: Tensor,
    w_units: Tensor,
    w_steps: Tensor,
    bias: Tensor,
    a_format: str | Format,
    ght: bool,
    nonfinite: Tensor,
    overflow: Tensor,
) -> Tensor:
    """The engine's linear layer on float16 `x` [M, K], in two kernels; nothing waits for the device.

    Args:
        x: float16 [M, K], contiguous.
        w_units, w_steps, bias: as in `exact_product`.
        a_format: of the activations, in groups as the weight's.
        ght: transform first.
        nonfinite, overflow: int32 [1], set to 1 as the engine sets its flags.

    Returns:
        float16 [M, N].
    """
    format = resolve(a_format)
    a = fused_quantize(x, format, x.shape[1] // w_steps.shape[0], ght, flag=nonfinite, units=True, scales=True)
    return exact_product(a.units, a.scales, format, w_units, w_steps, bias, overflow)


def choose(m: int, groups: int, dual: bool) -> Tiling:
    """The fastest of those tried on an H100 (VAR-d30's layers, benchmarks of 2026-11-26)."""
    if m <= (64 if dual else 16):
        return Tiling(16, 64, 4, 4)
    if m <= 64:
        return Tiling(32, 64, 4, 4)
    if m <= (512 if dual else 256):
        return Tiling(64, 64, 4, 3)
    if groups == 1 and not dual and m >= 4096:
        return Tiling(128, 128, 4, 3)
    return Tiling(64, 128, 4, 3)
