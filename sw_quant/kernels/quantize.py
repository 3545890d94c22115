# SPDX-License-Identifier: Apache-2.0
"""Launching the fused quantizer."""

from dataclasses import dataclass
from functools import cache

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
_TRANSFORM_ELEMENTS = 8192
_TRANSFORM_ELEMENTS_A_WARP = 2048
_TRANSFORM_REGISTERS = (
    128  # at most, of a thread: so that four programs share a multiprocessor and hide each other's waits
)


@dataclass(frozen=True)
class FormatConstants:
    """A format as the kernel takes it. The names with `negative_` hold for elements with the sign bit set.

    Attributes:
        by_comparison: thresholds are compared one by one.
        offset: `negative_offset` of the format.
        largest: the largest magnitude in units.
        reciprocal: single precision's 1 / fmax.
        mantissa: bits of the mantissa where magnitudes get sparser, 23 where they do not.
    """

    dual: bool
    integer: bool
    by_comparison: bool
    bits: int
    offset: int
    largest: float
    negative_largest: float
    unit: float
    negative_unit: float
    reciprocal: float
    negative_reciprocal: float
    mantissa: int
    negative_mantissa: int


@dataclass(frozen=True)
class Outputs:
    """What the kernel writes; whether elements are halves; whether multiply-adds round once.

    They do on a GPU, but not in Triton's interpreter: the kernel divides there.
    """

    fake: bool
    units: bool
    codes: bool
    scales: bool
    half: bool
    fused: bool


@dataclass(frozen=True)
class FusedResult:
    """What was asked for; the rest is empty.

    Attributes:
        fake: the quantized values, of x's type and shape; half precision is rounded once and saturated.
        units: int8 [terms, ..., K]: signed magnitudes in units, split into the halves of a dual format.
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
    elements = _TRANSFORM_ELEMENTS if ght else _ELEMENTS
    block = max(1, elements // (lanes * parts))
    result = FusedResult(
        x.new_empty(x.shape if fake else 0),
        x.new_empty((len(terms(chosen)), *x.shape) if units else 0, dtype=torch.int8),
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
        x.numel(),
        GROUPS_OF_ROW=groups,
        GROUP=group,
        LANES=lanes,
        PARTS=parts,
        BLOCK=block,
        RAGGED=k % group != 0 or group != lanes * parts,
        TRANSFORMED=ght,
        F=constants(chosen),
        WRITE=Outputs(fake, units, codes, scales, half=x.dtype == torch.float16, fused=x.is_cuda),
        **({"maxnreg": _TRANSFORM_REGISTERS} if ght and x.is_cuda else {}),
        num_warps=min(16, max(4, lanes * parts * block // (_TRANSFORM_ELEMENTS_A_WARP if ght else _ELEMENTS_A_WARP))),
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
def constants(format: Format) -> FormatConstants:
    positive, negative = format.positive, format.negative
    return FormatConstants(
        dual=format.kind == "dual",
        integer=format.kind == "integer",
        by_comparison=format.name == "e3m0",
        bits=format.bits,
        offset=format.negative_offset,
        largest=float(positive.magnitudes[-1]),
        negative_largest=float(negative.magnitudes[-1]),
        unit=2.0**positive.unit_log2,
        negative_unit=2.0**negative.unit_log2,
        reciprocal=_single(positive.fmax_reciprocal_bits),
        negative_reciprocal=_single(negative.fmax_reciprocal_bits),
        mantissa=_mantissa(positive),
        negative_mantissa=_mantissa(negative),
    )


def _single(bits: int) -> float:
    return float(torch.tensor(bits, dtype=torch.int32).view(torch.float32))


def _mantissa(table: MagnitudeTable) -> int:
    """Bits of the mantissa: with m of them magnitudes are one unit apart up to 2^(m + 1). 23 if they are throughout."""
    dense = [magnitude for index, magnitude in enumerate(table.magnitudes) if magnitude == index]
    return 23 if len(dense) == len(table.magnitudes) else len(dense).bit_length() - 2


@cache
def _hadamard(device: torch.device) -> Tensor:
    """float16 [64, 64]: the matrix of half the transform, symmetric."""
    half = GHT_BLOCK // 2
    return walsh_hadamard(torch.eye(GHT_BLOCK, device=device)).half()[:half, :half].contiguous()


def _power_of_two(n: int) -> int:
    """The smallest power of two that is at least `n`."""
    return 1 << (n - 1).bit_length()
