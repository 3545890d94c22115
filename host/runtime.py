# SPDX-License-Identifier: Apache-2.0
"""A packed model's linear layers on a device: weights stay in its memory, every call is one command list."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from host._generated import CONTRACT_VERSION, DESCRIPTOR_BYTES, FAMILIES, EngineFlag, Geometry
from host.command import Gemm, fit_row_tiles
from host.device import DEFAULT_TIMEOUT, Buffer, Counters, Device, EngineError
from host.layout import StreamShape, pack
from host.tiling import MOST_PARTS, plan_commands
from sw_quant.errors import FpqvarError
from sw_quant.refusals import refuse_input, refuse_output

if TYPE_CHECKING:
    from torch import Tensor

    from sw_quant.packed import LayerEntry, PackedLayer

__all__ = ["EngineLinears", "family_of", "halves", "memory_needed"]

Halves = npt.NDArray[np.float16]

_DESCRIPTORS = MOST_PARTS * DESCRIPTOR_BYTES  # at the start of the scratch buffer


def _speaks(family: str, entry: "LayerEntry") -> bool:
    known = FAMILIES[family]
    return entry.weights == known.weights and entry.activations in known.activations


def family_of(layers: "Mapping[str, PackedLayer]") -> str:
    """The family of the engine that takes all the layers' formats; raises FpqvarError if there is none."""
    study = next((name for name, layer in layers.items() if layer.entry.study is not None), None)
    if study is not None:
        raise FpqvarError(
            f"layer {study}: its recipe quantizes activations in a way that no engine computes; such a recipe is for "
            "studying, with `fpqvar evaluate`: choose another for an engine"
        )
    for family in FAMILIES:
        if all(_speaks(family, layer.entry) for layer in layers.values()):
            return family
    found = {f"{layer.entry.activations} x {layer.entry.weights} ({name})" for name, layer in layers.items()}
    raise FpqvarError(
        f"no engine takes all of this model's formats: {', '.join(sorted(found)[:4])}, ...; the families are "
        f"{', '.join(FAMILIES)}: change the recipe, or use the golden executor (`fpqvar evaluate`)"
    )


def halves(name: str, x: npt.NDArray[np.float32]) -> Halves:
    """float16 [M, K] of activations [..., K]; raises FpqvarError naming the layer if an element does not fit."""
    rows = x.reshape(-1, x.shape[-1])
    with np.errstate(over="ignore"):
        result = rows.astype(np.float16)
    finite = np.isfinite(result)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        raise refuse_input(name, f"input element [{row}, {column}] is {float(rows[row, column]):g}")
    return result


def _shape(entry: "LayerEntry", geometry: Geometry) -> StreamShape:
    return StreamShape.of(entry.n, entry.k, entry.group, entry.bits, geometry)


def _scratch_bytes(rows: int, k: int, n: int) -> int:
    return _DESCRIPTORS + rows * 2 * (k + n)


def memory_needed(layers: "Mapping[str, PackedLayer]", geometry: Geometry, rows: int) -> int:
    """Bytes of device memory that the layers take, with activations of up to `rows` rows."""
    entries = [layer.entry for layer in layers.values()]
    streams = sum(_shape(entry, geometry).nbytes for entry in entries)
    return streams + max(_scratch_bytes(rows, entry.k, entry.n) for entry in entries)


class EngineLinears:
    """The layers of a packed model on one device; an executor for `Var.linear`.

    Weight streams are uploaded once. A call writes X and its command or two, runs them, and reads Y; `start` and
    `finish` are its two halves, so that two devices can work at the same time.

    Attributes:
        device: the device; closing it is its owner's job.
        counters: the engine's counters, summed over all calls.

    Raises FpqvarError when the device is not one for this model, or its memory is too small.
    """

    def __init__(self, device: Device, layers: "Mapping[str, PackedLayer]", timeout: float = DEFAULT_TIMEOUT) -> None:
        self.device = device
        self.counters = Counters()
        self._timeout = timeout
        self._entries = {name: layer.entry for name, layer in layers.items()}
        self._streams: dict[str, Buffer] = {}
        self._scratch: Buffer | None = None
        self._running: tuple[str, int] | None = None  # layer, rows
        self._check_device()
        self._check_memory()
        try:
            for name, layer in layers.items():
                shape = _shape(layer.entry, device.info.geometry)
                self._streams[name] = device.allocate(shape.nbytes)
                self._streams[name].write(pack(layer.codes, layer.scales, layer.bias, shape))
        except BaseException:
            self.free()
            raise

    def _check_device(self) -> None:
        info = self.device.info
        if info.contract_version != CONTRACT_VERSION:
            raise FpqvarError(
                f"{info.backend} engine: contract version {info.contract_version}, where this fpqvar has "
                f"{CONTRACT_VERSION}; build the engine again from this version"
            )
        for name, entry in self._entries.items():
            if not _speaks(info.family, entry):
                raise FpqvarError(
                    f"layer {name}: {entry.activations} x {entry.weights}, but the {info.backend} engine is of family "
                    f"{info.family}; open one of the model's family ({', '.join(FAMILIES)})"
                )
            if fit_row_tiles(1, entry.k, entry.group, info.geometry) == 0:
                raise FpqvarError(
                    f"layer {name}: a row of K = {entry.k} does not fit the {info.backend} engine's activation buffer "
                    f"({info.geometry.act_depth} chunks of {info.geometry.lanes}); use a larger geometry"
                )

    def _check_memory(self) -> None:
        """Refuse before the first byte is written; buffers of other owners may still make an upload fail."""
        need = sum(_shape(entry, self.device.info.geometry).nbytes for entry in self._entries.values())
        free = self.device.free_bytes()
        if need > free:
            raise FpqvarError(
                f"device memory is full: the model's weights take {need} bytes ({need / 2**20:.1f} MiB), {free} "
                f"({free / 2**20:.1f} MiB) are free on the {self.device.info.backend} engine; take a smaller model, or "
                "give it more: cma= on the kernel's command line of a board, memory_bytes of a simulated device"
            )

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(N, K) of each layer."""
        return {name: (entry.n, entry.k) for name, entry in self._entries.items()}

    def free(self) -> None:
        """Give the device memory back."""
        for buffer in (*self._streams.values(), self._scratch):
            if buffer is not None:
                buffer.free()
        self._streams, self._scratch = {}, None

    def start(self, name: str, x: Halves) -> None:
        """Start layer `name` on float16 [M, K]."""
        entry, (m, k) = self._entries[name], x.shape
        buffer = self._room(_scratch_bytes(m, k, entry.n))
        x_offset = _DESCRIPTORS
        y_offset = x_offset + 2 * m * k  # K is a multiple of 32, so this is one of 64
        gemm = Gemm(
            m=m,
            n=entry.n,
            k=entry.k,
            a_format=entry.activations,
            w_format=entry.weights,
            group=entry.group,
            row_tiles=fit_row_tiles(m, k, entry.group, self.device.info.geometry),
            x_address=buffer.address + x_offset,
            w_address=self._streams[name].address,
            y_address=buffer.address + y_offset,
            x_stride=2 * k,
            y_stride=2 * entry.n,
            ght=entry.ght,
        )
        # The RTL engine reads one block's X while it multiplies another; the HLS core likes few, large blocks.
        info = self.device.info
        commands = plan_commands(gemm, info.geometry) if info.core == "rtl" else [gemm]
        buffer.write(np.frombuffer(b"".join(command.encode() for command in commands), np.uint8))
        buffer.write(x.astype("<f2", copy=False), x_offset)
        self.device.start(buffer.address, len(commands))
        self._running = name, m

    def finish(self) -> Halves:
        """Wait for the layer that was started: float16 [M, N].

        Raises FpqvarError naming the layer when its activations were not finite, its outputs too large, or the engine
        stopped at one of its commands.
        """
        if self._running is None or self._scratch is None:
            raise FpqvarError("finish() without start(): no layer is running")
        (name, m), self._running = self._running, None
        try:
            result = self.device.checked(self.device.wait(self._timeout))
        except EngineError as error:
            raise EngineError(f"layer {name}, {m} rows: {error}", error.result) from error
        self.counters += result.counters
        if EngineFlag.NONFINITE in result.flags:
            raise refuse_input(name)
        if EngineFlag.OVERFLOW in result.flags:
            raise refuse_output(name)
        entry = self._entries[name]
        y = self._scratch.read(2 * m * entry.n, _DESCRIPTORS + 2 * m * entry.k)
        return y.view("<f2").reshape(m, entry.n)

    def _room(self, nbytes: int) -> Buffer:
        """The scratch buffer, grown if need be. It is the last buffer in memory, so growing leaves no hole."""
        if self._scratch is None or self._scratch.nbytes < nbytes:
            if self._scratch is not None:
                self._scratch.free()
                self._scratch = None
            self._scratch = self.device.allocate(nbytes)
        return self._scratch

    def apply(self, name: str, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [..., K] to float32 [..., N] without torch. Raises what `finish` raises, and for inputs that FP16
        cannot hold."""
        self.start(name, halves(name, x))
        return self.finish().astype(np.float32).reshape(*x.shape[:-1], -1)

    def __call__(self, name: str, x: "Tensor") -> "Tensor":
        """float32 [..., K] to float32 [..., N]. Raises what `finish` raises, and for inputs that FP16 cannot hold."""
        import torch

        from sw_quant.executor import to_halves

        self.start(name, to_halves(name, x).numpy())
        return torch.from_numpy(self.finish()).float().view(*x.shape[:-1], -1)
