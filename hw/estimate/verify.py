# SPDX-License-Identifier: Apache-2.0
"""Proves by simulation that a netlist does what its RTL does: both run in one Verilator model, in lockstep.

They get the same random inputs (dense, sparse, held, the same code in every field, resets in mid-run), and all outputs
are compared twice a cycle. How many outputs took both values is counted, so that a comparison of silence is noticed.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from host.devices.verilate import VERILATOR_ENVIRONMENT, verilator_root
from sim.objects import Objects
from sw_quant.errors import FpqvarError

from .emit import plain_netlist
from .interpret import interpretable, program
from .stubs import stub_modules
from .synthesis import MODELS, PEERS, RTL, Design, Device, overridable, packages

__all__ = ["Lockstep", "lockstep"]

HARNESS = Path(__file__).parent / "lockstep"
CELLS = Path(__file__).parent / "models"
TIME_LIMIT = 1500  # seconds
CLOCKS = {"clk_i", "ap_clk"}
RESETS = {"rst_ni": 1, "ap_rst_n": 1}  # active low
WARM = 192  # cycles that are not compared


@dataclass(frozen=True)
class Lockstep:
    """What was compared."""

    cycles: int
    toggled: int
    outputs: int
    seed: int


def _ports(module: Mapping[str, Any], direction: str) -> list[tuple[str, int]]:
    return [
        (name, len(port["bits"]))
        for name, port in module["ports"].items()
        if port["direction"] == direction and name not in CLOCKS
    ]


def _connections(ports: Sequence[tuple[str, int]], bus: str) -> list[str]:
    lines, at = [], 0
    for name, width in ports:
        lines.append(f".{name}({bus}[{at}+:{width}])")
        at += width
    return lines


def _wrapper(design: Design, module: Mapping[str, Any], alone: bool) -> str:
    """A module with the RTL and the netlist side by side; buses wider than 64 bits, for one way to drive them."""
    inputs, outputs = _ports(module, "input"), _ports(module, "output")
    clocks = [f".{name}(clk_i)" for name in module["ports"] if name in CLOCKS]
    parameters = ", ".join(f".{name}({value})" for name, value in design.parameters.items())
    top = f"{design.top} #({parameters})" if parameters else design.top

    def instance(head: str, name: str, bus: str) -> str:
        pins = [*clocks, *_connections(inputs, "in_i"), *_connections(outputs, bus)]
        return f"  {head} {name} (\n    {(',' + chr(10) + '    ').join(pins)}\n  );\n"

    width_in, width_out = (max(96, sum(w for _, w in ports)) for ports in (inputs, outputs))
    return (
        f"module lockstep (\n  input logic clk_i,\n  input logic [{width_in - 1}:0] in_i,\n"
        f"  output logic [{width_out - 1}:0] rtl_o,\n  output logic [{width_out - 1}:0] net_o\n);\n"
        + instance(top, "u_rtl", "rtl_o")
        + ("  assign net_o = '0;\n" if alone else instance(f"{design.top}_netlist", "u_net", "net_o"))
        + "endmodule\n"
    )


def _header(module: Mapping[str, Any]) -> str:
    """The ports as C++ tables."""

    def table(name: str, ports: Sequence[tuple[str, int]]) -> str:
        rows, at = [], 0
        for port, width in ports:
            rows.append(f'    {{"{port}", {at}, {width}, {RESETS.get(port, 0)}}},')
            at += width
        words = (max(96, at) + 31) // 32
        return (
            f"static const std::vector<Port> k{name}s = {{\n"
            + "\n".join(rows)
            + (f"\n}};\nstatic const int k{name}Words = {words};\n")
        )

    return (
        "#pragma once\n#include <vector>\nstruct Port {\n  const char *name;\n  int offset, width, reset;\n};\n"
        + f"static const long kWarm = {WARM};\n"
        + table("Input", _ports(module, "input"))
        + table("Output", _ports(module, "output"))
    )


def netlist_text(design: Design, module: Mapping[str, Any], name: str) -> str:
    """The netlist for a simulator; black boxes take the parameters that the RTL lets be set."""
    boxes = {cell["type"] for cell in module["cells"].values() if cell["type"].startswith(("fpq_", "peer_"))}
    return plain_netlist(module, name, {box: overridable(box, design.sources) for box in boxes})


def lockstep(
    design: Design, device: Device, folder: Path, module: Mapping[str, Any], seed: int, cycles: int
) -> Lockstep:
    """Compare a synthesized module (as `synthesize` left it in `folder`) with its source.

    Raises FpqvarError that names the first differing output, or the log of a build that failed.
    """
    work = (folder / "lockstep").resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    alone = interpretable(module)  # the RTL is compiled alone: the netlist is interpreted
    (work / "lockstep.sv").write_text(_wrapper(design, module, alone), encoding="utf-8")
    (work / "lockstep.hpp").write_text(_header(module), encoding="utf-8")
    if alone:
        (work / "netlist.txt").write_text(program(module), encoding="utf-8")
    else:
        (work / "netlist.sv").write_text(netlist_text(design, module, f"{design.top}_netlist"), encoding="utf-8")
    (work / "stubs.sv").write_text(stub_modules(design.keep, module, design.sources), encoding="utf-8")
    log, flags = work / "build.log", "-O0"
    objects = Objects(folder.parent, [flags, str(verilator_root())])
    command: list[str] = [str(verilator_root() / "bin" / "verilator"), "--cc", "--exe", "--build", "-j", "1"]
    command += [
        "--top-module",
        "lockstep",
        "-Mdir",
        str(work / "model"),
        "-Wno-fatal",
        "-Wno-lint",
        "-Wno-style",
        "-Wno-ENUMVALUE",
    ]
    command += [
        "-O3",
        "--output-split",
        "0",  # see sim/runner.py
        "--no-assert",
        "--no-timing",
        "--x-assign",
        "0",
        "--x-initial",
        "fast",
        "-CFLAGS",
        f"{flags} -I{work}" + (f' -DINTERPRET=\\"{work}/netlist.txt\\"' if alone else ""),
    ]
    kept = objects.give(work / "model")
    command += ["-MAKEFLAGS", " ".join(kept)] if kept else []
    command += [] if design.generic else [f"-D{device.macro}"]
    command += ["-D" + "SYNTHESIS", f"-I{RTL}", "-y", str(RTL), "-y", str(PEERS), "-y", str(CELLS), "-y", str(MODELS)]
    command += [str(path) for path in packages()] + [str(path) for path in design.sources]
    command += [str(work / "stubs.sv")] if design.keep else []
    command += [] if alone else [str(work / "netlist.sv")]
    command += [str(work / "lockstep.sv"), str(HARNESS / "main.cpp")]
    with log.open("w", encoding="utf-8") as out:
        _run(command, out, f"estimate: {design.top}: building the simulation failed; see {log}")
    objects.take(work / "model")
    with (work / "run.log").open("w+", encoding="utf-8") as out:
        code = _run([str(work / "model" / "Vlockstep"), str(seed), str(cycles)], out)
        out.seek(0)
        said = out.read().strip()
    if code != 0:
        raise FpqvarError(f"estimate: {design.top}: the netlist differs from the RTL (seed {seed}): {said[-300:]}")
    shutil.rmtree(work / "model")  # the compiler's files: 200 MB and more each
    done, toggled, outputs = map(int, said.split()[-3:])
    return Lockstep(done, toggled, outputs, seed)


def _run(command: list[str], out: IO[str], failure: str = "") -> int:
    environment = {**os.environ, **VERILATOR_ENVIRONMENT}
    try:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, timeout=TIME_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FpqvarError(f"{failure or 'estimate: the simulation did not end'} ({error})") from error
    if failure and done.returncode != 0:
        raise FpqvarError(failure)
    return done.returncode
