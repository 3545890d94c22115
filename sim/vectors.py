# SPDX-License-Identifier: Apache-2.0
"""Random FP16 data of many kinds, so that every branch of the arithmetic is met."""

import numpy as np
import numpy.typing as npt

__all__ = ["halves"]


def halves(rng: np.random.Generator, count: int, special: bool = False) -> npt.NDArray[np.uint16]:
    """Patterns of `count` halves of one randomly chosen kind; `special` allows an Inf or a NaN now and then."""
    kind = int(rng.integers(8))
    bits = rng.integers(0, 0x7C00, count)  # any finite value
    if kind in (0, 1):  # as activations are, at any size
        size = np.ldexp(rng.standard_normal(count), int(rng.integers(-18, 12)))
        bits = np.minimum(np.abs(size), 65504).astype(np.float16).view(np.uint16).astype(np.int64)
    elif kind == 2:  # one binade, small integers: many ties
        bits = (int(rng.integers(1, 28)) << 10) + (rng.integers(0, 32, count) << 7)
    elif kind == 3:  # subnormals
        bits = rng.integers(0, 0x400, count)
    elif kind == 4:  # mostly zeros
        bits = np.where(rng.integers(0, 8, count) == 0, bits, 0)
    elif kind == 5:  # one outlier
        bits = rng.integers(0, 0x3000, count)
        bits[int(rng.integers(count))] = int(rng.integers(0x7000, 0x7C00))
    elif kind == 6:  # small integers
        bits = rng.integers(0, 33, count).astype(np.float16).view(np.uint16).astype(np.int64)
    signs = rng.integers(0, 2, count) if rng.integers(6) else np.full(count, rng.integers(2))
    if special and rng.integers(4) == 0:
        bits[rng.integers(0, count, 2)] = rng.choice([0x7C00, 0x7C01, 0x7FFF, 0x7E00])
    return (bits | signs << 15).astype(np.uint16)
