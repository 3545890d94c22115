# SPDX-License-Identifier: Apache-2.0
"""The devices by name. Each module is imported when its device is opened, so that none needs what another needs."""

from typing import Any

from host._generated import FAMILIES, SIMULATION_GEOMETRIES, Geometry
from host.device import Device
from sw_quant.errors import UsageError

__all__ = ["BACKENDS", "DEFAULT_GEOMETRY", "open_device"]

BACKENDS = ("golden", "csim", "rtl", "pynq")
DEFAULT_GEOMETRY = "large"


def open_device(backend: str, family: str, geometry: str | Geometry | None = None, **options: Any) -> Device:
    """Open a device.

    Args:
        backend: one of `BACKENDS`.
        family: what its multipliers know: fp4, fp6, int4 or int8.
        geometry: a name in hw/spec/boards.toml's [simulation], or for `golden` and `rtl` any geometry; default "large".
            A board's engine has the size that it was built with: leave it out there.
        options: of the simulated devices: `memory_bytes`; of `rtl` more, see RtlDevice; of `pynq`: `bitstream`.

    Raises:
        UsageError: an unknown name.
        FpqvarError: the backend is not installed; the message says how to get it.
    """
    if family not in FAMILIES:
        raise UsageError(f"unknown family {family!r}; known: {', '.join(FAMILIES)}")
    if backend == "pynq":
        from host.devices.pynq import PynqDevice

        if isinstance(geometry, str):
            raise UsageError(f"backend pynq: geometry {geometry!r} is a simulation's; a bitstream has its own size")
        return PynqDevice(family, geometry=geometry, **options)
    name = DEFAULT_GEOMETRY if geometry is None else geometry
    if isinstance(name, str) and name not in SIMULATION_GEOMETRIES:
        raise UsageError(f"unknown geometry {name!r}; known: {', '.join(SIMULATION_GEOMETRIES)}")
    if backend == "golden":
        from host.devices.golden import GoldenDevice

        return GoldenDevice(family, SIMULATION_GEOMETRIES[name] if isinstance(name, str) else name, **options)
    if backend == "csim":
        from host.devices.csim import CsimDevice

        if not isinstance(name, str):
            raise UsageError(f"backend csim is compiled for named geometries: {', '.join(SIMULATION_GEOMETRIES)}")
        return CsimDevice(family, name, **options)
    if backend == "rtl":
        from host.devices.rtl import RtlDevice

        return RtlDevice(family, SIMULATION_GEOMETRIES[name] if isinstance(name, str) else name, **options)
    raise UsageError(f"unknown backend {backend!r}; known: {', '.join(BACKENDS)}")
