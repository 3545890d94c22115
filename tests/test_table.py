# SPDX-License-Identifier: Apache-2.0
"""The result table: every recipe is a row, each is quantized once for all seeds, and a kill loses nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host.cli import app, scoring
from host.cli.draw import draw
from host.cli.model import pack
from host.cli.table import every_row, markdown
from sw_quant.recipe import shipped_recipes
from tests.tiny import tiny_model

ARGUMENTS = ["table", "--models", "fmnist", "--images", "4", "--batch", "2", "--seeds", "1,2"]
RECIPES = "float,fp4-rtn,int4-rtn"


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of recipes in the order in which the tiny model was quantized by them; no classifier is asked."""
    found: list[str] = []

    def counted(loaded: Any, name: str, recipe: Any, *rest: Any) -> Any:
        found.append(recipe.name)
        return pack(loaded, name, recipe, *rest)

    def measure(pixels: Any, labels: list[int]) -> dict[str, Any]:
        keys = ("frechet_distance", "spatial_frechet_distance", "inception_score", "class_accuracy")
        return {"images": len(labels)} | dict.fromkeys((*keys, "precision", "recall"), float(pixels.mean()))

    monkeypatch.setattr(scoring, "pack", counted)
    monkeypatch.setattr("host.cli.table.load", lambda name: tiny_model())
    monkeypatch.setattr("host.cli.table.open_measure", lambda *_: measure)
    return found


def _table(out: Path, *more: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*ARGUMENTS, "--out", str(out), *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads((out / "table.json").read_text())
    return found


def test_every_shipped_recipe_is_a_row() -> None:
    rows = every_row()
    assert set(rows) == {"float", *shipped_recipes()}
    assert len(rows) == len(set(rows))


def test_a_model_is_quantized_once_for_all_seeds(tmp_path: Path, packed: list[str]) -> None:
    data = _table(tmp_path, "--recipes", RECIPES)
    assert packed == ["fp4-rtn", "int4-rtn"]
    assert not (tmp_path / "fmnist" / "packed").exists()
    assert data["seeds"] == [1, 2]
    rows = data["models"]["fmnist"]
    assert [row["name"] for row in rows] == RECIPES.split(",")
    assert all(len(row["frechet_distance"]["values"]) == 2 for row in rows)
    assert "| fp4-rtn | " in markdown(data)
    again = _table(tmp_path, "--recipes", RECIPES)
    assert again["models"] == data["models"]
    assert len(packed) == 2


def test_a_table_goes_on_after_a_kill_with_the_same_weights(
    tmp_path: Path, packed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = 0

    def killed(*arguments: Any) -> Any:
        nonlocal drawn
        drawn += 1
        if drawn == 4:  # within the second recipe's first seed
            raise KeyboardInterrupt
        return draw(*arguments)

    monkeypatch.setattr(scoring, "draw", killed)
    CliRunner().invoke(app, [*ARGUMENTS, "--out", str(tmp_path), "--recipes", RECIPES])
    assert not (tmp_path / "table.json").exists()
    assert packed == ["fp4-rtn"]
    [kept] = (tmp_path / "fmnist" / "packed").iterdir()
    assert kept.name.startswith("fp4-rtn-")
    monkeypatch.setattr(scoring, "draw", draw)
    _table(tmp_path, "--recipes", RECIPES)
    assert packed == ["fp4-rtn", "int4-rtn"]
