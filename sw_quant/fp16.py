# SPDX-License-Identifier: Apache-2.0
"""Half precision as the contract has it: round to nearest even, keep subnormals, saturate instead of overflowing."""

import torch
from torch import Tensor

from .errors import UsageError

MAX_FP16 = 65504.0
# The halfway point between the largest half and the next power of two: from here on a plain conversion gives infinity.
OVERFLOW_FROM = 65520.0

_EXPONENT_MASK = 0x7C00
_MAX_FP16_BITS = 0x7BFF
_SIGN = -0x8000


def to_fp16(x: Tensor) -> Tensor:
    """Round float32 `x` to float16, to nearest with ties to even, saturated at ±65504.

    NaN stays NaN: refuse it beforehand. Raises `UsageError` for another type (torch rounds a double twice on its way).
    """
    if x.dtype != torch.float32:
        raise UsageError(f"to_fp16 rounds float32, not {x.dtype}")
    return x.clamp(-MAX_FP16, MAX_FP16).to(torch.float16)


def overflows(x: Tensor) -> bool:
    """Whether `to_fp16` saturates an element of `x`: whether plain rounding would have made it infinite."""
    if x.numel() == 0:
        return False
    smallest, largest = torch.aminmax(x)
    return bool(torch.maximum(-smallest, largest) >= OVERFLOW_FROM)


def replace_nonfinite(x: Tensor) -> tuple[Tensor, bool]:
    """Replace every Inf and NaN of float16 `x` by ±65504, after its sign bit, and say whether there was one."""
    bits = x.view(torch.int16)
    special = (bits & _EXPONENT_MASK) == _EXPONENT_MASK
    if not bool(special.any()):
        return x, False
    # By its bits: a GPU's arithmetic, copysign too, drops the sign of NaN.
    return torch.where(special, bits & _SIGN | _MAX_FP16_BITS, bits).view(torch.float16), True
