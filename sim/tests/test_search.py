# SPDX-License-Identifier: Apache-2.0
"""fpq_search: keys at, next to and far from every bound, all tables, all kinds of codes (contract 1.3)."""

import os
from typing import Any

import cocotb
import numpy as np

from sim.bench import expect, generator, pipeline, start

BITS, TABLES = int(os.environ["INDEX_BITS"]), int(os.environ["TABLES"])
TWOS, OFFSET = os.environ["TWOS"] == "1", os.environ["OFFSET"] == "1"
BOUNDS = (1 << BITS) - 1
TOP = 1 << 22


def code(size: int, negative: bool, bounds: list[int], first: int, dead: bool, dual: bool) -> int:
    index = sum(size > bound for bound in bounds)
    if dead or (OFFSET and dual and negative and not size > first):
        return 0
    if TWOS:
        return (-index if negative else index) & (1 << BITS + 1) - 1
    return negative << BITS | index


async def write_tables(dut: Any, tables: list[list[int]]) -> None:
    """Two bounds a cycle, as the threshold unit does."""
    for number, bounds in enumerate(tables):
        for pair in range(1 << BITS - 1):
            odd = 2 * pair + 1
            ones = ((odd + 1) & -(odd + 1)).bit_length() - 1
            dut.write_i.value = 1
            dut.write_steps_i.value = 1 << BITS - 1 - ones if odd < BOUNDS else 0
            dut.write_table_i.value = number
            dut.write_pair_i.value = pair
            dut.even_bound_i.value = bounds[2 * pair]
            dut.odd_bound_i.value = bounds[odd] if odd < BOUNDS else 0
            await pipeline(dut, 0, {"key_i": [0]}, [])
    dut.write_i.value = 0
    dut.write_steps_i.value = 0


@cocotb.test()
async def codes(dut: Any) -> None:
    rng = generator()
    await start(dut, write_i=0, write_steps_i=0)
    for _ in range(4):
        spread = int(rng.integers(BITS, 23))
        tables = [sorted(int(b) for b in rng.integers(0, 1 << spread, BOUNDS)) for _ in range(TABLES)]
        tables[0][-1] = TOP - 1  # a bound that nothing reaches
        await write_tables(dut, tables)
        keys = ("key_i", "ght_i", "dual_i", "table_i", "table_negative_i", "zero_i", "zero_negative_i")
        inputs: dict[str, list[int]] = {key: [] for key in keys}
        wanted = []
        first = int(rng.integers(0, 1 << spread - 1))
        for _ in range(2500):
            positive, other = (int(t) for t in rng.integers(0, TABLES, 2))
            dual, ght, negative = (bool(v) for v in rng.integers(0, 2, 3))
            number = other if dual and negative else positive
            near = [*tables[number], first]
            size = int(rng.choice(near)) + int(rng.integers(-2, 3)) if rng.integers(4) else int(rng.integers(0, TOP))
            size = min(max(size, int(negative and ght)), TOP - 2)
            key = (-size if ght else ~size) & (1 << 23) - 1 if negative else size
            zeros = [not rng.integers(20), not rng.integers(20)]
            values = (key, ght, dual, positive, other, *zeros)
            for name, value in zip(inputs, values, strict=True):
                inputs[name].append(int(value))
            dead = zeros[1] if dual and negative else zeros[0]
            wanted.append(code(size, negative, tables[number], first, dead, dual))
        dut.first_bound_i.value = first
        (found,) = await pipeline(dut, BITS + 2, inputs, ["code_o"])
        expect(found, np.array(wanted), inputs)
