# SPDX-License-Identifier: Apache-2.0
"""What one build is: board, format and core, and everything that follows from them by hw/spec."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from host._generated import BOARDS, FAMILIES, IP_VLNV, Board, Core, Family, Geometry
from hw.synth.platforms import PLATFORMS, Platform
from sw_quant.errors import UsageError

__all__ = ["ROOT", "Job", "make_job"]

ROOT = Path(__file__).resolve().parents[2]
CLOCK_RANGE = (10.0, 500.0)  # MHz


@dataclass(frozen=True)
class Job:
    """A build. `clock_mhz` is what is asked for; the tool rounds it to what the device's dividers give.

    `noc_solution` (Versal) is the .ncr of the boot image's network-on-chip, which the build then keeps to.
    """

    board: Board
    family: Family
    core: Core
    geometry: Geometry
    clock_mhz: float
    noc_solution: Path | None = None

    @property
    def name(self) -> str:
        """Names the build's folders and files: board-format-core."""
        return f"{self.board.name}-{self.family.name}-{self.core.name.lower()}"

    @property
    def platform(self) -> Platform:
        """The board's device family."""
        return PLATFORMS[self.board.device]

    @property
    def period_ns(self) -> float:
        """Of the clock that is asked for."""
        return 1000 / self.clock_mhz

    @property
    def vlnv(self) -> str:
        """What Vivado, and later PYNQ, knows the engine by."""
        return IP_VLNV[self.core]

    @property
    def bus_bits(self) -> Mapping[str, int]:
        """Data width of each memory master, by the interface's name; the ones that carry most come first."""
        wide = self.geometry.bus_bits
        if self.core is Core.RTL:
            banks = [f"m_axi_w{bank}" for bank in range(self.geometry.banks)]
            return dict.fromkeys((*banks, "m_axi_x", "m_axi_y"), wide)
        return {"m_axi_w_memory": wide, "m_axi_x_memory": 64, "m_axi_y_memory": 64}  # hw/hls/src/fpq_accel.cpp

    @property
    def parameters(self) -> Mapping[str, int]:
        """Parameters of hw/rtl/fpq_accel.sv."""
        size = self.geometry
        return {
            "Family": self.family.id,
            "Rows": size.rows,
            "Columns": size.columns,
            "Lanes": size.lanes,
            "ActDepth": size.act_depth,
            "BusBits": size.bus_bits,
            "Banks": size.banks,
            "Ultra": int(self.board.uram > 0),
            "Fp6Dsp": self.board.fp6_dsp_banks if self.family.name == "fp6" else 0,
        }

    @property
    def hls_defines(self) -> Mapping[str, str]:
        """Macros that choose a build of hw/hls: structs of fpq/generated.hpp, and the activation buffer's memory."""
        return {
            "FPQ_FAMILY": _struct(self.family.name, "family"),
            "FPQ_GEOMETRY": _struct(*self.board.name.split("-"), self.family.name, "geometry"),
            "FPQ_ACT_MEMORY": "uram" if self.board.uram else "bram",
        }


def _struct(*words: str) -> str:
    return "".join(word.capitalize() for word in words)


def make_job(
    board: str, family: str, core: str, clock_mhz: float | None = None, noc_solution: Path | None = None
) -> Job:
    """The build of these names; `clock_mhz` defaults to the board's. Raises UsageError that lists what there is."""
    if board not in BOARDS:
        raise UsageError(f"BOARD {board!r} is not known; there are {', '.join(BOARDS)} (hw/spec/boards.toml)")
    cores = {member.name.lower(): member for member in Core}
    if core not in cores:
        raise UsageError(f"CORE {core!r} is not known; there are {', '.join(cores)}")
    entry = BOARDS[board]
    if family not in entry.geometry:
        there = ", ".join(entry.geometry)
        raise UsageError(f"FORMAT {family!r}: {board} has no geometry for it in hw/spec/boards.toml; it has {there}")
    clock = float(entry.clock_mhz if clock_mhz is None else clock_mhz)
    if not CLOCK_RANGE[0] <= clock <= CLOCK_RANGE[1]:
        raise UsageError(f"CLOCK {clock:g}: give {CLOCK_RANGE[0]:g} to {CLOCK_RANGE[1]:g} MHz")
    size = entry.geometry[family]
    if cores[core] is Core.HLS:  # one array, as wide as all banks
        size = replace(size, columns=size.columns * size.banks, banks=1)
    job = Job(entry, FAMILIES[family], cores[core], size, clock, noc_solution)
    _check(job)
    return job


def _check(job: Job) -> None:
    if job.noc_solution is not None and job.board.device != "versal":
        raise UsageError(f"NOC_SOLUTION {job.noc_solution}: {job.platform.title} has no network-on-chip; leave it out")
    if job.noc_solution is not None and not job.noc_solution.is_file():
        raise UsageError(f"NOC_SOLUTION {job.noc_solution}: there is no such file")
    where = f"hw/spec/boards.toml: boards.{job.board.name}.geometry.{job.family.name}"
    limit = job.platform
    if job.geometry.bus_bits > limit.bus_bits:
        found = f"{job.geometry.bus_bits} where {limit.title} takes {limit.bus_bits} at most"
        raise UsageError(f"{where}.bus_bits: {found}; choose fewer")
    if len(job.bus_bits) > limit.masters:
        raise UsageError(f"{where}.banks: {len(job.bus_bits)} memory masters where {limit.masters} fit; choose fewer")
