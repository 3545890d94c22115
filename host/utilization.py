# SPDX-License-Identifier: Apache-2.0
"""How much of its time the RTL engine multiplies, and how much of the memory's bandwidth it uses, by its counters.

The engine runs in simulation, behind a memory that gives no more bytes a cycle than a board's. Layers are run alone, or
as one command list, in which the next command's operands come in while this one computes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from host._generated import BOARDS, DESCRIPTOR_BYTES, FAMILIES, Geometry
from host.command import Gemm, fit_row_tiles
from host.device import DEFAULT_TIMEOUT, Buffer, Counters, Device
from host.layout import StreamShape, pack
from host.tiling import MOST_PARTS, Part, layer_cycles, passes, plan_commands
from sw_quant._generated import FORMATS
from sw_quant.errors import FpqvarError, UsageError

__all__ = ["GROUPS", "Layer", "Run", "block_layers", "bytes_per_cycle", "layer_shapes", "memory_bytes", "run_list"]

GROUPS = {"fp4": 128}  # elements a scale; one scale a row for the others
_TRANSFORMED = ("mat_qkv", "fc1")  # layers whose input the paper transforms (GHT)
_DUAL = "fc2"  # the layer whose input the paper gives the dual format


@dataclass(frozen=True)
class Layer:
    """A linear layer as the engine sees it; `group` elements of K have a scale."""

    name: str
    n: int
    k: int
    activations: str
    weights: str
    group: int
    ght: bool

    @property
    def passes(self) -> int:
        """How often the array goes over every chunk."""
        return passes(self.activations)

    def shape(self, geometry: Geometry) -> StreamShape:
        """Of its weight stream."""
        return StreamShape.of(self.n, self.k, self.group, FORMATS[self.weights].bits, geometry)


@dataclass(frozen=True)
class Run:
    """One command list: its layers, rows, what the counters said, and what `host.tiling` had planned and estimated."""

    layers: tuple[Layer, ...]
    rows: int
    geometry: Geometry
    bytes_per_cycle: float
    counters: Counters
    plans: tuple[tuple[Part, ...], ...]  # each layer's commands
    estimated_cycles: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the layers; a dual format's second pass is not counted."""
        return sum(self.rows * layer.n * layer.k for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Cycles in which the array took a chunk, of all cycles."""
        return self.counters.compute_cycles / self.counters.busy_cycles

    @property
    def bandwidth(self) -> float:
        """Bytes a cycle over all ports, of those that the board's memory gives."""
        return (self.counters.read_bytes + self.counters.write_bytes) / self.counters.busy_cycles / self.bytes_per_cycle

    @property
    def weight_bandwidth(self) -> float:
        """Bytes of weights a cycle, of those that memory and the ports for weights can carry.

        With few rows the engine streams weights and little else, so this is what bounds it.
        """
        others = sum(2 * self.rows * layer.k for layer in self.layers) + DESCRIPTOR_BYTES * sum(map(len, self.plans))
        ports = self.geometry.banks * self.geometry.bus_bits / 8
        weights = self.counters.read_bytes - others
        return weights / self.counters.busy_cycles / min(ports, self.bytes_per_cycle)


def layer_shapes(width: int, mlp_ratio: int = 4) -> dict[str, tuple[int, int]]:
    """(N, K) of the four linear layers of a VAR block."""
    hidden = mlp_ratio * width
    return {"mat_qkv": (3 * width, width), "proj": (width, width), "fc1": (hidden, width), "fc2": (width, hidden)}


def block_layers(family: str, width: int, dual: bool = True, most_n: int | None = None) -> list[Layer]:
    """The layers of a VAR block with the paper's formats.

    Args:
        family: fp4, fp6, int4 or int8.
        width: of the transformer; 1024 for VAR-d16, 1920 for VAR-d30.
        dual: fc2's input in the family's dual format, if it has one.
        most_n: cut N down to this many outputs, a multiple of 32; K stays.
    """
    known = FAMILIES[family]
    layers = []
    for name, (n, k) in layer_shapes(width).items():
        activations = known.activations[-1] if dual and name == _DUAL else known.activations[0]
        ght = family == "fp4" and name in _TRANSFORMED
        n = n if most_n is None else min(n, most_n)
        layers.append(Layer(name, n, k, activations, known.weights, GROUPS.get(family, k), ght))
    return layers


def bytes_per_cycle(board: str) -> float:
    """What a board's memory gives in a cycle of the engine's clock; raises UsageError for an unknown board."""
    if board not in BOARDS:
        raise UsageError(f"unknown board {board!r}; known: {', '.join(BOARDS)}")
    return BOARDS[board].bandwidth_gbps * 1000 / BOARDS[board].clock_mhz


def memory_bytes(layers: Sequence[Layer], rows: int, geometry: Geometry) -> int:
    """Device memory that `run_list` needs."""
    return MOST_PARTS * DESCRIPTOR_BYTES * len(layers) + sum(
        layer.shape(geometry).nbytes + 2 * rows * (layer.n + layer.k) for layer in layers
    )


def run_list(
    device: Device,
    layers: Sequence[Layer],
    rows: int,
    memory_rate: float,
    seed: int = 0,
    timeout: float = DEFAULT_TIMEOUT,
) -> Run:
    """Run the layers as one command list on random operands, each layer with an X and a Y of its own.

    Raises:
        FpqvarError: the device is not of the layers' family, counts no cycles, or its memory is too small.
        DeviceTimeout: it was not done in `timeout` seconds.
    """
    rng = np.random.default_rng(seed)
    geometry = device.info.geometry
    buffers: list[Buffer] = []
    try:
        lists: list[list[Gemm]] = []
        for layer in layers:
            x, w, y = _operands(device, layer, rows, rng, buffers)
            tiles = fit_row_tiles(rows, layer.k, layer.group, geometry)
            if tiles == 0:
                raise FpqvarError(f"layer {layer.name}: a row of K = {layer.k} does not fit act_depth of {geometry}")
            gemm = Gemm(
                m=rows,
                n=layer.n,
                k=layer.k,
                a_format=layer.activations,
                w_format=layer.weights,
                group=layer.group,
                row_tiles=tiles,
                x_address=x.address,
                w_address=w.address,
                y_address=y.address,
                x_stride=2 * layer.k,
                y_stride=2 * layer.n,
                ght=layer.ght,
            )
            lists.append(plan_commands(gemm, geometry, follows=bool(lists)))
        commands = [command for one in lists for command in one]
        table = device.allocate(DESCRIPTOR_BYTES * len(commands))
        buffers.append(table)
        table.write(np.frombuffer(b"".join(command.encode() for command in commands), np.uint8))
        counters = device.run(table.address, len(commands), timeout).counters
    finally:
        for buffer in reversed(buffers):
            buffer.free()
    if counters.busy_cycles == 0:
        raise FpqvarError(f"{device.info.backend} engine: it counts no cycles; use the rtl backend or a board")
    plans = tuple(tuple(Part(command.m, command.row_tiles) for command in one) for one in lists)
    estimate = sum(
        layer_cycles(rows, layer.shape(geometry), geometry, plan, layer.passes, follows=index > 0)
        for index, (layer, plan) in enumerate(zip(layers, plans, strict=True))
    )
    return Run(tuple(layers), rows, geometry, memory_rate, counters, plans, estimate)


def _operands(
    device: Device, layer: Layer, rows: int, rng: np.random.Generator, buffers: list[Buffer]
) -> tuple[Buffer, Buffer, Buffer]:
    """Random X and W of a layer, and room for Y; all noted in `buffers`."""
    shape = layer.shape(device.info.geometry)
    sizes = 2 * rows * layer.k, shape.nbytes, 2 * rows * layer.n
    found = []
    for size in sizes:
        found.append(device.allocate(size))
        buffers.append(found[-1])
    x, w, y = found
    x.write(rng.standard_normal((rows, layer.k), np.float32).astype(np.float16))
    codes = rng.integers(0, 256, (layer.n, shape.row_bytes), np.uint8)
    scales = rng.uniform(0.001, 0.01, (layer.n, shape.groups)).astype(np.float16)
    w.write(pack(codes, scales, None, shape))
    return x, w, y
