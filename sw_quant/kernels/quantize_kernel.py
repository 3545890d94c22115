# SPDX-License-Identifier: Apache-2.0
"""The contract's quantizer as one Triton kernel: read once, transform on request, scale, round, write once.

The kernel writes the bits of `sw_quant.quantizer` and `sw_quant.hadamard`, by other means:

* The quotient z = x / d, d = scale * unit, comes from the group's reciprocal r, rounded once, by z = q + r (x - q d)
  with q = x r, in fused multiply-adds. It is off by less than 2^-45 of itself before its one rounding. A quotient that
  is a threshold comes out exactly; any other lies 2^-36 further from a threshold than rounding can bridge, as scales
  have 11 significant bits and thresholds no more than 10 (the argument of `quantizer`, with the margins counted).
* Adding and subtracting c = 1.5 * 2^23 * step rounds z to whole steps, ties to even; step is 1 unit, or more where the
  format's magnitudes are sparser. Ties to the even multiple are ties to the even index, as magnitudes of an even index
  are even multiples of their binade's step. (Not so for e3m0, without mantissa bits: its thresholds are compared.)
* Inf and NaN are looked for in the groups' largest magnitudes; a program that has one reads its elements again, by
  their bits, so that no other program does anything for them to each element.
* The Hadamard transform is two matrix products of halves, and sums and differences of the two: the aligned elements are
  whole numbers of 11 significant bits, their sums stay below 2^22, so single precision holds every one of them in
  whatever order they are added. They are quantized as whole numbers: the steps are scaled instead, by a power of two.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import triton
import triton.language as tl


@triton.jit
def _values(bits, HALF: tl.constexpr):
    """float32 from the bits of a half or single, int32."""
    if HALF:  # noqa: SIM108 - the types differ
        x = bits.to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)
    else:
        x = bits.to(tl.float32, bitcast=True)
    return x


@triton.jit
def _finite(x_ptr, at, inside, HALF: tl.constexpr):
    """Elements with the largest finite number for Inf and NaN, float32. By bits: GPU arithmetic drops NaN's sign."""
    x = tl.load(x_ptr + at, mask=inside, other=0.0)
    if HALF:
        bits = x.to(tl.int16, bitcast=True).to(tl.int32)
        bits = tl.minimum(bits & 0x7FFF, 0x7BFF) | (bits & -0x8000)
    else:
        bits = x.to(tl.int32, bitcast=True)
        bits = tl.minimum(bits & 0x7FFFFFFF, 0x7F7FFFFF) | (bits & -0x80000000)
    return _values(bits, HALF)


@triton.jit
def _larger(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _smaller(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _bounds(x, SIGNED: tl.constexpr):
    """Of each row the largest and the smallest, or twice the largest magnitude; NaN where there is one."""
    if SIGNED:
        high, low = tl.reduce(x, 1, _larger), tl.reduce(x, 1, _smaller)
    else:
        high = tl.reduce(tl.abs(x), 1, _larger)
        low = high
    return high, low


@triton.jit
def _beyond(high, low):
    """Whether one of the bounds is Inf or NaN: a scalar."""
    bits = tl.maximum(high.to(tl.int32, bitcast=True) & 0x7FFFFFFF, low.to(tl.int32, bitcast=True) & 0x7FFFFFFF)
    return tl.max(bits) >= 0x7F800000


@triton.jit
def _of_group(largest, BLOCK: tl.constexpr, PARTS: tl.constexpr):
    """[BLOCK * PARTS] to [BLOCK]: the largest of each group."""
    if PARTS > 1:
        largest = tl.max(tl.reshape(largest, [BLOCK, PARTS]), axis=1)
    return largest


@triton.jit
def _spread(values, BLOCK: tl.constexpr, PARTS: tl.constexpr):
    """[BLOCK] to [BLOCK * PARTS, 1]."""
    if PARTS > 1:
        values = tl.reshape(tl.broadcast_to(values[:, None], [BLOCK, PARTS]), [BLOCK * PARTS])
    return values[:, None]


@triton.jit
def _reciprocal(steps):
    """1 / steps, and 0 for a dead group."""
    return tl.where(steps == 0, 0.0, tl.div_rn(1.0, tl.where(steps == 0, 1.0, steps)))


@triton.jit
def _aligned(x, power):
    """The transform's input, whole numbers of 11 significant bits as halves. (The product is exact: fused or not.)"""
    return (tl.fma(x, power, 12582912.0) - 12582912.0).to(tl.float16)


@triton.jit
def _powers_of_two(z):
    """e3m0's magnitude and its index: 0 1 2 4 ... 64, ties to the even index."""
    a = tl.abs(z)
    index = (a > 0.5).to(tl.int32) + (a >= 1.5).to(tl.int32) + (a > 3.0).to(tl.int32) + (a >= 6.0).to(tl.int32)
    index += (a > 12.0).to(tl.int32) + (a >= 24.0).to(tl.int32) + (a > 48.0).to(tl.int32)
    units = tl.where(index == 0, 0.0, ((index + 126) << 23).to(tl.float32, bitcast=True))
    return tl.where((z < 0) & (index > 0), -units, units), index


@triton.jit
def _as_half(x, GPU: tl.constexpr):
    """Half precision, rounded once, saturated."""
    if GPU:  # one instruction for two
        y = tl.inline_asm_elementwise(
            "cvt.rn.satfinite.f16x2.f32 $0, $2, $1;", "=r,r,r", [x], dtype=tl.float16, is_pure=True, pack=2
        )
    else:
        y = tl.minimum(tl.maximum(x, -65504.0), 65504.0).to(tl.float16)
    return y


@triton.jit
def _store_rounded(
    x,
    step,
    negative_step,
    power,
    unit,
    at,
    inside,
    elements,
    fake_ptr,
    units_ptr,
    codes_ptr,
    F: tl.constexpr,
    WRITE: tl.constexpr,
):
    """Round x, float32 [rows, lanes], by the steps of its rows [rows, 1]; write what is asked for.

    x is `power` times what the steps are for, a power of two of each row, and `unit` is 1 / power.
    """
    divisor = step * power
    inverse = _reciprocal(divisor)
    negative = x.to(tl.int32, bitcast=True) < 0  # a negative zero too
    if F.dual:
        negative_divisor = negative_step * power
        inverse = tl.where(negative, _reciprocal(negative_divisor), inverse)
        divisor = tl.where(negative, negative_divisor, divisor)
    if WRITE.fused:
        z = x * inverse
        z = tl.fma(tl.fma(-z, divisor, x), inverse, z)
    else:
        z = tl.where(divisor == 0, 0.0, tl.div_rn(x, tl.where(divisor == 0, 1.0, divisor)))
    z = tl.minimum(tl.maximum(z, -F.negative_largest), F.largest)
    if F.by_comparison:
        rounded, index = _powers_of_two(z)
    else:
        # 1.5 * 2^23 * step, by its bits: the exponent of z, but of 2^mantissa at least. Of a dual format the negative
        # magnitudes are one unit apart, and a negative z, its sign kept, is less than any number.
        exponent = z.to(tl.int32, bitcast=True) & (-0x800000 if F.dual else 0x7F800000)
        c_bits = tl.maximum(exponent + (((23 - F.mantissa) << 23) | 0x400000), (150 << 23) | 0x400000)
        c = c_bits.to(tl.float32, bitcast=True)
        total = z + c
        rounded = total - c
    if WRITE.fake:
        value = rounded * divisor * unit
        tl.store(fake_ptr + at, _as_half(value, WRITE.fused) if WRITE.half else value, mask=inside)
    if WRITE.units:
        if F.dual:
            tl.store(units_ptr + at, tl.maximum(rounded, 0.0).to(tl.int8), mask=inside)
            tl.store(units_ptr + elements + at, tl.minimum(rounded, 0.0).to(tl.int8), mask=inside)
        else:
            tl.store(units_ptr + at, rounded.to(tl.int8), mask=inside)
    if WRITE.codes:
        if F.integer:
            code = rounded.to(tl.int32) & ((1 << F.bits) - 1)
        else:
            if not F.by_comparison:
                index = tl.abs(total.to(tl.int32, bitcast=True) - c_bits)
                binade = (c_bits >> 23) - 150
                index += binade << (tl.where(negative, F.negative_mantissa, F.mantissa) if F.dual else F.mantissa)
            field = tl.where(negative, (index - F.offset) | (1 << (F.bits - 1)), index)
            code = tl.where((divisor == 0) | (negative & (index < F.offset)), 0, field)
        tl.store(codes_ptr + at, code.to(tl.uint8), mask=inside)


@triton.jit
def _scale(largest, place, total, scales_ptr, at, RECIPROCAL: tl.constexpr, WRITE: tl.constexpr):
    """Groups' scales as float32."""
    scale = tl.minimum(largest * RECIPROCAL, 65504.0).to(tl.float16)
    if WRITE.scales:
        tl.store(scales_ptr + at, scale, mask=place < total)
    return scale.to(tl.float32)


@triton.jit
def quantize_kernel(
    x_ptr,
    hadamard_ptr,  # float16 [64, 64], to transform
    fake_ptr,  # of x's type
    units_ptr,  # int8 [terms, ...]
    codes_ptr,  # uint8
    scales_ptr,  # float16 [groups, terms]
    flag_ptr,  # int32: set to 1 by an element that is Inf or NaN
    total,  # groups of all rows
    k,
    elements,  # of all rows
    GROUPS_OF_ROW: tl.constexpr,
    GROUP: tl.constexpr,
    LANES: tl.constexpr,  # elements of a group that are worked on side by side: a power of two; 128 to transform
    PARTS: tl.constexpr,  # how many times LANES a group is: a power of two
    BLOCK: tl.constexpr,  # groups of a program
    RAGGED: tl.constexpr,  # groups are shorter than LANES * PARTS, or the last of a row is shorter than the others
    TRANSFORMED: tl.constexpr,
    F: tl.constexpr,  # `quantize.FormatConstants`
    WRITE: tl.constexpr,  # `quantize.Outputs`
):
    """Quantize BLOCK groups."""
    chunk = tl.program_id(0) * (BLOCK * PARTS) + tl.arange(0, BLOCK * PARTS)
    group, part = chunk // PARTS, chunk % PARTS
    width: tl.constexpr = LANES // 2 if TRANSFORMED else LANES
    lane = tl.arange(0, width)[None, :]
    if RAGGED:
        in_group = part[:, None] * LANES + lane
        column = (group % GROUPS_OF_ROW)[:, None] * GROUP + in_group
        inside = (group < total)[:, None] & (in_group < GROUP) & (column < k)
        at = (group // GROUPS_OF_ROW).to(tl.int64)[:, None] * k + column
    else:
        inside = (group < total)[:, None]
        at = chunk.to(tl.int64)[:, None] * LANES + lane
    half: tl.constexpr = WRITE.half
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    if TRANSFORMED:
        y = tl.load(x_ptr + at + width, mask=inside, other=0.0).to(tl.float32)
        high, low = _bounds(_larger(tl.abs(x), tl.abs(y)), False)
    else:
        high, low = _bounds(x, F.dual)
    if _beyond(high, low):  # the engine's rule: they count as the largest finite number
        tl.atomic_or(flag_ptr, 1)
        x = _finite(x_ptr, at, inside, half)
        if TRANSFORMED:
            y = _finite(x_ptr, at + width, inside, half)
            high, low = _bounds(_larger(tl.abs(x), tl.abs(y)), False)
        else:
            high, low = _bounds(x, F.dual)

    power, unit = 1.0, 1.0
    if TRANSFORMED:
        # Half precision's exponent field of a block's largest element, subnormal ones counting as the least normal.
        exponent = tl.maximum((high.to(tl.int32, bitcast=True) >> 23) - 112, 1)
        power = ((156 - exponent) << 23).to(tl.float32, bitcast=True)[:, None]
        hadamard = tl.load(hadamard_ptr + tl.arange(0, width)[:, None] * width + lane)
        first = tl.dot(_aligned(x, power), hadamard, tl.zeros([BLOCK * PARTS, width], dtype=tl.float32))
        second = tl.dot(_aligned(y, power), hadamard, tl.zeros([BLOCK * PARTS, width], dtype=tl.float32))
        x, y = first + second, first - second
        if F.dual:
            high, low = _bounds(tl.maximum(x, y), True)[0], _bounds(tl.minimum(x, y), True)[1]
        else:
            high, low = _bounds(tl.maximum(tl.abs(x), tl.abs(y)), False)
        unit = ((exponent + 98) << 23).to(tl.float32, bitcast=True)
        high, low = high * unit, low * unit
        unit = unit[:, None]
    # abs: a zero is to be positive.
    largest = tl.abs(_of_group(tl.maximum(high, 0.0), BLOCK, PARTS))

    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    terms: tl.constexpr = 2 if F.dual else 1
    scale = _scale(largest, place, total, scales_ptr, place * terms, F.reciprocal, WRITE)
    step = _spread(scale * F.unit, BLOCK, PARTS)
    negative_step = step
    if F.dual:
        largest = tl.abs(_of_group(tl.maximum(-low, 0.0), BLOCK, PARTS))
        scale = _scale(largest, place, total, scales_ptr, place * terms + 1, F.negative_reciprocal, WRITE)
        negative_step = _spread(scale * F.negative_unit, BLOCK, PARTS)

    _store_rounded(x, step, negative_step, power, unit, at, inside, elements, fake_ptr, units_ptr, codes_ptr, F, WRITE)
    if TRANSFORMED:
        at += width
        _store_rounded(
            y,
            step,
            negative_step,
            power,
            unit,
            at,
            inside,
            elements,
            fake_ptr,
            units_ptr,
            codes_ptr,
            F,
            WRITE,
        )
