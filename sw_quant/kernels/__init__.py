# SPDX-License-Identifier: Apache-2.0
"""Triton kernels for CUDA that write the golden model's bits. Where Triton or CUDA is missing, torch computes instead.

Nothing here imports Triton before a kernel runs.
"""

import os
from functools import cache
from importlib.util import find_spec

from torch import Tensor

from sw_quant._generated import K_MULTIPLE

__all__ = ["MAX_GROUP", "available", "takes"]

MAX_GROUP = 16384
"""A group is held in a program's registers as a whole: longer ones are torch's."""


def available(x: Tensor) -> bool:
    """Whether the kernels serve `x`: it lies on a CUDA device, and Triton is installed.

    The environment variable `FPQVAR_KERNELS=0` turns them off.
    """
    return x.is_cuda and os.environ.get("FPQVAR_KERNELS", "1") != "0" and _installed()


def takes(k: int, group: int) -> bool:
    """Whether the exact product takes a layer of K inputs: all groups are full, and multiples of 32."""
    return k % min(group, k) == 0 and min(group, k) % K_MULTIPLE == 0


@cache
def _installed() -> bool:
    return find_spec("triton") is not None
