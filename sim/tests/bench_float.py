# SPDX-License-Identifier: Apache-2.0
"""Float units against NumPy, by bits: sum, conversion to half, normalisation of a scale, term."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import cocotb

import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from sim.tests import internal_float

SEED = int(os.environ.get("SEED", "1"))
COUNT = int(os.environ.get("COUNT", "100000"))
WORD = NDArray[np.uint32]


async def stream(dut, inputs: dict[str, Sequence[int]], outputs: Sequence[str], latency: int) -> dict[str, list[int]]:
    """Give one set of inputs a cycle; what stands at the outputs `latency` cycles later."""
    Clock(dut.clk_i, 10, "ns").start()
    if hasattr(dut, "enable_i"):
        dut.enable_i.value = 1
    pins = [(getattr(dut, name), values) for name, values in inputs.items()]
    count = len(pins[0][1])
    result: dict[str, list[int]] = {name: [] for name in outputs}
    for cycle in range(count + latency):
        await FallingEdge(dut.clk_i)
        if cycle >= latency:
            for name in outputs:
                result[name].append(int(getattr(dut, name).value))
        if cycle < count:
            for pin, values in pins:
                pin.value = int(values[cycle])
    return result


def check(name: str, actual: WORD, expected: WORD, describe: Callable[[int], str]) -> None:
    wrong = np.flatnonzero(actual != expected)
    assert wrong.size == 0, f"{name}: {wrong.size} of {actual.size} wrong, first: {describe(int(wrong[0]))}"


def random_floats(generator: np.random.Generator, count: int, low: int, high: int) -> NDArray[np.float32]:
    """Random signs, exponents low ... high, and significands that are dense, sparse, or runs of ones."""
    kind = generator.integers(0, 4, count)
    dense = generator.integers(0, 1 << 23, count)
    sparse = (1 << generator.integers(0, 24, count)) & 0x7FFFFF
    runs = ~((1 << generator.integers(0, 24, count)) - 1) & 0x7FFFFF
    short = dense & ~((1 << generator.integers(0, 24, count)) - 1)
    mantissa = np.choose(kind, [dense, sparse, runs, short])
    exponent = generator.integers(low + 127, high + 128, count)
    sign = generator.integers(0, 2, count)
    return ((sign << 31) | (exponent << 23) | mantissa).astype(np.uint32).view(np.float32)


def addition_cases() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    generator = np.random.default_rng(SEED)
    a = random_floats(generator, COUNT, -20, 40)
    b = random_floats(generator, COUNT, -30, 40)
    # Near exponents in half of the cases; nearly opposite values in a quarter; zeros in a few.
    distance = generator.integers(-28, 29, COUNT)
    near = np.ldexp(np.float32(1) + np.abs(np.frexp(b)[0]) * 0, np.frexp(a)[1] + distance).astype(np.float32)
    b = np.where(generator.random(COUNT) < 0.5, np.frexp(b)[0].astype(np.float32) * near, b)
    step = generator.integers(-4, 5, COUNT).astype(np.int32)
    opposite = (-a).view(np.int32) + step * (1 << generator.integers(0, 22, COUNT)).astype(np.int32)
    b = np.where(generator.random(COUNT) < 0.25, opposite.view(np.float32), b)
    b[generator.random(COUNT) < 0.01] = 0
    a[generator.random(COUNT) < 0.01] = 0
    return a.astype(np.float32), b.astype(np.float32)


@cocotb.test()
async def add(dut) -> None:
    generator = np.random.default_rng(SEED + 1)
    a, b = addition_cases()
    a_bits, b_bits = internal_float.encode(a), internal_float.encode(b)
    a_bits = np.where(generator.random(COUNT) < 0.5, internal_float.alternative(a_bits), a_bits)
    b_bits = np.where(generator.random(COUNT) < 0.5, internal_float.alternative(b_bits), b_bits)
    result = await stream(dut, {"a_i": a_bits, "b_i": b_bits}, ["sum_o"], 13)
    actual = internal_float.decode(np.array(result["sum_o"], np.uint32))
    expected = a + b
    check("add", (actual + 0).view(np.uint32), (expected + 0).view(np.uint32),
          lambda i: f"{a[i]!r} + {b[i]!r} = {expected[i]!r}, not {actual[i]!r}")


@cocotb.test()
async def to_fp16(dut) -> None:
    generator = np.random.default_rng(SEED)
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[1:] + halves[:-1]) / 2
    edges = np.concatenate([halves, middles, np.nextafter(middles, np.float32(0)), np.nextafter(middles, np.float32(1e9))])
    edges = np.concatenate([edges, [65519.996, 65520, 65520.004, 65536, 1e9, 2.0**-25, 2.0**-40]]).astype(np.float32)
    edges = edges[(edges == 0) | (edges > 2.0**-50)]
    x = np.concatenate([edges, -edges[edges != 0], random_floats(generator, COUNT, -45, 40)]).astype(np.float32)
    bits = internal_float.encode(x)
    bits = np.where(generator.random(bits.size) < 0.5, internal_float.alternative(bits), bits)
    result = await stream(dut, {"x_i": bits}, ["y_o", "overflow_o"], 5)
    overflow = np.abs(x) >= 65520
    expected = np.clip(x, -65504, 65504).astype(np.float16).view(np.uint16)
    check("to_fp16", np.array(result["y_o"], np.uint16), expected, lambda i: f"{x[i]!r}: {result['y_o'][i]:04x}")
    check("overflow", np.array(result["overflow_o"], bool), overflow, lambda i: repr(x[i]))


@cocotb.test()
async def scale(dut) -> None:
    halves = np.arange(0x7C00, dtype=np.uint16)
    result = await stream(dut, {"scale_i": halves}, ["scale_o"], 2)
    fields = np.array(result["scale_o"])
    zero, exponent, significand = fields >> 17, (fields >> 11) & 63, fields & 0x7FF
    assert np.all((significand >= 1 << 10) | (zero == 1))
    values = np.ldexp(significand.astype(np.float64), exponent - 34)
    check("scale", values.astype(np.float16).view(np.uint16), halves, lambda i: f"{halves[i]:04x}: {fields[i]:x}")
    check("zero", zero == 1, halves == 0, lambda i: f"{halves[i]:04x}")


@cocotb.test()
async def bias(dut) -> None:
    generator = np.random.default_rng(SEED)
    x = np.concatenate([random_floats(generator, 20000, -54, 40), [0.0, -0.0]]).astype(np.float32)
    result = await stream(dut, {"bias_i": x.view(np.uint32)}, ["addend_o"], 2)
    actual = internal_float.decode(np.array(result["addend_o"], np.uint32))
    check("bias", actual.view(np.uint32), (x + np.float32(0)).view(np.uint32), lambda i: f"{x[i]!r}, not {actual[i]!r}")
    far = np.concatenate([random_floats(generator, 5000, -126, -60), random_floats(generator, 5000, 60, 127)])
    result = await stream(dut, {"bias_i": far.view(np.uint32)}, ["addend_o"], 2)
    actual = internal_float.decode(np.array(result["addend_o"], np.uint32)).astype(np.float64)
    assert np.all(np.sign(actual) == np.sign(far))
    tiny = np.abs(far) < 1
    assert np.all(np.abs(actual[tiny]) < 2.0**-53) and np.all(np.abs(actual[~tiny]) > 2.0**59)


# Family: bits of a group's sum, log2 of the product's unit, cycle of the scales, latency.
TERMS = {1: (22, -2, 3, 13), 2: (26, -6, 5, 15), 3: (22, 0, 3, 13), 4: (29, 0, 5, 15)}


def normalized_scale(halves: NDArray[np.float16]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Significand in 2^10 ... 2^11 - 1 and exponent (ScaleBias 34) of each half."""
    fraction, exponent = np.frexp(halves.astype(np.float64))
    return np.round(fraction * 2**11).astype(np.int64), np.where(halves == 0, 0, exponent - 11 + 34)


@cocotb.test()
async def term(dut) -> None:
    bits, unit, scale_cycle, latency = TERMS[int(os.environ["FAMILY"])]
    generator = np.random.default_rng(SEED)
    size = generator.integers(0, bits, COUNT)
    sums = generator.integers(-(1 << 40), 1 << 40, COUNT) >> (41 - size)
    ones = (1 << size) - generator.integers(0, 3, COUNT)
    kind = generator.random(COUNT)
    sums = np.where(kind < 0.2, ones, np.where(kind < 0.4, -ones, sums))
    sums = np.clip(sums, -(1 << (bits - 1)) + 1, (1 << (bits - 1)) - 1)
    sums[:4] = [0, -1, 1, -(1 << (bits - 1)) + 1]
    scales = generator.integers(0, 0x7C00, (2, COUNT)).astype(np.uint16)
    scales[:, generator.random(COUNT) < 0.2] &= 0x3FF  # subnormal
    scales[0, generator.random(COUNT) < 0.02] = 0
    a, w = scales.view(np.float16)
    (a_significand, a_exponent), (w_significand, w_exponent) = normalized_scale(a), normalized_scale(w)
    a_exponent = np.where(a == 0, 0, a_exponent + 79 + bits - 5 - 2 * 34 + unit)

    def late(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(scale_cycle, np.int64), values])

    inputs = {
        "sum_i": np.concatenate([sums & ((1 << bits) - 1), np.zeros(scale_cycle, np.int64)]),
        "a_significand_i": late(a_significand), "a_exponent_i": late(a_exponent),
        "w_significand_i": late(w_significand), "w_exponent_i": late(w_exponent),
        "zero_i": late(((a == 0) | (w == 0)).astype(np.int64)),
    }
    result = await stream(dut, {name: list(map(int, values)) for name, values in inputs.items()}, ["term_o"], latency)
    actual = internal_float.decode(np.array(result["term_o"][:COUNT], np.uint32))
    factor = a.astype(np.float32) * w.astype(np.float32) * np.float32(2.0**unit)
    expected = sums.astype(np.float32) * factor
    check("term", (actual + 0).view(np.uint32), (expected + 0).view(np.uint32),
          lambda i: f"{sums[i]} * {a[i]!r} * {w[i]!r} = {expected[i]!r}, not {actual[i]!r}")
