# SPDX-License-Identifier: Apache-2.0
"""Where the results of tuning are kept, since it takes hours without a GPU: by a digest of model and recipe.

A result is looked for in the model's own folder, where the shipped model has that of `best-fp4`, and then in
`~/.cache/fpqvar` ($XDG_CACHE_HOME), where new ones are put, and the state of an interrupted tuning. A file:

    <layer>.codes, .scales, .bias   as a packed model has them
    factor.<layer>                  float32 [width], what adaLN multiplies the layer's inputs by
    float.<key>                     the transformer's own tensors that were learnt
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from sw_quant.errors import FpqvarError
from sw_quant.files import new_file
from sw_quant.packed import Array, LayerEntry, PackedLayer, layer_arrays, take_layer
from sw_quant.recipe import Recipe
from sw_quant.var.checkpoint import LoadedModel

__all__ = ["Result", "cached", "digest", "keep", "state_file"]

_VERSION = 1  # of the method, or of a key's default: another one finds other results


@dataclass(frozen=True)
class Result:
    """A model quantized by error.

    Attributes:
        layers: packed, by name.
        factors: what adaLN has to multiply the inputs of mat_qkv and fc1 by, float32 [width], on the CPU.
        state: the transformer's own tensors where they were tuned, by their keys, on the CPU.
    """

    layers: dict[str, PackedLayer]
    factors: dict[str, Tensor]
    state: dict[str, Tensor]


def digest(model: LoadedModel, recipe: Recipe) -> str:
    """Sixteen digits of what a result depends on; the recipe's name and description are no part of it."""
    left_out = {"name", "description", "kv_cache", "factors"}
    asked = recipe.model_dump(mode="json", exclude=left_out, exclude_defaults=True)  # a new key changes no old digest
    parts = {"version": _VERSION, "model": model.sha256, "defaults": model.defaults, "recipe": asked}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def cached(model: LoadedModel, recipe: Recipe) -> Result | None:
    """A kept result, if there is one. Raises FpqvarError when its file is damaged."""
    for path in _places(model, recipe):
        if path.is_file():
            return _read(path)
    return None


def keep(result: Result, model: LoadedModel, recipe: Recipe) -> Path:
    """Write a result into the cache; raises FpqvarError when that is not possible."""
    *_, path = _places(model, recipe)
    arrays = {f"factor.{name}": factor.float().numpy() for name, factor in result.factors.items()}
    arrays |= {f"float.{key}": value.half().numpy() for key, value in result.state.items()}
    for name, layer in result.layers.items():
        arrays |= layer_arrays(name, layer)
    entries = {name: layer.entry.model_dump(mode="json") for name, layer in result.layers.items()}
    metadata = {"kind": "fpqvar result by error", "recipe": recipe.name, "model": model.sha256}
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as aside:
        whole = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
        save_file(whole, aside, metadata | {"layers": json.dumps(entries)})
    return path


def state_file(model: LoadedModel, recipe: Recipe) -> Path:
    """Where an interrupted tuning goes on; its folder is made."""
    *_, path = _places(model, recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_suffix(".state")


def _places(model: LoadedModel, recipe: Recipe) -> tuple[Path, Path]:
    name = f"by-error-{digest(model, recipe)}.safetensors"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fpqvar"
    return model.folder / name, cache / name


def _read(path: Path) -> Result:
    try:
        with safe_open(path, framework="numpy") as file:
            entries = json.loads(file.metadata()["layers"])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        layers = {
            name: take_layer(arrays, name, LayerEntry.model_validate(entry), path) for name, entry in entries.items()
        }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, FpqvarError) as error:
        raise FpqvarError(f"{path}: no result of this version ({error}); remove it, and it is made anew") from error
    return Result(layers, _part(arrays, "factor."), _part(arrays, "float."))


def _part(arrays: dict[str, Array], start: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(start): torch.from_numpy(value).float()
        for key, value in arrays.items()
        if key.startswith(start)
    }
