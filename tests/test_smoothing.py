# SPDX-License-Identifier: Apache-2.0
"""Smoothing factors: they change nothing in float, and every file that does not fit is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sw_quant.errors import FpqvarError
from sw_quant.packed import Source
from sw_quant.quantize import fold_signs, quantize_model
from sw_quant.recipe import load_recipe
from sw_quant.smoothing import SMOOTHED, Factors, load_factors, recipe_factors, save_factors
from sw_quant.var import Var
from sw_quant.var.checkpoint import load_model
from tests.tiny import CONFIG, tiny_model

SHA = "0" * 64  # of the tiny model


def factors(depth: int = CONFIG.depth, width: int = CONFIG.width, seed: int = 0, **more: Any) -> Factors:
    generator = torch.Generator().manual_seed(seed)
    names = [f"{block}.{kind}" for block in range(depth) for kind in SMOOTHED]
    spread = {name: torch.exp(torch.randn(width, generator=generator)) for name in names}
    return Factors({name: torch.where(f > 3, -f, f) for name, f in spread.items()}, **more)


def change(name: str, value: torch.Tensor) -> Factors:
    return Factors(dict(factors().layers) | {name: value})


def test_in_float_nothing_changes() -> None:
    model, smooth = tiny_model(), factors()
    state = {key: value.double() for key, value in model.var.state_dict().items()}
    inverse = {name: 1 / factor.double() for name, factor in smooth.layers.items()}
    state = fold_signs(state, CONFIG, inverse)
    for name, factor in smooth.layers.items():
        block, kind = name.split(".")
        key = f"blocks.{block}.{'attn' if kind == 'mat_qkv' else 'ffn'}.{kind}.weight"
        state[key] = state[key] * factor.double()
    folded = Var(CONFIG, model.vqvae).double().eval()
    folded.load_state_dict(state)
    labels, inputs = torch.tensor([0, 1]), torch.randn(2, CONFIG.tokens - 1, CONFIG.vqvae.latent_channels)
    plain = Var(CONFIG, model.vqvae).double().eval()
    plain.load_state_dict(model.var.state_dict())
    with torch.no_grad():
        wanted = plain(labels, inputs.double())
        torch.testing.assert_close(folded(labels, inputs.double()), wanted, rtol=1e-9, atol=1e-9)


def test_quantized_with_factors() -> None:
    model, smooth = tiny_model(), factors(notes="random")
    source = Source(name="tiny", sha256=SHA)
    with_factors = quantize_model(model, load_recipe("fpqvar-fp4"), source, factors=smooth)
    without = quantize_model(model, load_recipe("fpqvar-fp4"), source)
    assert with_factors.manifest.factors == "random"
    assert without.manifest.factors is None
    for name in with_factors.layers:
        same = (with_factors.layers[name].codes == without.layers[name].codes).all()
        assert same == (name.rpartition(".")[2] not in SMOOTHED)


def test_our_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "factors.safetensors"
    save_factors(factors(model=SHA, notes="galt"), path)
    found = load_factors(path)
    assert (found.model, found.notes, found.origin) == (SHA, "galt", str(path))
    assert all(torch.equal(found.layers[name], factor) for name, factor in factors().layers.items())
    found.check(CONFIG, SHA)


def test_published_files(tmp_path: Path) -> None:
    """Lists of one tensor a block, as the authors' files are."""
    made = factors()
    for kind in SMOOTHED:
        items = [torch.nn.Parameter(made.layers[f"{block}.{kind}"][None, None]) for block in range(CONFIG.depth)]
        torch.save(items, tmp_path / f"{kind}_best_s_fp4.pt")
    found = load_factors(tmp_path)
    assert all(torch.equal(found.layers[name], factor) for name, factor in made.layers.items())
    found.check(CONFIG, SHA)
    only = load_factors(tmp_path / "fc1_best_s_fp4.pt")
    assert set(only.layers) == {f"{block}.fc1" for block in range(CONFIG.depth)}
    only.check(CONFIG, SHA)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("run",))


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FpqvarError, match=r"nothing: no such file; .*fpqvar calibrate"):
        load_factors(tmp_path / "nothing")
    with pytest.raises(FpqvarError, match="0 files of factors, where there is to be one"):
        load_factors(tmp_path)
    path = tmp_path / "fc1.pt"
    for content, message in ((Evil(), "no torch file of plain tensors"), ({"a": 1}, "holds dict, where a list of")):
        torch.save(content, path)
        with pytest.raises(FpqvarError, match=message):
            load_factors(path)
    assert capsys.readouterr().out == ""  # nothing in the file was run
    path.write_bytes(b"rubbish")
    with pytest.raises(FpqvarError, match=r"fc1\.pt: no torch file"):
        load_factors(path)
    with pytest.raises(FpqvarError, match="of which layer"):
        load_factors(path.rename(tmp_path / "other.pt"))
    path = tmp_path / "f.safetensors"
    path.write_bytes(b"rubbish")
    with pytest.raises(FpqvarError, match=r"f\.safetensors: no file of factors"):
        load_factors(path)
    from safetensors.torch import save_file

    save_file({"0.fc1": torch.ones(128)}, path)
    with pytest.raises(FpqvarError, match="a safetensors file, but not of factors"):
        load_factors(path)
    save_file({"0.fc2": torch.ones(128)}, path, {"kind": "fpqvar factors"})
    with pytest.raises(FpqvarError, match=r"'0\.fc2' is of no smoothed layer"):
        load_factors(path)


ONES = torch.ones(CONFIG.width)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (factors(model="1" * 64), "factors of another model .*111111111111.*fpqvar calibrate"),
        (factors(depth=3), r"factors of 3 blocks \(6 layers\), where the model has 2"),
        (factors(depth=1), r"factors of 1 blocks"),
        (factors(width=64), r"layer 0.mat_qkv: factors \[64\], where the model is 128 wide"),
        (change("1.fc1", ONES * 0), "layer 1.fc1: factor 0 is 0; factors are finite and not zero"),
        (change("0.fc1", ONES * torch.inf), "layer 0.fc1: factor 0 is inf"),
        (change("0.fc1", ONES * torch.nan), "layer 0.fc1: factor 0 is nan"),
    ],
)
def test_factors_that_do_not_fit(wrong: Factors, message: str) -> None:
    with pytest.raises(FpqvarError, match=message):
        quantize_model(tiny_model(), load_recipe("fp4-rtn"), Source(name="tiny", sha256=SHA), factors=wrong)


def test_shared_adaln_needs_the_same_factors_everywhere() -> None:
    model = tiny_model(shared_adaln=True)
    with pytest.raises(FpqvarError, match="all blocks need the same factors"):
        quantize_model(model, load_recipe("fp4-rtn"), Source(name="tiny", sha256=SHA), factors=factors())
    same = factors().layers
    equal = Factors({name: same[f"0.{name.partition('.')[2]}"] for name in same})
    quantize_model(model, load_recipe("fpqvar-fp4"), Source(name="tiny", sha256=SHA), factors=equal)


def test_negative_factors_are_legal() -> None:
    assert any((factor < 0).any() for factor in factors().layers.values())
    factors().check(CONFIG, SHA)


def test_a_recipe_asks_for_the_models_own_factors(tmp_path: Path) -> None:
    model, recipe = replace(tiny_model(), folder=tmp_path), load_recipe("fpqvar-fp4-galt")
    source = Source(name="tiny", sha256=SHA)
    with pytest.raises(FpqvarError, match=r"fpqvar-fp4-galt has factors .* has no galt-e2m1\*.*fpqvar calibrate"):
        quantize_model(model, recipe, source)
    save_factors(factors(model="1" * 64, notes="the twin's"), tmp_path / "galt-e2m1-twin.safetensors")
    with pytest.raises(FpqvarError, match="that was learnt on this model"):
        quantize_model(model, recipe, source)
    save_factors(factors(model=SHA, notes="its own"), tmp_path / "galt-e2m1.safetensors")
    found = quantize_model(model, recipe, source)
    assert found.manifest.factors == "its own"
    given = quantize_model(model, load_recipe("fpqvar-fp4"), source, factors=factors(model=SHA))
    assert all((found.layers[name].codes == given.layers[name].codes).all() for name in given.layers)


def test_a_recipe_names_a_file_of_factors(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'description = "x"\nfactors = "f.safetensors"\n[default]\nweights = "e2m1"\nactivations = "e2m1"\ngroup = 128\n'
    )
    source = Source(name="tiny", sha256=SHA)
    with pytest.raises(FpqvarError, match=r"f\.safetensors: no such file"):
        quantize_model(tiny_model(), load_recipe(str(path)), source)
    save_factors(factors(model=SHA, notes="named"), tmp_path / "f.safetensors")
    assert quantize_model(tiny_model(), load_recipe(str(path)), source).manifest.factors == "named"


@pytest.mark.parametrize("name", ["fmnist", "fmnist-twin"])
def test_the_shipped_models_factors(name: str) -> None:
    model = load_model(name)
    found = recipe_factors(load_recipe("fpqvar-fp4-galt"), model)
    assert found is not None
    found.check(model.config, model.sha256)
    assert len(found.layers) == model.config.depth * len(SMOOTHED)
    spread = max(float(factor.max() / factor.min()) for factor in found.layers.values())
    assert (spread > 100) == (name == "fmnist-twin")  # the twin's outliers are what its factors undo
