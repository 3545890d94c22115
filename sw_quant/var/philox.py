# SPDX-License-Identifier: Apache-2.0
"""Random numbers that depend on a seed and a place alone: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
easy as 1, 2, 3", 2011), in whole numbers, so that every device draws the same.

A generator with a state has to be asked in order, one for each image. Here any number of any image is a function of
its seed and its index, so that a whole batch is drawn at once and no image's draws depend on the batch it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

_Array = TypeVar("_Array", bound=Any)

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_UNIFORM_BITS = 48


def philox(
    counter: tuple[_Array, _Array, _Array, _Array], key: tuple[_Array, _Array]
) -> tuple[_Array, _Array, _Array, _Array]:
    """Four 32-bit words for a counter of four and a key of two, each an int64 array or tensor of values below 2^32."""
    a, b, c, d = counter
    left, right = key
    for _ in range(_ROUNDS):
        high_a, low_a = _multiply(a, _MULTIPLIERS[0])
        high_c, low_c = _multiply(c, _MULTIPLIERS[1])
        a, b, c, d = high_c ^ b ^ left, low_c, high_a ^ d ^ right, low_a
        left, right = (left + _KEY_STEPS[0]) & _MASK, (right + _KEY_STEPS[1]) & _MASK
    return a, b, c, d


def _multiply(x: _Array, by: int) -> tuple[_Array, _Array]:
    """High and low word of a 64-bit product, in halves, as int64 holds no more than 63 bits."""
    low, high = (x & 0xFFFF) * by, (x >> 16) * by
    return (high + (low >> 16)) >> 16, (low + ((high & 0xFFFF) << 16)) & _MASK


def uniforms(seeds: Sequence[int], count: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """float64 ``[len(seeds), count]``, evenly spread over [0, 1) in steps of 2^-48.

    Args:
        seeds: from 0 to 2^63 - 1.
        count: numbers of each; the first ones do not depend on how many there are.
        device: where to make them.
    """
    import torch

    seed = torch.tensor(list(seeds), dtype=torch.int64, device=device)[:, None]
    index = torch.arange(count, dtype=torch.int64, device=device)[None, :]
    words: torch.Tensor = _uniforms(seed, index)
    return words.double() * 2.0**-_UNIFORM_BITS


def numpy_uniforms(seeds: Sequence[int], count: int, start: int = 0) -> npt.NDArray[np.float64]:
    """The same numbers by numpy, from number `start` on."""
    seed = np.array(list(seeds), np.int64)[:, None]
    return np.asarray(_uniforms(seed, np.arange(start, start + count)[None, :]) * 2.0**-_UNIFORM_BITS)


def _uniforms(seed: Any, index: Any) -> Any:
    zero = index * 0
    first, second, _, _ = philox((index, zero, zero, zero), (seed & _MASK, seed >> 32))
    return (first << 16) | (second >> 16)
