# SPDX-License-Identifier: Apache-2.0
"""fpq_prologue: random jobs with random gaps in X against the literal reference, and its speed."""

import os
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge, with_timeout

from host._generated import FAMILIES
from sim.bench import generator, join, split, start
from sim.vectors import halves
from tests.reference import FORMATS, elements, ght_row, quantize_row, replace_nonfinite

FAMILY, WORDS, LANES = os.environ["FAMILY"], int(os.environ["WORDS"]), int(os.environ["LANES"])
ACTIVATIONS = FAMILIES[FAMILY].activations
BITS = FORMATS[ACTIVATIONS[0]].bits


@dataclass
class Job:
    """Rows of one form."""

    format: str
    k: int
    group: int
    ght: bool
    x: npt.NDArray[np.uint16]  # [rows, K]


@dataclass
class Chunk:
    codes: list[int]
    scales: list[int] | None  # with a group's last
    row_last: bool
    nonfinite: bool = field(default=False)  # means something with row_last


def expected(job: Job) -> list[Chunk]:
    """The chunks of a job by the contract."""
    chunks = []
    for row in job.x:
        finite, nonfinite = replace_nonfinite(row.view(np.float16))
        values = ght_row(finite) if job.ght else elements(finite)
        codes, scales = quantize_row(values, FORMATS[job.format], job.group)
        for g, begin in enumerate(range(0, job.k, job.group)):
            part = codes[begin : begin + job.group]
            for first in range(0, len(part), LANES):
                piece = part[first : first + LANES]
                last = first + LANES >= len(part)
                bits = [int(np.float16(float(s)).view(np.uint16)) for s in scales[g]] if last else None
                row_last = last and begin + job.group >= job.k
                chunks.append(Chunk(piece + [0] * (LANES - len(piece)), bits, row_last, nonfinite and row_last))
    return chunks


def draw(rng: np.random.Generator) -> Job:
    """A small job of any form."""
    ght = bool(rng.integers(2))
    k = 128 * int(rng.integers(1, 5)) if ght else 32 * int(rng.integers(1, 17))
    group = min(int(rng.choice([32, 64, 96, 128, 160, 256, k])), k)
    rows = int(rng.integers(1, 5))
    x = np.concatenate([halves(rng, 32, special=True) for _ in range(rows * k // 32)]).reshape(rows, k)
    if rng.integers(2):  # one kind for the whole row
        x = np.stack([halves(rng, k, special=True) for _ in range(rows)])
    return Job(str(rng.choice(ACTIVATIONS)), k, group, ght, x)


async def send_jobs(dut: Any, jobs: list[Job], rng: np.random.Generator, gaps: float) -> None:
    for job in jobs:
        dut.cfg_valid_i.value = 1
        dut.cfg_rows_i.value = len(job.x)
        dut.cfg_k_i.value = job.k
        dut.cfg_group_i.value = job.group
        dut.cfg_ght_i.value = int(job.ght)
        dut.cfg_dual_i.value = int(FORMATS[job.format].dual)
        while True:
            await RisingEdge(dut.clk_i)
            if int(dut.cfg_ready_o.value):
                break
        dut.cfg_valid_i.value = 0
        if gaps and rng.random() < gaps:
            for _ in range(int(rng.integers(30))):
                await RisingEdge(dut.clk_i)


async def send_rows(dut: Any, jobs: list[Job], rng: np.random.Generator, gaps: float) -> None:
    for word in np.concatenate([job.x.reshape(-1) for job in jobs]).reshape(-1, WORDS):
        while gaps and rng.random() < gaps:
            await RisingEdge(dut.clk_i)
        dut.x_valid_i.value = 1
        dut.x_data_i.value = join(word, 16)
        while True:
            await RisingEdge(dut.clk_i)
            if int(dut.x_ready_o.value):
                break
        dut.x_valid_i.value = 0


async def collect(dut: Any, count: int, dual: list[bool]) -> list[Chunk]:
    chunks: list[Chunk] = []
    while len(chunks) < count:
        await RisingEdge(dut.clk_i)
        if not int(dut.chunk_valid_o.value):
            continue
        scales = None
        if int(dut.chunk_scale_valid_o.value):
            scales = [int(dut.chunk_scale_o.value)]
            if dual[len(chunks)]:
                scales.append(int(dut.chunk_scale_negative_o.value))
        row_last = bool(int(dut.chunk_row_last_o.value))
        nonfinite = row_last and bool(int(dut.chunk_nonfinite_o.value))
        chunks.append(Chunk(split(int(dut.chunk_codes_o.value), BITS, LANES), scales, row_last, nonfinite))
    return chunks


async def play(dut: Any, jobs: list[Job], rng: np.random.Generator, gaps: float) -> int:
    """Send the jobs and compare all that comes; how many cycles it took."""
    wanted, owners = [], []
    for number, job in enumerate(jobs):
        chunks = expected(job)
        wanted += chunks
        owners += [number] * len(chunks)
    dual = [FORMATS[jobs[number].format].dual for number in owners]
    begin = cocotb.utils.get_sim_time("ns")
    tasks = [cocotb.start_soon(send_jobs(dut, jobs, rng, gaps)), cocotb.start_soon(send_rows(dut, jobs, rng, gaps))]
    found = await with_timeout(cocotb.start_soon(collect(dut, len(wanted), dual)), 10, "ms")
    for task in tasks:
        await task
    for index, (got, want) in enumerate(zip(found, wanted, strict=True)):
        job = jobs[owners[index]]
        form = f"job {owners[index]} ({job.format}, {job.x.shape}, group {job.group}, ght {job.ght})"
        at = index - owners.index(owners[index])
        assert got == want, f"{form}, chunk {at}: {got} is not {want}"
    return int(cocotb.utils.get_sim_time("ns") - begin) // 10


async def ready(dut: Any) -> None:
    await start(dut, cfg_valid_i=0, x_valid_i=0)


@cocotb.test()
async def random_jobs_without_gaps(dut: Any) -> None:
    await ready(dut)
    rng = generator()
    await play(dut, [draw(rng) for _ in range(40)], rng, 0)


@cocotb.test()
async def random_jobs_with_gaps(dut: Any) -> None:
    await ready(dut)
    rng = generator()
    for gaps in (0.2, 0.7):
        await play(dut, [draw(rng) for _ in range(12)], rng, gaps)


@cocotb.test()
async def longest_rows(dut: Any) -> None:
    """K = 9216 in one group and in groups of 128, twice, so that the row buffer wraps."""
    await ready(dut)
    rng = generator()
    for ght in (False, True):
        jobs = [Job(ACTIVATIONS[-1], 9216, group, ght, halves(rng, 9216 * 2).reshape(2, -1)) for group in (9216, 128)]
        await play(dut, jobs, rng, 0)


@cocotb.test()
async def speed(dut: Any) -> None:
    """Rows come without a gap: one word a cycle, unless filling a segment's tables takes longer."""
    await ready(dut)
    rng = generator()
    for format in ACTIVATIONS:
        tables = 2 if FORMATS[format].dual else 1  # of 2^(bits - 1) bounds, two a cycle
        for group in (128, 1024):
            for ght in (False, True):
                counts = []
                for rows in (2, 10):
                    job = Job(format, 1024, group, ght, halves(rng, 1024 * rows).reshape(rows, -1))
                    counts.append(await play(dut, [job], rng, 0))
                share = 8 * 1024 / WORDS / (counts[1] - counts[0])
                dut._log.info(
                    f"speed {format} group {group} ght {ght}: {share:.2f} words a cycle, {counts[0]} for 2 rows"
                )
                words = min(group, 128 if ght else group) / WORDS
                # dual6 has room for two segments only, so filling cannot hide its own latency.
                fill = (tables << BITS - 2) + (18 if format == "dual6" else 0)
                assert share > 0.95 * min(1.0, words / fill), (
                    f"{format}, group {group}, ght {ght}: {share:.2f} words a cycle"
                )
