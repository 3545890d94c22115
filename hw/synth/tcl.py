# SPDX-License-Identifier: Apache-2.0
"""job.tcl: what the scripts in hw/boards and hw/hls/scripts are told, as one Tcl array."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from host._generated import REGISTERS
from host.registers import register_words
from hw.synth.config import ROOT, Job
from hw.synth.sources import Sources
from hw.synth.wrapper import TOP
from sw_quant.errors import FpqvarError

__all__ = ["BOARDS_FOLDER", "Layout", "job_text", "quote"]

BOARDS_FOLDER = ROOT / "hw" / "boards"


@dataclass(frozen=True)
class Layout:
    """Where a build keeps its files, all below `work`."""

    work: Path

    @property
    def out(self) -> Path:
        """Reports, facts and images."""
        return self.work / "out"

    @property
    def ip(self) -> Path:
        """The IP repository that the block design takes the engine from."""
        return self.work / "ip"

    @property
    def logs(self) -> Path:
        """A log of each stage."""
        return self.work / "logs"


def quote(value: object) -> str:
    """One Tcl word. Raises FpqvarError for text that braces cannot hold."""
    if isinstance(value, Mapping):
        value = [part for item in value.items() for part in item]
    if isinstance(value, str) or not isinstance(value, Iterable):
        text = str(value)
        if set(text) & set("{}\\"):
            raise FpqvarError(f"{text!r}: braces and backslashes have a meaning of their own in Tcl; rename it")
        return "{" + text + "}"
    return "{" + " ".join(quote(part) for part in value) + "}"


def job_text(job: Job, layout: Layout, sources: Sources | None, jobs: int) -> str:
    """Text of job.tcl. `sources` are the RTL core's, `jobs` the tool's processes."""
    registers = [
        [
            word.name,
            f"0x{word.offset:03X}",
            word.access,
            word.doc,
            [[name, part.lsb, part.bits] for name, part in word.fields.items()],
        ]
        for register in REGISTERS.values()
        for word in register_words(register)
    ]
    values: dict[str, object] = {
        "name": job.name,
        "project": job.name.replace("-", "_"),
        "board": job.board.name,
        "device": job.board.device,
        "part": job.board.part,
        "board_part": job.board.board_part,
        "family": job.family.name,
        "clock_mhz": f"{job.clock_mhz:g}",
        "period_ns": f"{job.period_ns:.3f}",
        "vlnv": job.vlnv,
        "image": job.platform.image,
        "noc_solution": job.noc_solution.absolute() if job.noc_solution else "",
        "masters": list(job.bus_bits),
        "memory": {
            window.name: [f"0x{window.offset:X}", f"{window.size >> 20}M"]
            for window in job.platform.windows(job.board.memory_mib)
        },
        "control_base": f"0x{job.platform.control_base:X}",
        "registers": registers,
        "top": TOP,
        "sources": list(sources.modules) if sources else [],
        "headers": list(sources.headers) if sources else [],
        "work": layout.work,
        "out": layout.out,
        "ip": layout.ip,
        "jobs": jobs,
    }
    lines = [f"set job({key}) {quote(value)}" for key, value in values.items()]
    return "\n".join([f"# Written by hw.synth for {job.name}.", *lines, ""])
