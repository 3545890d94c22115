# SPDX-License-Identifier: Apache-2.0
"""The `pynq` device: the engine on a board, through the real package pynq and the driver in pynq_driver.py.

The same code drives a simulated engine when pynq's active device is one of `sim.board`. Needs pynq; imports no torch.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from host._generated import CONTRACT_VERSION, Geometry
from host.bitstreams import find_bitstream
from host.device import DEFAULT_TIMEOUT, Buffer, Device, DeviceTimeout, EngineInfo, RunResult
from host.devices.lock import EngineLock
from host.manifest import Manifest
from sw_quant.errors import FpqvarError

__all__ = ["PynqDevice", "cma_bytes"]

IDENTIFY_TIMEOUT = 2.0  # seconds for a list of no commands
DRAIN_TIMEOUT = 2.0  # seconds that an interrupted run may take to end by itself


def cma_bytes(which: str = "CmaFree", meminfo: Path = Path("/proc/meminfo")) -> int:
    """CmaFree or CmaTotal of the kernel's contiguous memory, in bytes; 0 where there is none."""
    try:
        found = re.search(rf"^{which}:\s*(\d+) kB", meminfo.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


class _Buffer(Buffer):
    """A pynq buffer: the host's copy and the device's are brought together at each write and read."""

    def __init__(self, owner: "PynqDevice", nbytes: int) -> None:
        self._owner = owner
        self.nbytes = nbytes
        self._array: Any = owner.allocate_array(nbytes)
        self.address = int(self._array.device_address)

    def write(self, array: npt.NDArray[Any], offset: int = 0) -> None:
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._check_range(len(data), offset)
        part = self._held()[offset : offset + len(data)]
        part[:] = data
        part.sync_to_device()

    def read(self, nbytes: int, offset: int = 0) -> npt.NDArray[np.uint8]:
        self._check_range(nbytes, offset)
        part = self._held()[offset : offset + nbytes]
        part.sync_from_device()
        return np.array(part, np.uint8, subok=False)

    def _held(self) -> Any:
        if self._array is None:
            raise FpqvarError("pynq engine: the buffer has been freed, or its device closed; open it again")
        return self._array

    def free(self) -> None:
        if self._array is not None:
            self._array.freebuffer()
            self._array = None
            self._owner.forget(self)


class PynqDevice(Device):
    """The engine of a bitstream folder, loaded when the device is opened.

    Args:
        family: what its multipliers are to know.
        bitstream: the folder (`make synth`); default: the one for this board and family, see `find_bitstream`.
        geometry: refuse an engine of another size; default: any.

    Raises:
        FpqvarError: pynq is not installed, there is no such bitstream or its files are not whole, another process has
            the engine, or the engine is not what the manifest says.
    """

    def __init__(self, family: str, bitstream: str | Path | None = None, geometry: Geometry | None = None) -> None:
        self._lock: EngineLock | None = None
        self._buffers: list[_Buffer] = []
        self._running = False
        self.folder, self.manifest = find_bitstream(family, bitstream)
        _refuse(self.folder, self.manifest, geometry)
        self._pynq = _import_pynq()
        self._device = _active_device(self._pynq)
        self._lock = EngineLock(str(self._device.name))
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def _load(self) -> None:
        """Load the bitstream, which also resets the engine whatever it is doing, and see that it is the right one."""
        from host.devices.pynq_driver import FpqAccel

        image = self.folder / self.manifest.image
        try:
            overlay = self._pynq.Overlay(str(image), device=self._device)
        except FpqvarError:
            raise
        except Exception as error:  # pynq raises whatever its parsers and the kernel do
            raise FpqvarError(
                f"{image}: cannot be loaded ({type(error).__name__}: {error}); run as root on an image of "
                "docs/boards.md, and see `fpqvar doctor`"
            ) from error
        names = [name for name, block in overlay.ip_dict.items() if block["type"] in FpqAccel.bindto]
        if len(names) != 1:
            raise FpqvarError(
                f"{self.folder / self.manifest.handoff}: {len(names)} blocks of type {' or '.join(FpqAccel.bindto)}, "
                f"where there must be one; found {', '.join(overlay.ip_dict) or 'none at all'}"
            )
        self._driver: FpqAccel = overlay
        for part in names[0].split("/"):
            self._driver = getattr(self._driver, part)
        self.info = self._identify()

    def _identify(self) -> EngineInfo:
        """What the loaded engine is; raises FpqvarError if the manifest says otherwise."""
        self._driver.start(0, 0)
        if not self._driver.wait(IDENTIFY_TIMEOUT):
            raise DeviceTimeout(
                f"{self.folder}: the engine did not answer to an empty list in {IDENTIFY_TIMEOUT:g} s; is its clock "
                "on? Power the board off and on, then see `fpqvar doctor`"
            )
        found = EngineInfo.from_registers("pynq", self._driver.registers_out())
        found = replace(
            found, geometry=replace(found.geometry, banks=self.manifest.geometry.banks)
        )  # no register tells
        manifest = self.manifest
        wanted = replace(
            found,
            family=manifest.family,
            geometry=manifest.geometry,
            contract_version=manifest.contract_version,
            core=manifest.core,
        )
        if found != wanted:
            raise FpqvarError(
                f"{self.folder}: the engine is {_describe(found)}, where its manifest says {_describe(wanted)}; "
                "build the folder again with `make synth`, or copy the whole folder again"
            )
        return found

    def allocate_array(self, nbytes: int) -> Any:
        """A pynq buffer of bytes; raises FpqvarError with what is free when there is none."""
        if nbytes <= 0:
            raise FpqvarError(f"device memory: cannot allocate {nbytes} bytes; ask for at least one")
        try:
            return self._pynq.allocate(shape=(nbytes,), dtype=np.uint8, target=self._device)
        except (MemoryError, RuntimeError, OSError) as error:
            raise FpqvarError(
                f"device memory is full: {nbytes} bytes asked for, {self.free_bytes()} free ({error}); raise cma= on "
                "the kernel's command line and boot again, close other notebooks, or take a smaller model"
            ) from error

    def allocate(self, nbytes: int) -> Buffer:
        """A piece of the kernel's contiguous memory (CMA)."""
        buffer = _Buffer(self, nbytes)
        self._buffers.append(buffer)
        return buffer

    def forget(self, buffer: Buffer) -> None:
        """Called by a buffer that has been freed."""
        self._buffers = [held for held in self._buffers if held is not buffer]

    def free_bytes(self) -> int:
        """What is left of CMA, or of a simulated device's memory."""
        free = getattr(self._device, "free_bytes", None)
        return int(free()) if free is not None else cma_bytes()

    def start(self, list_address: int, count: int) -> None:
        """Write the list's address and the count, and start."""
        if self._running:
            raise FpqvarError("pynq engine: a run is under way; wait for it before starting another")
        self._driver.start(list_address, count)
        self._running = True

    def wait(self, timeout: float = DEFAULT_TIMEOUT) -> RunResult:
        """Wait for the run. When time is up the engine is reset; when the wait itself is interrupted (Ctrl-C) the run
        may end by itself for a moment and is reset otherwise. In either case the next run is right."""
        if not self._running:
            raise FpqvarError("pynq engine: nothing was started, so there is nothing to wait for")
        try:
            done = self._driver.wait(timeout)
        except BaseException:
            self._stop()
            raise
        if not done:
            registers = {name: hex(value) for name, value in self._driver.registers_out().items()}
            self._reset()
            raise DeviceTimeout(
                f"pynq engine: not done after {timeout:g} s; registers {registers}; it has been reset. Allow it more "
                "time, or take a smaller run"
            )
        self._running = False
        return RunResult.from_registers(self._driver.registers_out())

    def _stop(self) -> None:
        """End a run, one way or the other."""
        if self._running and not self._driver.wait(DRAIN_TIMEOUT):
            self._reset()
        self._running = False

    def _reset(self) -> None:
        self._running = False
        self._load()

    def close(self) -> None:
        """End a run that is under way, free every buffer, and let another process have the engine."""
        try:
            if self._running:
                self._stop()
        finally:
            for buffer in list(self._buffers):
                buffer.free()
            if self._lock is not None:
                self._lock.release()


def _describe(info: EngineInfo) -> str:
    return f"family {info.family}, {info.geometry}, contract {info.contract_version}, {info.core} core"


def _refuse(folder: Path, manifest: Manifest, geometry: Geometry | None) -> None:
    """What can be seen to be wrong before anything is loaded."""
    if manifest.contract_version != CONTRACT_VERSION:
        raise FpqvarError(
            f"{folder}: contract version {manifest.contract_version}, where this fpqvar has {CONTRACT_VERSION}; build "
            "it again with `make synth` of this version, or install the fpqvar that it was made with"
        )
    if geometry is not None and manifest.geometry != geometry:
        raise FpqvarError(f"{folder}: {manifest.geometry}, where {geometry} is asked for; take another bitstream")


def _import_pynq() -> Any:
    try:
        import pynq
    except ImportError as error:
        raise FpqvarError(
            f"backend pynq: the package pynq cannot be imported ({error}); run on a board with a PYNQ image "
            "(docs/boards.md), as root with its environment, or use --backend golden, which gives the same bytes"
        ) from error
    return pynq


def _active_device(pynq: Any) -> Any:
    try:
        return pynq.Device.active_device
    except RuntimeError as error:
        raise FpqvarError(
            f"backend pynq: no device ({error}); on a board, run as root with XRT's environment "
            "(`source /etc/profile.d/xrt_setup.sh`), or use --backend golden, which gives the same bytes"
        ) from error
