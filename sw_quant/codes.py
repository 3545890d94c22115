# SPDX-License-Identifier: Apache-2.0
"""What codes mean and which code an element gets (contract sections 1.1 and 1.3), as plain numbers: no torch.

The quantizers of torch (`quantizer`) and of numpy (`host.cpu`) look their codes up in these tables.
"""

from functools import cache
from typing import Literal

from ._generated import Format, MagnitudeTable

__all__ = ["Ties", "code_of_place", "largest_place", "place_codes", "sign_index", "signed_units", "terms", "values"]

Ties = Literal["even", "paper"]


def sign_index(code: int, format: Format) -> tuple[bool, int]:
    """Split a code into its sign and its magnitude's index."""
    sign_bit = 1 << (format.bits - 1)
    negative = bool(code & sign_bit)
    if format.kind == "integer":
        return negative, 2 * sign_bit - code if negative else code
    return negative, (code & (sign_bit - 1)) + (format.negative_offset if negative else 0)


def _units_of(code: int, format: Format) -> int:
    negative, index = sign_index(code, format)
    if format.kind == "integer":
        return -index if negative else index  # index == magnitude, also for the most negative code
    return -format.negative.magnitudes[index] if negative else format.positive.magnitudes[index]


@cache
def signed_units(format: Format) -> tuple[int, ...]:
    """Per code, its signed magnitude in units of its own sign's table: exact integers, what a multiplier sees."""
    return tuple(_units_of(code, format) for code in range(1 << format.bits))


@cache
def values(format: Format) -> tuple[float, ...]:
    """Per code, its value before it is scaled. Minus zero is plain zero."""
    return tuple(
        units * 2.0 ** (format.negative if units < 0 else format.positive).unit_log2 for units in signed_units(format)
    )


def terms(format: Format) -> tuple[MagnitudeTable, ...]:
    """The tables that have a scale of their own: one, or the positive and the negative one of a dual format."""
    return (format.positive, format.negative) if format.kind == "dual" else (format.positive,)


def largest_place(format: Format) -> int:
    """An element is placed by z, its magnitude in half units; from this z on all have the largest magnitude."""
    return 1 + max(*format.positive.thresholds, *format.negative.thresholds)


@cache
def place_codes(format: Format, ties: Ties) -> tuple[int, ...]:
    """Codes by floor(z) + ceil(z), first those of positive elements, then of negative ones."""
    places = range(2 * largest_place(format) + 1)
    return tuple(code_of_place(format, negative, place, ties) for negative in (False, True) for place in places)


def code_of_place(format: Format, negative: bool, place: int, ties: Ties) -> int:
    """The code of an element whose z has floor(z) + ceil(z) = place."""
    magnitudes = format.negative if negative else format.positive
    index = sum(_passes(place, i, threshold, negative, ties) for i, threshold in enumerate(magnitudes.thresholds))
    if not negative:
        return index
    if format.kind == "integer":
        return -index & ((1 << format.bits) - 1)
    field = index - format.negative_offset
    return (1 << (format.bits - 1)) | field if field >= 0 else 0


def _passes(place: int, i: int, threshold: int, negative: bool, ties: Ties) -> bool:
    """Whether z lies above threshold i, between magnitudes i and i + 1, or lies on it and the tie goes up."""
    if place != 2 * threshold:
        return place > 2 * threshold
    return (i + 1) % 2 == 0 if ties == "even" else not negative
