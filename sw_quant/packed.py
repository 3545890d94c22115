# SPDX-License-Identifier: Apache-2.0
"""Packed models: a folder with everything that a device and its host need to draw images.

    manifest.json        what it is: recipe, formats, shapes, contract version, where it came from, SHA-256 of each file
    model.safetensors    linear.<layer>.codes   uint8 [N, K * bits / 8], rows packed as docs/packing.md shows
                         linear.<layer>.scales  float16 [N, groups]
                         linear.<layer>.bias    float32 [N]
                         (MX, NVFP4: scales are uint8, their bytes; NVFP4 has linear.<layer>.global_scale, float32 [1])
                         float.<key>            the transformer's other tensors, under their checkpoint keys
    vqvae.safetensors    the VQVAE, under its checkpoint keys

Floats that half precision holds exactly are stored in it, the others in single: nothing but the linear layers changes.
Reading and writing need numpy, pydantic and safetensors, not torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from . import __version__
from ._generated import CONTRACT_VERSION, FORMATS
from .errors import FpqvarError
from .files import new_folder, sha256
from .presets import PRESETS, Preset, ScaleRule
from .recipe import FormatName, Group, LayerRecipe, Method, Recipe, Ties, describe_problems

__all__ = [
    "Array",
    "LayerEntry",
    "Manifest",
    "PackedLayer",
    "PackedModel",
    "Source",
    "Study",
    "is_packed",
    "layer_arrays",
    "load_packed",
    "new_manifest",
    "save_packed",
    "take_layer",
]

Array = npt.NDArray[Any]
MANIFEST, MODEL, VQVAE = "manifest.json", "model.safetensors", "vqvae.safetensors"
_AGAIN = "copy the folder again, or make it anew with `fpqvar quantize`"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Study(_Strict):
    """How activations are quantized where no engine can: see `LayerRecipe`. With a preset, the weights too."""

    activation_group: Group
    activation_method: Method
    ties: Ties = "even"
    preset: str | None = None
    rule: ScaleRule = "floor"

    @staticmethod
    def of(part: LayerRecipe, ties: Ties = "even") -> "Study":
        """What a recipe says of a layer."""
        group = part.group if part.activation_group == "same" else part.activation_group
        return Study(
            activation_group=group,
            activation_method=part.activation_method,
            ties=ties,
            preset=part.preset,
            rule=part.rule,
        )


class LayerEntry(_Strict):
    """One linear layer: n outputs, k inputs, formats, elements a group (K where a row is one), transform.

    `study` is there for what no engine computes.
    """

    n: int
    k: int
    weights: FormatName
    activations: FormatName
    group: int
    ght: bool
    study: Study | None = None

    @property
    def bits(self) -> int:
        """Bits of a weight's code."""
        return FORMATS[self.weights].bits

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of each of the layer's arrays."""
        own = {
            "codes": ((self.n, self.k * self.bits // 8), "uint8"),
            "scales": ((self.n, -(-self.k // self.group)), "float16" if self.preset is None else "uint8"),
            "bias": ((self.n,), "float32"),
        }
        if self.preset is not None and self.preset.scale == "e4m3":
            own["global_scale"] = ((1,), "float32")
        return own

    @property
    def preset(self) -> Preset | None:
        """Of MX or NVFP4, in place of the contract's scales."""
        return None if self.study is None or self.study.preset is None else PRESETS[self.study.preset]


class Source(_Strict):
    """What the model was made from: its name or path, and the checkpoint's SHA-256."""

    name: str
    sha256: str


class FileEntry(_Strict):
    """A file of the folder."""

    bytes: int
    sha256: str


class Manifest(_Strict):
    """manifest.json. `model` is the configuration as `sw_quant.var.config` writes it; `defaults` are for sampling.
    `factors` says which smoothing factors were folded in."""

    kind: Literal["fpqvar packed model"] = "fpqvar packed model"
    contract_version: int
    tool_version: str
    recipe: Recipe
    source: Source
    model: dict[str, Any]
    class_names: tuple[str, ...]
    defaults: dict[str, float]
    layers: dict[str, LayerEntry]
    factors: str | None = None
    files: dict[str, FileEntry] = {}


@dataclass(frozen=True, eq=False)
class PackedLayer:
    """One linear layer's arrays, as model.safetensors holds them. The bytes of E8M0 and E4M3 scales are uint8."""

    entry: LayerEntry
    codes: npt.NDArray[np.uint8]
    scales: Array
    bias: npt.NDArray[np.float32]
    global_scale: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class PackedModel:
    """A packed model in memory. `floats` and `vqvae` are the other tensors, by checkpoint key."""

    manifest: Manifest
    layers: Mapping[str, PackedLayer]
    floats: Mapping[str, Array]
    vqvae: Mapping[str, Array]

    @property
    def weight_bytes(self) -> int:
        """Bytes of all codes, scales and biases."""
        return sum(part.nbytes for layer in self.layers.values() for part in (layer.codes, layer.scales, layer.bias))


def new_manifest(**values: Any) -> Manifest:
    """A manifest of this version of the tool and the contract; `files` is filled in by `save_packed`."""
    return Manifest(contract_version=CONTRACT_VERSION, tool_version=__version__, **values)


def save_packed(model: PackedModel, folder: Path, replace: bool = False) -> Manifest:
    """Write a packed model, all of it or nothing; returns the manifest with its files' SHA-256.

    Raises FpqvarError when `folder` is there already and `replace` is not asked for, or when writing fails.
    """
    arrays = {f"float.{key}": value for key, value in model.floats.items()}
    for name, layer in model.layers.items():
        arrays |= layer_arrays(f"linear.{name}", layer)
    with new_folder(folder, replace) as aside:
        for file, tensors in ((MODEL, arrays), (VQVAE, model.vqvae)):
            try:
                save_file({key: np.ascontiguousarray(tensors[key]) for key in sorted(tensors)}, aside / file)
            except SafetensorError as error:
                raise OSError(str(error)) from error
        entries = {
            file: FileEntry(bytes=(aside / file).stat().st_size, sha256=sha256(aside / file)) for file in (MODEL, VQVAE)
        }
        manifest = model.manifest.model_copy(update={"files": entries})
        (aside / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def is_packed(folder: Path) -> bool:
    """Whether `folder` looks like a packed model."""
    return (folder / MANIFEST).is_file()


def load_packed(folder: Path) -> PackedModel:
    """Read a packed model and check all of it.

    Raises:
        FpqvarError: a file is missing, cut off or altered, the manifest has a wrong key or another contract version,
            or a tensor is missing or has another shape; the message names file, value and remedy.
    """
    manifest = _load_manifest(folder / MANIFEST)
    for file in (MODEL, VQVAE):
        _check_file(folder / file, manifest.files.get(file), folder / MANIFEST)
    arrays, vqvae = (_load_arrays(folder / file) for file in (MODEL, VQVAE))
    path, entries = folder / MODEL, manifest.layers
    layers = {name: take_layer(arrays, f"linear.{name}", entry, path) for name, entry in entries.items()}
    for key in arrays:
        if not key.startswith("float."):
            raise FpqvarError(f"{folder / MODEL}: unknown tensor {key!r}, of no layer in the manifest; {_AGAIN}")
    return PackedModel(manifest, layers, {key.removeprefix("float."): value for key, value in arrays.items()}, vqvae)


def _load_manifest(path: Path) -> Manifest:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FpqvarError(f"{path}: {error.strerror}; give the folder of a packed model (`fpqvar quantize`)") from error
    except ValueError as error:
        raise FpqvarError(f"{path} is not valid JSON ({error}); {_AGAIN}") from error
    version = data.get("contract_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version != CONTRACT_VERSION:
        raise FpqvarError(
            f"{path}: contract version {version}, where this fpqvar has {CONTRACT_VERSION}; "
            "quantize the checkpoint again with `fpqvar quantize`"
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise FpqvarError(f"{path}: {describe_problems(error)}; {_AGAIN}") from error


def _check_file(path: Path, entry: FileEntry | None, manifest: Path) -> None:
    if entry is None:
        raise FpqvarError(f"{manifest}: files: no entry for {path.name}; {_AGAIN}")
    if not path.is_file():
        raise FpqvarError(f"{path} is missing; {_AGAIN}")
    if path.stat().st_size != entry.bytes:
        raise FpqvarError(f"{path} has {path.stat().st_size} bytes, where the manifest says {entry.bytes}; {_AGAIN}")
    found = sha256(path)
    if found != entry.sha256:
        raise FpqvarError(f"{path} was altered: sha256 {found}, where the manifest says {entry.sha256}; {_AGAIN}")


def _load_arrays(path: Path) -> dict[str, Array]:
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise FpqvarError(f"{path} is no safetensors file: {error}; {_AGAIN}") from error


def layer_arrays(prefix: str, layer: PackedLayer) -> dict[str, Array]:
    """A layer's arrays by the keys that files have them under."""
    return {f"{prefix}.{part}": getattr(layer, part) for part in layer.entry.shapes}


def take_layer(arrays: dict[str, Array], prefix: str, entry: LayerEntry, path: Path) -> PackedLayer:
    """Move a layer's arrays out of those of a file, checked against its entry.

    Raises FpqvarError naming `path` and the tensor that is missing or has another shape.
    """
    parts: dict[str, Array] = {}
    for part, (shape, dtype) in entry.shapes.items():
        key = f"{prefix}.{part}"
        if key not in arrays:
            raise FpqvarError(f"{path}: tensor {key!r} is missing; {_AGAIN}")
        parts[part] = arrays.pop(key)
        if parts[part].shape != shape or str(parts[part].dtype) != dtype:
            raise FpqvarError(
                f"{path}: tensor {key!r} is {parts[part].dtype} {list(parts[part].shape)}, "
                f"where the manifest says {dtype} {list(shape)}; {_AGAIN}"
            )
    return PackedLayer(entry, **parts)
