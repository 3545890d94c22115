# SPDX-License-Identifier: Apache-2.0
"""How a layer is cut into commands and row blocks, so that the RTL engine's multipliers wait least.

A block's weights are streamed once, while the X of the next block comes in. Large blocks read the weights less often;
but nothing hides the first block's X, and where a block fills the whole activation buffer, not the next one's either. A
command's blocks are equally high, so a layer may be two commands over the same weights: a small first block, just so
high that its weights come in no slower than it multiplies, then high ones. Rows are independent: the bits are the same.

The model counts cycles of the array and of the memory ports; perf.json has it beside what was counted in simulation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd, inf

from host._generated import Geometry
from host.command import Gemm, fit_row_tiles
from host.layout import StreamShape
from sw_quant._generated import FORMATS

__all__ = ["MOST_PARTS", "Part", "layer_cycles", "passes", "plan_commands", "plan_layer"]

MOST_PARTS = 2  # commands of a layer

# From the end of a group's pass to the earliest end of the next one for the same row tile: read, add and write the
# accumulator (SlotSpacing in hw/rtl/fpq_bank_pkg.sv). Few row tiles do not fill that time.
ACCUMULATE_CYCLES = 15
# So far may weights be ahead: a bank's ring by bits of a code (ring_depth in hw/rtl/fpq_core_pkg.sv), its biases
# (BiasWidth in hw/rtl/fpq_bank_pkg.sv).
RING_CHUNKS, RING_SETS = {4: 1024, 6: 512, 8: 512}, 16
# Fetching the command, filling and draining the pipeline, the memory's latency; measured.
FIXED_CYCLES = 600
# How many equal blocks are looked at, if fewer are possible, and how high a block before them: more blocks would only
# wait for weights, a higher one would be waited for.
MOST_BLOCKS = MOST_ALONE = 64


@dataclass(frozen=True)
class Part:
    """A command's share of a layer: its rows, and the row tiles of its blocks."""

    rows: int
    row_tiles: int

    def blocks(self, geometry: Geometry) -> list[int]:
        """Row tiles of each of its blocks."""
        tiles = -(-self.rows // geometry.rows)
        return [min(self.row_tiles, tiles - start) for start in range(0, tiles, self.row_tiles)]


def passes(activations: str) -> int:
    """How often the array goes over every chunk: twice for dual formats, once for each sign."""
    return 2 if FORMATS[activations].kind == "dual" else 1


def plan_commands(gemm: Gemm, geometry: Geometry, follows: bool = False) -> list[Gemm]:
    """The commands of a layer, by `plan_layer`; `gemm` is the whole of it, its `row_tiles` are not looked at."""
    shape = StreamShape.of(gemm.n, gemm.k, gemm.group, FORMATS[gemm.w_format].bits, geometry)
    commands, done = [], 0
    for part in plan_layer(gemm.m, shape, geometry, passes(gemm.a_format), follows):
        command = replace(
            gemm,
            m=part.rows,
            row_tiles=part.row_tiles,
            x_address=gemm.x_address + done * gemm.x_stride,
            y_address=gemm.y_address + done * gemm.y_stride,
        )
        commands.append(command)
        done += part.rows
    return commands


@dataclass(frozen=True)
class _Costs:
    """What the parts of a layer's work take, in cycles."""

    depth: int  # row tiles that the activation buffer holds
    sets: int  # of column tiles, one for each bank
    rows: int  # of a row tile
    row: int  # reading a row of X
    slower: float  # reading X takes so many times that while weights are read too
    group: int  # one pass over a group for a row tile and a set
    group_passes: int  # of them in a set
    pair: int  # for so many row tiles two sets of column tiles take turns, so that neither waits for its accumulators
    weights: int  # reading all weights
    ring: float  # so far may they be ahead
    memory: tuple[float, float, float]  # of the memory: weights; a row tile's X; its Y

    @staticmethod
    def of(shape: StreamShape, geometry: Geometry, passes: int) -> "_Costs":
        bus, ring = geometry.bus_bits // 8, RING_CHUNKS[shape.bits]
        # Boards have four ports for weights where memory gives no more than these carry; one port is not all of it.
        memory = bus * max(geometry.banks, 3)
        row, row_y = 2 * shape.k, 2 * shape.n  # bytes of X and of Y
        sets = -(-shape.tiles // geometry.banks)
        # A port streams its bank's tile of each set. Biases and scales are taken by the word that both consist of.
        *header, codes = shape.sections
        word = gcd(geometry.bus_bits, 16 * geometry.columns, 128) // 8
        one_set = sum(header) // min(bus, word) + codes // bus + 1
        return _Costs(
            depth=geometry.act_depth // shape.chunks,
            sets=sets,
            rows=geometry.rows,
            row=row // bus,
            slower=max(1, bus * (geometry.banks + 1) / memory),
            group=-(-shape.chunks // shape.groups),
            group_passes=shape.groups * passes,
            # A quarter of the slots (SlotsUsed in hw/rtl/fpq_accel.sv); the ring must hold both.
            pair=geometry.lanes // 8 if passes == 2 and sets > 1 and 2 * shape.chunks <= ring else 0,
            weights=sets * one_set,
            ring=one_set * min(ring / shape.chunks, RING_SETS),
            memory=(shape.nbytes / memory, geometry.rows * row / memory, geometry.rows * row_y / memory),
        )

    def one_set(self, tiles: int) -> int:
        """Multiplying a block of row tiles with a set of column tiles."""
        # Accumulators are waited for but by the first pass, which has others than the set before.
        one_pass = tiles * self.group
        sets = 2 if tiles <= self.pair else 1
        return one_pass + (self.group_passes - 1) * max(one_pass, -(-ACCUMULATE_CYCLES // sets))

    def least(self, rows: int, tiles: int) -> float:
        """No plan in which so many rows are waited for takes less."""
        first = self.row * rows - self.one_set(rows // self.rows)
        return max(0, first) + self.sets * self.group_passes * self.group * tiles

    def cycles(self, first: int, blocks: Sequence[int]) -> float:
        """From the start to the end, where so many rows are waited for before the first block.

        A block's first set of column tiles follows X as it comes; later ones are free of it.
        """
        memory_weights, memory_x, memory_y = self.memory
        tile = self.row * self.rows * self.slower  # reading a row tile of X
        # When this block's X has come; while weights run ahead they take their share.
        x = self.row * first + (self.slower - 1) * min(self.row * first, self.ring)
        before = end = ahead = 0.0  # the block before the last one has ended, the last one; weights are ahead
        for tiles, following in zip(blocks, (*blocks[1:], 0), strict=True):
            one_set = self.one_set(tiles)
            begin = max(end, x - one_set)
            ahead = min(ahead + begin - end, self.ring)
            left = 1 - ahead / self.weights
            beside = following * memory_x + tiles * memory_y
            work = max(self.sets * one_set, left * self.weights, left * memory_weights + beside)
            read = min(work, (work - beside) * self.weights / memory_weights)
            ahead = max(min(ahead + read - self.weights, self.ring), 0.0)
            before, end = end, begin + work
            x = max(x, before) + following * tile
            if tiles + following > self.depth:
                x = max(x, end + (tiles + following - self.depth) * tile)
        return end


def layer_cycles(
    m: int, shape: StreamShape, geometry: Geometry, parts: Sequence[Part], passes: int = 1, follows: bool = False
) -> int:
    """Estimated cycles of a layer on the RTL engine.

    Args:
        m: rows.
        shape: of the weights.
        geometry: of the engine.
        parts: the layer's commands; see `plan_layer`.
        passes: over each chunk; see the function of that name.
        follows: on another layer in a command list, under which its first X comes in; else it is alone.

    Groups count as equally long here.
    """
    blocks = [tiles for part in parts for tiles in part.blocks(geometry)]
    first = 0 if follows else min(m, blocks[0] * geometry.rows)
    return round(_Costs.of(shape, geometry, passes).cycles(first, blocks)) + (0 if follows else FIXED_CYCLES)


def _blocks(tiles: int, most: int) -> Iterator[tuple[int, list[int]]]:
    """Each block height for `tiles` row tiles and what blocks it makes, the highest first; no two make equally many."""
    fewest = -(-tiles // most)
    counts = range(fewest, max(fewest, min(tiles, MOST_BLOCKS)) + 1)
    for height in dict.fromkeys(-(-tiles // count) for count in counts):
        yield height, [min(height, tiles - start) for start in range(0, tiles, height)]


@lru_cache(maxsize=4096)
def plan_layer(
    m: int, shape: StreamShape, geometry: Geometry, passes: int = 1, follows: bool = False
) -> tuple[Part, ...]:
    """The one or two commands of a layer with the fewest `layer_cycles`; none if the activation buffer is too small.

    Two commands are one block and those after it. Of equally fast plans the first is taken: fewer commands, higher
    blocks.
    """
    best: tuple[Part, ...] = ()
    parts: tuple[Part, ...]
    most = fit_row_tiles(m, shape.k, shape.group, geometry)
    if most == 0:
        return best
    costs, tiles, least = _Costs.of(shape, geometry, passes), -(-m // geometry.rows), inf
    for alone in range(min(most, tiles - 1, MOST_ALONE) + 1):  # row tiles of the first command; 0: there is only one
        rows = alone * geometry.rows
        if costs.least(0 if follows else rows, tiles) >= least:
            continue
        for height, blocks in _blocks(tiles - alone, most):
            if len(blocks) * costs.weights >= least:
                break
            if alone:
                parts, blocks = (Part(rows, alone), Part(m - rows, height)), [alone, *blocks]
            else:
                parts = (Part(m, height),)
            cycles = costs.cycles(0 if follows else min(m, blocks[0] * geometry.rows), blocks)
            if cycles < least:
                best, least = parts, cycles
    return best
