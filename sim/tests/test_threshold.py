# SPDX-License-Identifier: Apache-2.0
"""fpq_threshold: bounds on both grids against their definition, for all multiples of all formats (contract 1.3)."""

from fractions import Fraction
from typing import Any

import cocotb
import numpy as np

from host._generated import FAMILIES
from sim.bench import expect, generator, pipeline, start
from sw_quant._generated import FORMATS

LATENCY = 10


def pattern_bound(threshold: Fraction, up: bool) -> int:
    """The largest FP16 pattern that is not above the threshold (`up`: that is below it), exponents without end."""
    digits = threshold / Fraction(1, 1 << 24)  # of the smallest subnormal
    whole = digits.numerator // digits.denominator
    if up and whole == digits:
        whole -= 1
    extra = max(whole.bit_length() - 11, 0)
    return (extra << 10) + (whole >> extra)


def integer_bound(threshold: Fraction, up: bool, exponent: int) -> int:
    """The same on the integers h with value h * 2^(E - 29); beyond 22 bits all ones."""
    steps = threshold / Fraction(2) ** (exponent - 29)
    whole = steps.numerator // steps.denominator
    if up and whole == steps:
        whole -= 1
    return min(whole, (1 << 22) - 1)


@cocotb.test()
async def bounds(dut: Any) -> None:
    await start(dut)
    rng = generator()
    tables = {
        table
        for family in FAMILIES.values()
        for name in family.activations
        for table in (FORMATS[name].positive, FORMATS[name].negative)
    }
    cases = [
        (multiple, index & 1, table.unit_log2) for table in tables for index, multiple in enumerate(table.thresholds)
    ]
    inputs: dict[str, list[int]] = {key: [] for key in ("multiple_i", "up_i", "sig_i", "ght_i", "place_i")}
    wanted = []
    for multiple, up, unit in cases * (24_000 // len(cases)):
        scale = int(rng.integers(1, 0x7C00)) if rng.integers(4) else int(rng.integers(1, 0x800))
        if not rng.integers(4):
            scale &= 0x7C00 | 1 << int(rng.integers(10))  # few bits: ties on the grid
        scale = scale or 1
        field, exponent = max(scale >> 10, 1), int(rng.integers(1, 31))
        sig = scale & 1023 | (1024 if scale >> 10 else 0)
        threshold = multiple * Fraction(2) ** (unit - 1 + field - 25) * sig
        for ght in (0, 1):
            place = max(19 + exponent - unit - field, 0) if ght else 6 + unit + field
            for key, value in zip(inputs, (multiple, up, sig, ght, place), strict=True):
                inputs[key].append(value)
            wanted.append(integer_bound(threshold, bool(up), exponent) if ght else pattern_bound(threshold, bool(up)))
    (found,) = await pipeline(dut, LATENCY, inputs, ["bound_o"])
    expect(found, np.array(wanted), inputs)
