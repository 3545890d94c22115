# SPDX-License-Identifier: Apache-2.0
"""A self-test of an engine that needs numpy alone: random layers, every output bit against the contract's arithmetic.

The reference is written from docs/contract.md sections 1.3 and 1.5 and shares no code with the golden model or an
engine (only the tables of codes), so that a board without torch can tell whether its bitstream computes what it should.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from host._generated import DESCRIPTOR_BYTES, FAMILIES, Geometry
from host.command import Gemm, fit_row_tiles
from host.cpu.quantizer import quantize_rows
from host.device import Counters, Device
from host.layout import StreamShape, pack
from sw_quant import packing
from sw_quant._generated import FORMATS
from sw_quant.codes import signed_units, terms
from sw_quant.errors import FpqvarError

__all__ = ["Case", "cases", "reference", "run_case", "self_test"]

Halves = npt.NDArray[np.float16]
Singles = npt.NDArray[np.float32]
TIMEOUT = 30.0  # seconds for one layer


@dataclass(frozen=True)
class Case:
    """A layer of [m, k] by [n, k], `group` elements a scale."""

    m: int
    n: int
    k: int
    activations: str
    weights: str
    group: int


def cases(family: str, geometry: Geometry) -> list[Case]:
    """Layers that use every activation format, a ragged last group, more than one row and column tile, and one row."""
    known = FAMILIES[family]
    rows, columns = geometry.rows, geometry.columns
    wide = -(-(columns + 1) // 32) * 32
    return [
        Case(m, n, k, activations, known.weights, group)
        for activations in known.activations
        for m, n, k, group in ((1, 32, 32, 32), (rows + 1, wide, 256, 128), (2 * rows - 1, 64, 160, 96))
    ]


def reference(x: Halves, units: Singles, scales: Halves, bias: Singles, case: Case) -> Halves:
    """Y [m, n] in half precision: exact integer products, then single precision in the contract's order.

    Args:
        x: [m, k].
        units: the weights' signed magnitudes [n, k].
        scales: of the weights [n, groups].
        bias: [n].
        case: the layer.
    """
    acc = np.zeros((case.m, case.n), np.float32)
    w_unit = terms(FORMATS[case.weights])[0].unit_log2
    tables = terms(FORMATS[case.activations])
    for g, start in enumerate(range(0, case.k, case.group)):
        part = slice(start, min(start + case.group, case.k))
        a_units, a_scales = quantize_rows(x[:, part].astype(np.float32), case.activations)
        for negative, (table, a_scale) in enumerate(zip(tables, a_scales, strict=True)):
            half = a_units if len(tables) == 1 else np.where((a_units < 0) == bool(negative), a_units, 0)
            p = half.astype(np.int64) @ units[:, part].astype(np.int64).T
            unit = np.float32(2.0 ** (table.unit_log2 + w_unit))
            scale = a_scale * scales[None, :, g].astype(np.float32) * unit
            acc = acc + p.astype(np.float32) * scale
    return np.asarray(np.clip(acc + bias, -65504, 65504).astype(np.float16))


def run_case(device: Device, case: Case, seed: int) -> tuple[Halves, Halves, Counters]:
    """The engine's Y, the reference's, and the engine's counters."""
    rng = np.random.default_rng(seed)
    format_ = FORMATS[case.weights]
    codes = rng.integers(0, 1 << format_.bits, (case.n, case.k), dtype=np.uint8)
    groups = -(-case.k // case.group)
    scales = np.exp2(rng.integers(-6, 2, (case.n, groups))).astype(np.float16)
    bias = rng.normal(size=case.n).astype(np.float32)
    x = (rng.normal(size=(case.m, case.k)) * np.exp2(rng.integers(-8, 3, (case.m, 1)))).astype(np.float16)
    x[0, ::7] = 0
    units = np.array(signed_units(format_), np.float32)[codes]
    expected = reference(x, units, scales, bias, case)

    shape = StreamShape.of(case.n, case.k, case.group, format_.bits, device.info.geometry)
    stream = device.allocate(shape.nbytes)
    work = device.allocate(DESCRIPTOR_BYTES + x.nbytes + expected.nbytes)
    try:
        stream.write(pack(packing.pack(codes, format_.bits), scales, bias, shape))
        y_offset = DESCRIPTOR_BYTES + x.nbytes
        gemm = Gemm(
            m=case.m,
            n=case.n,
            k=case.k,
            a_format=case.activations,
            w_format=case.weights,
            group=case.group,
            row_tiles=fit_row_tiles(case.m, case.k, case.group, device.info.geometry),
            x_address=work.address + DESCRIPTOR_BYTES,
            w_address=stream.address,
            y_address=work.address + y_offset,
            x_stride=2 * case.k,
            y_stride=2 * case.n,
        )
        work.write(np.frombuffer(gemm.encode(), np.uint8))
        work.write(x, DESCRIPTOR_BYTES)
        result = device.run(work.address, 1, TIMEOUT)
        y = work.read(expected.nbytes, y_offset).view("<f2").reshape(expected.shape)
    finally:
        work.free()
        stream.free()
    return y, expected, result.counters


def self_test(device: Device, seed: int = 0) -> int:
    """Run every case; returns how many outputs were compared.

    Raises FpqvarError that names the first output that is not the contract's.
    """
    compared = 0
    for number, case in enumerate(cases(device.info.family, device.info.geometry)):
        y, expected, _ = run_case(device, case, seed + number)
        wrong = np.argwhere(y.view(np.uint16) != expected.view(np.uint16))
        if len(wrong):
            row, column = (int(place) for place in wrong[0])
            raise FpqvarError(
                f"{device.info.backend} engine: self-test {case}: output [{row}, {column}] is {y[row, column]!r}, "
                f"where the contract says {expected[row, column]!r} ({len(wrong)} of {y.size} differ); the "
                "bitstream does not compute what it should: check its timing report, lower the clock, or build it again"
            )
        compared += y.size
    return compared
