# SPDX-License-Identifier: Apache-2.0
"""The outlier twin: the same images in float, and harder to quantize."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from host.cli import app
from sw_quant.errors import UsageError
from sw_quant.packed import Source
from sw_quant.quantize import quantize_model
from sw_quant.quantizer import quantize
from sw_quant.recipe import load_recipe
from sw_quant.twin import SIGMA, outlier_profile, outlier_twin
from sw_quant.var import VarConfig
from sw_quant.var.checkpoint import load_model
from tests.tiny import CONFIG, tiny_model


def test_the_shipped_models_twin_draws_the_same_images() -> None:
    plain, twin = load_model("fmnist"), load_model("fmnist-twin")
    labels = torch.arange(20) % 10
    seeds = list(range(20))
    expected, _ = plain.var.generate_tokens(labels, 0, 2.0, 0, 0.0, image_seeds=seeds)
    found, _ = twin.var.generate_tokens(labels, 0, 2.0, 0, 0.0, image_seeds=seeds)
    # Same tokens, same codebook and decoder: same bytes.
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert plain.sha256 != twin.sha256


@pytest.mark.parametrize("shared_adaln", [False, True])
def test_logits_agree_within_float32s_rounding(shared_adaln: bool) -> None:
    plain = tiny_model(shared_adaln)
    twin = outlier_twin(plain, seed=3, sigma=2.0)
    labels = torch.tensor([0, 2])
    inputs = torch.randn(2, CONFIG.tokens - 1, CONFIG.vqvae.latent_channels, generator=torch.manual_seed(1))
    expected, found = plain.var(labels, inputs), twin.var(labels, inputs)
    assert float((expected - found).abs().max() / expected.abs().max()) < 1e-4
    assert not torch.equal(plain.var.linear_layers()["0.fc1"].weight, twin.var.linear_layers()["0.fc1"].weight)


def test_weights_are_divided_exactly_and_nothing_else_changes() -> None:
    plain = tiny_model()
    before = {key: value.clone() for key, value in plain.var.state_dict().items()}
    twin = outlier_twin(plain)
    profile = outlier_profile(CONFIG, 0, SIGMA)
    for name, layer in twin.var.linear_layers().items():
        own = plain.var.linear_layers()[name]
        factors = profile.get(name, torch.ones(layer.weight.shape[1]))
        assert torch.equal(layer.weight * factors, own.weight)
        assert torch.equal(layer.bias, own.bias)
    changed = {key for key, value in twin.var.state_dict().items() if not torch.equal(value, before[key])}
    kinds = ("ada_lin.1.weight", "ada_lin.1.bias", "attn.mat_qkv.weight", "ffn.fc1.weight")
    assert changed == {f"blocks.{block}.{kind}" for block in range(CONFIG.depth) for kind in kinds}
    assert all(torch.equal(value, before[key]) for key, value in plain.var.state_dict().items())


def test_the_profile_is_log_normal_in_powers_of_two() -> None:
    config = replace(VarConfig(depth=4, width=1024, heads=16), shared_adaln=False)
    profile = outlier_profile(config, 5, 1.0)
    octaves = torch.cat([factors.log2() for factors in profile.values()])
    assert torch.equal(octaves, octaves.round())
    assert abs(float(octaves.mean())) < 0.05
    # A rounded draw has 1/12 more variance.
    assert float(octaves.std()) == pytest.approx(math.sqrt(1 / math.log(2) ** 2 + 1 / 12), rel=0.03)
    assert not torch.equal(profile["0.fc1"], profile["1.fc1"])
    again, other = outlier_profile(config, 5, 1.0), outlier_profile(config, 6, 1.0)
    assert all(torch.equal(profile[name], again[name]) for name in profile)
    assert not torch.equal(profile["0.fc1"], other["0.fc1"])
    shared = outlier_profile(replace(config, shared_adaln=True), 5, 1.0)
    assert torch.equal(shared["0.fc1"], shared["3.fc1"])


def test_four_bits_are_harder_for_it() -> None:
    def error(weight: torch.Tensor, x: torch.Tensor) -> float:
        y = x @ weight.T
        product = quantize(x, "e2m1").dequantize() @ quantize(weight, "e2m1").dequantize().T
        return float((product - y).square().sum() / y.square().sum())

    weight = load_model("fmnist").var.linear_layers()["3.fc1"].weight
    twin = load_model("fmnist-twin").var.linear_layers()["3.fc1"].weight
    x = torch.randn(64, weight.shape[1], generator=torch.manual_seed(0))
    assert error(twin, x * (weight / twin)[0]) > 2 * error(weight, x)


@pytest.mark.parametrize(("seed", "sigma"), [(0, -1.0), (0, float("nan")), (0, float("inf")), (-1, 1.0)])
def test_bad_profiles_are_refused(seed: int, sigma: float) -> None:
    with pytest.raises(UsageError, match="give"):
        outlier_profile(CONFIG, seed, sigma)


def test_the_command_writes_a_model_that_can_be_scored(tmp_path: Path) -> None:
    out = tmp_path / "twin"
    result = CliRunner().invoke(app, ["twin", "fmnist", "--seed", "0", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "factors from 0.0" in result.output
    expected, found = load_model("fmnist-twin"), load_model(out)
    state = expected.var.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in found.var.state_dict().items())
    assert {path.name for path in out.iterdir()} >= {"classifier.safetensors", "reference.safetensors"}
    assert "galt-e2m1.safetensors: the model's factors of GALT, rescaled" in result.output
    again = CliRunner().invoke(app, ["twin", "fmnist", "--out", str(out)])
    assert isinstance(again.exception, UsageError)


def test_with_rescaled_factors_the_written_twin_is_quantized_to_the_same_weights(tmp_path: Path) -> None:
    """Powers of two come in with the factors as exactly as they went out of the weights: the same codes."""
    out = tmp_path / "twin"
    assert CliRunner().invoke(app, ["twin", "fmnist", "--seed", "7", "--out", str(out)]).exit_code == 0
    recipe = load_recipe("fpqvar-fp4-galt")
    plain, twin = (quantize_model(m, recipe, Source(name="", sha256="")) for m in map(load_model, ("fmnist", str(out))))
    for name, layer in plain.layers.items():
        assert (layer.codes == twin.layers[name].codes).all(), name
        assert (layer.scales == twin.layers[name].scales).all(), name


def test_a_model_without_factors_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = replace(tiny_model(), folder=tmp_path)
    monkeypatch.setattr("sw_quant.var.checkpoint.load_model", lambda name: model)
    result = CliRunner().invoke(app, ["twin", "tiny", "--out", str(tmp_path / "twin")])
    assert result.exit_code == 0, result.output
    assert "no factors of GALT beside tiny; learn the twin's with `fpqvar calibrate" in result.output
