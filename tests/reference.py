# SPDX-License-Identifier: Apache-2.0
"""The contract's arithmetic once more, slowly and literally: Python integers, fractions, and single NumPy operations.

Nothing here comes from `sw_quant`, not even the tables: they are typed from docs/contract.md, so that a mistake in one
of the two shows. Tensors are NumPy arrays, single values fractions, results the bit patterns of halves.
"""

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Sign:
    """What one sign of a format can hold: magnitudes in units."""

    magnitudes: tuple[int, ...]
    unit: Fraction

    @property
    def fmax(self) -> Fraction:
        return self.magnitudes[-1] * self.unit


@dataclass(frozen=True)
class Format:
    bits: int
    positive: Sign
    negative: Sign
    twos_complement: bool = False
    negative_offset: int = 0

    @property
    def dual(self) -> bool:
        return self.positive != self.negative


def _plain(bits: int, magnitudes: list[int], unit: Fraction, twos_complement: bool = False) -> Format:
    sign = Sign(tuple(magnitudes), unit)
    return Format(bits, sign, sign, twos_complement)


_E2M1 = [0, 1, 2, 3, 4, 6, 8, 12]
_E2M3 = [*range(16), *range(16, 32, 2), *range(32, 64, 4)]
_E3M2 = [0, 1, 2, 3, *(m << shift for shift in range(7) for m in (4, 5, 6, 7))]
_HALF, _QUARTER, _EIGHTH, _SIXTEENTH = (Fraction(1, d) for d in (2, 4, 8, 16))

FORMATS = {
    "e2m1": _plain(4, _E2M1, _HALF),
    "e1m2": _plain(4, list(range(8)), _QUARTER),
    "e3m0": _plain(4, [0, 1, 2, 4, 8, 16, 32, 64], _QUARTER),
    "e2m3": _plain(6, _E2M3, _EIGHTH),
    "e3m2": _plain(6, _E3M2, _SIXTEENTH),
    "int4": _plain(4, list(range(8)), Fraction(1), True),
    "int6": _plain(6, list(range(32)), Fraction(1), True),
    "int8": _plain(8, list(range(128)), Fraction(1), True),
    "dual4": Format(4, Sign(tuple(_E2M1), _HALF), Sign(tuple(range(8)), _QUARTER)),
    "dual6": Format(6, Sign(tuple(_E2M3), _EIGHTH), Sign(tuple(range(33)), Fraction(1)), negative_offset=1),
}
PLAIN = [name for name, format in FORMATS.items() if not format.dual]


def _round_to(x: Fraction, digits: int, smallest_exponent: int) -> Fraction:
    """x to `digits` significant bits, ties to even, the last bit never below 2^smallest_exponent."""
    if x == 0:
        return x
    size = abs(x)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size  # floor(log2(size))
    ulp = Fraction(2) ** max(exponent - digits + 1, smallest_exponent)
    return round(x / ulp) * ulp  # Python rounds a Fraction's half to even


def round_fp32(x: Fraction) -> Fraction:
    return _round_to(x, 24, -149)


def round_fp16(x: Fraction) -> tuple[Fraction, bool]:
    """x as a saturated half, and whether it had to be saturated."""
    y = _round_to(x, 11, -24)
    if abs(y) <= 65504:
        return y, False
    return Fraction(65504 if y > 0 else -65504), True


def fp16_bits(value: Fraction, negative: bool) -> int:
    """The bit pattern of a value that a half can hold; `negative` also tells the sign of a zero."""
    return int(np.array(float(value), np.float16).view(np.uint16)) & 0x7FFF | int(negative) << 15


def code_units(code: int, format: Format) -> int:
    """A code's signed magnitude in units of its sign."""
    top = 1 << (format.bits - 1)
    if format.twos_complement:
        return code - 2 * top if code >= top else code
    if code >= top:
        return -format.negative.magnitudes[code - top + format.negative_offset]
    return format.positive.magnitudes[code]


def code_value(code: int, format: Format) -> Fraction:
    units = code_units(code, format)
    return units * (format.negative if units < 0 else format.positive).unit


def make_scale(absmax: Fraction, fmax: Fraction) -> Fraction:
    return round_fp16(round_fp32(absmax * round_fp32(1 / fmax)))[0]


def _nearest(units: Fraction, magnitudes: tuple[int, ...], negative: bool, ties: str) -> int:
    """Index of the magnitude nearest to `units`, where 0 <= units <= the largest."""
    above = bisect_left(magnitudes, units)
    below = max(above - 1, 0)
    distance_above, distance_below = magnitudes[above] - units, units - magnitudes[below]
    if distance_above != distance_below:
        return above if distance_above < distance_below else below
    if ties == "even":
        return above if above % 2 == 0 else below
    return below if negative else above  # towards +infinity


def make_code(x: Fraction, negative: bool, scale: Fraction, format: Format, ties: str = "even") -> int:
    if scale == 0:
        return 0
    sign = format.negative if negative else format.positive
    units = min(abs(x) / (scale * sign.unit), Fraction(sign.magnitudes[-1]))
    index = _nearest(units, sign.magnitudes, negative, ties)
    if not negative:
        return index
    if format.twos_complement:
        return -index % (1 << format.bits)
    if index < format.negative_offset:
        return 0
    return (1 << (format.bits - 1)) + index - format.negative_offset


Element = tuple[Fraction, bool]  # value and sign bit


def elements(row: Array) -> list[Element]:
    return [(Fraction(float(x)), bool(np.signbit(x))) for x in row]


def quantize_group(group: list[Element], format: Format, ties: str = "even") -> tuple[list[int], list[Fraction]]:
    """Codes, and one scale, or a positive and a negative one."""
    largest = [max((abs(x) for x, negative in group if negative == wanted), default=Fraction(0)) for wanted in (0, 1)]
    if not format.dual:
        largest = [max(largest)] * 2
    scales = [make_scale(largest[0], format.positive.fmax), make_scale(largest[1], format.negative.fmax)]
    codes = [make_code(x, negative, scales[negative], format, ties) for x, negative in group]
    return codes, scales if format.dual else scales[:1]


def quantize_row(
    row: list[Element], format: Format, group: int, ties: str = "even"
) -> tuple[list[int], list[list[Fraction]]]:
    """Codes of a row, and the scales of each of its groups."""
    parts = [quantize_group(row[start : start + group], format, ties) for start in range(0, len(row), group)]
    return [code for codes, _ in parts for code in codes], [scales for _, scales in parts]


def ght_block(block: Array) -> tuple[list[int], int]:
    """The exact transform of 128 halves: integers h and the largest exponent field E."""
    patterns = [int(bits) for bits in block.view(np.uint16)]
    fields = [bits >> 10 & 31 for bits in patterns]
    largest = max(1, *fields)
    q = []
    for bits, field in zip(patterns, fields, strict=True):
        significand = bits & 1023 | (1024 if field else 0)
        aligned = round(Fraction(significand * 16, 1 << (largest - max(field, 1))))
        q.append(-aligned if bits >> 15 else aligned)
    h = [sum(-v if (i & j).bit_count() & 1 else v for j, v in enumerate(q)) for i in range(128)]
    return h, largest


def ght_row(row: Array) -> list[Element]:
    out: list[Element] = []
    for start in range(0, len(row), 128):
        h, largest = ght_block(row[start : start + 128])
        out += [(v * Fraction(2) ** (largest - 29), v < 0) for v in h]
    return out


@dataclass(frozen=True)
class Result:
    y: NDArray[np.uint16]  # bit patterns of halves, [M, N]
    overflow: bool
    nonfinite: bool


def replace_nonfinite(x: Array) -> tuple[Array, bool]:
    patterns = x.view(np.uint16).copy()
    special = (patterns & 0x7C00) == 0x7C00
    patterns[special] = patterns[special] & 0x8000 | 0x7BFF
    return patterns.view(np.float16), bool(special.any())


def linear(x: Array, w: Array, bias: Array | None, a_name: str, w_name: str, group: int, ght: bool) -> Result:
    """Contract 1.5 from float16 X [M, K] and float32 W [N, K], both quantized here."""
    a_format, w_format = FORMATS[a_name], FORMATS[w_name]
    finite, nonfinite = replace_nonfinite(x)
    a_rows = [quantize_row(ght_row(row) if ght else elements(row), a_format, group) for row in finite]
    w_rows = [quantize_row(elements(row), w_format, group) for row in w]
    a_units = np.array([[code_units(code, a_format) for code in codes] for codes, _ in a_rows], np.int64)
    w_units = np.array([[code_units(code, w_format) for code in codes] for codes, _ in w_rows], np.int64)
    halves = [(np.maximum(a_units, 0), a_format.positive), (np.minimum(a_units, 0), a_format.negative)]
    if not a_format.dual:
        halves = [(a_units, a_format.positive)]
    y = np.empty((len(x), len(w)), np.uint16)
    overflow = False
    for m, (_, a_scales) in enumerate(a_rows):
        for n, (_, w_scales) in enumerate(w_rows):
            acc = np.float32(0)
            for g, start in enumerate(range(0, x.shape[1], group)):
                part = slice(start, start + group)
                for half, (units, sign) in enumerate(halves):
                    p = int(np.dot(units[m, part], w_units[n, part]))
                    scale = a_scales[g][half] * w_scales[g][0] * sign.unit * w_format.positive.unit
                    assert round_fp32(scale) == scale, "the contract promises that this product is exact"
                    t = np.float32(float(round_fp32(Fraction(p)))) * np.float32(float(scale))
                    acc = np.float32(acc + t)
            acc = np.float32(acc + (np.float32(0) if bias is None else bias[n]))
            value, saturated = round_fp16(Fraction(float(acc)))
            overflow |= saturated
            y[m, n] = fp16_bits(value, bool(np.signbit(acc)))
    return Result(y, overflow, nonfinite)
