# SPDX-License-Identifier: Apache-2.0
"""fpq_store: tiles from the banks to Y, with every other byte of memory a guard byte; retirement, overflow, errors."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import ReadOnly, RisingEdge

from sim.bench import generator, join, start
from sim.jobs import STORE_JOB, encode
from sim.write_memory import WriteMemory

SIZE = json.loads(os.environ["SIZE"])
ROWS, COLUMNS, BANKS, OUT_WIDTH, BUS_BYTES = (SIZE[k] for k in ("rows", "columns", "banks", "out_width", "bus_bytes"))
NBYTES = 1 << 17
Halves = npt.NDArray[np.uint16]
Piece = tuple[list[int], int]  # FP16 patterns, overflow bits
Pieces = list[list[Piece]]  # of each bank


@dataclass
class Job:
    nop: bool
    address: int
    stride: int
    m: int
    n: int
    block_rows: int
    tag: int

    def encode(self) -> int:
        """As the packed struct."""
        return encode(vars(self), STORE_JOB)


def outputs(
    job: Job, y: "np.ndarray[Any, np.dtype[np.uint16]]", rng: np.random.Generator
) -> tuple[list[list[Piece]], bool]:
    """What each bank sends, in order; and whether an overflow that counts is among it."""
    pieces: list[list[Piece]] = [[] for _ in range(BANKS)]
    saturated = False
    for block in range(0, job.m, job.block_rows):
        rows = min(job.block_rows, job.m - block)
        for tile in range(-(-job.n // COLUMNS)):
            for row in range(-(-rows // ROWS) * ROWS):
                for column in range(tile * COLUMNS, (tile + 1) * COLUMNS, OUT_WIDTH):
                    real = row < rows and column < job.n
                    values = y[block + row, column : column + OUT_WIDTH] if real else rng.integers(0, 65536, OUT_WIDTH)
                    overflow = int(rng.integers(1, 1 << OUT_WIDTH)) if rng.integers(50 if real else 2) == 0 else 0
                    saturated |= real and overflow != 0
                    pieces[tile % BANKS].append(([int(v) for v in values], overflow))
    return pieces, saturated


def bursts(job: Job) -> int:
    """One for each row of a set of column tiles, and one more where it crosses a multiple of 64 beats."""
    width, span = 2 * COLUMNS * BANKS, 64 * BUS_BYTES
    rows = range(job.address, job.address + job.m * job.stride, job.stride)
    runs = [(row + at, row + min(at + width, 2 * job.n) - 1) for row in rows for at in range(0, 2 * job.n, width)]
    return sum(last // span - first // span + 1 for first, last in runs)


async def send(
    dut: Any, banks: list[list[Piece]], rng: np.random.Generator, pause: float, until: int
) -> dict[str, int]:
    """Drive the banks' outputs until all are gone and `until` commands have retired, or one fails; count events."""
    seen = Counter[str]()
    offered, idle = [False] * BANKS, 0
    for _ in range(200_000):
        for bank in range(BANKS):
            offered[bank] = offered[bank] or (bool(banks[bank]) and rng.random() >= pause)
        heads = [banks[bank][0] if offered[bank] else ([0] * OUT_WIDTH, 0) for bank in range(BANKS)]
        dut.y_valid_i.value = join(offered, 1)
        dut.y_data_i.value = join((join(values, 16) for values, _ in heads), 16 * OUT_WIDTH)
        dut.y_overflow_i.value = join((overflow for _, overflow in heads), OUT_WIDTH)
        await ReadOnly()
        ready = int(dut.y_ready_o.value)
        for event in ("retire", "overflow", "set"):
            seen[event] += int(getattr(dut, f"{event}_o").value)
        seen["error"] = int(dut.error_o.value)
        await RisingEdge(dut.clk_i)
        for bank in range(BANKS):
            if offered[bank] and ready >> bank & 1:
                banks[bank].pop(0)
                offered[bank] = False
        if seen["error"] or idle == 4:
            return seen
        idle = idle + 1 if seen["retire"] == until and not any(banks) else 0
    raise AssertionError(f"{seen['retire']} of {until} commands retired; {[len(b) for b in banks]} pieces left")


async def offer_jobs(dut: Any, jobs: list[Job]) -> None:
    for job in jobs:
        dut.job_valid_i.value, dut.job_i.value = 1, job.encode()
        while True:
            await ReadOnly()
            ready = int(dut.job_ready_o.value)
            await RisingEdge(dut.clk_i)
            if ready:
                break
    dut.job_valid_i.value = 0


def random_jobs(rng: np.random.Generator, count: int) -> list[Job]:
    jobs, at = [], 64
    for tag in range(count):
        m, n = int(rng.integers(1, 4 * ROWS)), 32 * int(rng.integers(1, 4))
        stride = 2 * n + 8 * int(rng.integers(0, 5))
        jobs.append(Job(rng.integers(5) == 0, at, stride, m, n, ROWS * int(rng.integers(1, 4)), tag % 16))
        at += -(-m * stride // 64) * 64 + 64 * int(rng.integers(1, 30))
    assert at < NBYTES
    return jobs


@cocotb.test()
async def tiles_to_rows(dut: Any) -> None:
    rng = generator()
    await start(dut, stop_i=0, job_valid_i=0, y_valid_i=0, awready_i=0, wready_i=0, bvalid_i=0)
    memory = WriteMemory(dut, np.zeros(NBYTES, np.uint8), BUS_BYTES)
    for pause, latency in ((0.0, 1), (0.4, 1), (0.1, 60)):
        memory.pause, memory.latency, memory.bursts = pause, latency, 0
        memory.image[:] = rng.integers(0, 256, NBYTES, np.uint8)
        wanted, jobs = memory.image.copy(), random_jobs(rng, 8)
        banks: list[list[Piece]] = [[] for _ in range(BANKS)]
        saturated = sets = 0
        for job in jobs:
            if job.nop:
                continue
            y = rng.integers(0, 65536, (job.m, job.n)).astype(np.uint16)
            for row in range(job.m):
                first = job.address + row * job.stride
                wanted[first : first + 2 * job.n] = y[row].view(np.uint8)
            pieces, overflow = outputs(job, y, rng)
            for bank in range(BANKS):
                banks[bank] += pieces[bank]
            saturated += overflow
            sets += -(-job.m // job.block_rows) * -(-job.n // (COLUMNS * BANKS))
        cocotb.start_soon(offer_jobs(dut, jobs))
        seen = await send(dut, banks, rng, pause, len(jobs))
        assert not any(banks)
        assert memory.open == 0
        assert memory.bursts == sum(bursts(job) for job in jobs if not job.nop)
        assert np.array_equal(memory.image, wanted), f"first wrong byte {np.flatnonzero(memory.image != wanted)[0]:#x}"
        assert seen["set"] == sets
        assert (seen["overflow"] > 0) == (saturated > 0)
        assert not seen["error"]


@cocotb.test()
async def a_failed_write_does_not_retire(dut: Any) -> None:
    """The commands before it have retired; error_o stays; stop_i lets the bus run empty."""
    rng = generator()
    await start(dut, stop_i=0, job_valid_i=0, y_valid_i=0, awready_i=0, wready_i=0, bvalid_i=0)
    memory = WriteMemory(dut, np.zeros(NBYTES, np.uint8), BUS_BYTES, latency=5)
    jobs = [Job(False, 8192 * (1 + tag), 64, 2, 32, ROWS, tag) for tag in range(3)]
    memory.faults = {jobs[1].address + 64}
    banks: list[list[Piece]] = [[] for _ in range(BANKS)]
    for job in jobs:
        pieces, _ = outputs(job, np.zeros((job.m, job.n), np.uint16), rng)
        for bank in range(BANKS):
            banks[bank] += pieces[bank]
    cocotb.start_soon(offer_jobs(dut, jobs))
    seen = await send(dut, banks, rng, 0.0, len(jobs))
    assert seen["retire"] == 1
    assert seen["error"] == 1
    dut.stop_i.value = 1
    for _ in range(60):
        await RisingEdge(dut.clk_i)
    await ReadOnly()
    assert int(dut.error_o.value)
    assert int(dut.idle_o.value)
    assert memory.open == 0
