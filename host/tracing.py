# SPDX-License-Identifier: Apache-2.0
"""Waveforms of one layer: what the RTL engine does in one call of it, as an FST file for GTKWave or Surfer."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from host.devices.rtl import RtlDevice
from host.runtime import EngineLinears
from sw_quant.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sw_quant.packed import PackedLayer

__all__ = ["Trace", "TracedLinears"]


@dataclass(frozen=True)
class Trace:
    """One call of a layer, counted from 0: a layer is called once for each scale of each batch, the smallest first."""

    layer: str
    call: int
    path: Path

    @staticmethod
    def parse(text: str, layers: Collection[str], folder: Path) -> "Trace":
        """From "0.fc1" (the first call) or "0.fc1:9"; the file goes into `folder`.

        Raises UsageError with the layers' names when there is none of that name.
        """
        layer, _, number = text.partition(":")
        if layer not in layers:
            raise UsageError(f"unknown layer {layer!r}; the model has {', '.join(layers)}")
        if number and not (number.isascii() and number.isdigit()):
            raise UsageError(f"--trace {text}: the call after the colon is a number from 0 on, such as {layer}:9")
        call = int(number or 0)
        return Trace(layer, call, folder / f"{layer}.{call}.fst")


class TracedLinears(EngineLinears):
    """`EngineLinears` on an RTL device that was opened with `waves`; one call is written to `trace.path`.

    The file is there also when that call fails: then it is wanted most.
    """

    def __init__(self, device: RtlDevice, layers: "Mapping[str, PackedLayer]", timeout: float, trace: Trace) -> None:
        super().__init__(device, layers, timeout)
        self._rtl, self._trace = device, trace
        self._call = 0
        self._tracing = False

    def start(self, name: str, x: npt.NDArray[np.float16]) -> None:
        """As `EngineLinears.start`."""
        self._tracing = name == self._trace.layer and self._call == self._trace.call
        self._call += name == self._trace.layer
        if self._tracing:
            self._rtl.begin_trace(self._trace.path)
        super().start(name, x)

    def finish(self) -> npt.NDArray[np.float16]:
        """As `EngineLinears.finish`."""
        try:
            return super().finish()
        finally:
            if self._tracing:
                self._rtl.end_trace()
                self._tracing = False
