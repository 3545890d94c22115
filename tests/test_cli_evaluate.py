# SPDX-License-Identifier: Apache-2.0
"""`fpqvar evaluate` on a tiny model: what is scored, what is kept, what is never mixed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sw_quant.evaluation.scorer import Metrics
from sw_quant.recipe import load_recipe
from sw_quant.smoothing import save_factors
from tests.cli import Run, refused
from tests.tiny import tiny_factors


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Scoring without a classifier: it only counts."""
    seen: list[int] = []

    class FakeScorer:
        def __init__(self, folder: Path, device: str) -> None:
            pass

        def measure(self, images: Any, labels: list[int]) -> Metrics:
            assert images.shape == (len(labels), 1, 6, 6)
            seen.append(len(labels))
            return Metrics(0.5, 1.25, len(labels), 2.5, 3.0, 0.75, 0.125)

    monkeypatch.setattr("sw_quant.evaluation.scorer.Scorer", FakeScorer)
    return seen


def test_evaluate_scores_each_recipe_once(run: Run, tmp_path: Path, scores: list[int]) -> None:
    arguments = ["evaluate", "--images", 7, "--batch", 4, "--out", tmp_path]
    code, stdout, stderr = run(*arguments, "--recipes", "float,fp4-rtn")
    assert code == 0, stderr
    assert scores == [7, 7]
    assert "fp4-rtn" in stdout
    code, _, stderr = run(*arguments, "--recipes", "float,fp4-rtn,fpqvar-fp6")
    assert code == 0, stderr
    assert scores == [7, 7, 7]  # only the new one
    results = json.loads((tmp_path / "results.json").read_text())
    assert [item["name"] for item in results["results"]] == ["float", "fp4-rtn", "fpqvar-fp6"]
    assert results["images"] == 7
    lines = (tmp_path / "results.md").read_text().splitlines()
    assert lines[0] == "| recipe | class accuracy | Fréchet distance | spatial | IS | Precision | Recall | seconds |"
    assert lines[3].startswith("| fp4-rtn | 0.500 | 1.25 | 2.50 | 3.00 | 0.750 | 0.125 | ")


def test_evaluate_does_not_mix_runs(run: Run, tmp_path: Path, scores: list[int]) -> None:
    arguments = ["evaluate", "--recipes", "float", "--out", tmp_path]
    assert run(*arguments, "--images", 4)[0] == 0
    refused(run(*arguments, "--images", 5), 1, "float.json was made with images 4, not 5", "choose another --out")
    (tmp_path / "float.json").write_text("{}")
    refused(run(*arguments, "--images", 4), 1, "float.json is no result of `fpqvar evaluate`", "remove it")
    refused(run("evaluate", "--recipes", "fp5", "--out", tmp_path), 2, "unknown recipe 'fp5'")
    refused(run("evaluate", "--recipes", " , ", "--out", tmp_path), 2, "--recipes ' , ': give at least one")
    assert run("evaluate", "--recipes", " float , ,", "--images", 5, "--out", tmp_path / "spaces")[0] == 0
    refused(run("evaluate", "--device", "tpu", "--out", tmp_path), 2, "unknown device 'tpu'")


def test_evaluate_fast_is_another_run(run: Run, tmp_path: Path, scores: list[int]) -> None:
    """Half precision between the layers draws nearly the same images, and is never mixed with the others."""
    arguments = ["evaluate", "--recipes", "float,fpqvar-fp6", "--images", 7, "--batch", 4, "--npz"]
    assert run(*arguments, "--out", tmp_path / "a")[0] == 0
    code, stdout, stderr = run(*arguments, "--fast", "--out", tmp_path / "b")
    assert code == 0, stderr
    assert "--fast" in stdout
    for name in ("float", "fpqvar-fp6"):
        with np.load(tmp_path / "a" / f"{name}.npz") as plain, np.load(tmp_path / "b" / f"{name}.npz") as fast:
            assert (plain["arr_1"] == fast["arr_1"]).all()
            before, after = plain["arr_0"].astype(int), fast["arr_0"].astype(int)
        difference = np.abs(before - after).mean(axis=(1, 2, 3))
        assert np.median(difference) < np.abs(before - np.roll(after, 3, axis=0)).mean() / 5  # 3: of the same class
    refused(run(*arguments, "--fast", "--out", tmp_path / "a"), 1, "was made with fast False, not True", "choose")
    few = ["evaluate", "--out", tmp_path / "c", "--fast", "--recipes"]
    refused(run(*few, "int4-log2"), 2, "--fast: no engine computes int4-log2", "leave it out")
    refused(run(*few, "float", "--backend", "csim"), 2, "--fast computes the linear layers itself", "--backend csim")


_WITH_FACTORS = """description = ""
factors = "f.safetensors"
default = { weights = "e2m1", activations = "e2m1", group = 128 }
"""


def _write_factors(path: Path, seed: int, **more: Any) -> None:
    recipe = load_recipe("fpqvar-fp4-galt")
    made = tiny_factors(recipe)
    assert made is not None
    save_factors(replace(made, layers={name: f * (1 + seed) for name, f in made.layers.items()}, **more), path)


def test_evaluate_knows_a_recipe_by_its_factors_content(
    run: Run, tmp_path: Path, scores: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other factors are another recipe, in a result's file and in an interrupted folder; another place is not."""
    text = (
        'description = ""\nfactors = "f.safetensors"\n[default]\nweights = "e2m1"\nactivations = "e2m1"\ngroup = 128\n'
    )
    recipe, out = tmp_path / "mine.toml", tmp_path / "out"
    recipe.write_text(text)
    _write_factors(tmp_path / "f.safetensors", 0)
    arguments = ["evaluate", "--recipes", f"float,{recipe}", "--images", 6, "--batch", 3, "--out", out]
    with monkeypatch.context() as patch:  # killed after the images were drawn

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("host.cli.scoring.Shards.load", killed)
        assert run("evaluate", "--recipes", recipe, *arguments[3:])[0] != 0
    (folder,) = out.glob("*.images")
    shards = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert len(shards) == 2
    _write_factors(tmp_path / "f.safetensors", 1)
    refused(run(*arguments), 1, "begun with factors", "choose another --out, or remove the folder to begin anew")
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")} == shards  # nothing lost
    _write_factors(tmp_path / "f.safetensors", 0)
    assert run(*arguments)[0] == 0
    assert scores == [6, 6]
    _write_factors(tmp_path / "f.safetensors", 1)
    refused(run(*arguments), 1, "was made with factors", "choose another --out, or remove the file")
    # The same factors elsewhere are the same recipe.
    _write_factors(tmp_path / "g.safetensors", 0)
    recipe.write_text(text.replace("f.safetensors", "g.safetensors"))
    assert run(*arguments)[0] == 0
    assert scores == [6, 6]


def test_evaluate_refuses_wrong_factors_before_it_draws(run: Run, tmp_path: Path, scores: list[int]) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(_WITH_FACTORS)
    arguments = ["evaluate", "--recipes", f"float,{recipe}", "--images", 6, "--out", tmp_path / "out"]
    refused(run(*arguments), 1, "f.safetensors: no such file; learn factors with `fpqvar calibrate`")
    _write_factors(tmp_path / "f.safetensors", 0, model="1" * 64)
    refused(run(*arguments), 1, "factors of another model", "fpqvar calibrate")
    assert scores == []
    assert not (tmp_path / "out" / "float.json").exists()
