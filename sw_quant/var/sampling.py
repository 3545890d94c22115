# SPDX-License-Identifier: Apache-2.0
"""Drawing tokens from logits, the way the published code does."""

from __future__ import annotations

import torch
from torch import Tensor

from sw_quant.errors import FpqvarError
from sw_quant.var.limits import DRAW_SHARES


def guided(conditional: Tensor, unconditional: Tensor, strength: float | Tensor) -> Tensor:
    """Classifier-free guidance: away from the logits without a class, by ``strength`` (of each token, ``[L, 1]``)."""
    return (1 + strength) * conditional - strength * unconditional


def restrict(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set to minus infinity what top-k and top-p sampling exclude.

    Args:
        logits: ``[..., vocabulary]``.
        top_k: keep the k largest (and whatever ties with the k-th); 0 keeps all.
        top_p: of those keep the most probable ones, as many as needed to reach this probability; 0 keeps all.
    """
    if top_k > 0:
        kth_largest = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < kth_largest, -torch.inf)
    if top_p > 0:
        ascending, order = logits.sort(dim=-1)
        excluded = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
        excluded[..., -1] = False  # the most probable one always stays
        logits = logits.masked_fill(excluded.scatter(-1, order, excluded), -torch.inf)
    return logits


def draw(logits: Tensor, source: torch.Generator | Tensor) -> Tensor:
    """Draw one token at each position.

    Args:
        logits: ``[B, L, vocabulary]``.
        source: a generator, for the draws that the published code makes; or a number from [0, 1) for each position,
            float64 ``[B, L]``.

    Returns:
        Indices ``[B, L]``.

    Raises:
        FpqvarError: a logit is NaN, or all of a position's are minus infinity.
    """
    probabilities = logits.softmax(dim=-1)
    if not bool(torch.isfinite(probabilities).all()):
        raise FpqvarError("the transformer's logits are not finite; check the checkpoint (`fpqvar doctor`)")
    if isinstance(source, Tensor):
        return _at(probabilities, source)
    drawn = torch.multinomial(probabilities.flatten(0, 1), 1, replacement=True, generator=source)
    return drawn.view(logits.shape[:-1])


def _at(probabilities: Tensor, places: Tensor) -> Tensor:
    """The index whose share of [0, 1) holds each place.

    Probabilities are added up as whole numbers of 2^-40: exactly, in whatever order a device adds. So a draw depends on
    the probabilities and the place alone. An index of a probability below 2^-41 is never drawn.
    """
    upto = probabilities.double().mul_(DRAW_SHARES).round_().long().cumsum_(dim=-1)
    place = (places * upto[..., -1]).long()  # below the sum: places are 2^-48 below 1 at least
    return torch.searchsorted(upto, place[..., None], right=True)[..., 0]
