# SPDX-License-Identifier: Apache-2.0
"""Smoothing factors: an input channel is divided by its factor, the weights' column multiplied, and nothing changes.

For mat_qkv and fc1, whose inputs come from adaLN: the division is folded into adaLN's scale and shift, so it costs
nothing (SmoothQuant, arXiv 2211.10438). GALT learns the factors (FPQVAR, section 3.3; `calibration.galt`).

A file of factors is safetensors with a tensor `<block>.<layer>` [C] each and the model's SHA-256 in its metadata. The
authors' own files are read as well: `mat_qkv_best_s_*.pt` and `fc1_best_s_*.pt`, each a list with a tensor of C values
for each block.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import FpqvarError
from .files import new_file
from .recipe import OWN_FACTORS, Recipe
from .var.checkpoint import LoadedModel
from .var.config import VarConfig

__all__ = ["SMOOTHED", "Factors", "load_factors", "recipe_factors", "save_factors", "scaled_factors"]

SMOOTHED = ("mat_qkv", "fc1")


@dataclass(frozen=True)
class Factors:
    """Factors by layer, "0.mat_qkv", float32 [C]. `model` is the SHA-256 of the checkpoint that they were learnt on, ""
    where nobody has noted it; `origin` is the file, for messages; `notes` say how they were made."""

    layers: Mapping[str, Tensor]
    model: str = ""
    origin: str = "factors"
    notes: str = ""

    def digest(self) -> str:
        """SHA-256 of the factors themselves, whatever file they come from."""
        digest = hashlib.sha256()
        for name, factor in sorted(self.layers.items()):
            digest.update(f"{name} {list(factor.shape)} ".encode())
            digest.update(factor.float().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def check(self, config: VarConfig, sha256: str) -> None:
        """Raise FpqvarError unless these are finite, non-zero factors of every smoothed layer of this very model."""
        if self.model and self.model != sha256:
            raise FpqvarError(
                f"{self.origin}: factors of another model (checkpoint {self.model[:12]}…, not {sha256[:12]}…); learn "
                "them anew with `fpqvar calibrate`"
            )
        wanted = {f"{block}.{kind}" for block in range(config.depth) for kind in SMOOTHED}
        depth = 1 + max((int(name.partition(".")[0]) for name in self.layers), default=-1)
        if depth != config.depth or not self.layers.keys() <= wanted:
            raise FpqvarError(
                f"{self.origin}: factors of {depth} blocks ({len(self.layers)} layers), where the model has "
                f"{config.depth}; give the file that was made for this model"
            )
        for name, factor in self.layers.items():
            if tuple(factor.shape) != (config.width,):
                raise FpqvarError(
                    f"{self.origin}: layer {name}: factors {list(factor.shape)}, where the model is {config.width} "
                    "wide; give the file that was made for this model"
                )
            wrong = (~torch.isfinite(factor) | (factor == 0)).nonzero()
            if len(wrong):
                channel = int(wrong[0])
                raise FpqvarError(
                    f"{self.origin}: layer {name}: factor {channel} is {float(factor[channel]):g}; factors are finite "
                    "and not zero (negative ones are legal): learn them anew with `fpqvar calibrate`"
                )
            if config.shared_adaln and not torch.equal(factor, self.layers[f"0.{name.partition('.')[2]}"]):
                raise FpqvarError(
                    f"{self.origin}: layer {name}: with shared adaLN, as in this model, one layer makes the parameters "
                    "of all blocks, so all blocks need the same factors; leave the factors out"
                )


def save_factors(factors: Factors, path: Path) -> None:
    """Write a file of factors, whole or not at all."""
    metadata = {"kind": "fpqvar factors", "model": factors.model, "notes": factors.notes}
    with new_file(path) as aside:
        save_file({name: factor.contiguous() for name, factor in sorted(factors.layers.items())}, aside, metadata)


def load_factors(path: Path) -> Factors:
    """Read our file, one of the authors' files, or a folder with their files.

    Raises FpqvarError that names the file and what is wrong with it.
    """
    if path.is_dir():
        found = {kind: sorted(path.glob(f"{kind}*.pt")) for kind in SMOOTHED}
        files = [file for kind in SMOOTHED for file in found[kind]]
        if not files or any(len(of_kind) > 1 for of_kind in found.values()):
            raise FpqvarError(
                f"{path}: {len(files)} files of factors, where there is to be one mat_qkv*.pt and one fc1*.pt; give a "
                "file of `fpqvar calibrate`, or a folder with the authors' two"
            )
        layers: dict[str, Tensor] = {}
        for file in files:
            layers |= _load_published(file)
        return Factors(layers, origin=str(path), notes="published")
    if not path.is_file():
        raise FpqvarError(f"{path}: no such file; learn factors with `fpqvar calibrate`")
    if path.suffix == ".pt":
        return Factors(_load_published(path), origin=str(path), notes="published")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            layers = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise FpqvarError(f"{path}: no file of factors ({error}); learn them with `fpqvar calibrate`") from error
    if metadata.get("kind") != "fpqvar factors":
        raise FpqvarError(f"{path}: a safetensors file, but not of factors; learn them with `fpqvar calibrate`")
    _check_names(layers, path)
    return Factors(layers, metadata.get("model", ""), str(path), metadata.get("notes", ""))


def scaled_factors(model: LoadedModel, scales: Mapping[str, Tensor]) -> dict[str, Factors]:
    """The factors in a model's folder that were learnt on it, by file name, for a model whose inputs are `scales` as
    large: what they leave of an input stays the same. The new model's SHA-256 is for the caller to fill in.
    """
    found = {}
    for path in sorted(model.folder.glob("galt-*.safetensors")):
        factors = load_factors(path)
        if factors.model == model.sha256:
            layers = {name: factor * scales[name] for name, factor in factors.layers.items()}
            found[path.name] = replace(factors, layers=layers, notes=f"{factors.notes}; rescaled")
    return found


def recipe_factors(recipe: Recipe, model: LoadedModel) -> Factors | None:
    """The factors that a recipe asks for: of a file, or of the model's folder, `galt-<weights>*.safetensors`; or None.

    Raises FpqvarError when they are not there, or are of another model.
    """
    if recipe.factors is None:
        return None
    file = recipe.factors_file()
    if file is not None:
        return load_factors(file)
    weights = recipe.mat_qkv.weights
    for path in sorted(model.folder.glob(f"galt-{weights}*.safetensors")):
        factors = load_factors(path)
        if factors.model == model.sha256:
            return factors
    raise FpqvarError(
        f'recipe {recipe.name} has factors = "{OWN_FACTORS}", but {model.folder} has no galt-{weights}*.safetensors '
        f"that was learnt on this model (checkpoint {model.sha256[:12]}…); learn it with `fpqvar calibrate`, and give "
        "the file to `fpqvar quantize --factors`, or name it in a recipe of your own"
    )


def _check_names(layers: Mapping[str, Tensor], path: Path) -> None:
    for name in layers:
        block, _, kind = name.partition(".")
        if not block.isdecimal() or kind not in SMOOTHED:
            raise FpqvarError(f"{path}: tensor {name!r} is of no smoothed layer; learn factors with `fpqvar calibrate`")


def _load_published(path: Path) -> dict[str, Tensor]:
    kind = next((kind for kind in SMOOTHED if path.name.startswith(kind)), None)
    if kind is None:
        raise FpqvarError(f"{path}: of which layer? The name is to begin with {' or '.join(SMOOTHED)}")
    try:
        items = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # rubbish raises whatever its bytes happen to mean
        raise FpqvarError(f"{path}: no torch file of plain tensors ({error}); download it again") from error
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, Tensor) for item in items):
        raise FpqvarError(
            f"{path}: holds {type(items).__name__}, where a list of tensors is expected; download it again"
        )
    return {f"{block}.{kind}": item.detach().float().reshape(-1) for block, item in enumerate(items)}
