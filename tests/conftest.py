# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests: one thread for each worker, and hypothesis examples that can be drawn again."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; pytest-xdist runs workers side by side

import pytest
from hypothesis import settings

# Examples differ from run to run, so that the tests go on learning. `make test` prints the seed it passes; the same run
# again is `make test SEED=<seed>`. A failure also prints its own example and a blob for @reproduce_failure.
settings.register_profile("fpqvar", derandomize=False, print_blob=True, deadline=None)
settings.load_profile("fpqvar")


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, where every log has it."""
    return f"hypothesis seed: {config.getoption('hypothesis_seed', None)} (again: make test SEED=<seed>)"
