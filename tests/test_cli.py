# SPDX-License-Identifier: Apache-2.0
"""The command line on a tiny model: what it writes and prints. What it refuses is in test_cli_refusals.py."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from host.cli.draw import image_seed
from host.cli.images import draw_sheet
from host.cli.model import parse_classes
from host.command import Gemm
from host.devices import csim
from host.tandem import Tandem
from sw_quant.errors import UsageError
from tests.cli import Run, refused


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".png"}


# generate


def test_generate_writes_images_sheet_and_report(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    code, stdout, _ = run("generate", "--classes", "2,Top", "--images-per-class", 2, "--seed", 5, "--out", out)
    assert code == 0
    assert "4 images" in stdout
    files = ["class002_000.png", "class002_001.png", "class000_000.png", "class000_001.png"]
    assert sorted(path.name for path in out.iterdir()) == sorted([*files, "sheet.png", "report.json"])
    report = json.loads((out / "report.json").read_text())
    assert [image["file"] for image in report["images"]] == files
    assert [image["class"] for image in report["images"]] == [2, 2, 0, 0]
    assert [image["seed"] for image in report["images"]] == [image_seed(5, c, i) for c in (2, 0) for i in (0, 1)]
    assert (report["recipe"], report["backend"], report["seed"]) == ("fpqvar-fp4", "golden", 5)
    assert report["sampling"] == {"cfg": 2.0, "top_k": 0, "top_p": 0.0}
    (engine,) = report["engines"]
    assert (engine["family"], engine["core"], engine["calls"]) == ("fp4", "golden", 24)
    assert len(engine["layer_sha256"]) == 8
    assert report["versions"]["contract"] == 1
    assert np.array(Image.open(out / files[0])).shape == (6, 6)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("generate", "--classes", "all", "--seed", seed, "--out", tmp_path / name)[0] == 0
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    assert a != c
    digests = [json.loads((tmp_path / name / "report.json").read_text())["engines"][0]["layer_sha256"] for name in "ab"]
    assert digests[0] == digests[1]


def test_an_image_depends_on_its_seed_alone(run: Run, tmp_path: Path) -> None:
    run("generate", "--classes", "0,1,2", "--out", tmp_path / "all")
    run("generate", "--classes", "1", "--out", tmp_path / "one")
    run("generate", "--classes", "0,1,2", "--batch", 1, "--out", tmp_path / "batches")
    name = "class001_000.png"
    images = [contents(tmp_path / folder)[name] for folder in ("all", "one", "batches")]
    assert images[0] == images[1] == images[2]


@pytest.mark.parametrize("format", ["fp4", "fp6", "int4", "int8", "float"])
def test_every_format(run: Run, tmp_path: Path, format: str) -> None:
    code, _, stderr = run("generate", "--format", format, "--classes", "0", "--out", tmp_path)
    assert code == 0, stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["backend"] == ("float" if format == "float" else "golden")
    assert report.get("engines", [{"family": "float"}])[0]["family"] == format


def test_check_compares_two_engines(run: Run, tmp_path: Path) -> None:
    code, _, stderr = run("generate", "--classes", "0", "--check", "golden", "--out", tmp_path)
    assert code == 0, stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bit_exact"] is True
    first, second = (engine["layer_sha256"] for engine in report["engines"])
    assert first == second


def test_check_fails_when_they_differ(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Tandem._record

    def flip(self: Tandem, name: str, outputs: list[Any]) -> None:
        if name == "1.proj":
            outputs[1].view(np.uint16)[0, 3] ^= 1
        record(self, name, outputs)

    monkeypatch.setattr(Tandem, "_record", flip)
    result = run("generate", "--classes", "0", "--check", "golden", "--out", tmp_path)
    refused(result, 1, "golden and golden differ, first at layer 1.proj, call 0, row 0, column 3", "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["bit_exact"] is False


def test_generate_from_a_packed_model_draws_the_same(run: Run, tmp_path: Path) -> None:
    code, stdout, stderr = run("quantize", "fmnist", "--recipe", "fp4-ght", "--out", tmp_path / "packed")
    assert code == 0, stderr
    assert "8 layers by fp4-ght" in stdout
    for model, extra, out in (("fmnist", ["--recipe", "fp4-ght"], "a"), (tmp_path / "packed", [], "b")):
        code, _, stderr = run("generate", "--model", model, *extra, "--out", tmp_path / out)
        assert code == 0, stderr
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_own_recipe_file(run: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('description = "x"\n[default]\nweights = "e2m1"\nactivations = "e2m1"\ngroup = 32\n')
    assert run("generate", "--recipe", recipe, "--classes", "0", "--out", tmp_path / "out")[0] == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["manifest"]["recipe"]["fc1"]["group"] == 32


def test_the_papers_ties_are_for_studying(run: Run, tmp_path: Path) -> None:
    result = run("generate", "--recipe", "fp4-rtn-paper", "--classes", "0", "--out", tmp_path / "out")
    refused(result, 1, "layer 0.mat_qkv: ", "no engine computes", "fpqvar evaluate")
    code, out, _ = run("quantize", "fmnist", "--recipe", "fp4-rtn-paper", "--out", tmp_path / "packed")
    assert code == 0
    assert "for study only: no engine quantizes the activations of mat_qkv, proj, fc1, fc2" in out


@pytest.mark.parametrize("format", ["fp4", "fp6"])
def test_the_shipped_model_is_bit_exact_on_the_compiled_engine(fpqvar: Run, tmp_path: Path, format: str) -> None:
    """A whole image of the real model: every layer's outputs, golden against csim."""
    arguments = [
        "--model",
        "fmnist",
        "--format",
        format,
        "--backend",
        "csim",
        "--check",
        "golden",
        "--classes",
        "sneaker",
    ]
    code, _, stderr = fpqvar("generate", *arguments, "--out", tmp_path)
    assert code == 0, stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bit_exact"] is True
    first, second = report["engines"]
    assert len(first["layer_sha256"]) == 24
    assert first["layer_sha256"] == second["layer_sha256"]
    image = np.array(Image.open(tmp_path / "class007_000.png"))
    assert image.shape == (32, 32)
    assert image[:2].max() < 40  # black above the shoe
    assert image.max() > 120


# demo


def test_demo_draws_three_rows_and_proves_bit_exactness(run: Run, tmp_path: Path) -> None:
    code, stdout, stderr = run("demo", "--out", tmp_path)
    assert code == 0, stderr
    assert '"bit_exact": {"fp4": true, "fp6": true}' in stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bit_exact"] == {"fp4": True, "fp6": True}
    for format, order in (("fp6", ["golden", "csim"]), ("fp4", ["csim", "golden"])):
        engines = report["runs"][format]["engines"]
        assert [engine["backend"] for engine in engines] == order
        assert [engine["calls"] for engine in engines] == [24, 24]
        assert engines[0]["layer_sha256"] == engines[1]["layer_sha256"]
        counters = engines[order.index("csim")]["counters"]
        assert counters["compute_cycles"] > 0
        assert counters["read_bytes"] > 0
    assert np.array(Image.open(tmp_path / "sheet.png")).shape[0] > 3 * 96


def test_demo_fails_when_an_engine_is_wrong_by_one_bit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = csim.CsimDevice._execute

    def wrong(self: csim.CsimDevice, list_address: int, count: int) -> Any:
        registers = execute(self, list_address, count)
        gemm = Gemm.decode(self.memory.data[list_address : list_address + 128].tobytes())
        if self.info.family == "fp6" and gemm.m == 54:  # the last scale: three images, with class and without
            self.memory.data[gemm.y_address] ^= 1
        return registers

    monkeypatch.setattr(csim.CsimDevice, "_execute", wrong)
    result = run("demo", "--out", tmp_path)
    refused(result, 1, "golden model and engine differ", "report.json")
    assert '"bit_exact": {"fp4": true, "fp6": false}' in result[1]
    report = json.loads((tmp_path / "report.json").read_text())
    found = report["runs"]["fp6"]["first_difference"]
    assert (found["layer"], found["call"], found["row"], found["column"]) == ("0.mat_qkv", 2, 0, 0)


def test_help_and_version(run: Run) -> None:
    assert run("--version")[1].startswith("fpqvar 0.")
    for command in ("generate", "quantize", "evaluate", "demo", "bench", "perf", "doctor"):
        code, out, _ = run(command, "--help")
        assert code == 0
        if command in ("generate", "quantize", "evaluate", "bench", "perf"):
            assert f"fpqvar {command} " in out  # an example
    assert run("paint")[0] == 2


# Parts.


def test_parse_classes() -> None:
    names = ["tench, Tinca tinca", "goldfish", "T-shirt/top"]
    assert parse_classes("2,0", names) == [2, 0]
    assert parse_classes("all", names) == [0, 1, 2]
    assert parse_classes(" GOLDFISH , tinca TINCA,t-shirt/top", names) == [1, 0, 2]
    with pytest.raises(
        UsageError, match="unknown class 'goldfsh'; the model knows 0 to 2, or names such as 'goldfish'"
    ):
        parse_classes("goldfsh", names)


def test_image_seeds_differ() -> None:
    seeds = {image_seed(s, c, i) for s in range(5) for c in range(10) for i in range(20)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert image_seed(0, 0, 0) == 7896617691693857887  # written in reports: must not change


def test_sheet_shows_each_image_in_its_place() -> None:
    images = [[np.full((32, 32), 10 * i + 40 * j, np.uint8) for i in range(3)] for j in range(2)]
    sheet = np.array(draw_sheet([("one", images[0]), ("two", images[1])], ["a", "b", "a very long name of a class"]))
    left, top = sheet.shape[1] - 3 * 102, sheet.shape[0] - 2 * 102
    for j in range(2):
        for i in range(3):
            tile = sheet[top + 102 * j :, left + 102 * i :][:96, :96]
            assert (tile == 10 * i + 40 * j).all()
    for part in (sheet[top:, :left], sheet[:top, left:]):
        assert part.min() < 100  # labels


# doctor and bench


def test_doctor_finds_what_is_here(run: Run) -> None:
    code, stdout, _ = run("doctor", "--json")
    assert code == 0
    found = {item["name"]: item for item in json.loads(stdout)}
    assert found["python"]["version"].startswith(f"3.{sys.version_info.minor}")
    assert found["torch"]["ok"]
    assert {"g++", "verilator", "iverilog", "yosys", "vitis_hls", "v++", "vivado", "pynq", "csim", "CMA memory"} <= set(
        found
    )
    for item in found.values():
        assert item["enables"]
        assert item["ok"] == (bool(item["version"]) and not item["problem"])
    code, stdout, _ = run("doctor")
    assert code == 0
    assert "everything" in stdout


def test_bench_measures_every_shape(run: Run, tmp_path: Path) -> None:
    code, _, stderr = run(
        "bench", "--backends", "golden", "--formats", "fp4", "--rows", 2, "--repeats", 1, "--out", tmp_path
    )
    assert code == 0, stderr
    report = json.loads((tmp_path / "bench.json").read_text())
    assert len(report["results"]) == 8
    for item in report["results"]:
        assert item["gmac_per_second"] == pytest.approx(2 * item["n"] * item["k"] / item["seconds"] / 1e9)
    assert report["machine"]["cpu"]
    refused(run("bench", "--formats", "fp5", "--out", tmp_path), 2, "unknown format 'fp5'")
