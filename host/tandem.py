# SPDX-License-Identifier: Apache-2.0
"""Several engines side by side: every layer's output bytes are compared, and digested for the report."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from host.runtime import EngineLinears, halves

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Difference", "Tandem"]

Halves = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Difference:
    """The first output element in which two engines differ. `call` counts the layer's calls from 0."""

    layer: str
    call: int
    row: int
    column: int
    values: tuple[float, float]
    bits: tuple[str, str]

    def __str__(self) -> str:
        ours, theirs = (f"{value!r} ({bits})" for value, bits in zip(self.values, self.bits, strict=True))
        return f"layer {self.layer}, call {self.call}, row {self.row}, column {self.column}: {ours} against {theirs}"


class Tandem:
    """An executor for `Var.linear` that runs each layer on one or more engines at the same time.

    The first engine's outputs go on into the model. Attributes:
        difference: the first difference between the first engine and another, if there was one.
        on_call: called after each layer with its name and rows, for progress bars.
    """

    def __init__(self, *engines: EngineLinears, on_call: Callable[[str, int], None] | None = None) -> None:
        self.engines = engines
        self.difference: Difference | None = None
        self.on_call = on_call
        self._calls: dict[str, int] = {}
        self._digests = [dict[str, "hashlib._Hash"]() for _ in engines]

    @property
    def calls(self) -> int:
        """Layer calls so far."""
        return sum(self._calls.values())

    def is_bit_exact(self) -> bool:
        """Whether at least two engines ran and every byte was equal."""
        return len(self.engines) > 1 and bool(self._calls) and self.difference is None

    def digests(self) -> list[dict[str, str]]:
        """For each engine, the SHA-256 over all outputs of each layer, in the order of the calls."""
        return [{layer: digest.hexdigest() for layer, digest in engine.items()} for engine in self._digests]

    def __call__(self, name: str, x: "Tensor") -> "Tensor":
        """float32 [..., K] to float32 [..., N]. Raises what the engines raise."""
        import torch

        from sw_quant.executor import to_halves

        y = torch.from_numpy(self._run(name, to_halves(name, x).numpy()))
        return y.float().view(*x.shape[:-1], -1)

    def apply(self, name: str, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The same without torch."""
        return self._run(name, halves(name, x)).astype(np.float32).reshape(*x.shape[:-1], -1)

    def _run(self, name: str, x: Halves) -> Halves:
        for engine in self.engines:
            engine.start(name, x)
        outputs = [engine.finish() for engine in self.engines]
        self._record(name, outputs)
        if self.on_call is not None:
            self.on_call(name, len(x))
        return outputs[0]

    def _record(self, name: str, outputs: list[Halves]) -> None:
        call = self._calls.get(name, 0)
        self._calls[name] = call + 1
        for digests, y in zip(self._digests, outputs, strict=True):
            digests.setdefault(name, hashlib.sha256()).update(y.tobytes())
        for other in outputs[1:]:
            if self.difference is None:
                self.difference = _first_difference(name, call, outputs[0], other)


def _first_difference(name: str, call: int, first: Halves, second: Halves) -> Difference | None:
    bits = first.view(np.uint16), second.view(np.uint16)
    if np.array_equal(*bits):
        return None
    row, column = (int(index) for index in np.argwhere(bits[0] != bits[1])[0])
    return Difference(
        name,
        call,
        row,
        column,
        (float(first[row, column]), float(second[row, column])),
        (f"{bits[0][row, column]:#06x}", f"{bits[1][row, column]:#06x}"),
    )
