# SPDX-License-Identifier: Apache-2.0
"""The bank's internal float (hw/rtl/fpq_bank_pkg.sv) beside NumPy's float32: 32 bits, exponent above significand."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["alternative", "decode", "encode"]

SIGNIFICAND_BITS = 25
EXPONENT_BIAS = 79

Floats = npt.NDArray[np.float32]


def encode(x: Floats) -> npt.NDArray[np.uint32]:
    """Internal bits of normal float32 values or zeros, the significand in its usual form (not -2^24)."""
    fraction, exponent = np.frexp(x.astype(np.float64))
    significand = np.round(fraction * 2.0**24).astype(np.int64)
    field = np.where(x == 0, 0, exponent - 24 + EXPONENT_BIAS)
    if field.size and (field.min() < 0 or field.max() > 127):
        raise ValueError("outside the internal exponent")
    bits: npt.NDArray[np.uint32] = ((field << SIGNIFICAND_BITS) | (significand & (2**SIGNIFICAND_BITS - 1))).astype(
        np.uint32
    )
    return bits


def alternative(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The same values, -2^23 with the other allowed significand, -2^24."""
    significand = bits & np.uint32(2**SIGNIFICAND_BITS - 1)
    exponent = bits >> np.uint32(SIGNIFICAND_BITS)
    other = ((exponent - 1) << np.uint32(SIGNIFICAND_BITS)) | np.uint32(2**24)
    return np.where((significand == 2**24 + 2**23) & (exponent > 1), other, bits).astype(np.uint32)


def decode(bits: npt.NDArray[np.integer[Any]]) -> Floats:
    """float32 values of internal bits; raises ValueError where they break the form's rule."""
    bits = bits.astype(np.uint32)
    significand = (bits & np.uint32(2**SIGNIFICAND_BITS - 1)).astype(np.int64)
    significand -= (significand >> (SIGNIFICAND_BITS - 1)) << SIGNIFICAND_BITS
    exponent = (bits >> np.uint32(SIGNIFICAND_BITS)).astype(np.int64)
    zero = (significand == 0) & (exponent == 0)
    normal = (np.abs(significand) >= 2**23) & (exponent > 0)
    if not np.all(zero | normal):
        raise ValueError(f"not in normal form: {bits[~(zero | normal)][:4]}")
    return np.ldexp(significand.astype(np.float64), (exponent - EXPONENT_BIAS).astype(np.int32)).astype(np.float32)
