# SPDX-License-Identifier: Apache-2.0
"""Makes pynq's active device a simulated board, with a bitstream folder as `make synth` would leave it."""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from host._generated import CONTRACT_VERSION, SIMULATION_GEOMETRIES, Core, Geometry
from host.bitstreams import FOLDER_VARIABLE
from host.devices import open_device
from host.devices.simulated import DEFAULT_MEMORY_BYTES, SimulatedDevice
from host.manifest import Manifest, write_manifest
from sim.board.bus import bus_for
from sim.board.device import DDR_BASE, BoardDevice
from sim.board.handoff import handoff
from sw_quant.files import sha256

__all__ = ["SimulatedBoard", "simulated_board", "write_folder"]

NAME = "fpqvar"


@dataclass(frozen=True)
class SimulatedBoard:
    """`device` is pynq's, `engine` what computes behind it, `folder` the bitstream that it takes."""

    device: BoardDevice
    engine: SimulatedDevice
    folder: Path


def write_folder(folder: Path, family: str, geometry: Geometry, core: Core) -> Path:
    """A bitstream folder that is none: the image holds nothing, the handoff and the manifest are as they would be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.hwh").write_text(handoff(core), encoding="utf-8")
    (folder / f"{NAME}.bit").write_text("simulated: there is nothing to load\n", encoding="utf-8")
    files = {name: sha256(folder / name) for name in (f"{NAME}.bit", f"{NAME}.hwh")}
    manifest = Manifest(
        board="simulated",
        part="none",
        family=family,
        core=core.name.lower(),
        contract_version=CONTRACT_VERSION,
        geometry=geometry,
        clock_mhz=100.0,
        image=f"{NAME}.bit",
        handoff=f"{NAME}.hwh",
        files=files,
        tools={},
        commit="",
        setup_slack_ns=0.0,
        hold_slack_ns=0.0,
        pulse_slack_ns=0.0,
        utilization={},
        made="",
    )
    write_manifest(manifest, folder)
    return folder


@contextlib.contextmanager
def simulated_board(
    backend: str = "csim",
    family: str = "fp4",
    geometry: str = "small",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Iterator[SimulatedBoard]:
    """While it lasts, `host.open_device("pynq", family)` opens a simulated engine through the real package pynq.

    Args:
        backend: csim (the HLS engine) or rtl (the SystemVerilog one).
        family: what its multipliers know.
        geometry: a name in hw/spec/boards.toml's [simulation].
        memory_bytes: of DDR.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynq says that it found no board
        from pynq import Device

    size = SIMULATION_GEOMETRIES[geometry]
    before, root_before = getattr(Device, "_active_device", None), os.environ.get(FOLDER_VARIABLE)
    with (
        open_device(backend, family, geometry, memory_bytes=memory_bytes, memory_base=DDR_BASE) as engine,
        tempfile.TemporaryDirectory(prefix="fpqvar-board-") as root,
    ):
        assert isinstance(engine, SimulatedDevice)
        bus = bus_for(engine)
        core = Core[engine.info.core.upper()]
        folder = write_folder(Path(root) / f"simulated-{family}-{engine.info.core}", family, size, core)
        board = BoardDevice(bus, engine.memory, f"simulated-{os.getpid()}")
        os.environ[FOLDER_VARIABLE] = root
        Device.active_device = board
        try:
            yield SimulatedBoard(board, engine, folder)
        finally:
            Device.active_device = before
            os.environ.pop(FOLDER_VARIABLE)
            if root_before is not None:
                os.environ[FOLDER_VARIABLE] = root_before
