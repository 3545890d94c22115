# SPDX-License-Identifier: Apache-2.0
"""The golden linear layers as an executor for `Var.linear`: the engine's bits, computed by torch with no device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from . import golden
from .activations import study_activations
from .hadamard import ght as hadamard_transform
from .mx import MxTensor, unpack_rows
from .packed import LayerEntry, PackedLayer
from .qtensor import QTensor
from .refusals import refuse_input, refuse_output

__all__ = ["GoldenLinears", "dense_weight", "to_halves"]


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
        self._layers: dict[str, tuple[LayerEntry, golden.PreparedWeight, Tensor]] = {}
        self._studies: dict[str, tuple[LayerEntry, Tensor, Tensor]] = {}
        for name, layer in layers.items():
            bias = torch.from_numpy(layer.bias).to(device)
            if layer.entry.study is None:
                self._layers[name] = (layer.entry, golden.prepare(_weight(layer).to(device)), bias)
            else:
                self._studies[name] = (layer.entry, dense_weight(layer, device), bias)

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """[..., K] to [..., N], float32."""
        if name in self._studies:
            return self._study(name, x)
        entry, weight, bias = self._layers[name]
        result = golden.linear(to_halves(name, x), weight, bias, entry.activations, entry.group, entry.ght)
        if result.overflow:
            raise refuse_output(name)
        return result.y.float().view(*x.shape[:-1], entry.n)

    def _study(self, name: str, x: Tensor) -> Tensor:
        """A layer that no engine computes: quantized activations times dequantized weights, in single precision."""
        entry, weight, bias = self._studies[name]
        halves = to_halves(name, x)
        inputs = study_activations(hadamard_transform(halves) if entry.ght else halves.float(), entry)
        return torch.addmm(bias, inputs, weight).view(*x.shape[:-1], entry.n)


def _weight(layer: PackedLayer) -> QTensor:
    return QTensor.unpack(
        torch.from_numpy(layer.codes), torch.from_numpy(layer.scales), layer.entry.weights, layer.entry.group
    )


def dense_weight(layer: PackedLayer, device: torch.device | str = "cpu") -> Tensor:
    """float32 [K, N]: what a packed layer's codes and scales stand for."""
    preset = layer.entry.preset
    if preset is None:
        return _weight(layer).to(device).dequantize().t().contiguous()
    codes = unpack_rows(torch.from_numpy(layer.codes), layer.entry.bits)
    scales = torch.from_numpy(layer.scales)
    if preset.scale == "e4m3":
        scales = scales.view(torch.float8_e4m3fn)
    global_scale = None if layer.global_scale is None else torch.from_numpy(layer.global_scale).to(device)
    return MxTensor(codes.to(device), scales.to(device), preset, global_scale).dequantize().t().contiguous()
