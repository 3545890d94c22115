# SPDX-License-Identifier: Apache-2.0
"""No bench: a simulation that never ends, and has a child, for the test of the time-out (tests/test_sim_runner.py)."""

import os
import subprocess
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from sim.bench import start


@cocotb.test()
async def endless(dut: Any) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    Path(os.environ["PIDS"]).write_text(f"{os.getpid()} {child.pid}")
    await start(dut)
    while True:
        await RisingEdge(dut.clk_i)
