# SPDX-License-Identifier: Apache-2.0
"""What the tests of the board's driver share. Needs the package pynq."""

from typing import Any

import torch

import host
from host._generated import SIMULATION_GEOMETRIES
from host.devices.pynq import PynqDevice
from host.runtime import EngineLinears
from sw_quant.executor import GoldenLinears
from sw_quant.packed import PackedModel, Source
from sw_quant.quantize import quantize_model
from sw_quant.recipe import load_recipe
from tests.tiny import tiny_model

SMALL = SIMULATION_GEOMETRIES["small"]


def packed(recipe: str = "fpqvar-fp4") -> PackedModel:
    """A tiny model."""
    return quantize_model(tiny_model(), load_recipe(recipe), Source(name="tiny", sha256="0" * 64))


def open_board(**options: Any) -> PynqDevice:
    """The device as a user opens it."""
    device = host.open_device("pynq", "fp4", **options)
    assert isinstance(device, PynqDevice)
    return device


def is_right(device: PynqDevice, model: PackedModel, layer: str = "0.fc2") -> bool:
    """Whether a layer has the golden model's bits; what it takes of memory is given back."""
    engine = EngineLinears(device, {layer: model.layers[layer]}, timeout=60)
    x = torch.randn(5, model.layers[layer].entry.k)
    same = torch.equal(engine(layer, x), GoldenLinears(model.layers)(layer, x))
    engine.free()
    return same
