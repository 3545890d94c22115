# SPDX-License-Identifier: Apache-2.0
"""The fast generator draws what `Var.generate` draws; on a GPU its kernels agree with plain torch."""

import pytest
import torch

from sw_quant.errors import FpqvarError, UsageError
from sw_quant.executor import GoldenLinears
from sw_quant.packed import Source
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.recipe import load_recipe
from sw_quant.var.fast import FastVar
from sw_quant.var.linears import ExactLinears, FakeQuantLinears
from tests.tiny import tiny_model

LABELS, SEEDS = [2, 0, 1], [5, 6, 7]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("cfg", "top_k", "top_p"), [(2.0, 0, 0.0), (1.5, 5, 0.0), (3.0, 20, 0.9)])
def test_single_precision(shared: bool, cfg: float, top_k: int, top_p: float) -> None:
    """In single precision nothing but the order of additions differs: the same tokens, so nearly the same images."""
    model = tiny_model(shared_adaln=shared)
    images = FastVar(model.var, 3, cfg, top_k, top_p, dtype=torch.float32, graph=False).generate(LABELS, SEEDS)
    expected = model.var.generate(torch.tensor(LABELS), 0, cfg, top_k, top_p, image_seeds=SEEDS)
    assert torch.allclose(images, expected, atol=1e-4)
    assert not torch.allclose(images[:1], images[1:2], atol=1e-2)


@pytest.mark.parametrize("recipe", ["fpqvar-fp4-kv6", "fpqvar-fp6", "int8-rtn"])
def test_fake_quantized(recipe: str) -> None:
    """Each layer comes as near to the golden one as half precision allows; drawing again gives the same images."""
    model = tiny_model()
    packed = quantize_model(model, load_recipe(recipe), Source(name="tiny", sha256="0" * 64))
    linears = FakeQuantLinears.of_packed(packed.layers, DEVICE)
    golden = GoldenLinears(packed.layers)
    for name, layer in packed.layers.items():
        x = torch.randn(50, layer.entry.k, generator=torch.Generator().manual_seed(1)).half()
        expected = golden(name, x)
        error = linears(name, x.to(DEVICE)).cpu().float() - expected
        assert 0 < error.abs().max() < 0.004 * expected.abs().max()
    fast = FastVar(rebuild(packed, DEVICE), 3, 2.0, linears=linears)
    images = fast.generate(LABELS, SEEDS).clone()
    assert images.dtype == torch.float16
    assert bool(torch.isfinite(images).all())
    assert torch.equal(images, fast.generate(LABELS, SEEDS))
    assert not torch.equal(images, fast.generate(LABELS, [5, 6, 8]))


@pytest.mark.parametrize("recipe", ["fpqvar-fp4-kv6", "fpqvar-fp6", "int8-rtn"])
def test_exact(recipe: str) -> None:
    """The golden layers' bits, and images."""
    packed = quantize_model(tiny_model(), load_recipe(recipe), Source(name="tiny", sha256="0" * 64))
    linears, golden = ExactLinears.of_packed(packed.layers, DEVICE), GoldenLinears(packed.layers)
    for name, layer in packed.layers.items():
        x = torch.randn(50, layer.entry.k, generator=torch.Generator().manual_seed(1)).half()
        assert torch.equal(linears(name, x.to(DEVICE)).cpu().float(), golden(name, x))
    assert linears.flags.tolist() == [0, 0]
    fast = FastVar(rebuild(packed, DEVICE), 3, 2.0, linears=linears)
    images = fast.generate(LABELS, SEEDS).clone()
    assert torch.equal(images, fast.generate(LABELS, SEEDS))


def test_flags_become_errors() -> None:
    packed = quantize_model(tiny_model(), load_recipe("fpqvar-fp4"), Source(name="tiny", sha256="0" * 64))
    packed.layers["1.proj"].bias[3] = 70000.0
    fast = FastVar(rebuild(packed, DEVICE), 3, linears=ExactLinears.of_packed(packed.layers, DEVICE))
    with pytest.raises(FpqvarError, match="half precision"):
        fast.generate(LABELS, SEEDS)


def test_study_layers_are_refused() -> None:
    packed = quantize_model(tiny_model(), load_recipe("int4-log2"), Source(name="tiny", sha256="0" * 64))
    with pytest.raises(UsageError, match="studies"):
        FakeQuantLinears.of_packed(packed.layers, DEVICE)


def test_refusals() -> None:
    model = tiny_model()
    with pytest.raises(UsageError, match="at least one"):
        FastVar(model.var, 0)
    fast = FastVar(model.var, 1, dtype=torch.float32, graph=False)
    with pytest.raises(UsageError, match="2 labels"):
        fast.generate([0, 1], [1, 2])
    with pytest.raises(UsageError, match="no class 3"):
        fast.generate([3], [1])
    with pytest.raises(UsageError, match="seed"):
        fast.generate([0], [-1])
    model.var.word_embed.weight.fill_(torch.nan)
    with pytest.raises(FpqvarError, match="not finite"):
        fast.generate([0], [1])
