# SPDX-License-Identifier: Apache-2.0
"""Synthesizes one module with Yosys (pyosys, with its slang front end) for a device family, in a process of its own."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sw_quant.errors import FpqvarError

__all__ = ["DEVICES", "MODELS", "PEERS", "RTL", "Design", "Device", "children", "digest", "overridable", "synthesize"]

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "hw" / "rtl"
MODELS = ROOT / "sim" / "models"
PEERS = Path(__file__).parent / "peers"
TIME_LIMIT = 2400  # seconds
# What Yosys takes a net to cost, in ps, beside its 7 series' delays of a LUT (about 500) and of four carry bits (114).
# With its own 300, a 64-bit carry chain is worth five LUTs with their nets, so ways that are not critical are made that
# deep to save a LUT; placed nets cost several times a carry block, in UltraScale+ above all. From 2,000 on, four LUTs
# are never cheaper than three and a chain of 64 bits.
WIRE_DELAY = 2000


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
    """A module to synthesize.

    sources: files beyond hw/rtl, one module each, named as it. dsp: let Yosys infer DSP slices. generic: behaviour
    instead of the device's primitives. keep: modules left as black boxes, to be counted by themselves.
    """

    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    sources: Sequence[Path] = ()
    dsp: bool = False
    generic: bool = False
    keep: Sequence[str] = ()

    def on(self, device: Device) -> "Design":
        """The same with the device's primitives chosen, where the module lets its caller choose."""
        if self.generic or "Target" not in overridable(self.top, self.sources):
            return self
        return replace(self, parameters={**self.parameters, "Target": device.target})


def packages() -> list[Path]:
    """The SystemVerilog packages of hw/rtl, in the order in which they read each other."""
    found = sorted(RTL.glob("*_pkg.sv"))
    first = RTL / "fpq_pkg.sv"
    return [first, *(path for path in found if path != first)]


def _file(module: str, sources: Sequence[Path]) -> Path | None:
    """The file that holds a module."""
    places = [path for path in sources if path.stem == module] + [RTL / f"{module}.sv", PEERS / f"{module}.sv"]
    return next((path for path in places if path.exists()), None)


@lru_cache(maxsize=1024)
def _names(path: Path, _changed: int) -> frozenset[str]:
    code = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))  # comments speak of others, too
    return frozenset(re.findall(r"\b(?:fpq|peer)_\w+", code))


def children(module: str, sources: Sequence[Path] = ()) -> list[Path]:
    """The files of a module and of all its parts."""
    found, todo = set[Path](), {path for path in [_file(module, sources)] if path}
    while todo:
        found |= todo
        names = {name for path in todo for name in _names(path, path.stat().st_mtime_ns)}
        todo = {path for path in (_file(name, sources) for name in names) if path} - found
    return sorted(found)


def overridable(module: str, sources: Sequence[Path] = ()) -> list[str]:
    """A module's parameters, without its localparams."""
    path = _file(module, sources)
    if path is None:
        raise FpqvarError(f"estimate: no file {module}.sv in hw/rtl or hw/estimate/peers")
    head = path.read_text(encoding="utf-8").split(");", 1)[0]
    return re.findall(r"(?m)^\s*parameter\s+[^=]*?(\w+)\s*=", head)


def digest(design: Design, device: Device) -> str:
    """What the result depends on: sources, parameters, options, Yosys's version and this folder's Python."""
    try:
        tool = version("pyosys")
    except PackageNotFoundError as error:
        raise FpqvarError("estimate: pyosys is not installed; pip install -r requirements/estimate.txt") from error
    files = [*packages(), RTL / "fpq_assert.svh", *children(design.top, design.sources)]
    files += [Path(__file__), Path(__file__).parent / "run_yosys.py"]
    mark = hashlib.sha256(tool.encode())
    options = (design.top, sorted(design.parameters.items()), design.dsp, design.generic, sorted(design.keep))
    mark.update(repr((options, device.yosys)).encode())
    for path in sorted(set(files)):
        mark.update(path.name.encode() + path.read_bytes())
    return mark.hexdigest()[:20]


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
    files = [*map(str, packages()), str(_stubs(folder)), *map(str, design.sources)]
    top = _file(design.top, design.sources)
    files += [str(top)] if top and str(top) not in files else []
    read = [
        "read_slang",
        "--empty-blackboxes",
        "--ignore-assertions",
        "--relax-enum-conversions",
        "-D",
        "SYNTHESIS",
        "--top",
        design.top,
    ]
    read += [] if design.generic else ["-D", device.macro]
    read += ["-I", str(RTL), "-y", str(RTL), "-y", str(PEERS)]
    read += [f"-G {name}={value}" for name, value in design.parameters.items()]
    read += [f"--blackboxed-module {name}" for name in design.keep if name != design.top]
    options = f"-family {device.yosys} -abc9 -noiopad -noclkbuf -flatten" + ("" if design.dsp else " -nodsp")
    # Peers are asked for no depth: with the longer nets Yosys would make some of them up to a half larger.
    delay = [] if design.top.startswith("peer_") else [f"scratchpad -set synth_xilinx.abc9.W {WIRE_DELAY}"]
    return [
        " ".join([*read, *files]),
        *delay,
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
    read, *commands = script(design, device, folder)
    request = {"read": read, "keep": list(design.keep), "parts": str(folder / "parts.json"), "commands": commands}
    with log.open("w", encoding="utf-8") as stream:
        try:
            subprocess.run(
                [sys.executable, str(Path(__file__).parent / "run_yosys.py")],
                input=json.dumps(request),
                text=True,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=TIME_LIMIT,
            )
        except (subprocess.SubprocessError, OSError) as error:
            reason = re.findall(r"(?m)^(?:ERROR|.*\berror): .*", log.read_text(encoding="utf-8", errors="replace"))
            said = "; ".join(reason[:2]) or str(error)
            raise FpqvarError(f"estimate: Yosys failed on {design.top}: {said}; see {log}") from error
    return load(design, folder)


def load(design: Design, folder: Path) -> dict[str, Any]:
    """The top module of an earlier synthesis; raises FpqvarError where nothing is left of it."""
    result = folder / "netlist.json"
    modules = json.loads(result.read_text(encoding="utf-8"))["modules"]
    tops = [m for name, m in modules.items() if re.sub(r"\\|\$.*", "", name) == design.top and m["cells"]]
    if len(tops) != 1:
        raise FpqvarError(f"estimate: {design.top} is empty after synthesis; see {folder / 'yosys.log'}")
    return dict(tops[0])
