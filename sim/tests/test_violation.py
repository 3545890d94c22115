# SPDX-License-Identifier: Apache-2.0
"""Breaks the rule of a handshake on purpose: the assertion, not this test, must stop the simulation."""

import os
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from sim.bench import start


@cocotb.test()
async def violation(dut: Any) -> None:
    """An offer of a run is withdrawn, or changed, before it is taken."""
    await start(dut, run_valid_i=0, burst_ready_i=0, run_addr_i=0x1000, run_span_i=64 - 1)
    dut.run_valid_i.value = 1
    await ClockCycles(dut.clk_i, 3)  # the first run is taken at once; its burst is not, so the second has to wait
    if os.environ["KIND"] == "withdrawn":
        dut.run_valid_i.value = 0
    else:
        dut.run_addr_i.value = 0x2000
    await ClockCycles(dut.clk_i, 10)
