# SPDX-License-Identifier: Apache-2.0
"""End-to-end tuning: the quantized model comes nearer to the float one, by bytes that follow from the recipe alone."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from host import EngineLinears, open_device
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.executor import GoldenLinears
from sw_quant.packed import PackedModel, Source, load_packed, save_packed
from sw_quant.ptq.layers import QuantizedLinear
from sw_quant.ptq.reconstruct import draw_calibration, reconstruct
from sw_quant.ptq.results import cached, state_file
from sw_quant.ptq.tune import tune
from sw_quant.quantize import quantize_model, rebuild
from sw_quant.recipe import Recipe, Tune, load_recipe
from sw_quant.var.checkpoint import load_model
from tests.tiny import CONFIG, tiny_model

SOURCE = Source(name="tiny", sha256="0" * 64)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fpqvar"


EVERYTHING = ("biases", "scales", "weights", "adaln", "head", "embeddings")


def _recipe(iterations: int = 40, learn: tuple[str, ...] = EVERYTHING) -> Recipe:
    best = load_recipe("best-fp4")
    assert best.by_error is not None
    tune = Tune.model_validate({"iterations": iterations, "images": 24, "batch": 8, "rate": 3e-3, "learn": learn})
    return best.model_copy(update={"by_error": best.by_error.model_copy(update={"images": 12}), "tune": tune})


def _not_tuned() -> Recipe:
    return _recipe().model_copy(update={"tune": None})


def _equal(a: PackedModel, b: PackedModel) -> bool:
    same = all(
        getattr(layer, part).tobytes() == getattr(b.layers[name], part).tobytes()
        for name, layer in a.layers.items()
        for part in ("codes", "scales", "bias")
    )
    return same and a.floats.keys() == b.floats.keys() and all((a.floats[k] == b.floats[k]).all() for k in a.floats)


@pytest.mark.parametrize("shared_adaln", [False, True])
def test_it_comes_nearer_to_the_float_model(shared_adaln: bool) -> None:
    """Biases that are wrong by far are put right, on images that it has not seen either; the float model stays."""
    model, recipe = tiny_model(shared_adaln), _recipe()
    data = [draw_calibration(model.var, 12, seed, 2.0, 0, 0.0) for seed in (1, 2)]
    layers = reconstruct(model.var, data[0], recipe)
    generator = torch.Generator().manual_seed(3)
    wrong = {
        name: replace(layer, bias=layer.bias + 0.5 * torch.randn(layer.bias.shape, generator=generator))
        for name, layer in layers.items()
    }
    options = Tune.model_validate({"iterations": 60, "images": 12, "batch": 4, "rate": 0.03, "learn": ["biases"]})

    @torch.no_grad()
    def error(linears: Mapping[str, QuantizedLinear]) -> float:
        wanted = model.var(data[1].labels, data[1].inputs)
        model.var.linear = lambda name, x: linears[name](x)
        found = model.var(data[1].labels, data[1].inputs)
        model.var.linear = None
        return float((found - wanted).square().mean())

    tuned = tune(model.var, wrong, options, (data[0].labels[:12], data[0].inputs[:12]), 2.0, seed=0)
    assert sum(tuned.losses[-5:]) < 0.5 * sum(tuned.losses[:5])
    assert error(tuned.layers) < 0.5 * error(wrong)
    assert not tuned.state  # nothing else was learnt
    assert all(torch.equal(layer.values, layers[name].values) for name, layer in tuned.layers.items())


def test_the_same_recipe_gives_the_same_bytes_and_leaves_the_float_model_alone(cache: Path) -> None:
    model, ticks = tiny_model(), list[tuple[int, int]]()
    state = {key: value.clone() for key, value in model.var.state_dict().items()}
    packed = quantize_model(model, _recipe(6), SOURCE, lambda done, total: ticks.append((done, total)))
    shutil.rmtree(cache)
    assert _equal(packed, quantize_model(model, _recipe(6), SOURCE))
    assert not _equal(packed, quantize_model(model, _recipe(6).model_copy(update={"seed": 1}), SOURCE))
    assert all(torch.equal(value, state[key]) for key, value in model.var.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.var.parameters())
    assert model.var.linear is None
    assert [done for done, _ in ticks] == sorted(done for done, _ in ticks)
    assert ticks[-1][0] == ticks[-1][1]
    assert len({total for _, total in ticks}) == 1
    assert len(ticks) >= 8 + 6  # layers and iterations


def test_a_result_is_kept_and_an_interrupted_tuning_goes_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, recipe, ticks = tiny_model(), _recipe(30), list[int]()
    whole = quantize_model(model, recipe, SOURCE)
    (file,) = cache.iterdir()  # nothing but the result
    assert _equal(whole, quantize_model(model, recipe, SOURCE, lambda done, _: ticks.append(done)))
    assert not ticks  # nothing was done again
    assert _equal(whole, quantize_model(model, recipe.model_copy(update={"name": "mine"}), SOURCE))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(FpqvarError, match=rf"{file}: no result .*; remove it, and it is made anew"):
        quantize_model(model, recipe, SOURCE)
    file.unlink()

    def stop(done: int, total: int) -> None:
        if done == total - 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize_model(model, recipe, SOURCE, stop)
    (state,) = cache.iterdir()
    assert state.suffix == ".state"
    assert _equal(whole, quantize_model(model, recipe, SOURCE, lambda done, _: ticks.append(done)))
    assert len(ticks) == 8 + 5  # the layers, and what came after iteration 25
    assert [path.suffix for path in cache.iterdir()] == [".safetensors"]


def test_a_damaged_state_is_named(cache: Path) -> None:
    model, recipe = tiny_model(), _recipe(3)
    path = state_file(model, recipe)
    path.write_bytes(b"rubbish")
    with pytest.raises(FpqvarError, match=rf"{path}: cannot go on from it .*; remove it to start again"):
        quantize_model(model, recipe, SOURCE)


@pytest.mark.parametrize("name", ["fmnist", "fmnist-twin"])
def test_the_shipped_model_has_its_result(name: str) -> None:
    """So that best-fp4 draws at once on a machine without a GPU; a change of recipe or method needs new files."""
    model = load_model(name)
    result = cached(model, load_recipe("best-fp4"))
    assert result is not None, "make them anew: docs/quantization.md, Beyond the paper"
    assert result.layers.keys() == model.var.linear_layers().keys()
    assert result.state.keys() <= model.var.state_dict().keys()


@pytest.mark.parametrize("kind", EVERYTHING)
def test_only_what_is_asked_for_is_learnt(kind: str) -> None:
    model = tiny_model()
    before, after = (quantize_model(model, r, SOURCE) for r in (_not_tuned(), _recipe(5, (kind,))))

    def changed(part: str) -> bool:
        pairs = ((layer, after.layers[name]) for name, layer in before.layers.items())
        return any(getattr(a, part).tobytes() != getattr(b, part).tobytes() for a, b in pairs)

    floats = {key for key in before.floats if not (before.floats[key] == after.floats[key]).all()}
    assert changed("bias") == (kind == "biases")
    assert changed("scales") == (kind == "scales")
    assert changed("codes") or kind != "weights"
    assert not changed("codes") or kind in ("weights", "scales")  # other scales, other nearest codes
    assert any("ada" in key for key in floats) == (kind == "adaln")
    assert any(key.startswith("head.") for key in floats) == (kind == "head")
    assert ("word_embed.weight" in floats) == (kind == "embeddings")


def test_the_engine_computes_a_tuned_models_layers_bit_for_bit(tmp_path: Path) -> None:
    model = tiny_model()
    packed = quantize_model(model, _recipe(4), SOURCE)
    save_packed(packed, tmp_path / "tuned")
    loaded = load_packed(tmp_path / "tuned")
    assert _equal(packed, loaded)
    assert loaded.manifest.recipe == packed.manifest.recipe
    assert {(layer.entry.weights, layer.entry.group) for layer in loaded.layers.values()} == {("e2m1", 128)}
    var, images = rebuild(loaded), []
    with open_device("csim", "fp4", "small") as device:
        for executor in (GoldenLinears(loaded.layers), EngineLinears(device, loaded.layers, 60)):
            var.linear = lambda name, x, e=executor: torch.as_tensor(e(name, x)).view(*x.shape[:-1], -1)
            images.append(var.generate(torch.arange(2) % CONFIG.classes, 5, 2.0))
    assert torch.equal(*images)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("iterations = 0", "tune.iterations"),
        ("rate = 0.0", "tune.rate"),
        ('learn = ["bias"]', "tune.learn"),
        ("learn = []", "tune.learn"),
        ("steps = 3", "tune.steps: unknown key"),
        ("images = 8\nbatch = 16", "batch"),
    ],
)
def test_wrong_keys_are_refused(tmp_path: Path, table: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    default = 'description = ""\n[default]\nweights = "e2m1"\nactivations = "e2m1"\ngroup = 128\n'
    path.write_text(f'{default}[by_error]\nactivations = ["e2m1"]\n[tune]\n{table}\n')
    with pytest.raises(UsageError) as caught:
        load_recipe(str(path))
    assert words in str(caught.value)
    path.write_text(f"{default}[tune]\niterations = 3\n")
    with pytest.raises(UsageError, match=r"\[tune\] .*\[by_error\]"):
        load_recipe(str(path))
