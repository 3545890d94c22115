# SPDX-License-Identifier: Apache-2.0
"""VAR models: configuration, networks, sampling and checkpoints."""

from sw_quant.var.block import LinearExecutor, LinearLayer
from sw_quant.var.config import PRESETS, VarConfig, VqvaeConfig
from sw_quant.var.transformer import Var
from sw_quant.var.vqvae import Vqvae

__all__ = ["PRESETS", "LinearExecutor", "LinearLayer", "Var", "VarConfig", "Vqvae", "VqvaeConfig"]
