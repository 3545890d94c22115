# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests: one thread for each worker, and hypothesis examples that can be drawn again."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; pytest-xdist runs workers side by side

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from sim.board import SimulatedBoard

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
