# SPDX-License-Identifier: Apache-2.0
"""fpq_weights: random jobs and stalls. Every chunk, scale and bias of the bank's tiles, in the order of the rings."""

import json
import os
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from host._generated import SECTION_BYTES
from host.layout import StreamShape
from sim.bench import generator, start
from sim.jobs import W_JOB, encode

SIZE: dict[str, int] = json.loads(os.environ["SIZE"])
BANK, BANKS, COLUMNS, LANES, BITS = (SIZE[name] for name in ("bank", "banks", "columns", "lanes", "bits"))
BUS, OUT_WIDTH = SIZE["bus_bits"] // 8, SIZE["out_width"]
DEPTH, ENTRIES, LATENCY, PAGE = 512, 16, 3, 4096
MEMORY = 1 << 18
BEHIND = 40  # cycles that other banks need for a set in which this one has no tile


@dataclass
class Step:
    """One chunk of one set: what the rings must hold for it. `data` is None where the bank has no tile."""

    chunk_at: int
    scale_at: int
    data: tuple[int, int] | None
    groups: int  # of the set, with its last chunk; else 0


class Bench:
    """Memory, multiplier and what came of bias and errors."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.memory = rng.integers(0, 256, MEMORY, np.uint8).tobytes()
        self.pause = float(rng.choice([0.0, 0.2, 0.7]))
        self.jobs: deque[dict[str, int]] = deque()
        self.steps: deque[Step] = deque()
        self.bias: list[tuple[int, int, int]] = []
        self.wanted_bias: list[tuple[int, int, int]] = []
        self.faults: dict[int, int] = {}  # by the beat's address, the tag to be told
        self.errors: list[int] = []
        self.wanted_errors: list[int] = []
        self.beats: deque[tuple[int, bool]] = deque()
        self.offered = False
        self.announced = self.sets = self.chunks = self.groups = self.wait = 0
        self.looking: deque[tuple[int, Step]] = deque()
        self.stored: deque[int] = deque()  # cycles at which sets have left the bank
        self.now = self.asked = self.taken = self.told = self.tiled = self.due = 0
        self.whole: dict[int, int] = {}  # chunks up to a tile's end, and beats

    def add_job(self, at: int, sets: int = 0) -> int:
        """A random job whose stream begins at an address, or one of at least so many sets of a chunk; where it ends."""
        rng = self.rng
        k, n = 32 * (1 if sets else int(rng.integers(1, 9))), 32 * int(rng.integers(1, 4))
        shape = StreamShape(n, k, min(32 * int(rng.integers(1, 10)), k), BITS, COLUMNS, LANES)
        m, block_rows, tag = int(rng.integers(1, 30)), int(rng.choice([8, 16, 64])), int(rng.integers(16))
        if sets:
            m = block_rows * -(-sets // -(-shape.tiles // BANKS))
        bias, scales, codes = shape.sections
        tile_bytes = bias + scales + codes
        job = {
            "address": at, "m": m, "n": n, "block_rows": block_rows, "tile_span": tile_bytes - SECTION_BYTES,
            "scale_beats": scales // BUS, "chunks": shape.chunks, "groups": shape.groups, "tag": tag,
        }  # fmt: skip
        self.jobs.append(job)
        for _ in range(-(-m // block_rows)):
            for first in range(0, shape.tiles, BANKS):
                mine = first + BANK
                self.add_set(shape, at + mine * tile_bytes if mine < shape.tiles else None, tag)
        return at + shape.nbytes

    def number(self, at: int, nbytes: int) -> int:
        return int.from_bytes(self.memory[at : at + nbytes], "little")

    def add_set(self, shape: StreamShape, tile: int | None, tag: int) -> None:
        bias, scales, codes = shape.sections
        a_group = -(-shape.group // LANES)
        for chunk in range(shape.chunks):
            data, group = None, min(chunk // a_group, shape.groups - 1)
            if tile is not None:
                size = COLUMNS * shape.chunk_bytes
                at = tile + bias + scales + chunk * size
                data = self.number(at, size), self.number(tile + bias + group * 2 * COLUMNS, 2 * COLUMNS)
            at_chunk, at_scale = (self.chunks + chunk) % DEPTH, (self.groups + group) % DEPTH
            self.steps.append(Step(at_chunk, at_scale, data, shape.groups if chunk == shape.chunks - 1 else 0))
        if tile is not None:
            self.tiled, self.due = self.tiled + shape.chunks, self.due + (bias + scales + codes) // BUS
            self.whole[self.tiled] = self.due
            piece = 4 * OUT_WIDTH
            for part in range(COLUMNS // OUT_WIDTH):
                self.wanted_bias.append((self.sets % ENTRIES, part, self.number(tile + part * piece, piece)))
            if self.rng.integers(8) == 0:
                beat = tile // BUS * BUS + BUS * int(self.rng.integers((bias + scales + codes) // BUS))
                if self.faults.setdefault(beat, tag) == tag:
                    self.wanted_errors.append(tag)
        self.chunks, self.groups, self.sets = self.chunks + shape.chunks, self.groups + shape.groups, self.sets + 1

    def goes(self) -> bool:
        return bool(self.rng.random() >= self.pause)

    def multiply(self) -> None:
        """Look at the next chunk if it is announced; a set that is not the bank's is passed by."""
        dut = self.dut
        dut.free_chunk_i.value = dut.free_set_i.value = 0
        dut.chunk_addr_i.value, dut.scale_addr_i.value = (int(v) for v in self.rng.integers(0, DEPTH, 2))
        dut.free_bias_i.value = gone = int(bool(self.stored) and self.stored[0] <= self.now)
        if gone:
            self.stored.popleft()
        if not self.steps or not self.goes():
            return
        step = self.steps[0]
        self.wait += 1
        if (step.data is None and self.wait <= BEHIND) or (step.data is not None and not self.announced):
            return
        if step.data is not None:
            self.announced -= 1
            dut.chunk_addr_i.value, dut.scale_addr_i.value = step.chunk_at, step.scale_at
            self.looking.append((self.now + LATENCY, step))
        elif not step.groups:
            self.wait = BEHIND  # the set's other chunks follow at once
        self.steps.popleft()
        dut.free_chunk_i.value = 1
        if step.groups:
            self.wait = 0
            dut.free_set_i.value, dut.free_groups_i.value = 1, step.groups
            self.stored.append(self.now + int(self.rng.integers(1, 60)))

    async def cycle(self) -> None:
        dut = self.dut
        dut.arready_i.value = ready = self.goes()
        dut.job_valid_i.value = bool(self.jobs)
        if self.jobs:
            dut.job_i.value = encode(self.jobs[0], W_JOB)
        if not self.offered and self.beats and self.goes():
            self.offered = True
            at, last = self.beats[0]
            dut.rdata_i.value, dut.rlast_i.value = self.number(at, BUS), last
            dut.rresp_i.value = 2 if at in self.faults else 0
        dut.rvalid_i.value = self.offered
        self.multiply()
        await ReadOnly()
        if ready and int(dut.arvalid_o.value):
            at, beats = int(dut.araddr_o.value), int(dut.arlen_o.value) + 1
            assert at % BUS == 0
            assert at // PAGE == (at + beats * BUS - 1) // PAGE, f"{beats} beats at {at:#x} cross 4 KiB"
            self.beats.extend((at + beat * BUS, beat == beats - 1) for beat in range(beats))
            self.asked += 1
        if self.jobs and int(dut.job_ready_o.value):
            self.jobs.popleft()
        if self.offered and int(dut.rready_o.value):
            self.beats.popleft()
            self.offered = False
            self.taken += 1
        if int(dut.bias_valid_o.value):
            self.bias.append(tuple(int(getattr(dut, f"bias_{name}o").value) for name in ("entry_", "part_", "")))  # type: ignore[arg-type]
        if int(dut.error_o.value):
            self.errors.append(int(dut.error_tag_o.value))
        if self.looking and self.looking[0][0] == self.now:
            step = self.looking.popleft()[1]
            assert (int(dut.codes_o.value), int(dut.scales_o.value)) == step.data, step
        if int(dut.chunk_o.value):
            self.announced, self.told = self.announced + 1, self.told + 1
            assert self.taken >= self.whole.get(self.told, 0), "a tile was announced before its last beat"
        self.now += 1
        await RisingEdge(dut.clk_i)


async def begin(dut: Any, rng: np.random.Generator, sets: int = 0) -> Bench:
    """Out of reset, with some jobs, or with one of so many sets."""
    dut.rst_ni.value = dut.job_valid_i.value = dut.rvalid_i.value = dut.stop_i.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    bench, at = Bench(dut, rng), 64 * int(rng.integers(1, 70))
    for _ in range(1 if sets else int(rng.integers(1, 5))):
        at = bench.add_job(at, sets) + 64 * int(rng.integers(3))
        assert at < MEMORY
    return bench


@cocotb.test()
async def tiles(dut: Any) -> None:
    rng = generator()
    await start(dut, free_chunk_i=0, free_set_i=0, free_bias_i=0, arready_i=0, stop_i=0, job_valid_i=0, rvalid_i=0)
    told = 0
    for _ in range(12):
        bench = await begin(dut, rng)
        while (bench.steps or bench.looking or bench.jobs or bench.stored) and bench.now < 60_000:
            await bench.cycle()
        left = f"{len(bench.steps)} chunks and {len(bench.jobs)} jobs are left"
        assert not bench.steps, left
        assert bench.bias == bench.wanted_bias
        assert bool(bench.errors) == bool(bench.wanted_errors)
        assert set(bench.errors) == set(bench.wanted_errors)
        told += len(bench.errors)
        for _ in range(20):
            await bench.cycle()
        assert int(dut.idle_o.value)
        assert not bench.announced
    assert told > 3


@cocotb.test()
async def room_comes_back(dut: Any) -> None:
    """All of it: more sets than the rings have entries, so that a single one lost with each would be the end."""
    rng = generator()
    await start(dut, free_chunk_i=0, free_set_i=0, free_bias_i=0, arready_i=0, stop_i=0, job_valid_i=0, rvalid_i=0)
    bench = await begin(dut, rng, DEPTH + 100)
    bench.pause = 0.0
    while (bench.steps or bench.jobs) and bench.now < 100_000:
        await bench.cycle()
    assert not bench.steps, f"{len(bench.steps)} chunks are left"


@cocotb.test()
async def stop(dut: Any) -> None:
    """At any moment: what was asked for comes, then the master is idle and asks for nothing."""
    rng = generator()
    await start(dut, free_chunk_i=0, free_set_i=0, free_bias_i=0, arready_i=0, stop_i=0, job_valid_i=0, rvalid_i=0)
    for _ in range(10):
        bench = await begin(dut, rng)
        for _ in range(int(rng.integers(1, 400))):
            await bench.cycle()
        dut.stop_i.value = 1
        for _ in range(8):
            await bench.cycle()
        idle = 0
        for _ in range(20_000):
            await bench.cycle()
            idle = idle + 1 if not bench.beats and int(dut.idle_o.value) else 0
            if idle == 1:
                asked = bench.asked
            if idle > 30:
                break
        assert idle > 30, f"{len(bench.beats)} beats are still to come"
        assert bench.asked == asked
