# SPDX-License-Identifier: Apache-2.0
"""Launching the fused quantizer."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from sw_quant._generated import GHT_BLOCK, MagnitudeTable
from sw_quant.errors import UsageError
from sw_quant.formats import Format, resolve, terms
from sw_quant.hadamard import walsh_hadamard

from . import MAX_GROUP
from .quantize_kernel import quantize_kernel

__all__ = ["FusedResult", "fused_quantize"]

_ELEMENTS = 4096
_ELEMENTS_A_WARP = 1024


@dataclass(frozen=True)
class FusedResult:
    """What was asked for; the rest is empty.

    Attributes:
        fake: the quantized values, of x's type and shape; half precision is rounded once and saturated.
        units: int8, x's shape: signed magnitudes in units (of its own sign's table for a dual format).
        codes: uint8, x's shape.
        scales: float16 [..., groups, terms].
    """

    fake: Tensor
    units: Tensor
    codes: Tensor
    scales: Tensor


def fused_quantize(
    x: Tensor,
    format: str | Format,
    group: int,
    ght: bool = False,
    *,
    flag: Tensor,
    fake: bool = False,
    units: bool = False,
    codes: bool = False,
    scales: bool = False,
) -> FusedResult:
    """Quantize `x` along its last dimension with the bits of `sw_quant.quantizer`, in one kernel.

    Args:
        x: float16 or float32 [..., K], contiguous.
        format: of the result.
        group: elements that share a scale, up to `MAX_GROUP`; with `ght` a multiple of 128 (or all of K).
        ght: transform first (float16 alone, K a multiple of 128).
        flag: int32 [1]; set to 1 when an element is Inf or NaN, which counts as the largest finite number (65504 for
            half precision). The caller decides when to look: reading it waits for the device.
        fake, units, codes, scales: what to write.

    Raises:
        UsageError: a type, group or K that the kernel cannot take.
    """
    chosen, k = resolve(format), x.shape[-1]
    group = min(group, k)
    _check(x, chosen, group, ght, units)
    groups = -(-k // group)
    rows = x.numel() // k
    lanes, parts = (GHT_BLOCK, _power_of_two(group // GHT_BLOCK)) if ght else (_power_of_two(group), 1)
    block = max(1, _ELEMENTS // (lanes * parts), 16 // parts if ght else 1)
    result = FusedResult(
        x.new_empty(x.shape if fake else 0),
        x.new_empty(x.shape if units else 0, dtype=torch.int8),
        x.new_empty(x.shape if codes else 0, dtype=torch.uint8),
        x.new_empty((*x.shape[:-1], groups, len(terms(chosen))) if scales else 0, dtype=torch.float16),
    )
    if rows == 0:
        return result
    total = rows * groups
    quantize_kernel[(-(-total // block),)](
        x,
        _hadamard(x.device) if ght else x,
        result.fake,
        result.units,
        result.codes,
        result.scales,
        flag,
        total,
        k,
        GROUPS_OF_ROW=groups,
        GROUP=group,
        LANES=lanes,
        PARTS=parts,
        BLOCK=block,
        RAGGED=k % group != 0 or group != lanes * parts,
        HALF=x.dtype == torch.float16,
        TRANSFORMED=ght,
        **_constants(chosen),
        FAKE=fake,
        UNITS=units,
        CODES=codes,
        SCALES=scales,
        FUSED=x.is_cuda,
        num_warps=min(16, max(4, lanes * parts * block // _ELEMENTS_A_WARP)),
    )
    return result


def _check(x: Tensor, format: Format, group: int, ght: bool, units: bool) -> None:
    k = x.shape[-1]
    if x.dtype not in (torch.float16, torch.float32) or not x.is_contiguous():
        raise UsageError(f"the fused quantizer takes contiguous float16 or float32, not {x.dtype} {tuple(x.shape)}")
    if group > MAX_GROUP:
        raise UsageError(f"the fused quantizer takes groups of up to {MAX_GROUP} elements, not {group}")
    if ght and (x.dtype != torch.float16 or k % GHT_BLOCK or group % GHT_BLOCK):
        raise UsageError(
            f"the fused transform takes float16 with K and group in multiples of {GHT_BLOCK}, "
            f"not {x.dtype}, K = {k}, group = {group}"
        )
    if units and max(format.positive.magnitudes[-1], format.negative.magnitudes[-1]) > 127:
        raise UsageError(f"the magnitudes of {format.name} do not fit eight bits; ask for codes")


@cache
def _constants(format: Format) -> dict[str, Any]:
    positive, negative = format.positive, format.negative
    return {
        "DUAL": format.kind == "dual",
        "BITS": format.bits,
        "INTEGER": format.kind == "integer",
        "BY_COMPARISON": format.name == "e3m0",
        "OFFSET": format.negative_offset,
        **_table(positive, ""),
        **_table(negative, "NEGATIVE_"),
    }


def _table(table: MagnitudeTable, prefix: str) -> dict[str, Any]:
    reciprocal = torch.tensor(table.fmax_reciprocal_bits, dtype=torch.int32).view(torch.float32)
    steps = [above - below for below, above in zip(table.magnitudes, table.magnitudes[1:], strict=False)]
    # Magnitudes 0 to 2^(m + 1) are one unit apart where the mantissa has m bits.
    dense = steps.index(2) if 2 in steps else None
    return {
        f"{prefix}LARGEST": float(table.magnitudes[-1]),
        f"{prefix}UNIT": 2.0**table.unit_log2,
        f"{prefix}RECIPROCAL": float(reciprocal),
        f"{prefix}MANTISSA": 23 if dense is None else dense.bit_length() - 2,
    }


@cache
def _hadamard(device: torch.device) -> Tensor:
    """float16 [128, 128]: the transform's matrix, symmetric."""
    return walsh_hadamard(torch.eye(GHT_BLOCK, device=device)).half()


def _power_of_two(n: int) -> int:
    """The smallest power of two that is at least `n`."""
    return 1 << (n - 1).bit_length()
