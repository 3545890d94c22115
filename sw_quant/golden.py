# SPDX-License-Identifier: Apache-2.0
"""The golden linear layer: what the engine computes, bit for bit (contract sections 1.2 to 1.5).

Sums of code products are small integers. On the CPU a product of bytes gives them, if it is exact there (not every
processor's is: `bytes_are_exact`); on a GPU a Triton kernel computes all of Y from bytes. Else a float32 matrix product
does, exactly while sums stay within 2^24; no code has more than eight significant bits, so not even TF32 or bfloat16
inputs would change one. Longer groups are cut where 2^24 could be passed, and the cuts added up in double. Everything
after that is single precision, one operation at a time: torch runs each in-place call below as a kernel of its own, so
nothing is fused.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from . import kernels
from .errors import FpqvarError, UsageError
from .formats import Format, term_units, terms
from .fp16 import overflows, replace_nonfinite, to_fp16
from .hadamard import ght as hadamard_transform
from .qtensor import QTensor
from .quantizer import quantize

_EXACT_UP_TO = 1 << 24

# Rows and outputs of Y worked on at a time on the CPU: three float32 buffers of this size stay in the cache.
_TILE_ROWS = 512
_TILE_OUTPUTS = 1 << 17


@dataclass(frozen=True)
class GoldenResult:
    """Y, float16 [M, N], and the engine's sticky flags."""

    y: Tensor
    overflow: bool
    nonfinite: bool


@dataclass(frozen=True, eq=False)
class PreparedWeight:
    """A weight decoded once for many calls: a byte an element, or four.

    Attributes:
        units: [K, N], signed magnitudes: float32; or int8, K running fastest, where products of bytes are exact.
        steps: float32 [groups, N], scale times unit.
        group: elements of K that share a scale.
        largest: the format's largest magnitude in units.
    """

    units: Tensor
    steps: Tensor
    group: int
    largest: int


def prepare(w: QTensor) -> PreparedWeight:
    """Decode a weight [N, K]. Raises `UsageError` when it is not a matrix, or of a dual format (activations only)."""
    if w.codes.ndim != 2 or w.format.kind == "dual":
        raise UsageError(f"a weight is a matrix of a plain format, not {w.format.name} {tuple(w.shape)}")
    steps = w.scales.float().mul_(2.0 ** terms(w.format)[0].unit_log2).t().contiguous()
    if fits_bytes(w.format) and (_by_kernel(w) if w.codes.is_cuda else bytes_are_exact()):
        units = w.units(torch.int8)[0].t()
    else:
        units = w.units()[0].t().contiguous()
    return PreparedWeight(units, steps, w.group, _largest_units(w.format)[0])


@cache
def bytes_are_exact() -> bool:
    """Whether torch's product of bytes gives exact sums on this processor.

    Without a multiply-add of bytes into 32 bits (VNNI and its like) some kernels add pairs of products in 16 bits and
    saturate. They do so at the extremes, which are tried here.
    """
    extremes = torch.tensor([127, -128, 127, 127, -128, -128, 1, -1], dtype=torch.int8)
    for rows, columns, k in ((1, 40, 32), (7, 33, 128), (64, 64, 1024)):
        a = extremes[torch.arange(rows)[:, None].div(3, rounding_mode="floor") % 8].repeat(1, k)
        a[::2, ::2], a[1::3, 1::2] = 127, -128
        w = extremes[torch.arange(columns)[:, None] % 8].repeat(1, k)
        w[::3, ::2] = -128
        try:
            found = torch._int_mm(a, w.t())
        except (AttributeError, RuntimeError):  # not in this build of torch
            return False
        if not torch.equal(found.double(), torch.mm(a.double(), w.double().t())):
            return False
    return True


def quantize_activations(x: Tensor, a_format: str | Format, group: int, ght: bool) -> tuple[QTensor, bool]:
    """The engine's prologue on float16 `x` [M, K]: Inf and NaN replaced, transformed on request, quantized.

    Returns the quantized activations, and whether Inf or NaN was met. Raises what `linear` raises.
    """
    finite, nonfinite = replace_nonfinite(x)
    return quantize(hadamard_transform(finite) if ght else finite, a_format, group=group), nonfinite


@torch.no_grad()
def linear(
    x: Tensor, w: QTensor | PreparedWeight, bias: Tensor | None, a_format: str | Format, group: int, ght: bool = False
) -> GoldenResult:
    """Y = quantize(X) W^T + bias in the contract's arithmetic, on the CPU or on CUDA.

    Args:
        x: float16 [M, K], K a multiple of 32 (of 128 with `ght`).
        w: weight [N, K]; `prepare` it when it is used more than once.
        bias: float32 [N]; None counts as zeros.
        a_format: format of the activations.
        group: elements of K that share a scale, the weight's own. A group longer than a row is a row.
        ght: transform the activations first.

    Raises:
        UsageError: shapes, types, formats or groups that do not fit.
        FpqvarError: a bias that is Inf or NaN.
    """
    weight = prepare(w) if isinstance(w, QTensor) else w
    _check(x, weight, bias, group)
    a, nonfinite = quantize_activations(x, a_format, group, ght)
    y, overflow = _product(a, weight, bias)
    return GoldenResult(y, overflow, nonfinite)


def _check(x: Tensor, w: PreparedWeight, bias: Tensor | None, group: int) -> None:
    k, n = w.units.shape
    if x.dtype != torch.float16 or x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != k:
        raise UsageError(f"activations are float16 [M, {k}] with M > 0, not {x.dtype} {tuple(x.shape)}")
    if min(group, k) != min(w.group, k):
        raise UsageError(f"activations in groups of {group} need a weight in such groups, not of {w.group}")
    if bias is None:
        return
    if bias.dtype != torch.float32 or tuple(bias.shape) != (n,):
        raise UsageError(f"the bias is float32 [{n}], not {bias.dtype} {tuple(bias.shape)}")
    if not bool(torch.isfinite(bias).all()):
        raise FpqvarError("the bias has Inf or NaN; the checkpoint is damaged")


def _product(a: QTensor, w: PreparedWeight, bias: Tensor | None) -> tuple[Tensor, bool]:
    """Contract section 1.5, tile by tile. Returns Y and whether it saturated."""
    in_bytes = w.units.dtype == torch.int8 and fits_bytes(a.format)
    if in_bytes and w.units.is_cuda:
        return _product_by_kernel(a, w, bias)
    units = a.units(torch.int8 if in_bytes else torch.float32)
    w_units = w.units if in_bytes else w.units.float()
    unit_values = torch.tensor([2.0**table.unit_log2 for table in terms(a.format)], device=units.device)
    steps = (a.term_scales.float() * unit_values).permute(2, 1, 0).contiguous()  # [terms, groups, M]
    limits = [_EXACT_UP_TO // (largest * w.largest) for largest in _largest_units(a.format)]
    m, n = units.shape[1], w.units.shape[1]
    y = torch.empty((m, n), dtype=torch.float16, device=units.device)
    overflow = False
    rows, columns = (m, n) if units.is_cuda else (min(m, _TILE_ROWS), min(n, _TILE_OUTPUTS // min(m, _TILE_ROWS)))
    for m0 in range(0, m, rows):
        for n0 in range(0, n, columns):
            at, to = slice(m0, m0 + rows), slice(n0, n0 + columns)
            acc = _tile(units[:, at], steps[:, :, at], w_units[:, to], w.steps[:, to], a.group, limits)
            if bias is not None:
                acc.add_(bias[to])
            overflow |= overflows(acc)
            y[at, to] = to_fp16(acc)
    return y, overflow


def _by_kernel(w: QTensor) -> bool:
    """Whether a GPU's exact product takes such a weight."""
    return kernels.available(w.codes) and kernels.takes(w.shape[1], w.group)


def _product_by_kernel(a: QTensor, w: PreparedWeight, bias: Tensor | None) -> tuple[Tensor, bool]:
    from .kernels.product import exact_product

    flag = torch.zeros(1, dtype=torch.int32, device=w.units.device)
    offset = torch.zeros(w.units.shape[1], device=w.units.device) if bias is None else bias
    y = exact_product(a.units(torch.int8), a.term_scales.contiguous(), a.format, w.units.t(), w.steps, offset, flag)
    return y, bool(flag)


def _tile(a: Tensor, a_steps: Tensor, w: Tensor, w_steps: Tensor, group: int, limits: list[int]) -> Tensor:
    """float32 [rows, columns]: the accumulators of one tile, before the bias."""
    k, columns = w.shape
    acc = torch.zeros((a.shape[1], columns), device=a.device)
    sums, term = torch.empty_like(acc), torch.empty_like(acc)
    for g, start in enumerate(range(0, k, group)):
        part = slice(start, min(start + group, k))
        for half, limit in enumerate(limits):
            _exact_sums(a[half][:, part], w[part], limit, sums)
            torch.mul(a_steps[half, g, :, None], w_steps[g], out=term)  # exact: 22 bits
            acc.add_(term.mul_(sums))
    return acc


def _exact_sums(a: Tensor, w: Tensor, limit: int, out: Tensor) -> None:
    """out = fp32(a w), rounded once, where `limit` elements of K are sure to sum exactly in single precision.

    Bytes are summed in 32 bits, which hold any sum: K is at most 9216.
    """
    if a.dtype == torch.int8:
        out.copy_(torch._int_mm(a, w))
        return
    k = a.shape[1]
    if k <= limit:
        torch.mm(a, w, out=out)
        return
    total = torch.zeros_like(out, dtype=torch.float64)
    for start in range(0, k, limit):
        part = slice(start, start + limit)
        total.add_(torch.mm(a[:, part], w[part], out=out))
    out.copy_(total)


def fits_bytes(format: Format) -> bool:
    """Whether every signed magnitude of a format is a byte."""
    units = term_units(format)
    return bool(units.min() >= -128 and units.max() <= 127)


def _largest_units(format: Format) -> list[int]:
    """Per term, the largest magnitude that a code can decode to, in units."""
    return [int(row.abs().max()) for row in term_units(format)]
