# SPDX-License-Identifier: Apache-2.0
"""Commands with their data for tests of the compiled HLS engine: an image of memory, and its comparison with golden."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from host import _csim
from host._generated import (
    DESCRIPTOR_BYTES,
    FAMILIES,
    SECTION_BYTES,
    SIMULATION_GEOMETRIES,
    EngineFlag,
    ErrorCode,
    Geometry,
)
from host.command import Gemm
from host.layout import StreamShape, pack, round_up
from sw_quant import golden
from sw_quant.formats import get
from sw_quant.qtensor import QTensor

Bytes = npt.NDArray[np.uint8]

GUARD = 0xA5
BUILDS = [
    pytest.param(family, a_format, geometry, id=f"{family}-{a_format}-{geometry}")
    for family in FAMILIES
    for a_format in FAMILIES[family].activations
    for geometry in SIMULATION_GEOMETRIES
]
# Halves that tensors in the wild avoid: zeros, subnormals, ties of every format at scale one, the largest, Inf, NaN.
NASTY = [0.0, -0.0, 2.0**-24, -(2.0**-24), 1023 * 2.0**-24, 2.0**-14, 65504.0, -65504.0, np.inf, -np.inf, np.nan]
TIES = [*(0.25 * i for i in range(1, 29)), *(0.0625 * i for i in range(1, 121)), -0.5, -0.125, -1.5, -2.5, -3.5, -7.5]


@dataclass(frozen=True)
class Case:
    """One command with its data. `k_pad` and `n_pad` are further 8-byte steps in the strides."""

    x: npt.NDArray[np.float16]
    weight: QTensor
    bias: npt.NDArray[np.float32]
    a_format: str
    group: int
    ght: bool = False
    row_tiles: int = 1
    k_pad: int = 0
    n_pad: int = 0


def engine(family: str, geometry: str) -> Any:
    return _csim.Engine(family, geometry)


def aligned(nbytes: int) -> Bytes:
    block = np.full(nbytes + SECTION_BYTES, GUARD, np.uint8)
    skip = -block.ctypes.data % SECTION_BYTES
    return block[skip : skip + nbytes]


def weights(
    rng: np.random.Generator, n: int, k: int, group: int, format: str
) -> tuple[QTensor, npt.NDArray[np.float32]]:
    """Any code, zero and subnormal scales among others, small biases."""
    chosen = get(format)
    codes = rng.integers(0, 1 << chosen.bits, (n, k), dtype=np.uint8)
    if chosen.kind == "integer":
        codes[codes == 1 << (chosen.bits - 1)] = 0  # the code that no quantizer makes
    groups = -(-k // min(group, k))
    scales = np.abs(rng.normal(0, 0.05, (n, groups))).astype(np.float16)
    scales[rng.random((n, groups)) < 0.1] = 0
    scales[rng.random((n, groups)) < 0.1] = 2.0**-24
    bias = rng.normal(0, 1, n).astype(np.float32)
    return QTensor(torch.from_numpy(codes), torch.from_numpy(scales), chosen, min(group, k)), bias


def image(case: Case, family: str, geometry: Geometry) -> tuple[Bytes, Gemm]:
    """Memory with the descriptor at 0, then X, W and Y, guard bytes between and around them."""
    (m, k), n = case.x.shape, case.weight.shape[0]
    shape = StreamShape.of(n, k, case.group, case.weight.format.bits, geometry)
    stream = pack(case.weight.pack().numpy(), case.weight.scales.numpy(), case.bias, shape)
    x_stride, y_stride = 2 * k + 8 * case.k_pad, 2 * n + 8 * case.n_pad
    x_address = 2 * DESCRIPTOR_BYTES
    w_address = round_up(x_address + m * x_stride, SECTION_BYTES) + SECTION_BYTES
    y_address = round_up(w_address + shape.nbytes, SECTION_BYTES) + SECTION_BYTES
    memory = aligned(round_up(y_address + m * y_stride, SECTION_BYTES) + SECTION_BYTES)
    row_tiles = min(case.row_tiles, geometry.act_depth // shape.chunks)
    formats = case.a_format, FAMILIES[family].weights
    addresses = x_address, w_address, y_address
    gemm = Gemm(m, n, k, *formats, case.group, row_tiles, *addresses, x_stride, y_stride, case.ght)
    memory[:DESCRIPTOR_BYTES] = np.frombuffer(gemm.encode(), np.uint8)
    rows(memory, x_address, m, k, x_stride)[...] = case.x
    memory[w_address : w_address + shape.nbytes] = stream
    return memory, gemm


def rows(memory: Bytes, address: int, count: int, columns: int, stride: int) -> npt.NDArray[np.float16]:
    return np.ndarray((count, columns), np.float16, memory, address, (stride, 2))


def compare(case: Case, family: str, geometry: str) -> dict[str, int]:
    """Run the case on both; every byte of memory and every flag must agree."""
    memory, gemm = image(case, family, SIMULATION_GEOMETRIES[geometry])
    wanted = memory.copy()
    result = golden.linear(
        torch.from_numpy(case.x), case.weight, torch.from_numpy(case.bias), case.a_format, case.weight.group, case.ght
    )
    rows(wanted, gemm.y_address, gemm.m, gemm.n, gemm.y_stride)[...] = result.y.numpy()
    registers: dict[str, int] = engine(family, geometry).run(memory, 0, 1)
    assert registers["status"] == ErrorCode.OK
    flags = (EngineFlag.OVERFLOW if result.overflow else 0) | (EngineFlag.NONFINITE if result.nonfinite else 0)
    assert registers["flags"] == flags
    np.testing.assert_array_equal(memory, wanted)
    return registers


def make(rng: np.random.Generator, x: npt.NDArray[Any], n: int, a_format: str, group: int, **options: Any) -> Case:
    family = next(item for item in FAMILIES.values() if a_format in item.activations)
    weight, bias = weights(rng, n, x.shape[1], group, family.weights)
    return Case(x.astype(np.float16), weight, bias, a_format, group, **options)


def small_image() -> tuple[Bytes, Gemm]:
    rng = np.random.default_rng(1)
    case = make(rng, rng.normal(0, 1, (3, 128)), 32, "e2m1", 128)
    return image(case, "fp4", SIMULATION_GEOMETRIES["small"])
