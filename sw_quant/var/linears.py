# SPDX-License-Identifier: Apache-2.0
"""A model's linear layers on rows of halves, for `FastVar`: the model's own, the engine's, or fake-quantized.

`ExactLinears` gives the engine's bits: what a device, the simulations and `GoldenLinears` give for the same inputs.
`FakeQuantLinears` quantizes the inputs with the same bits, but multiplies the dequantized values in half precision, as
fake quantization usually does; it comes near the engine, and takes any group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from sw_quant import golden, kernels
from sw_quant.errors import UsageError
from sw_quant.fake import fake_quantize
from sw_quant.formats import get
from sw_quant.fp16 import to_fp16
from sw_quant.packed import PackedLayer
from sw_quant.qtensor import QTensor
from sw_quant.var.transformer import Var

__all__ = ["ExactLinears", "FakeQuantLinears", "HalfLinears", "Linears", "QuantizedLayer"]


class Linears(Protocol):
    """Computes a block's linear layer on rows.

    Attributes:
        flags: int32 [2], set to 1 by an input that is Inf or NaN, and by an output that saturates. Nothing waits for
            the device until they are read.
    """

    flags: Tensor

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """``[M, K]`` to ``[M, N]``, of x's type."""
        ...


class QuantizedLayer(NamedTuple):
    """A layer to compute: quantized weight [N, K], bias float32 [N], the inputs' format, whether to transform them."""

    weight: QTensor
    bias: Tensor
    activations: str
    ght: bool

    @classmethod
    def of_packed(cls, name: str, layer: PackedLayer, device: torch.device | str) -> QuantizedLayer:
        """A packed model's layer on `device`; raises UsageError naming one that is no contract arithmetic."""
        entry = layer.entry
        if entry.study is not None:
            raise UsageError(f"layer {name}: its recipe is for studies in torch; generate with `GoldenLinears`")
        codes, scales, bias = (torch.from_numpy(part) for part in (layer.codes, layer.scales, layer.bias))
        weight = QTensor.unpack(codes, scales, entry.weights, entry.group).to(device)
        return cls(weight, bias.to(device), entry.activations, entry.ght)


class HalfLinears:
    """A float model's linear layers in half precision (or another ``dtype``)."""

    def __init__(self, var: Var, dtype: torch.dtype = torch.float16) -> None:
        self._layers = {name: (w.to(dtype), b.to(dtype)) for name, (w, b) in var.linear_layers().items()}
        self.flags = torch.zeros(2, dtype=torch.int32, device=var.lvl_1L.device)

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """``[M, K]`` to ``[M, N]``."""
        return functional.linear(x, *self._layers[name])


class FakeQuantLinears:
    """Linear layers by fake quantization: the contract's bits for the inputs, half-precision products."""

    def __init__(self, layers: Mapping[str, QuantizedLayer]) -> None:
        self._layers = {
            name: (to_fp16(weight.dequantize()), bias.half(), activations, weight.group, ght)
            for name, (weight, bias, activations, ght) in layers.items()
        }
        self.flags = torch.zeros(2, dtype=torch.int32, device=next(iter(layers.values())).bias.device)

    @classmethod
    def of_packed(cls, layers: Mapping[str, PackedLayer], device: torch.device | str) -> FakeQuantLinears:
        """A packed model's layers on `device`; raises UsageError naming one that is no contract arithmetic."""
        return cls({name: QuantizedLayer.of_packed(name, layer, device) for name, layer in layers.items()})

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """``[M, K]`` to ``[M, N]``, half precision."""
        weight, bias, activations, group, ght = self._layers[name]
        return functional.linear(fake_quantize(x, activations, group, ght, self.flags[:1]), weight, bias)


class ExactLinears:
    """Linear layers with the engine's bits: two kernels a layer on a GPU, the golden model elsewhere.

    Raises UsageError naming a layer that the kernels cannot take: magnitudes beyond a byte, or a row that is no whole
    number of groups.
    """

    def __init__(self, layers: Mapping[str, QuantizedLayer]) -> None:
        self.flags = torch.zeros(2, dtype=torch.int32, device=next(iter(layers.values())).bias.device)
        self._kernels = kernels.available(self.flags)
        self._layers = {}
        for name, layer in layers.items():
            if self._kernels:
                _refuse_beyond_kernels(name, layer)
            self._layers[name] = (golden.prepare(layer.weight), layer.bias, layer.activations, layer.ght)

    @classmethod
    def of_packed(cls, layers: Mapping[str, PackedLayer], device: torch.device | str) -> ExactLinears:
        """A packed model's layers on `device`; raises UsageError naming one that is no contract arithmetic."""
        return cls({name: QuantizedLayer.of_packed(name, layer, device) for name, layer in layers.items()})

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """``[M, K]`` to ``[M, N]``, half precision."""
        weight, bias, activations, ght = self._layers[name]
        if self._kernels:
            from sw_quant.kernels.product import exact_linear

            units = weight.units.t()
            return exact_linear(x, units, weight.steps, bias, activations, ght, self.flags[:1], self.flags[1:])
        result = golden.linear(x, weight, bias, activations, weight.group, ght)
        self.flags |= torch.tensor([result.nonfinite, result.overflow], device=self.flags.device)
        return result.y


def _refuse_beyond_kernels(name: str, layer: QuantizedLayer) -> None:
    k, group = layer.weight.shape[1], layer.weight.group
    bytes_fit = golden.fits_bytes(layer.weight.format) and golden.fits_bytes(get(layer.activations))
    if not kernels.takes(k, group) or not bytes_fit:
        raise UsageError(
            f"layer {name}: {layer.weight.format.name} and {layer.activations} in groups of {group} of {k} are beyond "
            "the GPU's exact product; generate with fake quantization, or with `GoldenLinears`"
        )
