# SPDX-License-Identifier: Apache-2.0
"""The RTL device: the Verilated SystemVerilog of `hw/rtl`, cycle by cycle, with a memory model in C++."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from host._generated import CONTRACT_VERSION, REGISTERS, Geometry
from host.device import DEFAULT_TIMEOUT, DeviceTimeout, EngineInfo, RunResult
from host.devices import verilate
from host.devices.simulated import DEFAULT_MEMORY_BYTES, SimulatedDevice
from sw_quant.errors import FpqvarError, UsageError
from sw_quant.files import ensure_writable

__all__ = ["RtlDevice"]

# An engine that moves nothing on any port for so long will never be done: nothing in it takes as long.
PATIENCE = 200_000  # cycles
AP_START = 1


class RtlDevice(SimulatedDevice):
    """The RTL engine of a family and any legal geometry, compiled when it is opened for the first time.

    Args:
        family: what its multipliers know.
        geometry: its size.
        memory_bytes: of device memory.
        memory_base: the device address of its first byte.
        bytes_per_cycle: what memory gives all masters together; 0: as much as they ask for.
        latency: cycles from an address to its first beat.
        stall: how often each channel pauses for a cycle, 0 to below 1.
        seed: of the pauses.
        waves: compile it so that `begin_trace` works; such an engine is another, slower build.
        trace: an FST file that the device's whole life is written to; needs no `waves`.

    Raises:
        UsageError: an option out of range.
        FpqvarError: the engine cannot be built here; the message says what is missing.
    """

    def __init__(
        self,
        family: str,
        geometry: Geometry,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        memory_base: int = 0,
        *,
        bytes_per_cycle: float = 0.0,
        latency: int = 40,
        stall: float = 0.0,
        seed: int = 1,
        waves: bool = False,
        trace: str | Path | None = None,
    ) -> None:
        if not (bytes_per_cycle >= 0 and latency >= 0 and 0 <= stall < 1):
            raise UsageError(
                f"backend rtl: bytes_per_cycle={bytes_per_cycle}, latency={latency}, stall={stall}: the first two must "
                "not be negative, stall must be at least 0 and below 1"
            )
        module = verilate.load(family, geometry, waves=waves or trace is not None)
        super().__init__(EngineInfo("rtl", family, geometry, CONTRACT_VERSION, "rtl"), memory_bytes, memory_base)
        options = {"bytes_per_cycle": bytes_per_cycle, "latency": latency, "stall": stall, "seed": seed}
        self.engine = module.Engine(self.memory.data, base=memory_base, **options)
        """The compiled engine; tests use its `fail(port, at, response)` to let memory answer with errors."""
        self._trace: Path | None = None
        if trace is not None:
            self.begin_trace(trace)
        self._enable_interrupt()
        found = EngineInfo.from_registers("rtl", self._registers_out())
        self.info = replace(found, geometry=replace(found.geometry, banks=geometry.banks))  # no register tells
        assert self.info.geometry == geometry

    def _execute(self, list_address: int, count: int) -> Mapping[str, int]:
        self._write64("list_address", list_address)
        self.engine.write(REGISTERS["count"].offset, count)
        self.engine.write(REGISTERS["ctrl"].offset, AP_START)
        outcome = self.engine.wait(PATIENCE)
        if outcome != "done":
            registers = {name: hex(value) for name, value in self._registers_out().items()}
            self._recover()
            if outcome == "stopped":
                raise DeviceTimeout("rtl engine: stopped before it was done; it has been reset")
            raise DeviceTimeout(
                f"rtl engine: nothing moved on any AXI port for {PATIENCE} cycles, so it will never be done; "
                f"registers {registers}; it has been reset"
            )
        self.engine.write(REGISTERS["ip_isr"].offset, 1)  # toggles the bit back
        self.engine.read(REGISTERS["ctrl"].offset)  # clears ap_done
        return self._registers_out()

    def wait(self, timeout: float = DEFAULT_TIMEOUT) -> RunResult:
        """Wait for the run; when time is up the engine is stopped and reset, so that the next run is right."""
        try:
            return super().wait(timeout)
        except DeviceTimeout:
            if not self._done.is_set():
                self.engine.stop()
                self._done.wait()
            self._running = False
            raise
        except RuntimeError as error:  # the memory model met a broken AXI rule
            self._recover()
            raise FpqvarError(str(error)) from error

    def begin_trace(self, path: str | Path) -> None:
        """Write every signal's waveform from now on, as FST, until `end_trace`; the file has its name only then.

        Raises FpqvarError when the folder cannot be written to, or the engine was compiled without `waves`.
        """
        path = Path(path)
        ensure_writable(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.end_trace()
        try:
            self.engine.begin_trace(str(_unfinished(path)))
        except RuntimeError as error:
            raise FpqvarError(f"{error}; open the device with waves=True") from error
        self._trace = path

    def end_trace(self) -> None:
        """Finish the waveform that is being written, if there is one."""
        self.engine.end_trace()
        if self._trace is not None:
            _unfinished(self._trace).replace(self._trace)
            self._trace = None

    def close(self) -> None:
        """Stop a run that is under way and finish the waveform."""
        if self._running:
            self.engine.stop()
        super().close()
        if hasattr(self, "engine"):
            self.end_trace()

    def _recover(self) -> None:
        self.engine.reset()
        self._enable_interrupt()

    def _enable_interrupt(self) -> None:
        self.engine.write(REGISTERS["gier"].offset, 1)
        self.engine.write(REGISTERS["ip_ier"].offset, 1)

    def _write64(self, register: str, value: int) -> None:
        offset = REGISTERS[register].offset
        self.engine.write(offset, value & 0xFFFFFFFF)
        self.engine.write(offset + 4, value >> 32)

    def _registers_out(self) -> dict[str, int]:
        """The `out` registers by name, as a host on a board would read them."""
        values = {}
        for name, register in REGISTERS.items():
            if register.access == "out":
                values[name] = self.engine.read(register.offset)
                if register.bits == 64:
                    values[name] |= self.engine.read(register.offset + 4) << 32
        return values


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")
