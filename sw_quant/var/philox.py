# SPDX-License-Identifier: Apache-2.0
"""Random numbers that depend on a seed and a place alone: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
easy as 1, 2, 3", 2011), in whole numbers, so that every device draws the same.

A generator with a state has to be asked in order, one for each image. Here any number of any image is a function of
its seed and its index, so that a whole batch is drawn at once and no image's draws depend on the batch it is in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Words = tuple[Tensor, Tensor, Tensor, Tensor]

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_UNIFORM_BITS = 48


def philox(counter: Words, key: tuple[Tensor, Tensor]) -> Words:
    """Four 32-bit words for a counter of four and a key of two, each an int64 tensor of values below 2^32."""
    a, b, c, d = counter
    left, right = key
    for _ in range(_ROUNDS):
        high_a, low_a = _multiply(a, _MULTIPLIERS[0])
        high_c, low_c = _multiply(c, _MULTIPLIERS[1])
        a, b, c, d = high_c ^ b ^ left, low_c, high_a ^ d ^ right, low_a
        left, right = (left + _KEY_STEPS[0]) & _MASK, (right + _KEY_STEPS[1]) & _MASK
    return a, b, c, d


def _multiply(x: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """High and low word of a 64-bit product, in halves, as int64 holds no more than 63 bits."""
    low, high = (x & 0xFFFF) * by, (x >> 16) * by
    return (high + (low >> 16)) >> 16, (low + ((high & 0xFFFF) << 16)) & _MASK


def uniforms(seeds: Sequence[int], count: int, device: torch.device | str = "cpu") -> Tensor:
    """float64 ``[len(seeds), count]``, evenly spread over [0, 1) in steps of 2^-48.

    Args:
        seeds: from 0 to 2^63 - 1.
        count: numbers of each; the first ones do not depend on how many there are.
        device: where to make them.
    """
    seed = torch.tensor(list(seeds), dtype=torch.int64, device=device)[:, None]
    index = torch.arange(count, dtype=torch.int64, device=device)[None, :]
    zero = torch.zeros_like(index)
    first, second, _, _ = philox((index, zero, zero, zero), (seed & _MASK, seed >> 32))
    return ((first << 16) | (second >> 16)).double() * 2.0**-_UNIFORM_BITS
