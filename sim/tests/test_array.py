# SPDX-License-Identifier: Apache-2.0
"""The dot products of a bank against integers: random passes and ones of the largest products, back to back or not."""

import json
import os
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import FallingEdge

from host._generated import FAMILIES
from sim.bench import generator, start
from sim.tests.test_bank import pack, units
from tests.reference import FORMATS

PASSES = 400
PLAIN, POSITIVE, NEGATIVE = 0, 1, 2  # fpq_bank_pkg::pass_e
SETTLED = 60  # cycles after which every array is empty


def codes(random: np.random.Generator, shape: tuple[int, ...], bits: int, corner: bool) -> npt.NDArray[np.int64]:
    """Random codes; or nearly all of the largest magnitude, with one sign, so that the sums are largest."""
    chosen: npt.NDArray[np.int64] = random.integers(0, 1 << bits, shape)
    if corner:
        largest = (1 << bits - 1) - 1 + (1 << bits - 1) * int(random.integers(2))
        chosen = np.where(random.random(shape) < 0.02, chosen, largest)
    return chosen


@cocotb.test()
async def every_product(dut: Any) -> None:
    """Each pair of codes in each kind of pass: in one lane of one row and column; other activations are zero."""
    shape = json.loads(os.environ["SHAPE"])
    family = FAMILIES[shape["family"]]
    rows, columns, lanes = shape["Rows"], shape["Columns"], shape["Lanes"]
    weights, plain, dual = (FORMATS[n] for n in (family.weights, family.activations[0], family.activations[-1]))
    random = generator()
    await start(dut, valid_i=0)
    await FallingEdge(dut.clk_i)
    width = len(dut.sums_o) // (rows * columns)
    expected, seen = [], list[Any]()
    pairs = [
        (kind, a, w)
        for kind in (PLAIN, POSITIVE, NEGATIVE)
        for a in range(1 << plain.bits)
        for w in range(1 << plain.bits)
    ]
    if len(family.activations) == 1 or plain.bits > 6:
        pairs = [pair for pair in pairs if pair[0] == PLAIN][:: 1 + 15 * (plain.bits > 6)]
    random.shuffle(pairs)
    dut.first_i.value = dut.last_i.value = 1
    for index in range(len(pairs) + SETTLED):
        dut.valid_i.value = int(index < len(pairs))
        if index < len(pairs):
            kind, code, weight = (int(field) for field in pairs[index])
            a, w = np.zeros((rows, lanes), np.int64), random.integers(0, 1 << weights.bits, (columns, lanes))
            row, column, lane = (int(random.integers(size)) for size in (rows, columns, lanes))
            a[row, lane], w[column, lane] = code, weight
            numbers = units(a, plain if kind == PLAIN else dual)
            numbers = np.clip(numbers, -1e9 if kind != POSITIVE else 0, 1e9 if kind != NEGATIVE else 0).astype(np.int64)
            sums = numbers @ units(w, weights).T
            expected.append(pack(sums.reshape(-1) & ((1 << width) - 1), width))
            dut.pass_i.value = kind
            dut.a_codes_i.value, dut.w_codes_i.value = pack(a, plain.bits), pack(w, weights.bits)
        await FallingEdge(dut.clk_i)
        value = int(dut.sums_o.value) if dut.sums_o.value.is_resolvable else -1
        if not seen or seen[-1] != value:
            seen.append(value)
    distinct = [value for i, value in enumerate(expected) if not i or expected[i - 1] != value]
    assert len(distinct) > len(pairs) // 4
    assert seen[-len(distinct) :] == distinct, "the products differ"


@cocotb.test()
async def array(dut: Any) -> None:
    shape = json.loads(os.environ["SHAPE"])
    family = FAMILIES[shape["family"]]
    rows, columns, lanes = shape["Rows"], shape["Columns"], shape["Lanes"]
    weights, plain = FORMATS[family.weights], FORMATS[family.activations[0]]
    dual = FORMATS[family.activations[-1]]
    random = generator()
    await start(dut, valid_i=0)
    await FallingEdge(dut.clk_i)
    width = len(dut.sums_o) // (rows * columns)
    expected: list[int] = []
    seen: list[int] = []
    largest = 0

    async def cycle() -> None:
        await FallingEdge(dut.clk_i)
        value = int(dut.sums_o.value) if dut.sums_o.value.is_resolvable else -1
        if not seen or seen[-1] != value:
            seen.append(value)

    for number in range(PASSES):
        chunks = int(random.choice([1, 2, 4, 16]))
        kind = int(random.integers(3)) if len(family.activations) > 1 else PLAIN
        corner = random.random() < 0.2
        a = codes(random, (chunks, rows, lanes), plain.bits, corner)
        w = codes(random, (chunks, columns, lanes), weights.bits, corner)
        numbers = units(a, plain if kind == PLAIN else dual)
        numbers = numbers if kind == PLAIN else np.maximum(numbers, 0) if kind == POSITIVE else np.minimum(numbers, 0)
        sums = np.einsum("krl,kcl->rc", numbers, units(w, weights))
        largest = max(largest, int(np.abs(sums).max()))
        expected.append(pack(sums.reshape(-1) & ((1 << width) - 1), width))
        for index in range(chunks):
            while number % 2 and random.random() < 0.3:
                dut.valid_i.value = 0
                await cycle()
            dut.valid_i.value = 1
            dut.first_i.value = int(index == 0)
            dut.last_i.value = int(index == chunks - 1)
            dut.pass_i.value = kind
            dut.a_codes_i.value = pack(a[index], plain.bits)
            dut.w_codes_i.value = pack(w[index], weights.bits)
            await cycle()
    dut.valid_i.value = 0
    for _ in range(SETTLED):
        await cycle()
    distinct = [value for i, value in enumerate(expected) if not i or expected[i - 1] != value]
    assert len(distinct) > PASSES // 2
    assert largest > lanes * units(np.array([(1 << weights.bits - 1) - 1]), weights).max() ** 2 // 2
    assert seen[-len(distinct) :] == distinct, "the sums differ"
