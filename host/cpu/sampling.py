# SPDX-License-Identifier: Apache-2.0
"""Drawing tokens from logits in numpy, as `sw_quant.var.sampling` draws them in torch."""

import numpy as np
import numpy.typing as npt

from host.cpu.ops import Array, softmax
from sw_quant.errors import FpqvarError
from sw_quant.var.limits import DRAW_SHARES

__all__ = ["draw", "restrict"]


def restrict(logits: Array, top_k: int, top_p: float) -> Array:
    """Minus infinity for all but the `top_k` largest (0: all), and of those for all but the likeliest that together
    have the probability `top_p` (0: all). Logits are [..., vocabulary]."""
    if top_k > 0:
        kth = np.partition(logits, -top_k, axis=-1)[..., -top_k, None]
        logits = np.where(logits < kth, np.float32(-np.inf), logits)
    if top_p > 0:
        order = np.argsort(logits, axis=-1, kind="stable")
        ascending = np.take_along_axis(logits, order, axis=-1)
        excluded = np.cumsum(softmax(ascending), axis=-1) <= 1 - top_p
        excluded[..., -1] = False
        mask = np.empty_like(excluded)
        np.put_along_axis(mask, order, excluded, axis=-1)
        logits = np.where(mask, np.float32(-np.inf), logits)
    return logits


def draw(logits: Array, places: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The token whose share of [0, 1) holds each place: logits [B, L, vocabulary], places [B, L] to indices [B, L].

    Raises FpqvarError for logits that are not finite.
    """
    with np.errstate(invalid="ignore"):
        probabilities = softmax(logits)
    if not np.isfinite(probabilities).all():
        raise FpqvarError("the transformer's logits are not finite; check the model (`fpqvar doctor`)")
    upto = np.cumsum(np.rint(probabilities.astype(np.float64) * DRAW_SHARES).astype(np.int64), axis=-1)
    place = (places * upto[..., -1]).astype(np.int64)
    return np.asarray((upto <= place[..., None]).sum(axis=-1))
