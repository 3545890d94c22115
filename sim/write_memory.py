# SPDX-License-Identifier: Apache-2.0
"""Memory behind a module's own AXI4 write channels (`awvalid_o` and so on), with the protocol's rules checked.

For modules below fpq_accel, whose ports have no identifiers, sizes or burst types for cocotbext-axi to find.
"""

import random
from collections import deque
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import ReadOnly, RisingEdge

__all__ = ["WriteMemory"]

Image = npt.NDArray[np.uint8]
PAGE = 4096  # no burst crosses a multiple of it


class WriteMemory:
    """Writes beats as they come; `bursts` counts them, `open` those whose response is not out yet."""

    def __init__(self, dut: Any, image: Image, bus_bytes: int, pause: float = 0.0, latency: int = 1) -> None:
        self.dut, self.image, self.bytes, self.pause, self.latency = dut, image, bus_bytes, pause, latency
        self.faults: set[int] = set()  # addresses of beats that are answered with an error
        self.open = self.bursts = 0
        self.cycle = 0
        dut.awready_i.value = dut.wready_i.value = dut.bvalid_i.value = dut.bresp_i.value = 0
        cocotb.start_soon(self._serve())

    def _pauses(self) -> bool:
        return random.random() < self.pause

    def _beats(self, address: int, length: int) -> list[int]:
        """Addresses of a burst's beats."""
        assert address % self.bytes == 0, f"burst at {address:#x} is not aligned to the bus"
        last = address + length * self.bytes
        assert address // PAGE == last // PAGE, f"burst of {length + 1} beats at {address:#x} crosses 4 KiB"
        assert last + self.bytes <= len(self.image), f"burst of {length + 1} beats at {address:#x} leaves memory"
        return [address + beat * self.bytes for beat in range(length + 1)]

    async def _serve(self) -> None:
        dut, beats, answers = self.dut, deque[tuple[int, bool]](), deque[tuple[int, bool]]()
        aw_ready = w_ready = offered = faulty = False
        while True:
            await ReadOnly()
            if offered and int(dut.bready_o.value):
                answers.popleft()
                offered = False
                self.open -= 1
            if w_ready and int(dut.wvalid_o.value):
                at, last = beats.popleft()
                assert int(dut.wlast_o.value) == last, f"WLAST of the beat at {at:#x}"
                data = int(dut.wdata_o.value).to_bytes(self.bytes, "little")
                strobe = int(dut.wstrb_o.value)
                for byte in range(self.bytes):
                    if strobe >> byte & 1:
                        self.image[at + byte] = data[byte]
                faulty |= at in self.faults
                if last:
                    answers.append((self.cycle + self.latency, faulty))
                    faulty = False
            if aw_ready and int(dut.awvalid_o.value):
                addresses = self._beats(int(dut.awaddr_o.value), int(dut.awlen_o.value))
                beats.extend((at, at == addresses[-1]) for at in addresses)
                self.open += 1
                self.bursts += 1
            await RisingEdge(dut.clk_i)
            self.cycle += 1
            aw_ready = not self._pauses()
            w_ready = bool(beats) and not self._pauses()
            dut.awready_i.value, dut.wready_i.value = aw_ready, w_ready
            offered = offered or (bool(answers) and answers[0][0] <= self.cycle and not self._pauses())
            dut.bvalid_i.value = offered
            dut.bresp_i.value = 3 if offered and answers[0][1] else 0
