# SPDX-License-Identifier: Apache-2.0
"""Files of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sw_quant.files import new_file
from sw_quant.var.checkpoint import load_strict, read_tensors


def save_tensors(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = torch.float16) -> None:
    """Write ``tensors``, floating-point ones as ``dtype`` (None: as they are).

    Raises:
        FpqvarError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (value.to(dtype) if dtype is not None and value.is_floating_point() else value).cpu().contiguous()
        for name, value in tensors.items()
    }
    with new_file(path) as aside:
        save_file(stored, aside)


def load_into(module: nn.Module, path: Path, device: torch.device) -> None:
    """Give ``module`` the tensors of ``path`` in float32, without gradients, in evaluation mode."""
    load_strict(module, read_tensors(path), path)
    module.to(device)
