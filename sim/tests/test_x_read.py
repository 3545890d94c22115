# SPDX-License-Identifier: Apache-2.0
"""fpq_x_read with burst cutter, AXI reader and realigner: any address, length and stall; errors; stop and restart."""

import os
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout

from sim.bench import generator, start

BUS = int(os.environ["BUS_BITS"]) // 8
MEMORY = 1 << 17
MOST_BURST_BYTES = 1024


@dataclass
class Request:
    address: int
    nbytes: int
    tag: int


class Slave:
    """Answers read bursts in order from `memory`, with pauses; checks every burst. `faults` are byte addresses."""

    def __init__(self, dut: Any, rng: np.random.Generator, pause: float) -> None:
        self.dut, self.rng, self.pause = dut, rng, pause
        self.memory = rng.integers(0, 256, MEMORY, np.uint8)
        self.faults: set[int] = set()
        self.bursts: deque[tuple[int, int]] = deque()
        self.most = self.beats = 0

    def _go(self) -> bool:
        return bool(self.rng.random() >= self.pause)

    async def run(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.clk_i)
            if int(dut.arvalid_o.value) and int(dut.arready_i.value):
                self._accept(int(dut.araddr_o.value), int(dut.arlen_o.value) + 1)
            taken = int(dut.rvalid_i.value) and int(dut.rready_o.value)
            self.beats += bool(taken)
            dut.arready_i.value = self._go()
            if int(dut.rvalid_i.value) and not taken:
                continue
            offer = bool(self.bursts) and self._go()
            dut.rvalid_i.value = offer
            if offer:
                self._offer()

    def _accept(self, address: int, beats: int) -> None:
        assert address % BUS == 0
        assert beats * BUS <= max(MOST_BURST_BYTES, 64 * BUS)
        assert address // 4096 == (address + beats * BUS - 1) // 4096, f"burst of {beats} at {address:#x} crosses 4 KiB"
        self.bursts.append((address, beats))
        self.most = max(self.most, len(self.bursts))

    def _offer(self) -> None:
        address, beats = self.bursts.popleft()
        self.dut.rdata_i.value = int.from_bytes(self.memory[address : address + BUS].tobytes(), "little")
        self.dut.rresp_i.value = 2 if address in self.faults else 0
        self.dut.rlast_i.value = beats == 1
        if beats > 1:
            self.bursts.appendleft((address + BUS, beats - 1))


async def ask(dut: Any, side: str, requests: list[Request], rng: np.random.Generator, pause: float) -> None:
    """Make requests of one side: `fetch` or `row`."""
    valid, ready = getattr(dut, f"{side}_valid_i"), getattr(dut, f"{side}_ready_o")
    for request in requests:
        while rng.random() < pause:
            await RisingEdge(dut.clk_i)
        valid.value = 1
        getattr(dut, f"{side}_addr_i").value = request.address
        getattr(dut, f"{side}_span_i").value = request.nbytes - 1
        getattr(dut, f"{side}_tag_i").value = request.tag
        while True:
            await RisingEdge(dut.clk_i)
            if int(ready.value):
                break
        valid.value = 0


async def take(dut: Any, wanted: dict[str, bytes], rng: np.random.Generator, pause: float) -> None:
    """Collect both sides' data until all has come."""
    found = {side: bytearray() for side in wanted}
    while any(len(found[side]) < len(wanted[side]) for side in wanted):
        await RisingEdge(dut.clk_i)
        data = int(dut.data_o.value).to_bytes(BUS, "little") if _any(dut) else b""
        if int(dut.fetch_data_valid_o.value):
            found["fetch"] += data
        if int(dut.row_data_valid_o.value) and int(dut.row_data_ready_i.value):
            found["row"] += data
        dut.row_data_ready_i.value = bool(rng.random() >= pause)
    assert {side: bytes(data) for side, data in found.items()} == wanted


def _any(dut: Any) -> bool:
    return bool(int(dut.fetch_data_valid_o.value) or int(dut.row_data_valid_o.value))


def draw(rng: np.random.Generator, count: int) -> dict[str, list[Request]]:
    """Descriptors at multiples of 64 bytes, rows at multiples of 8; many near 4 KiB boundaries."""
    out: dict[str, list[Request]] = {"fetch": [], "row": []}
    for number in range(count):
        side, step = ("fetch", 64) if rng.integers(4) == 0 else ("row", 8)
        nbytes = 128 if side == "fetch" else 64 * int(rng.choice([1, 2, 3, 8, 40]))
        near = 4096 * int(rng.integers(1, 20)) - int(rng.integers(0, nbytes // step + 1)) * step
        anywhere = int(rng.integers(0, 8000)) * step % (MEMORY - 8192)
        out[side].append(Request(near if rng.integers(2) else anywhere, nbytes, number % 16))
    return out


async def begin(dut: Any, rng: np.random.Generator, pause: float) -> Slave:
    names = [
        "stop_i",
        "fetch_valid_i",
        "row_valid_i",
        "row_data_ready_i",
        "arready_i",
        "rvalid_i",
        "rresp_i",
        "rlast_i",
    ]
    await start(dut, **dict.fromkeys(names, 0))
    slave = Slave(dut, rng, pause)
    cocotb.start_soon(slave.run())
    return slave


@cocotb.test()
async def any_runs_under_any_stall(dut: Any) -> None:
    rng = generator()
    for pause in (0.0, 0.3, 0.8):
        slave = await begin(dut, rng, pause)
        requests = draw(rng, 60)
        wanted = {
            side: b"".join(slave.memory[r.address : r.address + r.nbytes].tobytes() for r in requests[side])
            for side in requests
        }
        jobs = [cocotb.start_soon(ask(dut, side, requests[side], rng, pause)) for side in requests]
        jobs.append(cocotb.start_soon(take(dut, wanted, rng, pause)))
        for job in jobs:
            await with_timeout(job, 2, "ms")
        await ClockCycles(dut.clk_i, 4)
        assert int(dut.idle_o.value)
        if not pause:
            assert slave.most > 4, "bursts must overlap"


@cocotb.test()
async def errors_carry_their_tag(dut: Any) -> None:
    rng = generator()
    slave = await begin(dut, rng, 0.3)
    requests = [Request(2048 * number + 8 * int(rng.integers(64)), 640, number) for number in range(16)]
    bad = {int(n) for n in rng.choice(16, 5, replace=False)}
    slave.faults = {(requests[n].address + int(rng.integers(640))) // BUS * BUS for n in bad}
    seen: set[int] = set()

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk_i)
            if int(dut.error_o.value):
                seen.add(int(dut.error_tag_o.value))

    cocotb.start_soon(watch())
    wanted = b"".join(slave.memory[r.address : r.address + r.nbytes].tobytes() for r in requests)
    job = cocotb.start_soon(ask(dut, "row", requests, rng, 0))
    await with_timeout(cocotb.start_soon(take(dut, {"fetch": b"", "row": wanted}, rng, 0.2)), 2, "ms")
    await job
    assert seen == bad


@cocotb.test()
async def stop_leaves_nothing_on_the_bus(dut: Any) -> None:
    """At any moment: no burst begins any more, those under way end, and after a reset all is right."""
    rng = generator()
    for _ in range(8):
        slave = await begin(dut, rng, 0.3)
        dut.row_data_ready_i.value = 1
        job = cocotb.start_soon(ask(dut, "row", draw(rng, 30)["row"], rng, 0))
        await ClockCycles(dut.clk_i, int(rng.integers(1, 150)))
        dut.stop_i.value = 1
        await ClockCycles(dut.clk_i, 8)
        for _ in range(5000):
            await RisingEdge(dut.clk_i)
            if int(dut.idle_o.value):
                break
        assert int(dut.idle_o.value)
        before = slave.beats
        await ClockCycles(dut.clk_i, 50)
        assert not slave.bursts
        assert slave.beats == before
        job.cancel()
