# SPDX-License-Identifier: Apache-2.0
"""Magnitude tables: derived from a format's fields, exactly (docs/contract.md, 1.1 to 1.3)."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise


@dataclass(frozen=True)
class Table:
    """The magnitudes of one sign of a format, in units of `2**unit_log2`, in rising order from zero."""

    name: str
    magnitudes: tuple[int, ...]
    unit_log2: int

    @property
    def thresholds(self) -> tuple[int, ...]:
        """Midpoints between neighbours in half units, so that they are integers."""
        return tuple(low + high for low, high in pairwise(self.magnitudes))

    @property
    def fmax(self) -> Fraction:
        """The largest magnitude as a number."""
        return self.magnitudes[-1] * Fraction(2) ** self.unit_log2

    @property
    def fmax_reciprocal_bits(self) -> int:
        """The single-precision pattern of 1 / fmax, rounded once to nearest even."""
        return single_bits(1 / self.fmax)


def float_table(name: str, exponent_bits: int, mantissa_bits: int, bias: int) -> Table:
    """Magnitudes of a small float without infinities (OCP MX 1.0, 5.3): subnormals have exponent field 0."""
    magnitudes = []
    for index in range(1 << (exponent_bits + mantissa_bits)):
        exponent, mantissa = index >> mantissa_bits, index & ((1 << mantissa_bits) - 1)
        magnitudes.append(mantissa if exponent == 0 else ((1 << mantissa_bits) + mantissa) << (exponent - 1))
    return Table(name, tuple(magnitudes), 1 - bias - mantissa_bits)


def integer_table(name: str, count: int) -> Table:
    """Magnitudes 0 ... count - 1 of unit 1."""
    return Table(name, tuple(range(count)), 0)


def single_bits(value: Fraction) -> int:
    """The bits of a positive number of single precision's normal range, rounded once to nearest, ties to even."""
    exponent = 0
    while value >= Fraction(2) ** (exponent + 24):
        exponent += 1
    while value < Fraction(2) ** (exponent + 23):
        exponent -= 1
    significand = round(value / Fraction(2) ** exponent)
    # A significand that rounds up to 2^24 carries into the exponent field by itself.
    return ((exponent + 23 + 127) << 23) + significand - (1 << 23)
