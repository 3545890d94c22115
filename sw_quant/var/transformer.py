# SPDX-License-Identifier: Apache-2.0
"""The VAR transformer: it predicts an image's token maps, one scale after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor, nn

from sw_quant.errors import UsageError
from sw_quant.var.block import LINEAR_NAMES, Block, CacheRounding, Head, KvCache, LinearExecutor, LinearLayer
from sw_quant.var.config import VarConfig
from sw_quant.var.limits import check_sampling, check_seeds
from sw_quant.var.philox import uniforms
from sw_quant.var.sampling import draw, guided, restrict
from sw_quant.var.vqvae import Vqvae

Progress = Callable[[int, int], None]
"""Called with the number of scales done and of all scales."""


class Var(nn.Module):
    """The transformer, with the VQVAE that turns its tokens into images.

    Attribute names are dictated by the published checkpoints: they are the state dict's keys. The VQVAE has a
    checkpoint of its own, so it is no submodule: it is in neither ``state_dict()`` nor ``parameters()``.

    Attributes:
        linear: computes the blocks' linear layers; None: torch does, in float32.
        cache_rounding: rounds keys and values as they enter the cache; None: they stay as they are.
        vqvae: the VQVAE.
    """

    lvl_1L: Tensor
    attn_bias_for_masking: Tensor
    vqvae: Vqvae

    def __init__(self, config: VarConfig, vqvae: Vqvae) -> None:
        super().__init__()
        if vqvae.config != config.vqvae:
            raise UsageError(f"the transformer was made for another VQVAE: {config.vqvae}, not {vqvae.config}")
        self.config = config
        self.linear: LinearExecutor | None = None
        self.cache_rounding: CacheRounding | None = None
        object.__setattr__(self, "vqvae", vqvae)  # around nn.Module's registration of submodules

        width = config.width
        self.word_embed = nn.Linear(config.vqvae.latent_channels, width)
        self.class_emb = nn.Embedding(config.classes + 1, width)  # the last one stands for "no class"
        self.pos_start = nn.Parameter(torch.zeros(1, config.patch_sizes[0] ** 2, width))
        self.pos_1LC = nn.Parameter(torch.zeros(1, config.tokens, width))
        self.lvl_embed = nn.Embedding(len(config.patch_sizes), width)
        if config.shared_adaln:
            self.shared_ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.depth))
        self.head_nm = Head(config)
        self.head = nn.Linear(width, config.vqvae.vocabulary)
        # Both follow from the configuration, but are part of the published checkpoints, which are held against them:
        # so they have values even while the rest of the network is on the meta device.
        with torch.device("cpu"):
            level = torch.cat([torch.full((1, size**2), i) for i, size in enumerate(config.patch_sizes)], dim=1)
            mask = torch.where(level[0, :, None] >= level[0, None, :], 0.0, -torch.inf)
        self.register_buffer("lvl_1L", level)
        self.register_buffer("attn_bias_for_masking", mask[None, None])

    def linear_layers(self) -> dict[str, LinearLayer]:
        """Every block's linear layers by name, ``"0.mat_qkv"`` first, in the order in which they run."""
        return {
            f"{block.index}.{name}": block.linear_layer(name) for block in self.each_block() for name in LINEAR_NAMES
        }

    def each_block(self) -> Iterator[Block]:
        """The blocks, first to last."""
        yield from cast(Iterable[Block], self.blocks)

    def forward(self, labels: Tensor, inputs: Tensor) -> Tensor:
        """Logits of all tokens at once, for training (teacher forcing).

        Args:
            labels: ``[B]``; ``config.classes`` stands for "no class".
            inputs: of :meth:`MultiScaleQuantizer.transformer_inputs`, ``[B, L - first, latent channels]``.

        Returns:
            ``[B, L, vocabulary]`` float32.
        """
        condition = self.class_emb(labels)
        start = condition[:, None] + self.pos_start
        x = torch.cat((start, self.word_embed(inputs)), dim=1) + self._positions()
        mask = self.attn_bias_for_masking
        if torch.is_autocast_enabled(x.device.type):
            mask = mask.to(torch.get_autocast_dtype(x.device.type))
        shared = self._shared(condition)
        for block in self.each_block():
            x = block(x, block.modulation(shared), mask, None, self.linear)
        return self._logits(x, condition)

    @torch.no_grad()
    def generate(
        self,
        labels: Tensor,
        seed: int = 0,
        cfg: float = 1.5,
        top_k: int = 0,
        top_p: float = 0.0,
        progress: Progress | None = None,
        image_seeds: Sequence[int] | None = None,
    ) -> Tensor:
        """Draw images.

        Args:
            labels: the class of each image, ``[B]``.
            seed: of the random draws of the whole batch.
            cfg: classifier-free guidance; grows from 0 at the first scale to this at the last.
            top_k, top_p: see :func:`~sw_quant.var.sampling.restrict`.
            progress: told after each scale.
            image_seeds: one seed an image, instead of ``seed``: an image's draws then depend neither on the batch nor
                on the device.

        Returns:
            ``[B, image channels, S, S]`` in [0, 1].

        Raises:
            UsageError: a label, seed or parameter out of range.
            FpqvarError: the logits are not finite.
        """
        _, latents = self.generate_tokens(labels, seed, cfg, top_k, top_p, progress, image_seeds)
        return self.vqvae.decode(latents).add_(1).mul_(0.5)

    @torch.no_grad()
    def generate_tokens(
        self,
        labels: Tensor,
        seed: int,
        cfg: float,
        top_k: int,
        top_p: float,
        progress: Progress | None = None,
        image_seeds: Sequence[int] | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        """As :meth:`generate`, but stop at the tokens.

        Returns:
            One map of indices ``[B, size * size]`` a scale, and their latents ``[B, latent channels, P, P]``.
        """
        config, quantizer = self.config, self.vqvae.quantize
        check_sampling(cfg, top_k, top_p, config.vqvae.vocabulary)
        self._check_labels(labels)
        draws = self._draws(len(labels), seed, image_seeds)

        # The second half of the batch is the first without its class: guidance compares the two.
        condition = self.class_emb(torch.cat((labels, torch.full_like(labels, config.classes))))
        shared = self._shared(condition)
        modulations = [block.modulation(shared) for block in self.each_block()]  # the same at every scale
        head_width = config.width // config.heads
        caches = [
            KvCache(len(condition), config.heads, config.tokens, head_width, condition, self.cache_rounding)
            for _ in self.blocks
        ]

        positions = self._positions()
        ends = list(accumulate(size**2 for size in config.patch_sizes))
        last = len(ends) - 1
        x = condition[:, None] + self.pos_start + positions[:, : ends[0]]
        tokens: list[Tensor] = []
        latents = condition.new_zeros(len(labels), config.vqvae.latent_channels, *(config.vqvae.latent_size,) * 2)
        for scale in range(len(ends)):
            for block, modulation, cache in zip(self.blocks, modulations, caches, strict=True):
                x = block(x, modulation, None, cache, self.linear)
            with_class, without_class = self._logits(x, condition).chunk(2)
            logits = guided(with_class, without_class, cfg * (scale / last))
            source = draws[:, ends[scale] - logits.shape[1] : ends[scale]] if isinstance(draws, Tensor) else draws
            tokens.append(draw(restrict(logits, top_k, top_p), source))
            latents += quantizer.expand(scale, tokens[-1])
            if scale != last:
                x = self.word_embed(quantizer.pool(latents, scale + 1)) + positions[:, ends[scale] : ends[scale + 1]]
                x = x.repeat(2, 1, 1)
            if progress is not None:
                progress(scale + 1, len(ends))
        return tokens, latents

    def guidance(self, cfg: float) -> Tensor:
        """How strongly each token is guided, ``[L, 1]``: from 0 at the first scale to ``cfg`` at the last."""
        return cfg * self.lvl_1L[0, :, None].float() / max(1, len(self.config.patch_sizes) - 1)

    def _positions(self) -> Tensor:
        """Position and scale embeddings, ``[1, L, width]``."""
        return self.lvl_embed(self.lvl_1L) + self.pos_1LC  # type: ignore[no-any-return]

    def _shared(self, condition: Tensor) -> Tensor:
        """What the blocks' modulation takes: the class embedding, or the shared adaLN layer's output."""
        if not self.config.shared_adaln:
            return condition
        return self.shared_ada_lin(condition).view(len(condition), 1, 6, -1)  # type: ignore[no-any-return]

    def _logits(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.head(self.head_nm(x.float(), condition)).float()  # type: ignore[no-any-return]

    def _check_labels(self, labels: Tensor) -> None:
        if labels.dim() != 1 or len(labels) == 0 or labels.dtype != torch.int64:
            raise UsageError(f"labels are {labels.dtype} of shape {list(labels.shape)}; give int64 of shape [images]")
        wrong = labels[(labels < 0) | (labels >= self.config.classes)]
        if len(wrong):
            raise UsageError(f"no class {int(wrong[0])}; the model knows 0 to {self.config.classes - 1}")

    def _draws(self, images: int, seed: int, image_seeds: Sequence[int] | None) -> torch.Generator | Tensor:
        """What `draw` takes: a generator for the batch, or a number for each token of each image."""
        seeds = [seed] if image_seeds is None else list(image_seeds)
        check_seeds(seeds, 1 if image_seeds is None else images)
        if image_seeds is None:
            return torch.Generator(self.lvl_1L.device).manual_seed(seed)
        return uniforms(seeds, self.config.tokens, self.lvl_1L.device)
