# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests: one thread for each worker, and hypothesis examples that can be drawn again."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; pytest-xdist runs workers side by side

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from sim.board import SimulatedBoard
    from tests.cli import Run

# Examples differ from run to run, so that the tests go on learning. `make test` prints the seed it passes; the same run
# again is `make test SEED=<seed>`. A failure also prints its own example and a blob for @reproduce_failure.
settings.register_profile("fpqvar", derandomize=False, print_blob=True, deadline=None)
settings.load_profile("fpqvar")


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, where every log has it."""
    return f"hypothesis seed: {config.getoption('hypothesis_seed', None)} (again: make test SEED=<seed>)"


@pytest.fixture(params=["csim", "rtl"])
def board(request: pytest.FixtureRequest) -> "Iterator[SimulatedBoard]":
    """A simulated board, once with each engine. Needs the package pynq."""
    from sim.board import simulated_board

    with simulated_board(request.param) as opened:
        yield opened


@pytest.fixture
def csim_board() -> "Iterator[SimulatedBoard]":
    """A simulated board with the HLS engine."""
    from sim.board import simulated_board

    with simulated_board("csim") as opened:
        yield opened


@pytest.fixture
def fpqvar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Run":
    """Runs `fpqvar` in this process: exit code, stdout, stderr."""
    from host.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fpqvar", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        code = caught.value.code
        return (code if isinstance(code, int) else 0), captured.out, captured.err

    return call


@pytest.fixture
def run(fpqvar: "Run", monkeypatch: pytest.MonkeyPatch) -> "Run":
    """The same, but `fmnist` is the tiny model."""
    from sw_quant.errors import FpqvarError
    from tests.cli import LOAD
    from tests.tiny import tiny_model

    def fake_load(name: str) -> Any:
        if name != "fmnist":
            raise FpqvarError(f"{name}: no such model")
        return tiny_model()

    monkeypatch.setattr(LOAD, fake_load)
    return fpqvar
