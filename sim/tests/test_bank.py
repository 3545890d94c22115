# SPDX-License-Identifier: Apache-2.0
"""The multiplier bank against contract 1.5: random tiles in random slots, with bubbles and a store that stalls.

The bench plays the engine's part of docs/rtl.md section 4, at its limits: a pass ends `Spacing` cycles after the last
one and `LEAD` cycles after its slot came free, if chance does not say otherwise.
"""

import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import FallingEdge, Timer

from host._generated import FAMILIES
from sim.bench import generator, start
from tests.reference import FORMATS, Format, code_units

TILES = 60
BIASES = 16  # entries: fpq_bank_pkg's BiasWidth
LEAD = 7  # cycles from sum_valid_o to the earliest next end of a pass: fpq_bank_pkg's AnswerLead


@dataclass(frozen=True)
class Shape:
    family: str
    rows: int
    columns: int
    lanes: int
    spacing: int
    slots: int
    out_width: int


@dataclass(eq=False)
class Pass:
    negative: bool
    a_codes: npt.NDArray[np.int64]  # chunks, rows, lanes
    w_codes: npt.NDArray[np.int64]  # chunks, columns, lanes
    a_scales: npt.NDArray[np.float16]
    w_scales: npt.NDArray[np.float16]


@dataclass(eq=False)
class Tile:
    dual: bool
    bias: int
    passes: list[Pass]
    y: npt.NDArray[np.uint16]
    overflow: npt.NDArray[np.bool_]
    next: int = 0
    slot: int = -1


def units(codes: npt.NDArray[np.int64], format: Format) -> npt.NDArray[np.int64]:
    table = np.array([code_units(code, format) for code in range(1 << format.bits)])
    return table[codes]


def random_scales(random: np.random.Generator, count: int, style: float) -> npt.NDArray[np.float16]:
    """Ordinary scales, or (style below 0.3) any half from zero and subnormal to the largest."""
    if style < 0.3:
        patterns: npt.NDArray[np.uint16] = random.integers(0, 0x7C00, count).astype(np.uint16)
        return patterns.view(np.float16)
    scales: npt.NDArray[np.float16] = np.exp2(random.uniform(-8, 2, count)).astype(np.float16)
    return scales


def make_tile(random: np.random.Generator, shape: Shape, biases: npt.NDArray[np.float32]) -> Tile:
    family = FAMILIES[shape.family]
    dual = len(family.activations) > 1 and random.random() < 0.5
    weights, activations = FORMATS[family.weights], FORMATS[family.activations[dual]]
    style = random.random()
    corner = random.random() < 0.15  # the largest magnitudes, so that the sums are largest
    passes = []
    accumulator = np.zeros((shape.rows, shape.columns), np.float32)
    for _ in range(random.integers(1, 4)):
        chunks = int(random.choice([1, 2, 4, 16], p=[0.3, 0.3, 0.3, 0.1]))
        a = random.integers(0, 1 << activations.bits, (chunks, shape.rows, shape.lanes))
        w = random.integers(0, 1 << weights.bits, (chunks, shape.columns, shape.lanes))
        if corner:
            a = np.where(random.random(a.shape) < 0.02, a, (1 << activations.bits - 1) - 1)
            w = np.where(random.random((1, *w.shape[1:])) < 0.02, w, (1 << weights.bits - 1) - 1)
        w_scales = random_scales(random, shape.columns, style)
        a_units, w_units = units(a, activations), units(w, weights)
        halves = [np.maximum(a_units, 0), np.minimum(a_units, 0)] if dual else [a_units]
        for negative, half in enumerate(halves):
            a_scales = random_scales(random, shape.rows, style)
            sign = activations.negative if negative else activations.positive
            unit = np.float32(float(sign.unit * weights.positive.unit))
            sums = np.einsum("krl,kcl->rc", half, w_units)
            scale = a_scales.astype(np.float32)[:, None] * w_scales.astype(np.float32)[None, :] * unit
            accumulator = accumulator + sums.astype(np.float32) * scale
            passes.append(Pass(bool(negative), a, w, a_scales, w_scales))
    bias = int(random.integers(0, BIASES))
    total = accumulator + biases[bias]
    y = np.clip(total, -65504, 65504).astype(np.float16).view(np.uint16)
    return Tile(dual, bias, passes, y, np.abs(total) >= 65520)


def pack(values: npt.NDArray[np.int64], bits: int) -> int:
    """Little-endian concatenation of `bits`-bit fields."""
    flat = values.reshape(-1).astype(np.uint64)
    planes = (flat[:, None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    return int.from_bytes(np.packbits(planes.reshape(-1).astype(np.uint8), bitorder="little").tobytes(), "little")


class Bench:
    def __init__(self, dut: Any, shape: Shape, random: np.random.Generator) -> None:
        self.dut, self.shape, self.random = dut, shape, random
        self.cycle = 0
        self.bubbles = 0.0  # how often a cycle has no chunk
        self.ready = 1.0  # how often the store takes a piece
        self.free: dict[int, int | None] = dict.fromkeys(range(shape.slots), 0)  # cycle from which a pass may end
        self.last_end = -(10**9)
        self.drain_order: deque[int] = deque()
        self.tiles: list[Tile] = []
        self.finished: list[Tile] = []
        self.outputs: list[tuple[int, int]] = []

    async def tick(self) -> None:
        """From one falling edge to the next; what the bank says is sampled once the pins have settled."""
        await Timer(2, "ns")
        self.sample()
        await FallingEdge(self.dut.clk_i)
        self.cycle += 1

    def sample(self) -> None:
        dut = self.dut
        if int(dut.sum_valid_o.value):
            slot = int(dut.sum_slot_o.value)
            assert self.free[slot] is None, f"slot {slot} answered without a pass"
            self.free[slot] = self.cycle + LEAD
        if int(dut.drain_valid_o.value):
            slot = int(dut.drain_slot_o.value)
            assert self.drain_order, "a tile drains that is not finished"
            assert self.drain_order.popleft() == slot, "tiles drain out of order"
            self.free[slot] = self.cycle + LEAD
        if int(dut.y_valid_o.value) and int(dut.y_ready_i.value):
            self.outputs.append((int(dut.y_data_o.value), int(dut.y_overflow_o.value)))

    def idle_pins(self) -> None:
        self.dut.chunk_valid_i.value = 0
        self.dut.y_ready_i.value = int(self.random.random() < self.ready)

    async def chunk(self, tile: Tile, index: int, number: int) -> None:
        dut, shape = self.dut, self.shape
        step = tile.passes[index]
        chunks = len(step.a_codes)
        last = number == chunks - 1
        while last and not (
            (free := self.free[tile.slot]) is not None
            and self.cycle >= free
            and self.cycle >= self.last_end + shape.spacing
        ):
            await self.step()
        bits = FORMATS[FAMILIES[shape.family].weights].bits
        dut.chunk_valid_i.value = 1
        dut.chunk_first_i.value = int(number == 0)
        dut.chunk_last_i.value = int(last)
        dut.chunk_dual_i.value = int(tile.dual)
        dut.chunk_negative_i.value = int(step.negative)
        dut.chunk_slot_i.value = tile.slot
        dut.chunk_tile_first_i.value = int(index == 0)
        dut.chunk_tile_last_i.value = int(index == len(tile.passes) - 1)
        dut.chunk_bias_i.value = tile.bias
        dut.a_codes_i.value = pack(step.a_codes[number], bits)
        dut.w_codes_i.value = pack(step.w_codes[number], bits)
        if last:
            dut.a_scales_i.value = pack(step.a_scales.view(np.uint16).astype(np.int64), 16)
            dut.w_scales_i.value = pack(step.w_scales.view(np.uint16).astype(np.int64), 16)
            self.free[tile.slot] = None
            self.last_end = self.cycle
            if index == len(tile.passes) - 1:
                self.drain_order.append(tile.slot)
                self.finished.append(tile)
        await self.step()

    async def step(self) -> None:
        """Keep the pins for this cycle's edge, then clear the chunk."""
        await self.tick()
        self.idle_pins()

    async def load_biases(self, biases: npt.NDArray[np.float32]) -> None:
        parts = self.shape.columns // self.shape.out_width
        for entry in range(BIASES):
            for part in range(parts):
                columns = biases[entry, part * self.shape.out_width :][: self.shape.out_width]
                self.dut.bias_valid_i.value = 1
                self.dut.bias_entry_i.value = entry
                self.dut.bias_part_i.value = part
                self.dut.bias_i.value = pack(columns.view(np.uint32).astype(np.int64), 32)
                await self.step()
        self.dut.bias_valid_i.value = 0

    async def run(self, tiles: list[Tile]) -> None:
        waiting = deque(tiles)
        active: list[Tile] = []
        busy: set[int] = set()
        self.ready = 1.0
        while waiting or active:
            if self.random.random() < 0.02:
                self.ready = float(self.random.choice([1.0, 0.5, 0.1]))
            open_slots = [s for s in range(self.shape.slots) if s not in busy and self.free[s] is not None]
            if waiting and open_slots and self.random.random() < 0.7:
                tile = waiting.popleft()
                tile.slot = int(self.random.choice(open_slots))
                busy.add(tile.slot)
                active.append(tile)
            if not active:
                await self.step()
                continue
            tile = active[int(self.random.integers(len(active)))]
            for number in range(len(tile.passes[tile.next].a_codes)):
                while self.random.random() < self.bubbles:
                    await self.step()
                await self.chunk(tile, tile.next, number)
            tile.next += 1
            if tile.next == len(tile.passes):
                active.remove(tile)
                busy.remove(tile.slot)
        self.ready = 1.0
        for _ in range(2000):
            await self.step()


def pieces(tile: Tile, shape: Shape) -> Iterator[tuple[int, int]]:
    for row in range(shape.rows):
        for column in range(0, shape.columns, shape.out_width):
            part = slice(column, column + shape.out_width)
            yield pack(tile.y[row, part].astype(np.int64), 16), pack(tile.overflow[row, part].astype(np.int64), 1)


@cocotb.test()
async def bank(dut: Any) -> None:
    shape = Shape(**json.loads(os.environ["SHAPE"]))
    random = generator()
    await start(dut, chunk_valid_i=0, bias_valid_i=0, y_ready_i=0)
    await FallingEdge(dut.clk_i)
    bench = Bench(dut, shape, random)
    for bench.bubbles in (0.0, 0.3):
        biases = random.normal(0, 50, (BIASES, shape.columns)).astype(np.float32)
        biases[random.random(biases.shape) < 0.2] = 0
        await bench.load_biases(biases)
        tiles = [make_tile(random, shape, biases) for _ in range(TILES)]
        bench.finished, bench.outputs = [], []
        await bench.run(tiles)
        expected = [piece for tile in bench.finished for piece in pieces(tile, shape)]
        assert len(bench.finished) == len(tiles)
        assert not bench.drain_order
        assert len(bench.outputs) == len(expected), f"{len(bench.outputs)} pieces of {len(expected)}"
        for index, (found, wanted) in enumerate(zip(bench.outputs, expected, strict=True)):
            assert found == wanted, f"piece {index}: {found[0]:x} {found[1]:x}, not {wanted[0]:x} {wanted[1]:x}"
        assert any(tile.overflow.any() for tile in tiles), "no tile overflowed: the flag was not tested"
