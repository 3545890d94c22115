# SPDX-License-Identifier: Apache-2.0
"""Synthesizes one module with Yosys (pyosys, with its slang front end) for a device family, in a process of its own."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sw_quant.errors import FpqvarError

__all__ = ["DEVICES", "Design", "Device", "synthesize"]

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "hw" / "rtl"
MODELS = ROOT / "sim" / "models"
PACKAGES = ("fpq_pkg.sv", "fpq_bank_pkg.sv", "fpq_prologue_pkg.sv", "fpq_core_pkg.sv")
TIME_LIMIT = 1800  # seconds


@dataclass(frozen=True)
class Device:
    """A family of devices: Yosys's name, and the macro and number of the target_e that choose its primitives."""

    name: str
    yosys: str
    macro: str
    target: int


DEVICES = {
    "ultrascale": Device("UltraScale+", "xcup", "FPQ_ULTRASCALE", 1),
    "series7": Device("7 series", "xc7", "FPQ_SERIES7", 2),
}


@dataclass(frozen=True)
class Design:
    """A module to synthesize: parameters, and sources beyond hw/rtl. `plain` leaves DSP inference to Yosys."""

    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    sources: Sequence[Path] = ()
    dsp: bool = False
    generic: bool = False  # behaviour instead of the device's primitives
    keep: Sequence[str] = ()  # modules left as black boxes


def _stubs(folder: Path) -> Path:
    """The primitives' ports and parameters, from their simulation models, without their insides."""
    text = []
    for model in sorted(MODELS.glob("*.sv")):
        source = model.read_text(encoding="utf-8")
        start = source.index("\nmodule ")
        text.append(source[start : source.index("\n);", start)] + "\n);\nendmodule\n")
    path = folder / "primitives.sv"
    path.write_text("".join(text), encoding="utf-8")
    return path


def script(design: Design, device: Device, folder: Path) -> list[str]:
    """Yosys commands that leave netlist.json, netlist.v and stat.txt in `folder`."""
    packages = [str(RTL / name) for name in PACKAGES if (RTL / name).exists()]
    files = [*packages, str(_stubs(folder)), *map(str, design.sources)]
    top = RTL / f"{design.top}.sv"
    files += [str(top)] if top.exists() else []
    read = ["read_slang", "--empty-blackboxes", "--ignore-assertions", "-D", "SYNTHESIS", "--top", design.top]
    read += [] if design.generic else ["-D", device.macro]
    read += ["-I", str(RTL), "-y", str(RTL)]
    read += [f"-G {name}={value}" for name, value in design.parameters.items()]
    options = f"-family {device.yosys} -abc9 -noiopad -noclkbuf -flatten" + ("" if design.dsp else " -nodsp")
    return [
        " ".join([*read, *files]),
        *(f"blackbox {name}" for name in design.keep),
        f"synth_xilinx {options} -top {design.top}",
        f"tee -q -o {folder / 'stat.txt'} stat",
        f"write_json {folder / 'netlist.json'}",
        f"write_verilog -noattr {folder / 'netlist.v'}",
    ]


def synthesize(design: Design, device: Device, folder: Path) -> dict[str, Any]:
    """The synthesized top module as Yosys's JSON has it; raises FpqvarError with the log's path where it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    log, result = folder / "yosys.log", folder / "netlist.json"
    result.unlink(missing_ok=True)
    commands = script(design, device, folder)
    program = (
        "import sys\nfrom pyosys import libyosys\ndesign = libyosys.Design()\n"
        "for command in sys.stdin.read().splitlines():\n    libyosys.run_pass(command, design)\n"
    )
    with log.open("w", encoding="utf-8") as stream:
        try:
            subprocess.run(
                [sys.executable, "-c", program],
                input="\n".join(commands),
                text=True,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=TIME_LIMIT,
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise FpqvarError(f"estimate: Yosys failed on {design.top} ({error}); see {log}") from error
    modules = json.loads(result.read_text(encoding="utf-8"))["modules"]
    tops = [m for name, m in modules.items() if re.sub(r"\\|\$.*", "", name) == design.top and m["cells"]]
    if len(tops) != 1:
        raise FpqvarError(f"estimate: {design.top} is empty after synthesis; see {log}")
    return dict(tops[0])
