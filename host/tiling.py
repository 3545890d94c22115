# SPDX-License-Identifier: Apache-2.0
"""How many row tiles a row block of a command gets, so that the RTL engine's multipliers wait least.

A block's weights are streamed once, while the X of the next block comes in. Large blocks read the weights less often;
but nothing hides the first block's X, and where a block fills the whole activation buffer, not the next one's either.
The model counts cycles of the array and of the memory ports; perf.json has it beside what was counted in simulation.
"""

from host._generated import Geometry
from host.command import fit_row_tiles
from host.layout import StreamShape
from sw_quant._generated import FORMATS

__all__ = ["layer_cycles", "passes", "plan_row_tiles"]

# From the end of a group's pass to the earliest end of the next one for the same row tile: read, add and write the
# accumulator, and the way through the schedule. Few row tiles do not fill that time.
ACCUMULATE_CYCLES = 20


def passes(activations: str) -> int:
    """How often the array goes over every chunk: twice for dual formats, once for each sign."""
    return 2 if FORMATS[activations].kind == "dual" else 1


def layer_cycles(m: int, shape: StreamShape, geometry: Geometry, row_tiles: int, passes: int = 1) -> int:
    """Estimated cycles of one command alone on the RTL engine, without the memory's latency.

    Args:
        m: rows.
        shape: of the weights.
        geometry: of the engine.
        row_tiles: row tiles a block.
        passes: over each chunk; see the function of that name.

    Groups count as equally long here.
    """
    bus = geometry.bus_bits // 8
    sets = -(-shape.tiles // geometry.banks)
    weights = sets * (sum(shape.sections) // bus + 1)  # a port streams its bank's tile of each set
    row = 2 * shape.k // bus
    group = -(-shape.chunks // shape.groups)  # chunks
    tiles = -(-m // geometry.rows)
    blocks = [min(row_tiles, tiles - start) for start in range(0, tiles, row_tiles)]
    hidden = 2 * row_tiles * shape.chunks <= geometry.act_depth
    # The first set follows X as it comes; only the sets after it are free of it.
    total = max(0, min(blocks[0] * geometry.rows, m) * row - blocks[0] * shape.chunks * passes)
    for index, block in enumerate(blocks):
        compute = shape.groups * passes * max(block * group, ACCUMULATE_CYCLES)
        work = max(sets * compute, weights)
        following = blocks[index + 1] * geometry.rows * row if index + 1 < len(blocks) else 0
        total += max(work, following) if hidden else work + following
    return total


def plan_row_tiles(m: int, shape: StreamShape, geometry: Geometry, passes: int = 1) -> int:
    """The row tiles of a block with the fewest `layer_cycles`; 0 if not even one fits the activation buffer."""
    most = fit_row_tiles(m, shape.k, shape.group, geometry)
    tiles = -(-m // geometry.rows)
    # Blocks of equal height, one choice for each number of blocks.
    choices = {-(-tiles // count) for count in range(1, tiles + 1)} if most else set()
    fitting = sorted((choice for choice in choices if choice <= most), reverse=True)
    return min(fitting, key=lambda choice: layer_cycles(m, shape, geometry, choice, passes), default=0)
