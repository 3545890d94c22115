# SPDX-License-Identifier: Apache-2.0
"""What a device is: memory, a command list, start, wait, and what the engine says of a run.

The golden model, the compiled HLS C++, the simulated RTL and a board are devices; the runtime cannot tell which.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from host._generated import FAMILIES, REGISTERS, Core, EngineFlag, ErrorCode, Geometry
from sw_quant.errors import FpqvarError

__all__ = ["DEFAULT_TIMEOUT", "Buffer", "Counters", "Device", "DeviceTimeout", "EngineError", "EngineInfo", "RunResult"]

DEFAULT_TIMEOUT = 600.0  # seconds

_Self = TypeVar("_Self", bound="Device")  # typing.Self is of Python 3.11


class EngineError(FpqvarError):
    """The engine refused or could not finish a command; `result` tells which."""

    def __init__(self, message: str, result: "RunResult") -> None:
        super().__init__(message)
        self.result = result


class DeviceTimeout(FpqvarError):
    """The engine did not finish in time."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is: its backend's name, its build, and which implementation it is (hls, rtl or golden)."""

    backend: str
    family: str
    geometry: Geometry
    contract_version: int
    core: str

    @staticmethod
    def from_registers(backend: str, registers: Mapping[str, int]) -> "EngineInfo":
        """From the identity registers, which every run fills in; raises FpqvarError for an unknown engine."""
        identity, size = _split("identity", registers["identity"]), _split("geometry", registers["geometry"])
        family = next((name for name, item in FAMILIES.items() if item.id == identity["family"]), None)
        if family is None or identity["core"] not in [int(core) for core in Core]:
            raise FpqvarError(
                f"{backend} engine: identity register {registers['identity']:#010x} is of no known engine; "
                "is the right bitstream loaded?"
            )
        geometry = Geometry(size["rows"], size["columns"], size["lanes"], registers["act_depth"], 1 << size["bus_log2"])
        return EngineInfo(backend, family, geometry, identity["contract"], Core(identity["core"]).name.lower())


@dataclass(frozen=True)
class Counters:
    """The engine's counters over one run, or a sum of runs. A device that does not count something says 0."""

    busy_cycles: int = 0
    compute_cycles: int = 0
    load_stall_cycles: int = 0
    store_stall_cycles: int = 0
    read_bytes: int = 0
    write_bytes: int = 0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))


@dataclass(frozen=True)
class RunResult:
    """The engine's registers after a run. The indices count commands and mean something only beside their cause."""

    status: ErrorCode
    error_index: int
    flags: EngineFlag
    overflow_index: int
    nonfinite_index: int
    counters: Counters

    @staticmethod
    def from_registers(registers: Mapping[str, int]) -> "RunResult":
        """From the `out` registers of hw/spec/registers.toml, by name."""
        return RunResult(
            status=ErrorCode(registers["status"]),
            error_index=registers["error_index"],
            flags=EngineFlag(registers["flags"]),
            overflow_index=registers["overflow_index"],
            nonfinite_index=registers["nonfinite_index"],
            counters=Counters(**{item.name: registers[item.name] for item in fields(Counters)}),
        )


def _split(register: str, value: int) -> dict[str, int]:
    """The bit fields of a register's value."""
    return {name: value >> part.lsb & (1 << part.bits) - 1 for name, part in REGISTERS[register].fields.items()}


class Buffer(ABC):
    """A piece of device memory. `address` is 64-byte aligned and never 0."""

    address: int
    nbytes: int

    @abstractmethod
    def write(self, array: npt.NDArray[Any], offset: int = 0) -> None:
        """Copy an array's bytes into the buffer, `offset` bytes from its start."""

    @abstractmethod
    def read(self, nbytes: int, offset: int = 0) -> npt.NDArray[np.uint8]:
        """A copy of `nbytes` bytes, `offset` bytes from the start."""

    @abstractmethod
    def free(self) -> None:
        """Give the memory back; the buffer must not be used again."""

    def _check_range(self, nbytes: int, offset: int) -> None:
        if offset < 0 or nbytes < 0 or offset + nbytes > self.nbytes:
            raise FpqvarError(f"device buffer of {self.nbytes} bytes: no bytes {offset} to {offset + nbytes} in it")


class Device(ABC):
    """An engine and its memory. Use it as a context manager, so that it is closed whatever happens."""

    info: EngineInfo

    @abstractmethod
    def allocate(self, nbytes: int) -> Buffer:
        """A 64-byte aligned buffer; raises FpqvarError when memory is full."""

    @abstractmethod
    def free_bytes(self) -> int:
        """Bytes of device memory that can still be allocated."""

    @abstractmethod
    def start(self, list_address: int, count: int) -> None:
        """Start the engine on `count` commands at `list_address`; raises FpqvarError if it is running."""

    @abstractmethod
    def wait(self, timeout: float = DEFAULT_TIMEOUT) -> RunResult:
        """Wait at most `timeout` seconds for the run to end; raises DeviceTimeout."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the engine and its memory. Closing twice is allowed."""

    def run(self, list_address: int, count: int, timeout: float = DEFAULT_TIMEOUT) -> RunResult:
        """Start, wait, and raise EngineError unless every command was carried out."""
        self.start(list_address, count)
        return self.checked(self.wait(timeout))

    def checked(self, result: RunResult) -> RunResult:
        """The same result; raises EngineError if the engine refused or failed a command."""
        if result.status != ErrorCode.OK:
            raise EngineError(
                f"{self.info.backend} engine stopped at command {result.error_index}: {result.status.name.lower()} "
                f"error (code {int(result.status)}, hw/spec/contract.toml); commands after it were not run",
                result,
            )
        return result

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
