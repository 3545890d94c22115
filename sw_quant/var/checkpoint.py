# SPDX-License-Identifier: Apache-2.0
"""Reading model files, strictly: every tensor there, none too many, each of the right shape and finite."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sw_quant.errors import FpqvarError, UsageError
from sw_quant.files import sha256
from sw_quant.var.config import PRESETS, VarConfig, from_dict
from sw_quant.var.transformer import Var
from sw_quant.var.vqvae import Vqvae

# Buffers that follow from the configuration, and must equal ours. (The mask holds minus infinity by design.)
DERIVED = ("lvl_1L", "attn_bias_for_masking")

SHIPPED = Path(__file__).parent.parent / "models"
TWIN = "-twin"
HUB_REPOSITORY = "FoundationVision/var"
HUB_VQVAE = "vae_ch160v4096z32.pth"
HUB_DEFAULTS = {"cfg": 4.0, "top_k": 900, "top_p": 0.95}  # of the published demonstration


@dataclass(frozen=True)
class LoadedModel:
    """A float model, ready to draw.

    Attributes:
        config, var, vqvae: the networks, in float32 on the CPU, and their shapes.
        class_names: one for each class.
        defaults: how to sample where the user does not say: ``cfg``, ``top_k``, ``top_p``.
        sha256: of the transformer's file.
        folder: where the model's files lie; with a classifier and reference statistics, if it can be scored.
    """

    config: VarConfig
    var: Var
    vqvae: Vqvae
    class_names: tuple[str, ...]
    defaults: dict[str, float]
    sha256: str
    folder: Path


def load_model(name: str | Path) -> LoadedModel:
    """Load a model by name or path.

    Args:
        name: ``fmnist`` (shipped); ``d16`` to ``d36`` (published; fetched from the hub or found in its cache); either
            with ``-twin`` after it, its outlier twin with the default profile (:mod:`sw_quant.twin`); a folder with
            ``config.json``, ``var.safetensors`` and ``vqvae.safetensors``; or a published ``var_d16.pth``, with
            ``vae_ch160v4096z32.pth`` beside it.

    Raises:
        UsageError: no such name or path.
        FpqvarError: a file is missing, damaged, or not this model's; no network.
    """
    path = Path(name)
    if path.is_dir():
        return _load_folder(path)
    if path.is_file():
        preset = path.stem.removeprefix("var_")
        if preset not in PRESETS:
            raise UsageError(
                f"{path}: which model is it? Name it var_d16.pth (or d20, d24, d30, d36), or give its folder"
            )
        return _load_published(preset, path, path.with_name(HUB_VQVAE))
    if (SHIPPED / str(name)).is_dir():
        return _load_folder(SHIPPED / str(name))
    if str(name) in PRESETS:
        return _load_published(str(name), _from_hub(f"var_{name}.pth"), _from_hub(HUB_VQVAE))
    if str(name).removesuffix(TWIN) in PRESETS:
        from sw_quant.twin import outlier_twin  # which needs this module

        return outlier_twin(load_model(str(name).removesuffix(TWIN)))
    raise UsageError(
        f"no model '{name}'; known: {', '.join(PRESETS)} (with {TWIN}: the outlier twin), or give a model's folder"
    )


def _load_folder(folder: Path) -> LoadedModel:
    path = folder / "config.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FpqvarError(f"{path}: cannot be read ({error.strerror}); give a folder that holds a model") from None
    except ValueError as error:
        raise FpqvarError(f"{path}: is not JSON ({error}); restore the file") from None
    for key in ("model", "class_names", "defaults"):
        if not isinstance(data, dict) or key not in data:
            raise FpqvarError(f"{path}: key '{key}' is missing; restore the file")
    config = from_dict(data["model"], str(path))
    names, defaults = _names(data["class_names"], config, path), _defaults(data["defaults"], path)
    return _load(config, folder / "var.safetensors", folder / "vqvae.safetensors", names, defaults)


def _names(value: Any, config: VarConfig, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) != config.classes or not all(isinstance(name, str) for name in value):
        raise FpqvarError(f"{path}: 'class_names' must be a list of {config.classes} names; restore the file")
    return tuple(value)


def _defaults(value: Any, path: Path) -> dict[str, float]:
    if not isinstance(value, dict) or value.keys() != HUB_DEFAULTS.keys():
        raise FpqvarError(f"{path}: 'defaults' must hold {', '.join(HUB_DEFAULTS)}; restore the file")
    for key, number in value.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise FpqvarError(f"{path}: default '{key}' is {number!r}, expected a number; restore the file")
    return dict(value)


def _load_published(preset: str, var_path: Path, vqvae_path: Path) -> LoadedModel:
    config = PRESETS[preset]
    names = tuple(str(i) for i in range(config.classes))  # ImageNet's class numbers
    return _load(config, var_path, vqvae_path, names, dict(HUB_DEFAULTS))


def _load(
    config: VarConfig, var_path: Path, vqvae_path: Path, names: tuple[str, ...], defaults: dict[str, float]
) -> LoadedModel:
    with torch.device("meta"):
        vqvae = Vqvae(config.vqvae)
        var = Var(config, vqvae)
    load_strict(vqvae, read_tensors(vqvae_path), vqvae_path)
    load_strict(var, read_tensors(var_path), var_path)
    return LoadedModel(config, var, vqvae, names, defaults, sha256(var_path), var_path.parent)


def _from_hub(file: str) -> Path:
    """A published file, fetched or from the hub's cache."""
    by_hand = f"fetch {file} of the hub's {HUB_REPOSITORY} by hand, and give its path instead"
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise FpqvarError(
            f"{file}: huggingface_hub is not installed; `pip install fpqvar[hub]`, or {by_hand}"
        ) from None
    try:
        return Path(hf_hub_download(HUB_REPOSITORY, file))
    # The hub client lets the errors of its network libraries through: there is no closed list of them.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FpqvarError(f"{file}: cannot be fetched ({reason}); check the network, or {by_hand}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a ``.safetensors`` or ``.pth`` file, on the CPU.

    Raises:
        FpqvarError: the file is missing, damaged, or holds something else than named tensors.
    """
    if not path.is_file():
        raise FpqvarError(f"{path}: no such file; give the path of a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Nothing but tensors and plain containers is unpickled: a model file must not be able to run code. (torch
        # maps its present format into memory, a zip archive, and cannot map that of before 1.6.)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (SafetensorError, OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FpqvarError(f"{path}: cannot be read as a model file ({reason}); fetch it again") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise FpqvarError(f"{path}: holds more than one flat table of tensors; save the model's state_dict() alone")
    return state


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Give ``module`` its tensors, as float32 (whole-number buffers keep their type), for inference.

    The module may be on the meta device, so that its weights are never in memory twice; it ends up on the CPU.

    Args:
        module: the network.
        tensors: by state-dict key.
        path: where they came from, for the error message.

    Raises:
        FpqvarError: a tensor is missing, unknown, of another shape, or not finite.
    """
    expected = module.state_dict()
    problem = _difference(expected, tensors)
    if problem:
        raise FpqvarError(f"{path}: {problem}; use the file that belongs to this model")
    state = {}
    for name, like in expected.items():
        value = tensors[name].to(like.dtype)
        if name in DERIVED:
            if not torch.equal(value, like):
                raise FpqvarError(
                    f"{path}: tensor '{name}' is not that of this model's scales; use the model's own file"
                )
        elif value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise FpqvarError(f"{path}: tensor '{name}' holds NaN or infinity; fetch the file again")
        state[name] = value.contiguous()
    module.load_state_dict(state, assign=True)
    module.eval().requires_grad_(False)


def _difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What is wrong with the names and shapes, or the empty string."""
    missing = sorted(expected.keys() - found.keys())
    if missing:
        return f"tensor '{missing[0]}' is missing{_more(missing)}"
    extra = sorted(found.keys() - expected.keys())
    if extra:
        return f"tensor '{extra[0]}' is not part of this model{_more(extra)}"
    for name, like in expected.items():
        if found[name].shape != like.shape:
            return f"tensor '{name}' has shape {list(found[name].shape)}, expected {list(like.shape)}"
    return ""


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
