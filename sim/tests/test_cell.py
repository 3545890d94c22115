# SPDX-License-Identifier: Apache-2.0
"""The FP4 cells with their recoders: every pair of codes, plain and in both passes of the dual format."""

import os
from itertools import product
from typing import Any

import cocotb
import numpy as np

from sim.bench import expect, pipeline, start
from tests.reference import FORMATS, code_units

PLAIN, POSITIVE, NEGATIVE = 0, 1, 2  # fpq_bank_pkg::pass_e


def activation(kind: int, code: int) -> int:
    """What an activation counts in a pass, in units of its half of the format."""
    units = code_units(code, FORMATS["e2m1" if kind == PLAIN else "dual4"])
    return units if kind == PLAIN else max(units, 0) if kind == POSITIVE else min(units, 0)


@cocotb.test()
async def every_pair(dut: Any) -> None:
    await start(dut)
    passes = (PLAIN, POSITIVE, NEGATIVE) if os.environ["KIND"] == "fp4" else (PLAIN,)
    cases = list(product(passes, range(16), range(16)))
    inputs = {"a_i": [kind << 4 | a for kind, a, _ in cases], "w_i": [w for _, _, w in cases]}
    wanted = [activation(kind, a) * code_units(w, FORMATS["e2m1"]) for kind, a, w in cases]
    bits, ones = await pipeline(dut, 2, inputs, ["product_o", "one_o"])
    expect((bits | (1 - ones) << 8) - 256 + ones, np.array(wanted), inputs)  # what the adders make of it
    assert len(set(wanted)) > 30  # both signs of all magnitudes
