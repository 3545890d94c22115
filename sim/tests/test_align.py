# SPDX-License-Identifier: Apache-2.0
"""fpq_align: every significand at every shift, so every tie (contract 1.4, step 2)."""

from typing import Any

import cocotb
import numpy as np

from sim.bench import expect, generator, pipeline, start


def aligned(x: int, exponent: int) -> int:
    """RNE(sig * 2^(4 - (E - e))), as 16 bits."""
    field = x >> 10 & 31
    scaled, shift = (x & 1023 | (1024 if field else 0)) << 4, exponent - max(field, 1)
    q, rest = scaled >> shift, scaled & (1 << shift) - 1
    if shift and (rest, q & 1) > (1 << shift - 1, 0):
        q += 1
    return (-q if x >> 15 else q) & 0xFFFF


@cocotb.test()
async def every_significand_at_every_shift(dut: Any) -> None:
    await start(dut)
    # The result depends on sign, significand and E - e only; the exponents are drawn.
    rng = generator()
    xs, exponents = [], []
    for shift in range(30):
        for sig in range(2048):
            field = int(rng.integers(1, 31 - shift)) if sig >= 1024 else 0
            xs.append(int(rng.integers(2)) << 15 | field << 10 | sig & 1023)
            exponents.append(max(field, 1) + shift)
    inputs = {"x_i": xs + [x ^ 0x8000 for x in xs], "exponent_i": exponents * 2}
    (q,) = await pipeline(dut, 4, inputs, ["q_o"])
    expect(q, np.array([aligned(x, e) for x, e in zip(*inputs.values(), strict=True)]), inputs)
