# SPDX-License-Identifier: Apache-2.0
"""The group-wise Hadamard transformation (GHT): exact on activations, folded into weights.

FPQVAR (arXiv 2505.16335, section 3.2) spreads outliers by a Walsh-Hadamard transform H of each 128 elements. The device
computes x' = H d x unnormalised (contract section 1.4), where the random signs d reach the activations through the
preceding adaLN. The weights take the rest, W' = W d H / 128, so that W' x' = W x because H H = 128 and d d = 1.
"""

import random

import torch
from torch import Tensor

from ._generated import GHT_BLOCK
from .errors import FpqvarError, UsageError

# Blocks transformed at a time on the CPU: half a megabyte of integers.
_BLOCKS_IN_CACHE = 1024


def signs(k: int, seed: int) -> Tensor:
    """float32 [k] of +1 and -1: the transform's random signs, the same on every machine and version for a seed."""
    bits = random.Random(seed).getrandbits(k)
    return torch.tensor([1.0 - 2.0 * (bits >> i & 1) for i in range(k)], dtype=torch.float32)


def walsh_hadamard(x: Tensor) -> Tensor:
    """Unnormalised transform, in natural (Sylvester) order, of each 128 elements along the last dimension of `x`.

    Adds and subtracts only, in a fixed order, in `x`'s own type. Raises `UsageError` when K is not a multiple of 128.
    """
    _check_blocks(x)
    y = x.reshape(-1, GHT_BLOCK).t().contiguous()  # one transform a column: each step runs along the memory
    spare = torch.empty_like(y)
    span = 1
    while span < GHT_BLOCK:
        (first, second), (total, difference) = (t.view(-1, 2, span, t.shape[1]).unbind(1) for t in (y, spare))
        torch.add(first, second, out=total)
        torch.sub(first, second, out=difference)
        y, spare = spare, y
        span *= 2
    return y.t().contiguous().view(x.shape)


def ght_exact(x: Tensor) -> tuple[Tensor, Tensor]:
    """Transform finite float16 `x` [..., K] exactly, as the engine does (contract section 1.4).

    Returns:
        h, int32 [..., K], and E, int32 [..., K / 128], the largest exponent field of each block: an element's value is
        h * 2^(E - 29).

    Raises:
        UsageError: `x` is not float16, or K is not a multiple of 128.
        FpqvarError: an element is Inf or NaN.
    """
    _check_blocks(x)
    if x.dtype != torch.float16:
        raise UsageError(f"the exact Hadamard transform takes float16, not {x.dtype}")
    blocks = x.reshape(-1, GHT_BLOCK)
    largest = ((blocks.view(torch.int16) & 0x7FFF).amax(dim=-1).int() >> 10).clamp_(min=1)
    if bool((largest == 31).any()):
        raise FpqvarError("cannot transform Inf or NaN; replace them first, as the golden linear layer does")
    h = torch.empty(blocks.shape, dtype=torch.int32, device=x.device)
    step = _BLOCKS_IN_CACHE if x.device.type == "cpu" else max(1, len(blocks))
    for start in range(0, len(blocks), step):
        part = slice(start, start + step)
        # x * 2^(29 - E) is sig * 2^(4 - (E - e)): exact in single precision, and `round` sends ties to even.
        aligned = (blocks[part].float() * _power_of_two(29 - largest[part])[:, None]).round_().int()
        h[part] = walsh_hadamard(aligned)
    return h.view(x.shape), largest.view(*x.shape[:-1], -1)


def ght(x: Tensor) -> Tensor:
    """float32 [..., K]: the exact transform of float16 `x`, as numbers. Raises what `ght_exact` raises."""
    h, largest = ght_exact(x)
    blocks = h.float().view(*x.shape[:-1], -1, GHT_BLOCK)
    return blocks.mul_(_power_of_two(largest - 29)[..., None]).view(x.shape)


def rotate(x: Tensor) -> Tensor:
    """The transform of each 128 elements in x's own type, as a matrix product: differentiable, for search and learning.

    Unnormalised, as the engine's; what counts is transformed exactly, by `ght`. Raises what `walsh_hadamard` raises.
    """
    _check_blocks(x)
    matrix = walsh_hadamard(torch.eye(GHT_BLOCK, device=x.device, dtype=x.dtype))
    return (x.reshape(*x.shape[:-1], -1, GHT_BLOCK) @ matrix).reshape(x.shape)


def hadamard_fold_weight(w: Tensor, signs: Tensor) -> Tensor:
    """W d H / 128 in float32 for a weight [N, K] and signs [K]: the weight for transformed activations.

    Computed in double in a fixed order and rounded once. Raises `UsageError` when shapes do not fit.
    """
    if signs.shape != w.shape[-1:]:
        raise UsageError(f"a weight {tuple(w.shape)} needs signs [{w.shape[-1]}], not {tuple(signs.shape)}")
    return (walsh_hadamard(w.double() * signs.double()) / GHT_BLOCK).float()


def _check_blocks(x: Tensor) -> None:
    k = x.shape[-1] if x.ndim else 0
    if k == 0 or k % GHT_BLOCK:
        raise UsageError(f"the Hadamard transform needs K in multiples of {GHT_BLOCK}, not K = {k}; leave it out here")


def _power_of_two(exponent: Tensor) -> Tensor:
    """float32 2^exponent for int32 exponents of normal numbers, by its bits: exact on every device."""
    return ((exponent + 127) << 23).view(torch.float32)
