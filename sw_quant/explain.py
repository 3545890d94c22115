# SPDX-License-Identifier: Apache-2.0
"""What quantization does to one layer, in numbers: for `fpqvar explain` to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sw_quant._generated import GHT_BLOCK
from sw_quant.calibration.galt import output_error
from sw_quant.codes import values
from sw_quant.formats import default_group, get
from sw_quant.hadamard import walsh_hadamard
from sw_quant.quantizer import quantize
from sw_quant.recipe import LayerRecipe
from sw_quant.var import LinearLayer

__all__ = ["FORMATS_SHOWN", "Channels", "FormatError", "channels", "format_errors", "layer_errors", "scaled"]

FORMATS_SHOWN = ("int4", "e1m2", "e2m1", "e3m0", "e2m3")


@dataclass(frozen=True)
class FormatError:
    """A format on some values: its grid as shares of the largest magnitude, and the relative squared error."""

    format: str
    grid: tuple[float, ...]
    error: float


@dataclass(frozen=True)
class Channels:
    """Largest magnitude of each input channel [K], over all samples: as it comes, and as the quantizer sees it."""

    plain: Tensor
    transformed: Tensor
    smoothed: Tensor | None
    both: Tensor | None


def scaled(x: Tensor, group: int) -> Tensor:
    """Elements of [rows, K] over the largest magnitude of their group: what a format's grid has to fit."""
    whole = x.shape[1] // group * group
    groups = x[:, :whole].reshape(-1, group)
    return (groups / groups.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)).flatten()


def format_errors(x: Tensor) -> list[FormatError]:
    """Each format of `FORMATS_SHOWN` on [rows, K], groups as is usual for it."""
    found = []
    for name in FORMATS_SHOWN:
        format_ = get(name)
        group = default_group(format_) or x.shape[1]
        error = (quantize(x, name, group=group).dequantize() - x).square().sum() / x.square().sum().clamp(min=1e-30)
        largest = max(abs(value) for value in values(format_))
        found.append(FormatError(name, tuple(sorted({value / largest for value in values(format_)})), float(error)))
    return found


def channels(samples: Sequence[Tensor], d: Tensor | None, factors: Tensor | None) -> Channels:
    """Channels before and after GHT with signs `d`, smoothing by `factors`, and both."""
    x = torch.cat(list(samples))
    signs = torch.ones(x.shape[1]) if d is None else d

    def absmax(y: Tensor) -> Tensor:
        return y.abs().amax(dim=0)

    def turned(y: Tensor) -> Tensor:
        # The transform is unnormalised; divided by sqrt(128) it keeps the sum of squares, so that both can be compared.
        return walsh_hadamard(y * signs) / math.sqrt(GHT_BLOCK)

    smooth = None if factors is None else x / factors
    return Channels(
        absmax(x),
        absmax(turned(x)),
        None if smooth is None else absmax(smooth),
        None if smooth is None else absmax(turned(smooth)),
    )


def layer_errors(
    samples: Mapping[str, Sequence[Tensor]],
    layers: Mapping[str, LinearLayer],
    signs: Mapping[str, Tensor],
    factors: Mapping[str, Tensor],
    parts: Mapping[str, LayerRecipe],
) -> dict[str, list[float]]:
    """Relative squared error of each layer's output, by scale step."""
    errors = {}
    for name, steps in samples.items():
        weight = layers[name].weight.detach().float()
        factor = factors.get(name, torch.ones(weight.shape[1]))
        errors[name] = [output_error([x], weight, factor, signs.get(name), parts[name]) for x in steps]
    return errors
