# SPDX-License-Identifier: Apache-2.0
"""Captures, learnt factors and searched formats: reproducible, resumable, and never worse than what they start from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from host.cli import app, main
from sw_quant.calibration.capture import Captures, Plan, Reservoir, capture, every_layer, open_captures
from sw_quant.calibration.galt import Learnt, Options, learn, output_error
from sw_quant.calibration.search import Found, recipe_text, search
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.packed import load_packed
from sw_quant.quantize import layer_signs
from sw_quant.recipe import LAYER_KINDS, load_recipe
from sw_quant.smoothing import SMOOTHED, load_factors
from tests.tiny import tiny_model

MODEL = tiny_model()
PLAN = Plan(MODEL.sha256, 12, 10, every_layer(MODEL, LAYER_KINDS), 3, seed=5)


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Captures:
    return capture(MODEL, PLAN, tmp_path_factory.mktemp("captures"), batch=4)


class TestReservoir:
    def test_keeps_all_while_there_is_room(self) -> None:
        reservoir = Reservoir(np.zeros((8, 4), np.float16), seed=1)
        reservoir.add(np.arange(20, dtype=np.float16).reshape(5, 4))
        assert np.array_equal(reservoir.kept, np.arange(20).reshape(5, 4))

    def test_every_row_has_the_same_chance(self) -> None:
        kept = np.zeros(40)
        for seed in range(2000):
            reservoir = Reservoir(np.zeros((8, 1), np.float16), seed)
            for start in range(0, 40, 10):
                reservoir.add(np.arange(start, start + 10, dtype=np.float16)[:, None])
            kept[reservoir.kept[:, 0].astype(int)] += 1
        # 2000 trials of probability 0.2: five standard deviations are 89.
        assert np.abs(kept - 400).max() < 90

    def test_it_does_not_matter_in_how_many_parts_rows_come(self) -> None:
        rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float16)
        whole, parts = (Reservoir(np.zeros((7, 3), np.float16), seed=3) for _ in range(2))
        whole.add(rows)
        for part in np.split(rows, [1, 30, 31, 90]):
            parts.add(part)
        assert np.array_equal(whole.kept, parts.kept)


def test_captures_hold_what_came_by(captures: Captures) -> None:
    assert captures.seen["0.fc2"] == [2 * 12 * size**2 for size in (1, 2, 3)]
    for name in PLAN.layers:
        k = MODEL.var.linear_layers()[name].weight.shape[1]
        assert [tuple(x.shape) for x in captures.layer(name)] == [(10, k)] * 3


def test_an_interrupted_capture_goes_on(captures: Captures, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(MODEL, PLAN, tmp_path, batch=4, progress=stop)
    assert MODEL.var.linear is None  # the model is left as it was
    with pytest.raises(FpqvarError, match="8 of 12 images captured; go on with the same"):
        open_captures(tmp_path)
    drawn: list[int] = []
    again = capture(MODEL, PLAN, tmp_path, batch=4, progress=lambda done, _: drawn.append(done))
    assert drawn == [12]
    for name in PLAN.layers:
        assert all(torch.equal(a, b) for a, b in zip(again.layer(name), captures.layer(name), strict=True))


def test_captures_that_do_not_fit(captures: Captures, tmp_path: Path) -> None:
    with pytest.raises(FpqvarError, match=r"captured from another model .*into another folder"):
        open_captures(captures.folder, "1" * 64)
    with pytest.raises(FpqvarError, match="captures with images 12, not 3; rows 10, not 4: choose another folder"):
        capture(MODEL, replace(PLAN, images=3, rows=4), captures.folder)
    with pytest.raises(FpqvarError, match=r"model 0{12}…, not 1{12}…: choose another folder"):
        capture(MODEL, replace(PLAN, model="1" * 64), captures.folder)
    with pytest.raises(FpqvarError, match=r"meta\.json is missing"):
        open_captures(tmp_path)
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(FpqvarError, match=r"meta\.json: no captures of this version"):
        open_captures(tmp_path)


@pytest.mark.parametrize("finished", [False, True])
def test_damaged_captures_are_refused(captures: Captures, tmp_path: Path, finished: bool) -> None:
    """Cut off, missing, or of another shape: never taken up as if the rest were zeros."""
    folder = tmp_path / "captures"
    shutil.copytree(captures.folder, folder)
    if not finished:
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"done": 8}))
    path = folder / "1.fc2.npy"
    whole = path.read_bytes()
    again = "remove the folder and capture anew"
    for content, message in (
        (whole[:-100], "damaged or cut off"),
        (whole[:20], "damaged or cut off"),
        (None, "missing"),
    ):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        if finished:
            with pytest.raises(FpqvarError, match=rf"1\.fc2\.npy.*{message}.*{again}"):
                open_captures(folder)
        with pytest.raises(FpqvarError, match=rf"1\.fc2\.npy.*{message}.*{again}"):
            capture(MODEL, PLAN, folder)
        assert not path.exists() or path.read_bytes() == content  # left as it was
        path.write_bytes(whole)
    np.save(path, np.zeros((3, 10, 5), np.float32))
    with pytest.raises(FpqvarError, match=rf"float32 \[3, 10, 5\], not float16 .*{again}"):
        capture(MODEL, PLAN, folder)


@pytest.mark.parametrize("recipe", ["fpqvar-fp4", "fp6-rtn"])
def test_learnt_factors_are_no_worse_and_the_same_again(captures: Captures, recipe: str) -> None:
    chosen = load_recipe(recipe)
    linears, signs = MODEL.var.linear_layers(), layer_signs(MODEL.config, chosen)
    samples = {name: captures.layer(name) for name in PLAN.layers if name.endswith("fc1")}
    # An outlier channel, which smoothing is for.
    samples = {name: [x * (1 + 30 * (torch.arange(128) == 7)) for x in steps] for name, steps in samples.items()}
    ticks: list[int] = []
    options = Options(iterations=40, rate=0.05, rows=8)
    found = learn(samples, linears, signs, chosen.fc1, options, lambda done, _: ticks.append(done))
    again = learn(samples, linears, signs, chosen.fc1, options)
    assert ticks == list(range(1, 41))
    for name, item in found.items():
        assert item.after <= item.before
        assert torch.equal(item.factors, again[name].factors)
        weight, d = linears[name].weight, signs.get(name)
        assert output_error(samples[name], weight, item.factors, d, chosen.fc1) == pytest.approx(item.after, rel=1e-4)
    assert sum(item.after for item in found.values()) < 0.97 * sum(item.before for item in found.values())


def test_strong_outliers_are_undone_at_once(captures: Captures) -> None:
    """Channels of up to 256 times others, and weights as much smaller: a few iterations bring the error down."""
    chosen = load_recipe("fpqvar-fp4")
    signs, layer = layer_signs(MODEL.config, chosen), MODEL.var.linear_layers()["0.fc1"]
    profile = torch.exp2(torch.randint(-4, 5, (128,), generator=torch.Generator().manual_seed(0)).float())
    samples = [x * profile for x in captures.layer("0.fc1")]
    hard = {"0.fc1": layer._replace(weight=layer.weight / profile)}
    plain = learn({"0.fc1": captures.layer("0.fc1")}, {"0.fc1": layer}, signs, chosen.fc1, Options(iterations=5))[
        "0.fc1"
    ]
    found = learn({"0.fc1": samples}, hard, signs, chosen.fc1, Options(iterations=5))["0.fc1"]
    assert found.before > 3 * plain.before
    assert found.after < 1.3 * plain.before


def test_interrupted_learning_goes_on(captures: Captures, tmp_path: Path) -> None:
    part = load_recipe("fpqvar-fp4").fc1
    linears, signs = MODEL.var.linear_layers(), layer_signs(MODEL.config, load_recipe("fpqvar-fp4"))
    samples = {name: captures.layer(name) for name in PLAN.layers if name.endswith("fc1")}
    options, file = Options(iterations=20, rate=0.05, rows=8), tmp_path / "state.pt"
    whole = learn(samples, linears, signs, part, options)

    def stop(done: int, _total: int) -> None:
        if done == 13:
            raise KeyboardInterrupt

    ticks: list[int] = []

    def note(done: int, _total: int) -> None:
        ticks.append(done)

    for run, left in (("mine", 7), ("another", 20)):
        ticks.clear()
        with pytest.raises(KeyboardInterrupt):
            learn(samples, linears, signs, part, options, stop, file, "mine")
        again = learn(samples, linears, signs, part, options, note, file, run)
        assert len(ticks) == left
        assert not file.exists()
        for name, item in whole.items():
            assert torch.equal(item.factors, again[name].factors)
            assert (item.before, item.after) == (again[name].before, again[name].after)
    file.write_bytes(b"rubbish")
    with pytest.raises(FpqvarError, match=r"state\.pt: cannot go on from it .* remove it to start again"):
        learn(samples, linears, signs, part, options, state_file=file)


def test_searched_formats(captures: Captures, tmp_path: Path) -> None:
    recipe = load_recipe("fp4-rtn")
    found = search(MODEL, recipe, captures, ["e2m1", "e3m0"], ["e2m1", "e1m2", "dual4"])
    assert found.keys() == set(PLAN.layers)
    assert all(item.error <= item.before for item in found.values())
    path = tmp_path / "mixed.toml"
    path.write_text(recipe_text(recipe, found, "mixed"))
    mixed = load_recipe(str(path))
    for name, item in found.items():
        assert mixed.layer(name) == item.part


def test_formats_are_searched_for_the_contracts_quantizer(captures: Captures) -> None:
    with pytest.raises(UsageError, match=r"formats are searched for the contract's quantizer, not for .*mat_qkv"):
        search(MODEL, load_recipe("litevar-int4"), captures, ["int4"], ["int4"])


def test_a_searched_recipe_keeps_everything_else(captures: Captures, tmp_path: Path) -> None:
    """Every key of the recipe that was started from, and the tables of single layers, come back from the file."""
    base = tmp_path / "base.toml"
    base.write_text(
        'description = "x"\nkv_cache = "e2m3"\nfactors = "galt"\nseed = 3\n[default]\nweights = "int4"\n'
        'activations = "int4"\ngroup = "row"\nactivation_method = "asymmetric"\n[fc1]\nght = true\n[fc2]\n'
        'group = "tensor"\nactivation_group = 64\n[layers."1.proj"]\nweights = "int8"\nactivation_method = "log2"\n'
    )
    recipe = load_recipe(str(base))
    for found in ({}, {"0.fc1": Found(recipe.fc1.model_copy(update={"weights": "e2m1"}), 0.1, 0.2)}):
        base.write_text(recipe_text(recipe, found, "x"))
        again = load_recipe(str(base))
        assert again.model_copy(update={"layers": {}}) == recipe.model_copy(update={"layers": {}})
        assert again.layers == recipe.layers | {name: item.part for name, item in found.items()}


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_from_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "galt"
    small = ("--images", "4", "--rows", "8", "--iterations", "4", "--blocks", "3")
    _run("calibrate", "fmnist", *small, "--out", str(out))
    factors = load_factors(out / "factors.safetensors")
    assert len(factors.layers) == 6 * len(SMOOTHED)
    report = json.loads((out / "report.json").read_text())
    assert len(report["errors"]) == 12
    assert not (out / "partial.safetensors").exists()
    packed = tmp_path / "packed"
    _run("quantize", "fmnist", "--factors", str(out / "factors.safetensors"), "--out", str(packed))
    assert "GALT for fpqvar-fp4" in str(load_packed(packed).manifest.factors)

    mixed = tmp_path / "mixed.toml"
    text = _run("search", "fmnist", "--images", "2", "--rows", "8", "--weights", "e2m1", "--out", str(mixed))
    assert "of 24 layers changed" in text
    assert load_recipe(str(mixed)).name == "mixed"


def test_an_interrupted_calibration_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that were learnt before an interruption are not learnt again, and are in the report all the same."""
    from sw_quant.calibration import galt

    learnt: list[str] = []

    def interrupted(samples: dict[str, list[torch.Tensor]], *rest: Any) -> dict[str, Learnt]:
        if any(name.endswith("fc1") for name in samples) and "stop" not in learnt:
            learnt.append("stop")
            raise KeyboardInterrupt
        learnt.extend(samples)
        return learn(samples, *rest)

    monkeypatch.setattr(galt, "learn", interrupted)
    out = tmp_path / "galt"
    arguments = ["calibrate", "fmnist", "--images", "2", "--rows", "4", "--iterations", "2", "--blocks", "6"]
    assert CliRunner().invoke(app, [*arguments, "--out", str(out)]).exit_code == 130
    assert not (out / "factors.safetensors").exists()
    _run(*arguments, "--out", str(out))
    assert sorted(set(learnt) - {"stop"}) == sorted(name for name in learnt if name != "stop")
    assert len(json.loads((out / "report.json").read_text())["errors"]) == len(learnt) - 1 == 12
    assert len(load_factors(out / "factors.safetensors").layers) == 12
    assert sorted(path.name for path in out.iterdir()) == ["captures", "factors.safetensors", "report.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calibrate", "fmnist", "--recipe", "litevar-int4"], "factors are learnt for the contract's quantizer"),
        (["calibrate", "fmnist", "--recipe", "fp4-rtn-paper"], "factors are learnt for the contract's quantizer"),
        (["calibrate", "fmnist", "--recipe", "nothing"], "unknown recipe 'nothing'"),
        (["search", "fmnist", "--weights", "dual4"], "--weights: 'dual4' is no format for them"),
        (["search", "fmnist", "--activations", "fp9"], "--activations: 'fp9' is no format"),
        (["search", "fmnist"], "a recipe is a .toml file"),
    ],
)
def test_wrong_usage(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["fpqvar", *arguments, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert message in capsys.readouterr().err
