# SPDX-License-Identifier: Apache-2.0
"""From layers quantized by error to the layers of a packed model: the same codes and scales for the same engine."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sw_quant.errors import UsageError
from sw_quant.packed import LayerEntry, PackedLayer
from sw_quant.ptq.grid import values_to_qtensor
from sw_quant.ptq.layers import QuantizedLinear
from sw_quant.ptq.reconstruct import draw_calibration, reconstruct
from sw_quant.recipe import Recipe
from sw_quant.var.checkpoint import LoadedModel

__all__ = ["quantize_by_error"]


def quantize_by_error(
    model: LoadedModel, recipe: Recipe, progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, PackedLayer], dict[str, Tensor]]:
    """Quantize all linear layers by a recipe with `by_error`, on the device that the model is on.

    A device's own rounding can decide between two weights that are nearly as good, so only the same device, library
    and recipe give the same bytes.

    Returns:
        The layers, and what adaLN has to multiply the inputs of mat_qkv and fc1 by, float32 [width], on the CPU.

    Raises UsageError when the recipe asks for what this cannot do.
    """
    options = recipe.by_error
    if options is None or recipe.ties != "even":
        raise UsageError(f"recipe {recipe.name}: by_error goes with ties = 'even' only")
    total, done = len(model.var.linear_layers()), 0

    def report(*_: object) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    limits = model.defaults["cfg"], int(model.defaults["top_k"]), model.defaults["top_p"]
    calibration = draw_calibration(model.var, options.images, recipe.seed, *limits)
    found = reconstruct(model.var, calibration, recipe, report)
    factors = {name: layer.choice.factors.cpu() for name, layer in found.items() if layer.choice.factors is not None}
    return {name: _pack(layer) for name, layer in found.items()}, factors


def _pack(layer: QuantizedLinear) -> PackedLayer:
    n, k = layer.values.shape
    q = values_to_qtensor(layer.values.cpu(), layer.scales.cpu(), layer.format, layer.group)
    entry = LayerEntry(
        n=n,
        k=k,
        weights=layer.format,
        activations=layer.choice.activations,
        group=min(layer.group, k),
        ght=layer.choice.ght,
    )
    return PackedLayer(entry, q.pack().numpy(), q.scales.numpy(), layer.bias.cpu().float().numpy())
