# SPDX-License-Identifier: Apache-2.0
"""The processor's side in numpy against the same in torch: the same tokens, pixels to the last digits of a float."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import host
from host._generated import SIMULATION_GEOMETRIES
from host.cpu import NumpyVar, ops, sampling
from host.cpu.quantizer import fake_quantize
from host.runtime import EngineLinears, family_of
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.executor import GoldenLinears
from sw_quant.kvcache import CacheQuantizer
from sw_quant.packed import PackedModel, Source, load_packed, save_packed
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.recipe import load_recipe
from sw_quant.var import sampling as torch_sampling
from sw_quant.var.checkpoint import load_model
from sw_quant.var.philox import numpy_uniforms, uniforms
from tests.tiny import tiny_model

SMALL = SIMULATION_GEOMETRIES["small"]


def close(ours: ops.Array, theirs: torch.Tensor, scale: float = 1.0) -> None:
    """Equal but for the order of additions in single precision."""
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-5, atol=2e-5 * scale)


def normal(*shape: int) -> tuple[ops.Array, torch.Tensor]:
    x = torch.randn(*shape)
    return x.numpy(), x


class TestOperations:
    def test_elementwise(self) -> None:
        ours, theirs = normal(7, 1000)
        ours, theirs = ours * np.float32(30), theirs * 30
        close(ops.gelu(ours), functional.gelu(theirs, approximate="tanh"), 30)
        close(ops.silu(ours), functional.silu(theirs), 30)
        close(ops.softmax(ours), theirs.softmax(-1))
        close(ops.normalize(ours), functional.normalize(theirs, dim=-1))
        close(ops.layer_norm(ours, 1e-6), functional.layer_norm(theirs, (1000,), eps=1e-6))
        assert np.isfinite(ops.silu(np.array([-1e30, 1e30], np.float32))).all()
        assert not ops.normalize(np.zeros((1, 4), np.float32)).any()

    @pytest.mark.parametrize("size", [1, 3])
    def test_convolution(self, size: int) -> None:
        x, weight, bias = normal(2, 8, 9, 7), normal(6, 8, size, size), normal(6)
        close(ops.conv(x[0], weight[0], bias[0]), functional.conv2d(x[1], weight[1], bias[1], padding=size // 2), 10)

    def test_maps(self) -> None:
        ours, theirs = normal(2, 8, 6, 6)
        weight, bias = normal(8), normal(8)
        close(ops.group_norm(ours, 4, weight[0], bias[0]), functional.group_norm(theirs, 4, weight[1], bias[1], 1e-6))
        close(ops.upsample(ours), functional.interpolate(theirs, scale_factor=2.0, mode="nearest"))

    @pytest.mark.parametrize("size", range(1, 17))
    def test_resizing_for_every_scale(self, size: int) -> None:
        small, small_torch = normal(2, 3, size, size)
        large, large_torch = normal(2, 3, 16, 16)
        up = functional.interpolate(small_torch, size=(16, 16), mode="bicubic")
        down = functional.interpolate(large_torch, size=(size, size), mode="area")
        close(ops.resize(small, ops.bicubic_matrix(size, 16)), up)
        close(ops.resize(large, ops.area_matrix(16, size)), down)


class TestSampling:
    def test_uniforms_are_the_same_numbers(self) -> None:
        seeds = [0, 1, 2**32, 2**63 - 1]
        assert np.array_equal(numpy_uniforms(seeds, 700), uniforms(seeds, 700).numpy())

    @pytest.mark.parametrize(("top_k", "top_p"), [(0, 0.0), (5, 0.0), (0, 0.7), (40, 0.95), (1, 0.0)])
    def test_restrict_and_draw(self, top_k: int, top_p: float) -> None:
        ours, theirs = normal(3, 50, 64)
        restricted = sampling.restrict(ours, top_k, top_p)
        expected = torch_sampling.restrict(theirs, top_k, top_p)
        assert np.array_equal(np.isinf(restricted), expected.isinf().numpy())
        places = np.random.default_rng(0).random((3, 50))
        assert np.array_equal(
            sampling.draw(restricted, places), torch_sampling.draw(expected, torch.from_numpy(places)).numpy()
        )

    def test_logits_that_are_not_finite(self) -> None:
        with pytest.raises(FpqvarError, match="logits are not finite"):
            sampling.draw(np.full((1, 1, 4), np.nan, np.float32), np.zeros((1, 1)))


@pytest.mark.parametrize("format", ["e2m1", "e1m2", "e3m0", "e2m3", "e3m2", "int4", "int6", "int8", "dual4", "dual6"])
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-20, 12))
def test_the_cache_is_rounded_to_the_same_bits(format: str, seed: int, exponent: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Halves of few significant bits, so that there are ties.
    x = torch.randint(-16, 17, (5, 64), generator=generator).float() * 2.0**exponent
    x[0] = 0
    x[1] = x[1].abs()
    assert np.array_equal(fake_quantize(x.numpy(), format), CacheQuantizer(format)(x).numpy())
    with pytest.raises(FpqvarError, match="Inf or NaN"):
        fake_quantize(np.full((1, 32), np.inf, np.float32), format)


def packed(recipe: str) -> PackedModel:
    return quantize_model(tiny_model(), load_recipe(recipe), Source(name="tiny", sha256="0" * 64))


@pytest.mark.parametrize("recipe", ["fpqvar-fp4", "fp6-rtn", "fpqvar-fp4-kv6"])
@pytest.mark.parametrize("backend", ["golden", "csim"])
def test_a_tiny_model_draws_the_same_image(recipe: str, backend: str) -> None:
    model = packed(recipe)
    theirs = rebuild(model)
    theirs.linear = GoldenLinears(model.layers)
    labels, seeds = [0, 1, 1], [7, 8, 9]
    with host.open_device(backend, family_of(model.layers), "small") as device:
        ours = NumpyVar(model, EngineLinears(device, model.layers).apply)
        tokens, latents = ours.generate_tokens(labels, seeds, 2.0, 10, 0.9)
        image = ours.generate(labels, seeds, 2.0, 10, 0.9)
    expected, _ = theirs.generate_tokens(torch.tensor(labels), 0, 2.0, 10, 0.9, image_seeds=seeds)
    for map_, wanted in zip(tokens, expected, strict=True):
        assert np.array_equal(map_, wanted.numpy())
    assert latents.dtype == np.float32
    close(image, theirs.generate(torch.tensor(labels), 0, 2.0, 10, 0.9, image_seeds=seeds))


def test_the_shipped_model_draws_the_same_images() -> None:
    """With float layers. Quantized ones make steps of last bits: see the text of `host.cpu`."""
    loaded = load_model("fmnist")
    model = quantize_model(loaded, load_recipe("fp4-rtn"), Source(name="fmnist", sha256=loaded.sha256))
    layers = loaded.var.linear_layers()
    ours = NumpyVar(model, lambda name, x: functional.linear(torch.from_numpy(x), *layers[name]).detach().numpy())
    labels, seeds = list(range(10)), list(range(10))
    tokens, latents = ours.generate_tokens(labels, seeds, 3.0, 0, 0.95)
    expected, wanted = loaded.var.generate_tokens(torch.tensor(labels), 0, 3.0, 0, 0.95, image_seeds=seeds)
    for map_, theirs in zip(tokens, expected, strict=True):
        assert np.array_equal(map_, theirs.numpy())
    pixels = ours.vqvae.decode(latents)
    np.testing.assert_allclose(pixels, loaded.vqvae.decode(wanted).detach().numpy(), atol=1e-4)


def test_shared_adaln(tmp_path: Path) -> None:
    from dataclasses import replace

    from sw_quant.var import Var, Vqvae

    loaded = tiny_model()
    config = replace(loaded.config, shared_adaln=True)
    torch.manual_seed(0)
    var = Var(config, Vqvae(config.vqvae)).eval()
    for parameter in [*var.parameters(), *var.vqvae.parameters()]:
        parameter.data = torch.randn_like(parameter) * 0.1
    shared = replace(loaded, config=config, var=var, vqvae=var.vqvae)
    model = quantize_model(shared, load_recipe("fpqvar-fp4"), Source(name="tiny", sha256="0" * 64))
    theirs = rebuild(model)
    theirs.linear = golden = GoldenLinears(model.layers)
    ours = NumpyVar(model, lambda name, x: golden(name, torch.from_numpy(x)).numpy())
    close(ours.generate([1], [3]), theirs.generate(torch.tensor([1]), image_seeds=[3]))


def test_what_is_out_of_range_is_refused() -> None:
    model = packed("fp4-rtn")
    var = NumpyVar(model, lambda _name, x: x)
    with pytest.raises(UsageError, match="no class 99; the model knows 0 to"):
        var.generate([99], [0])
    with pytest.raises(UsageError, match="2 image seeds for 1 images"):
        var.generate([0], [0, 1])
    with pytest.raises(UsageError, match="top_p is 2"):
        var.generate([0], [0], top_p=2)
    with pytest.raises(FpqvarError, match=r"vqvae\.safetensors: tensor 'quantize\.embedding\.weight' is missing"):
        NumpyVar(PackedModel(model.manifest, model.layers, model.floats, {}), lambda _name, x: x)


def test_an_image_without_torch(tmp_path: Path) -> None:
    save_packed(packed("fpqvar-fp4-kv6"), tmp_path / "tiny")
    code = f"""
import sys
from pathlib import Path
sys.modules["torch"] = None
from host import EngineLinears, open_device
from host.cpu import NumpyVar
from sw_quant.packed import load_packed
packed = load_packed(Path({str(tmp_path / "tiny")!r}))
with open_device("csim", "fp4", "small") as device:
    print(NumpyVar(packed, EngineLinears(device, packed.layers).apply).generate([0], [1]).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    shape = load_packed(tmp_path / "tiny").manifest.model["vqvae"]["image_channels"]
    assert done.stdout.startswith(f"(1, {shape}, ")


def test_the_command_line_without_torch(tmp_path: Path) -> None:
    """As on a board, but for the engine."""
    save_packed(packed("fpqvar-fp4"), tmp_path / "tiny")
    code = f"""
import importlib.util, sys
sys.modules["torch"] = None
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
sys.argv = ["fpqvar", "generate", "--model", {str(tmp_path / "tiny")!r}, "--backend", "csim", "--geometry", "small",
            "--classes", "0,1", "--out", {str(tmp_path / "out")!r}]
from host.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("class*.png"))) == 2
