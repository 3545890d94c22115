# SPDX-License-Identifier: Apache-2.0
"""Reading model files, strictly: every tensor there, none too many, each of the right shape and finite."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sw_quant.errors import FpqvarError

# Buffers that follow from the configuration; the mask holds minus infinity by design. They must equal ours.
DERIVED = ("lvl_1L", "attn_bias_for_masking")


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
        # Nothing but tensors and plain containers is unpickled: a model file must not be able to run code.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (SafetensorError, OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FpqvarError(f"{path}: cannot be read as a model file ({reason}); fetch it again") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise FpqvarError(f"{path}: holds more than one flat table of tensors; save the model's state_dict() alone")
    return state


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Give ``module`` its tensors, as float32 (whole-number buffers keep their type).

    The module may be on the meta device; it ends up where the tensors are.

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
        if name not in DERIVED and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise FpqvarError(f"{path}: tensor '{name}' holds NaN or infinity; fetch the file again")
        if name in DERIVED and not like.is_meta and not torch.equal(value, like):
            raise FpqvarError(f"{path}: tensor '{name}' is for other scales; use the file that belongs to this model")
        state[name] = value.contiguous()
    module.load_state_dict(state, assign=True)
    module.requires_grad_(False)


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
