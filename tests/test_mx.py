# SPDX-License-Identifier: Apache-2.0
"""MX and NVFP4 against independent libraries (torchao, ml_dtypes), and weights in compressed-tensors' names."""

import json
import warnings
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sw_quant.codes import values
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.interchange import FORMAT_NAMES, read_compressed, write_compressed
from sw_quant.mx import PRESETS, RULES, MxTensor, ScaleRule, pack_rows, quantize_mx, unpack_rows
from tests.tiny import tiny_model

MX = [name for name, preset in PRESETS.items() if preset.scale == "e8m0"]
ELEMENTS: dict[str, Any] = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
}


def torchao_mx(x: torch.Tensor, preset: str, rule: str) -> tuple[torch.Tensor, torch.Tensor]:
    """torchao's scales, uint8, and values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        formats = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor", exc_type=ImportError)
        config = pytest.importorskip("torchao.prototype.mx_formats.config", exc_type=ImportError)
    elements = {"mxfp4": torch.float4_e2m1fn_x2, "mxfp6_e2m3": "fp6_e2m3", "mxfp6_e3m2": "fp6_e3m2"}
    mode = config.ScaleCalculationMode(rule)
    scale, data = formats.to_mx(x, elements[preset], 32, scaling_mode=mode)
    whole = formats.to_dtype(data, scale, elements[preset], 32, torch.float32)
    return scale.view(torch.uint8), whole


def samples(seed: int) -> torch.Tensor:
    """Groups of every size, with ties, powers of two, and largest values just below and above a power of two."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(64, 96, generator=generator) * torch.exp2(torch.randint(-30, 30, (64, 1), generator=generator))
    x[0] = 0
    x[1, :32] = torch.randint(-12, 13, (32,), generator=generator) / 2
    x[2, :32] = 1.0
    x[3, :32] = torch.nextafter(torch.tensor(2.0), torch.tensor(0.0))
    x[4, :32] = torch.nextafter(torch.tensor(2.0), torch.tensor(3.0))
    x[5, :32] = 6.0
    x[6, :32] = 7.0
    x[7, :32] = 1.75
    return x


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("preset", ["mxfp4"])
def test_mx_is_torchaos(preset: str, rule: ScaleRule) -> None:
    for seed in range(4):
        x = samples(seed)
        scale, whole = torchao_mx(x, preset, rule)
        ours = quantize_mx(x, preset, rule)
        live = x.view(64, 3, 32).abs().amax(-1) > 0  # what the scale of zeros is does not matter
        assert torch.equal(ours.scales[live], scale.view(64, 3)[live])
        assert torch.equal(ours.dequantize(), whole)


def _exponent(a: float, preset: str, rule: str) -> int:
    """The rules of the OCP specification's words, in exact arithmetic."""
    from fractions import Fraction

    value, chosen = Fraction(a), PRESETS[preset]
    if rule == "even":
        floor = _floor_log2(value)
        step = Fraction(2) ** (floor - chosen.mantissa_bits)
        value = (value / step + Fraction(1, 2)).__floor__() * step
    if rule == "rceil":
        value, extra = value / Fraction(chosen.largest), 0
    else:
        extra = chosen.largest_exponent
    floor = _floor_log2(value)
    up = rule in ("ceil", "rceil") and value != Fraction(2) ** floor
    return min(max(floor + up - extra, -127), 127)


def _floor_log2(value: Any) -> int:
    from fractions import Fraction

    power: int = value.numerator.bit_length() - value.denominator.bit_length()
    return power if Fraction(2) ** power <= value else power - 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("preset", MX)
def test_scale_rules_in_exact_arithmetic(preset: str, rule: ScaleRule) -> None:
    x = samples(9)
    found = quantize_mx(x, preset, rule).scales.int() - 127
    absmax = x.view(64, 3, 32).abs().amax(-1)
    for a, power in zip(absmax.flatten().tolist(), found.flatten().tolist(), strict=True):
        if a:
            assert power == _exponent(a, preset, rule), (a, power)


@pytest.mark.parametrize("preset", PRESETS)
@given(seed=st.integers(0, 2**32 - 1))
def test_elements_are_ml_dtypes(preset: str, seed: int) -> None:
    x = torch.randn(8, 96, generator=torch.Generator().manual_seed(seed))
    x[0, :48] = torch.arange(48) / 8 - 3  # ties
    ours = quantize_mx(x, preset)
    chosen = PRESETS[preset]
    steps = ours.steps().repeat_interleave(chosen.group, -1).numpy()
    ratio = np.clip(
        np.divide(x.double().numpy(), steps, where=steps > 0, out=np.zeros_like(steps)), -chosen.largest, chosen.largest
    )
    wanted = ratio.astype(ELEMENTS[chosen.element]).astype(np.float64)
    found = np.array(values(chosen.format))[ours.codes.numpy()]
    assert np.array_equal(found, wanted)


def test_nvfp4_is_torchaos() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("torchao.prototype.mx_formats.nvfp4_tensor", exc_type=ImportError)
    x = torch.randn(32, 64) * 3
    ours = quantize_mx(x, "nvfp4")
    assert ours.global_scale is not None
    theirs = module.per_tensor_amax_to_scale(x.abs().max())
    # The reciprocal convention: torchao divides by its scale, compressed-tensors multiplies by ours.
    torch.testing.assert_close(1 / theirs, ours.global_scale[0], rtol=1e-6, atol=0)
    scale, data = module.nvfp4_quantize(x, 16, theirs)
    same = (scale.view(torch.uint8) == ours.scales.view(torch.uint8)).float().mean()
    assert same > 0.99  # it rounds the reciprocal once more; a scale on the edge may differ
    rows = (scale.view(torch.uint8) == ours.scales.view(torch.uint8)).all(dim=1)
    assert torch.equal(unpack_rows(data)[rows] % 8, ours.codes[rows] % 8)


@pytest.mark.parametrize("preset", PRESETS)
def test_zeros_subnormals_and_what_is_not_finite(preset: str) -> None:
    assert not quantize_mx(torch.zeros(2, 64), preset).dequantize().any()
    tiny = torch.full((1, 64), 2.0**-149)
    assert torch.isfinite(quantize_mx(tiny, preset).dequantize()).all()
    huge = torch.full((1, 64), 2e38)
    assert torch.isfinite(quantize_mx(huge, preset, "rceil").dequantize()).all()
    with pytest.raises(FpqvarError, match="Inf or NaN"):
        quantize_mx(torch.full((1, 64), torch.nan), preset)


def test_wrong_usage() -> None:
    with pytest.raises(UsageError, match="unknown preset 'mxfp5'; the presets are mxfp4, "):
        quantize_mx(torch.zeros(1, 32), "mxfp5")
    with pytest.raises(UsageError, match="unknown scale rule 'round'; the rules are floor"):
        quantize_mx(torch.zeros(1, 32), "mxfp4", "round")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="K = 33 is not a multiple of mxfp4's group, 32"):
        quantize_mx(torch.zeros(1, 33), "mxfp4")


def test_packing_is_low_nibble_first() -> None:
    codes = torch.arange(16, dtype=torch.uint8)[None]
    assert pack_rows(codes)[0].tolist() == [0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE]
    assert torch.equal(unpack_rows(pack_rows(codes)), codes)


@pytest.mark.parametrize("preset", FORMAT_NAMES)
def test_weights_for_others(preset: str, tmp_path: Path) -> None:
    layers = tiny_model().var.linear_layers()
    write_compressed(layers, tmp_path / "out", preset)
    from safetensors.torch import load_file

    tensors = load_file(tmp_path / "out" / "model.safetensors")
    names = {"weight_packed", "weight_scale", "bias"} | ({"weight_global_scale"} if preset == "nvfp4" else set())
    assert {key.rpartition(".")[2] for key in tensors} == names
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert config["format"] == f"{preset.partition('_')[0]}-pack-quantized"
    found = read_compressed(tmp_path / "out")
    assert found.keys() == layers.keys()
    for name, layer in layers.items():
        direct = quantize_mx(layer.weight.detach(), preset)
        assert torch.equal(found[name].weight.dequantize(), direct.dequantize())
        assert torch.equal(found[name].bias, layer.bias)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", FORMAT_NAMES)
def test_compressed_tensors_reads_and_writes_the_same(preset: str, tmp_path: Path) -> None:
    """The package itself: it decompresses what we wrote to our values, and compresses them to our bytes."""
    package = pytest.importorskip("compressed_tensors.compressors", exc_type=ImportError)
    quantization = pytest.importorskip("compressed_tensors.quantization", exc_type=ImportError)
    from safetensors.torch import load_file

    layers = tiny_model().var.linear_layers()
    write_compressed(layers, tmp_path / "out", preset)
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    scheme = quantization.QuantizationScheme(**config["config_groups"]["group_0"])
    compressor = package.BaseCompressor.get_value_from_registry(config["format"])
    assert compressor.can_compress(torch.nn.Linear, scheme)
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    for name in layers:
        stored = {key.rpartition(".")[2]: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
        assert set(compressor.compression_param_names(scheme)) == stored.keys() - {"bias"}
        ours = read_compressed(tmp_path / "out")[name].weight
        restored = compressor.decompress(stored, scheme)
        # It computes in bfloat16, whose eight bits hold every product of a code and a power of two.
        exact = preset != "nvfp4"
        torch.testing.assert_close(restored["weight"].float(), ours.dequantize(), rtol=0 if exact else 2**-7, atol=0)
        steps = ours.steps().float() * (1 if ours.global_scale is None else ours.global_scale)
        again = {"weight": ours.dequantize(), "weight_scale": steps} | {
            key: stored[key] for key in ("weight_global_scale",) if key in stored
        }
        packed = compressor.compress(again, scheme)
        assert torch.equal(packed["weight_scale"].view(torch.uint8), stored["weight_scale"].view(torch.uint8))
        zero = unpack_rows(stored["weight_packed"], ours.preset.format.bits) % (1 << ours.preset.format.bits - 1) == 0
        theirs, own = (
            unpack_rows(part, ours.preset.format.bits) for part in (packed["weight_packed"], stored["weight_packed"])
        )
        assert torch.equal(theirs[~zero], own[~zero])  # a zero's sign is lost in its value


def test_the_reciprocal_convention(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    layers = tiny_model().var.linear_layers()
    write_compressed(layers, tmp_path / "out", "nvfp4")
    path = tmp_path / "out" / "model.safetensors"
    tensors = load_file(path)
    for key in [key for key in tensors if key.endswith("global_scale")]:
        scale = tensors.pop(key)
        weight = layers[key.removesuffix(".weight_global_scale")].weight
        assert float(scale) == pytest.approx(448 * 6 / float(weight.abs().max()), rel=1e-6)
        tensors[key.replace("weight_global_scale", "weight_scale_2")] = 1 / scale  # as Model Optimizer has it
    save_file(tensors, path)
    found = read_compressed(tmp_path / "out")["0.fc1"].weight.dequantize()
    torch.testing.assert_close(found, quantize_mx(layers["0.fc1"].weight.detach(), "nvfp4").dequantize())


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'mxfp6_e3m2' has no packed form"):
        write_compressed({}, tmp_path / "out", "mxfp6_e3m2")
    with pytest.raises(FpqvarError, match=r"config\.json: no quantization_config"):
        read_compressed(tmp_path)
    layers = tiny_model().var.linear_layers()
    write_compressed(layers, tmp_path / "out", "nvfp4")
    from safetensors.torch import load_file, save_file

    path = tmp_path / "out" / "model.safetensors"
    whole = load_file(path)
    for key, message in (("weight_scale", "weight_scale is missing"), ("weight_global_scale", "is missing")):
        save_file({name: tensor for name, tensor in whole.items() if name != f"0.fc1.{key}"}, path)
        with pytest.raises(FpqvarError, match=message):
            read_compressed(tmp_path / "out")
    save_file(whole | {"0.fc1.weight_packed": whole["0.fc1.weight_packed"][:, :12].clone()}, path)
    with pytest.raises(FpqvarError, match=r"0\.fc1\.weight_packed is .*, where nvfp4 has .* groups of 16"):
        read_compressed(tmp_path / "out")
    save_file(whole | {"0.fc1.weight_scale": whole["0.fc1.weight_scale"][:1].clone()}, path)
    with pytest.raises(FpqvarError, match=r"0\.fc1\.weight_scale is .*, where nvfp4 has"):
        read_compressed(tmp_path / "out")
    (tmp_path / "out" / "config.json").write_text('{"quantization_config": {"format": "int-quantized"}}')
    with pytest.raises(FpqvarError, match="format 'int-quantized' is not read here"):
        read_compressed(tmp_path / "out")


def test_a_tensor_knows_its_steps() -> None:
    codes = torch.tensor([[1] * 32], dtype=torch.uint8)
    assert MxTensor(codes, torch.tensor([[128]], dtype=torch.uint8), PRESETS["mxfp4"]).dequantize()[0, 0] == 1.0


def test_from_the_command_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from host.cli import app

    done = CliRunner().invoke(app, ["export", "fmnist", "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert "24 layers in nvfp4, relative error of the weights 0.0" in done.output
    assert len(read_compressed(tmp_path / "out")) == 24
    for arguments, message in (
        (["--preset", "nvfp5"], "unknown preset"),
        (["--rule", "up"], "unknown rule"),
        ([], "there already"),
    ):
        with pytest.raises(UsageError, match=message):
            CliRunner().invoke(
                app, ["export", "fmnist", "--out", str(tmp_path / "out"), *arguments], catch_exceptions=False
            )
