# SPDX-License-Identifier: Apache-2.0
"""What is chosen for one linear layer, and the layer computed with it in float: for searching, tuning and ablations."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from sw_quant._generated import GHT_BLOCK
from sw_quant.hadamard import rotate, walsh_hadamard
from sw_quant.ptq.grid import straight_through

__all__ = ["Choice", "QuantizedLinear", "transform"]


@dataclass(frozen=True)
class Choice:
    """How a layer's input is prepared: x * factors, then perhaps GHT, then rounded to `activations`.

    Attributes:
        factors: float32 [K], or None for ones.
        ght: the Hadamard transform of each 128 elements follows.
        activations: format.
    """

    factors: Tensor | None
    ght: bool
    activations: str

    @property
    def label(self) -> str:
        """A short name, for tables."""
        return ("ght " if self.ght else "") + self.activations


def transform(x: Tensor, choice: Choice) -> Tensor:
    """x [rows, K] as the quantizer sees it, in float and differentiable."""
    if choice.factors is not None:
        x = x * choice.factors
    if not choice.ght:
        return x
    return rotate(x)


def untransform_weight(weight: Tensor, choice: Choice) -> Tensor:
    """The weight [N, K] for transformed inputs: W / factors, then H / 128 from the right."""
    if choice.factors is not None:
        weight = weight / choice.factors
    if not choice.ght:
        return weight
    return (walsh_hadamard(weight.double()) / GHT_BLOCK).to(weight.dtype)


@dataclass
class QuantizedLinear:
    """A layer's choice with its rounded weight. `values` float32 [N, K], `scales` float16 [N, groups], `bias` [N]."""

    choice: Choice
    format: str
    group: int
    values: Tensor
    scales: Tensor
    bias: Tensor

    def prepare(self, x: Tensor) -> Tensor:
        """[rows, K] to the values that the engine multiplies."""
        return straight_through(transform(x, self.choice), self.choice.activations, self.group)

    def __call__(self, x: Tensor) -> Tensor:
        """[..., K] to [..., N]."""
        y = F.linear(self.prepare(x.reshape(-1, x.shape[-1])), self.values, self.bias)
        return y.view(*x.shape[:-1], -1)
