# SPDX-License-Identifier: Apache-2.0
"""Fake quantization of activations that no engine has: every code, every kind of group, and whole models."""

import math
from pathlib import Path

import pytest
import torch

from sw_quant.activations import quantize_by, study_activations
from sw_quant.errors import FpqvarError
from sw_quant.executor import GoldenLinears
from sw_quant.hadamard import ght as hadamard_transform
from sw_quant.hadamard import hadamard_fold_weight
from sw_quant.mx import quantize_mx
from sw_quant.packed import LayerEntry, Source, Study, load_packed, save_packed
from sw_quant.presets import PRESETS, ScaleRule
from sw_quant.quantize import layer_signs, quantize_model, rebuild
from sw_quant.quantizer import quantize
from sw_quant.recipe import Method, load_recipe, shipped_recipes
from tests.tiny import tiny_model

STUDIES = [name for name in shipped_recipes() if load_recipe(name).off_engine()]


def study(method: Method, group: int | None = None) -> Study:
    return Study(activation_group=group, activation_method=method)


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("low", [-1.0, -0.25, 0.0])
def test_asymmetric_keeps_its_own_grid(bits: int, low: float) -> None:
    """Every value of the grid, which has 2^bits of them and zero, comes back as it is."""
    most = (1 << bits) - 1
    zero = round(-low * most)
    x = ((torch.arange(most + 1) - zero) * 0.5)[None]
    x = torch.nn.functional.pad(x, (0, -x.shape[1] % 32))
    assert torch.equal(quantize_by(x, f"int{bits}", study("asymmetric")), x)
    near = x + 0.2
    near[0, 0], near[0, most] = x[0, 0], x[0, most]
    near[:, most + 1 :] = 0
    assert torch.equal(quantize_by(near, f"int{bits}", study("asymmetric")), x)


def test_asymmetric_is_never_worse_than_a_step() -> None:
    x = torch.randn(64, 256) + 1
    y = quantize_by(x, "int4", study("asymmetric", 64))
    groups = x.view(64, 4, 64)
    step = (groups.amax(-1).clamp(min=0) - groups.amin(-1).clamp(max=0)) / 15
    assert ((x - y).view(64, 4, 64).abs() <= step[..., None] * 0.51).all()


@pytest.mark.parametrize("bits", [4, 6])
def test_log2_keeps_powers_of_two(bits: int) -> None:
    least = (1 << (bits - 1)) - 2
    powers = 2.0 ** -torch.arange(least + 1)
    x = torch.cat([powers, -powers, torch.zeros(-(2 * least + 2) % 32)])[None]
    assert torch.equal(quantize_by(x, f"int{bits}", study("log2")), x)
    # In the logarithm the border between two powers is at the square root of two.
    x[0, 1] = 0.5 * math.sqrt(2) * 1.001
    assert quantize_by(x, f"int{bits}", study("log2"))[0, 1] == 1
    x[0, 1] = 0.5 * math.sqrt(2) * 0.999
    assert quantize_by(x, f"int{bits}", study("log2"))[0, 1] == 0.5
    x[0, 1] = 2.0**-least / 2  # below the least
    assert quantize_by(x, f"int{bits}", study("log2"))[0, 1] == 0


@pytest.mark.parametrize("method", ["asymmetric", "log2", "symmetric"])
def test_zeros_stay_and_infinities_are_refused(method: Method) -> None:
    assert not quantize_by(torch.zeros(3, 64), "int4", study(method, 32)).any()
    for bad in (torch.inf, -torch.inf, torch.nan):
        x = torch.zeros(3, 64)
        x[2, 5] = bad
        with pytest.raises(FpqvarError, match="Inf or NaN"):
            quantize_by(x, "int4", study(method, 32))


@pytest.mark.parametrize("method", ["asymmetric", "log2", "symmetric"])
def test_groups(method: Method) -> None:
    x = torch.randn(4, 160) * torch.tensor([1.0, 10, 100, 1000])[:, None]
    whole = quantize_by(x, "int8", study(method, None))
    assert torch.equal(whole, torch.cat([quantize_by(row[None], "int8", study(method, None)) for row in x]))
    parts = torch.cat([quantize_by(x[:, i : i + 64], "int8", study(method, None)) for i in (0, 64, 128)], dim=1)
    assert torch.equal(quantize_by(x, "int8", study(method, 64)), parts)  # the last group is shorter
    tensor = Study(activation_group="tensor", activation_method=method)
    one = quantize_by(x, "int8", tensor)
    assert torch.equal(one, quantize_by(x.view(1, -1), "int8", study(method, None)).view_as(x))


def test_symmetric_is_the_contracts() -> None:
    x = torch.randn(5, 256)
    entry = LayerEntry(n=32, k=256, weights="e2m1", activations="e2m1", group=128, ght=False)
    assert torch.equal(study_activations(x, entry), quantize(x, "e2m1", group=128).dequantize())


def test_the_papers_ties_reach_activations_and_weights() -> None:
    """0.25 of a group whose scale is 1 lies between 0 and 0.5, 2.5 between 2 and 3: even indices, or upwards."""
    x = torch.zeros(1, 128)
    x[0, :5] = torch.tensor([6.0, 0.25, -0.25, 2.5, -2.5])
    paper = Study(activation_group=128, activation_method="symmetric", ties="paper")
    even = Study(activation_group=128, activation_method="symmetric")
    assert quantize_by(x, "e2m1", even)[0, :5].tolist() == [6.0, 0.0, 0.0, 2.0, -2.0]
    assert quantize_by(x, "e2m1", paper)[0, :5].tolist() == [6.0, 0.5, 0.0, 3.0, -2.0]
    loaded, source = tiny_model(), Source(name="tiny", sha256="0" * 64)
    loaded.var.linear_layers()["0.proj"].weight[0] = x[0]
    packed = quantize_model(loaded, load_recipe("fp4-rtn-paper"), source)
    entry = packed.layers["0.proj"].entry
    assert entry.study == paper
    y = GoldenLinears(packed.layers)("0.proj", torch.eye(128)[:5] * 6)
    row = y[:, 0] - torch.from_numpy(packed.layers["0.proj"].bias)[0]
    assert row.tolist() == pytest.approx([36.0, 3.0, 0.0, 18.0, -12.0], abs=1e-5)


@pytest.mark.parametrize("name", STUDIES)
def test_a_model_draws_by_fake_quantization(name: str) -> None:
    loaded = tiny_model()
    packed = quantize_model(loaded, load_recipe(name), Source(name="tiny", sha256="0" * 64))
    var = rebuild(packed)
    var.linear = GoldenLinears(packed.layers)
    signs = layer_signs(loaded.config, load_recipe(name))
    assert torch.isfinite(var.generate(torch.tensor([0, 1]), image_seeds=[1, 2])).all()
    for layer, (weight, bias) in loaded.var.linear_layers().items():
        x = torch.randn(40, weight.shape[1])
        wanted = torch.nn.functional.linear(x, weight, bias)
        x = x * signs[layer] if layer in signs else x  # as adaLN does in the whole model
        error = (var.linear(layer, x) - wanted).norm() / (wanted - bias).norm()
        assert error < {"int8": 0.05}.get(name[:4], 0.5), (layer, float(error))


@pytest.mark.parametrize(("name", "rule"), [*((name, "floor") for name in PRESETS), ("mxfp4", "rceil")])
@pytest.mark.parametrize("ght", [False, True])
def test_a_preset_is_computed_as_its_quantizer_says(name: str, rule: ScaleRule, ght: bool, tmp_path: Path) -> None:
    """Weights and activations by `quantize_mx`, which is compared with torchao's; through a file and back."""
    text = f'description = ""\n[default]\npreset = "{name}"\n'
    text += f'rule = "{rule}"\n' if rule != "floor" else ""
    path = tmp_path / "mine.toml"
    path.write_text(text + ("[fc1]\nght = true\n" if ght else ""))
    model, recipe = tiny_model(), load_recipe(str(path))
    save_packed(quantize_model(model, recipe, Source(name="tiny", sha256="0" * 64)), tmp_path / "packed")
    linear = GoldenLinears(load_packed(tmp_path / "packed").layers)
    weight, bias = model.var.linear_layers()["1.fc1"]
    x = torch.randn(2, 9, weight.shape[1], generator=torch.Generator().manual_seed(0)).half()
    x[0, 0, 0] = 100.0
    inputs = x.float()
    if ght:
        d = layer_signs(model.config, recipe)["1.fc1"]
        weight, inputs = hadamard_fold_weight(weight, d), hadamard_transform(x).float()
    inputs, weight = (quantize_mx(part, name, rule).dequantize() for part in (inputs, weight))
    assert torch.equal(linear("1.fc1", x), torch.addmm(bias, inputs.view(18, -1), weight.t()).view(2, 9, -1))


def test_no_engine_takes_it() -> None:
    from host.runtime import family_of

    packed = quantize_model(tiny_model(), load_recipe("int4-log2"), Source(name="tiny", sha256="0" * 64))
    with pytest.raises(FpqvarError, match=r"layer 0\.fc2: its recipe quantizes activations in a way that no engine"):
        family_of(packed.layers)
