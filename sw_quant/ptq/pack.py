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
from sw_quant.ptq.results import Result, cached, digest, keep, state_file
from sw_quant.ptq.tune import tune
from sw_quant.recipe import ByError, Recipe
from sw_quant.var.checkpoint import LoadedModel

__all__ = ["quantize_by_error"]


def quantize_by_error(model: LoadedModel, recipe: Recipe, progress: Callable[[int, int], None] | None = None) -> Result:
    """Quantize all linear layers by a recipe with `by_error`, on the device that the model is on.

    A device's own rounding can decide between two weights that are nearly as good, so only the same device, library
    and recipe give the same bytes. What was tuned is kept (see `results`) and found again.

    Raises:
        UsageError: the recipe asks for what this cannot do.
        FpqvarError: a kept result, or the state of an interrupted tuning, cannot be read.
    """
    if recipe.by_error is None or recipe.ties != "even":
        raise UsageError(f"recipe {recipe.name}: by_error goes with ties = 'even' only")
    found = None if recipe.tune is None else cached(model, recipe)
    if found is None:
        found = _quantize(model, recipe, recipe.by_error, progress)
        if recipe.tune is not None:
            keep(found, model, recipe)
    return found


def _quantize(
    model: LoadedModel, recipe: Recipe, by_error: ByError, progress: Callable[[int, int], None] | None
) -> Result:
    options, state = recipe.tune, dict[str, Tensor]()
    layers = len(model.var.linear_layers())
    total, done = layers + (options.iterations if options else 0), 0

    def report(*_: object) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    limits = model.defaults["cfg"], int(model.defaults["top_k"]), model.defaults["top_p"]
    calibration = draw_calibration(model.var, by_error.images, recipe.seed, *limits)
    found = reconstruct(model.var, calibration, recipe, report)
    if options is not None:
        own = draw_calibration(model.var, options.images, recipe.seed + 1, *limits)
        images = own.labels[: options.images], own.inputs[: options.images]  # the rest are the same, without a class
        place, run = state_file(model, recipe), digest(model, recipe)
        tuned = tune(model.var, found, options, images, limits[0], recipe.seed, report, place, run)
        found, state = tuned.layers, {key: value.cpu() for key, value in tuned.state.items()}
    factors = {name: layer.choice.factors.cpu() for name, layer in found.items() if layer.choice.factors is not None}
    return Result({name: _pack(layer) for name, layer in found.items()}, factors, state)


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
