# SPDX-License-Identifier: Apache-2.0
"""Quantization by error: it is better than rounding to nearest, and the engine runs it bit for bit."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from host import EngineLinears, open_device
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.executor import GoldenLinears
from sw_quant.formats import get
from sw_quant.packed import PackedModel, Source
from sw_quant.ptq.gptq import Moments, compensate, fitted, nearest, output_error
from sw_quant.ptq.grid import best_scales, round_to_grid, straight_through, values_to_qtensor
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.quantizer import quantize, quantize_with_scales
from sw_quant.recipe import Recipe, load_recipe
from sw_quant.smoothing import Factors
from sw_quant.twin import outlier_twin
from sw_quant.var.checkpoint import LoadedModel
from tests.tiny import CONFIG, tiny_model

SOURCE = Source(name="tiny", sha256="0" * 64)


def _recipe(**changes: object) -> Recipe:
    best = load_recipe("best-fp4")
    assert best.by_error is not None
    by_error = best.by_error.model_copy(update={"images": 12, **changes})
    return best.model_copy(update={"by_error": by_error, "tune": None})


def _random(seed: int, rows: int, k: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(k, k, generator=generator) / k**0.5  # correlated inputs: compensation has something to use
    x: torch.Tensor = torch.randn(rows, k, generator=generator) @ mix
    return x


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["e2m1", "e2m3", "int4"]), st.integers(0, 2**32 - 1))
def test_the_grid_is_the_contracts(format: str, seed: int) -> None:
    x = _random(seed, 6, 64)
    q = quantize(x, format, group=32)
    values = round_to_grid(x.view(6, 2, 32), q.scales[..., None], format).view(6, 64)
    assert torch.equal(values, q.dequantize())
    again = values_to_qtensor(values, q.scales, format, 32)
    assert torch.equal(again.dequantize(), values)
    assert torch.equal(quantize_with_scales(x, q.scales, format, 32).codes, q.codes)


def test_given_scales_are_checked() -> None:
    x, scales = torch.ones(2, 32), torch.ones(2, 1, dtype=torch.float16)
    with pytest.raises(FpqvarError, match="a scale is negative"):
        quantize_with_scales(x, -scales, "e2m1", 32)
    with pytest.raises(FpqvarError, match="Inf or NaN"):
        quantize_with_scales(x / 0, scales, "e2m1", 32)
    with pytest.raises(UsageError, match="scales of e2m1 codes"):
        quantize_with_scales(x, scales[:1], "e2m1", 32)
    dual = quantize(_random(0, 3, 64), "dual4", group=32)
    assert torch.equal(quantize_with_scales(_random(0, 3, 64), dual.scales, "dual4", 32).codes, dual.codes)


def test_searched_scales_are_never_worse_than_absmax() -> None:
    x, importance = _random(1, 40, 128), torch.rand(128, generator=torch.Generator().manual_seed(2))
    fmax = get("e2m1").positive.fmax

    def error(scales: torch.Tensor) -> torch.Tensor:
        return ((round_to_grid(x, scales[:, None], "e2m1") - x).square() * importance).sum(dim=1)

    searched = error(best_scales(x, importance, "e2m1"))
    assert bool((searched <= error((x.abs().amax(dim=1) / fmax).half())).all())
    assert float(searched.sum()) < 0.9 * float(error((x.abs().amax(dim=1) / fmax).half()).sum())


def test_straight_through_passes_gradients() -> None:
    x = _random(3, 4, 128).requires_grad_()
    y = straight_through(x, "e2m1", 128)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))
    exact = quantize(x.detach(), "e2m1", group=128).dequantize()
    assert torch.equal(straight_through(x.detach(), "e2m1", 128), exact)
    assert torch.allclose(y, exact, rtol=0, atol=1e-6)  # x + (rounded - x), for the gradient


def test_each_step_lowers_the_output_error() -> None:
    x, weight = _random(4, 2000, 128), torch.randn(64, 128, generator=torch.Generator().manual_seed(5))
    quantized = quantize(x, "e2m1", group=128).dequantize()
    moments = Moments.of(x, quantized)
    plain = output_error(weight, quantize(weight, "e2m1", group=128).dequantize(), moments)
    searched = output_error(weight, nearest(weight.double(), moments, "e2m1", 128)[0], moments)
    target = fitted(weight, moments)
    values, scales = compensate(target, moments, "e2m1", 128)
    assert output_error(weight, target, moments) < output_error(weight, weight, moments)
    assert searched < plain
    assert output_error(weight, values, moments) < 0.8 * searched
    direct = x @ weight.T - quantized @ values.float().T
    relative = float(
        (direct - direct.mean(dim=0)).square().sum() / (x @ weight.T).sub((x @ weight.T).mean(dim=0)).square().sum()
    )
    assert output_error(weight, values, moments) == pytest.approx(relative, rel=1e-3)
    assert torch.equal(values_to_qtensor(values, scales, "e2m1", 128).dequantize(), values.float())


@torch.no_grad()
def _logit_error(model: LoadedModel, packed: PackedModel) -> float:
    var = rebuild(packed)
    var.linear = GoldenLinears(packed.layers)
    labels = torch.arange(48) % CONFIG.classes
    inputs = torch.randn(
        48, CONFIG.tokens - 1, CONFIG.vqvae.latent_channels, generator=torch.Generator().manual_seed(9)
    )
    expected = model.var(labels, inputs)
    return float((var(labels, inputs) - expected).square().mean() / expected.square().mean())


@pytest.mark.parametrize(("twin", "shared_adaln"), [(False, False), (True, False), (False, True)])
def test_it_beats_rounding_and_the_papers_recipe(twin: bool, shared_adaln: bool) -> None:
    model = tiny_model(shared_adaln)
    if twin:
        model = outlier_twin(model, sigma=1.5)
    error = {
        name: _logit_error(model, quantize_model(model, recipe, SOURCE))
        for name, recipe in (
            ("best", _recipe()),
            ("rtn", load_recipe("fp4-rtn")),
            ("fpqvar", load_recipe("fpqvar-fp4")),
        )
    }
    assert error["best"] < error["rtn"], error
    assert error["best"] < error["fpqvar"], error


def test_the_same_recipe_gives_the_same_bytes_and_images_of_its_own() -> None:
    model, ticks = tiny_model(), list[tuple[int, int]]()
    packed = quantize_model(model, _recipe(), SOURCE, lambda done, total: ticks.append((done, total)))
    again = quantize_model(model, _recipe(), SOURCE)
    assert ticks == [(i + 1, 8) for i in range(8)]
    for name, layer in packed.layers.items():
        assert layer.codes.tobytes() == again.layers[name].codes.tobytes()
        assert layer.scales.tobytes() == again.layers[name].scales.tobytes()
        assert layer.bias.tobytes() == again.layers[name].bias.tobytes()
    assert {(entry.entry.weights, entry.entry.group) for entry in packed.layers.values()} == {("e2m1", 128)}
    assert model.var.linear is None


def test_the_engine_computes_its_layers_bit_for_bit() -> None:
    packed = quantize_model(tiny_model(), _recipe(), SOURCE)
    golden = GoldenLinears(packed.layers)
    with open_device("csim", "fp4", "small") as device:
        engine = EngineLinears(device, packed.layers, 60)
        for name, layer in packed.layers.items():
            x = _random(hash(name) % 1000, 7, layer.entry.k)
            assert torch.equal(golden(name, x), torch.as_tensor(engine(name, x))), name


def test_what_does_not_go_together_is_refused() -> None:
    factors = Factors({}, origin="mine.safetensors")
    with pytest.raises(UsageError, match=r"finds its own factors; leave mine.safetensors out"):
        quantize_model(tiny_model(), _recipe(), SOURCE, factors=factors)
    with pytest.raises(UsageError, match="ties = 'even' only"):
        quantize_model(tiny_model(), _recipe().model_copy(update={"ties": "paper"}), SOURCE)
    broken = replace(tiny_model(), defaults={"cfg": float("inf"), "top_k": 0, "top_p": 0.0})
    with pytest.raises(UsageError, match="give a finite number"):
        quantize_model(broken, _recipe(), SOURCE)
