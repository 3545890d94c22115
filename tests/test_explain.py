# SPDX-License-Identifier: Apache-2.0
"""`fpqvar explain`: its numbers are right, and its pictures are drawn."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from host.cli import app
from sw_quant.errors import UsageError
from sw_quant.explain import FORMATS_SHOWN, channels, format_errors, scaled


def test_scaled_elements_reach_one_in_every_group() -> None:
    shares = scaled(torch.randn(6, 256) * 100, 128).view(-1, 128)
    assert torch.equal(shares.abs().amax(dim=1), torch.ones(12))


def test_format_errors() -> None:
    found = {item.format: item for item in format_errors(torch.randn(32, 256))}
    assert tuple(found) == FORMATS_SHOWN
    assert found["e2m3"].error < found["e2m1"].error < found["e3m0"].error
    assert found["e2m1"].grid == tuple(sorted({s * v / 6 for v in (0, 0.5, 1, 1.5, 2, 3, 4, 6) for s in (-1, 1)}))
    exact = torch.tensor([0.5, 1, 1.5, 2, 3, 4, 6, -6]).repeat(4, 16)
    assert {item.format: item.error for item in format_errors(exact)}["e2m1"] == 0


def test_the_transform_spreads_an_outlier_and_keeps_the_squares() -> None:
    x = torch.zeros(1, 128)
    x[0, 5] = 100
    seen = channels([x], torch.ones(128), None)
    assert torch.allclose(seen.transformed, torch.full((128,), 100 / 128**0.5))
    assert seen.smoothed is None
    factors = torch.ones(128)
    factors[5] = 100
    smoothed = channels([x], torch.ones(128), factors).smoothed
    assert smoothed is not None
    assert float(smoothed.max()) == 1


@pytest.mark.parametrize(("model", "recipe"), [("fmnist", "fpqvar-fp4"), ("fmnist-twin", "fpqvar-fp4-galt")])
def test_pictures(tmp_path: Path, model: str, recipe: str) -> None:
    small = ["--images", "2", "--rows", "8", "--out", str(tmp_path)]
    arguments = ["explain", "--layer", "2.mat_qkv", "--model", model, "--recipe", recipe, *small]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for name in ("formats.png", "channels.png", "errors.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
    report = json.loads((tmp_path / "explain.json").read_text())
    assert len(report["output_errors"]) == 24
    assert all(len(steps) == 6 for steps in report["output_errors"].values())
    assert 0 < report["format_errors"]["weights"]["e2m1"] < 0.1


def test_wrong_usage(tmp_path: Path) -> None:
    for arguments, message in (
        (["--layer", "9.fc2"], r"no layer '9\.fc2'; the model has 0\.mat_qkv"),
        (["--recipe", "litevar-int4"], "in a way that is not drawn here"),
    ):
        with pytest.raises(UsageError, match=message):
            CliRunner().invoke(app, ["explain", *arguments, "--out", str(tmp_path / "x")], catch_exceptions=False)
