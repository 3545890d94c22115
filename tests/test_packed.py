# SPDX-License-Identifier: Apache-2.0
"""Quantizing a model and packing it: round trip and determinism. What is refused is in test_packed_folder.py."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.nn import functional

from sw_quant.errors import FpqvarError, UsageError
from sw_quant.executor import GoldenLinears, dense_weight
from sw_quant.files import sha256
from sw_quant.hadamard import hadamard_fold_weight, walsh_hadamard
from sw_quant.packed import is_packed, load_packed, save_packed
from sw_quant.presets import PRESETS
from sw_quant.quantize import fold_signs, layer_signs, quantize_model, rebuild
from sw_quant.recipe import load_recipe, shipped_recipes
from sw_quant.var import Var
from tests.tiny import SOURCE, tiny_factors, tiny_model, tiny_packed


@pytest.mark.parametrize("shared_adaln", [False, True])
@pytest.mark.parametrize("kinds", [["mat_qkv", "fc1"], ["mat_qkv"], ["fc1"]])
def test_folded_signs_and_transform_leave_the_model_as_it_was(shared_adaln: bool, kinds: list[str]) -> None:
    """In exact arithmetic the folded model equals the plain one. Here both run in float64, whose rounding (2^-53 an
    operation, and a different order of sums in the transformed layers) is all that the tolerance allows for."""
    model = tiny_model(shared_adaln)
    recipe = load_recipe("fpqvar-fp4")
    changes = {kind: recipe.layer(kind).model_copy(update={"ght": kind in kinds}) for kind in ("mat_qkv", "fc1")}
    recipe = recipe.model_copy(update=changes)
    model.var.double()
    inputs = torch.randn(2, 13, model.config.vqvae.latent_channels, dtype=torch.float64)
    labels = torch.tensor([0, 2])
    x = {}

    def plain(name: str, value: torch.Tensor) -> torch.Tensor:
        x[name] = value
        return functional.linear(value, *layers[name])

    def transformed(name: str, value: torch.Tensor) -> torch.Tensor:
        if name not in chosen:
            return functional.linear(value, *layers[name])
        # The input of the engine's transform is d x, but for one rounding of 1 + scale: signs change nothing else.
        torch.testing.assert_close(value, x[name] * chosen[name], rtol=1e-9, atol=1e-9)
        weight = walsh_hadamard(layers[name].weight * chosen[name]) / 128
        return functional.linear(walsh_hadamard(value), weight, layers[name].bias)

    layers = model.var.linear_layers()
    chosen = {name: d.double() for name, d in layer_signs(model.config, recipe).items()}
    assert {name.split(".")[1] for name in chosen} == set(kinds)
    with torch.no_grad():
        model.var.linear = plain
        before = model.var._logits(_trunk(model.var, labels, inputs), model.var.class_emb(labels))
        folded = Var(model.config, model.vqvae).double().eval()
        folded.load_state_dict(fold_signs(model.var.state_dict(), model.config, chosen))
        folded.linear = transformed
        after = folded._logits(_trunk(folded, labels, inputs), folded.class_emb(labels))
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)  # the head works in float32
    assert not any(torch.equal(chosen[name], torch.ones_like(chosen[name])) for name in chosen)


def _trunk(var: Var, labels: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """What the blocks make of teacher-forced inputs, in the type of the weights."""
    condition = var.class_emb(labels)
    x = torch.cat((condition[:, None] + var.pos_start, var.word_embed(inputs)), dim=1) + var._positions()
    shared = var._shared(condition)
    for block in cast("list[Any]", var.blocks):
        x = block(x, block.modulation(shared), var.attn_bias_for_masking.to(x.dtype), None, var.linear)
    return x


def test_folding_adaln_only_changes_signs() -> None:
    """scale' = d (1 + scale) - 1 and shift' = d shift, by the folded layer's own outputs."""
    model = tiny_model()
    chosen = layer_signs(model.config, load_recipe("fpqvar-fp4"))
    folded = fold_signs(model.var.state_dict(), model.config, chosen)
    for block in range(model.config.depth):
        key = f"blocks.{block}.ada_lin.1"
        old, new = (
            {part: state[f"{key}.{part}"].view(6, 128, -1).double() for part in ("weight", "bias")}
            for state in (model.var.state_dict(), folded)
        )
        for kind, scale, shift in (("mat_qkv", 2, 4), ("fc1", 3, 5)):
            d = chosen[f"{block}.{kind}"].double()[:, None]
            for slot in (scale, shift):
                assert torch.equal(new["weight"][slot], old["weight"][slot] * d)
            assert torch.equal(new["bias"][shift], old["bias"][shift] * d)
            exact = d * (1 + old["bias"][scale]) - 1
            assert torch.equal(new["bias"][scale], exact.float().double())
        for gate in (0, 1):
            assert torch.equal(new["weight"][gate], old["weight"][gate])
            assert torch.equal(new["bias"][gate], old["bias"][gate])


def test_signs_depend_on_seed_and_layer() -> None:
    recipe = load_recipe("fpqvar-fp4")
    config = tiny_model().config
    first, again = layer_signs(config, recipe), layer_signs(config, recipe)
    other = layer_signs(config, recipe.model_copy(update={"seed": 1}))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert len({tuple(d.tolist()) for d in first.values()}) == len(first) == 4
    shared = layer_signs(tiny_model(shared_adaln=True).config, recipe)
    assert len({tuple(d.tolist()) for d in shared.values()}) == 2


@pytest.mark.parametrize("recipe", [name for name in shipped_recipes() if load_recipe(name).by_error is None])
def test_weights_are_those_of_the_recipe(recipe: str) -> None:
    model = tiny_model()
    factors = tiny_factors(load_recipe(recipe))
    smooth = {} if factors is None else factors.layers
    result = quantize_model(model, load_recipe(recipe), SOURCE, factors=factors)
    chosen = layer_signs(model.config, load_recipe(recipe))
    for name, (weight, bias) in model.var.linear_layers().items():
        weight = weight * smooth.get(name, 1)
        layer, part = result.layers[name], load_recipe(recipe).layer(name)
        group = part.group if isinstance(part.group, int) else weight.shape[1]
        assert layer.entry.group == (PRESETS[part.preset].group if part.preset else group)
        wanted = hadamard_fold_weight(weight, chosen[name]) if part.ght else weight
        # No element is farther from its weight than half the widest step of its format, at most a sixth of absmax; a
        # group's largest may saturate where its scale is a power of two, by a quarter (8 of a binade, where 6 is most).
        assert (dense_weight(layer).t() - wanted).abs().max() <= wanted.abs().max() / (4 if part.preset else 6)
        assert np.array_equal(layer.bias, bias.detach().numpy())
    assert {layer.entry.ght for layer in result.layers.values()} == ({True, False} if chosen else {False})


def test_same_model_and_recipe_give_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_packed(tiny_packed(), tmp_path / name)
    for file in ("model.safetensors", "vqvae.safetensors", "manifest.json"):
        assert sha256(tmp_path / "a" / file) == sha256(tmp_path / "b" / file)


@pytest.mark.parametrize("recipe", ["fpqvar-fp4", "fpqvar-fp6", "int8-rtn", "mxfp6_e3m2", "nvfp4"])
def test_round_trip(tmp_path: Path, recipe: str) -> None:
    before = tiny_packed(recipe)
    written = save_packed(before, tmp_path / "model")
    after = load_packed(tmp_path / "model")
    assert after.manifest == written
    assert is_packed(tmp_path / "model")
    for name, layer in before.layers.items():
        for part in layer.entry.shapes:
            assert getattr(layer, part).tobytes() == getattr(after.layers[name], part).tobytes()
    for old, new in ((before.floats, after.floats), (before.vqvae, after.vqvae)):
        assert old.keys() == new.keys()
        assert all(old[key].tobytes() == new[key].tobytes() for key in old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("shared_adaln", [False, True])
def test_a_rebuilt_model_draws_the_same_images(tmp_path: Path, shared_adaln: bool) -> None:
    model = tiny_model(shared_adaln)
    result = quantize_model(model, load_recipe("fpqvar-fp4"), SOURCE)
    save_packed(result, tmp_path / "model")
    direct = Var(model.config, model.vqvae).eval()
    direct.load_state_dict(
        fold_signs(model.var.state_dict(), model.config, layer_signs(model.config, result.manifest.recipe))
    )
    labels = torch.tensor([0, 1, 2])
    images = []
    for var, layers in ((direct, result.layers), (rebuild(loaded := load_packed(tmp_path / "model")), loaded.layers)):
        var.linear = GoldenLinears(layers)
        images.append(var.generate(labels, seed=3, cfg=2.0))
    assert torch.equal(*images)


def test_floats_are_stored_without_loss() -> None:
    model = tiny_model()
    half = model.var.word_embed.weight
    half.data.copy_(half.data.half().float())
    result = quantize_model(model, load_recipe("fp4-rtn"), SOURCE)
    assert result.floats["word_embed.weight"].dtype == np.float16
    assert result.floats["class_emb.weight"].dtype == np.float32
    for key, value in model.var.state_dict().items():
        if key in result.floats:
            assert np.array_equal(result.floats[key].astype(np.float32), value.float().numpy())


def test_a_rebuilt_model_cannot_run_without_an_executor() -> None:
    var = rebuild(tiny_packed())
    with pytest.raises((RuntimeError, NotImplementedError)):
        var.generate(torch.tensor([0]))


def test_a_weight_that_is_not_finite_names_the_layer() -> None:
    model = tiny_model()
    model.var.get_parameter("blocks.1.ffn.fc2.weight").data[3, 5] = torch.nan
    with pytest.raises(FpqvarError, match=r"^layer 1\.fc2: "):
        quantize_model(model, load_recipe("fp4-rtn"), SOURCE)
    model = tiny_model()
    model.var.get_parameter("blocks.0.attn.proj.bias").data[3] = torch.inf
    with pytest.raises(FpqvarError, match=r"^layer 0\.proj: the bias has Inf"):
        quantize_model(model, load_recipe("fp4-rtn"), SOURCE)


def test_k_not_a_multiple_of_32_names_the_layer() -> None:
    model = tiny_model(width=136, heads=2)
    with pytest.raises(UsageError, match=r"^layer 0\.mat_qkv: .*136"):
        quantize_model(model, load_recipe("fp4-rtn"), SOURCE)
