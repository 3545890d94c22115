# SPDX-License-Identifier: Apache-2.0
"""VAR models: configuration, networks, sampling and checkpoints. Only the networks need torch; they load when used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sw_quant.var.config import PRESETS, VarConfig, VqvaeConfig

if TYPE_CHECKING:
    from sw_quant.var.block import LinearExecutor, LinearLayer
    from sw_quant.var.transformer import Var
    from sw_quant.var.vqvae import Vqvae

__all__ = ["PRESETS", "LinearExecutor", "LinearLayer", "Var", "VarConfig", "Vqvae", "VqvaeConfig"]

_NETWORKS = {"LinearExecutor": "block", "LinearLayer": "block", "Var": "transformer", "Vqvae": "vqvae"}


def __getattr__(name: str) -> Any:
    if name not in _NETWORKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NETWORKS[name]}"), name)
