# SPDX-License-Identifier: Apache-2.0
"""The DDR of a simulated device: one block of bytes and a first-fit allocator.

Address 0 is never handed out, so that a forgotten address is an error and not somebody else's data.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from host._generated import SECTION_BYTES
from host.layout import round_up
from sw_quant.errors import FpqvarError

__all__ = ["Memory"]


class Memory:
    """`nbytes` of device memory; `memory.data[a]` is the byte at device address `base + a`.

    `on_write(start, stop)` is called after every write through `write`, so that a device can drop what it has cached.
    """

    def __init__(self, nbytes: int, base: int = 0) -> None:
        if base % SECTION_BYTES or base < 0:
            raise FpqvarError(f"device memory: base {base:#x} is not a multiple of {SECTION_BYTES}")
        self.base = base
        size = round_up(nbytes, SECTION_BYTES) + SECTION_BYTES
        block = np.zeros(size + SECTION_BYTES, np.uint8)  # untouched pages cost nothing
        skip = -block.ctypes.data % SECTION_BYTES
        self.data: npt.NDArray[np.uint8] = block[skip : skip + size]
        self.on_write: Callable[[int, int], None] | None = None
        self._holes: list[tuple[int, int]] = [(base + SECTION_BYTES, base + size)]  # [start, stop), sorted
        self._taken: dict[int, int] = {}

    @property
    def free_bytes(self) -> int:
        """Bytes that are not allocated, in all holes together."""
        return sum(stop - start for start, stop in self._holes)

    def allocate(self, nbytes: int) -> int:
        """A 64-byte aligned address of `nbytes` free bytes; raises FpqvarError when no hole is large enough."""
        if nbytes <= 0:
            raise FpqvarError(f"device memory: cannot allocate {nbytes} bytes; ask for at least one")
        size = round_up(nbytes, SECTION_BYTES)
        for index, (start, stop) in enumerate(self._holes):
            if stop - start >= size:
                self._holes[index : index + 1] = [(start + size, stop)] if stop - start > size else []
                self._taken[start] = start + size
                return start
        raise FpqvarError(
            f"device memory is full: {nbytes} bytes asked for, {self.free_bytes} of {len(self.data) - SECTION_BYTES} "
            "free; free buffers, or open the device with a larger memory_bytes"
        )

    def free(self, address: int) -> None:
        """Give a buffer back; raises FpqvarError for an address that is not allocated (freed twice, say)."""
        stop = self._taken.pop(address, None)
        if stop is None:
            raise FpqvarError(f"device memory: no buffer at address {address:#x}; was it freed twice?")
        merged: list[tuple[int, int]] = []
        for hole in sorted([*self._holes, (address, stop)]):
            if merged and merged[-1][1] == hole[0]:
                merged[-1] = (merged[-1][0], hole[1])
            else:
                merged.append(hole)
        self._holes = merged

    def holds(self, address: int, nbytes: int) -> bool:
        """Whether all of `nbytes` bytes at `address` are memory."""
        return self.base <= address and address + nbytes <= self.base + len(self.data)

    def view(self, address: int, nbytes: int) -> npt.NDArray[np.uint8]:
        """The bytes at `address`, in place; the caller has checked the range."""
        start = address - self.base
        return self.data[start : start + nbytes]

    def write(self, address: int, data: npt.NDArray[np.uint8]) -> None:
        """Put bytes at `address`; the caller has checked the range."""
        self.view(address, len(data))[:] = data
        if self.on_write is not None:
            self.on_write(address, address + len(data))
