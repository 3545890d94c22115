# SPDX-License-Identifier: Apache-2.0
"""fpq_issue: every chunk in the order of docs/rtl.md, with the right operands, never before they are there."""

import json
import os
from collections import Counter, deque
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from sim.bench import generator, join, start
from sim.jobs import ISSUE_JOB, encode

SIZE = json.loads(os.environ["SIZE"])
ROWS, COLUMNS, BANKS, SLOTS, SPACING = (SIZE[name] for name in ("rows", "columns", "banks", "slots", "spacing"))
READ_CYCLES = 3  # from an address to its data, and to the flags that go with it
ACT_DEPTH, RING_DEPTH = 1 << 16, 1 << 10
RING_CHUNKS = 512  # fpq_issue's ChunkDepth
SLOT_SPACING, ANSWER_LEAD = 15, 7  # as in fpq_bank_pkg


class Job(NamedTuple):
    m: int
    n: int
    row_tiles: int
    group_chunks: int
    last_chunks: int
    groups: int
    dual: bool

    @property
    def chunks(self) -> int:
        return (self.groups - 1) * self.group_chunks + self.last_chunks

    def encode(self) -> int:
        """As the packed struct."""
        return encode(self._asdict() | {"block_rows": self.row_tiles * ROWS, "chunks": self.chunks}, ISSUE_JOB)


class Chunk(NamedTuple):
    act: int
    weights: int
    mask: int
    first: int
    last: int
    dual: int
    negative: int
    slot: int
    tile_first: int
    tile_last: int
    bias: int
    scale: int | None  # address, where it matters
    tiles: int  # row tiles that must have come
    loads: int  # chunks that bank 0 must have got


def halves(left: int) -> Iterator[int]:
    """Row tiles of each super-tile."""
    half = SLOTS // 2
    while left:
        some = left if left <= half else (left + 1) // 2 if left < 2 * half else half
        yield some
        left -= some


def in_pairs(job: Job, tiles: int) -> bool:
    """Whether two sets take turns: passes are shorter than an accumulator's way, slots and rings have room for both."""
    short = tiles * job.group_chunks < SLOT_SPACING and tiles <= SLOTS // 4
    return job.dual and short and job.chunks <= RING_CHUNKS // 2


def schedule(jobs: list[Job]) -> Iterator[Chunk]:
    """The loops of docs/rtl.md section 2."""
    act = weights = scales = bias = tiles = loads = 0
    half = 0
    for job in jobs:
        for block in range(0, -(-job.m // ROWS), job.row_tiles):
            count = min(job.row_tiles, -(-job.m // ROWS) - block)
            column = 0
            while column * COLUMNS < job.n:
                sets = 2 if in_pairs(job, count) and (column + 2 * BANKS) * COLUMNS <= job.n else 1
                mask = (1 << min(BANKS, -(-job.n // COLUMNS) - column)) - 1
                tile = 0
                for some in halves(count):
                    for group, negative, of, slot in product(
                        range(job.groups), range(1 + job.dual), range(sets), range(some)
                    ):
                        last_group = group == job.groups - 1
                        length = job.last_chunks if last_group else job.group_chunks
                        for at in range(length):
                            chunk = group * job.group_chunks + at
                            yield Chunk(
                                (act + (tile + slot) * job.chunks + chunk) % ACT_DEPTH,
                                (weights + of * job.chunks + chunk) % RING_DEPTH,
                                mask,
                                at == 0,
                                at == length - 1,
                                job.dual,
                                negative,
                                half * SLOTS // 2 + of * some + slot,
                                group == 0 and not negative,
                                last_group and (negative == job.dual),
                                (bias + of) % 16,
                                (scales + of * job.groups + group) % RING_DEPTH if at == length - 1 else None,
                                tiles + tile + slot + 1,
                                loads + of * job.chunks + chunk + 1,
                            )
                    half ^= 1
                    tile += some
                column += sets * BANKS
                weights += sets * job.chunks
                scales += sets * job.groups
                loads += sets * job.chunks
                bias += sets
            act += count * job.chunks
            tiles += count


class Banks:
    """Stand-ins for the banks: they answer a pass's end after a while."""

    def __init__(self, rng: np.random.Generator, drain_cycles: int) -> None:
        self.rng, self.drain_cycles = rng, drain_cycles
        self.sums: deque[tuple[int, int]] = deque()
        self.drains: list[deque[tuple[int, int]]] = [deque() for _ in range(BANKS)]
        self.busy: Counter[int] = Counter()
        self.ends: dict[int, int] = {}  # of slots whose sum is under way
        self.spacings: list[int] = []

    def end(self, cycle: int, slot: int, tile_last: bool, mask: int) -> None:
        """A pass ends."""
        assert not self.busy[slot], f"slot {slot} is not free"
        if slot in self.ends:
            self.spacings.append(cycle - self.ends.pop(slot))
        if not tile_last:
            self.ends[slot] = cycle
            self.busy[slot] += 1
            self.sums.append((cycle + SLOT_SPACING - ANSWER_LEAD, slot))
            return
        for bank in range(BANKS):
            if mask >> bank & 1:
                self.busy[slot] += 1
                ready = max([cycle + SLOT_SPACING, *(when + self.drain_cycles for when, _ in self.drains[bank])])
                self.drains[bank].append((ready + int(self.rng.integers(self.drain_cycles + 1)), slot))

    def drive(self, dut: Any, cycle: int) -> None:
        """The answers that are due."""
        due = bool(self.sums) and self.sums[0][0] <= cycle
        dut.sum_valid_i.value = due
        dut.sum_slot_i.value = self.sums[0][1] if due else 0
        if due:
            self.busy[self.sums.popleft()[1]] -= 1
        valid, slots = [], []
        for queue in self.drains:
            drained = bool(queue) and queue[0][0] <= cycle
            valid.append(drained)
            slots.append(queue[0][1] if drained else 0)
            if drained:
                self.busy[queue.popleft()[1]] -= 1
        dut.drain_valid_i.value = join(valid, 1)
        dut.drain_slot_i.value = join(slots, (SLOTS - 1).bit_length())


def random_job(rng: np.random.Generator) -> Job:
    m = int(rng.integers(1, 3 * SLOTS * ROWS // 2))
    group_chunks, groups = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    last = int(rng.integers(1, group_chunks + 1)) if groups > 1 else group_chunks
    columns = 32 * int(rng.integers(1, 4))
    return Job(m, columns, int(rng.integers(1, 2 * SLOTS)), group_chunks, last, groups, bool(rng.integers(2)))


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


@cocotb.test()
async def the_order_and_the_waiting(dut: Any) -> None:
    rng = generator()
    await start(dut, job_valid_i=0, tile_i=0, chunk_i=0, sum_valid_i=0, drain_valid_i=0)
    jobs = [random_job(rng) for _ in range(12)]
    # One row tile of one set: nothing but its accumulator is waited for. Of two: they take turns.
    jobs.append(Job(1, COLUMNS * BANKS, 1, 1, 1, 4, True))
    jobs.extend(Job(ROWS * tiles, 96, 3, 1, 1, 9, True) for tiles in (1, 2))
    jobs.append(Job(1, 96, 1, 3, 3, 85, True))  # hardly room for two column tiles
    wanted = list(schedule(jobs))
    # With how many chunks read the first so many of the ring's are not needed again.
    uses = {chunk.loads: seen for seen, chunk in enumerate(wanted, 1)}
    done_with = np.maximum.accumulate([0] + [uses[load] for load in range(1, len(uses) + 1)])
    tiles_due = wanted[-1].tiles
    loads_due = [sum(job.chunks * -(-job.m // (job.row_tiles * ROWS)) * (len(range(bank, -(-job.n // COLUMNS), BANKS)))
                     for job in jobs) for bank in range(BANKS)]  # fmt: skip
    cocotb.start_soon(offer_jobs(dut, jobs))
    addresses: deque[tuple[int, int, int]] = deque([(0, 0, 0)] * (READ_CYCLES + 1), maxlen=READ_CYCLES + 1)
    banks, tiles, loads, cycle, last_end = Banks(rng, 8), 0, [0] * BANKS, 0, -SPACING
    freed = Counter[str]()
    fast = 0.9
    while wanted_left := len(wanted) - freed["seen"]:
        cycle += 1
        assert cycle < 40 * len(wanted) + 10_000, f"{wanted_left} chunks left"
        if cycle % 500 == 0:
            fast = float(rng.choice([0.1, 0.5, 1.0]))
        tile = tiles < tiles_due and rng.random() < fast
        room = [min(loads_due[bank], freed["chunks"] + RING_CHUNKS) for bank in range(BANKS)]
        load = [loads[bank] < room[bank] and rng.random() < fast for bank in range(BANKS)]
        dut.tile_i.value, dut.chunk_i.value = tile, join(load, 1)
        banks.drive(dut, cycle)
        await ReadOnly()
        addresses.append(tuple(int(getattr(dut, f"{name}_addr_o").value) for name in ("act", "chunk", "scale")))  # type: ignore[arg-type]
        mask = int(dut.chunk_valid_o.value)
        if mask:
            chunk = wanted[freed["seen"]]
            freed["seen"] += 1
            act, weights, scale_address = addresses[0]
            names = ("first", "last", "dual", "negative", "slot", "tile_first", "tile_last", "bias")
            flags = {name: int(getattr(dut, f"chunk_{name}_o").value) for name in names}
            scale = scale_address if chunk.scale is not None else None
            found = chunk._replace(act=act, weights=weights, mask=mask, scale=scale, **flags)
            assert found == chunk, f"chunk {freed['seen'] - 1}"
            assert tiles >= chunk.tiles, "a row tile that had not come"
            assert loads[0] >= chunk.loads, "weights that had not come"
            if chunk.last:
                assert cycle - last_end >= SPACING
                last_end = cycle
                banks.end(cycle, chunk.slot, bool(chunk.tile_last), mask)
        freed["chunks"] += int(dut.free_chunk_o.value)
        assert done_with[freed["chunks"]] <= freed["gone"], "weights are let go that are needed again"
        freed["gone"] += int(dut.compute_o.value)
        freed["sets"] += int(dut.free_set_o.value)
        freed["groups"] += int(dut.free_set_o.value) * int(dut.free_groups_o.value)
        freed["entries"] += int(dut.free_tile_o.value) * int(dut.free_tile_chunks_o.value)
        await RisingEdge(dut.clk_i)
        tiles += tile
        loads = [count + more for count, more in zip(loads, load, strict=True)]
    for _ in range(RING_CHUNKS):  # what comes back behind
        await ReadOnly()
        freed["chunks"] += int(dut.free_chunk_o.value)
        await RisingEdge(dut.clk_i)
    # An accumulator is never used before its sum is in, and no later where nothing else is waited for.
    assert min(banks.spacings) == SLOT_SPACING
    blocks = [(job, -(-job.m // (job.row_tiles * ROWS)), -(-job.n // (COLUMNS * BANKS))) for job in jobs]
    assert freed["chunks"] == sum(job.chunks * b * sets for job, b, sets in blocks)
    assert freed["sets"] == sum(b * sets for _, b, sets in blocks)
    assert freed["groups"] == sum(job.groups * b * sets for job, b, sets in blocks)
    assert freed["entries"] == sum(-(-job.m // ROWS) * job.chunks for job in jobs)
