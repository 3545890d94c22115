# SPDX-License-Identifier: Apache-2.0
"""Where the time of an image goes, and its energy where a board has sensors. Plain numpy; used by host/notebooks."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from host._generated import FAMILIES, Geometry
from host.runtime import EngineLinears

__all__ = ["PowerMeter", "Stopwatch", "board_rails", "roofline"]

Singles = npt.NDArray[np.float32]
SAMPLE_SECONDS = 0.05


@dataclass
class Stopwatch:
    """Stands before an engine's `apply` and adds up seconds, calls and multiply-accumulates by kind of layer.

    `processor` is what passed between the calls: everything that is not offloaded.
    """

    engine: EngineLinears
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)
    processor: float = 0.0
    _left: float | None = None

    def begin(self) -> None:
        """From here on the time is the processor's, until the first layer."""
        self._left = time.perf_counter()

    def end(self) -> None:
        """The image is done."""
        if self._left is not None:
            self.processor += time.perf_counter() - self._left
        self._left = None

    def apply(self, name: str, x: Singles) -> Singles:
        """As `EngineLinears.apply`."""
        start = time.perf_counter()
        if self._left is not None:
            self.processor += start - self._left
        y = self.engine.apply(name, x)
        self._left = time.perf_counter()
        kind = name.split(".")[1]
        n, k = self.engine.shapes[name]
        for table, amount in ((self.calls, 1), (self.macs, x.size // k * n * k)):
            table[kind] = table.get(kind, 0) + amount
        self.seconds[kind] = self.seconds.get(kind, 0.0) + self._left - start
        return y

    @property
    def parts(self) -> dict[str, float]:
        """Seconds by part, the processor's among them, the longest first."""
        return dict(sorted((self.seconds | {"processor": self.processor}).items(), key=lambda item: -item[1]))


def roofline(
    family: str, geometry: Geometry, m: int, n: int, k: int, bytes_per_cycle: float, passes: int = 1
) -> tuple[float, float]:
    """Multiply-accumulates a byte of a layer, and the most a cycle that array and memory allow for it.

    Args:
        family: of the engine; its weights' bits count.
        geometry: of the engine.
        m, n, k: rows, outputs, inputs.
        bytes_per_cycle: what memory gives.
        passes: 2 for dual formats, whose array goes over everything twice.
    """
    from sw_quant._generated import FORMATS

    moved = n * k * FORMATS[FAMILIES[family].weights].bits / 8 + 2 * m * (n + k)
    intensity = m * n * k / moved
    peak = geometry.rows * geometry.columns * geometry.lanes * geometry.banks / passes
    return intensity, min(peak, intensity * bytes_per_cycle)


def board_rails() -> Mapping[str, Callable[[], float]]:
    """Readers of the board's power rails in watts, by name; none where the board has no sensors or pynq none for it."""
    try:
        from pynq import get_rails
    except ImportError:
        return {}
    try:
        rails = get_rails()
    except (OSError, RuntimeError, ValueError):
        return {}
    return {name: _reader(rail) for name, rail in rails.items() if getattr(rail, "power", None) is not None}


def _reader(rail: Any) -> Callable[[], float]:
    return lambda: float(rail.power.value)


class PowerMeter:
    """Samples power while it is open: ``with PowerMeter(board_rails()) as meter: ...; meter.joules``.

    `joules` is None where there is nothing to read: an energy is measured or not given at all.
    """

    def __init__(self, rails: Mapping[str, Callable[[], float]], period: float = SAMPLE_SECONDS) -> None:
        self._rails, self._period = rails, period
        self._stop = threading.Event()
        self._samples: list[tuple[float, float]] = []  # seconds, watts
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "PowerMeter":
        if self._rails:
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10 * self._period + 1)

    def _sample(self) -> None:
        while True:
            self._samples.append((time.perf_counter(), sum(read() for read in self._rails.values())))
            if self._stop.wait(self._period):
                self._samples.append((time.perf_counter(), sum(read() for read in self._rails.values())))
                return

    @property
    def joules(self) -> float | None:
        """Energy over the time that it was open, by the trapezoidal rule."""
        if len(self._samples) < 2:
            return None
        times, watts = np.array(self._samples).T
        return float(np.sum((watts[1:] + watts[:-1]) / 2 * np.diff(times)))
