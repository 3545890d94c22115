# SPDX-License-Identifier: Apache-2.0
"""Quantized keys and values: each token's are quantized once, when they enter the cache (FPQVAR, section 3).

Every scale of an image reads the cache again, so quantizing it anew at each scale would cost time and, with other
scales, other values. Here a token keeps the values that it got at first, for its own scale's attention too. One scale
covers a head's elements of one token: rows of different tokens and heads never mix.

The cache is the host's: the engine computes the linear layers only, so a recipe with a quantized cache runs on it.
"""

from torch import Tensor

from .codes import Ties
from .errors import FpqvarError
from .quantizer import quantize

__all__ = ["CacheQuantizer"]


class CacheQuantizer:
    """Rounds what enters the cache to `format`, by the contract's quantizer (sections 1.2 and 1.3).

    Raises FpqvarError when a key or value is Inf or NaN.
    """

    def __init__(self, format: str, ties: Ties = "even") -> None:
        self.format, self.ties = format, ties

    def __call__(self, x: Tensor) -> Tensor:
        """[..., head width], a multiple of 32, to float32 of the same shape, one scale a row."""
        try:
            q = quantize(x.float(), self.format, granularity="row", ties=self.ties)
        except FpqvarError as error:
            raise type(error)(f"KV cache in {self.format}: {error}") from error
        return q.dequantize()
