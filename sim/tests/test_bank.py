# SPDX-License-Identifier: Apache-2.0
"""The multiplier bank, simulated."""

import pytest

from sim.tests import bank_runner

# Family, rows, columns, lanes, spacing, slots, outputs a cycle.
SHAPES = [
    (1, 4, 8, 32, 4, 8, 4),
    (1, 2, 4, 32, 4, 8, 4),
    (1, 8, 4, 128, 1, 32, 4),
    (1, 8, 8, 64, 2, 4, 8),
    (2, 4, 8, 32, 4, 8, 4),
    (3, 4, 4, 32, 4, 8, 4),
    (4, 4, 4, 32, 8, 8, 4),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "-".join(map(str, s)))
def test_bank(shape: tuple[int, ...]) -> None:
    names = ("Family", "Rows", "Columns", "Lanes", "Spacing", "Slots", "OutWidth")
    bank_runner.run(
        "fpq_bank", "bench_bank", dict(zip(names, shape, strict=True)), {"SHAPE": ",".join(map(str, shape))}
    )
