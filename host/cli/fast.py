# SPDX-License-Identifier: Apache-2.0
"""Drawing by `FastVar`, for evaluations of large models: an image in one CUDA graph, in half precision.

Linear layers of a quantized model have the engine's bits all the same, of the inputs that they get. What lies between
them (normalisation, attention, the sum through the blocks) is rounded otherwise than in `Var`, which computes in single
precision and in another order: tokens whose draw falls near an edge differ, so images do, and a run says which it was.
"""

import copy
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.cli.draw import Sampling
from host.cli.progress import Ticks
from sw_quant.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from sw_quant.packed import PackedModel
    from sw_quant.recipe import Recipe
    from sw_quant.var.checkpoint import LoadedModel

__all__ = ["FastDrawer", "check_fast"]


def check_fast(recipes: "dict[str, Recipe | None]", backend: str, golden: str) -> None:
    """Refuse what is not drawn so, before anything is; raises UsageError."""
    if backend != golden:
        raise UsageError(f"--fast computes the linear layers itself; leave it out, or leave --backend {backend} out")
    for name, recipe in recipes.items():
        if recipe is not None and recipe.off_engine():
            raise UsageError(f"--fast: no engine computes {name}, and --fast has an engine's layers only; leave it out")


class FastDrawer:
    """Draws any number of images, `images` at a time."""

    def __init__(
        self, loaded: "LoadedModel", packed: "PackedModel | None", sampling: Sampling, images: int, device: str
    ) -> None:
        from sw_quant.quantize import rebuild
        from sw_quant.var.fast import FastVar
        from sw_quant.var.linears import ExactLinears

        if packed is None:
            var, linears = copy.deepcopy(loaded.var).to(device), None
            var.vqvae.to(device)
        else:
            var, linears = rebuild(packed, device), ExactLinears.of_packed(packed.layers, device)
        self._images = images
        self._fast = FastVar(var, images, sampling.cfg, sampling.top_k, sampling.top_p, linears)

    def draw(self, labels: Sequence[int], seeds: Sequence[int], ticks: Ticks, text: str) -> "tuple[Tensor, float]":
        """One image for each label and seed, float [B, C, H, W] on the CPU, and the seconds."""
        import torch

        parts, start = [], time.perf_counter()
        with ticks.bar(text, len(labels)) as bar:
            for first in range(0, len(labels), self._images):
                part = slice(first, first + self._images)
                count = len(labels[part])
                spare = [0] * (self._images - count)  # the graph always draws as many
                images = self._fast.generate([*labels[part], *spare], [*seeds[part], *spare])
                parts.append(images[:count].float().cpu())
                bar.add(count)
        return torch.cat(parts), time.perf_counter() - start
