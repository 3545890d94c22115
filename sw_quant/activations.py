# SPDX-License-Identifier: Apache-2.0
"""Quantizers of activations that no engine has, for the baselines that FPQVAR is compared with: fake quantization.

`asymmetric` integers have a zero point (LiteVAR and most integer work quantize the input of fc2 so); `log2` keeps
powers of two of the largest magnitude (Miyashita et al., arXiv 1603.01025). Scales are kept in half precision. MX and
NVFP4 (`sw_quant.mx`) are computed so too.
"""

import torch
from torch import Tensor

from .errors import FpqvarError
from .formats import get
from .fp16 import to_fp16
from .mx import quantize_mx
from .packed import LayerEntry, Study
from .quantizer import quantize

__all__ = ["quantize_by", "study_activations"]


@torch.no_grad()
def study_activations(x: Tensor, entry: LayerEntry) -> Tensor:
    """What a layer's entry makes of its inputs, float32 [M, K] to float32 [M, K].

    Raises FpqvarError when an element is Inf or NaN.
    """
    study = entry.study or Study(activation_group=entry.group, activation_method="symmetric")
    return quantize_by(x, entry.activations, study)


def quantize_by(x: Tensor, format: str, study: Study) -> Tensor:
    """Quantize float32 [M, K] by a format and a recipe's method and back. An all-zero group stays zero."""
    if study.preset is not None:
        return quantize_mx(x, study.preset, study.rule).dequantize()
    size, k = study.activation_group, x.shape[-1]
    if study.activation_method == "symmetric":
        if size == "tensor":
            return quantize(x, format, granularity="tensor", ties=study.ties).dequantize()
        return quantize(x, format, group=min(size or k, k), ties=study.ties).dequantize()
    if not bool(torch.isfinite(x).all()):
        raise FpqvarError("cannot quantize Inf or NaN; look for the overflow that made it, or for a damaged checkpoint")
    convert = _asymmetric if study.activation_method == "asymmetric" else _log2
    bits = get(format).bits
    if size == "tensor":
        return convert(x.reshape(1, -1), bits).view_as(x)
    width = min(size or k, k)
    whole = k // width * width
    parts = [convert(x[:, :whole].reshape(-1, width), bits).view(len(x), whole)]
    if whole < k:  # the shorter last group
        parts.append(convert(x[:, whole:].contiguous(), bits))
    return torch.cat(parts, dim=1)


def _asymmetric(rows: Tensor, bits: int) -> Tensor:
    """Unsigned integers q of `bits` bits, x = (q - zero) * scale; zero is always among the values."""
    most = (1 << bits) - 1
    low, high = rows.amin(dim=1, keepdim=True).clamp_(max=0), rows.amax(dim=1, keepdim=True).clamp_(min=0)
    scale = to_fp16(((high - low) / most).float()).float()
    step = torch.where(scale == 0, torch.inf, scale)
    zero = torch.round(-low / step)
    q = torch.round(rows / step).add_(zero).clamp_(0, most)
    return (q - zero) * scale


def _log2(rows: Tensor, bits: int) -> Tensor:
    """A sign and an exponent: +-scale * 2^-q for q = 0 ... 2^(bits-1) - 2, and zero; rounded in the logarithm."""
    least = (1 << (bits - 1)) - 2
    scale = to_fp16(rows.abs().amax(dim=1, keepdim=True)).float()
    share = rows.abs() / torch.where(scale == 0, torch.inf, scale)
    q = torch.round(-torch.log2(share)).clamp_(min=0)  # minus the logarithm of 0 is infinite: beyond the least
    value = torch.exp2(-q) * scale * torch.sign(rows)
    return torch.where(q > least, torch.zeros_like(value), value)
