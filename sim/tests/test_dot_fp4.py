# SPDX-License-Identifier: Apache-2.0
"""fpq_dot_fp4 and fpq_dot_fp4_dsp against integers: passes of any length, with gaps, random and of largest products."""

import json
import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

from sim.bench import generator, join, start
from sim.tests.test_cell import NEGATIVE, PLAIN, activation
from tests.reference import FORMATS, code_units

CYCLES = 2500
RECODING = 2


def levels(count: int) -> int:
    """fpq_bank_pkg::tree_levels."""
    found = 0
    while count > 2:
        count, found = count // 3 + count % 3, found + 1
    return found


@cocotb.test()
async def dot(dut: Any) -> None:
    shape, rng = json.loads(os.environ["SHAPE"]), generator()
    lanes, dsp, dual = shape["lanes"], shape["unit"] == "dot_fp4_dsp", shape["kind"] == "fp4"
    latency = RECODING + (1 + 4 + levels(lanes // 8) + 1 if dsp else levels(lanes) + 1)
    chunk = rng.random(CYCLES) < 0.8  # else a gap
    last = chunk & (rng.random(CYCLES) < 0.25)
    kinds = np.zeros(CYCLES, np.int64)
    a, w = rng.integers(0, 16, (2, CYCLES, lanes))
    corner = False
    first, begins = np.zeros(CYCLES, bool), True
    kind = PLAIN
    for cycle in range(CYCLES):
        if begins:
            kind, corner = int(rng.integers(NEGATIVE + 1)) if dual else PLAIN, rng.random() < 0.2
        first[cycle] = chunk[cycle] and begins
        kinds[cycle] = kind
        if corner:
            a[cycle], w[cycle] = 7 + 8 * (kind == NEGATIVE), 7 + 8 * int(rng.integers(2))
        begins = bool(last[cycle]) or (begins and not chunk[cycle])
    table = np.array([[activation(kind, code) for code in range(16)] for kind in range(3)])
    weights = np.array([code_units(code, FORMATS["e2m1"]) for code in range(16)])
    products = (table[kinds[:, None], a] * weights[w]).sum(1)
    expected, total = [], 0
    for cycle in np.flatnonzero(chunk):
        total = int(products[cycle]) + (0 if first[cycle] else total)
        if last[cycle]:
            expected.append(total)
    words = [
        [kind << 4 | int(code) for code in row] if dual else row.tolist() for kind, row in zip(kinds, a, strict=True)
    ]
    late = [lane % 32 // 8 if dsp else 0 for lane in range(lanes)]
    found = []
    await start(dut, valid_i=0, keep_i=0)
    for cycle in range(CYCLES + latency + 3):
        await FallingEdge(dut.clk_i)
        if 0 <= (shown := cycle - latency - 2) < CYCLES and last[shown]:
            found.append(dut.sum_o.value.to_signed())
        now = [min(max(cycle - wait, 0), CYCLES - 1) for wait in late]
        dut.a_i.value = join((words[t][lane] for lane, t in enumerate(now)), 6 if dual else 4)
        dut.w_i.value = join((int(w[t, lane]) for lane, t in enumerate(now)), 4)
        at = cycle - latency
        dut.valid_i.value = int(0 <= at < CYCLES and bool(chunk[at]))
        dut.first_i.value = int(0 <= at < CYCLES and bool(first[at]))
        dut.keep_i.value = int(0 <= at - 1 < CYCLES and bool(last[at - 1]))
    assert len(expected) > 300
    assert np.abs(products).max() > lanes * (60 if dual else 120)
    assert found == expected
