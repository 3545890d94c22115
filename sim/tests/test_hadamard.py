# SPDX-License-Identifier: Apache-2.0
"""fpq_hadamard: the literal reference's integers, blocks back to back and with gaps (contract 1.4)."""

import os
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge

from sim.bench import generator, join, split, start
from sim.vectors import halves
from tests.reference import ght_block

WORDS = int(os.environ["WORDS"])


def blocks(rng: np.random.Generator, count: int) -> list[npt.NDArray[np.uint16]]:
    """Blocks of 128 finite halves: random ones, and those that make the largest and smallest sums."""
    drawn = [halves(rng, 128) for _ in range(count)]
    largest: npt.NDArray[np.uint16] = np.full(128, 0x7BFF, np.uint16)
    signs = np.array([((5 & j).bit_count() & 1) << 15 for j in range(128)], np.uint16)
    minus = np.full(128, 0xFBFF, np.uint16)
    return [largest, minus, largest | signs, np.zeros(128, np.uint16), np.full(128, 1, np.uint16), *drawn]


@cocotb.test()
async def against_reference(dut: Any) -> None:
    rng = generator()
    await start(dut, valid_i=0, first_i=0, data_i=0, exponent_i=0)
    todo = blocks(rng, 60)
    wanted = []
    for block in todo:
        h, exponent = ght_block(block.view(np.float16))
        wanted.append((h, exponent))
    found: list[int] = []

    async def collect() -> None:
        while len(found) < 128 * len(todo):
            await RisingEdge(dut.clk_i)
            if int(dut.valid_o.value):
                found.extend(split(int(dut.data_o.value), 23, WORDS))

    task = cocotb.start_soon(collect())
    for block, (_, exponent) in zip(todo, wanted, strict=True):
        for word in range(128 // WORDS):
            dut.valid_i.value = 1
            dut.first_i.value = int(word == 0)
            dut.data_i.value = join(block[word * WORDS : (word + 1) * WORDS], 16)
            dut.exponent_i.value = exponent
            await RisingEdge(dut.clk_i)
        dut.valid_i.value = 0
        dut.first_i.value = 0
        dut.data_i.value = join(rng.integers(0, 1 << 16, WORDS), 16)  # rubbish between blocks
        for _ in range(int(rng.choice([0, 0, 1, 2, 5, 9, 40]))):
            await RisingEdge(dut.clk_i)
    await task
    signed = [v - (1 << 23) if v >> 22 else v for v in found]
    for index, (h, _) in enumerate(wanted):
        assert signed[index * 128 : (index + 1) * 128] == h, f"block {index}: {todo[index].tobytes().hex()}"
