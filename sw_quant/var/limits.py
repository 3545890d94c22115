# SPDX-License-Identifier: Apache-2.0
"""What the networks in torch and in numpy share besides their shapes, and the checks of what a user asks for."""

import math
from collections.abc import Sequence

from sw_quant.errors import UsageError

__all__ = ["DRAW_SHARES", "MAX_LOG_ATTENTION_SCALE", "check_sampling", "check_seeds"]

MAX_LOG_ATTENTION_SCALE = math.log(100)
DRAW_SHARES = 2.0**40  # into so many shares a draw divides the probability of all tokens


def check_sampling(cfg: float, top_k: int, top_p: float, vocabulary: int) -> None:
    """Refuse sampling parameters that are out of range.

    Raises:
        UsageError: names the parameter and its range.
    """
    if not math.isfinite(cfg):
        raise UsageError(f"guidance (cfg) is {cfg}; give a finite number, such as 3")
    if not 0 <= top_k <= vocabulary:
        raise UsageError(f"top_k is {top_k}; give a number from 0 (off) to {vocabulary}, the size of the codebook")
    if not 0 <= top_p <= 1:
        raise UsageError(f"top_p is {top_p}; give a number from 0 (off) to 1")


def check_seeds(seeds: Sequence[int], images: int) -> None:
    """Refuse seeds that are too few, too many, or out of range."""
    if len(seeds) != images:
        raise UsageError(f"{len(seeds)} image seeds for {images} images; give one an image")
    for value in seeds:
        if not 0 <= value < 2**63:
            raise UsageError(f"seed {value} is out of range; give a number from 0 to 2^63 - 1")
