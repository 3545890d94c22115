# SPDX-License-Identifier: Apache-2.0
"""Quantizing a model, and the packed folder: round trip, determinism, and every way in which it can be damaged."""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch.nn import functional

from sw_quant import packed as packed_module
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.executor import GoldenLinears, dense_weight
from sw_quant.files import new_file, sha256
from sw_quant.hadamard import hadamard_fold_weight, walsh_hadamard
from sw_quant.packed import PackedModel, Source, is_packed, load_packed, save_packed
from sw_quant.presets import PRESETS
from sw_quant.quantize import fold_signs, layer_signs, quantize_model, rebuild
from sw_quant.recipe import load_recipe, shipped_recipes
from sw_quant.var import Var
from tests.tiny import tiny_factors, tiny_model

SOURCE = Source(name="tiny", sha256="0" * 64)


def packed(recipe: str = "fpqvar-fp4", **model: Any) -> PackedModel:
    return quantize_model(tiny_model(**model), load_recipe(recipe), SOURCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_packed(packed(), tmp_path / "model")
    return tmp_path / "model"


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
        save_packed(packed(), tmp_path / name)
    for file in ("model.safetensors", "vqvae.safetensors", "manifest.json"):
        assert sha256(tmp_path / "a" / file) == sha256(tmp_path / "b" / file)


@pytest.mark.parametrize("recipe", ["fpqvar-fp4", "fpqvar-fp6", "int8-rtn", "mxfp6_e3m2", "nvfp4"])
def test_round_trip(tmp_path: Path, recipe: str) -> None:
    before = packed(recipe)
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
    var = rebuild(packed())
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


# Damage.


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads((folder / "manifest.json").read_text())
    change(data)
    (folder / "manifest.json").write_text(json.dumps(data))


def edit_tensors(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change tensors and give the manifest the new file's size and hash, as a faulty writer would."""
    path = folder / "model.safetensors"
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path)
    entry = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    edit_manifest(folder, lambda data: data["files"].update({path.name: entry}))


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(FpqvarError) as caught:
        rebuild(load_packed(folder))
    for word in words:
        assert word in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("file", ["model.safetensors", "vqvae.safetensors"])
def test_truncated(folder: Path, file: str) -> None:
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[:-1])
    refused(
        folder, f"{folder / file} has {len(data) - 1} bytes, where the manifest says {len(data)}", "copy the folder"
    )


@pytest.mark.parametrize("file", ["model.safetensors", "vqvae.safetensors"])
def test_altered(folder: Path, file: str) -> None:
    data = bytearray((folder / file).read_bytes())
    data[-1] ^= 1
    good = sha256(folder / file)
    (folder / file).write_bytes(data)
    refused(
        folder, f"{folder / file} was altered: sha256 {sha256(folder / file)}, where the manifest says {good}", "copy"
    )


@pytest.mark.parametrize("file", ["model.safetensors", "vqvae.safetensors", "manifest.json"])
def test_missing(folder: Path, file: str) -> None:
    (folder / file).unlink()
    refused(folder, str(folder / file), "fpqvar quantize")


def test_other_contract_version(folder: Path) -> None:
    edit_manifest(folder, lambda data: data.update(contract_version=99))
    refused(folder, str(folder / "manifest.json"), "contract version 99, where this fpqvar has 1", "fpqvar quantize")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda data: data.pop("recipe"), "recipe: missing key"),
        (lambda data: data.update(colour=1), "colour: unknown key"),
        (lambda data: data["layers"].pop("0.fc1"), "unknown tensor 'linear.0.fc1.bias'"),
        (lambda data: data["layers"]["0.fc1"].update(weights="e5m2"), "layers.0.fc1.weights: unknown format 'e5m2'"),
        (lambda data: data["layers"]["0.fc1"].update(k=256), "'linear.0.fc1.codes' is uint8 [512, 64], where"),
        (lambda data: data["files"].pop("vqvae.safetensors"), "no entry for vqvae.safetensors"),
        (lambda data: data["model"].pop("depth"), "'depth' is missing"),
        (lambda data: data["model"].update(depth=3), "missing or unknown tensor: blocks.2."),
        (lambda data: data["model"].update(classes=4), "class_emb.weight"),
    ],
)
def test_wrong_manifest(folder: Path, change: Callable[[dict[str, Any]], object], word: str) -> None:
    edit_manifest(folder, change)
    refused(folder, word, "again" if "depth'" not in word else "restore")


def test_manifest_that_is_no_json(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"kind": ')
    refused(folder, str(folder / "manifest.json"), "not valid JSON", "copy the folder")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda arrays: arrays.pop("linear.1.proj.scales"), "tensor 'linear.1.proj.scales' is missing"),
        (lambda arrays: arrays.update(extra=np.zeros(3)), "unknown tensor 'extra'"),
        (lambda arrays: arrays.pop("float.head.weight"), "missing or unknown tensor: head.weight"),
        (lambda arrays: arrays.update({"float.heads": np.zeros(3)}), "missing or unknown tensor: heads"),
        (
            lambda arrays: arrays.update({"linear.1.proj.scales": np.zeros((128, 2), np.float16)}),
            "is float16 [128, 2], where the manifest says float16 [128, 1]",
        ),
        (
            lambda arrays: arrays.update({"linear.1.proj.bias": np.zeros(128, np.float16)}),
            "is float16 [128], where the manifest says float32 [128]",
        ),
    ],
)
def test_wrong_tensors(folder: Path, change: Callable[[dict[str, Any]], object], word: str) -> None:
    edit_tensors(folder, change)
    refused(folder, "model.safetensors", word, "again")


# Writing.


def test_an_older_folder_is_kept_unless_it_may_go(folder: Path) -> None:
    before = sha256(folder / "manifest.json")
    with pytest.raises(FpqvarError, match="is there already"):
        save_packed(packed("fp6-rtn"), folder)
    assert sha256(folder / "manifest.json") == before
    save_packed(packed("fp6-rtn"), folder, replace=True)
    assert load_packed(folder).manifest.recipe.name == "fp6-rtn"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("older", [False, True])
def test_disk_full_half_way_leaves_nothing_and_keeps_the_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    target = tmp_path / "model"
    if older:
        save_packed(packed("fp6-rtn"), target)
    before = {path.name: sha256(path) for path in target.iterdir()} if older else {}

    def fails(arrays: object, path: Path) -> None:
        path.write_bytes(b"half")
        if path.name.startswith("vqvae"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed_module, "save_file", fails)
    with pytest.raises(FpqvarError, match=r"cannot write .*model: No space left on device; free some space.* Nothing"):
        save_packed(packed(), target, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == (["model"] if older else [])
    assert ({path.name: sha256(path) for path in target.iterdir()} if older else {}) == before


def test_a_write_that_the_system_refuses_leaves_nothing(tmp_path: Path) -> None:
    """With a real limit on file sizes, as a full disk would end it."""
    code = f"""
from pathlib import Path
from tests.test_packed import packed, save_packed
save_packed(packed(), Path({str(tmp_path / "model")!r}))
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, preexec_fn=limit, check=False
    )
    assert "FpqvarError: cannot write" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def _fill_disk(path: Path) -> None:
    path.write_text("half")
    raise OSError(28, "No space left on device")


def test_new_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with pytest.raises(FpqvarError, match=r"report\.json: No space left"), new_file(path) as aside:
        _fill_disk(aside)
    assert list(tmp_path.iterdir()) == []
    with new_file(path) as aside:
        aside.write_text("whole")
    assert path.read_text() == "whole"
