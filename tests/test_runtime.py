# SPDX-License-Identifier: Apache-2.0
"""A packed model on devices: the same bits as the golden linears, and every device that does not fit is refused."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import host
from host._generated import FAMILIES, SIMULATION_GEOMETRIES
from host.device import EngineInfo
from host.devices.golden import GoldenDevice
from host.runtime import EngineLinears, family_of, memory_needed
from host.tandem import Tandem
from sw_quant.errors import FpqvarError
from sw_quant.executor import GoldenLinears, to_halves
from sw_quant.packed import PackedLayer, PackedModel, Source
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.recipe import Recipe, load_recipe, shipped_recipes
from tests.tiny import tiny_factors, tiny_model

SMALL = SIMULATION_GEOMETRIES["small"]


def packed(recipe: str = "fpqvar-fp4") -> PackedModel:
    chosen = load_recipe(recipe)
    return quantize_model(tiny_model(), chosen, Source(name="tiny", sha256="0" * 64), factors=tiny_factors(chosen))


def golden_device(layers: Mapping[str, PackedLayer], geometry: str = "small", rows: int = 200) -> host.Device:
    chosen = SIMULATION_GEOMETRIES[geometry]
    return host.open_device("golden", family_of(layers), chosen, memory_bytes=memory_needed(layers, chosen, rows))


def _has_engine(recipe: Recipe) -> bool:
    return not recipe.off_engine() and recipe.fc1.weights in {family.weights for family in FAMILIES.values()}


ENGINE_RECIPES = [name for name in shipped_recipes() if _has_engine(load_recipe(name))]


@pytest.mark.parametrize("recipe", ENGINE_RECIPES)
def test_golden_device_gives_the_bits_of_the_golden_linears(recipe: str) -> None:
    model = packed(recipe)
    fast = GoldenLinears(model.layers)
    with golden_device(model.layers) as device:
        engine = EngineLinears(device, model.layers)
        for name, layer in model.layers.items():
            for rows in (1, 3, 37, 2):  # the scratch buffer grows and stays
                x = torch.randn(rows, layer.entry.k) * 3
                assert torch.equal(engine(name, x), fast(name, x))
                assert engine(name, x.view(rows, 1, -1)).shape == (rows, 1, layer.entry.n)


def test_a_whole_image_has_the_same_bits_in_every_geometry() -> None:
    model = packed()
    var = rebuild(model)
    images = []
    for geometry in (None, "small", "large", "wide"):
        if geometry is None:
            var.linear = GoldenLinears(model.layers)
        else:
            var.linear = EngineLinears(golden_device(model.layers, geometry), model.layers)
        images.append(var.generate(torch.tensor([0, 1]), seed=5, cfg=2.0))
    assert all(torch.equal(images[0], image) for image in images)


def test_memory_needed_is_enough_and_not_too_much() -> None:
    model = packed()
    rows = 64
    with golden_device(model.layers, rows=rows) as device:
        engine = EngineLinears(device, model.layers)
        for name, layer in model.layers.items():
            engine(name, torch.zeros(rows, layer.entry.k))
        with pytest.raises(FpqvarError, match="device memory is full"):
            engine("0.fc2", torch.zeros(2 * rows, 512))
        engine.free()
        assert device.memory.free_bytes == len(device.memory.data) - 64  # type: ignore[attr-defined]


def test_an_upload_that_does_not_fit_frees_what_it_took() -> None:
    model = packed()
    device = host.open_device("golden", "fp4", "small", memory_bytes=100_000)
    with pytest.raises(FpqvarError, match=r"device memory is full: the model's weights take \d+ bytes .* memory_bytes"):
        EngineLinears(device, model.layers)
    assert device.memory.free_bytes >= 100_000  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan, 65520.0, -1e30])
@pytest.mark.parametrize("executor", ["engine", "tandem", "golden"])
def test_an_input_that_fp16_cannot_hold_names_the_layer(bad: float, executor: str) -> None:
    model = packed()
    engine = EngineLinears(golden_device(model.layers), model.layers)
    run: Any = {"engine": engine, "tandem": Tandem(engine), "golden": GoldenLinears(model.layers)}[executor]
    x = torch.zeros(2, 3, 128)
    x[1, 1, 7] = bad
    with pytest.raises(
        FpqvarError, match=rf"layer 1\.proj: input element \[4, 7\] is {re.escape(format(bad, 'g'))}, .*--backend float"
    ):
        run("1.proj", x)
    assert torch.isfinite(run("1.proj", torch.zeros(2, 128))).all()  # the next call is right


def test_the_largest_half_is_still_taken() -> None:
    assert to_halves("0.proj", torch.tensor([[65519.99]])).item() == 65504


def test_flags_of_the_engine_name_the_layer() -> None:
    model = packed()
    engine = EngineLinears(golden_device(model.layers), model.layers)
    x = np.zeros((2, 128), np.float16)
    x[1, 3] = np.nan
    engine.start("1.proj", x)
    with pytest.raises(FpqvarError, match=r"layer 1\.proj: an input element is Inf or NaN"):
        engine.finish()
    with pytest.raises(FpqvarError, match=r"layer 0\.fc1: an output is beyond FP16's 65504"):
        _run_saturating(EngineLinears, model)
    with pytest.raises(FpqvarError, match=r"layer 0\.fc1: an output is beyond FP16's 65504"):
        _run_saturating(GoldenLinears, model)
    with pytest.raises(FpqvarError, match="no layer is running"):
        engine.finish()


def _run_saturating(kind: type, model: PackedModel) -> None:
    layer = model.layers["0.fc1"]
    layers = {"0.fc1": replace(layer, bias=np.full_like(layer.bias, 1e6))}
    run = kind(golden_device(layers), layers) if kind is EngineLinears else kind(layers)
    run("0.fc1", torch.zeros(1, 128))


def test_a_nan_in_the_model_stops_the_image() -> None:
    model = packed()
    var = rebuild(model)
    var.linear = EngineLinears(golden_device(model.layers), model.layers)
    var.get_parameter("blocks.1.ada_lin.1.bias").data[4 * 128] = torch.nan
    with pytest.raises(FpqvarError, match=r"layer 1\.mat_qkv: input element \[0, 0\] is nan"):
        var.generate(torch.tensor([0]), seed=0)


# Devices that do not fit.


def test_another_contract_version_is_refused() -> None:
    model = packed()
    device = golden_device(model.layers)
    device.info = replace(device.info, contract_version=7)
    with pytest.raises(FpqvarError, match="contract version 7, where this fpqvar has 1; build the engine again"):
        EngineLinears(device, model.layers)


def test_another_family_is_refused() -> None:
    with pytest.raises(FpqvarError, match=r"layer 0\.mat_qkv: e2m3 x e2m3, but the golden engine is of family fp4"):
        EngineLinears(host.open_device("golden", "fp4"), packed("fp6-rtn").layers)


def test_a_row_that_does_not_fit_is_refused() -> None:
    tight = replace(SMALL, act_depth=8)
    device = GoldenDevice("fp4", tight)
    with pytest.raises(
        FpqvarError, match=r"layer 0\.fc2: a row of K = 512 does not fit .* \(8 chunks of 32\); use a larger"
    ):
        EngineLinears(device, packed().layers)


def test_family_of_a_mix() -> None:
    layers = dict(packed("fp4-rtn").layers) | {"1.fc2": packed("fp6-rtn").layers["1.fc2"]}
    with pytest.raises(FpqvarError, match=r"no engine takes all of this model's formats: .* change the recipe"):
        family_of(layers)
    assert family_of(packed("fpqvar-fp6").layers) == "fp6"
    assert family_of(packed("int8-rtn").layers) == "int8"


def test_identity_registers_give_the_engine() -> None:
    registers = {"identity": 0x02_01_0001, "geometry": 0x07_20_08_04, "act_depth": 8192}
    info = EngineInfo.from_registers("csim", registers)
    assert (info.family, info.contract_version, info.core) == ("fp4", 1, "rtl")
    assert info.geometry == SIMULATION_GEOMETRIES["large"]
    for identity in (0, 0x01_63_0001, 0x09_01_0001):
        with pytest.raises(FpqvarError, match=rf"identity register {identity:#010x} is of no known engine"):
            EngineInfo.from_registers("csim", registers | {"identity": identity})


# Tandem.


def test_tandem_compares_and_digests() -> None:
    model = packed()
    calls: list[tuple[str, int]] = []
    engines = [EngineLinears(golden_device(model.layers, name), model.layers) for name in ("small", "large")]
    pair = Tandem(*engines, on_call=lambda name, rows: calls.append((name, rows)))
    assert not pair.is_bit_exact()  # nothing has been compared yet
    var = rebuild(model)
    var.linear = pair
    image = var.generate(torch.tensor([1]), seed=1)
    assert pair.is_bit_exact()
    assert pair.difference is None
    first, second = pair.digests()
    assert first == second
    assert first.keys() == model.layers.keys()
    assert [rows for _, rows in calls] == [2 * size**2 for size in (1, 2, 3) for _ in model.layers]
    single = Tandem(engines[0])
    var.linear = single
    assert torch.equal(var.generate(torch.tensor([1]), seed=1), image)
    assert single.digests() == [first]
    assert not single.is_bit_exact()  # one engine proves nothing


def test_tandem_tells_the_first_difference() -> None:
    model = packed()
    layer = model.layers["1.fc1"]
    scales = layer.scales.copy()
    scales[77] *= 2
    other = dict(model.layers) | {"1.fc1": replace(layer, scales=scales)}
    pair = Tandem(EngineLinears(golden_device(model.layers), model.layers), EngineLinears(golden_device(other), other))
    x = torch.ones(3, 128)
    x[0] = 0
    pair("0.fc1", x)
    assert pair.is_bit_exact()
    pair("1.fc1", torch.zeros(2, 128))
    assert pair.is_bit_exact()  # only the bias
    first = pair("1.fc1", x)
    assert torch.equal(first, GoldenLinears(model.layers)("1.fc1", x))
    assert not pair.is_bit_exact()
    found = pair.difference
    assert found is not None
    assert (found.layer, found.call, found.row, found.column) == ("1.fc1", 1, 1, 77)
    assert found.values[0] == first[1, 77].item()
    assert found.values[0] != found.values[1]
    assert str(found).startswith("layer 1.fc1, call 1, row 1, column 77: ")
    digests = pair.digests()
    assert digests[0]["0.fc1"] == digests[1]["0.fc1"]
    assert digests[0]["1.fc1"] != digests[1]["1.fc1"]


def test_tandem_sees_the_sign_of_zero() -> None:
    from host.tandem import _first_difference

    zero = np.zeros((1, 2), np.float16)
    assert _first_difference("0.fc1", 0, zero, zero.copy()) is None
    found = _first_difference("0.fc1", 0, zero, -zero)
    assert found is not None
    assert found.bits == ("0x0000", "0x8000")
