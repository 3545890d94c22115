# SPDX-License-Identifier: Apache-2.0
"""MixedFormat: each layer gets the element formats that its output is least wrong with (FPQVAR, section 3.1).

Formats of weights and of activations are chosen together, over captured inputs of all scale steps weighted alike. The
result is a recipe with a table for each layer whose choice is not its kind's: `load_recipe` reads it back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from sw_quant.calibration.capture import Captures
from sw_quant.calibration.galt import output_error
from sw_quant.errors import UsageError
from sw_quant.quantize import layer_signs
from sw_quant.recipe import LAYER_KINDS, LayerRecipe, Recipe
from sw_quant.var.checkpoint import LoadedModel

__all__ = ["Found", "recipe_text", "search"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Found:
    """A layer's choice, its relative output error, and that of the recipe that was started from."""

    part: LayerRecipe
    error: float
    before: float


@torch.no_grad()
def search(
    model: LoadedModel,
    recipe: Recipe,
    captures: Captures,
    weights: Sequence[str],
    activations: Sequence[str],
    progress: Progress | None = None,
) -> dict[str, Found]:
    """Choose formats for every captured layer.

    Args:
        model: the model that was captured.
        recipe: groups and transforms, and the formats to compare with.
        captures: the layers' inputs.
        weights, activations: formats to choose from; the recipe's own are always among them.
        progress: told layers done and of all.

    Raises UsageError for a recipe whose quantizers are not the contract's.
    """
    if off := recipe.off_engine():
        raise UsageError(f"recipe {recipe.name}: formats are searched for the contract's quantizer, not for {off}'s")
    signs = layer_signs(model.config, recipe)
    linears = model.var.linear_layers()
    found = {}
    for done, name in enumerate(captures.plan.layers, 1):
        part = recipe.layer(name)
        samples = captures.layer(name)
        weight = linears[name].weight.detach().float().cpu()
        d = signs.get(name)
        pairs = dict.fromkeys([(part.weights, part.activations), *product(weights, activations)])
        errors = {pair: _error(samples, weight, d, part, *pair) for pair in pairs}
        best = min(errors, key=lambda pair: errors[pair])
        chosen = part.model_copy(update={"weights": best[0], "activations": best[1]})
        found[name] = Found(chosen, errors[best], errors[part.weights, part.activations])
        if progress is not None:
            progress(done, len(captures.plan.layers))
    return found


def _error(
    samples: Sequence[Tensor], weight: Tensor, d: Tensor | None, part: LayerRecipe, weights: str, activations: str
) -> float:
    tried = part.model_copy(update={"weights": weights, "activations": activations})
    return output_error(samples, weight, torch.ones(weight.shape[1]), d, tried)


def recipe_text(recipe: Recipe, found: dict[str, Found], description: str) -> str:
    """The recipe as a TOML file."""
    lines = [f'description = "{description}"']
    lines += [f'ties = "{recipe.ties}"'] if recipe.ties != "even" else []
    lines += [f"seed = {recipe.seed}"] if recipe.seed else []
    file = recipe.factors_file()
    factors = recipe.factors if file is None else str(file.resolve())  # the text may end up in another folder
    lines += [
        f"{key} = {json.dumps(value)}" for key, value in (("kv_cache", recipe.kv_cache), ("factors", factors)) if value
    ]
    for kind in LAYER_KINDS:
        lines += ["", f"[{kind}]", *_table(recipe.layer(kind))]
    for name in dict.fromkeys([*recipe.layers, *found]):
        part = found[name].part if name in found else recipe.layer(name)
        if part != recipe.layer(name.rpartition(".")[2]):
            why = f"  # output error {found[name].error:.3e}, was {found[name].before:.3e}" if name in found else ""
            lines += ["", f'[layers."{name}"]{why}', *_table(part)]
    return "\n".join(lines) + "\n"


def _table(part: LayerRecipe) -> list[str]:
    """Every key of a layer that is not left at its default."""
    lines = []
    for key, field in LayerRecipe.model_fields.items():
        value = getattr(part, key)
        if field.is_required() or value != field.default:
            written = "row" if value is None else value
            lines.append(f"{key} = {json.dumps(written)}")  # TOML writes strings, numbers and booleans as JSON does
    return lines
