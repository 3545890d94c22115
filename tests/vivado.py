# SPDX-License-Identifier: Apache-2.0
"""Runs the scripts of hw/boards on the stand-in for Vivado (tests/tcl) and reads back what they asked of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from host._generated import Core
from hw.synth.config import Job
from hw.synth.sources import lay_out
from hw.synth.tcl import BOARDS_FOLDER, Layout, job_text

TCL = Path(__file__).parent / "tcl"
REPORTS = Path(__file__).parent / "data" / "reports"


@dataclass(frozen=True)
class Calls:
    """The tool's commands in the order in which they were called, each a name and its words."""

    lines: tuple[tuple[str, ...], ...]

    def of(self, name: str) -> list[tuple[str, ...]]:
        """The arguments of each call of a command."""
        return [line[1:] for line in self.lines if line[0] == name]

    @cached_property
    def nets(self) -> dict[str, str]:
        """The pin that drives each pin."""
        return {pin: driver for driver, pin in self.of("connect_bd_net")}

    @cached_property
    def buses(self) -> dict[str, str]:
        """The slave interface that each master interface is connected to."""
        return dict(self.of("connect_bd_intf_net"))  # type: ignore[arg-type]

    @cached_property
    def cells(self) -> dict[str, str]:
        """The VLNV of each cell."""
        return {call[-1]: call[call.index("-vlnv") + 1] for call in self.of("create_bd_cell")}

    @cached_property
    def properties(self) -> dict[tuple[str, str], str]:
        """Object and key, without CONFIG., of every property that was set; the last value."""
        found: dict[tuple[str, str], str] = {}
        for call in self.of("set_property"):
            pairs = words(call[1]) if call[0] == "-dict" else list(call[:2])
            for key, value in zip(pairs[::2], pairs[1::2], strict=True):
                found[call[-1], key.removeprefix("CONFIG.")] = value
        return found

    @cached_property
    def maps(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Address space and segment of every mapping, with its offset and size in bytes."""
        found = {}
        for call in self.of("assign_bd_address"):
            if call:
                option = dict(zip(call[:-2:2], call[1:-1:2], strict=False))
                size = option["-range"]
                unit = {"K": 10, "M": 20, "G": 30}[size[-1]]
                place = (option["-target_address_space"], call[-1])
                found[place] = int(option["-offset"], 0), int(size[:-1]) << unit
        return found


def words(text: str) -> list[str]:
    """A Tcl list as a Python list; backslashes do not occur."""
    found: list[str] = []
    depth, word, inside = 0, "", False
    for letter in text + " ":
        if letter == "{":
            depth += 1
            inside = True
            word += letter if depth > 1 else ""
        elif letter == "}":
            depth -= 1
            word += letter if depth else ""
        elif letter.isspace() and not depth:
            if word or inside:
                found.append(word)
            word, inside = "", False
        else:
            word += letter
    return found


def prepare(job: Job, work: Path) -> Layout:
    """A build's folder as it is when the block design is made: job.tcl, sources, and for HLS its exported IP."""
    layout = Layout(work)
    layout.out.mkdir(parents=True, exist_ok=True)
    sources = lay_out(job, work / "rtl") if job.core is Core.RTL else None
    (work / "job.tcl").write_text(job_text(job, layout, sources, 2), encoding="utf-8")
    if job.core is Core.HLS:
        layout.ip.mkdir(exist_ok=True)
        (layout.ip / "component.xml").write_text(f'<spirit:component vlnv="{job.vlnv}"/>', encoding="utf-8")
    return layout


def play(job: Job, layout: Layout, stage: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], Calls]:
    """Run one script; what the process said, and the recorded calls."""
    record = layout.work / f"{stage}.calls"
    record.unlink(missing_ok=True)
    around = {
        "FPQ_CALLS": str(record),
        "FPQ_MASTERS": " ".join(job.bus_bits),
        "FPQ_BOARD_FILES": "1",
        "FPQ_BROKEN_RUN": "none",
        "FPQ_REPORTS": str(REPORTS / "vivado-2023.2-zynqmp"),
    }
    command = [sys.executable, str(TCL / "shell.py"), str(TCL / "stub.tcl"), str(BOARDS_FOLDER / f"{stage}.tcl")]
    done = subprocess.run(
        [*command, "--", str(layout.work / "job.tcl")],
        capture_output=True, text=True, timeout=60, env=os.environ | around | environment, cwd=layout.work,
    )  # fmt: skip
    return done, Calls(tuple(_read(record)))


def _read(record: Path) -> Iterator[tuple[str, ...]]:
    if record.exists():
        for line in record.read_text(encoding="utf-8").splitlines():
            yield tuple(json.loads(line))
