# SPDX-License-Identifier: Apache-2.0
"""The contract's product (section 1.5) as a Triton kernel on the integer tensor cores: the engine's bits.

Launch it with enable_fp_fusion=False: a product and a sum of the contract are rounded one after the other.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import triton
import triton.language as tl


@triton.jit
def product_kernel(
    a_ptr,  # int8 [terms, m, k]: signed magnitudes
    a_scales_ptr,  # float16 [m, groups, terms]
    w_ptr,  # int8 [n, k]
    w_steps_ptr,  # float32 [groups, n]: scale times unit
    bias_ptr,  # float32 [n]
    y_ptr,  # float16 [m, n]
    flag_ptr,  # int32: set to 1 by a result that saturates
    m,
    n,
    k,
    UNIT: tl.constexpr,
    NEGATIVE_UNIT: tl.constexpr,
    DUAL: tl.constexpr,
    GROUPS: tl.constexpr,
    PARTS: tl.constexpr,  # of a group, each K_STEP elements
    K_STEP: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    BAND: tl.constexpr,  # row tiles that take turns, so that they share the weights in the cache
):
    """One tile of Y."""
    terms: tl.constexpr = 2 if DUAL else 1
    row_tiles, column_tiles = tl.cdiv(m, ROWS), tl.cdiv(n, COLUMNS)
    tile = tl.program_id(0)
    band = tile // (BAND * column_tiles)
    first = band * BAND
    height = tl.minimum(row_tiles - first, BAND)
    row = (first + tile % height) * ROWS + tl.arange(0, ROWS)
    column = (tile % (BAND * column_tiles)) // height * COLUMNS + tl.arange(0, COLUMNS)
    lane = tl.arange(0, K_STEP)[None, :]
    # Rows beyond the last are read from the beginning, and not written.
    a_row, w_row = (row % m).to(tl.int64), (column % n).to(tl.int64)
    a_at, w_at = a_ptr + a_row[:, None] * k + lane, w_ptr + w_row[:, None] * k + lane
    scale_at, step_at = a_scales_ptr + a_row * (GROUPS * terms), w_steps_ptr + w_row
    acc = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    zeros = tl.zeros([ROWS, COLUMNS], dtype=tl.int32)
    other = m.to(tl.int64) * k  # to the negative half of a dual format
    for group in range(GROUPS):
        scale = tl.load(scale_at + group * terms).to(tl.float32) * UNIT
        step = tl.load(step_at + group * n)
        p, q = zeros, zeros
        if PARTS == 1:
            w = tl.trans(tl.load(w_at + group * K_STEP))
            p = tl.dot(tl.load(a_at + group * K_STEP), w, out_dtype=tl.int32)
            if DUAL:
                q = tl.dot(tl.load(a_at + other + group * K_STEP), w, out_dtype=tl.int32)
        else:
            for part in range(PARTS):
                at = (group * PARTS + part) * K_STEP
                w = tl.trans(tl.load(w_at + at))
                p = tl.dot(tl.load(a_at + at), w, p, out_dtype=tl.int32)
                if DUAL:
                    q = tl.dot(tl.load(a_at + other + at), w, q, out_dtype=tl.int32)
        acc += p.to(tl.float32) * (scale[:, None] * step[None, :])
        if DUAL:
            scale = tl.load(scale_at + group * terms + 1).to(tl.float32) * NEGATIVE_UNIT
            acc += q.to(tl.float32) * (scale[:, None] * step[None, :])
    acc += tl.load(bias_ptr + w_row)[None, :]
    inside = (row < m)[:, None] & (column < n)[None, :]
    saturated = tl.max((inside & (tl.abs(acc) >= 65520.0)).to(tl.int32), axis=1)
    tl.atomic_or(flag_ptr + tl.zeros_like(saturated), 1, mask=saturated > 0)
    y = tl.minimum(tl.maximum(acc, -65504.0), 65504.0).to(tl.float16)
    tl.store(y_ptr + row.to(tl.int64)[:, None] * n + column[None, :], y, mask=inside)
