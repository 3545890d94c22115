# SPDX-License-Identifier: Apache-2.0
"""The quantizer of the contract (sections 1.2 and 1.3): scales in half precision, codes by exact comparison.

The contract counts the thresholds t_i * s below |x|. Here one division places |x| among all of them at once: thresholds
are whole numbers of half units, so with z = |x| / (s * unit / 2) the sum floor(z) + ceil(z) says between which two
integers z lies, or on which one, and a table turns that into the code.

Rounding the quotient cannot blur a comparison. Let n be a threshold in half units and b = n * (s * unit / 2), which
single precision holds exactly. |x| = b gives z = n. Any other single is off b by a unit in the last place: by more than
2^-24 of b, or, just below a power of two, by 2^-24 of it. But a quotient is rounded to n only within half a unit in the
last place of n: at most 2^-24 of n above it; below it less than that. So z lies on the same side of n as |x| of b.
"""

from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from . import kernels
from ._generated import K_MULTIPLE
from .codes import Ties, largest_place, place_codes
from .errors import FpqvarError, UsageError
from .formats import Format, default_group, resolve, terms
from .fp16 import to_fp16
from .qtensor import QTensor

Granularity = Literal["group", "row", "tensor"]

_NOT_FINITE = "cannot quantize Inf or NaN; look for the overflow that made it, or for a damaged checkpoint"

# Elements that are worked on at a time: on the CPU they stay in the cache, elsewhere temporaries stay bearable.
_BLOCK_ELEMENTS = 1 << 18
_BLOCK_ELEMENTS_ELSEWHERE = 1 << 24


@torch.no_grad()
def quantize(
    x: Tensor,
    format: str | Format,
    group: int | None = None,
    granularity: Granularity = "group",
    ties: Ties = "even",
) -> QTensor:
    """Quantize `x` along its last dimension, bit for bit as the contract says, on the CPU or on CUDA.

    Args:
        x: float16 or float32 [..., K], K a multiple of 32.
        format: a format or its name.
        group: elements that share a scale, a multiple of 32; only with granularity "group", where None means 128 for
            four-bit floats and a whole row for the other formats.
        granularity: "group"; "row", one scale a token or output channel; or "tensor", one scale for everything,
            which is repeated for each row.
        ties: where an element exactly between two magnitudes goes. "even" (the contract): to the even index.
            "paper": towards +infinity, as the CUDA kernel published with FPQVAR compares, `>=` at every threshold of
            the signed axis. Only for reproducing the paper's figures; the engine has no such mode.

    Raises:
        UsageError: an unknown format, granularity, tie rule, input type, or a K or group that is no multiple of 32.
        FpqvarError: an element is Inf or NaN.
    """
    chosen = resolve(format)
    k = x.shape[-1] if x.ndim else 0
    size = _group_size(chosen, k, group, granularity)
    if ties not in ("even", "paper"):
        raise UsageError(f"unknown tie rule '{ties}'; the rules are even, paper")
    if x.dtype not in (torch.float16, torch.float32):
        raise UsageError(f"quantize takes float16 or float32, not {x.dtype}; convert the tensor first")
    if ties == "even" and granularity != "tensor" and kernels.available(x) and size <= kernels.MAX_GROUP:
        return _fused(x.contiguous(), chosen, size)
    rows, groups, width = x.reshape(-1, k).contiguous(), -(-k // size), min(size, k)
    codes = torch.empty(rows.shape, dtype=torch.uint8, device=x.device)
    scales = torch.empty((rows.shape[0], groups, len(terms(chosen))), dtype=torch.float16, device=x.device)
    if granularity == "tensor" and rows.numel():
        scales[:] = _scales(_absmax(rows.float().view(-1), chosen), chosen)
    block = max(1, (_BLOCK_ELEMENTS if x.device.type == "cpu" else _BLOCK_ELEMENTS_ELSEWHERE) // k)
    for start in range(0, rows.shape[0], block):
        part = slice(start, start + block)
        grouped = F.pad(rows[part].float(), (0, groups * width - k)).view(-1, groups, width)
        if granularity != "tensor":
            scales[part] = _scales(_absmax(grouped, chosen), chosen)
        codes[part] = _codes(grouped, scales[part], chosen, ties).view(-1, groups * width)[:, :k]
    shape = (*x.shape[:-1], groups, *((2,) if chosen.kind == "dual" else ()))
    return QTensor(codes.view(x.shape), scales.view(shape), chosen, size)


def _fused(x: Tensor, format: Format, size: int) -> QTensor:
    """`quantize` in one kernel on a GPU: the same bits."""
    from .kernels.quantize import fused_quantize

    flag = torch.zeros(1, dtype=torch.int32, device=x.device)
    result = fused_quantize(x, format, size, flag=flag, codes=True, scales=True)
    if bool(flag):
        raise FpqvarError(_NOT_FINITE)
    scales = result.scales if format.kind == "dual" else result.scales[..., 0]
    return QTensor(result.codes, scales, format, size)


def _group_size(format: Format, k: int, group: int | None, granularity: str) -> int:
    if k == 0 or k % K_MULTIPLE:
        raise UsageError(f"K = {k} is not a positive multiple of {K_MULTIPLE}; pad the last dimension with zeros")
    if granularity not in ("group", "row", "tensor"):
        raise UsageError(f"unknown granularity '{granularity}'; there are group, row, tensor")
    if granularity != "group":
        if group is not None:
            raise UsageError(f"granularity '{granularity}' takes no group, but group = {group} was given; leave it out")
        return k
    size = group if group is not None else default_group(format) or k
    if size <= 0 or size % K_MULTIPLE:
        raise UsageError(f"group = {size} is not a positive multiple of {K_MULTIPLE}")
    return size


def _absmax(x: Tensor, format: Format) -> Tensor:
    """float32 [..., terms]: largest magnitude along the last dimension, per sign for a dual format."""
    extremes = [x.amax(dim=-1), -x.amin(dim=-1)]
    absmax = (
        torch.stack(extremes if format.kind == "dual" else [torch.maximum(*extremes)], dim=-1).clamp_(min=0).abs_()
    )  # abs: no -0
    if not bool(torch.isfinite(absmax).all()):
        raise FpqvarError(_NOT_FINITE)
    return absmax


def _scales(absmax: Tensor, format: Format) -> Tensor:
    """float16 [..., terms]: fp16(absmax * fp32(1 / fmax)), each of the two rounded once."""
    bits = torch.tensor([table.fmax_reciprocal_bits for table in terms(format)], dtype=torch.int32)
    return to_fp16(absmax * bits.view(torch.float32).to(absmax.device))


def _codes(x: Tensor, scales: Tensor, format: Format, ties: Ties) -> Tensor:
    """uint8 [rows, groups, group] from float32 `x` of that shape and scales [rows, groups, terms]."""
    table, limit = _code_table(format, ties)
    half_units = torch.tensor([2.0 ** (t.unit_log2 - 1) for t in terms(format)], device=x.device)
    dead = scales == 0
    divisors = torch.where(dead, torch.inf, scales.float() * half_units)
    if format.kind == "dual":  # of the two quotients, the one of the other sign is not positive
        z = torch.maximum(x / divisors[..., :1], x / -divisors[..., 1:])
    else:
        z = x.abs().div_(divisors)
    z.clamp_(max=limit)
    negative = x.view(torch.int32) >> 31  # -1 where the sign bit is set
    index = z.floor().add_(z.ceil()).int().sub_(negative, alpha=table.numel() // 2)
    codes = table.to(x.device).index_select(0, index.view(-1)).view(x.shape)
    if bool(dead.any()):
        codes[torch.where(negative != 0, dead[..., -1:], dead[..., :1])] = 0
    return codes


@cache
def _code_table(format: Format, ties: Ties) -> tuple[Tensor, int]:
    """Codes by floor(z) + ceil(z), first those of positive elements, then of negative ones; and the largest z."""
    return torch.tensor(place_codes(format, ties), dtype=torch.uint8), largest_place(format)


@torch.no_grad()
def quantize_with_scales(
    x: Tensor, scales: Tensor, format: str | Format, group: int | None = None, ties: Ties = "even"
) -> QTensor:
    """As `quantize`, but with scales that are given: float16 [..., groups], with a last dimension 2 for dual formats.

    Raises:
        UsageError: as `quantize`, and for scales of another shape or type.
        FpqvarError: an element of `x` is Inf or NaN, or a scale is, or is negative.
    """
    chosen = resolve(format)
    k = x.shape[-1] if x.ndim else 0
    size = _group_size(chosen, k, group, "group")
    if not bool(torch.isfinite(x).all()):
        raise FpqvarError(_NOT_FINITE)
    if not bool((torch.isfinite(scales) & (scales >= 0)).all()):
        raise FpqvarError("a scale is negative, Inf or NaN; choose the scales again")
    wanted = QTensor(torch.zeros_like(x, dtype=torch.uint8), scales, chosen, size)
    groups, width = wanted.groups, min(size, k)
    grouped = F.pad(x.reshape(-1, k).float(), (0, groups * width - k)).view(-1, groups, width)
    codes = _codes(grouped, wanted.term_scales.reshape(-1, groups, len(terms(chosen))), chosen, ties)
    return QTensor(codes.view(-1, groups * width)[:, :k].reshape(x.shape), scales, chosen, size)
