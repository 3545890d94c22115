# SPDX-License-Identifier: Apache-2.0
"""VAR at the speed of a GPU: half precision, memory set aside once, an image's ten scales and its decoding in one CUDA
graph, so that no kernel waits for Python.

It draws what `Var.generate` draws, from the same numbers, but computes in half precision what that does in single. The
blocks' linear layers are any of `sw_quant.var.linears`: the model's own, the engine's bit by bit, or fake-quantized.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from sw_quant.errors import FpqvarError, UsageError
from sw_quant.kernels.transformer import attention_inputs, modulated_norm
from sw_quant.kvcache import CacheQuantizer
from sw_quant.var.limits import DRAW_SHARES, MAX_LOG_ATTENTION_SCALE, check_sampling, check_seeds
from sw_quant.var.linears import HalfLinears, Linears
from sw_quant.var.philox import uniforms
from sw_quant.var.sampling import guided, restrict
from sw_quant.var.transformer import Var

__all__ = ["FastVar"]

_WARM_UPS = 2


class FastVar:
    """Draws a fixed number of images at a time.

    Args:
        var: the model, on its device; of a packed model, `rebuild`'s.
        images: how many at a time.
        cfg, top_k, top_p: as in `Var.generate`.
        linears: the blocks' linear layers; None: the model's own, in ``dtype``.
        dtype: of everything but the sum that runs through the blocks and the drawing, which are in single precision.
        graph: whether to capture a CUDA graph; None: on a CUDA device.

    Raises:
        UsageError: a parameter out of range, or a cache rounded by another tie rule than the contract's.
    """

    def __init__(
        self,
        var: Var,
        images: int,
        cfg: float = 1.5,
        top_k: int = 0,
        top_p: float = 0.0,
        linears: Linears | None = None,
        dtype: torch.dtype = torch.float16,
        graph: bool | None = None,
    ) -> None:
        if images < 1:
            raise UsageError(f"{images} images at a time; give at least one")
        check_sampling(cfg, top_k, top_p, var.config.vqvae.vocabulary)
        self._var, self._sampling, self._dtype = var, (cfg, top_k, top_p), dtype
        self._linears = linears or HalfLinears(var, dtype)
        self._format = _cache_format(var)
        config, device = var.config, var.lvl_1L.device
        self._labels = torch.zeros(images, dtype=torch.int64, device=device)
        self._places = torch.zeros((images, config.tokens), dtype=torch.float64, device=device)
        self._flag = torch.zeros(1, dtype=torch.int32, device=device)
        self._finite = torch.ones((), dtype=torch.bool, device=device)
        shape = (config.depth, 2, 2 * images, config.heads, config.tokens, config.width // config.heads)
        self._cache = torch.zeros(shape, dtype=dtype, device=device)
        self._prepare()
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda" if graph is None else graph:
            self._capture()

    @torch.no_grad()
    def generate(self, labels: Sequence[int], image_seeds: Sequence[int]) -> Tensor:
        """Draw images; as `Var.generate` with ``image_seeds``.

        Returns:
            ``[images, channels, S, S]`` in [0, 1], of the model's ``dtype``. The next call overwrites them.

        Raises:
            UsageError: another number of labels or seeds than `images`, or one out of range.
            FpqvarError: a number on the way is not finite.
        """
        if len(labels) != len(self._labels):
            raise UsageError(f"{len(labels)} labels, but this was made for {len(self._labels)} images at a time")
        wrong = [label for label in labels if not 0 <= label < self._var.config.classes]
        if wrong:
            raise UsageError(f"no class {wrong[0]}; the model knows 0 to {self._var.config.classes - 1}")
        check_seeds(image_seeds, len(labels))
        self._labels.copy_(torch.tensor(list(labels)))
        self._places.copy_(uniforms(image_seeds, self._var.config.tokens))
        self._flag.zero_()
        self._linears.flags.zero_()
        self._finite.fill_(True)
        if self._graph is None:
            self._images = self._draw()
        else:
            self._graph.replay()
        if not bool(self._finite):
            raise FpqvarError("the transformer's logits are not finite; check the checkpoint (`fpqvar doctor`)")
        nonfinite, overflow = self._linears.flags.tolist()
        if bool(self._flag) or nonfinite:
            raise FpqvarError("an input of a linear layer or of the KV cache is Inf or NaN; `fpqvar doctor` finds it")
        if overflow:
            raise FpqvarError("an output of a linear layer does not fit half precision; `fpqvar doctor` finds it")
        return self._images

    def _capture(self) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._draw()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._images = self._draw()

    @torch.no_grad()
    def _prepare(self) -> None:
        """Everything that does not depend on the images, in the types that the drawing wants."""
        var, dtype = self._var, self._dtype
        self._query_scales = [
            block.attn.scale_mul_1H11.clamp_max(MAX_LOG_ATTENTION_SCALE).exp().float().flatten()
            for block in var.each_block()
        ]
        self._modulate = copy.deepcopy(var.shared_ada_lin).to(dtype) if var.config.shared_adaln else None
        self._modulations = [
            block.ada_gss.to(dtype) if var.config.shared_adaln else copy.deepcopy(block.ada_lin).to(dtype)
            for block in var.each_block()
        ]
        self._head_modulation = copy.deepcopy(var.head_nm.ada_lin).to(dtype)
        self._head = (var.head.weight.to(dtype), var.head.bias.to(dtype))
        vqvae = var.vqvae
        self._decoder = copy.deepcopy(torch.nn.Sequential(vqvae.post_quant_conv, vqvae.decoder)).to(dtype)
        # What depends on the model alone: positions, and the class embedding of "no class".
        self._positions = (var.lvl_embed(var.lvl_1L) + var.pos_1LC).float()

    @torch.no_grad()
    def _draw(self) -> Tensor:
        var, config, quantizer = self._var, self._var.config, self._var.vqvae.quantize
        cfg, top_k, top_p = self._sampling
        # The second half of the batch is the first without its class: guidance compares the two.
        condition = var.class_emb(torch.cat((self._labels, torch.full_like(self._labels, config.classes)))).float()
        half = condition.to(self._dtype)
        modulations = self._block_modulations(half)
        scale_shift = self._head_modulation(half).view(len(half), 2, -1).unbind(1)
        ends = list(accumulate(size**2 for size in config.patch_sizes))
        last = len(ends) - 1
        x = condition[:, None] + var.pos_start + self._positions[:, : ends[0]]
        latents = condition.new_zeros(len(self._labels), config.vqvae.latent_channels, *(config.vqvae.latent_size,) * 2)
        start = 0
        for scale, end in enumerate(ends):
            h = self._blocks(x.contiguous(), modulations, scale_shift, start, end)
            logits = functional.linear(h, *self._head).float().view(2, len(self._labels), end - start, -1)
            logits = restrict(guided(logits[0], logits[1], cfg * (scale / last)), top_k, top_p)
            tokens = self._tokens(logits, self._places[:, start:end])
            latents += quantizer.expand(scale, tokens)
            if scale != last:
                x = var.word_embed(quantizer.pool(latents, scale + 1)) + self._positions[:, end : ends[scale + 1]]
                x = x.repeat(2, 1, 1)
            start = end
        return cast(Tensor, self._decoder(latents.to(self._dtype))).clamp_(-1, 1).add_(1).mul_(0.5)

    def _block_modulations(self, condition: Tensor) -> list[tuple[Tensor, ...]]:
        """For each block its six parameters ``[2 * images, width]``: gates, scales, shifts; attention first."""
        if self._modulate is None:
            made = [cast(torch.nn.Module, layer)(condition) for layer in self._modulations]
            return [part.view(len(condition), 6, -1).unbind(1) for part in made]
        shared = self._modulate(condition).view(len(condition), 6, -1)
        return [(cast(Tensor, own)[0] + shared).unbind(1) for own in self._modulations]

    def _blocks(
        self, x: Tensor, modulations: list[tuple[Tensor, ...]], head: tuple[Tensor, ...], start: int, end: int
    ) -> Tensor:
        """All blocks and the normalisation before the logits: ``[2 * images, tokens, width]`` float32 to rows."""
        eps, linear = self._var.config.norm_eps, self._linears
        h, gate = None, None
        for index, (gate_attention, gate_ffn, scale, scale_ffn, shift, shift_ffn) in enumerate(modulations):
            rows = modulated_norm(x, h, gate, scale, shift, eps)
            qkv = linear(f"{index}.mat_qkv", rows).view(*x.shape[:2], -1)
            keys, values = self._cache[index]
            query = attention_inputs(qkv, self._query_scales[index], keys, values, start, self._format, self._flag)
            out = functional.scaled_dot_product_attention(query, keys[:, :, :end], values[:, :, :end], scale=1.0)
            h = linear(f"{index}.proj", out.transpose(1, 2).reshape(rows.shape))
            rows = modulated_norm(x, h, gate_attention, scale_ffn, shift_ffn, eps)
            hidden = functional.gelu(linear(f"{index}.fc1", rows), approximate="tanh")
            h, gate = linear(f"{index}.fc2", hidden), gate_ffn
        return modulated_norm(x, h, gate, head[0], head[1], eps)

    def _tokens(self, logits: Tensor, places: Tensor) -> Tensor:
        """As `sampling.draw` with places, but without waiting for the device."""
        probabilities = logits.softmax(dim=-1)
        self._finite.logical_and_(torch.isfinite(probabilities).all())
        upto = probabilities.double().mul_(DRAW_SHARES).round_().long().cumsum_(dim=-1)
        place = (places * upto[..., -1]).long()
        drawn = torch.searchsorted(upto, place[..., None], right=True)[..., 0]
        return drawn.clamp_(max=logits.shape[-1] - 1)  # only past the end where probabilities are NaN


def _cache_format(var: Var) -> str | None:
    rounding = var.cache_rounding
    if rounding is None:
        return None
    if not isinstance(rounding, CacheQuantizer) or rounding.ties != "even":
        raise UsageError("the fast generator rounds the KV cache by the contract's rule alone (ties to even)")
    return rounding.format
