# SPDX-License-Identifier: Apache-2.0
"""What a processor's register accesses reach: the engine's control port, of the C model or of the simulated RTL."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from host._generated import REGISTERS
from host.devices.csim import CsimDevice
from host.devices.rtl import RtlDevice
from host.devices.simulated import SimulatedDevice
from host.registers import register_words
from sw_quant.errors import UsageError

__all__ = ["ControlBus", "ModelBus", "RtlBus", "bus_for"]

_CTRL, _ISR = REGISTERS["ctrl"].offset, REGISTERS["ip_isr"].offset
_START, _DONE, _IDLE, _READY = (
    1 << REGISTERS["ctrl"].fields[name].lsb for name in ("ap_start", "ap_done", "ap_idle", "ap_ready")
)
_MASK = 0xFFFFFFFF
_WRITABLE = [
    word.offset for name in ("gier", "ip_ier", "list_address", "count") for word in register_words(REGISTERS[name])
]
LOOKS_UNTIL_DONE = 2
CYCLES_PER_ACCESS = 500  # what a processor's access costs in cycles of the engine; a real one costs as much


class ControlBus(ABC):
    """32-bit accesses by byte offset in the control port."""

    @abstractmethod
    def read(self, offset: int) -> int:
        """The word at `offset`."""

    @abstractmethod
    def write(self, offset: int, value: int) -> None:
        """Write the word at `offset`."""

    @abstractmethod
    def reset(self) -> None:
        """What loading a bitstream does to the engine, whatever it is doing."""


class RtlBus(ControlBus):
    """The control port of the Verilated engine itself: nothing is modelled here but the passing of time."""

    def __init__(self, device: RtlDevice) -> None:
        self._engine = device.engine
        self.reset()

    def read(self, offset: int) -> int:
        """Let some time pass, and read."""
        self._engine.run(CYCLES_PER_ACCESS)
        return int(self._engine.read(offset))

    def write(self, offset: int, value: int) -> None:
        """Write through the AXI4-Lite port."""
        self._engine.write(offset, value)

    def reset(self) -> None:
        """Pull the engine's reset."""
        self._engine.reset()


class ModelBus(ControlBus):
    """A model of the ap_ctrl block that Vitis HLS makes, over a device that only knows how to run a list.

    The list is run when it is started; whoever looks first still sees a busy engine.
    """

    def __init__(self, device: CsimDevice) -> None:
        self._device = device
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._values: dict[int, int] = {}
        self._result: Mapping[str, int] | None = None  # of a run that nobody has seen the end of
        self._looks = 0
        self._done = False

    def read(self, offset: int) -> int:
        """A register; of the control register the done bit, which this clears."""
        if offset != _CTRL:
            return self._values.get(offset, 0)
        self._finish()
        done, self._done = self._done, False
        return (_DONE | _READY) * done | _IDLE * (self._result is None)

    def write(self, offset: int, value: int) -> None:
        """Set an argument, toggle an interrupt bit, or start."""
        if offset == _CTRL:
            if value & _START and self._result is None:
                count = self._values.get(REGISTERS["count"].offset, 0)
                self._result = self._device.execute(self._get("list_address"), count)
                self._looks = 0
        elif offset == _ISR:
            self._values[_ISR] = self._values.get(_ISR, 0) ^ value
        elif offset in _WRITABLE:
            self._values[offset] = value

    def _finish(self) -> None:
        if self._result is None:
            return
        self._looks += 1
        if self._looks < LOOKS_UNTIL_DONE:
            return
        for name, value in self._result.items():
            for i, word in enumerate(register_words(REGISTERS[name])):
                self._values[word.offset] = value >> 32 * i & _MASK
        self._values[_ISR] = self._values.get(_ISR, 0) | self._values.get(REGISTERS["ip_ier"].offset, 0)
        self._result, self._done = None, True

    def _get(self, name: str) -> int:
        return sum(self._values.get(w.offset, 0) << 32 * i for i, w in enumerate(register_words(REGISTERS[name])))


def bus_for(device: SimulatedDevice) -> ControlBus:
    """The control port of a simulated device."""
    if isinstance(device, RtlDevice):
        return RtlBus(device)
    if isinstance(device, CsimDevice):
        return ModelBus(device)
    raise UsageError(f"no board has a {device.info.backend} engine; choose csim or rtl")
