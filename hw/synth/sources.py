# SPDX-License-Identifier: Apache-2.0
"""The RTL core's sources as they go into Vivado's IP: hw/rtl, the choice of primitives, and the wrapper."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hw.synth.config import ROOT, Job
from hw.synth.wrapper import TOP, verilog

__all__ = ["RTL", "Sources", "lay_out"]

RTL = ROOT / "hw" / "rtl"
CHOICE = "fpq_bank_pkg.sv"  # the only file that asks for the platform's macro


@dataclass(frozen=True)
class Sources:
    """Files in the order of compilation, packages first; headers are only included."""

    modules: tuple[Path, ...]
    headers: tuple[Path, ...]


def lay_out(job: Job, folder: Path) -> Sources:
    """Fill `folder`, which is emptied first.

    An IP carries no macros, so the one that chooses primitives is defined in the copy of the file that asks for it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packages = [RTL / "fpq_pkg.sv", *sorted(set(RTL.glob("*_pkg.sv")) - {RTL / "fpq_pkg.sv"})]
    modules = sorted(set(RTL.glob("*.sv")) - set(packages))
    headers = sorted(RTL.glob("*.svh"))
    for source in (*packages, *modules, *headers):
        shutil.copyfile(source, folder / source.name)
    if job.platform.macro:
        text = (RTL / CHOICE).read_text(encoding="utf-8")
        (folder / CHOICE).write_text(f"`define {job.platform.macro}\n{text}", encoding="utf-8")
    top = folder / f"{TOP}.v"
    top.write_text(verilog(job), encoding="utf-8")
    return Sources(
        (*(folder / source.name for source in (*packages, *modules)), top),
        tuple(folder / header.name for header in headers),
    )
