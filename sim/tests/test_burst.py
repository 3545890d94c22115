# SPDX-License-Identifier: Apache-2.0
"""fpq_burst: the bursts of a run cover it once, in order, and respect their boundaries."""

import os
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from sim.bench import generator, start

BUS_BYTES = int(os.environ["BUS_BITS"]) // 8
BURST_BEATS = int(os.environ["BURST_BEATS"])
MOST_BYTES = min((1 << int(os.environ["SPAN_WIDTH"])) - BUS_BYTES, 20_000)


@cocotb.test()
async def bursts_cover_runs(dut: Any) -> None:
    await start(dut, run_valid_i=0, burst_ready_i=0)
    rng = generator()
    burst_bytes = BURST_BEATS * BUS_BYTES
    for _ in range(400):
        boundary = int(rng.integers(1, 1 << 40)) * burst_bytes
        address = boundary + 8 * int(rng.integers(-16, 16) if rng.integers(2) else rng.integers(burst_bytes // 8))
        nbytes = 8 * int(rng.integers(1, 1 + (MOST_BYTES if rng.integers(4) == 0 else min(MOST_BYTES, 600)) // 8))
        dut.run_valid_i.value = 1
        dut.run_addr_i.value = address
        dut.run_span_i.value = nbytes - 1
        beats: list[int] = []
        ended = False
        while not ended:
            dut.burst_ready_i.value = ready = int(rng.integers(4)) > 0
            await ReadOnly()
            taken = int(dut.run_ready_o.value)
            if ready and int(dut.burst_valid_o.value):
                first, length = int(dut.burst_addr_o.value), int(dut.burst_len_o.value) + 1
                assert length <= BURST_BEATS
                assert first // burst_bytes == (first + length * BUS_BYTES - 1) // burst_bytes
                beats += [first + beat * BUS_BYTES for beat in range(length)]
                ended = bool(int(dut.burst_last_o.value))
            await RisingEdge(dut.clk_i)
            if taken:
                dut.run_valid_i.value = 0
        start_beat, end_beat = address // BUS_BYTES, -(-(address + nbytes) // BUS_BYTES)
        assert beats == [beat * BUS_BYTES for beat in range(start_beat, end_beat)], f"{nbytes} bytes at {address:#x}"
