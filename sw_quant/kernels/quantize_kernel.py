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
* The Hadamard transform is a matrix product of halves: the aligned elements are whole numbers of 11 significant bits,
  their sums stay below 2^22, so single precision holds every one of them in whatever order they are added.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import triton
import triton.language as tl

TRANSFORM = 128  # the block of the transform


@triton.jit
def _reciprocal(steps):
    """1 / steps, and 0 for a dead group."""
    return tl.where(steps == 0, 0.0, tl.div_rn(1.0, tl.where(steps == 0, 1.0, steps)))


@triton.jit
def _group_maximum(values, BLOCK: tl.constexpr, PARTS: tl.constexpr):
    """[BLOCK * PARTS, lanes] to [BLOCK]: the largest of each group."""
    largest = tl.max(values, axis=1)
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
def _powers_of_two_units(z):
    """e3m0's magnitude, as a float, and its index: 0 1 2 4 ... 64, ties to the even index."""
    a = tl.abs(z)
    index = (a > 0.5).to(tl.int32) + (a >= 1.5).to(tl.int32) + (a > 3.0).to(tl.int32) + (a >= 6.0).to(tl.int32)
    index += (a > 12.0).to(tl.int32) + (a >= 24.0).to(tl.int32) + (a > 48.0).to(tl.int32)
    units = tl.where(index == 0, 0.0, ((index + 126) << 23).to(tl.float32, bitcast=True))
    return tl.where((z < 0) & (index > 0), -units, units), index


@triton.jit
def quantize_kernel(
    x_ptr,
    hadamard_ptr,  # float16 [128, 128], with TRANSFORMED only
    fake_ptr,  # of x's type
    units_ptr,  # int8
    codes_ptr,  # uint8
    scales_ptr,  # float16 [groups, terms]
    flag_ptr,  # int32: set to 1 by an element that is Inf or NaN
    total,  # groups of all rows
    k,
    GROUPS_OF_ROW: tl.constexpr,
    GROUP: tl.constexpr,
    LANES: tl.constexpr,  # elements of a group that are worked on side by side: a power of two
    PARTS: tl.constexpr,  # how many times LANES a group is: a power of two
    BLOCK: tl.constexpr,  # groups of a program
    RAGGED: tl.constexpr,  # groups are shorter than LANES * PARTS, or the last of a row is shorter than the others
    HALF: tl.constexpr,  # x is float16; else float32
    TRANSFORMED: tl.constexpr,
    DUAL: tl.constexpr,
    BITS: tl.constexpr,
    INTEGER: tl.constexpr,
    BY_COMPARISON: tl.constexpr,
    OFFSET: tl.constexpr,  # negative_offset of the format
    LARGEST: tl.constexpr,  # of a positive element, in units; NEGATIVE_...: of a negative one
    UNIT: tl.constexpr,
    RECIPROCAL: tl.constexpr,
    MANTISSA: tl.constexpr,  # bits of the mantissa where magnitudes get sparser, 23 where they do not
    NEGATIVE_LARGEST: tl.constexpr,
    NEGATIVE_UNIT: tl.constexpr,
    NEGATIVE_RECIPROCAL: tl.constexpr,
    NEGATIVE_MANTISSA: tl.constexpr,
    FAKE: tl.constexpr,
    UNITS: tl.constexpr,
    CODES: tl.constexpr,
    SCALES: tl.constexpr,
    FUSED: tl.constexpr,  # multiply-adds round once; not so in Triton's interpreter, which divides instead
):
    """Quantize BLOCK groups."""
    chunk = tl.program_id(0) * (BLOCK * PARTS) + tl.arange(0, BLOCK * PARTS)
    group, part = chunk // PARTS, chunk % PARTS
    lane = tl.arange(0, LANES)[None, :]
    if RAGGED:
        in_group = part[:, None] * LANES + lane
        column = (group % GROUPS_OF_ROW)[:, None] * GROUP + in_group
        inside = (group < total)[:, None] & (in_group < GROUP) & (column < k)
        at = (group // GROUPS_OF_ROW).to(tl.int64)[:, None] * k + column
    else:
        inside = (group < total)[:, None]
        at = chunk.to(tl.int64)[:, None] * LANES + lane
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)

    # Inf and NaN count as the largest finite number: the engine's rule.
    limit: tl.constexpr = 0x477FE000 if HALF else 0x7F7FFFFF
    bits = x.to(tl.int32, bitcast=True)
    magnitude = bits & 0x7FFFFFFF
    first = tl.max(magnitude, axis=1)
    tl.atomic_or(flag_ptr + tl.zeros_like(first), 1, mask=first > limit)
    first = tl.minimum(first, limit)
    bits = tl.minimum(magnitude, limit) | (bits & -0x80000000)
    x = bits.to(tl.float32, bitcast=True)

    if TRANSFORMED:
        exponent = tl.maximum(first >> 23, 113)  # single's field of half's exponent field, which is 1 at least
        aligned = x * ((268 - exponent) << 23).to(tl.float32, bitcast=True)[:, None]
        aligned = (aligned + 12582912.0) - 12582912.0
        row = tl.arange(0, LANES)
        hadamard = tl.load(hadamard_ptr + row[:, None] * LANES + row[None, :])
        x = tl.dot(aligned.to(tl.float16), hadamard, tl.zeros([BLOCK * PARTS, LANES], dtype=tl.float32))
        x = x * ((exponent - 14) << 23).to(tl.float32, bitcast=True)[:, None]
        bits = x.to(tl.int32, bitcast=True)

    if DUAL:
        positive = _group_maximum(tl.maximum(bits, 0), BLOCK, PARTS).to(tl.float32, bitcast=True)
        negative = _group_maximum(tl.maximum(bits ^ -0x80000000, 0), BLOCK, PARTS).to(tl.float32, bitcast=True)
        scale = tl.minimum(positive * RECIPROCAL, 65504.0).to(tl.float16)
        negative_scale = tl.minimum(negative * NEGATIVE_RECIPROCAL, 65504.0).to(tl.float16)
        step = scale.to(tl.float32) * UNIT
        negative_step = negative_scale.to(tl.float32) * NEGATIVE_UNIT
        is_negative = bits < 0
        inverse = tl.where(
            is_negative,
            _spread(_reciprocal(negative_step), BLOCK, PARTS),
            _spread(_reciprocal(step), BLOCK, PARTS),
        )
        step = tl.where(is_negative, _spread(negative_step, BLOCK, PARTS), _spread(step, BLOCK, PARTS))
        sparser = tl.where(is_negative, (23 - NEGATIVE_MANTISSA) << 23, (23 - MANTISSA) << 23)
    else:
        largest = _group_maximum(bits & 0x7FFFFFFF, BLOCK, PARTS).to(tl.float32, bitcast=True)
        scale = tl.minimum(largest * RECIPROCAL, 65504.0).to(tl.float16)
        step = scale.to(tl.float32) * UNIT
        inverse = _spread(_reciprocal(step), BLOCK, PARTS)
        step = _spread(step, BLOCK, PARTS)
        sparser = (23 - MANTISSA) << 23

    if FUSED:
        z = x * inverse
        z = tl.fma(tl.fma(-z, step, x), inverse, z)
    else:
        z = tl.where(step == 0, 0.0, tl.div_rn(x, tl.where(step == 0, 1.0, step)))
    z = tl.minimum(tl.maximum(z, -NEGATIVE_LARGEST), LARGEST)
    if BY_COMPARISON:
        rounded, index = _powers_of_two_units(z)
    else:
        # 1.5 * 2^23 * step, by its bits: the exponent of z, but of 2^MANTISSA at least.
        c_bits = tl.maximum((z.to(tl.int32, bitcast=True) & 0x7F800000) + sparser, 150 << 23) | 0x400000
        c = c_bits.to(tl.float32, bitcast=True)
        total_bits = z + c
        rounded = total_bits - c

    if FAKE:
        value = rounded * step
        if HALF:
            value = tl.minimum(tl.maximum(value, -65504.0), 65504.0)
        tl.store(fake_ptr + at, value.to(fake_ptr.dtype.element_ty), mask=inside)
    if UNITS:
        tl.store(units_ptr + at, rounded.to(tl.int8), mask=inside)
    if CODES:
        if INTEGER:
            code = rounded.to(tl.int32) & ((1 << BITS) - 1)
        else:
            if not BY_COMPARISON:
                steps = tl.abs(total_bits.to(tl.int32, bitcast=True) - c_bits)
                binade = (c_bits >> 23) - 150
                if DUAL:
                    mantissa = tl.where(is_negative, NEGATIVE_MANTISSA, MANTISSA)
                    index = steps + (binade << mantissa)
                else:
                    index = steps + (binade << MANTISSA)
            field = tl.where(bits < 0, (index - OFFSET) | (1 << (BITS - 1)), index)
            code = tl.where((step == 0) | ((bits < 0) & (index < OFFSET)), 0, field)
        tl.store(codes_ptr + at, code.to(tl.uint8), mask=inside)
    if SCALES:
        terms: tl.constexpr = 2 if DUAL else 1
        place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(scales_ptr + place * terms, scale, mask=place < total)
        if DUAL:
            tl.store(scales_ptr + place * terms + 1, negative_scale, mask=place < total)
