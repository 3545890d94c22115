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
* The Hadamard transform is two matrix products of halves, and sums and differences of the two: the aligned elements are
  whole numbers of 11 significant bits, their sums stay below 2^22, so single precision holds every one of them in
  whatever order they are added.
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
def _load(x_ptr, at, inside, HALF: tl.constexpr):
    """The bits of elements, int32, sign-extended: GPU arithmetic would drop the sign of NaN."""
    x = tl.load(x_ptr + at, mask=inside, other=0.0)
    if HALF:  # noqa: SIM108 - the types differ
        bits = x.to(tl.int16, bitcast=True).to(tl.int32)
    else:
        bits = x.to(tl.int32, bitcast=True)
    return bits


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
def _aligned(bits, exponent):
    """The transform's input, whole numbers of 11 significant bits as halves; `exponent` is the block's largest."""
    x = _values(bits, True) * ((156 - exponent) << 23).to(tl.float32, bitcast=True)[:, None]
    return ((x + 12582912.0) - 12582912.0).to(tl.float16)


@triton.jit
def _powers_of_two(z):
    """e3m0's magnitude and its index: 0 1 2 4 ... 64, ties to the even index."""
    a = tl.abs(z)
    index = (a > 0.5).to(tl.int32) + (a >= 1.5).to(tl.int32) + (a > 3.0).to(tl.int32) + (a >= 6.0).to(tl.int32)
    index += (a > 12.0).to(tl.int32) + (a >= 24.0).to(tl.int32) + (a > 48.0).to(tl.int32)
    units = tl.where(index == 0, 0.0, ((index + 126) << 23).to(tl.float32, bitcast=True))
    return tl.where((z < 0) & (index > 0), -units, units), index


@triton.jit
def _store_rounded(
    x,
    negative,
    step,
    negative_step,
    at,
    inside,
    elements,
    fake_ptr,
    units_ptr,
    codes_ptr,
    F: tl.constexpr,
    WRITE: tl.constexpr,
):
    """Round x, float32 [rows, lanes], by the steps of its rows [rows, 1]; write what is asked for."""
    inverse, sparser = _reciprocal(step), (23 - F.mantissa) << 23
    if F.dual:
        inverse = tl.where(negative, _reciprocal(negative_step), inverse)
        step = tl.where(negative, negative_step, step)
        sparser = tl.where(negative, (23 - F.negative_mantissa) << 23, sparser)
    if WRITE.fused:
        z = x * inverse
        z = tl.fma(tl.fma(-z, step, x), inverse, z)
    else:
        z = tl.where(step == 0, 0.0, tl.div_rn(x, tl.where(step == 0, 1.0, step)))
    z = tl.minimum(tl.maximum(z, -F.negative_largest), F.largest)
    if F.by_comparison:
        rounded, index = _powers_of_two(z)
    else:
        # 1.5 * 2^23 * step, by its bits: the exponent of z, but of 2^mantissa at least.
        c_bits = tl.maximum((z.to(tl.int32, bitcast=True) & 0x7F800000) + sparser, 150 << 23) | 0x400000
        c = c_bits.to(tl.float32, bitcast=True)
        total = z + c
        rounded = total - c
    if WRITE.fake:
        value = rounded * step
        if WRITE.half:
            value = tl.minimum(tl.maximum(value, -65504.0), 65504.0)
        tl.store(fake_ptr + at, value.to(fake_ptr.dtype.element_ty), mask=inside)
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
            code = tl.where((step == 0) | (negative & (index < F.offset)), 0, field)
        tl.store(codes_ptr + at, code.to(tl.uint8), mask=inside)


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
    limit: tl.constexpr = 0x7BFF if half else 0x7F7FFFFF
    sign: tl.constexpr = -0x8000 if half else -0x80000000
    bits = _load(x_ptr, at, inside, half)

    if TRANSFORMED:
        other = _load(x_ptr, at + width, inside, half)
        largest = tl.max(tl.maximum(bits & 0x7FFF, other & 0x7FFF), axis=1)
    elif F.dual:
        largest, negative_largest = tl.max(tl.maximum(bits, 0), axis=1), tl.max(tl.maximum(bits ^ sign, 0), axis=1)
        tl.atomic_or(flag_ptr + tl.zeros_like(chunk), 1, mask=negative_largest > limit)
        negative_largest = _values(_of_group(tl.minimum(negative_largest, limit), BLOCK, PARTS), half)
    else:
        largest = tl.max(bits & ~sign, axis=1)
    # Inf and NaN count as the largest finite number: the engine's rule.
    tl.atomic_or(flag_ptr + tl.zeros_like(chunk), 1, mask=largest > limit)
    largest = tl.minimum(largest, limit)
    negative = bits < 0
    bits = tl.minimum(bits & ~sign, limit) | (bits & sign)

    if TRANSFORMED:
        other = tl.minimum(other & 0x7FFF, limit) | (other & sign)
        exponent = tl.maximum(largest >> 10, 1)
        hadamard = tl.load(hadamard_ptr + tl.arange(0, width)[:, None] * width + lane)
        first = tl.dot(_aligned(bits, exponent), hadamard, tl.zeros([BLOCK * PARTS, width], dtype=tl.float32))
        second = tl.dot(_aligned(other, exponent), hadamard, tl.zeros([BLOCK * PARTS, width], dtype=tl.float32))
        power = ((exponent + 98) << 23).to(tl.float32, bitcast=True)[:, None]
        x, y = (first + second) * power, (first - second) * power
        negative, y_negative = x < 0, y < 0
        if F.dual:
            negative_largest = _of_group(tl.max(tl.maximum(tl.maximum(-x, -y), 0.0), axis=1), BLOCK, PARTS)
            largest = _of_group(tl.max(tl.maximum(tl.maximum(x, y), 0.0), axis=1), BLOCK, PARTS)
        else:
            largest = _of_group(tl.max(tl.maximum(tl.abs(x), tl.abs(y)), axis=1), BLOCK, PARTS)
    else:
        x = _values(bits, half)
        largest = _values(_of_group(largest, BLOCK, PARTS), half)

    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    terms: tl.constexpr = 2 if F.dual else 1
    scale = tl.minimum(largest * F.reciprocal, 65504.0).to(tl.float16)
    step = _spread(scale.to(tl.float32) * F.unit, BLOCK, PARTS)
    negative_step = step
    if WRITE.scales:
        tl.store(scales_ptr + place * terms, scale, mask=place < total)
    if F.dual:
        scale = tl.minimum(negative_largest * F.negative_reciprocal, 65504.0).to(tl.float16)
        negative_step = _spread(scale.to(tl.float32) * F.negative_unit, BLOCK, PARTS)
        if WRITE.scales:
            tl.store(scales_ptr + place * terms + 1, scale, mask=place < total)

    _store_rounded(x, negative, step, negative_step, at, inside, elements, fake_ptr, units_ptr, codes_ptr, F, WRITE)
    if TRANSFORMED:
        at += width
        _store_rounded(
            y, y_negative, step, negative_step, at, inside, elements, fake_ptr, units_ptr, codes_ptr, F, WRITE
        )
