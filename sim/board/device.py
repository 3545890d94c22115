# SPDX-License-Identifier: Apache-2.0
"""A device for the package pynq whose registers and DDR live in a simulator.

It is a subclass of pynq's own Device, so Overlay, the parser of the handoff, DefaultIP, MMIO and allocate are pynq's.
The host's copy of a buffer and DDR are kept apart, as caches keep them apart on a board: what is not flushed the
engine does not see, what is not invalidated the host does not see. DDR begins beyond 4 GiB, so that an address of
which a driver drops half is no address of memory.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from host.memory import Memory
from sim.board.bus import ControlBus
from sim.board.handoff import BASE, RANGE
from sw_quant.errors import FpqvarError

__all__ = ["DDR_BASE", "BoardDevice"]

DDR_BASE = 0x8_0000_0000  # where a Zynq UltraScale+ has its upper DDR
_STALE = 0xA5  # what a buffer's host copy holds before it is written or invalidated


class _Backing:
    """A buffer's two copies: `host` is what numpy sees, DDR is what the engine sees."""

    def __init__(self, address: int, nbytes: int) -> None:
        self.address = address
        self.host = np.full(nbytes, _STALE, np.uint8)


class BoardDevice(Device):  # type: ignore[misc]  # pynq is not typed
    """One simulated board. `memory` is its DDR, `bus` its control port; `allocations_left` makes allocations fail."""

    def __init__(self, bus: ControlBus, memory: Memory, tag: str = "simulated") -> None:
        super().__init__(tag)
        self.name, self.arch, self.timestamp = tag, "aarch64", ""
        self.capabilities = {"REGISTER_RW": True}
        self.bus, self.memory = bus, memory
        self.allocations_left: int | None = None
        self.downloads = 0

    # Registers: pynq.MMIO calls these.

    def read_registers(self, address: int, length: int) -> bytes:
        """Little-endian words."""
        words = [self.bus.read(self._offset(address + i)) for i in range(0, length, 4)]
        return b"".join(word.to_bytes(4, "little") for word in words)

    def write_registers(self, address: int, data: bytes) -> None:
        """Little-endian words."""
        raw = bytes(data)
        for i in range(0, len(raw), 4):
            self.bus.write(self._offset(address + i), int.from_bytes(raw[i : i + 4], "little"))

    def _offset(self, address: int) -> int:
        if not BASE <= address < BASE + RANGE:
            raise FpqvarError(f"simulated board: no register at address {address:#x}; a board would hang here")
        return address - BASE

    # Memory: pynq.allocate and PynqBuffer call these.

    def allocate(self, shape: Any, dtype: Any, **_options: Any) -> PynqBuffer:
        """A buffer whose host copy is not what the engine sees."""
        kind = np.dtype(dtype)
        nbytes = int(np.prod(shape)) * kind.itemsize
        if self.allocations_left is not None:
            if self.allocations_left == 0:
                raise RuntimeError("BO allocation failed: Cannot allocate memory")
            self.allocations_left -= 1
        backing = _Backing(self.memory.allocate(nbytes), nbytes)
        buffer = PynqBuffer(
            shape, kind, buffer=backing.host, device=self, device_address=backing.address, coherent=False, bo=backing
        )
        # pynq gives the memory back through return_pointer; its other way, munmap, is a board's.
        buffer.memory, buffer.pointer, buffer.return_to = self, backing.address, self
        buffer.freed = True
        return buffer

    def return_pointer(self, address: int) -> None:
        """Called by a buffer that is freed."""
        self.memory.free(address)

    def free_bytes(self) -> int:
        """What can still be allocated; on a board the kernel tells."""
        return self.memory.free_bytes

    def flush(self, bo: _Backing, offset: int, _pointer: int, size: int) -> None:
        """Bring the host's copy to DDR."""
        self.memory.write(bo.address + offset, bo.host[offset : offset + size])

    def invalidate(self, bo: _Backing, offset: int, _pointer: int, size: int) -> None:
        """Bring DDR to the host's copy."""
        bo.host[offset : offset + size] = self.memory.view(bo.address + offset, size)

    # Loading: pynq.Overlay calls these.

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """Parse the handoff beside a bitstream, as pynq does it."""
        parser = RuntimeMetadataParser(Metadata(input=str(Path(bitfile_name).with_suffix(".hwh"))))
        parser.clock_dict = {}  # the simulation has no clock registers
        parser.refresh_hierarchy_dict()
        return parser

    def download(self, bitstream: Any, parser: Mapping[str, Any] | None = None) -> None:
        """Loading a bitstream resets what is in it."""
        self.downloads += 1
        self.bus.reset()
        self.post_download(bitstream, parser, self.name)
