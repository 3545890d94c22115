# SPDX-License-Identifier: Apache-2.0
"""Weights for other software: safetensors with the names and conventions of `compressed-tensors`, as vLLM reads them.

For each layer `<name>` (mxfp6_e3m2 has no form there):

    <name>.weight_packed         uint8 [N, K * bits / 8]     packed as docs/packing.md shows: two codes in a byte, or
                                                             four in three bytes, the first in the lowest bits
    <name>.weight_scale          nvfp4: float8_e4m3fn [N, K / 16]; mx: uint8 [N, K / 32], E8M0 with bias 127
    <name>.weight_global_scale   nvfp4: float32 [1]
    <name>.bias                  float32 [N], where there is one

**The reciprocal convention.** `weight_global_scale` is the factor that the weights were *multiplied* by,
448 * 6 / absmax: a weight is code * weight_scale / weight_global_scale. TensorRT Model Optimizer stores the reciprocal
of the same number, as `weight_scale_2`, and multiplies by it; `read_compressed` takes either name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import FpqvarError, UsageError
from .files import new_folder
from .mx import PRESETS, MxTensor, ScaleRule, pack_rows, quantize_mx, unpack_rows
from .var import LinearLayer

__all__ = ["FORMAT_NAMES", "CompressedLayer", "read_compressed", "write_compressed"]

FORMAT_NAMES = {
    "nvfp4": "nvfp4-pack-quantized",
    "mxfp4": "mxfp4-pack-quantized",
    "mxfp6_e2m3": "mxfp6-pack-quantized",
}
WEIGHTS, CONFIG = "model.safetensors", "config.json"


@dataclass(frozen=True, eq=False)
class CompressedLayer:
    """A layer's weight [N, K] and bias [N] or None."""

    weight: MxTensor
    bias: Tensor | None


def write_compressed(
    layers: Mapping[str, LinearLayer], folder: Path, preset: str, rule: ScaleRule = "floor", replace: bool = False
) -> None:
    """Quantize layers and write model.safetensors and config.json, all of it or nothing.

    Raises UsageError for a preset that has no packed form there, and what `quantize_mx` raises, naming the layer.
    """
    if preset not in FORMAT_NAMES:
        raise UsageError(f"preset '{preset}' has no packed form in compressed-tensors; {', '.join(FORMAT_NAMES)} have")
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        try:
            weight = quantize_mx(layer.weight.detach().float().cpu(), preset, rule)
        except FpqvarError as error:
            raise type(error)(f"layer {name}: {error}") from error
        tensors[f"{name}.weight_packed"] = pack_rows(weight.codes, weight.preset.format.bits)
        tensors[f"{name}.weight_scale"] = weight.scales
        if weight.global_scale is not None:
            tensors[f"{name}.weight_global_scale"] = weight.global_scale
        tensors[f"{name}.bias"] = layer.bias.detach().float().cpu().contiguous()
    chosen = PRESETS[preset]
    weights = {
        "num_bits": chosen.format.bits,
        "type": "float",
        "strategy": "tensor_group" if preset == "nvfp4" else "group",
        "group_size": chosen.group,
        "symmetric": True,
        "dynamic": False,
    }
    config = {
        "quantization_config": {
            "quant_method": "compressed-tensors",
            "format": FORMAT_NAMES[preset],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
            "ignore": [],
        }
    }
    with new_folder(folder, replace) as aside:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, aside / WEIGHTS, {"format": "pt"})
        (aside / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def read_compressed(folder: Path) -> dict[str, CompressedLayer]:
    """Read a folder in one of these formats, ours or another tool's.

    Raises FpqvarError that names the file, the tensor and what is wrong with it.
    """
    preset = _preset(folder / CONFIG)
    path = folder / WEIGHTS
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError) as error:
        raise FpqvarError(f"{path}: cannot be read ({error}); copy the folder again") from error
    names = sorted(key.removesuffix(".weight_packed") for key in tensors if key.endswith(".weight_packed"))
    if not names:
        raise FpqvarError(f"{path}: no tensor ends in .weight_packed; is it a model of compressed-tensors?")
    return {name: _layer(name, tensors, preset, path) for name in names}


def _preset(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["quantization_config"]["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FpqvarError(f"{path}: no quantization_config.format in it ({error}); copy the folder again") from error
    for preset, name in FORMAT_NAMES.items():
        if name == found:
            return preset
    raise FpqvarError(f"{path}: format {found!r} is not read here; {', '.join(FORMAT_NAMES.values())} are")


def _layer(name: str, tensors: Mapping[str, Tensor], preset: str, path: Path) -> CompressedLayer:
    chosen = PRESETS[preset]
    packed = tensors[f"{name}.weight_packed"]
    if packed.dtype != torch.uint8 or packed.ndim != 2 or packed.shape[1] % (chosen.group * chosen.format.bits // 8):
        raise FpqvarError(
            f"{path}: {name}.weight_packed is {packed.dtype} {list(packed.shape)}, where {preset} has torch.uint8 rows "
            f"of whole groups of {chosen.group}; copy the folder again"
        )
    codes = unpack_rows(packed, chosen.format.bits)
    rows, k = codes.shape
    scales = tensors.get(f"{name}.weight_scale")
    kind = torch.uint8 if chosen.scale == "e8m0" else torch.float8_e4m3fn
    if scales is None or scales.dtype != kind or tuple(scales.shape) != (rows, k // chosen.group):
        found = "missing" if scales is None else f"{scales.dtype} {list(scales.shape)}"
        raise FpqvarError(
            f"{path}: {name}.weight_scale is {found}, where {preset} has {kind} {[rows, k // chosen.group]}; copy the "
            "folder again"
        )
    global_scale = None
    if preset == "nvfp4":
        global_scale = _global_scale(name, tensors, path)
    return CompressedLayer(MxTensor(codes, scales, chosen, global_scale), tensors.get(f"{name}.bias"))


def _global_scale(name: str, tensors: Mapping[str, Tensor], path: Path) -> Tensor:
    ours, theirs = tensors.get(f"{name}.weight_global_scale"), tensors.get(f"{name}.weight_scale_2")
    if ours is None and theirs is None:
        raise FpqvarError(f"{path}: {name}.weight_global_scale is missing; copy the folder again")
    scale = (ours if ours is not None else 1 / theirs.float()).float().reshape(-1)  # type: ignore[union-attr]
    if scale.numel() != 1 or not bool(torch.isfinite(scale).all()) or float(scale) <= 0:
        raise FpqvarError(f"{path}: {name}: global scale {scale.tolist()} is not one positive number")
    return scale
