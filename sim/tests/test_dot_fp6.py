# SPDX-License-Identifier: Apache-2.0
"""fpq_dot_fp6_dsp against integers: two columns' sums of passes of random and of the largest products."""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

from sim.bench import generator, join, start
from sim.tests.test_array import codes
from sim.tests.test_bank import units
from tests.reference import FORMATS

CHUNKS = 3000
SUM_BITS = 26
CASCADE = 32  # fpq_bank_pkg::Fp6Cascade


@cocotb.test()
async def dot(dut: Any) -> None:
    lanes = int(os.environ["LANES"])
    random = generator()
    ends = random.random(CHUNKS) < 0.3  # a chunk is the last of its pass
    ends[-1] = True
    signs = random.integers(0, 5, CHUNKS)
    a = np.stack([units(codes(random, (lanes,), 6, bool(s == 0)), FORMATS["e2m3"]) for s in signs])
    w = np.stack([units(codes(random, (2, lanes), 6, bool(s == 0)), FORMATS["e2m3"]) for s in signs])
    products = np.einsum("tl,tcl->tc", a, w)
    expected: list[tuple[int, int]] = []
    total = np.zeros(2, np.int64)
    for chunk in range(CHUNKS):
        total = total + products[chunk]
        if ends[chunk]:
            expected.append((int(total[0]), int(total[1])))
            total = np.zeros(2, np.int64)
    found: list[tuple[int, int]] = []
    await start(dut, valid_i=0, keep_i=0)
    latency = CASCADE + 2 + int(lanes > 2 * CASCADE)  # fp6_dot_cycles
    for cycle in range(CHUNKS + latency + 3):
        await FallingEdge(dut.clk_i)
        if 0 <= (chunk := cycle - latency - 2) < CHUNKS and ends[chunk]:
            word = int(dut.sums_o.value)
            both = [(word >> (SUM_BITS * i)) & ((1 << SUM_BITS) - 1) for i in (0, 1)]
            found.append((both[0] - (both[0] >> 25 << 26), both[1] - (both[1] >> 25 << 26)))
        late = [min(max(cycle - lane % CASCADE, 0), CHUNKS - 1) for lane in range(lanes)]
        pairs = [(int(w[t, 1, lane]) << 18) + int(w[t, 0, lane]) for lane, t in enumerate(late)]
        dut.a_i.value = join([int(a[t, lane]) & 0x7F for lane, t in enumerate(late)], 7)
        dut.w_i.value = join([pair & 0x1FFFFFF for pair in pairs], 25)
        chunk = cycle - latency
        dut.valid_i.value = int(0 <= chunk < CHUNKS)
        dut.first_i.value = int(chunk == 0 or (0 < chunk < CHUNKS and bool(ends[chunk - 1])))
        dut.keep_i.value = int(0 <= chunk - 1 < CHUNKS and bool(ends[chunk - 1]))
    assert len(found) == len(expected) > 100
    assert np.abs(products).max() > lanes * 3000
    assert found == expected
