# SPDX-License-Identifier: Apache-2.0
"""The bank's float units against NumPy, by bits: sum, conversion to half, a scale's normalisation, bias, term."""

import os
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock

from host._generated import FAMILIES
from sim.bench import CLOCK_NS, expect, generator, pipeline
from sim.internal_float import alternative, decode, encode
from sw_quant._generated import FORMATS

Floats = npt.NDArray[np.float32]

COUNT = 100_000


def only(unit: str) -> Callable[[Any], Any]:
    """A test of this design alone."""
    return cocotb.test() if os.environ["UNIT"] == unit else lambda test: test


def random_floats(random: np.random.Generator, count: int, low: int, high: int) -> Floats:
    """Random signs, exponents low ... high, and significands that are dense, sparse, or runs of ones."""
    kind = random.integers(0, 4, count)
    dense = random.integers(0, 1 << 23, count)
    sparse = (1 << random.integers(0, 24, count)) & 0x7FFFFF
    runs = ~((1 << random.integers(0, 24, count)) - 1) & 0x7FFFFF
    short = dense & ~((1 << random.integers(0, 24, count)) - 1)
    mantissa = np.choose(kind, [dense, sparse, runs, short])
    exponent = random.integers(low + 127, high + 128, count)
    sign = random.integers(0, 2, count)
    patterns: npt.NDArray[np.uint32] = ((sign << 31) | (exponent << 23) | mantissa).astype(np.uint32)
    return patterns.view(np.float32)


def bits(values: Floats) -> npt.NDArray[np.uint32]:
    """Patterns, with -0 as +0: the internal float has one zero."""
    return (values + np.float32(0)).view(np.uint32)


async def drive(
    dut: Any, latency: int, inputs: dict[str, npt.NDArray[Any]], outputs: list[str]
) -> list[npt.NDArray[Any]]:
    """`pipeline` with the enable on, where the design has one."""
    lists = {name: values.tolist() for name, values in inputs.items()}
    if hasattr(dut, "enable_i"):
        lists["enable_i"] = [1] * len(next(iter(lists.values())))
    Clock(dut.clk_i, CLOCK_NS, "ns").start()
    return await pipeline(dut, latency, lists, outputs)


def either_form(random: np.random.Generator, floats: Floats) -> npt.NDArray[np.uint32]:
    """Internal bits; a negative power of two in one of its two forms."""
    plain = encode(floats)
    return np.where(random.random(plain.size) < 0.5, alternative(plain), plain)


def addends(random: np.random.Generator) -> tuple[Floats, Floats]:
    """Pairs of any exponents, of near ones, of nearly opposite values, and with zeros."""
    a = random_floats(random, COUNT, -20, 40)
    b = random_floats(random, COUNT, -30, 40)
    near = np.ldexp(np.frexp(b)[0], np.frexp(a)[1] + random.integers(-28, 29, COUNT)).astype(np.float32)
    b = np.where(random.random(COUNT) < 0.5, near, b)
    steps = random.integers(-4, 5, COUNT) << random.integers(0, 22, COUNT)
    opposite = ((-a).view(np.int32) + steps).astype(np.int32).view(np.float32)
    b = np.where(random.random(COUNT) < 0.25, opposite, b)
    for side in (a, b):
        side[random.random(COUNT) < 0.01] = 0
    return a, b


@only("add")
async def add(dut: Any) -> None:
    random = generator()
    a, b = addends(random)
    inputs = {"a_i": either_form(random, a), "b_i": either_form(random, b)}
    (found,) = await drive(dut, 13, inputs, ["sum_o"])
    expect(bits(decode(found)), bits(a + b), inputs)


@only("to_fp16")
async def to_fp16(dut: Any) -> None:
    random = generator()
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[1:] + halves[:-1]) / 2
    neighbours = [np.nextafter(middles, np.float32(to)) for to in (0, 1e9)]
    ends = np.array([65519.996, 65520, 65520.004, 65536, 1e9, 2.0**-25, 2.0**-40], np.float32)
    edges = np.concatenate([halves[1:], middles, *neighbours, ends])
    x = np.concatenate([halves[:1], edges, -edges, random_floats(random, COUNT, -45, 40)])
    inputs = {"x_i": either_form(random, x)}
    found, overflow = await drive(dut, 5, inputs, ["y_o", "overflow_o"])
    expect(found, np.clip(x, -65504, 65504).astype(np.float16).view(np.uint16), inputs)
    expect(overflow, np.abs(x) >= 65520, inputs)


@only("scale")
async def scale(dut: Any) -> None:
    inputs = {"scale_i": np.arange(0x7C00)}
    (found,) = await drive(dut, 2, inputs, ["scale_o"])
    zero, exponent, significand = found >> 17, (found >> 11) & 63, found & 0x7FF
    expect(zero, inputs["scale_i"] == 0, inputs)
    expect(significand >> 10, zero == 0, inputs)
    values = np.ldexp(significand.astype(np.float64), exponent - 34)
    expect(values.astype(np.float16).view(np.uint16), inputs["scale_i"], inputs)


@only("bias")
async def bias(dut: Any) -> None:
    random = generator()
    near = np.concatenate([random_floats(random, 20000, -54, 40), np.array([0.0, -0.0], np.float32)])
    far = np.concatenate([random_floats(random, 5000, -126, -60), random_floats(random, 5000, 60, 127)])
    x = np.concatenate([near, far])
    inputs = {"bias_i": x.view(np.uint32)}
    (found,) = await drive(dut, 2, inputs, ["addend_o"])
    values = decode(found)
    expect(bits(values[: near.size]), bits(near), inputs)
    # What is out of range keeps its sign, and is too small or too large to matter.
    clamped = values[near.size :].astype(np.float64)
    expect(np.sign(clamped), np.sign(far), inputs)
    assert np.all(np.where(np.abs(far) < 1, np.abs(clamped) < 2.0**-53, np.abs(clamped) > 2.0**59))


def normalized(halves: npt.NDArray[np.float16]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Significand in 2^10 ... 2^11 - 1 and exponent (ScaleBias 34) of each half."""
    fraction, exponent = np.frexp(halves.astype(np.float64))
    return np.round(fraction * 2**11).astype(np.int64), np.where(halves == 0, 0, exponent - 11 + 34)


def group_sums(random: np.random.Generator, width: int) -> npt.NDArray[np.int64]:
    """Integers of every size, and those beside powers of two, within `width` signed bits."""
    size = random.integers(0, width, COUNT)
    sums = random.integers(-(1 << 40), 1 << 40, COUNT) >> (41 - size)
    edges = (1 << size) - random.integers(-2, 3, COUNT)
    kind = random.random(COUNT)
    sums = np.where(kind < 0.2, edges, np.where(kind < 0.4, -edges, sums))
    limit = (1 << (width - 1)) - 1
    sums[:4] = [0, -1, limit, -limit]
    return np.clip(sums, -limit, limit)


@only("term")
async def term(dut: Any) -> None:
    random = generator()
    family = FAMILIES[os.environ["FAMILY"]]
    width, wait, latency = {"fp6": (26, 5, 15), "int8": (29, 5, 15)}.get(family.name, (22, 3, 13))
    unit = 2 * FORMATS[family.weights].positive.unit_log2
    sums = group_sums(random, width)
    scales = random.integers(0, 0x7C00, (2, COUNT)).astype(np.uint16)
    scales[:, random.random(COUNT) < 0.2] &= 0x3FF  # subnormal
    scales[random.integers(0, 2, COUNT), np.arange(COUNT)] *= random.random(COUNT) < 0.98
    a, w = scales.view(np.float16)
    (a_significand, a_exponent), (w_significand, w_exponent) = normalized(a), normalized(w)
    late = {
        "a_significand_i": a_significand,
        "a_exponent_i": np.where(a == 0, 0, a_exponent + 79 + width - 5 - 2 * 34 + unit),
        "w_significand_i": w_significand,
        "w_exponent_i": w_exponent,
        "zero_i": ((a == 0) | (w == 0)).astype(np.int64),
    }
    inputs = {"sum_i": np.pad(sums & ((1 << width) - 1), (0, wait))}
    inputs |= {name: np.pad(values, (wait, 0)) for name, values in late.items()}
    (found,) = await drive(dut, latency, inputs, ["term_o"])
    factor = a.astype(np.float32) * w.astype(np.float32) * np.float32(2.0**unit)
    expect(bits(decode(found[:COUNT])), bits(sums.astype(np.float32) * factor), inputs)
