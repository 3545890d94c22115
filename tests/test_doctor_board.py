# SPDX-License-Identifier: Apache-2.0
"""What `fpqvar doctor` says on a board: here a simulated one."""

import json
import platform

import pytest
from typer.testing import CliRunner

from host.cli import app, board

pytest.importorskip("pynq", reason="the package pynq is for Python 3.11 and 3.12", exc_type=ImportError)

from sim.board import SimulatedBoard, simulated_board


def findings() -> dict[str, dict[str, str]]:
    done = CliRunner().invoke(app, ["doctor", "--json"], catch_exceptions=False)
    return {item["name"]: item for item in json.loads(done.output)}


def test_an_engine_that_proves_itself() -> None:
    with simulated_board("rtl", "fp4", "small"):
        found = findings()
    assert "100 MHz" in found["overlay fp4"]["version"]
    assert "outputs as the contract says" in found["overlay fp4"]["version"]
    assert found["overlay fp4"]["ok"]
    assert found["overlay fp6"]["version"] == ""
    assert "make synth FORMAT=fp6" in found["overlay fp6"]["remedy"]


def test_a_folder_that_is_not_whole() -> None:
    with simulated_board("csim", "fp4", "small") as opened:
        (opened.folder / "fpqvar.bit").write_text("something else")
        found = findings()
    assert not found["overlay fp4"]["ok"]
    assert "SHA-256" in found["overlay fp4"]["problem"]


def _bus_that_flips(opened: SimulatedBoard) -> None:
    execute = opened.engine.execute

    def flipped(address: int, count: int) -> object:
        registers = execute(address, count)
        data = opened.engine.memory.data
        data[64:] ^= 1 if count else 0
        return registers

    opened.engine.execute = flipped  # type: ignore[method-assign,assignment]


def test_an_engine_that_computes_nonsense() -> None:
    with simulated_board("csim", "fp4", "small", memory_bytes=1 << 20) as opened:
        _bus_that_flips(opened)
        found = findings()
    assert not found["overlay fp4"]["ok"]
    assert "self-test" in found["overlay fp4"]["problem"]


def test_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    assert board.image_problem() == ""
    monkeypatch.setenv("BOARD", "Pynq-Z2")
    monkeypatch.setattr(platform, "python_version_tuple", lambda: ("3", "10", "4"))
    assert board.pynq_image().startswith("Pynq-Z2")
    assert board.image_problem() == ""
    monkeypatch.setenv("BOARD", "ZCU104")
    assert "has Python 3.12" in board.image_problem()
