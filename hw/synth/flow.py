# SPDX-License-Identifier: Apache-2.0
"""The stages of a build, in order: the engine's IP, the block design, synthesis, placement and routing, the image."""

import math
import re
from collections.abc import Callable
from pathlib import Path

from host._generated import Core
from hw.synth import hls
from hw.synth.config import ROOT, Job
from hw.synth.process import ToolFailure, run_tool
from hw.synth.reports import Timing, read_timing
from hw.synth.sources import lay_out
from hw.synth.stages import Stage
from hw.synth.tcl import BOARDS_FOLDER, Layout, job_text
from hw.synth.tools import HlsTools, HlsWay, Tool
from sw_quant.errors import FpqvarError

__all__ = ["TITLES", "Build", "check_timing", "hls_stage", "stages"]

TITLES = {
    "package_rtl": "package the RTL core as an IP",
    "csim": "C simulation of the HLS core",
    "csynth": "synthesize and export the HLS core",
    "cosim": "co-simulation of the HLS core",
    "design": "block design",
    "synth": "synthesis",
    "route": "placement and routing",
    "image": "configuration image",
}
HOURS = {"package_rtl": 1.0, "csim": 2.0, "csynth": 24.0, "package": 2.0, "cosim": 72.0, "design": 2.0, "image": 4.0}
LONG = 48.0  # hours, of what is not in the table
_LICENCE = re.compile("error.*licen[cs]e", re.IGNORECASE)


class Build:
    """One build in its folder. `tell` gets the newest line of a tool's log."""

    def __init__(
        self,
        job: Job,
        layout: Layout,
        vivado: Tool | None,
        hls_tools: HlsTools | None,
        jobs: int = 4,
        hours: float | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.job, self.layout, self.vivado, self.hls_tools = job, layout, vivado, hls_tools
        self.rtl = layout.work / "rtl"
        self._jobs, self._hours, self._tell = jobs, hours, tell

    def versions(self) -> dict[str, str]:
        """Of the tools that took part."""
        tools = [self.vivado, self.hls_tools.compiler if self.hls_tools else None]
        return {tool.name: tool.version for tool in tools if tool is not None}

    def run(self, stage: str, command: list[str]) -> None:
        """Run a tool with the stage's log and time limit."""
        self.layout.out.mkdir(parents=True, exist_ok=True)
        limit = self._hours if self._hours is not None else HOURS.get(stage, LONG)
        try:
            run_tool(command, self.layout.work, self.layout.logs / f"{stage}.log", limit * 3600, self._tell)
        except ToolFailure as failure:
            if not any(_LICENCE.search(line) for line in failure.lines):
                raise
            board = self.job.board
            raise ToolFailure(
                f"{failure}\nNo licence for {board.part}: {board.name} needs Vivado's {board.vivado} edition at least "
                "(docs/boards.md); XILINXD_LICENSE_FILE says where a licence is.",
                failure.lines,
            ) from failure

    def run_vivado(self, stage: str) -> None:
        """Run one of hw/boards' scripts."""
        if self.vivado is None:
            raise FpqvarError(f"stage {stage} needs Vivado")
        facts = self.layout.out / f"{stage}.facts"
        facts.unlink(missing_ok=True)
        script = str(BOARDS_FOLDER / f"{stage}.tcl")
        around = ["-mode", "batch", "-notrace", "-nojournal", "-log", str(self.layout.logs / f"{stage}.vivado.log")]
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        self.run(stage, [self.vivado.path, *around, "-source", script, "-tclargs", str(self.layout.work / "job.tcl")])

    def run_hls(self, step: str) -> None:
        """Run a step of Vitis HLS."""
        if self.hls_tools is None:
            raise FpqvarError(f"stage {step} needs Vitis HLS")
        hls.write_job(self.job, self.layout)
        if step == "csynth":
            hls.remove_old(self.layout)
        self.run(step, hls.command(self.hls_tools, self.layout, step))
        if step == "csynth":
            if self.hls_tools.way is HlsWay.CONFIG and not hls.exported(self.job, self.layout):
                # Releases differ in whether v++ exports as well.
                self.run("package", hls.command(self.hls_tools, self.layout, "package"))
            hls.collect_ip(self.job, self.layout)

    def prepare(self) -> None:
        """Write job.tcl and lay the RTL's sources out."""
        self.layout.work.mkdir(parents=True, exist_ok=True)
        sources = lay_out(self.job, self.rtl) if self.job.core is Core.RTL else None
        (self.layout.work / "job.tcl").write_text(
            job_text(self.job, self.layout, sources, self._jobs), encoding="utf-8"
        )


def _scripts(*names: str) -> list[Path]:
    return [BOARDS_FOLDER / f"{name}.tcl" for name in ("common", *names)]


def hls_stage(build: Build, step: str) -> Stage:
    """One of csim, csynth, cosim."""
    benches = list(hls.BENCH) if step != "csynth" else []
    outputs = [build.layout.ip / "component.xml"] if step == "csynth" else [build.layout.logs / f"{step}.log"]
    version = build.hls_tools.compiler.version if build.hls_tools else ""
    settings = hls.config_text(build.job) + version
    return Stage(step, TITLES[step], settings, [*hls.inputs(), *benches], outputs, lambda: build.run_hls(step))


def stages(build: Build) -> list[Stage]:
    """All stages of a build whose RTL is laid out. Their settings are the job and the tools' versions."""
    job, out = build.job, build.layout.out
    settings = job_text(job, Layout(Path("work")), None, 0) + str(build.versions())
    if job.core is Core.RTL:
        rtl = [*sorted(build.rtl.iterdir()), *_scripts("package_rtl")]
        first = _vivado(build, "package_rtl", settings, rtl, [build.layout.ip / "component.xml"])
    else:
        first = hls_stage(build, "csynth")
    device = job.board.device
    handoff = [out / f"{job.name}.hwh", out / "design.facts"]
    images = [out / f"{job.name}{ending}" for ending in job.platform.images]
    solution = [job.noc_solution] if job.noc_solution else []
    return [
        first,
        _vivado(build, "design", settings, _scripts("design", device, "smartconnect"), handoff),
        _vivado(build, "synth", settings, _scripts("synth"), [out / "synthesis_utilization.rpt"]),
        _vivado(
            build, "route", settings, [*_scripts("route"), *solution], [out / "timing.rpt", out / "utilization.rpt"]
        ),
        _vivado(build, "image", settings, _scripts("image"), images),
    ]


def _vivado(build: Build, name: str, settings: str, inputs: list[Path], outputs: list[Path]) -> Stage:
    return Stage(name, TITLES[name], settings, inputs, outputs, lambda: build.run_vivado(name))


def check_timing(job: Job, report: Path, allow: bool) -> Timing:
    """The routed design's slacks. Raises FpqvarError when the clock is not reached, unless that is allowed."""
    timing = read_timing(report)
    if not timing.met and not allow:
        remedy = "No clock mends hold or pulse width: look at the report's paths"
        if timing.setup < 0:
            reached = math.floor(1000 / (job.period_ns - timing.setup))
            remedy = (
                f"Ask for a slower clock, CLOCK={reached} by this report, or a smaller geometry in hw/spec/boards.toml"
            )
        raise FpqvarError(
            f"timing is not met: worst slack {timing.setup:g} ns (setup), {timing.hold:g} ns (hold), {timing.pulse:g} "
            f"ns (pulse width), {timing.failing} endpoints late. {remedy}; ALLOW_TIMING=1 keeps the image all the "
            f"same. Report: {report}"
        )
    return timing


def default_work(job: Job) -> Path:
    """Where a build keeps its files unless told otherwise."""
    return ROOT / "build" / "synth" / job.name
