# SPDX-License-Identifier: Apache-2.0
"""The golden linear layers as an executor for `Var.linear`: the engine's bits, computed by torch with no device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from . import golden
from .activations import study_activations
from .hadamard import ght as hadamard_transform
from .packed import PackedLayer
from .qtensor import QTensor
from .refusals import refuse_input, refuse_output

__all__ = ["GoldenLinears", "to_halves"]


def to_halves(name: str, x: Tensor) -> Tensor:
    """float16 [M, K] of activations [..., K]; raises FpqvarError naming the layer if an element does not fit."""
    halves = x.detach().reshape(-1, x.shape[-1]).to(torch.float16)
    finite = torch.isfinite(halves)
    if not bool(finite.all()):
        row, column = (~finite).nonzero()[0].tolist()
        value = float(x.reshape(-1, x.shape[-1])[row, column])
        raise refuse_input(name, f"input element [{row}, {column}] is {value:g}")
    return halves


class GoldenLinears:
    """Computes each layer with `sw_quant.golden.linear`; weights are decoded once, onto `device`.

    Raises FpqvarError naming the layer when an input or output does not fit half precision.
    """

    def __init__(self, layers: Mapping[str, PackedLayer], device: torch.device | str = "cpu") -> None:
        self._layers = {name: (layer.entry, *_prepare(layer, device)) for name, layer in layers.items()}

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """[..., K] to [..., N], float32."""
        entry, weight, bias = self._layers[name]
        if entry.study is not None:
            return self._study(name, x)
        result = golden.linear(to_halves(name, x), weight, bias, entry.activations, entry.group, entry.ght)
        if result.overflow:
            raise refuse_output(name)
        return result.y.float().view(*x.shape[:-1], entry.n)

    def _study(self, name: str, x: Tensor) -> Tensor:
        """A layer that no engine computes: quantized activations times dequantized weights, in single precision."""
        entry, weight, bias = self._layers[name]
        halves = to_halves(name, x)
        inputs = study_activations(hadamard_transform(halves) if entry.ght else halves.float(), entry)
        dense = weight.units * weight.steps.repeat_interleave(weight.group, dim=0)[: entry.k]
        return torch.addmm(bias, inputs, dense).view(*x.shape[:-1], entry.n)


def _prepare(layer: PackedLayer, device: torch.device | str) -> tuple[golden.PreparedWeight, Tensor]:
    codes, scales, bias = (torch.from_numpy(part) for part in (layer.codes, layer.scales, layer.bias))
    weight = QTensor.unpack(codes, scales, layer.entry.weights, layer.entry.group).to(device)
    return golden.prepare(weight), bias.to(device)
