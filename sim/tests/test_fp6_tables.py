# SPDX-License-Identifier: Apache-2.0
"""fpq_array_fp6_tables against integers: every pair of codes in each pass, then passes tables reloaded anywhere."""

import json
import os
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import FallingEdge, Timer

from sim.bench import generator, start
from sim.tests.test_array import NEGATIVE, PLAIN, POSITIVE, codes
from sim.tests.test_bank import pack, units
from tests.reference import FORMATS

BITS, SUM_BITS = 6, 26
LOAD = 34  # cycles from an offer of activations to the next weights
SETTLED = 16  # cycles after which the array is empty
PASSES = 500

Codes = npt.NDArray[np.int64]


def counted(a: Codes, kind: int) -> Codes:
    """What activations stand for in a pass."""
    numbers = units(a, FORMATS["e2m3" if kind == PLAIN else "dual6"])
    return numbers if kind == PLAIN else np.maximum(numbers, 0) if kind == POSITIVE else np.minimum(numbers, 0)


class Driver:
    """Offers chunks, and collects the sums that are valid."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.shape = json.loads(os.environ["SHAPE"])
        self.sums: list[int] = []

    async def cycle(self) -> None:
        """To the middle of the next cycle."""
        await FallingEdge(self.dut.clk_i)
        if self.dut.sums_valid_o.value == 1:
            self.sums.append(int(self.dut.sums_o.value))

    async def begin(self) -> None:
        """Out of reset: no weights are taken before there are tables."""
        await start(self.dut, a_valid_i=0, w_valid_i=0)
        for _ in range(5):
            await self.cycle()
            assert self.dut.w_ready_o.value == 0, "weights are taken without tables"

    async def load(self, kind: int, a: Codes) -> None:
        """Activations into the tables."""
        self.dut.a_valid_i.value, self.dut.a_pass_i.value, self.dut.a_codes_i.value = 1, kind, pack(a, BITS)
        took = 1
        while self.dut.a_ready_o.value == 0:
            await self.cycle()
            took += 1
            assert self.dut.w_ready_o.value == 0, "weights are taken while tables are written"
            assert took <= LOAD, "the tables are not written in time"
        await self.cycle()
        self.dut.a_valid_i.value = 0
        assert took == LOAD

    def offer(self, w: Codes, first: bool, last: bool) -> None:
        """A chunk of weights, which stands until `taken`."""
        self.dut.w_valid_i.value, self.dut.w_codes_i.value = 1, pack(w, BITS)
        self.dut.w_first_i.value, self.dut.w_last_i.value = int(first), int(last)

    async def taken(self) -> None:
        await Timer(1, "ns")
        assert self.dut.w_ready_o.value == 1
        await self.cycle()
        self.dut.w_valid_i.value = 0

    async def end(self) -> None:
        for _ in range(SETTLED):
            await self.cycle()


def expected(numbers: Codes, w: Codes) -> Codes:
    """Sums of each row and column."""
    sums: Codes = numbers @ units(w, FORMATS["e2m3"]).T
    return sums


def packed(sums: Codes) -> int:
    return pack(sums.reshape(-1) & ((1 << SUM_BITS) - 1), SUM_BITS)


@cocotb.test()
async def every_product(dut: Any) -> None:
    """An activation's code alone among zeros, with each weight's code; each lane has its turn."""
    random, driver = generator(), Driver(dut)
    rows, columns, lanes = (driver.shape[name] for name in ("Rows", "Columns", "Lanes"))
    await driver.begin()
    wanted: list[int] = []
    loads = random.permutation([(kind, code) for kind in (PLAIN, POSITIVE, NEGATIVE) for code in range(1 << BITS)])
    seen = set[int]()
    for index, (kind, code) in enumerate(loads):
        lane = index % lanes
        seen.add(lane)
        a = np.zeros((rows, lanes), np.int64)
        a[:, lane] = code
        await driver.load(int(kind), a)
        for weight in random.permutation(1 << BITS):
            w = random.integers(0, 1 << BITS, (columns, lanes))
            w[:, lane] = weight
            wanted.append(packed(expected(counted(a, int(kind)), w)))
            driver.offer(w, first=True, last=True)
            await driver.taken()
    await driver.end()
    assert len(seen) == lanes
    assert driver.sums == wanted, "the products differ"


@cocotb.test()
async def reloaded(dut: Any) -> None:
    """Passes of random and of largest products; tables are rewritten between passes and within them."""
    random, driver = generator(), Driver(dut)
    rows, columns, lanes = (driver.shape[name] for name in ("Rows", "Columns", "Lanes"))
    await driver.begin()
    wanted: list[int] = []
    largest = within = 0
    numbers: Codes = np.zeros((rows, lanes), np.int64)
    for number in range(PASSES):
        chunks = int(random.choice([1, 2, 4, 9]))
        corner = random.random() < 0.3
        total: Codes = np.zeros((rows, columns), np.int64)
        for index in range(chunks):
            w = codes(random, (columns, lanes), BITS, corner)
            if waiting := bool(random.integers(2)):
                driver.offer(w, index == 0, index == chunks - 1)
            if number + index == 0 or random.random() < 0.15:
                kind = int(random.integers(3))
                a = codes(random, (rows, lanes), BITS, corner)
                await driver.load(kind, a)
                numbers = counted(a, kind)
                within += int(index > 0)
            while not waiting and number % 3 == 0 and random.random() < 0.3:
                await driver.cycle()
            sums = expected(numbers, w)
            largest = max(largest, int(np.abs(sums).max()))
            total = total + sums
            driver.offer(w, index == 0, index == chunks - 1)
            await driver.taken()
        wanted.append(packed(total))
    await driver.end()
    assert within > PASSES // 10
    assert largest > lanes * 3200
    assert driver.sums == wanted, "the sums differ"
