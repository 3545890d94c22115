# SPDX-License-Identifier: Apache-2.0
"""One transformer block of VAR: attention and feed-forward, both modulated by the class (adaLN)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw_quant.var.config import VarConfig
from sw_quant.var.limits import MAX_LOG_ATTENTION_SCALE

LinearExecutor = Callable[[str, Tensor], Tensor]
"""Computes a block's linear layer: ``(name, x [..., K]) -> [..., N]`` in float32, bias included.

Names are ``"{block}.{mat_qkv|proj|fc1|fc2}"``.
"""

CacheRounding = Callable[[Tensor], Tensor]
"""Rounds keys or values ``[..., head width]`` as they enter the cache; same shape out."""

LINEAR_NAMES = ("mat_qkv", "proj", "fc1", "fc2")


class LinearLayer(NamedTuple):
    """A block's linear layer: ``weight`` is ``[N, K]``, ``bias`` ``[N]``, both float32."""

    weight: Tensor
    bias: Tensor


class Modulation(NamedTuple):
    """adaLN's parameters of one block, each ``[B, 1, width]``."""

    gate_attention: Tensor
    gate_ffn: Tensor
    scale_attention: Tensor
    scale_ffn: Tensor
    shift_attention: Tensor
    shift_ffn: Tensor


class KvCache:
    """Keys and values of the scales so far, in memory set aside once for a whole image.

    Args:
        batch, heads, tokens, head_width: the shape; ``tokens`` is that of all scales together.
        like: a tensor of the device and type to use.
        rounding: applied once to what enters; None keeps it as it is.
    """

    def __init__(
        self,
        batch: int,
        heads: int,
        tokens: int,
        head_width: int,
        like: Tensor,
        rounding: CacheRounding | None = None,
    ) -> None:
        self._store = like.new_empty(2, batch, heads, tokens, head_width)
        self._rounding = rounding
        self._filled = 0

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add ``[B, heads, l, head width]`` keys and values; return all so far."""
        start, self._filled = self._filled, self._filled + keys.shape[2]
        if self._rounding is not None:
            keys, values = self._rounding(keys), self._rounding(values)
        self._store[0, :, :, start : self._filled] = keys
        self._store[1, :, :, start : self._filled] = values
        return self._store[0, :, :, : self._filled], self._store[1, :, :, : self._filled]


class SelfAttention(nn.Module):
    """Multi-head attention on unit-length queries and keys, with a learnt scale for each head."""

    zero_k_bias: Tensor

    def __init__(self, config: VarConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.scale_mul_1H11 = nn.Parameter(torch.full((1, self.heads, 1, 1), math.log(4.0)))
        self.mat_qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("zero_k_bias", torch.zeros(width))  # keys have no bias: softmax would cancel it
        self.proj = nn.Linear(width, width)

    def qkv_bias(self) -> Tensor:
        """The bias of mat_qkv, ``[3 * width]``."""
        return torch.cat((self.q_bias, self.zero_k_bias, self.v_bias))

    def attend(self, qkv: Tensor, mask: Tensor | None, cache: KvCache | None) -> Tensor:
        """From queries, keys and values ``[B, L, 3 * width]`` to what ``proj`` takes, ``[B, L, width]``."""
        batch, length, _ = qkv.shape
        query, key, value = qkv.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scale = self.scale_mul_1H11.clamp_max(MAX_LOG_ATTENTION_SCALE).exp()
        query = functional.normalize(query, dim=-1) * scale
        key = functional.normalize(key, dim=-1)
        if cache is not None:
            key, value = cache.extend(key, value)
        out = functional.scaled_dot_product_attention(
            query.to(value.dtype), key.to(value.dtype), value, attn_mask=mask, scale=1.0
        )
        return out.transpose(1, 2).reshape(batch, length, -1)


class FeedForward(nn.Module):
    """Two linear layers around GELU (tanh form)."""

    def __init__(self, config: VarConfig) -> None:
        super().__init__()
        hidden = config.width * config.mlp_ratio
        self.fc1 = nn.Linear(config.width, hidden)
        self.fc2 = nn.Linear(hidden, config.width)


class Block(nn.Module):
    """Attention, then feed-forward, each as ``x + gate * f(norm(x) * (1 + scale) + shift)``."""

    def __init__(self, config: VarConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.attn = SelfAttention(config)
        self.ffn = FeedForward(config)
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps, elementwise_affine=False)
        self.shared_adaln = config.shared_adaln
        if config.shared_adaln:
            self.ada_gss = nn.Parameter(torch.randn(1, 1, 6, config.width) / config.width**0.5)
        else:
            self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(config.width, 6 * config.width))
        self.dropout = nn.Dropout(0.0)  # the trainer raises it

    def modulation(self, condition: Tensor) -> Modulation:
        """adaLN's parameters.

        Args:
            condition: the class embedding ``[B, width]``, or with shared adaLN that layer's output
                ``[B, 1, 6, width]``.
        """
        if self.shared_adaln:
            return Modulation(*(self.ada_gss + condition).unbind(2))
        return Modulation(*self.ada_lin(condition).view(len(condition), 1, 6, -1).unbind(2))

    def linear_layer(self, name: str) -> LinearLayer:
        """Weight and bias of one of :data:`LINEAR_NAMES`."""
        if name == "mat_qkv":
            return LinearLayer(self.attn.mat_qkv.weight, self.attn.qkv_bias())
        layer = {"proj": self.attn.proj, "fc1": self.ffn.fc1, "fc2": self.ffn.fc2}[name]
        return LinearLayer(layer.weight, layer.bias)

    def forward(
        self, x: Tensor, mod: Modulation, mask: Tensor | None, cache: KvCache | None, executor: LinearExecutor | None
    ) -> Tensor:
        """``[B, L, width] -> [B, L, width]``. ``executor`` computes the linear layers; None: torch does."""

        def linear(name: str, value: Tensor) -> Tensor:
            if executor is not None:
                return executor(f"{self.index}.{name}", value)
            return functional.linear(value, *self.linear_layer(name))

        h = self.norm(x) * (mod.scale_attention + 1) + mod.shift_attention
        h = linear("proj", self.attn.attend(linear("mat_qkv", h), mask, cache))
        x = x + self.dropout(h) * mod.gate_attention
        h = self.norm(x) * (mod.scale_ffn + 1) + mod.shift_ffn
        h = linear("fc2", functional.gelu(linear("fc1", h), approximate="tanh"))
        return x + self.dropout(h) * mod.gate_ffn  # type: ignore[no-any-return]


class Head(nn.Module):
    """The modulated layer normalisation before the logits."""

    def __init__(self, config: VarConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps, elementwise_affine=False)
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(config.width, 2 * config.width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``x [B, L, width]``, class embedding ``[B, width]`` to ``[B, L, width]``."""
        scale, shift = self.ada_lin(condition).view(len(condition), 1, 2, -1).unbind(2)
        return self.norm(x) * (scale + 1) + shift  # type: ignore[no-any-return]
