# SPDX-License-Identifier: Apache-2.0
"""fpq_scale: every half as the largest magnitude, and random transformed ones, for both constants (contract 1.2)."""

import os
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt

from sim.bench import expect, generator, pipeline, start

RECIPROCALS = np.array([int(os.environ["RECIPROCAL"]), int(os.environ["NEGATIVE_RECIPROCAL"])], np.uint32).view(
    np.float32
)
LATENCY = 12


def encode(value: int, exponent: int) -> int:
    """value * 2^exponent as the design's real_t."""
    if value == 0:
        return 0
    lead = 22 - value.bit_length()
    return (exponent + 52 - lead) << 22 | value << lead


def scale(absmax: npt.NDArray[np.float32], negative: Sequence[int]) -> npt.NDArray[np.uint16]:
    """The contract's two roundings by numpy, saturated."""
    product = absmax * RECIPROCALS[np.asarray(negative)]
    halves: npt.NDArray[np.float16] = np.minimum(product, np.float32(65504)).astype(np.float16)
    return halves.view(np.uint16)


async def check(dut: Any, values: Sequence[int], exponents: Sequence[int], negative: Sequence[int]) -> None:
    absmax = np.ldexp(np.array(values, np.float64), np.array(exponents)).astype(np.float32)
    inputs = {
        "absmax_i": [encode(v, e) for v, e in zip(values, exponents, strict=True)],
        "negative_i": list(negative),
        "valid_i": [1] * len(values),
    }
    found, valid = await pipeline(dut, LATENCY, inputs, ["scale_o", "valid_o"])
    assert valid.all()
    expect(found, scale(absmax, negative), inputs)


@cocotb.test()
async def every_half(dut: Any) -> None:
    await start(dut, valid_i=0)
    halves = np.arange(0x7C00)
    fields = np.maximum(halves >> 10, 1)
    sigs = [int(h & 1023 | (1024 if h >> 10 else 0)) for h in halves]
    for negative in (0, 1):
        await check(dut, sigs, [int(f) - 25 for f in fields], [negative] * len(sigs))


@cocotb.test()
async def random_integers(dut: Any) -> None:
    await start(dut, valid_i=0)
    rng = generator()
    count = 40_000
    values = [int(rng.integers(1, 1 << int(bits))) for bits in rng.integers(1, 23, count)]
    values = [min(v, 128 * 32752) for v in values]
    exponents = [int(e) - 29 for e in rng.integers(1, 31, count)]
    await check(dut, values, exponents, [int(n) for n in rng.integers(0, 2, count)])


@cocotb.test()
async def valid_is_delayed(dut: Any) -> None:
    await start(dut, valid_i=0)
    pattern = [int(v) for v in generator().integers(0, 2, 200)]
    inputs = {"valid_i": pattern, "absmax_i": [0] * 200, "negative_i": [0] * 200}
    (valid,) = await pipeline(dut, LATENCY, inputs, ["valid_o"])
    expect(valid, np.array(pattern), inputs)
