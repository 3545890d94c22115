# SPDX-License-Identifier: Apache-2.0
"""Fake quantization: numbers rounded to what a format can hold, as numbers. One kernel on a GPU, torch elsewhere."""

import torch
from torch import Tensor

from . import kernels
from ._generated import GHT_BLOCK
from .formats import Format, default_group, resolve
from .fp16 import replace_nonfinite, to_fp16
from .hadamard import ght as hadamard_transform
from .quantizer import quantize

__all__ = ["fake_quantize"]


@torch.no_grad()
def fake_quantize(
    x: Tensor, format: str | Format, group: int | None = None, ght: bool = False, flag: Tensor | None = None
) -> Tensor:
    """What the engine's prologue makes of `x`, decoded: the contract's bits (sections 1.2 to 1.4) on every device.

    Args:
        x: float16 or float32 [..., K].
        format: a format or its name.
        group: elements that share a scale; None as in `quantize`.
        ght: transform first, exactly; float16 alone.
        flag: int32 [1] on x's device; set to 1 when an element of half-precision `x` is Inf or NaN, which counts as
            ±65504. On a GPU nothing waits for the device then.

    Returns:
        x's shape and type. Single precision holds every value exactly; half precision is rounded once and saturated.

    Raises:
        UsageError: what `quantize` and `sw_quant.hadamard.ght` refuse.
        FpqvarError: an element of single-precision `x` is Inf or NaN (without the kernels).
    """
    chosen, k = resolve(format), x.shape[-1]
    size = min(group or default_group(chosen) or k, k)
    if kernels.available(x) and size <= kernels.MAX_GROUP and not (ght and (k % GHT_BLOCK or size % GHT_BLOCK)):
        from .kernels.quantize import fused_quantize

        sink = torch.zeros(1, dtype=torch.int32, device=x.device) if flag is None else flag
        return fused_quantize(x.contiguous(), chosen, size, ght, flag=sink, fake=True).fake
    finite, nonfinite = replace_nonfinite(x) if x.dtype == torch.float16 else (x, False)
    if nonfinite and flag is not None:
        flag.fill_(1)
    values = quantize(hadamard_transform(finite) if ght else finite, chosen, group=size).dequantize()
    return to_fp16(values) if x.dtype == torch.float16 else values
