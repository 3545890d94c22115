# SPDX-License-Identifier: Apache-2.0
"""What lies between a VAR block's matrix products, each as one Triton kernel: one program a token."""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import triton
import triton.language as tl

from .quantize_kernel import _store_rounded


@triton.jit
def modulated_norm_kernel(
    x_ptr,  # float32 [rows, width], updated in place
    h_ptr,  # half [rows, width]
    gate_ptr,  # half [batch, width], rows `stride` apart, as scale and shift
    scale_ptr,
    shift_ptr,
    y_ptr,  # half [rows, width]
    tokens,  # rows of one batch element
    width,
    stride,
    eps,
    BLOCK: tl.constexpr,
    ADD: tl.constexpr,
):
    """x += h * gate (with ADD); y = norm(x) * (1 + scale) + shift."""
    row = tl.program_id(0)
    of_batch = (row // tokens) * stride
    lane = tl.arange(0, BLOCK)
    inside = lane < width
    at = row.to(tl.int64) * width + lane
    x = tl.load(x_ptr + at, mask=inside, other=0.0)
    if ADD:
        gate = tl.load(gate_ptr + of_batch + lane, mask=inside, other=0.0).to(tl.float32)
        x += tl.load(h_ptr + at, mask=inside, other=0.0).to(tl.float32) * gate
        tl.store(x_ptr + at, x, mask=inside)
    centred = tl.where(inside, x - tl.sum(x, axis=0) / width, 0.0)
    norm = centred * tl.rsqrt(tl.sum(centred * centred, axis=0) / width + eps)
    scale = tl.load(scale_ptr + of_batch + lane, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(shift_ptr + of_batch + lane, mask=inside, other=0.0).to(tl.float32)
    tl.store(y_ptr + at, (norm * (1 + scale) + shift).to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _store_cached(x, heads, at, inside, cache_ptr, flag_ptr, F: tl.constexpr, WRITE: tl.constexpr, ROUND: tl.constexpr):
    """Write [heads, head width] to the cache, rounded to its format on request: one scale a head."""
    if ROUND:
        tl.atomic_or(
            flag_ptr + tl.zeros_like(heads), 1, mask=tl.max((tl.abs(x) < 65520.0).to(tl.int32) ^ 1, axis=1) > 0
        )
        x = tl.minimum(tl.maximum(x.to(tl.float16).to(tl.float32), -65504.0), 65504.0)
        negative_step = tl.zeros([1, 1], dtype=tl.float32)
        if F.dual:
            largest = tl.max(tl.maximum(x, 0.0), axis=1)
            negative_largest = tl.max(tl.maximum(-x, 0.0), axis=1)
            scale = tl.minimum(negative_largest * F.negative_reciprocal, 65504.0).to(tl.float16)
            negative_step = (scale.to(tl.float32) * F.negative_unit)[:, None]
        else:
            largest = tl.max(tl.abs(x), axis=1)
        scale = tl.minimum(largest * F.reciprocal, 65504.0).to(tl.float16)
        step = (scale.to(tl.float32) * F.unit)[:, None]
        _store_rounded(x, step, negative_step, 1.0, 1.0, at, inside, 0, cache_ptr, cache_ptr, cache_ptr, F, WRITE)
    else:
        tl.store(cache_ptr + at, x.to(cache_ptr.dtype.element_ty), mask=inside)


@triton.jit
def attention_inputs_kernel(
    qkv_ptr,  # half [rows, 3, heads, head width]
    scale_ptr,  # float32 [heads]: of the queries
    q_ptr,  # half [batch, heads, tokens, head width]
    keys_ptr,  # half [batch, heads, all tokens, head width]
    values_ptr,
    flag_ptr,
    tokens,
    all_tokens,
    start,  # the first of these tokens among all
    heads,
    HEADS: tl.constexpr,  # a power of two that is at least `heads`
    WIDTH: tl.constexpr,
    F: tl.constexpr,  # the cache's format, with ROUND
    WRITE: tl.constexpr,
    ROUND: tl.constexpr,
):
    """Queries and keys to unit length, queries scaled; keys and values rounded into the cache."""
    row = tl.program_id(0).to(tl.int64)
    batch, token = row // tokens, row % tokens
    head = tl.arange(0, HEADS)
    lane = tl.arange(0, WIDTH)[None, :]
    inside = (head < heads)[:, None]
    place = qkv_ptr + row * 3 * heads * WIDTH + head[:, None] * WIDTH + lane
    q = tl.load(place, mask=inside, other=0.0).to(tl.float32)
    k = tl.load(place + heads * WIDTH, mask=inside, other=0.0).to(tl.float32)
    v = tl.load(place + 2 * heads * WIDTH, mask=inside, other=0.0).to(tl.float32)
    scale = tl.load(scale_ptr + head, mask=head < heads, other=0.0)
    q *= (scale / tl.maximum(tl.sqrt(tl.sum(q * q, axis=1)), 1e-12))[:, None]
    k *= (1.0 / tl.maximum(tl.sqrt(tl.sum(k * k, axis=1)), 1e-12))[:, None]
    of_head = batch * heads + head[:, None]
    tl.store(q_ptr + (of_head * tokens + token) * WIDTH + lane, q.to(q_ptr.dtype.element_ty), mask=inside)
    at = (of_head * all_tokens + start + token) * WIDTH + lane
    _store_cached(k, head, at, inside, keys_ptr, flag_ptr, F, WRITE, ROUND)
    _store_cached(v, head, at, inside, values_ptr, flag_ptr, F, WRITE, ROUND)
