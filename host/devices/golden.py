# SPDX-License-Identifier: Apache-2.0
"""The golden device: executes command lists from its own memory with `sw_quant.golden`, for any geometry.

It reads the same bytes as every other engine (descriptors, FP16 rows, weight streams) and writes the same bytes.
Needs torch, which is imported with the first device.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from host._generated import (
    CONTRACT_VERSION,
    DESCRIPTOR_BYTES,
    REGISTERS,
    SECTION_BYTES,
    EngineFlag,
    ErrorCode,
    Geometry,
    Opcode,
)
from host.command import Gemm, check, decode_fields
from host.device import EngineInfo
from host.devices.simulated import DEFAULT_MEMORY_BYTES, SimulatedDevice
from host.layout import StreamShape, unpack
from sw_quant._generated import FORMATS

if TYPE_CHECKING:
    import torch

    from sw_quant.golden import PreparedWeight

__all__ = ["GoldenDevice"]


class GoldenDevice(SimulatedDevice):
    """Any family and geometry. Its counters stay 0: it computes what an engine computes, not how long it takes."""

    def __init__(
        self, family: str, geometry: Geometry, memory_bytes: int = DEFAULT_MEMORY_BYTES, memory_base: int = 0
    ) -> None:
        super().__init__(EngineInfo("golden", family, geometry, CONTRACT_VERSION, "golden"), memory_bytes, memory_base)
        self._weights: dict[tuple[int, StreamShape], tuple[PreparedWeight, torch.Tensor]] = {}
        self.memory.on_write = self._forget

    def _forget(self, start: int, stop: int) -> None:
        """Drop decoded weights whose stream has been written to."""
        stale = [key for key in self._weights if key[0] < stop and start < key[0] + key[1].nbytes]
        for key in stale:
            del self._weights[key]

    def _execute(self, list_address: int, count: int) -> Mapping[str, int]:
        registers = dict.fromkeys((name for name, item in REGISTERS.items() if item.access == "out"), 0)
        if count and list_address % SECTION_BYTES:
            return registers | {"status": int(ErrorCode.ALIGNMENT)}
        for index in range(count):
            status, flags = self._command(list_address + index * DESCRIPTOR_BYTES)
            if status != ErrorCode.OK:
                return registers | {"status": int(status), "error_index": index}
            for flag, name in ((EngineFlag.OVERFLOW, "overflow_index"), (EngineFlag.NONFINITE, "nonfinite_index")):
                if flag in flags and flag not in EngineFlag(registers["flags"]):
                    registers["flags"] |= int(flag)
                    registers[name] = index
        return registers

    def _command(self, address: int) -> tuple[ErrorCode, EngineFlag]:
        """Carry one command out."""
        from sw_quant import golden

        quiet = EngineFlag(0)
        if not self.memory.holds(address, DESCRIPTOR_BYTES):
            return ErrorCode.READ, quiet
        raw = self.memory.view(address, DESCRIPTOR_BYTES).tobytes()
        status = check(raw, self.info.family, self.info.geometry)
        if status != ErrorCode.OK or decode_fields(raw)["opcode"] == Opcode.NOP:
            return status, quiet
        gemm = Gemm.decode(raw)
        shape = StreamShape.of(gemm.n, gemm.k, gemm.group, FORMATS[gemm.w_format].bits, self.info.geometry)
        x = self._rows(gemm.x_address, gemm.m, gemm.k, gemm.x_stride)
        y = self._rows(gemm.y_address, gemm.m, gemm.n, gemm.y_stride)
        if x is None or not self.memory.holds(gemm.w_address, shape.nbytes):
            return ErrorCode.READ, quiet
        if y is None:
            return ErrorCode.WRITE, quiet
        weight, bias = self._decoded(gemm, shape)
        result = golden.linear(_torch(x), weight, bias, gemm.a_format, shape.group, gemm.ght)
        y[...] = result.y.numpy()
        self._forget(gemm.y_address, gemm.y_address + (gemm.m - 1) * gemm.y_stride + 2 * gemm.n)
        return ErrorCode.OK, (EngineFlag.OVERFLOW if result.overflow else quiet) | (
            EngineFlag.NONFINITE if result.nonfinite else quiet
        )

    def _rows(self, address: int, rows: int, columns: int, stride: int) -> npt.NDArray[np.float16] | None:
        """A view of a strided FP16 matrix in memory; None where it reaches beyond the memory."""
        if not self.memory.holds(address, (rows - 1) * stride + 2 * columns):
            return None
        return np.ndarray((rows, columns), np.dtype("<f2"), self.memory.data, address - self.memory.base, (stride, 2))

    def _decoded(self, gemm: Gemm, shape: StreamShape) -> "tuple[PreparedWeight, torch.Tensor]":
        """The weights of a stream, kept until somebody writes there."""
        from sw_quant.golden import prepare
        from sw_quant.qtensor import QTensor

        key = (gemm.w_address, shape)
        if key not in self._weights:
            stream = self.memory.view(gemm.w_address, shape.nbytes)
            codes, scales, bias = unpack(stream, shape)
            weight = QTensor.unpack(_torch(codes), _torch(scales), gemm.w_format, shape.group)
            self._weights[key] = prepare(weight), _torch(bias)
        return self._weights[key]


def _torch(array: npt.NDArray[Any]) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))
