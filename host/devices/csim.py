# SPDX-License-Identifier: Apache-2.0
"""The C-simulation device: the HLS C++ of `hw/hls`, compiled into `host._csim`, on memory in this process."""

from collections.abc import Mapping
from typing import Any

from host._generated import SECTION_BYTES
from host.device import EngineInfo
from host.devices.simulated import DEFAULT_MEMORY_BYTES, SimulatedDevice
from host.memory import Memory
from sw_quant.errors import FpqvarError, UsageError

__all__ = ["CsimDevice", "load_extension"]


def load_extension() -> Any:
    """The compiled module; raises FpqvarError that says how to build it."""
    try:
        import host._csim as module
    except ImportError as error:
        raise FpqvarError(
            f"backend csim: the compiled engine host._csim cannot be loaded ({error}); build it with "
            "`pip install -e .` in the repository (needs g++), or use --backend golden, which gives the same bytes"
        ) from error
    return module


class CsimDevice(SimulatedDevice):
    """The compiled engine of a family and one of the geometries that it was compiled for, by name."""

    def __init__(
        self, family: str, geometry: str, memory_bytes: int = DEFAULT_MEMORY_BYTES, memory_base: int = 0
    ) -> None:
        try:
            self._engine = load_extension().Engine(family, geometry)
        except ValueError as error:
            raise UsageError(f"backend csim: {error}") from error
        # Zero commands: the engine only tells what it is.
        identity = self._engine.run(Memory(SECTION_BYTES).data, 0, 0)
        super().__init__(EngineInfo.from_registers("csim", identity), memory_bytes, memory_base)

    def _execute(self, list_address: int, count: int) -> Mapping[str, int]:
        try:
            registers: dict[str, int] = self._engine.run(self.memory.data, list_address, count, self.memory.base)
        except RuntimeError as error:
            raise FpqvarError(f"csim engine: {error}; this is a defect of the engine, please report it") from error
        return registers
