# SPDX-License-Identifier: Apache-2.0
"""The board's notebooks, run from top to bottom on a simulated engine through the real package pynq."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import host
from host._generated import SIMULATION_GEOMETRIES
from host.measure import PowerMeter, Stopwatch, roofline
from host.runtime import EngineLinears
from sw_quant.packed import Source, save_packed
from sw_quant.quantize import quantize_model
from sw_quant.recipe import load_recipe
from sw_quant.var.checkpoint import load_model
from tests.tiny import tiny_model

NOTEBOOKS = Path(host.__file__).parent / "notebooks"
ROOT = Path(__file__).parents[1]
# Stands before a notebook's first cell: the board.
PROLOGUE = """
from sim.board import simulated_board
_board = simulated_board({backend!r}, "fp4", "small")
_board.__enter__()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    loaded = load_model("fmnist")
    folder = tmp_path_factory.mktemp("models") / "fmnist-fp4"
    source = Source(name="fmnist", sha256=loaded.sha256)
    save_packed(quantize_model(loaded, load_recipe("fpqvar-fp4"), source), folder)
    return folder


def run(name: str, backend: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run a notebook in a kernel of its own; returns the outputs of all cells."""
    pytest.importorskip("pynq", reason="the package pynq is for Python 3.11 and 3.12", exc_type=ImportError)
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("FPQVAR_MODEL", str(model))
    monkeypatch.setenv("FPQVAR_IMAGES", "2")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOKS / name, 4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(PROLOGUE.format(backend=backend)))
    nbclient.NotebookClient(notebook, timeout=250, kernel_name="python3").execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def texts(outputs: list[Any]) -> str:
    return "".join(output.get("text", "") for output in outputs)


def pictures(outputs: list[Any]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_first_image(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run("01_first_image.ipynb", "csim", model, monkeypatch)
    assert "scale 6 of 6" in texts(outputs)
    assert pictures(outputs) == 1


def test_inside_the_engine(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run("02_inside_the_engine.ipynb", "rtl", model, monkeypatch)
    assert "all 2048 outputs have the contract's bits" in texts(outputs)
    assert pictures(outputs) == 1


def test_measure(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run("03_measure.ipynb", "csim", model, monkeypatch)
    assert "2 images in" in texts(outputs)
    assert "energy: no sensors" in texts(outputs)
    assert "processor" in texts(outputs)
    assert pictures(outputs) == 1


def test_stopwatch() -> None:
    packed = quantize_model(tiny_model(), load_recipe("fp4-rtn"), Source(name="tiny", sha256="0" * 64))
    with host.open_device("golden", "fp4", "small") as device:
        watch = Stopwatch(EngineLinears(device, packed.layers))
        watch.begin()
        x = np.zeros((2, 3, 128), np.float32)
        watch.apply("0.proj", x)
        watch.apply("1.proj", x)
        watch.end()
    assert watch.calls == {"proj": 2}
    assert watch.macs == {"proj": 2 * 6 * 128 * 128}
    assert set(watch.parts) == {"proj", "processor"}
    assert all(seconds > 0 for seconds in watch.parts.values())


def test_roofline() -> None:
    geometry = SIMULATION_GEOMETRIES["large"]
    few = roofline("fp4", geometry, 1, 1024, 1024, 16)
    many = roofline("fp4", geometry, 512, 1024, 1024, 16)
    assert few[0] == pytest.approx(1.98, abs=0.01)  # half a byte a weight
    assert few[1] == pytest.approx(16 * few[0])
    assert many[1] == 1024
    assert roofline("fp4", geometry, 512, 1024, 1024, 16, passes=2)[1] == 512


def test_power() -> None:
    readings = iter(range(1000))
    with PowerMeter({"a": lambda: 2.0, "b": lambda: 0.0 * next(readings) + 1.0}, period=0.01) as meter:
        import time

        time.sleep(0.1)
    assert meter.joules is not None
    assert 0.2 < meter.joules < 3
    with PowerMeter({}) as meter:
        pass
    assert meter.joules is None
