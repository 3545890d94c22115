# SPDX-License-Identifier: Apache-2.0
"""fpq_x_loader: every row in order, none before its tile's room is there, and no entry of the room lost for ever."""

import json
import os
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from sim.bench import generator, start
from sim.jobs import X_JOB, encode, members

SIZE = json.loads(os.environ["SIZE"])
ROWS, ACT_DEPTH = SIZE["rows"], SIZE["act_depth"]
TAGS = 16


class Bench:
    """Gives jobs and takes rows; frees row tiles as the multiplier would, in order, some time after their last row."""

    def __init__(self, dut: Any, rng: np.random.Generator, jobs: int) -> None:
        self.dut, self.rng, self.now = dut, rng, 0
        self.jobs = deque(self.job(index) for index in range(jobs))
        self.forms = deque(self.jobs)
        self.rows = deque((job, row) for job in self.jobs for row in range(job["m"]))
        self.room, self.fewest = ACT_DEPTH, ACT_DEPTH
        self.tiles: deque[tuple[int, int]] = deque()  # a tile's chunks, when it is done with
        self.retired = 0

    def job(self, index: int) -> dict[str, int]:
        """The first and one in eight need all the room; one in four waits for those before it."""
        rng = self.rng
        chunks = ACT_DEPTH if rng.integers(8) == 0 or index == 0 else int(rng.integers(1, ACT_DEPTH + 1))
        k = 32 * int(rng.integers(1, 257))
        return {
            "address": 8 * int(rng.integers(1 << 50)), "stride": 2 * k + 8 * int(rng.integers(40)),
            "m": int(rng.integers(1, 4 * ROWS + 2)), "k": k, "group": 32 * int(rng.integers(1, 5)), "chunks": chunks,
            "ght": int(rng.integers(2)), "dual": int(rng.integers(2)),
            "fence": int(rng.integers(4) == 0), "tag": index % TAGS,
        }  # fmt: skip

    def form(self) -> None:
        """What the prologue is told: of a fenced job, once all before it have retired."""
        dut, job = self.dut, self.forms[0]
        assert members(int(dut.form_o.value), X_JOB) == job
        if job["fence"]:
            assert self.retired % TAGS == job["tag"], "a fenced job began too early"
        self.forms.popleft()

    def row(self) -> None:
        dut, (job, row) = self.dut, self.rows.popleft()
        if row % ROWS == 0:
            self.room -= job["chunks"]
            self.fewest = min(self.fewest, self.room)
            assert self.room >= 0, f"{job['chunks']} chunks were begun without room: {self.room}"
        address = (job["address"] + row * job["stride"]) % (1 << 64)
        found = (int(dut.row_addr_o.value), int(dut.row_span_o.value), int(dut.row_tag_o.value))
        assert found == (address, 2 * job["k"] - 1, job["tag"])
        if row % ROWS == ROWS - 1 or row == job["m"] - 1:
            self.tiles.append((job["chunks"], self.now + int(self.rng.integers(1, 40))))

    async def cycle(self) -> None:
        dut, rng = self.dut, self.rng
        dut.job_valid_i.value = bool(self.jobs)
        if self.jobs:
            dut.job_i.value = encode(self.jobs[0], X_JOB)
        # All commands before a fenced one retire at last.
        if self.forms and len(self.rows) and self.rows[0][0] is self.forms[0] and not self.tiles:
            self.retired = self.forms[0]["tag"]
        dut.retired_tag_i.value = self.retired % TAGS
        free = bool(self.tiles) and self.tiles[0][1] <= self.now
        dut.free_valid_i.value, dut.free_chunks_i.value = free, self.tiles[0][0] if free else int(rng.integers(512))
        form_ready, row_ready = (bool(rng.integers(4)) for _ in range(2))
        dut.form_ready_i.value, dut.row_ready_i.value = form_ready, row_ready
        await ReadOnly()
        if self.jobs and int(dut.job_ready_o.value):
            self.jobs.popleft()
        if form_ready and int(dut.form_valid_o.value):
            self.form()
        if row_ready and int(dut.row_valid_o.value):
            self.row()
        if free:
            self.room += self.tiles.popleft()[0]
        self.now += 1
        await RisingEdge(dut.clk_i)


@cocotb.test()
async def rows(dut: Any) -> None:
    """More tiles than there are entries: one lost with each would be the end; some jobs need every one."""
    rng = generator()
    await start(dut, job_valid_i=0, free_valid_i=0, free_chunks_i=0, form_ready_i=0, row_ready_i=0, retired_tag_i=0)
    bench = Bench(dut, rng, 3 * ACT_DEPTH)
    last = (0, 0)  # when the number of rows left changed
    while bench.rows:
        await bench.cycle()
        if len(bench.rows) != last[1]:
            last = (bench.now, len(bench.rows))
        assert bench.now - last[0] < 300, f"stands still with {len(bench.rows)} rows left, room for {bench.room} chunks"
    assert not bench.jobs
    assert not bench.forms
    assert bench.fewest == 0
