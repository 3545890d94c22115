# SPDX-License-Identifier: Apache-2.0
"""cocotbext-axi round the accelerator: control master, memory with bounds and faults, stalls on every channel."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiRamRead, AxiRamWrite, AxiReadBus, AxiResp, AxiWriteBus

from host._generated import REGISTERS

__all__ = ["STALLS", "Accelerator", "GuardedMemory"]

ADDRESS_SPACE = 1 << 62  # what len() can give


def _never() -> Iterator[bool]:
    while True:
        yield False


def _now_and_then() -> Iterator[bool]:
    rng = random.Random(random.random())
    while True:
        yield rng.random() < 0.35


def _in_bursts() -> Iterator[bool]:
    """Long pauses between long runs."""
    rng = random.Random(random.random())
    while True:
        for pause, most in ((False, 60), (True, 40)):
            for _ in range(rng.randint(1, most)):
                yield pause


STALLS: dict[str, Callable[[], Iterator[bool]]] = {"none": _never, "random": _now_and_then, "bursts": _in_bursts}


class GuardedMemory:
    """What the slaves slice: an image from address 0 on.

    cocotbext-axi turns an exception in here into SLVERR and a line in the log, so accesses outside the image are kept
    in `errors` for the test to raise.
    """

    def __init__(self, image: npt.NDArray[np.uint8]) -> None:
        self.image = image
        self.errors: list[str] = []

    def __len__(self) -> int:
        return ADDRESS_SPACE

    def _checked(self, where: slice, what: str) -> slice:
        if not 0 <= where.start <= where.stop <= len(self.image):
            self.errors.append(f"{what} of {where.start:#x} to {where.stop:#x}, outside of memory")
            raise IndexError(self.errors[-1])
        return where

    def __getitem__(self, where: slice) -> bytes:
        return self.image[self._checked(where, "read")].tobytes()

    def __setitem__(self, where: slice, data: bytes) -> None:
        self.image[self._checked(where, "write")] = np.frombuffer(data, np.uint8)


class Accelerator:
    """fpq_accel with its memory.

    `faults[port] = (beat, response)` answers that beat (write: burst) with an error; see `fail`.
    """

    def __init__(self, dut: Any, image: npt.NDArray[np.uint8], banks: int) -> None:
        self.dut = dut
        self.memory = GuardedMemory(image)
        self.faults: dict[str, tuple[int, AxiResp]] = {}
        self.faulted: int | None = None
        self.counts: dict[str, int] = {}
        self._asked: dict[str, deque[int]] = {}  # addresses of the beats (writes: bursts) that are to be answered
        self.beats_of_y = 0
        around = {"clock": dut.ap_clk, "reset": dut.ap_rst_n, "reset_active_level": False}
        self._control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), **around)
        self._ports: dict[str, Any] = {}
        for name in ["x", *(f"w{bank}" for bank in range(banks))]:
            bus = AxiReadBus.from_prefix(dut, f"m_axi_{name}")
            self._ports[name] = AxiRamRead(bus, **around, mem=self.memory)
            self._watch(name, self._ports[name].r_channel, "rresp")
            self._note_addresses(name, self._ports[name].ar_channel, beats=True)
        self._ports["y"] = AxiRamWrite(AxiWriteBus.from_prefix(dut, "m_axi_y"), **around, mem=self.memory)
        self._watch("y", self._ports["y"].b_channel, "bresp")
        self._note_addresses("y", self._ports["y"].aw_channel, beats=False)
        self._count_beats_of_y(self._ports["y"].w_channel)
        for port in (self._control.write_if, self._control.read_if, *self._ports.values()):
            port.log.setLevel("ERROR")  # else a line for each burst

    def _watch(self, port: str, channel: Any, field: str) -> None:
        """Count what a channel sends, and put the port's fault in its place."""
        send = channel.send

        async def counted(item: Any) -> None:
            count = self.counts.get(port, 0)
            self.counts[port] = count + 1
            address = self._asked[port].popleft()
            beat, response = self.faults.get(port, (-1, AxiResp.OKAY))
            if count == beat:
                setattr(item, field, response)
                self.faulted = address
            await send(item)

        channel.send = counted

    def _note_addresses(self, port: str, channel: Any, beats: bool) -> None:
        """Keep the addresses of what a port asks for; it is answered in order."""
        receive, asked = channel.recv, self._asked.setdefault(port, deque())

        async def noted() -> Any:
            item = await receive()
            address, length = (int(item.araddr), int(item.arlen)) if beats else (int(item.awaddr), 0)
            asked.extend(address + beat * self.bus_bytes for beat in range(length + 1))
            return item

        channel.recv = noted

    def _count_beats_of_y(self, channel: Any) -> None:
        """`counts["y"]` are bursts, since an error answers a burst; `beats_of_y` are what the engine counts."""
        receive = channel.recv

        async def counted() -> Any:
            item = await receive()
            self.beats_of_y += 1
            return item

        channel.recv = counted

    @property
    def bus_bytes(self) -> int:
        """Bytes of a beat."""
        return int(self._ports["x"].byte_lanes)

    @property
    def bytes_read(self) -> int:
        """Since the last start, by what the slaves have sent."""
        return sum(count for port, count in self.counts.items() if port != "y") * self.bus_bytes

    @property
    def bytes_written(self) -> int:
        """The same of Y, whole beats as the engine counts them."""
        return self.beats_of_y * int(self._ports["y"].byte_lanes)

    @property
    def ports(self) -> list[str]:
        """Names of the memory ports: x, w0 ..., y."""
        return list(self._ports)

    def fail(self, port: str, beat: int, response: AxiResp) -> None:
        """Answer a beat (write: burst) of the next run with an error; `faulted` will be its address."""
        self.faults[port], self.faulted = (beat, response), None

    def stall(self, pattern: str) -> None:
        """Pause all channels of all ports, the control's too, by a pattern of STALLS."""
        names = ("ar_channel", "r_channel", "aw_channel", "w_channel", "b_channel")
        for port in (*self._ports.values(), self._control.read_if, self._control.write_if):
            for name in names:
                if hasattr(port, name):
                    getattr(port, name).set_pause_generator(STALLS[pattern]())

    async def reset(self) -> None:
        """Some cycles of reset; what memory still owed is forgotten."""
        self.dut.ap_rst_n.value = 0
        await ClockCycles(self.dut.ap_clk, 8)
        for asked in self._asked.values():
            asked.clear()
        self.dut.ap_rst_n.value = 1
        await ClockCycles(self.dut.ap_clk, 2)

    async def read(self, register: str) -> int:
        """A control register by name."""
        item = REGISTERS[register]
        answer = await self._control.read(item.offset, item.bits // 8)
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def write(self, register: str, value: int) -> None:
        """The same way round."""
        item = REGISTERS[register]
        answer = await self._control.write(item.offset, value.to_bytes(item.bits // 8, "little"))
        assert answer.resp == AxiResp.OKAY

    async def start(self, address: int, count: int) -> None:
        """Let it run a list, its end told by interrupt."""
        self.counts.clear()
        self.beats_of_y = 0
        for register, value in (("gier", 1), ("ip_ier", 1), ("list_address", address), ("count", count), ("ctrl", 1)):
            await self.write(register, value)

    async def finish(self, most_cycles: int) -> dict[str, int]:
        """Wait for the interrupt; the `out` registers. AssertionError if it does not come in time."""
        for _ in range(most_cycles // 16):
            await ClockCycles(self.dut.ap_clk, 16)
            if int(self.dut.interrupt.value):
                break
        else:
            raise AssertionError(f"no interrupt in {most_cycles} cycles")
        await self.write("ip_isr", 1)
        assert await self.read("ctrl") & 0b110 == 0b110, "ap_done and ap_idle after a run"
        assert await self.read("ctrl") & 0b110 == 0b100, "ap_done is cleared by reading"
        await RisingEdge(self.dut.ap_clk)
        assert not int(self.dut.interrupt.value)
        return {name: await self.read(name) for name, item in REGISTERS.items() if item.access == "out"}

    async def run(self, address: int, count: int, most_cycles: int = 200_000) -> dict[str, int]:
        """Start, and wait for the end."""
        await self.start(address, count)
        return await self.finish(most_cycles)
