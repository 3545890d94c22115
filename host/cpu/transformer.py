# SPDX-License-Identifier: Apache-2.0
"""A packed VAR in numpy: embeddings, adaLN, attention, sampling and the VQVAE; the linear layers are an executor's."""

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from host.cpu.ops import Array, gelu, layer_norm, normalize, silu, softmax
from host.cpu.quantizer import NumpyRounding
from host.cpu.sampling import draw, restrict
from host.cpu.vqvae import NumpyDecoder, Tokens, Weights
from sw_quant.errors import UsageError
from sw_quant.packed import PackedModel
from sw_quant.var.config import VarConfig, from_dict
from sw_quant.var.limits import MAX_LOG_ATTENTION_SCALE, check_sampling, check_seeds
from sw_quant.var.philox import numpy_uniforms

__all__ = ["Linear", "NumpyVar"]

Linear = Callable[[str, Array], Array]
"""Computes a linear layer: ``(name, x [..., K]) -> [..., N]``, both float32."""
Progress = Callable[[int, int], None]

# adaLN's six outputs, in the order of the checkpoints.
_GATE_ATTENTION, _GATE_FFN, _SCALE_ATTENTION, _SCALE_FFN, _SHIFT_ATTENTION, _SHIFT_FFN = range(6)


class _Cache:
    """Keys and values of one block, [B, heads, tokens, head width]."""

    def __init__(self, batch: int, config: VarConfig, rounding: NumpyRounding | None) -> None:
        shape = (2, batch, config.heads, config.tokens, config.width // config.heads)
        self._store = np.empty(shape, np.float32)
        self._filled = 0
        self._rounding = rounding

    def extend(self, keys: Array, values: Array) -> tuple[Array, Array]:
        start, self._filled = self._filled, self._filled + keys.shape[2]
        for place, new in enumerate((keys, values)):
            self._store[place, :, :, start : self._filled] = new if self._rounding is None else self._rounding(new)
        return self._store[0, :, :, : self._filled], self._store[1, :, :, : self._filled]


def _nothing(name: str, _x: Array) -> Array:
    raise UsageError(f"layer {name}: no engine computes it; set `linear`, for instance to EngineLinears(...).apply")


class NumpyVar:
    """Draws images of a packed model.

    Args:
        packed: of `load_packed`.
        linear: computes the blocks' linear layers; `EngineLinears.apply` of an open device. It may be set later.

    Raises FpqvarError when a tensor is missing.
    """

    def __init__(self, packed: PackedModel, linear: Linear | None = None) -> None:
        self.config = from_dict(packed.manifest.model, "manifest.json: model")
        self.linear: Linear = linear or _nothing
        self.vqvae = NumpyDecoder(self.config.vqvae, packed.vqvae)
        recipe = packed.manifest.recipe
        self._rounding = None if recipe.kv_cache is None else NumpyRounding(recipe.kv_cache, recipe.ties)
        self._weights = Weights(packed.floats, "model.safetensors")
        level = np.repeat(np.arange(len(self.config.patch_sizes)), [size**2 for size in self.config.patch_sizes])
        self._positions = self._weights["lvl_embed.weight"][level][None] + self._weights["pos_1LC"]

    def generate(
        self,
        labels: Sequence[int],
        image_seeds: Sequence[int],
        cfg: float = 1.5,
        top_k: int = 0,
        top_p: float = 0.0,
        progress: Progress | None = None,
    ) -> Array:
        """Draw one image for each label and seed, with the draws that `sw_quant.var.Var.generate` makes of them.

        Args:
            labels: classes.
            image_seeds: one an image.
            cfg: classifier-free guidance; grows from 0 at the first scale to this at the last.
            top_k, top_p: see `host.cpu.sampling.restrict`.
            progress: told after each scale: scales done, of all scales.

        Returns:
            [B, image channels, S, S] in [0, 1].

        Raises:
            UsageError: a label, seed or parameter out of range.
            FpqvarError: the logits are not finite.
        """
        _, latents = self.generate_tokens(labels, image_seeds, cfg, top_k, top_p, progress)
        return np.asarray((self.vqvae.decode(latents) + 1) * np.float32(0.5))

    def generate_tokens(
        self,
        labels: Sequence[int],
        image_seeds: Sequence[int],
        cfg: float,
        top_k: int,
        top_p: float,
        progress: Progress | None = None,
    ) -> tuple[list[Tokens], Array]:
        """As `generate`, but stop at the tokens: one map [B, size * size] a scale, and their latents."""
        config = self.config
        check_sampling(cfg, top_k, top_p, config.vqvae.vocabulary)
        check_seeds(image_seeds, len(labels))
        for label in labels:
            if not 0 <= label < config.classes:
                raise UsageError(f"no class {label}; the model knows 0 to {config.classes - 1}")
        places = numpy_uniforms(image_seeds, config.tokens)

        # The second half of the batch is the first without its class: guidance compares the two.
        classes = np.array([*labels, *[config.classes] * len(labels)])
        condition = self._weights["class_emb.weight"][classes]
        modulations = self._modulations(condition)
        caches = [_Cache(len(classes), config, self._rounding) for _ in range(config.depth)]
        ends = list(accumulate(size**2 for size in config.patch_sizes))
        last = len(ends) - 1
        x = condition[:, None] + self._weights["pos_start"] + self._positions[:, : ends[0]]
        tokens: list[Tokens] = []
        latents: Array = np.zeros(
            (len(labels), config.vqvae.latent_channels, *(config.vqvae.latent_size,) * 2), np.float32
        )
        for scale in range(len(ends)):
            for block in range(config.depth):
                x = self._block(block, x, modulations[block], caches[block])
            with_class, without = np.split(self._logits(x, condition), 2)
            strength = np.float32(cfg * (scale / last))
            logits = restrict((1 + strength) * with_class - strength * without, top_k, top_p)
            tokens.append(draw(logits, places[:, ends[scale] - logits.shape[1] : ends[scale]]))
            latents = latents + self.vqvae.expand(scale, tokens[-1])
            if scale != last:
                x = self._dense(self.vqvae.pool(latents, scale + 1), "word_embed")
                x = np.tile(x + self._positions[:, ends[scale] : ends[scale + 1]], (2, 1, 1))
            if progress is not None:
                progress(scale + 1, len(ends))
        return tokens, latents

    def _dense(self, x: Array, key: str) -> Array:
        """A linear layer that is not offloaded."""
        return np.asarray(x @ self._weights[f"{key}.weight"].T + self._weights[f"{key}.bias"])

    def _modulations(self, condition: Array) -> list[Array]:
        """adaLN's parameters [6, B, 1, width] of each block; they are the same at every scale."""
        width = self.config.width
        if self.config.shared_adaln:
            shared = self._dense(silu(condition), "shared_ada_lin.1").reshape(len(condition), 1, 6, width)
            every = [self._weights[f"blocks.{block}.ada_gss"] + shared for block in range(self.config.depth)]
        else:
            every = [
                self._dense(silu(condition), f"blocks.{block}.ada_lin.1").reshape(len(condition), 1, 6, width)
                for block in range(self.config.depth)
            ]
        return [np.moveaxis(parameters, 2, 0) for parameters in every]

    def _block(self, block: int, x: Array, modulation: Array, cache: _Cache) -> Array:
        eps = self.config.norm_eps
        h = layer_norm(x, eps) * (modulation[_SCALE_ATTENTION] + 1) + modulation[_SHIFT_ATTENTION]
        h = self.linear(f"{block}.proj", self._attend(block, self.linear(f"{block}.mat_qkv", h), cache))
        x = x + h * modulation[_GATE_ATTENTION]
        h = layer_norm(x, eps) * (modulation[_SCALE_FFN] + 1) + modulation[_SHIFT_FFN]
        h = self.linear(f"{block}.fc2", gelu(self.linear(f"{block}.fc1", h)))
        return np.asarray(x + h * modulation[_GATE_FFN])

    def _attend(self, block: int, qkv: Array, cache: _Cache) -> Array:
        """Queries, keys and values [B, L, 3 * width] to what `proj` takes, [B, L, width]."""
        batch, length, _ = qkv.shape
        query, key, value = np.transpose(qkv.reshape(batch, length, 3, self.config.heads, -1), (2, 0, 3, 1, 4))
        scale = np.exp(np.minimum(self._weights[f"blocks.{block}.attn.scale_mul_1H11"], MAX_LOG_ATTENTION_SCALE))
        keys, values = cache.extend(normalize(key), value)
        weights = softmax(np.matmul(normalize(query) * scale, np.swapaxes(keys, 2, 3)))
        return np.moveaxis(np.matmul(weights, values), 1, 2).reshape(batch, length, -1)

    def _logits(self, x: Array, condition: Array) -> npt.NDArray[np.float32]:
        scale, shift = np.moveaxis(
            self._dense(silu(condition), "head_nm.ada_lin.1").reshape(len(condition), 1, 2, -1), 2, 0
        )
        return self._dense(layer_norm(x, self.config.norm_eps) * (scale + 1) + shift, "head")
