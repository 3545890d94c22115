# SPDX-License-Identifier: Apache-2.0
"""What lies between a VAR block's matrix products: one kernel each on a GPU, plain torch elsewhere."""

from torch import Tensor
from torch.nn import functional

from sw_quant import kernels
from sw_quant.fake import fake_quantize
from sw_quant.formats import get

__all__ = ["attention_inputs", "modulated_norm"]


def modulated_norm(
    x: Tensor, h: Tensor | None, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float
) -> Tensor:
    """Add `h * gate` to `x` in place, where they are given; return norm(x) * (1 + scale) + shift.

    Args:
        x: float32 [batch, tokens, width].
        h: [batch * tokens, width], of the type to return.
        gate, scale, shift: [batch, width], of that type, with unit stride along the width and one row stride for all.
        eps: of the normalisation.

    Returns:
        [batch * tokens, width], of scale's type.
    """
    batch, tokens, width = x.shape
    if not kernels.available(x):
        if h is not None and gate is not None:
            x += h.view(x.shape).float() * gate[:, None].float()
        norm = functional.layer_norm(x, (width,), eps=eps)
        y = norm * (1 + scale[:, None].float()) + shift[:, None].float()
        return y.to(scale.dtype).view(-1, width)
    from .transformer_kernel import modulated_norm_kernel

    y = scale.new_empty((batch * tokens, width))
    modulated_norm_kernel[(batch * tokens,)](
        x,
        y if h is None else h,
        scale if gate is None else gate,
        scale,
        shift,
        y,
        tokens,
        width,
        scale.stride(0),
        eps,
        BLOCK=1 << (width - 1).bit_length(),
        ADD=h is not None,
        num_warps=4,
    )
    return y


def attention_inputs(
    qkv: Tensor, scale: Tensor, keys: Tensor, values: Tensor, start: int, format: str | None, flag: Tensor
) -> Tensor:
    """Queries, of unit length times `scale`; keys, of unit length, and values go into the cache.

    Args:
        qkv: [batch, tokens, 3 * width].
        scale: float32 [heads].
        keys, values: the cache, [batch, heads, all tokens, head width]; these tokens go to `start` and after.
        format: of the cache, one scale a token and head, quantized as halves; None leaves them as they are.
        flag: as in `fake_quantize`.

    Returns:
        [batch, heads, tokens, head width].
    """
    batch, tokens, _ = qkv.shape
    heads, width = keys.shape[1], keys.shape[3]
    if not kernels.available(qkv):
        query, key, value = qkv.view(batch, tokens, 3, heads, width).permute(2, 0, 3, 1, 4).float()
        query = functional.normalize(query, dim=-1) * scale[:, None, None]
        key = functional.normalize(key, dim=-1)
        if format is not None:
            key, value = (fake_quantize(part.half(), format, width, flag=flag) for part in (key, value))
        keys[:, :, start : start + tokens], values[:, :, start : start + tokens] = key, value
        return query.to(qkv.dtype)
    from .quantize import Outputs, constants
    from .transformer_kernel import attention_inputs_kernel

    query = qkv.new_empty((batch, heads, tokens, width))
    attention_inputs_kernel[(batch * tokens,)](
        qkv,
        scale,
        query,
        keys,
        values,
        flag,
        tokens,
        keys.shape[2],
        start,
        heads,
        HEADS=1 << (heads - 1).bit_length(),
        WIDTH=width,
        F=constants(get(format or "e2m3")),
        WRITE=Outputs(fake=True, units=False, codes=False, scales=False, half=True, fused=qkv.is_cuda),
        ROUND=format is not None,
        num_warps=4,
    )
    return query
